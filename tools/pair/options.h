/* options.h
 * Command lines, and what files and the environment add to them: nobody changes it afterwards
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef OPTIONS_H
#define OPTIONS_H

#include "peer.h"
#include "policy.h"

typedef struct options {
    /* Of both programs */
    peer_options_t peer;
    method_settings_t settings;
    char *listen_host; /* the client's: NULL without --listen */
    guint16 listen_port;
    guint socks_method; /* that is MAF */

    /* Of the server */
    gboolean allow_none;
    policy_t policy;
    guint connections;

    /* Of the client */
    gboolean no_maf;
    peer_options_t program;                        /* how to talk to the programs of --listen */
    char *server_host, *server_name, *target_host; /* server_name: HOST:PORT */
    guint16 server_port, target_port;
    GArray *offer;  /* of method_id_t */
    guint required; /* a bit for each sub-method of which one must complete; 0: none must */
    guint nmethods_len;
    guint block; /* the most ids of the offer in one list */
} options_t;

/* Both end the program for --help and the like, and for mistakes, which they report. */
const options_t *server_options_parse(int argc, char **argv);
const options_t *client_options_parse(int argc, char **argv);

/* Reads the configuration, which maf-server(1) describes. FALSE after a line in the log that begins with
 * FILE:LINE, or FILE, and quotes no secret. */
gboolean config_load(const char *file, users_t *users, policy_t *policy);

/* Likewise the client's credentials, which maf-client(1) describes; for NULL from MAF_USER and MAF_PASSWORD,
 * which are overwritten in any case. Both stay NULL without any. */
gboolean config_load_credentials(const char *file, method_settings_t *settings);

#endif /* OPTIONS_H */
