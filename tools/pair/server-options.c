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
    g_bytes_unref(options->settings.test_data);
    policy_clear(&options->policy);
    users_free(options->users);
    g_free(options->host);
}

/* What the Internal Test Method sends: a text, or `size` bytes of a repeating one. */
static GBytes *
make_test_data(const char *text, guint size)
{
    if (size == NOT_GIVEN)
        return g_bytes_new(text, strlen(text));
    char *bytes = g_malloc(size + 1);
    for (guint i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 26);
    return g_bytes_new_take(bytes, size);
}

static void
load(server_options_t *options, const char *config, gboolean check)
{
    options->settings.users = options->users = users_new();
    if (!config_load(config, options->users, &options->policy, &options->limits))
        exit(STATUS_USAGE);
    if (options->allow_none)
        log_line(NULL, "warning: --allow-none with --config: clients that do not offer MAF need no password");
    if (check) {
        g_print("%s: valid\n", config);
        server_options_clear(options);
        exit(STATUS_OK);
    }
}

void
server_options_parse(int argc, char **argv, server_options_t *options)
{
    *options = (server_options_t){.peer = {.side = PAIR_SERVER,
                                           .timeout = 30,
                                           .login_time = NOT_GIVEN,
                                           .message_size = NOT_GIVEN,
                                           .revision = MAF_REVISION_BY_VER},
                                  .socks_method = MAF_SOCKS_METHOD,
                                  .policy = policy_new(),
                                  .limits = {.connections = 2000, .login_time = 60, .message_size = 65536},
                                  .host = g_strdup("127.0.0.1"),
                                  .port = 1080};
    const policy_step_t test_step = {.methods = {method_find_word("internal-test")}};
    g_autofree char *listen = NULL, *port = NULL, *test_data = NULL, *config = NULL;
    guint rounds = NOT_GIVEN, test_size = NOT_GIVEN, connections = NOT_GIVEN;
    gboolean check = FALSE;
    const GOptionEntry entries[] = {
        {"listen", 'l', 0, G_OPTION_ARG_STRING, &listen,
         "Listen on this address (127.0.0.1:1080); port 0: any free port", "[ADDRESS:]PORT"},
        {"port", 0, 0, G_OPTION_ARG_STRING, &port, "Listen on this port of 127.0.0.1", "PORT"},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &config, "Users, policy and limits: see maf-server(1)",
         "FILE"},
        {"check", 0, 0, G_OPTION_ARG_NONE, &check, "Check --config and exit", NULL},
        {"socks-method", 0, 0, G_OPTION_ARG_INT, &options->socks_method, "The SOCKS METHOD that is MAF (8)",
         "NUMBER"},
        {"allow-none", 0, 0, G_OPTION_ARG_NONE, &options->allow_none,
         "Accept clients that offer METHOD 00, no authentication, and not MAF", NULL},
        {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds,
         "Without --config, run the Internal Test Method N times before Success (1)", "N"},
        {"test-data", 0, 0, G_OPTION_ARG_STRING, &test_data, "What the Internal Test Method sends (hello)",
         "TEXT"},
        {"test-data-size", 0, 0, G_OPTION_ARG_INT, &test_size, "Send N bytes of a repeating text instead",
         "N"},
        {"connections", 0, 0, G_OPTION_ARG_INT, &connections, "Most connections at a time (2000)", "N"},
        {"message-size", 0, 0, G_OPTION_ARG_INT, &options->peer.message_size,
         "Longest message of a client, in bytes (65536)", "N"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    options_parse(&argc, &argv, "maf-server", NULL,
                  "A SOCKS 5 proxy that authenticates its clients with MAF (draft-ietf-aft-socks-maf).\n"
                  "Without --config it accepts every client that passes the Internal Test Method.",
                  entries, options);
    if (argc > 1)
        options_fail("unexpected argument '%s'", argv[1]);
    if (check && !config)
        options_fail("--check needs --config");
    if (config && rounds != NOT_GIVEN)
        options_fail("--config and --rounds exclude each other");
    if (test_size != NOT_GIVEN && test_data)
        options_fail("--test-data and --test-data-size exclude each other");
    if (port)
        options_take_listen("--port", port, &options->host, &options->port);
    if (listen)
        options_take_listen("--listen", listen, &options->host, &options->port);
    options_check("--socks-method", options->socks_method, 1, SOCKS_METHOD_UNACCEPTABLE - 1);
    options_check("--rounds", rounds, 1, ROUNDS_MAX);
    options_check("--test-data-size", test_size, 0, MAF_PDU_DATA_MAX);
    options_check("--connections", connections, 1, CONNECTIONS_MAX);
    options_check("--message-size", options->peer.message_size, MESSAGE_SIZE_MIN, MESSAGE_SIZE_MAX);
    options->settings.test_data = make_test_data(test_data ? test_data : "hello", test_size);
    if (config)
        load(options, config, check);
    for (guint i = 0; !config && i < (rounds == NOT_GIVEN ? 1 : rounds); i++)
        g_array_append_val(options->policy.steps, test_step);

    /* The command line takes precedence over the configuration. */
    limits_t *limits = &options->limits;
    peer_options_t *peer = &options->peer;
    limits->connections = connections == NOT_GIVEN ? limits->connections : connections;
    peer->login_time = peer->login_time == NOT_GIVEN ? limits->login_time : peer->login_time;
    peer->message_size = peer->message_size == NOT_GIVEN ? limits->message_size : peer->message_size;
    peer->message_size =
        MAX(peer->message_size, (guint)g_bytes_get_size(options->settings.test_data) + MESSAGE_SIZE_MIN);
}
