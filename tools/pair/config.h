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
 * Reads the configuration, which maf-server(1) describes, into these, which the caller made. FALSE after a
 * line in the log that begins with FILE:LINE, or FILE, and quotes no secret: for a file that cannot be read
 * or that others may read, a line that is none, an unknown group or key, a value that cannot be used, a
 * minimum grade that nobody can reach. Logs warnings, too.
 */
gboolean config_load(const char *file, users_t *users, policy_t *policy, limits_t *limits);

/*
 * Reads the client's credentials, which maf-client(1) describes, from the file, or for NULL from MAF_USER and
 * MAF_PASSWORD, which are overwritten in any case. Both are NULL without any. FALSE as for config_load().
 */
gboolean config_load_credentials(const char *file, credentials_t *credentials);

#endif /* CONFIG_H */
