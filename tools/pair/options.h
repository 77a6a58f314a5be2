/* options.h
 * Command lines: what both programs have in common
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef OPTIONS_H
#define OPTIONS_H

#include "peer.h"

/* Exit status */
enum exit_status {
    EXIT_OK = 0,
    EXIT_REFUSED = 1,   /* the authentication was refused */
    EXIT_USAGE = 2,     /* the command line or a configuration is wrong */
    EXIT_VIOLATION = 3, /* the peer broke the protocol, or did not prove what it had to */
    EXIT_NETWORK = 4,   /* the peer or the target was not reached, or was lost */
};

/*
 * Opens /dev/null in place of each standard stream that the program was started without, or what is opened
 * next would be taken for it; and ignores SIGPIPE. To be called first.
 */
void options_prepare_process(const char *program);

/*
 * Parses the command line: `own` options, and those of both programs into `peer`, which comes with its side
 * and defaults. What is left in argv is not options. Ends the program for --help, --version, --fault help and
 * mistakes.
 */
void options_parse(int *argc, char ***argv, const char *arguments, const char *summary,
                   const GOptionEntry *own, peer_options_t *peer);

/* Ends the program for a mistake on the command line. */
void options_fail(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;

/* Takes a number in decimal, or in hexadecimal after 0x, from the text of an option unless that is NULL, or
 * fails. */
void options_take_number(const char *option, const char *text, guint min, guint max, guint *number);

/*
 * Takes a host and a port apart, or fails. An IPv6 address is in brackets. A name becomes ASCII (RFC 3490).
 * Without a port: `port` stays as it is, or fails if it is 0. The caller frees *host.
 */
void options_take_host_port(const char *option, const char *text, char **host, guint16 *port);

/* Takes [ADDRESS:]PORT apart, or fails; without ADDRESS, *host is 127.0.0.1. The caller frees *host. */
void options_take_listen(const char *text, char **host, guint16 *port);

/*
 * Appends sub-methods to `ids`, an array of method_id_t, or fails: names such as SCRAM-SHA-256, hexadecimal
 * numbers and ranges of them such as 00010000-000100FD, UUIDs; separated by commas. Not SUCCESS, FAILURE and
 * MORE_METHODS_AVAILABLE, and 65536 at most (draft-00, Current MAF Sub-Methods).
 */
void options_take_methods(const char *option, const char *text, GArray *ids);

#endif /* OPTIONS_H */
