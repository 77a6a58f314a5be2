/* config.h
 * The configuration of the server, and the client's credentials
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CONFIG_H
#define CONFIG_H

#include "policy.h"

/* What clients may take of the server; the command line has the same. */
typedef struct limits {
    guint connections;  /* at a time */
    guint login_time;   /* in seconds */
    guint message_size; /* in bytes */
} limits_t;

#define CONNECTIONS_MAX  1000000
#define LOGIN_TIME_MAX   86400
#define MESSAGE_SIZE_MIN 4096
#define MESSAGE_SIZE_MAX (MAF_PDU_DATA_MAX + MESSAGE_SIZE_MIN)

/*
 * Reads the configuration, which maf-server(1) describes. Sets *users and *policy, which the caller frees,
 * and the limits that it has. FALSE with an error that begins with FILE:LINE, or FILE, and quotes no secret:
 * for a file that cannot be read or that others may read, a line that is none, an unknown group or key, a
 * value that cannot be used, a minimum grade that nobody can reach. `warn` is called with each thing that is
 * allowed but hardly meant.
 */
gboolean config_load(const char *file, users_t **users, policy_t **policy, limits_t *limits,
                     void (*warn)(const char *text), GError **error);

/* Reads the client's credentials, which maf-client(1) describes. FALSE as for config_load(). */
gboolean config_load_credentials(const char *file, credentials_t *credentials, GError **error);

/*
 * Takes the credentials of the environment, MAF_USER and MAF_PASSWORD, and overwrites them there. Without
 * any, both are NULL. FALSE with an error when only one is there, or SASL does not allow them.
 */
gboolean config_take_environment(credentials_t *credentials, GError **error);

#endif /* CONFIG_H */
