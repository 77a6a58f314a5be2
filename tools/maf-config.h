/* maf-config.h
 * The files that tell the server its users and its policy, and the client its credentials
 *
 * Key files as GLib reads them. What breaks a rule is an error of one line that names the file and the line,
 * group or key, and never quotes a value. Files that others may read or write are refused. The memory that
 * values were read through is overwritten, but for GLib's own copy of them, which GLib cannot be made to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_CONFIG_H
#define MAF_CONFIG_H

#include "maf-door.h"
#include "maf-policy.h"

/*
 * The server's file: [policy], [step 1] and up, [user NAME], [limits]; maf-server(1) explains every key. The
 * caller frees *users and *policy; of *limits what the file does not have is left alone. FALSE, with an error
 * in the domains of GLib's key files or G_FILE_ERROR, leaves all three alone.
 */
gboolean maf_config_load(const char *file, maf_users_t **users, maf_policy_t **policy, maf_limits_t *limits,
                         GError **error);

/* What each limit may be, 1 being the least but for the last, and that one's least. */
#define MAF_CONNECTIONS_MAX  1000000
#define MAF_LOGIN_TIME_MAX   86400
#define MAF_MESSAGE_SIZE_MIN 4096
#define MAF_MESSAGE_SIZE_MAX (MAF_PDU_DATA_MAX + MAF_MESSAGE_SIZE_MIN)

/* The client's file: [credentials] with user and password. To be cleared by the caller. Errors as above. */
gboolean maf_credentials_load(const char *file, maf_credentials_t *credentials, GError **error);

/*
 * Takes the credentials out of the environment, MAF_USER and MAF_PASSWORD, where they are overwritten.
 * Neither there is no error, and leaves `credentials` alone. To be cleared by the caller.
 */
gboolean maf_credentials_take_from_environment(maf_credentials_t *credentials, GError **error);

#endif /* MAF_CONFIG_H */
