/* tool.h
 * What both programs share as command-line programs: options, the words they are given in, and messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TOOL_H
#define TOOL_H

#include "maf-stream.h"

/* Exit status */
enum tool_exit {
    TOOL_EXIT_OK = 0,
    TOOL_EXIT_REFUSED = 1,   /* the authentication was refused */
    TOOL_EXIT_USAGE = 2,     /* the command line or a configuration file is wrong */
    TOOL_EXIT_VIOLATION = 3, /* the peer broke the protocol */
    TOOL_EXIT_NETWORK = 4,   /* the peer or the target was not reached, or was lost */
};

/*
 * Opens /dev/null in place of each of standard input, output and error that the program was started without.
 * To be called first: whatever was opened before would be taken for one of them.
 */
void tool_open_standard_streams(void);

/*
 * Parses the command line: `own` options, and those of both programs into `manners`, which come with their
 * side and defaults. What is left in argv is not options. Does not return for --help, --version, --fault help
 * and mistakes.
 */
void tool_parse(int *argc, char ***argv, const char *arguments, const char *summary, const GOptionEntry *own,
                maf_manners_t *manners);

/* Ends the program for a mistake on the command line. */
void tool_usage_error(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;

/*
 * One line on standard error: the program, the peer unless NULL, the message. Characters that control or
 * format, such as those that turn text around, show as `?`.
 */
void tool_say(const char *peer, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The peer's address and port, for tool_say(); "unknown peer" for one that has gone. The caller frees it. */
char *tool_describe_peer(GSocketConnection *connection);

/*
 * The first line of standard input, without its end; asked for, and not shown, at a terminal. NULL when there
 * is none. To be freed with maf_wipe_and_free().
 */
char *tool_read_password(void);

/* A number in decimal, or in hexadecimal after 0x, of `min` to `max`. G_OPTION_ERROR otherwise. */
gboolean tool_parse_number(const char *text, guint min, guint max, guint *number, GError **error);

/*
 * HOST:PORT, where the host may stand in brackets and an IPv6 address must. A name becomes ASCII (RFC 3490).
 * The caller frees *host. G_OPTION_ERROR otherwise.
 */
gboolean tool_parse_host_port(const char *text, char **host, guint16 *port, GError **error);

/*
 * Appends to `ids`, an array of maf_id_t, the 4-octet sub-method ids of a list of hexadecimal numbers and
 * ranges of them, such as 00000001,00010000-000100FD, and of UUIDs. G_OPTION_ERROR for anything else, for ids
 * that no list may hold (draft-00, Current MAF Sub-Methods: SUCCESS, FAILURE and MORE_METHODS_AVAILABLE), and
 * beyond 65536 ids.
 */
gboolean tool_parse_ids(const char *text, GArray *ids, GError **error);

#endif /* TOOL_H */
