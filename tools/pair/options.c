/* options.c
 * Command lines, and what files and the environment add to them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "options.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDS_MAX          65536
#define TIME_MAX         86400
#define WRITE_SIZE_MAX   65536
#define NAME_MAX_LEN     255
#define ROUNDS_MAX       1000
#define CONNECTIONS_MAX  1000000
#define MESSAGE_SIZE_MIN 4096
#define MESSAGE_SIZE_MAX (MAF_PDU_DATA_MAX + MESSAGE_SIZE_MIN)

static options_t options = {.peer = {.timeout = 30, .login_time = 60}};

/* Ends the program for a mistake on the command line. */
static void G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = g_strdup_vprintf(format, args);
    va_end(args);

    log_line(NULL, "%s", message);
    g_free(message);
    g_printerr("Try '%s --help'.\n", g_get_prgname());
    exit(STATUS_USAGE);
}

static void
check_range(const char *option, guint number, guint min, guint max)
{
    if (number < min || number > max)
        usage_error("%s: '%d': expected a number from %u to %u", option, (int)number, min, max);
}

/* HOST[:PORT]; FALSE for an invalid host or port. Without a port, *port stays. A name becomes ASCII (RFC
 * 3490). */
static gboolean
parse_host_port(const char *text, char **host, guint16 *port)
{
    const char *colon = strrchr(text, ':');
    guint64 number = *port;

    if (colon && strchr(colon, ']'))
        colon = NULL;
    if (colon && !g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXUINT16, &number, NULL))
        return FALSE;
    const gsize len = colon ? (gsize)(colon - text) : strlen(text);
    const gboolean brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';
    g_autofree char *name = brackets ? g_strndup(text + 1, len - 2) : g_strndup(text, len);
    *host = g_hostname_to_ascii(name);
    *port = (guint16)number;
    return (brackets || !strchr(name, ':')) && *host && **host && strlen(*host) <= NAME_MAX_LEN;
}

static void
take_host_port(const char *option, const char *text, char **host, guint16 *port)
{
    if (!parse_host_port(text, host, port) || *port == 0)
        usage_error("%s: '%s': expected HOST:PORT, with an IPv6 address in brackets", option, text);
}

/* [ADDRESS:]PORT, on the loopback unless it says where. */
static void
take_listen(const char *text)
{
    g_autofree char *full = g_strdup_printf(strchr(text, ':') ? "%s" : "127.0.0.1:%s", text);

    if (!parse_host_port(full, &options.listen_host, &options.listen_port) ||
        !g_hostname_is_ip_address(options.listen_host))
        usage_error("--listen: '%s': expected [ADDRESS:]PORT", text);
}

/* An id: a UUID, or a number in hexadecimal. */
static gboolean
parse_id(const char *text, method_id_t *id)
{
    guint64 number = 0;

    if (method_id_parse_uuid(text, id))
        return TRUE;
    const gboolean parsed = g_ascii_string_to_unsigned(text, 16, 0, G_MAXUINT32, &number, NULL);
    *id = method_id_compact((guint32)number);
    return parsed;
}

/* A number, or a range of them. */
static void
take_range(const char *text)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    guint64 first, last;

    if (!*ends || !g_ascii_string_to_unsigned(ends[0], 16, 0, G_MAXUINT32, &first, NULL) ||
        !g_ascii_string_to_unsigned(ends[1] ? ends[1] : ends[0], 16, first, G_MAXUINT32, &last, NULL))
        usage_error("--offer: '%s': expected a sub-method's name or UUID, or a hexadecimal number or range",
                    text);
    if (options.offer->len + (last - first) >= IDS_MAX)
        usage_error("--offer: '%s': more than %d sub-methods", text, IDS_MAX);
    for (guint64 number = first; number <= last; number++) {
        const method_id_t id = method_id_compact((guint32)number);
        if (number == MAF_METHOD_SUCCESS || number == MAF_METHOD_FAILURE ||
            number == MAF_METHOD_MORE_AVAILABLE)
            usage_error("--offer: '%s': %08X is not a sub-method", text, (guint)number);
        g_array_append_val(options.offer, id);
    }
}

/* Sub-methods: names, hexadecimal numbers and ranges of them, UUIDs, between commas. */
static void
take_offer(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    if (!*words)
        usage_error("--offer: expected a sub-method");
    for (char **word = words; *word; word++) {
        const method_t *method = method_find_word(*word);
        method_id_t id = method_id_compact(method ? method->id : 0);
        if (method || method_id_parse_uuid(*word, &id))
            g_array_append_val(options.offer, id);
        else
            take_range(*word);
    }
}

/* Success counts only after one of these; with credentials alone, after one of the offer that uses them. */
static void
take_required(const char *require)
{
    g_auto(GStrv) words = g_strsplit(require ? require : "", ",", -1);
    guint offered = 0;

    for (guint i = 0; i < options.offer->len; i++) {
        const method_t *method = method_find(&g_array_index(options.offer, method_id_t, i));
        offered |= method ? 1U << method->index : 0;
        if (method && !require && options.settings.user && method->need != SECRET_NONE)
            options.required |= 1U << method->index;
    }
    for (char **word = words; *word; word++) {
        const method_t *method = method_find_word(*word);
        if (!method || !(offered & 1U << method->index))
            usage_error("--require: '%s': expected the name of a sub-method that is offered", *word);
        options.required |= 1U << method->index;
    }
}

/* Makes the offer of compact ids, "c", of UUIDs, "u", those of compact ids too, or of both, in their order.
 */
static void
choose_ids(const char *name)
{
    static const char *const choices[][2] = {
        {"none", ""}, {"compact", "c"}, {"uuid", "u"}, {"both", "cu"}, {"uuid-first", "uc"}};
    const char *kinds = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(choices); i++)
        kinds = strcmp(name, choices[i][0]) == 0 ? choices[i][1] : kinds;
    if (!kinds)
        usage_error("--ids: expected compact, uuid, both, uuid-first or none");
    g_autoptr(GArray) offer = options.offer;
    options.offer = g_array_new(FALSE, FALSE, sizeof(method_id_t));
    for (guint n = 0; n < offer->len * strlen(kinds); n++) {
        method_id_t id = g_array_index(offer, method_id_t, n % offer->len);
        const gboolean is_uuid = id.len == MAF_LONG_ID_LEN, wants_uuid = kinds[n / offer->len] == 'u';
        if (is_uuid == wants_uuid || (wants_uuid && method_id_uuid(&id, &id)))
            g_array_append_val(options.offer, id);
    }
    if (options.offer->len == 0 && *kinds)
        usage_error("--ids: %s leaves nothing of the offer", name);
}

/* Revision 00 has neither UUIDs nor empty lists. */
static void
check_revision_00(void)
{
    gboolean compact = options.offer->len > 0;

    for (guint i = 0; i < options.offer->len; i++)
        compact = compact && g_array_index(options.offer, method_id_t, i).len == MAF_METHOD_LEN;
    if (!compact || options.peer.oem_place != OEM_NOWHERE)
        usage_error("UUIDs, empty lists and OEM messages need --revision 1");
}

/* WHERE[:ID] */
static void
take_oem(const char *text)
{
    static const char *const places[] = {
        [OEM_BEFORE_LIST] = "list", [OEM_BEFORE_WHAT_NEXT] = "what-next", [OEM_AT_END] = "end"};
    const gboolean is_server = options.peer.side == PAIR_SERVER;
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);

    for (gsize i = OEM_BEFORE_LIST; i < G_N_ELEMENTS(places) - is_server; i++) {
        if (g_strcmp0(*parts, places[i]) == 0)
            options.peer.oem_place = (oem_place_t)i;
    }
    if (options.peer.oem_place == OEM_NOWHERE)
        usage_error("--oem: '%s': expected list%s", text, is_server ? " or what-next" : ", what-next or end");
    if (!parse_id(parts[1] ? parts[1] : "00000000", &options.peer.oem_id))
        usage_error("--oem: '%s': expected an id in hexadecimal, or a UUID", parts[1]);
}

static void
take_fault(const char *name)
{
    if (strcmp(name, "help") == 0) {
        fault_help(options.peer.side);
        exit(STATUS_OK);
    }
    options.peer.fault = fault_find(options.peer.side, name);
    if (!options.peer.fault)
        usage_error("--fault: '%s': unknown fault; '--fault help' lists them", name);
}

static void
take_test_method(const char *text)
{
    method_id_t id;
    guint32 number = 0;

    if (!parse_id(text, &id) || !method_id_number(&id, &number) || !method_rename_test(number))
        usage_error("--test-method: '%s': expected a number in hexadecimal that no sub-method has", text);
}

/* Decimal, or hexadecimal after 0x; each may be several between commas. */
static void
take_socks_methods(char **texts)
{
    g_autofree char *text = g_strjoinv(",", texts);
    g_auto(GStrv) numbers = g_strsplit(text, ",", -1);
    GByteArray *methods = options.socks_methods;

    for (char **item = numbers; *item; item++) {
        char *end;
        const guint64 number = g_ascii_strtoull(*item, &end, 0);
        if (*end || number == SOCKS_METHOD_NONE || number >= SOCKS_METHOD_UNACCEPTABLE)
            usage_error("--socks-method: '%s': expected numbers from 1 to 254", text);
        if (methods->len == 0 || !memchr(methods->data, (int)number, methods->len))
            put_number(methods, (guint32)number, 1);
    }
}

/* If a standard stream is closed, the next file opened would take its place: open /dev/null instead. */
static void
prepare_process(const char *program)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= STDIN_FILENO && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    signal(SIGPIPE, SIG_IGN);
    setlocale(LC_ALL, "");
    g_set_prgname(program);
}

/* Parses the command line: `own` options, and those of both programs. What is left in argv is not options. */
static void
parse(int *argc, char ***argv, const char *program, const char *arguments, const char *summary,
      const GOptionEntry *own)
{
    const gboolean is_client = options.peer.side == PAIR_CLIENT;
    g_autofree char *fault = NULL, *oem = NULL, *test_method = NULL;
    gboolean version = FALSE;
    int revision = G_MININT; /* not given */
    const GOptionEntry common[] = {
        {"revision", 0, 0, G_OPTION_ARG_INT, &revision,
         is_client ? "The revision of the draft to use (0)" : "Use only this revision of the draft", "0|1"},
        {"timeout", 0, 0, G_OPTION_ARG_INT, &options.peer.timeout, "Time for each message of the peer (30)",
         "SECONDS"},
        {"login-time", 0, 0, G_OPTION_ARG_INT, &options.peer.login_time, "Time for the whole login (60)",
         "SECONDS"},
        {"write-size", 0, 0, G_OPTION_ARG_INT, &options.peer.write_size,
         "Send at most N bytes at a time, a millisecond apart, to test the peer's reassembly", "N"},
        {"glue", 0, 0, G_OPTION_ARG_NONE, &options.peer.coalesce,
         "Send messages that may go together in one write", NULL},
        {"oem", 0, 0, G_OPTION_ARG_STRING, &oem,
         is_client ? "In revision 1, send an OEM message before the list or What next, or at the end"
                   : "In revision 1, answer the list or What next with an OEM message first",
         is_client ? "list|what-next|end[:ID]" : "list|what-next[:ID]"},
        {"fault", 0, 0, G_OPTION_ARG_STRING, &fault, "Break one rule of the protocol; 'help' lists them",
         "NAME"},
        {"test-method", 0, 0, G_OPTION_ARG_STRING, &test_method,
         "The number of the Internal Test Method, to imitate your own sub-method (00000001)", "ID"},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &options.peer.verbose, "Log each MAF message", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Show the version and exit", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new(arguments);
    g_autoptr(GError) error = NULL;

    prepare_process(program);
    g_option_context_add_main_entries(context, own, NULL);
    g_option_context_add_main_entries(context, common, NULL);
    g_option_context_set_summary(context, summary);
    if (!g_option_context_parse(context, argc, argv, &error))
        usage_error("%s", error->message);
    if (version) {
        g_print("%s " MAF_VERSION "\n", program);
        exit(STATUS_OK);
    }
    if (revision != G_MININT) {
        check_range("--revision", (guint)revision, MAF_VER_00, MAF_VER_01);
        options.peer.revision = revision;
    }
    check_range("--timeout", options.peer.timeout, 1, TIME_MAX);
    check_range("--login-time", options.peer.login_time, 1, TIME_MAX);
    check_range("--write-size", options.peer.write_size, 0, WRITE_SIZE_MAX);
    if (oem)
        take_oem(oem);
    if (fault)
        take_fault(fault);
    if (test_method)
        take_test_method(test_method);
}

/* maf-server */

/* What the Internal Test Method sends: a text, or `size` bytes of a repeating one. */
static GBytes *
make_test_data(const char *text, guint size)
{
    if (size == 0)
        return g_bytes_new(text, strlen(text));
    char *bytes = g_malloc(size);
    for (guint i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 26);
    return g_bytes_new_take(bytes, size);
}

const options_t *
server_options_parse(int argc, char **argv)
{
    const policy_step_t test_step = {.methods = {method_find_word("internal-test")}};
    g_autofree char *listen = NULL, *test_data = NULL, *config = NULL;
    guint rounds = 1, test_size = 0;
    gboolean check = FALSE;
    const GOptionEntry entries[] = {
        {"listen", 'l', 0, G_OPTION_ARG_STRING, &listen,
         "Listen on this address (127.0.0.1:1080); port 0: any free port", "[ADDRESS:]PORT"},
        {"port", 0, 0, G_OPTION_ARG_STRING, &listen, "Another name of --listen", "[ADDRESS:]PORT"},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &config, "Users and policy: see maf-server(1)", "FILE"},
        {"check", 0, 0, G_OPTION_ARG_NONE, &check, "Check --config and exit", NULL},
        {"socks-method", 0, 0, G_OPTION_ARG_INT, &options.socks_method, "The SOCKS METHOD that is MAF (8)",
         "NUMBER"},
        {"allow-none", 0, 0, G_OPTION_ARG_NONE, &options.allow_none,
         "Accept clients that offer METHOD 00, no authentication, and not MAF", NULL},
        {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds,
         "Without --config, run the Internal Test Method N times before Success (1)", "N"},
        {"test-data", 0, 0, G_OPTION_ARG_STRING, &test_data, "What the Internal Test Method sends (hello)",
         "TEXT"},
        {"test-data-size", 0, 0, G_OPTION_ARG_INT, &test_size, "Send N bytes of a repeating text instead",
         "N"},
        {"connections", 0, 0, G_OPTION_ARG_INT, &options.connections, "Most connections at a time (2000)",
         "N"},
        {"message-size", 0, 0, G_OPTION_ARG_INT, &options.peer.message_size,
         "Longest message of a client, in bytes (65536)", "N"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    options.peer.side = PAIR_SERVER;
    options.peer.revision = MAF_REVISION_BY_VER;
    options.peer.message_size = 65536;
    options.socks_method = MAF_SOCKS_METHOD;
    options.connections = 2000;
    options.policy.steps = g_array_new(FALSE, FALSE, sizeof(policy_step_t));
    parse(&argc, &argv, "maf-server", NULL,
          "A SOCKS 5 proxy that authenticates its clients with MAF (draft-ietf-aft-socks-maf).\n"
          "Without --config it accepts every client that passes the Internal Test Method.",
          entries);
    if (argc > 1)
        usage_error("unexpected argument '%s'", argv[1]);
    if (check && !config)
        usage_error("--check needs --config");
    take_listen(listen ? listen : "1080");
    check_range("--socks-method", options.socks_method, 1, SOCKS_METHOD_UNACCEPTABLE - 1);
    check_range("--rounds", rounds, 1, ROUNDS_MAX);
    check_range("--test-data-size", test_size, 0, MAF_PDU_DATA_MAX);
    check_range("--connections", options.connections, 1, CONNECTIONS_MAX);
    check_range("--message-size", options.peer.message_size, MESSAGE_SIZE_MIN, MESSAGE_SIZE_MAX);
    options.settings.test_data = make_test_data(test_data ? test_data : "hello", test_size);
    options.peer.message_size = MAX(options.peer.message_size,
                                    (guint)g_bytes_get_size(options.settings.test_data) + MESSAGE_SIZE_MIN);
    for (guint i = 0; !config && i < rounds; i++)
        g_array_append_val(options.policy.steps, test_step);
    if (!config)
        return &options;
    users_t *users = users_new();
    options.settings.users = users;
    if (!config_load(config, users, &options.policy))
        exit(STATUS_USAGE);
    if (options.allow_none)
        log_line(NULL, "warning: --allow-none with --config: clients that do not offer MAF need no password");
    if (check) {
        g_print("%s: valid\n", config);
        exit(STATUS_OK);
    }
    return &options;
}

/* maf-client */

const options_t *
client_options_parse(int argc, char **argv)
{
    g_autofree char *server = NULL, *listen = NULL, *offer = NULL, *require = NULL, *ids = NULL,
                    *credentials = NULL;
    g_auto(GStrv) socks_methods = NULL;
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
        {"block", 0, 0, G_OPTION_ARG_INT, &options.block,
         "Offer N sub-methods at a time, and the next ones when more are requested (254)", "N"},
        {"socks-method", 0, 0, G_OPTION_ARG_STRING_ARRAY, &socks_methods,
         "SOCKS METHOD to offer as MAF (8); repeat it or separate by commas for more", "NUMBER"},
        {"no-maf", 0, 0, G_OPTION_ARG_NONE, &no_maf, "Offer METHOD 00, no authentication, and not MAF", NULL},
        {"nmethods-width", 0, 0, G_OPTION_ARG_INT, &options.nmethods_len,
         "Width of NMETHODS in bytes, 1 or 4 (4)", "1|4"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    options.peer.message_size = MESSAGE_SIZE_MAX;
    options.server_port = 1080;
    options.socks_methods = g_byte_array_new();
    options.offer = g_array_new(FALSE, FALSE, sizeof(method_id_t));
    options.nmethods_len = MAF_NMETHODS_LEN;
    parse(&argc, &argv, "maf-client", "TARGET:PORT",
          "Logs in at a SOCKS 5 proxy with MAF (draft-ietf-aft-socks-maf) and connects standard input\n"
          "and output to TARGET:PORT behind it, such as example.org:80 or [::1]:22.\n\n"
          "Exit status: 0 target reached, 1 authentication refused, 2 usage,\n"
          "3 the server violated the protocol, hung up or did not authenticate itself,\n"
          "4 server or target not reached, or connection lost.",
          entries);
    take_host_port("--server", server ? server : "127.0.0.1", &options.server_host, &options.server_port);
    options.server_name = net_host_port(options.server_host, options.server_port);
    if (argc > 2)
        usage_error("unexpected argument '%s'", argv[2]);
    if ((argc == 2) == (listen != NULL))
        usage_error("expected one TARGET:PORT, or else --listen");
    if (listen)
        take_listen(listen);
    else
        take_host_port("TARGET:PORT", argv[1], &options.target_host, &options.target_port);
    if (options.nmethods_len != MAF_NMETHODS_LEN && options.nmethods_len != MAF_NMETHODS_LEN_BYTE)
        usage_error("--nmethods-width: expected 1 or 4");
    check_range("--block", options.block, 0, MAF_NMETHODS_MAX - 1);
    if (no_maf && socks_methods)
        usage_error("--no-maf and --socks-method exclude each other");
    if (socks_methods)
        take_socks_methods(socks_methods);
    else
        put_number(options.socks_methods, no_maf ? SOCKS_METHOD_NONE : MAF_SOCKS_METHOD, 1);
    if (!config_load_credentials(credentials, &options.settings))
        exit(STATUS_USAGE);
    /* With credentials, the sub-method that authenticates the server too; without, the one that needs none.
     */
    take_offer(offer ? offer : options.settings.user ? "SCRAM-SHA-256" : "internal-test");
    take_required(require);
    if (ids)
        choose_ids(ids);
    if (options.peer.revision == MAF_VER_00)
        check_revision_00();
    options.program = (peer_options_t){.side = PAIR_SERVER,
                                       .timeout = options.peer.timeout,
                                       .login_time = options.peer.login_time,
                                       .message_size = MESSAGE_SIZE_MIN};
    return &options;
}
