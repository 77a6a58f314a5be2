/* server-options.h
 * The command line of maf-server
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include "config.h"
#include "peer.h"

/* What the server is told at its start, and what nobody changes afterwards. */
typedef struct server {
    peer_options_t peer;
    method_settings_t settings;
    guint8 socks_method;
    gboolean allow_none;
    policy_t *policy;
    users_t *users;
    limits_t limits;
    char *host;
    guint16 port;
} server_t;

/*
 * Parses the command line and loads the configuration. Ends the program for --help and the like, --check, and
 * mistakes, which it reports.
 */
void server_options_parse(int argc, char **argv, server_t *server);

/* Frees what the options hold. */
void server_options_clear(server_t *server);

#endif /* SERVER_OPTIONS_H */
