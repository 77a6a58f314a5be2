/* config.h
 * The files: the server's configuration and the client's credentials
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CONFIG_H
#define CONFIG_H

#include "policy.h"

/* Reads the configuration, which maf-server(1) describes. FALSE after a line in the log that begins with
 * FILE:LINE, or FILE, and quotes no secret. */
gboolean config_load(const char *file, users_t *users, policy_t *policy);

/* Likewise the client's credentials, which maf-client(1) describes; for NULL from MAF_USER and MAF_PASSWORD,
 * which are overwritten in any case. Both stay NULL without any. */
gboolean config_load_credentials(const char *file, method_settings_t *settings);

#endif /* CONFIG_H */
