/* options.h
 * Command lines: what each program is told at its start, and nobody changes afterwards
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef OPTIONS_H
#define OPTIONS_H

#include "config.h"
#include "peer.h"

typedef struct server_options {
    peer_options_t peer;
    method_settings_t settings;
    guint socks_method;
    gboolean allow_none;
    policy_t policy;
    users_t *users; /* or NULL */
    limits_t limits;
    char *host;
    guint16 port;
} server_options_t;

typedef struct client_options {
    peer_options_t peer;    /* how to talk to the server */
    peer_options_t program; /* and to the programs of --listen */
    method_settings_t settings;
    credentials_t credentials;
    char *server_host, *target_host, *listen_host; /* target or listen */
    guint16 server_port, target_port, listen_port;
    GByteArray *socks_methods;
    GArray *offer;  /* of method_id_t */
    guint required; /* a bit for each sub-method of which one must complete; 0: none must */
    guint nmethods_len;
    guint block; /* the most ids of the offer in one list, or 0 for as many as a list can have */
} client_options_t;

/*
 * Parses the command line, and what files and the environment add to it. Ends the program for --help and the
 * like, and for mistakes, which it reports.
 */
void server_options_parse(int argc, char **argv, server_options_t *options);
void client_options_parse(int argc, char **argv, client_options_t *options);

/* Overwrites and frees what the options hold. */
void server_options_clear(server_options_t *options);
void client_options_clear(client_options_t *options);

/* For both */

/*
 * Prepares the process, and parses the command line: `own` options, and those of both programs. `options`
 * begins with their peer_options_t, which comes with its side and defaults, and goes to callbacks. What is
 * left in argv is not options.
 */
void options_parse(int *argc, char ***argv, const char *program, const char *arguments, const char *summary,
                   const GOptionEntry *own, gpointer options);

/* What calls a GOptionArgFunc: POSIX has the conversion, ISO C only by way of an integer. */
#define CALLBACK(function) G_OPTION_ARG_CALLBACK, (gpointer)(guintptr)(function)

/* Ends the program for a mistake on the command line. */
void options_fail(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;

/* Fails for a number that is given and not in the range. */
#define NOT_GIVEN ((guint)G_MININT)
void options_check(const char *option, guint number, guint min, guint max);

/*
 * HOST[:PORT], an IPv6 address in brackets; a name becomes ASCII (RFC 3490). Without a port, *port stays, or
 * is missing if it is 0. And [ADDRESS:]PORT, on the loopback unless it says where. *host is set anew.
 */
void options_take_host_port(const char *option, const char *text, char **host, guint16 *port);
void options_take_listen(const char *option, const char *text, char **host, guint16 *port);

/* Sub-methods, appended to `ids`: names, hexadecimal numbers and ranges of them, UUIDs, between commas. */
void options_take_methods(const char *option, const char *text, GArray *ids);

#endif /* OPTIONS_H */
