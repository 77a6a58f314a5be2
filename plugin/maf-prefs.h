/* maf-prefs.h
 * What the user set under Edit, Preferences, Protocols, MAF
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_PREFS_H
#define MAF_PREFS_H

#include "maf-compat.h"

#include <epan/range.h>

#include "maf-message.h"
#include "maf-session.h"

/* What the user set under Edit, Preferences, Protocols, MAF. */
typedef struct {
    range_t *socks_methods;        /* maf.socks_methods */
    int revision;                  /* maf.revision: a revision, or MAF_REVISION_BY_LIST */
    maf_message_options_t framing; /* maf.nmethods_width, maf.max_length */
    maf_bool_t desegment;          /* maf.desegment */
    maf_bool_t dissect_socks;      /* maf.dissect_socks */
} maf_prefs_t;

extern maf_prefs_t maf_prefs;

#endif /* MAF_PREFS_H */
