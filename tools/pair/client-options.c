/* client-options.c
 * The command line of maf-client
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "options.h"

#include "log.h"
#include "socks-pdu.h"

#include <stdlib.h>
#include <string.h>

static void
take_socks_methods(client_options_t *options, char **texts, gboolean no_maf)
{
    const guint8 default_method = no_maf ? SOCKS_METHOD_NONE : MAF_SOCKS_METHOD;

    if (no_maf && texts)
        options_fail("--no-maf and --socks-method exclude each other");
    for (char **text = texts; text && *text; text++) {
        g_auto(GStrv) numbers = g_strsplit(*text, ",", -1);
        for (char **item = numbers; *item; item++) {
            guint number = 0;
            options_take_number("--socks-method", *item, 1, SOCKS_METHOD_UNACCEPTABLE - 1, &number);
            const guint8 method = (guint8)number;
            if (options->socks_methods->len == 0 ||
                !memchr(options->socks_methods->data, method, options->socks_methods->len))
                g_byte_array_append(options->socks_methods, &method, 1);
        }
    }
    if (options->socks_methods->len == 0)
        g_byte_array_append(options->socks_methods, &default_method, 1);
}

static void
take_credentials(client_options_t *options, const char *file)
{
    g_autoptr(GError) error = NULL;
    gboolean taken = config_take_environment(&options->credentials, &error);

    if (file) {
        g_clear_error(&error);
        credentials_clear(&options->credentials);
        taken = config_load_credentials(file, &options->credentials, &error);
    }
    if (!taken) {
        log_line(NULL, "%s", error->message);
        exit(STATUS_USAGE);
    }
    if (options->credentials.user)
        options->settings.credentials = &options->credentials;
}

/* With credentials what proves who the server is, too; without, what needs none. */
static void
take_offer(client_options_t *options, const char *offer)
{
    const char *default_offer = options->settings.credentials ? "SCRAM-SHA-256" : "internal-test";

    options_take_methods("--offer", offer ? offer : default_offer, options->offer);
}

static gboolean
offers(const client_options_t *options, const method_t *method)
{
    for (guint i = 0; i < options->offer->len; i++) {
        if (method_find(&g_array_index(options->offer, method_id_t, i)) == method)
            return TRUE;
    }
    return FALSE;
}

/* Success counts only after one of these; with credentials alone, after one of the offer that uses them. */
static void
take_required(client_options_t *options, const char *require)
{
    g_auto(GStrv) words = g_strsplit(require ? require : "", ",", -1);

    for (char **word = words; *word; word++) {
        const method_t *method = method_find_word(*word);
        if (!method || !offers(options, method))
            options_fail("--require: '%s': expected the name of a sub-method that is offered", *word);
        g_ptr_array_add(options->required, (gpointer)method);
    }
    const method_t *method;
    for (gsize i = 0; !require && options->settings.credentials && (method = method_get(i)); i++) {
        if (method->mechanism && offers(options, method))
            g_ptr_array_add(options->required, (gpointer)method);
    }
}

/* The ids of the offer that are compact, or the UUIDs that they are or that stand for them. */
static void
append_ids(GArray *ids, const GArray *offer, gboolean uuids)
{
    for (guint i = 0; i < offer->len; i++) {
        method_id_t id = g_array_index(offer, method_id_t, i);
        const gboolean is_uuid = id.len == MAF_LONG_ID_LEN;
        if (is_uuid == uuids || (uuids && method_id_uuid(&id, &id)))
            g_array_append_val(ids, id);
    }
}

/* Has the offer made of the kinds of ids that are asked for, in their order: "", c(ompact), u(uid). */
static void
choose_ids(client_options_t *options, const char *name)
{
    static const char *const choices[][2] = {
        {"none", ""}, {"compact", "c"}, {"uuid", "u"}, {"both", "cu"}, {"uuid-first", "uc"}};
    const char *kinds = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(choices); i++)
        kinds = strcmp(name, choices[i][0]) == 0 ? choices[i][1] : kinds;
    if (!kinds)
        options_fail("--ids: expected compact, uuid, both, uuid-first or none");
    g_autoptr(GArray) offer = options->offer;
    options->offer = g_array_new(FALSE, FALSE, sizeof(method_id_t));
    for (const char *kind = kinds; *kind; kind++)
        append_ids(options->offer, offer, *kind == 'u');
    if (options->offer->len == 0 && *kinds)
        options_fail("--ids: %s leaves nothing of the offer", name);
}

/* Revision 00 has neither UUIDs nor empty lists. */
static void
check_revision_00(const client_options_t *options)
{
    gboolean compact = options->offer->len > 0;

    for (guint i = 0; i < options->offer->len; i++)
        compact = compact && g_array_index(options->offer, method_id_t, i).len == MAF_METHOD_LEN;
    if (!compact || options->peer.oem_place != OEM_NOWHERE)
        options_fail("UUIDs, empty lists and OEM messages need --revision 1");
}

static void
take_target(client_options_t *options, int argc, char **argv, const char *listen)
{
    if (argc > 2)
        options_fail("unexpected argument '%s'", argv[2]);
    if ((argc == 2) == (listen != NULL))
        options_fail("expected one TARGET:PORT, or else --listen");
    if (listen) {
        options_take_listen(listen, &options->listen_host, &options->listen_port);
        return;
    }
    options_take_host_port("TARGET:PORT", argv[1], &options->target_host, &options->target_port);
}

void
client_options_parse(int argc, char **argv, client_options_t *options)
{
    g_autofree char *server = NULL, *listen = NULL, *offer = NULL, *require = NULL, *ids = NULL,
                    *credentials = NULL;
    g_autofree char *width = NULL, *block = NULL;
    g_auto(GStrv) methods = NULL;
    gboolean no_maf = FALSE;
    const GOptionEntry entries[] = {
        {"server", 's', 0, G_OPTION_ARG_STRING, &server, "The SOCKS 5 proxy (127.0.0.1:1080)", "HOST[:PORT]"},
        {"listen", 'l', 0, G_OPTION_ARG_STRING, &listen,
         "Be a SOCKS 5 proxy without authentication for programs of this machine", "[ADDRESS:]PORT"},
        {"credentials", 0, 0, G_OPTION_ARG_FILENAME, &credentials,
         "Who you are: see maf-client(1). Without it, MAF_USER and MAF_PASSWORD of the environment", "FILE"},
        {"offer", 0, 0, G_OPTION_ARG_STRING, &offer,
         "Sub-methods to offer, by name or hexadecimal number, such as SCRAM-SHA-256,PLAIN,00010000-000100FD",
         "LIST"},
        {"require", 0, 0, G_OPTION_ARG_STRING, &require,
         "Success counts only after one of these sub-methods has completed", "NAME[,...]"},
        {"ids", 0, 0, G_OPTION_ARG_STRING, &ids,
         "In revision 1, offer compact ids, UUIDs, both (UUIDs last, or first), or no sub-method at all",
         "compact|uuid|both|uuid-first|none"},
        {"block", 0, 0, G_OPTION_ARG_STRING, &block,
         "Offer so many sub-methods at a time, and the next when asked for more (254)", "N"},
        {"socks-method", 0, 0, G_OPTION_ARG_STRING_ARRAY, &methods,
         "SOCKS METHOD to offer as MAF (8); repeat it or separate by commas for more", "NUMBER"},
        {"no-maf", 0, 0, G_OPTION_ARG_NONE, &no_maf, "Offer METHOD 00, no authentication, and not MAF", NULL},
        {"nmethods-width", 0, 0, G_OPTION_ARG_STRING, &width, "Bytes of NMETHODS, 1 or 4 (4)", "1|4"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    *options = (client_options_t){
        .peer = {.side = PAIR_CLIENT, .timeout = 30, .login_time = 60, .message_size = MESSAGE_SIZE_MAX},
        .socks_methods = g_byte_array_new(),
        .offer = g_array_new(FALSE, FALSE, sizeof(method_id_t)),
        .required = g_ptr_array_new(),
        .nmethods_len = MAF_NMETHODS_LEN,
        .server_port = 1080};
    options_parse(
        &argc, &argv, "maf-client", "TARGET:PORT",
        "Logs in at a SOCKS 5 proxy with MAF (draft-ietf-aft-socks-maf) and connects standard input\n"
        "and output to TARGET:PORT behind it, such as example.org:80 or [::1]:22.\n\n"
        "Exit status: 0 the target was reached, 1 authentication refused, 2 usage,\n"
        "3 the server broke the protocol, hung up or did not prove what it had to,\n"
        "4 server or target not reached, or lost.",
        entries, &options->peer);
    take_target(options, argc, argv, listen);
    options_take_host_port("--server", server ? server : "127.0.0.1", &options->server_host,
                           &options->server_port);
    options_take_number("--nmethods-width", width, MAF_NMETHODS_LEN_BYTE, MAF_NMETHODS_LEN,
                        &options->nmethods_len);
    if (options->nmethods_len != MAF_NMETHODS_LEN && options->nmethods_len != MAF_NMETHODS_LEN_BYTE)
        options_fail("--nmethods-width: expected 1 or 4");
    options_take_number("--block", block, 1, MAF_NMETHODS_MAX - 1, &options->block);
    take_socks_methods(options, methods, no_maf);
    take_credentials(options, credentials);
    take_offer(options, offer);
    take_required(options, require);
    if (ids)
        choose_ids(options, ids);
    if (options->peer.revision == MAF_VER_00)
        check_revision_00(options);
    options->program = (peer_options_t){.side = PAIR_SERVER,
                                        .timeout = options->peer.timeout,
                                        .login_time = options->peer.login_time,
                                        .message_size = MESSAGE_SIZE_MIN,
                                        .linger = 1000};
}

void
client_options_clear(client_options_t *options)
{
    credentials_clear(&options->credentials);
    g_byte_array_unref(options->socks_methods);
    g_array_unref(options->offer);
    g_ptr_array_unref(options->required);
    g_free(options->server_host);
    g_free(options->target_host);
    g_free(options->listen_host);
}
