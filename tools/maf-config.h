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

#include "maf-policy.h"

/*
 * The server's file: [policy], [step 1] and up, [user NAME]; maf-server(1) explains every key. The caller
 * frees *users and *policy. FALSE, with an error in the domains of GLib's key files or G_FILE_ERROR, leaves
 * them alone.
 */
gboolean maf_config_load(const char *file, maf_users_t **users, maf_policy_t **policy, GError **error);

/* The client's file: [credentials] with user and password. To be cleared by the caller. Errors as above. */
gboolean maf_credentials_load(const char *file, maf_credentials_t *credentials, GError **error);

/*
 * Takes the credentials out of the environment, MAF_USER and MAF_PASSWORD, where they are overwritten.
 * Neither there is no error, and leaves `credentials` alone. To be cleared by the caller.
 */
gboolean maf_credentials_take_from_environment(maf_credentials_t *credentials, GError **error);

#endif /* MAF_CONFIG_H */
