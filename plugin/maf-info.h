/* maf-info.h
 * The phrase that the Info column has for a message; maf-tree.c puts it there
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_INFO_H
#define MAF_INFO_H

#include "maf-compat.h"

#include <epan/column-utils.h>
#include <epan/packet_info.h>

#include "maf-login.h"
#include "maf-message.h"
#include "maf-session.h"

/* Room for a phrase, in bytes */
#define MAF_INFO_MAX COL_MAX_INFO_LEN

/* A message, and what has been found in its DATA */
typedef struct {
    packet_info *pinfo;
    const maf_message_t *message;
    const maf_verdict_t *verdict;
    const maf_login_t *login;
    const char *reason; /* why the server refuses, "" if it does not say; NULL if it does not refuse */
    const char *note;   /* what the payload dissector has to say, or NULL */
} maf_info_t;

/* One phrase that says what the message does: "Process: SASL PLAIN (13 bytes)". What exceeds MAF_INFO_MAX is
 * left out. */
void maf_info_write(const maf_info_t *info, char phrase[MAF_INFO_MAX]);

/* The name of an OEM id, or of the range it is from (draft-01, Process OEM specific). Static. */
const char *maf_oem_name(const maf_id_t *id);

#endif /* MAF_INFO_H */
