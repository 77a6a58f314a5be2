/* options.c
 * Command lines: what both programs have in common
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "options.h"

#include "log.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDS_MAX        65536
#define TIME_MAX       86400
#define WRITE_SIZE_MAX 65536
#define NAME_MAX_LEN   255

/* Without a standard stream, what is opened next would be taken for it: /dev/null stands in. */
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

void
options_fail(const char *format, ...)
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

void
options_take_number(const char *option, const char *text, guint min, guint max, guint *number)
{
    guint64 value;

    if (!text)
        return;
    const gboolean hex = g_ascii_strncasecmp(text, "0x", 2) == 0;
    if (!g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, min, max, &value, NULL))
        options_fail("%s: '%s': expected a number from %u to %u, in decimal or in hexadecimal after 0x",
                     option, text, min, max);
    *number = (guint)value;
}

/* The host before the colon, or all without one, out of its brackets if it has any. */
static char *
take_host(const char *text, const char *colon)
{
    const gsize len = colon ? (gsize)(colon - text) : strlen(text);
    const gboolean brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';
    g_autofree char *host = brackets ? g_strndup(text + 1, len - 2) : g_strndup(text, len);

    if (strchr(host, ':') && !brackets)
        options_fail("'%s': write an IPv6 address in brackets", text);
    return g_hostname_to_ascii(host);
}

void
options_take_host_port(const char *option, const char *text, char **host, guint16 *port)
{
    const char *colon = strrchr(text, ':');
    guint number = *port;

    if (colon && strchr(colon, ']'))
        colon = NULL;
    if (!colon && *port == 0)
        options_fail("%s: '%s': expected HOST:PORT", option, text);
    options_take_number(option, colon ? colon + 1 : NULL, 1, G_MAXUINT16, &number);
    *port = (guint16)number;
    *host = take_host(text, colon);
    if (!*host || !**host || strlen(*host) > NAME_MAX_LEN)
        options_fail("%s: '%s': expected a host", option, text);
}

void
options_take_listen(const char *text, char **host, guint16 *port)
{
    const char *colon = strrchr(text, ':');
    guint number = 0;

    options_take_number("--listen", colon ? colon + 1 : text, 0, G_MAXUINT16, &number);
    *port = (guint16)number;
    *host = colon ? take_host(text, colon) : g_strdup("127.0.0.1");
    if (!*host || !g_hostname_is_ip_address(*host))
        options_fail("--listen: '%s': expected [ADDRESS:]PORT", text);
}

static gboolean
parse_id(const char *text, guint32 *id)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 16, 0, G_MAXUINT32, &value, NULL))
        return FALSE;
    *id = (guint32)value;
    return TRUE;
}

/* A number, or a range of them. */
static void
take_range(const char *option, const char *text, GArray *ids)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    guint32 first = 0, last = 0;

    if (!*ends || !parse_id(ends[0], &first) || !parse_id(ends[1] ? ends[1] : ends[0], &last))
        options_fail(
            "%s: '%s': expected the name of a sub-method, its number in hexadecimal, a range or a UUID",
            option, text);
    if (last < first || last - first >= IDS_MAX || ids->len + (last - first) >= IDS_MAX)
        options_fail("%s: '%s': a range that runs backwards, or more than %d sub-methods", option, text,
                     IDS_MAX);
    for (guint32 i = 0; i <= last - first; i++) {
        const method_id_t id = method_id_compact(first + i);
        if (method_id_is(&id, MAF_METHOD_SUCCESS) || method_id_is(&id, MAF_METHOD_FAILURE) ||
            method_id_is(&id, MAF_METHOD_MORE_AVAILABLE))
            options_fail("%s: '%s': %08X is no sub-method", option, text, first + i);
        g_array_append_val(ids, id);
    }
}

void
options_take_methods(const char *option, const char *text, GArray *ids)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    if (!*words)
        options_fail("%s: expected a sub-method", option);
    for (char **word = words; *word; word++) {
        const method_t *method = method_find_word(*word);
        method_id_t id = method_id_compact(method ? method->id : 0);
        if (method || method_id_parse_uuid(*word, &id))
            g_array_append_val(ids, id);
        else
            take_range(option, *word, ids);
    }
}

/* WHERE[:ID] */
static void
take_oem(const char *text, peer_options_t *peer)
{
    static const char *const places[] = {
        [OEM_BEFORE_LIST] = "list", [OEM_BEFORE_WHAT_NEXT] = "what-next", [OEM_AT_END] = "end"};
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);
    const char *id = *parts && parts[1] ? parts[1] : "00000000";
    guint32 number = 0;

    for (gsize i = OEM_BEFORE_LIST; i < G_N_ELEMENTS(places); i++) {
        if (g_strcmp0(*parts, places[i]) == 0)
            peer->oem_place = (oem_place_t)i;
    }
    if (peer->oem_place == OEM_NOWHERE || (peer->oem_place == OEM_AT_END && peer->side == PAIR_SERVER))
        options_fail("--oem: '%s': expected list%s what-next%s", text,
                     peer->side == PAIR_SERVER ? " or" : ",", peer->side == PAIR_SERVER ? "" : " or end");
    if (method_id_parse_uuid(id, &peer->oem_id))
        return;
    if (!parse_id(id, &number))
        options_fail("--oem: '%s': expected an id in hexadecimal, or a UUID", id);
    peer->oem_id = method_id_compact(number);
}

static void
take_fault(const char *name, peer_options_t *peer)
{
    if (strcmp(name, "help") == 0) {
        fault_help(peer->side);
        exit(STATUS_OK);
    }
    peer->fault = fault_find(peer->side, name);
    if (!peer->fault)
        options_fail("--fault: '%s': unknown; '--fault help' lists all", name);
}

static void
take_test_method(const char *text)
{
    guint32 number = 0;
    const gboolean is_number = parse_id(text, &number);
    const method_id_t id = method_id_compact(number);
    g_autofree char *name = method_id_describe(&id);

    if (!is_number || !g_str_has_prefix(name, "X'") || !method_rename_test(&id))
        options_fail("--test-method: '%s': expected a number in hexadecimal that no sub-method has", text);
}

void
options_parse(int *argc, char ***argv, const char *program, const char *arguments, const char *summary,
              const GOptionEntry *own, peer_options_t *peer)
{
    const gboolean is_client = peer->side == PAIR_CLIENT;
    gboolean version = FALSE;
    g_autofree char *fault = NULL, *revision = NULL, *oem = NULL, *test_method = NULL, *login_time = NULL;
    g_autofree char *timeout = NULL, *write_size = NULL;
    guint number = 0;
    const GOptionEntry common[] = {
        {"revision", 0, 0, G_OPTION_ARG_STRING, &revision,
         is_client ? "The revision of the draft to speak (0)" : "The only revision of the draft to speak",
         "0|1"},
        {"timeout", 0, 0, G_OPTION_ARG_STRING, &timeout, "Time that the peer has for each message (30)",
         "SECONDS"},
        {"login-time", 0, 0, G_OPTION_ARG_STRING, &login_time, "Time that the whole login has (60)",
         "SECONDS"},
        {"write-size", 0, 0, G_OPTION_ARG_STRING, &write_size,
         "Send at most N bytes at a time, a millisecond apart, to test the peer's reassembly", "N"},
        {"glue", 0, 0, G_OPTION_ARG_NONE, &peer->coalesce, "Send messages that may go together in one write",
         NULL},
        {"oem", 0, 0, G_OPTION_ARG_STRING, &oem,
         is_client ? "In revision 1, send an OEM message before the list or What next, or at the end"
                   : "In revision 1, answer the list or What next with an OEM message first",
         is_client ? "list|what-next|end[:ID]" : "list|what-next[:ID]"},
        {"fault", 0, 0, G_OPTION_ARG_STRING, &fault, "Break one rule of the protocol; 'help' lists them",
         "NAME"},
        {"test-method", 0, 0, G_OPTION_ARG_STRING, &test_method,
         "The number of the Internal Test Method, to play a sub-method of your own (00000001)", "ID"},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &peer->verbose, "Log each MAF message", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Show the version and exit", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new(arguments);
    g_autoptr(GError) error = NULL;

    prepare_process(program);
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, own, NULL);
    g_option_context_add_main_entries(context, common, NULL);
    if (!g_option_context_parse(context, argc, argv, &error))
        options_fail("%s", error->message);
    if (version) {
        g_print("%s %s\n", program, MAF_VERSION);
        exit(STATUS_OK);
    }
    if (fault)
        take_fault(fault, peer);
    if (oem)
        take_oem(oem, peer);
    if (test_method)
        take_test_method(test_method);
    options_take_number("--revision", revision, MAF_VER_00, MAF_VER_01, &number);
    if (revision)
        peer->revision = (int)number;
    options_take_number("--login-time", login_time, 1, TIME_MAX, &peer->login_time);
    options_take_number("--timeout", timeout, 1, TIME_MAX, &peer->timeout);
    options_take_number("--write-size", write_size, 0, WRITE_SIZE_MAX, &peer->write_size);
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        memmove(&(*argv)[1], &(*argv)[2], sizeof **argv * (gsize)(*argc - 1));
        --*argc;
    }
}
