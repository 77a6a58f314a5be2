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
options_check(const char *option, guint number, guint min, guint max)
{
    if (number != NOT_GIVEN && (number < min || number > max))
        options_fail("%s: '%d': expected a number from %u to %u", option, (int)number, min, max);
}

/* HOST[:PORT]; FALSE for an invalid host or port. Without a port, *port stays. */
static gboolean
take_host_port(const char *text, char **host, guint16 *port)
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
    g_free(*host);
    *host = g_hostname_to_ascii(name);
    *port = (guint16)number;
    return (brackets || !strchr(name, ':')) && *host && **host && strlen(*host) <= NAME_MAX_LEN;
}

void
options_take_host_port(const char *option, const char *text, char **host, guint16 *port)
{
    if (!take_host_port(text, host, port) || *port == 0)
        options_fail("%s: '%s': expected HOST:PORT, with an IPv6 address in brackets", option, text);
}

void
options_take_listen(const char *option, const char *text, char **host, guint16 *port)
{
    g_autofree char *full = g_strdup_printf(strchr(text, ':') ? "%s" : "127.0.0.1:%s", text);

    if (!take_host_port(full, host, port) || !g_hostname_is_ip_address(*host))
        options_fail("%s: '%s': expected [ADDRESS:]PORT", option, text);
}

static gboolean
parse_id(const char *text, guint32 *id)
{
    guint64 value = 0;
    const gboolean parsed = g_ascii_string_to_unsigned(text, 16, 0, G_MAXUINT32, &value, NULL);

    *id = (guint32)value;
    return parsed;
}

/* A number, or a range of them. */
static void
take_range(const char *option, const char *text, GArray *ids)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    guint32 first = 0, last = 0;

    if (!*ends || !parse_id(ends[0], &first) || !parse_id(ends[1] ? ends[1] : ends[0], &last))
        options_fail("%s: '%s': expected a sub-method's name or UUID, or a hexadecimal number or range",
                     option, text);
    if (last < first || last - first >= IDS_MAX || ids->len + (last - first) >= IDS_MAX)
        options_fail("%s: '%s': a descending range, or more than %d sub-methods", option, text, IDS_MAX);
    for (guint32 i = 0; i <= last - first; i++) {
        const method_id_t id = method_id_compact(first + i);
        if (method_id_is(&id, MAF_METHOD_SUCCESS) || method_id_is(&id, MAF_METHOD_FAILURE) ||
            method_id_is(&id, MAF_METHOD_MORE_AVAILABLE))
            options_fail("%s: '%s': %08X is not a sub-method", option, text, first + i);
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

/* Callbacks of GOption, which gives them the options */

/* WHERE[:ID] */
static gboolean
take_oem(const char *option, const char *text, peer_options_t *peer, GError **error G_GNUC_UNUSED)
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
        options_fail("%s: '%s': expected list%s", option, text,
                     peer->side == PAIR_SERVER ? " or what-next" : ", what-next or end");
    if (method_id_parse_uuid(id, &peer->oem_id))
        return TRUE;
    if (!parse_id(id, &number))
        options_fail("%s: '%s': expected an id in hexadecimal, or a UUID", option, id);
    peer->oem_id = method_id_compact(number);
    return TRUE;
}

static gboolean
take_fault(const char *option, const char *name, peer_options_t *peer, GError **error G_GNUC_UNUSED)
{
    if (strcmp(name, "help") == 0) {
        fault_help(peer->side);
        exit(STATUS_OK);
    }
    peer->fault = fault_find(peer->side, name);
    if (!peer->fault)
        options_fail("%s: '%s': unknown fault; '--fault help' lists them", option, name);
    return TRUE;
}

static gboolean
take_test_method(const char *option, const char *text, gpointer peer G_GNUC_UNUSED,
                 GError **error G_GNUC_UNUSED)
{
    guint32 number;

    if (!parse_id(text, &number) || !method_rename_test(number))
        options_fail("%s: '%s': expected a number in hexadecimal that no sub-method has", option, text);
    return TRUE;
}

static gboolean
show_version(const char *option G_GNUC_UNUSED, const char *text G_GNUC_UNUSED, gpointer peer G_GNUC_UNUSED,
             GError **error G_GNUC_UNUSED)
{
    g_print("%s " MAF_VERSION "\n", g_get_prgname());
    exit(STATUS_OK);
}

void
options_parse(int *argc, char ***argv, const char *program, const char *arguments, const char *summary,
              const GOptionEntry *own, gpointer options)
{
    peer_options_t *peer = options;
    const gboolean is_client = peer->side == PAIR_CLIENT;
    guint revision = NOT_GIVEN;
    const GOptionEntry common[] = {
        {"revision", 0, 0, G_OPTION_ARG_INT, &revision,
         is_client ? "The revision of the draft to use (0)" : "Use only this revision of the draft", "0|1"},
        {"timeout", 0, 0, G_OPTION_ARG_INT, &peer->timeout, "Time for each message of the peer (30)",
         "SECONDS"},
        {"login-time", 0, 0, G_OPTION_ARG_INT, &peer->login_time, "Time for the whole login (60)", "SECONDS"},
        {"write-size", 0, 0, G_OPTION_ARG_INT, &peer->write_size,
         "Send at most N bytes at a time, a millisecond apart, to test the peer's reassembly", "N"},
        {"glue", 0, 0, G_OPTION_ARG_NONE, &peer->coalesce, "Send messages that may go together in one write",
         NULL},
        {"oem", 0, 0, CALLBACK(take_oem),
         is_client ? "In revision 1, send an OEM message before the list or What next, or at the end"
                   : "In revision 1, answer the list or What next with an OEM message first",
         is_client ? "list|what-next|end[:ID]" : "list|what-next[:ID]"},
        {"fault", 0, 0, CALLBACK(take_fault), "Break one rule of the protocol; 'help' lists them", "NAME"},
        {"test-method", 0, 0, CALLBACK(take_test_method),
         "The number of the Internal Test Method, to imitate your own sub-method (00000001)", "ID"},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &peer->verbose, "Log each MAF message", NULL},
        {"version", 0, G_OPTION_FLAG_NO_ARG, CALLBACK(show_version), "Show the version and exit", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    GOptionGroup *group = g_option_group_new(NULL, NULL, NULL, options, NULL);
    g_autoptr(GOptionContext) context = g_option_context_new(arguments);
    g_autoptr(GError) error = NULL;

    prepare_process(program);
    g_option_group_add_entries(group, own);
    g_option_group_add_entries(group, common);
    g_option_context_set_main_group(context, group);
    g_option_context_set_summary(context, summary);
    if (!g_option_context_parse(context, argc, argv, &error))
        options_fail("%s", error->message);
    options_check("--revision", revision, MAF_VER_00, MAF_VER_01);
    options_check("--timeout", peer->timeout, 1, TIME_MAX);
    options_check("--login-time", peer->login_time, 1, LOGIN_TIME_MAX);
    options_check("--write-size", peer->write_size, 0, WRITE_SIZE_MAX);
    if (revision != NOT_GIVEN)
        peer->revision = (int)revision;
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        memmove(&(*argv)[1], &(*argv)[2], sizeof **argv * (gsize)(*argc - 1));
        --*argc;
    }
}
