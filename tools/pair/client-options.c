/* client-options.c
 * The command line of maf-client
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "options.h"

#include "socks-pdu.h"

#include <stdlib.h>
#include <string.h>

/* A callback of GOption */

static gboolean
take_socks_methods(const char *option, const char *text, client_options_t *options,
                   GError **error G_GNUC_UNUSED)
{
    g_auto(GStrv) numbers = g_strsplit(text, ",", -1);
    GByteArray *methods = options->socks_methods;

    for (char **item = numbers; *item; item++) {
        char *end;
        const guint64 number = g_ascii_strtoull(*item, &end, 0);
        const guint8 method = (guint8)number;
        if (*end || number == SOCKS_METHOD_NONE || number >= SOCKS_METHOD_UNACCEPTABLE)
            options_fail("%s: '%s': expected numbers from 1 to 254", option, text);
        if (methods->len == 0 || !memchr(methods->data, method, methods->len))
            g_byte_array_append(methods, &method, 1);
    }
    return TRUE;
}

/* What depends on other options */

/* Success counts only after one of these; with credentials alone, after one of the offer that uses them. */
static void
take_required(client_options_t *options, const char *require)
{
    g_auto(GStrv) words = g_strsplit(require ? require : "", ",", -1);
    guint offered = 0;

    for (guint i = 0; i < options->offer->len; i++) {
        const method_t *method = method_find(&g_array_index(options->offer, method_id_t, i));
        offered |= method ? 1U << method->index : 0;
        if (method && !require && options->settings.credentials && method->need != SECRET_NONE)
            options->required |= 1U << method->index;
    }
    for (char **word = words; *word; word++) {
        const method_t *method = method_find_word(*word);
        if (!method || !(offered & 1U << method->index))
            options_fail("--require: '%s': expected the name of a sub-method that is offered", *word);
        options->required |= 1U << method->index;
    }
}

/* Appends the compact ids of the offer, or its UUIDs and those of its compact ids. */
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

/* Makes the offer of the requested kinds of ids, in their order: "", c(ompact), u(uid). */
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
take_target(client_options_t *options, int argc, char **argv)
{
    if (argc > 2)
        options_fail("unexpected argument '%s'", argv[2]);
    if ((argc == 2) == (options->listen_host != NULL))
        options_fail("expected one TARGET:PORT, or else --listen");
    if (argc == 2)
        options_take_host_port("TARGET:PORT", argv[1], &options->target_host, &options->target_port);
}

void
client_options_parse(int argc, char **argv, client_options_t *options)
{
    g_autofree char *server = NULL, *listen = NULL, *offer = NULL, *require = NULL, *ids = NULL,
                    *credentials = NULL;
    gboolean no_maf = FALSE;
    const GOptionEntry entries[] = {
        {"server", 's', 0, G_OPTION_ARG_STRING, &server, "The SOCKS 5 proxy (127.0.0.1:1080)", "HOST[:PORT]"},
        {"listen", 'l', 0, G_OPTION_ARG_STRING, &listen,
         "Be a SOCKS 5 proxy without authentication for programs on this machine", "[ADDRESS:]PORT"},
        {"credentials", 0, 0, G_OPTION_ARG_FILENAME, &credentials,
         "The credentials: see maf-client(1). Without it, MAF_USER and MAF_PASSWORD in the environment",
         "FILE"},
        {"offer", 0, 0, G_OPTION_ARG_STRING, &offer,
         "Sub-methods to offer, by name or hexadecimal number, such as SCRAM-SHA-256,PLAIN,00010000-000100FD",
         "LIST"},
        {"require", 0, 0, G_OPTION_ARG_STRING, &require,
         "Success counts only after one of these sub-methods has completed", "NAME[,...]"},
        {"ids", 0, 0, G_OPTION_ARG_STRING, &ids,
         "In revision 1, offer compact ids, UUIDs, both (UUIDs last, or first), or no sub-method",
         "compact|uuid|both|uuid-first|none"},
        {"block", 0, 0, G_OPTION_ARG_INT, &options->block,
         "Offer N sub-methods at a time, and the next ones when more are requested (254)", "N"},
        {"socks-method", 0, 0, CALLBACK(take_socks_methods),
         "SOCKS METHOD to offer as MAF (8); repeat it or separate by commas for more", "NUMBER"},
        {"no-maf", 0, 0, G_OPTION_ARG_NONE, &no_maf, "Offer METHOD 00, no authentication, and not MAF", NULL},
        {"nmethods-width", 0, 0, G_OPTION_ARG_INT, &options->nmethods_len,
         "Width of NMETHODS in bytes, 1 or 4 (4)", "1|4"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    *options = (client_options_t){
        .peer = {.side = PAIR_CLIENT, .timeout = 30, .login_time = 60, .message_size = MESSAGE_SIZE_MAX},
        .server_port = 1080,
        .socks_methods = g_byte_array_new(),
        .offer = g_array_new(FALSE, FALSE, sizeof(method_id_t)),
        .nmethods_len = MAF_NMETHODS_LEN,
        .block = NOT_GIVEN};
    options_parse(
        &argc, &argv, "maf-client", "TARGET:PORT",
        "Logs in at a SOCKS 5 proxy with MAF (draft-ietf-aft-socks-maf) and connects standard input\n"
        "and output to TARGET:PORT behind it, such as example.org:80 or [::1]:22.\n\n"
        "Exit status: 0 target reached, 1 authentication refused, 2 usage,\n"
        "3 the server violated the protocol, hung up or did not authenticate itself,\n"
        "4 server or target not reached, or connection lost.",
        entries, options);
    options_take_host_port("--server", server ? server : "127.0.0.1", &options->server_host,
                           &options->server_port);
    if (listen)
        options_take_listen("--listen", listen, &options->listen_host, &options->listen_port);
    take_target(options, argc, argv);
    if (options->nmethods_len != MAF_NMETHODS_LEN && options->nmethods_len != MAF_NMETHODS_LEN_BYTE)
        options_fail("--nmethods-width: expected 1 or 4");
    options_check("--block", options->block, 1, MAF_NMETHODS_MAX - 1);
    if (options->block == NOT_GIVEN)
        options->block = 0;
    if (no_maf && options->socks_methods->len > 0)
        options_fail("--no-maf and --socks-method exclude each other");
    if (options->socks_methods->len == 0)
        put_number(options->socks_methods, no_maf ? SOCKS_METHOD_NONE : MAF_SOCKS_METHOD, 1);
    if (!config_load_credentials(credentials, &options->credentials))
        exit(STATUS_USAGE);
    if (options->credentials.user)
        options->settings.credentials = &options->credentials;
    /* With credentials, the sub-method that authenticates the server too; without, the one that needs none.
     */
    options_take_methods("--offer",
                         offer                       ? offer
                         : options->credentials.user ? "SCRAM-SHA-256"
                                                     : "internal-test",
                         options->offer);
    take_required(options, require);
    if (ids)
        choose_ids(options, ids);
    if (options->peer.revision == MAF_VER_00)
        check_revision_00(options);
    options->program = (peer_options_t){.side = PAIR_SERVER,
                                        .timeout = options->peer.timeout,
                                        .login_time = options->peer.login_time,
                                        .message_size = MESSAGE_SIZE_MIN};
}

void
client_options_clear(client_options_t *options)
{
    credentials_clear(&options->credentials);
    g_byte_array_unref(options->socks_methods);
    g_array_unref(options->offer);
    g_free(options->server_host);
    g_free(options->target_host);
    g_free(options->listen_host);
}
