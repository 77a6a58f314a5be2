/* client-options.h
 * The command line of maf-client
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include "method.h"
#include "options.h"

/* What the client is told at its start, and what nobody changes afterwards. */
typedef struct client_options {
    peer_options_t peer;    /* how to talk to the server */
    peer_options_t program; /* and to the programs of --listen */
    method_settings_t settings;
    credentials_t credentials;
    char *server_host, *target_host, *listen_host; /* target or listen */
    guint16 server_port, target_port, listen_port;
    GByteArray *socks_methods;
    GArray *offer;       /* of method_id_t */
    GPtrArray *required; /* of method_t: one of them must complete; empty for none */
    gsize nmethods_len;
    gsize block; /* the most ids of the offer in one list, or 0 for as many as a list can have */
} client_options_t;

/* Parses the command line and takes the credentials. Ends the program for --help and the like, and for
 * mistakes. */
void client_options_parse(int argc, char **argv, client_options_t *options);

/* Overwrites and frees what the options hold. */
void client_options_clear(client_options_t *options);

#endif /* CLIENT_OPTIONS_H */
