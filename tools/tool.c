/* tool.c
 * What both programs share as command-line programs: options, the words they are given in, and messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "tool.h"

#include "maf-method.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define IDS_MAX        65536
#define TIMEOUT_MAX    86400
#define WRITE_SIZE_MAX 65536
#define DOMAIN_OCTETS  255
#define DECIMAL_OR_HEX "a number in decimal, or in hexadecimal after 0x"

void
tool_open_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= STDIN_FILENO && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static gboolean
is_shown(gunichar c)
{
    return g_unichar_isprint(c) && g_unichar_type(c) != G_UNICODE_LINE_SEPARATOR &&
           g_unichar_type(c) != G_UNICODE_PARAGRAPH_SEPARATOR;
}

void
tool_say(const char *peer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *valid = g_utf8_make_valid(message, -1);
    g_autoptr(GString) shown = g_string_new(NULL);

    for (const char *c = valid; *c; c = g_utf8_next_char(c)) {
        const gunichar character = g_utf8_get_char(c);
        g_string_append_unichar(shown, is_shown(character) ? character : '?');
    }
    g_printerr("%s: %s%s%s\n", g_get_prgname(), peer ? peer : "", peer ? ": " : "", shown->str);
}

char *
tool_describe_peer(GSocketConnection *connection)
{
    g_autoptr(GSocketAddress) address = g_socket_connection_get_remote_address(connection, NULL);
    return address ? g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address)) : g_strdup("unknown peer");
}

void
tool_usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);

    tool_say(NULL, "%s", message);
    g_printerr("Try '%s --help'.\n", g_get_prgname());
    exit(TOOL_EXIT_USAGE);
}

static void
take_fault(const char *name, maf_manners_t *manners)
{
    if (strcmp(name, "help") == 0) {
        char *text = maf_fault_help(manners->side);
        g_print("%s", text);
        g_free(text);
        exit(TOOL_EXIT_OK);
    }
    manners->fault = maf_fault_find(manners->side, name);
    if (!manners->fault) {
        tool_say(NULL, "--fault: '%s' is not a fault of this side; '--fault help' lists them", name);
        exit(TOOL_EXIT_USAGE);
    }
}

/* Sets the error and returns FALSE. */
static gboolean G_GNUC_PRINTF(2, 3) refuse(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (error)
        *error = g_error_new_valist(G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, format, args);
    va_end(args);
    return FALSE;
}

static gboolean
parse_id(const char *text, guint32 *id, GError **error)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 16, 0, G_MAXUINT32, &value, NULL))
        return refuse(error, "'%s' is not an id in hexadecimal", text);
    *id = (guint32)value;
    return TRUE;
}

static void
take_revision(const char *text, maf_manners_t *manners)
{
    GError *error = NULL;
    guint revision = 0;

    if (!tool_parse_number(text, MAF_VER_00, MAF_VER_01, &revision, &error))
        tool_usage_error("--revision: %s", error->message);
    manners->revision = (int)revision;
}

/* WHERE[:ID] */
static void
take_oem(const char *text, maf_manners_t *manners)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);
    const char *id = *parts && parts[1] ? parts[1] : "00000000";
    GError *error = NULL;
    guint32 number = 0;

    manners->oem.place = maf_oem_find_place(manners->side, *parts ? *parts : "");
    if (manners->oem.place == MAF_OEM_NOWHERE)
        tool_usage_error("--oem: '%s' is not %s", text,
                         manners->side == MAF_CLIENT ? "list, what-next or end" : "list or what-next");
    if (maf_id_parse_uuid(id, &manners->oem.id))
        return;
    if (!parse_id(id, &number, &error))
        tool_usage_error("--oem: %s, nor a UUID", error->message);
    manners->oem.id = maf_id_compact(number);
}

static void
take_test_method(const char *text)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(maf_id_t));
    GError *error = NULL;

    if (!tool_parse_ids(text, ids, &error))
        tool_usage_error("--test-method: %s", error->message);
    if (ids->len != 1 || !maf_method_rename_test(&g_array_index(ids, maf_id_t, 0)))
        tool_usage_error("--test-method: '%s' is not one number that is free", text);
}

void
tool_parse(int *argc, char ***argv, const char *arguments, const char *summary, const GOptionEntry *own,
           maf_manners_t *manners)
{
    gboolean version = FALSE;
    g_autofree char *fault = NULL, *revision = NULL, *oem = NULL, *test_method = NULL;
    const GOptionEntry common[] = {
        {"revision", 0, 0, G_OPTION_ARG_STRING, &revision,
         manners->side == MAF_CLIENT ? "The revision of the draft to speak (0)"
                                     : "The only revision of the draft to speak, instead of the client's",
         "0|1"},
        {"oem", 0, 0, G_OPTION_ARG_STRING, &oem,
         manners->side == MAF_CLIENT
             ? "In revision 1, send an OEM frame before the list or What next?, or after the end"
             : "In revision 1, answer the list or What next? with an OEM frame first",
         manners->side == MAF_CLIENT ? "list|what-next|end[:ID]" : "list|what-next[:ID]"},
        {"timeout", 0, 0, G_OPTION_ARG_INT, &manners->timeout,
         "Give the peer this long for each message (30)", "SECONDS"},
        {"write-size", 0, 0, G_OPTION_ARG_INT, &manners->write_size,
         "Send at most N octets at a time, a millisecond apart, to try the peer's reassembly", "N"},
        {"glue", 0, 0, G_OPTION_ARG_NONE, &manners->glue, "Send messages that may go together in one write",
         NULL},
        {"fault", 0, 0, G_OPTION_ARG_STRING, &fault,
         "Break one rule of the protocol, to see what the peer makes of it; 'help' lists them", "NAME"},
        {"test-method", 0, 0, G_OPTION_ARG_STRING, &test_method,
         "Call the Internal Test Method by another number, to play a sub-method of your own (00000001)",
         "ID"},
        {"verbose", 0, 0, G_OPTION_ARG_NONE, &manners->verbose, "Tell of every MAF frame", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Show the version and exit", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new(arguments);
    GError *error = NULL;

    setlocale(LC_ALL, "");
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, own, NULL);
    g_option_context_add_main_entries(context, common, NULL);
    if (!g_option_context_parse(context, argc, argv, &error))
        tool_usage_error("%s", error->message);
    if (version) {
        g_print("%s %s\n", g_get_prgname(), MAF_VERSION);
        exit(TOOL_EXIT_OK);
    }
    if (fault)
        take_fault(fault, manners);
    if (revision)
        take_revision(revision, manners);
    if (oem)
        take_oem(oem, manners);
    if (test_method)
        take_test_method(test_method);
    if (manners->timeout < 1 || manners->timeout > TIMEOUT_MAX)
        tool_usage_error("--timeout is 1 to %d seconds", TIMEOUT_MAX);
    if (manners->write_size < 0 || manners->write_size > WRITE_SIZE_MAX)
        tool_usage_error("--write-size is 0 to %d octets", WRITE_SIZE_MAX);
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        memmove(&(*argv)[1], &(*argv)[2], sizeof **argv * (gsize)(*argc - 1));
        --*argc;
    }
}

static char *
read_line(void)
{
    char *line = NULL, *copy = NULL;
    size_t size = 0;
    const ssize_t len = getline(&line, &size, stdin);

    if (len >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        copy = g_strdup(line);
    }
    if (line)
        explicit_bzero(line, size);
    free(line);
    return copy;
}

char *
tool_read_password(void)
{
    struct termios shown, hidden;

    setvbuf(stdin, NULL, _IONBF, 0);
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return read_line();
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    g_printerr("Password: ");
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    char *password = read_line();
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    g_printerr("\n");
    return password;
}

gboolean
tool_parse_number(const char *text, guint min, guint max, guint *number, GError **error)
{
    const gboolean hex = g_ascii_strncasecmp(text, "0x", 2) == 0;
    guint64 value;

    if (!g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, min, max, &value, NULL))
        return refuse(error, "'%s' is not " DECIMAL_OR_HEX ", of %u to %u", text, min, max);
    *number = (guint)value;
    return TRUE;
}

gboolean
tool_parse_host_port(const char *text, char **host, guint16 *port, GError **error)
{
    const char *colon = strrchr(text, ':');
    guint number = 0;

    if (!colon || colon == text)
        return refuse(error, "'%s' is not HOST:PORT", text);
    if (!tool_parse_number(colon + 1, 1, G_MAXUINT16, &number, error))
        return FALSE;

    const gboolean brackets = text[0] == '[' && colon[-1] == ']';
    g_autofree char *name =
        brackets ? g_strndup(text + 1, (gsize)(colon - text) - 2) : g_strndup(text, (gsize)(colon - text));
    if (!brackets && strchr(name, ':'))
        return refuse(error, "'%s' is not HOST:PORT; write an IPv6 address as [%s]", text, name);
    *host = g_hostname_to_ascii(name);
    if (!*host || !**host || strlen(*host) > DOMAIN_OCTETS) {
        g_clear_pointer(host, g_free);
        return refuse(error, "'%s' does not name a host", text);
    }
    *port = (guint16)number;
    return TRUE;
}

static gboolean
offerable(guint32 id)
{
    return id != MAF_METHOD_SUCCESS && id != MAF_METHOD_FAILURE && id != MAF_METHOD_MORE_AVAILABLE;
}

gboolean
tool_parse_ids(const char *text, GArray *ids, GError **error)
{
    g_auto(GStrv) ranges = g_strsplit(text, ",", -1);

    if (!*ranges)
        return refuse(error, "no sub-method ids");
    for (char **range = ranges; *range; range++) {
        g_auto(GStrv) ends = g_strsplit(*range, "-", 2);
        guint32 first = 0, last;
        maf_id_t uuid;

        if (maf_id_parse_uuid(*range, &uuid)) {
            g_array_append_val(ids, uuid);
            continue;
        }

        if (!parse_id(*ends ? ends[0] : "", &first, error))
            return FALSE;
        last = first;
        if (ends[1] && !parse_id(ends[1], &last, error))
            return FALSE;
        if (last < first || last - first >= IDS_MAX || ids->len + (last - first) >= IDS_MAX)
            return refuse(error, "'%s' runs backwards, or makes more than %d ids", *range, IDS_MAX);
        for (guint32 i = 0; i <= last - first; i++) {
            if (!offerable(first + i))
                return refuse(error, "%08X is not a sub-method to offer", first + i);
            const maf_id_t id = maf_id_compact(first + i);
            g_array_append_val(ids, id);
        }
    }
    return TRUE;
}
