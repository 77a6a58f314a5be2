/* server-options.c
 * The command line of maf-server
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "options.h"

#include "log.h"
#include "socks-pdu.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 1000

void
server_options_clear(server_options_t *options)
{
    g_clear_pointer(&options->settings.test_data, g_bytes_unref);
    policy_free(options->policy);
    users_free(options->users);
    g_free(options->host);
}

/* What the server asks for when it has no configuration. */
static policy_t *
test_policy(guint rounds)
{
    policy_t *policy = policy_new();

    while (rounds--) {
        GPtrArray *methods = g_ptr_array_new();
        g_ptr_array_add(methods, (gpointer)method_find_word("internal-test"));
        policy_add(policy, methods, 0, FALSE);
    }
    return policy;
}

/* So many bytes of text that repeats. */
static GBytes *
make_test_data(gsize size)
{
    char *bytes = g_malloc(size + 1);

    for (gsize i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 26);
    return g_bytes_new_take(bytes, size);
}

static void
warn(const char *text)
{
    log_line(NULL, "warning: %s", text);
}

static void
load(server_options_t *options, const char *config, gboolean check)
{
    g_autoptr(GError) error = NULL;

    if (!config_load(config, &options->users, &options->policy, &options->limits, warn, &error)) {
        log_line(NULL, "%s", error->message);
        exit(STATUS_USAGE);
    }
    if (options->allow_none)
        warn("--allow-none with --config: clients that do not offer MAF need no password");
    options->settings.users = options->users;
    if (check) {
        g_print("%s: valid\n", config);
        server_options_clear(options);
        exit(STATUS_OK);
    }
}

void
server_options_parse(int argc, char **argv, server_options_t *options)
{
    *options = (server_options_t){
        .peer = {.side = PAIR_SERVER, .timeout = 30, .linger = 1000, .revision = MAF_REVISION_BY_VER},
        .socks_method = MAF_SOCKS_METHOD,
        .limits = {.connections = 2000, .login_time = 60, .message_size = 65536}};
    g_autofree char *listen = NULL, *port = NULL, *socks_method = NULL, *rounds = NULL, *test_data = NULL;
    g_autofree char *test_size = NULL, *config = NULL, *connections = NULL, *message_size = NULL;
    gboolean check = FALSE;
    const GOptionEntry entries[] = {
        {"listen", 'l', 0, G_OPTION_ARG_STRING, &listen,
         "Listen there (127.0.0.1:1080); port 0: any that is free", "[ADDRESS:]PORT"},
        {"port", 0, 0, G_OPTION_ARG_STRING, &port, "The port alone", "PORT"},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &config, "Users, policy and limits: see maf-server(1)",
         "FILE"},
        {"check", 0, 0, G_OPTION_ARG_NONE, &check, "Check --config and exit", NULL},
        {"socks-method", 0, 0, G_OPTION_ARG_STRING, &socks_method, "The SOCKS METHOD that is MAF (8)",
         "NUMBER"},
        {"allow-none", 0, 0, G_OPTION_ARG_NONE, &options->allow_none,
         "Let clients in that offer METHOD 00, no authentication, and not MAF", NULL},
        {"rounds", 0, 0, G_OPTION_ARG_STRING, &rounds,
         "Without --config, run the Internal Test Method N times before Success (1)", "N"},
        {"test-data", 0, 0, G_OPTION_ARG_STRING, &test_data, "What the Internal Test Method sends (hello)",
         "TEXT"},
        {"test-data-size", 0, 0, G_OPTION_ARG_STRING, &test_size,
         "The same, as so many bytes of a text that repeats", "N"},
        {"connections", 0, 0, G_OPTION_ARG_STRING, &connections, "Connections at a time (2000)", "N"},
        {"message-size", 0, 0, G_OPTION_ARG_STRING, &message_size,
         "Bytes that a client's message may have (65536)", "N"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    guint number = 1080, test_bytes = 0, policy_rounds = 1;

    options_parse(&argc, &argv, "maf-server", NULL,
                  "A SOCKS 5 proxy that authenticates its clients with MAF (draft-ietf-aft-socks-maf).\n"
                  "Without --config it lets in whoever passes the Internal Test Method.",
                  entries, &options->peer);
    if (argc > 1)
        options_fail("unexpected argument '%s'", argv[1]);
    if (check && !config)
        options_fail("--check needs --config");
    if (config && rounds)
        options_fail("--config and --rounds exclude each other");
    if (test_size && test_data)
        options_fail("--test-data and --test-data-size exclude each other");
    options_take_listen(listen ? listen : "1080", &options->host, &options->port);
    options_take_number("--port", port, 0, G_MAXUINT16, &number);
    if (port)
        options->port = (guint16)number;
    options_take_number("--socks-method", socks_method, 1, SOCKS_METHOD_UNACCEPTABLE - 1,
                        &options->socks_method);
    options_take_number("--rounds", rounds, 1, ROUNDS_MAX, &policy_rounds);
    options_take_number("--test-data-size", test_size, 0, MAF_PDU_DATA_MAX, &test_bytes);
    options->settings.test_data = test_size   ? make_test_data(test_bytes)
                                  : test_data ? g_bytes_new(test_data, strlen(test_data))
                                              : g_bytes_new_static("hello", strlen("hello"));
    limits_t given = {0, options->peer.login_time, 0};
    options_take_number("--connections", connections, 1, CONNECTIONS_MAX, &given.connections);
    options_take_number("--message-size", message_size, MESSAGE_SIZE_MIN, MESSAGE_SIZE_MAX,
                        &given.message_size);
    if (config)
        load(options, config, check);
    else
        options->policy = test_policy(policy_rounds);

    /* The command line takes precedence over the configuration. */
    const limits_t *limits = &options->limits;
    options->limits.connections = given.connections ? given.connections : limits->connections;
    options->peer.login_time = given.login_time ? given.login_time : limits->login_time;
    options->peer.message_size = MAX(given.message_size ? given.message_size : limits->message_size,
                                     (guint)g_bytes_get_size(options->settings.test_data) + MESSAGE_SIZE_MIN);
}
