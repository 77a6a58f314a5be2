/* maf-expert.h
 * Which side broke which rule, in words: the expert infos
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_EXPERT_H
#define MAF_EXPERT_H

#include "maf-compat.h"

#include <epan/expert.h>
#include <epan/packet.h>

#include "maf-login.h"
#include "maf-message.h"
#include "maf-session.h"

/* The parts of a message that a diagnosis can point at. */
typedef enum {
    MAF_PART_MESSAGE,
    MAF_PART_INSTR,
    MAF_PART_VER,
    MAF_PART_FLAGS,
    MAF_PART_NMETHODS,
    MAF_PART_METHOD,
    MAF_PART_LEN,
    MAF_PART_RESERVED,
    MAF_PARTS,
} maf_part_t;

/* EXPFILL with a description: the text of tooltips, and of tshark -G fields. */
#define MAF_EXPFILL(blurb)                                                                                   \
    0, NULL, 0,                                                                                              \
    {                                                                                                        \
        0,                                                                                                   \
        {                                                                                                    \
            NULL, NULL, FT_NONE, BASE_NONE, NULL, 0, blurb, HFILL                                            \
        }                                                                                                    \
    }

/* Register the expert infos maf.expert.* for this protocol id. */
void maf_expert_register(int proto);

/*
 * An expert info that is added to the record of the login too, on the first pass; a payload dissector's own
 * as well.
 *
 * login     NULL: the expert info only
 * expert    its abbreviation; static
 */
void maf_expert_say(packet_info *pinfo, proto_item *item, maf_login_t *login, maf_side_t from,
                    expert_field *ei, maf_severity_t severity, const char *expert, const char *text);

/*
 * Say what is wrong with a message, and how the session ended if this message ended it.
 *
 * parts  the tree's item for each maf_part_t; a diagnosis of a part that is NULL is added to the message
 * login  gets what is wrong, on the first pass; NULL if there is none
 */
void maf_expert_message(packet_info *pinfo, proto_item *const parts[MAF_PARTS], const maf_message_t *message,
                        const maf_verdict_t *verdict, maf_login_t *login);

/* Say what is wrong with one METHOD of a list; violations are those of maf_verdict_t.offer_violations. */
void maf_expert_offer(packet_info *pinfo, proto_item *item, const maf_message_t *message,
                      const maf_verdict_t *verdict, maf_login_t *login, const maf_id_t *id,
                      uint32_t violations);

/* Say that the client sent its SOCKS request in a state in which it may not. */
void maf_expert_request(packet_info *pinfo, proto_item *item, maf_login_t *login, maf_state_t state);

/* Say that the server selected MAF although the client's greeting did not offer it (RFC 1928, section 3). */
void maf_expert_unoffered_selection(packet_info *pinfo, proto_item *item, maf_login_t *login);

/* Say that bytes of that side are missing in the capture before this packet. */
void maf_expert_gap(packet_info *pinfo, proto_item *item, maf_login_t *login, maf_side_t from);

/* Say that the connection was closed, or else that the capture ends, inside the pending message of that side.
 */
void maf_expert_cut(packet_info *pinfo, proto_item *item, maf_login_t *login, maf_side_t from);

/* The expert info that maf_expert_cut() adds: its name, and its text, which belongs to pool. */
#define MAF_EXPERT_TRUNCATED "maf.expert.truncated"
const char *maf_expert_cut_text(wmem_allocator_t *pool, const maf_login_t *login, maf_side_t from);

#endif /* MAF_EXPERT_H */
