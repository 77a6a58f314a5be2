/* config.h
 * The configuration of the server, and the client's credentials
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CONFIG_H
#define CONFIG_H

#include "policy.h"

/*
 * Reads the configuration, which maf-server(1) describes. FALSE after a line in the log that begins with
 * FILE:LINE, or FILE, and quotes no secret: for a file that cannot be read or that others may read, a line
 * that is none, an unknown group or key, a value that cannot be used, a minimum grade that nobody can reach.
 */
gboolean config_load(const char *file, users_t *users, policy_t *policy);

/*
 * Reads the client's credentials, which maf-client(1) describes, from the file, or for NULL from MAF_USER and
 * MAF_PASSWORD, which are overwritten in any case. Both are NULL without any. FALSE as for config_load().
 */
gboolean config_load_credentials(const char *file, method_settings_t *settings);

#endif /* CONFIG_H */
