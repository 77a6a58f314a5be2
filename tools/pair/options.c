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
#define NAME_MAX_LEN     255
#define MESSAGE_SIZE_MIN 4096
#define MESSAGE_SIZE_MAX (MAF_PDU_DATA_MAX + MESSAGE_SIZE_MIN)
#define NOT_GIVEN        ((guint)G_MININT)

#define FLAG   G_OPTION_ARG_NONE
#define TEXT   G_OPTION_ARG_STRING
#define NUMBER G_OPTION_ARG_INT

/* What has been parsed. */
static options_t o = {.peer = {.timeout = 30, .login_time = 60}, .socks_method = MAF_SOCKS_METHOD};
static char *listen_at; /* as it is on the command line */

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
    if (number != NOT_GIVEN && (number < min || number > max))
        usage_error("%s: '%d': expected a number from %u to %u", option, (int)number, min, max);
}

/* HOST[:PORT]. Without a port, *port stays. A name becomes ASCII (RFC 3490). */
static gboolean
parse_host_port(const char *text, char **host, guint16 *port)
{
    const gboolean is_bare_ipv6 = *text != '[' && strchr(text, ':') != strrchr(text, ':');
    g_autoptr(GSocketConnectable) parsed = g_network_address_parse(text, *port, NULL);

    if (is_bare_ipv6 || !parsed)
        return FALSE;
    *host = g_hostname_to_ascii(g_network_address_get_hostname(G_NETWORK_ADDRESS(parsed)));
    *port = g_network_address_get_port(G_NETWORK_ADDRESS(parsed));
    return *host && **host && strlen(*host) <= NAME_MAX_LEN;
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

    const gboolean parsed = parse_host_port(full, &o.listen_host, &o.listen_port);
    g_autoptr(GInetAddress) address = parsed ? g_inet_address_new_from_string(o.listen_host) : NULL;
    if (!address)
        usage_error("--listen: '%s': expected [ADDRESS:]PORT", text);
}

static gboolean
parse_hex(const char *text, guint32 *number)
{
    guint64 value = 0;
    const gboolean parsed = g_ascii_string_to_unsigned(text, 16, 0, G_MAXUINT32, &value, NULL);

    *number = (guint32)value;
    return parsed;
}

/* A name, a UUID, a hexadecimal number, or a range of them. */
static void
take_method(const char *word)
{
    const method_t *method = method_find_word(word);
    g_auto(GStrv) ends = g_strsplit(word, "-", 2);
    guint32 first = method ? method->id : 0, last = first;
    method_id_t id;

    if (method_id_parse_uuid(word, &id)) {
        g_array_append_val(o.offer, id);
        return;
    }
    if (!method && (!*ends || !parse_hex(ends[0], &first) || !parse_hex(ends[1] ? ends[1] : ends[0], &last) ||
                    last < first))
        usage_error("--offer: '%s': expected a sub-method's name or UUID, or a hexadecimal number or range",
                    word);
    if (last - first >= IDS_MAX - o.offer->len)
        usage_error("--offer: '%s': more than %d sub-methods", word, IDS_MAX);
    for (guint32 i = 0; i <= last - first; i++) {
        id = method_id_compact(first + i);
        if (first + i == MAF_METHOD_SUCCESS || first + i == MAF_METHOD_FAILURE ||
            first + i == MAF_METHOD_MORE_AVAILABLE)
            usage_error("--offer: '%s': %08X is not a sub-method", word, first + i);
        g_array_append_val(o.offer, id);
    }
}

/* Success counts only after one of these; with credentials alone, after one of the offer that uses them. */
static void
take_required(const char *require)
{
    g_auto(GStrv) words = g_strsplit(require ? require : "", ",", -1);
    guint offered = 0;

    for (guint i = 0; i < o.offer->len; i++) {
        const method_t *method = method_find(&g_array_index(o.offer, method_id_t, i));
        offered |= method ? 1U << method->index : 0;
        if (method && !require && o.settings.user && method->need != SECRET_NONE)
            o.required |= 1U << method->index;
    }
    for (char **word = words; *word; word++) {
        const method_t *method = method_find_word(*word);
        if (!method || !(offered & 1U << method->index))
            usage_error("--require: '%s': expected the name of a sub-method that is offered", *word);
        o.required |= 1U << method->index;
    }
}

/* Makes the offer of compact ids, of UUIDs, those of compact ids too, or of both, in their order. */
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
    g_autoptr(GArray) offer = o.offer;
    o.offer = g_array_new(FALSE, FALSE, sizeof(method_id_t));
    for (guint n = 0; n < offer->len * strlen(kinds); n++) {
        method_id_t id = g_array_index(offer, method_id_t, n % offer->len);
        const gboolean is_uuid = id.len == MAF_LONG_ID_LEN, wants_uuid = kinds[n / offer->len] == 'u';
        if (is_uuid == wants_uuid || (wants_uuid && method_id_uuid(&id, &id)))
            g_array_append_val(o.offer, id);
    }
    if (o.offer->len == 0 && *kinds)
        usage_error("--ids: %s leaves nothing of the offer", name);
}

/* WHERE[:ID] */
static void
take_oem(const char *text)
{
    static const char *const places[] = {
        [OEM_BEFORE_LIST] = "list", [OEM_BEFORE_WHAT_NEXT] = "what-next", [OEM_AT_END] = "end"};
    const gboolean is_server = o.peer.side == PAIR_SERVER;
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);
    guint32 number = 0;

    for (gsize i = OEM_BEFORE_LIST; i < G_N_ELEMENTS(places) - is_server; i++) {
        if (g_strcmp0(*parts, places[i]) == 0)
            o.peer.oem_place = (oem_place_t)i;
    }
    if (o.peer.oem_place == OEM_NOWHERE)
        usage_error("--oem: '%s': expected list%s", text, is_server ? " or what-next" : ", what-next or end");
    if (parts[1] && method_id_parse_uuid(parts[1], &o.peer.oem_id))
        return;
    if (parts[1] && !parse_hex(parts[1], &number))
        usage_error("--oem: '%s': expected an id in hexadecimal, or a UUID", parts[1]);
    o.peer.oem_id = method_id_compact(number);
}

static void
take_fault(const char *name)
{
    if (strcmp(name, "help") == 0) {
        fault_help(o.peer.side);
        exit(STATUS_OK);
    }
    o.peer.fault = fault_find(o.peer.side, name);
    if (!o.peer.fault)
        usage_error("--fault: '%s': unknown fault; '--fault help' lists them", name);
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
    const gboolean is_client = o.peer.side == PAIR_CLIENT;
    const int most = is_client ? 1 : 0; /* arguments */
    g_autofree char *fault = NULL, *oem = NULL, *test_method = NULL;
    gboolean version = FALSE;
    guint revision = NOT_GIVEN;
    guint32 number;
    const GOptionEntry common[] = {
        {"listen", 'l', 0, TEXT, &listen_at,
         is_client ? "Be a SOCKS 5 proxy without authentication for programs on this machine"
                   : "Listen on this address (127.0.0.1:1080); port 0: any free port",
         "[ADDRESS:]PORT"},
        {"socks-method", 0, 0, NUMBER, &o.socks_method, "The SOCKS METHOD that is MAF (8)", "NUMBER"},
        {"revision", 0, 0, NUMBER, &revision,
         is_client ? "The revision of the draft to use (0)" : "Use only this revision of the draft", "0|1"},
        {"timeout", 0, 0, NUMBER, &o.peer.timeout, "Time for each message of the peer (30)", "SECONDS"},
        {"login-time", 0, 0, NUMBER, &o.peer.login_time, "Time for the whole login (60)", "SECONDS"},
        {"write-size", 0, 0, NUMBER, &o.peer.write_size,
         "Send at most N bytes at a time, a millisecond apart, to test the peer's reassembly", "N"},
        {"glue", 0, 0, FLAG, &o.peer.coalesce, "Send messages that may go together in one write", NULL},
        {"oem", 0, 0, TEXT, &oem,
         is_client ? "In revision 1, send an OEM message before the list or What next, or at the end"
                   : "In revision 1, answer the list or What next with an OEM message first",
         is_client ? "list|what-next|end[:ID]" : "list|what-next[:ID]"},
        {"fault", 0, 0, TEXT, &fault, "Break one rule of the protocol; 'help' lists them", "NAME"},
        {"test-method", 0, 0, TEXT, &test_method,
         "The number of the Internal Test Method, to imitate your own sub-method (00000001)", "ID"},
        {"verbose", 'v', 0, FLAG, &o.peer.verbose, "Log each MAF message", NULL},
        {"version", 0, 0, FLAG, &version, "Show the version and exit", NULL},
        {NULL, 0, 0, FLAG, NULL, NULL, NULL}};
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
    if (*argc > most + 1)
        usage_error("unexpected argument '%s'", (*argv)[most + 1]);
    o.listen_port = is_client ? 0 : 1080;
    if (listen_at || !is_client)
        take_listen(listen_at ? listen_at : "1080");
    if (revision != NOT_GIVEN)
        o.peer.revision = (int)revision;
    check_range("--revision", revision, MAF_VER_00, MAF_VER_01);
    check_range("--socks-method", o.socks_method, 1, SOCKS_METHOD_UNACCEPTABLE - 1);
    check_range("--timeout", o.peer.timeout, 1, TIME_MAX);
    check_range("--login-time", o.peer.login_time, 1, TIME_MAX);
    check_range("--write-size", o.peer.write_size, 0, 65536);
    if (oem)
        take_oem(oem);
    if (fault)
        take_fault(fault);
    if (test_method && (!parse_hex(test_method, &number) || !method_rename_test(number)))
        usage_error("--test-method: '%s': expected a number in hexadecimal that no sub-method has",
                    test_method);
}

const options_t *
server_options_parse(int argc, char **argv)
{
    g_autofree char *test_data = NULL, *config = NULL;
    guint rounds = 1, test_size = NOT_GIVEN;
    gboolean check = FALSE;
    const GOptionEntry entries[] = {
        {"port", 0, 0, TEXT, &listen_at, "Another name of --listen", "[ADDRESS:]PORT"},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &config, "Users and policy: see maf-server(1)", "FILE"},
        {"check", 0, 0, FLAG, &check, "Check --config and exit", NULL},
        {"allow-none", 0, 0, FLAG, &o.allow_none,
         "Accept clients that offer METHOD 00, no authentication, and not MAF", NULL},
        {"rounds", 0, 0, NUMBER, &rounds,
         "Without --config, run the Internal Test Method N times before Success (1)", "N"},
        {"test-data", 0, 0, TEXT, &test_data, "What the Internal Test Method sends (hello)", "TEXT"},
        {"test-data-size", 0, 0, NUMBER, &test_size, "Send N bytes of a repeating text instead", "N"},
        {"connections", 0, 0, NUMBER, &o.connections, "Most connections at a time (2000)", "N"},
        {"message-size", 0, 0, NUMBER, &o.peer.message_size, "Longest message of a client, in bytes (65536)",
         "N"},
        {NULL, 0, 0, FLAG, NULL, NULL, NULL}};

    o.peer.side = PAIR_SERVER;
    o.peer.revision = MAF_REVISION_BY_VER;
    o.peer.message_size = 65536;
    o.connections = 2000;
    parse(&argc, &argv, "maf-server", NULL,
          "A SOCKS 5 proxy that authenticates its clients with MAF (draft-ietf-aft-socks-maf).\n"
          "Without --config it accepts every client that passes the Internal Test Method.",
          entries);
    if (check && !config)
        usage_error("--check needs --config");
    if (config && rounds != 1)
        usage_error("--rounds is not for --config, which has its steps in the file");
    check_range("--rounds", rounds, 1, 1000);
    check_range("--test-data-size", test_size, 0, MAF_PDU_DATA_MAX);
    if (test_size != NOT_GIVEN && test_data)
        usage_error("--test-data and --test-data-size exclude each other");
    check_range("--connections", o.connections, 1, 1000000);
    check_range("--message-size", o.peer.message_size, MESSAGE_SIZE_MIN, MESSAGE_SIZE_MAX);

    GString *data = g_string_new(test_data ? test_data : test_size == NOT_GIVEN ? "hello" : "");
    while (test_size != NOT_GIVEN && data->len < test_size)
        g_string_append_c(data, (char)('a' + data->len % 26));
    o.settings.test_data = data;
    o.peer.message_size = MAX(o.peer.message_size, (guint)data->len + MESSAGE_SIZE_MIN);
    o.policy.steps = g_array_new(FALSE, FALSE, sizeof(policy_step_t));
    if (config) {
        users_t *users = users_new();
        o.settings.users = users;
        if (!config_load(config, users, &o.policy))
            exit(STATUS_USAGE);
        if (o.allow_none)
            log_line(NULL,
                     "warning: --allow-none with --config: clients that do not offer MAF need no password");
        if (check) {
            g_print("%s: valid\n", config);
            exit(STATUS_OK);
        }
    }
    while (!config && o.policy.steps->len < rounds) {
        const policy_step_t step = {.methods = {method_find_word("internal-test")}};
        g_array_append_val(o.policy.steps, step);
    }
    return &o;
}

const options_t *
client_options_parse(int argc, char **argv)
{
    g_autofree char *server = NULL, *offer = NULL, *require = NULL, *ids = NULL, *credentials = NULL;
    gboolean compact = TRUE;
    const GOptionEntry entries[] = {
        {"server", 's', 0, TEXT, &server, "The SOCKS 5 proxy (127.0.0.1:1080)", "HOST[:PORT]"},
        {"credentials", 0, 0, G_OPTION_ARG_FILENAME, &credentials,
         "The credentials: see maf-client(1). Without it, MAF_USER and MAF_PASSWORD in the environment",
         "FILE"},
        {"offer", 0, 0, TEXT, &offer,
         "Sub-methods to offer, by name or hexadecimal number, such as SCRAM-SHA-256,PLAIN,00010000-000100FD",
         "LIST"},
        {"require", 0, 0, TEXT, &require, "Success counts only after one of these sub-methods has completed",
         "NAME[,...]"},
        {"ids", 0, 0, TEXT, &ids,
         "In revision 1, offer compact ids, UUIDs, both (UUIDs last, or first), or no sub-method",
         "compact|uuid|both|uuid-first|none"},
        {"block", 0, 0, NUMBER, &o.block,
         "Offer N sub-methods at a time, and the next ones when more are requested (255)", "N"},
        {"no-maf", 0, 0, FLAG, &o.no_maf, "Offer METHOD 00, no authentication, and not MAF", NULL},
        {"nmethods-width", 0, 0, NUMBER, &o.nmethods_len, "Width of NMETHODS in bytes, 1 or 4 (4)", "1|4"},
        {NULL, 0, 0, FLAG, NULL, NULL, NULL}};

    o.peer.message_size = MESSAGE_SIZE_MAX;
    o.server_port = 1080;
    o.nmethods_len = MAF_NMETHODS_LEN;
    o.block = MAF_NMETHODS_MAX;
    parse(&argc, &argv, "maf-client", "TARGET:PORT",
          "Logs in at a SOCKS 5 proxy with MAF (draft-ietf-aft-socks-maf) and connects standard input\n"
          "and output to TARGET:PORT behind it, such as example.org:80 or [::1]:22.\n\n"
          "Exit status: 0 target reached, 1 authentication refused, 2 usage,\n"
          "3 the server violated the protocol, hung up or did not authenticate itself,\n"
          "4 server or target not reached, or connection lost.",
          entries);
    take_host_port("--server", server ? server : "127.0.0.1", &o.server_host, &o.server_port);
    o.server_name = net_host_port(o.server_host, o.server_port);
    if ((argc == 2) == (o.listen_host != NULL))
        usage_error("expected one TARGET:PORT, or else --listen");
    if (argc == 2)
        take_host_port("TARGET:PORT", argv[1], &o.target_host, &o.target_port);
    if (o.nmethods_len != MAF_NMETHODS_LEN && o.nmethods_len != MAF_NMETHODS_LEN_BYTE)
        usage_error("--nmethods-width: expected 1 or 4");
    check_range("--block", o.block, 1, MAF_NMETHODS_MAX);
    if (!config_load_credentials(credentials, &o.settings))
        exit(STATUS_USAGE);

    /* With credentials, the sub-method that authenticates the server too; without, the one that needs none.
     */
    const char *methods = offer ? offer : o.settings.user ? "SCRAM-SHA-256" : "internal-test";
    g_auto(GStrv) words = g_strsplit(methods, ",", -1);
    o.offer = g_array_new(FALSE, FALSE, sizeof(method_id_t));
    if (!*words)
        usage_error("--offer: expected a sub-method");
    for (char **word = words; *word; word++)
        take_method(*word);
    take_required(require);
    if (ids)
        choose_ids(ids);
    for (guint i = 0; i < o.offer->len; i++)
        compact = compact && g_array_index(o.offer, method_id_t, i).len == MAF_METHOD_LEN;
    if (o.peer.revision == MAF_VER_00 && (!compact || o.offer->len == 0 || o.peer.oem_place != OEM_NOWHERE))
        usage_error("UUIDs, empty lists and OEM messages need --revision 1");
    o.program = (peer_options_t){.side = PAIR_SERVER,
                                 .timeout = o.peer.timeout,
                                 .login_time = o.peer.login_time,
                                 .message_size = MESSAGE_SIZE_MIN};
    return &o;
}
