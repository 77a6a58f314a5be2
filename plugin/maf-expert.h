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
 * Say what is wrong with a message, and how the session ended if this message ended it.
 *
 * parts  the tree's item for each maf_part_t; what would be said of one that is NULL is said of the message
 */
void maf_expert_frame(packet_info *pinfo, proto_item *const parts[MAF_PARTS], const maf_message_t *message,
                      const maf_verdict_t *verdict);

/* Say what is wrong with one METHOD of a list; faults are those of maf_verdict_t.offer_faults. */
void maf_expert_offer(packet_info *pinfo, proto_item *item, const maf_message_t *message,
                      const maf_verdict_t *verdict, const maf_id_t *id, uint32_t violations);

/* The expert info, "maf.expert.length", that says of one MAF_FAULT_*. Static; NULL for what is none. */
const char *maf_expert_name(uint32_t violation);

/* Say that the server selected MAF although the greeting does not offer it. */
void maf_expert_selection(packet_info *pinfo, proto_item *item);

/* Say that so many bytes are missing. */
void maf_expert_gap(packet_info *pinfo, proto_item *item, uint32_t length);

/* Say that the client sent its SOCKS request in a state in which it may not. */
void maf_expert_request(packet_info *pinfo, proto_item *item, maf_state_t state);

/*
 * Say that the connection was closed, or else that the capture ends, inside a message of that side, which
 * began in the packet `began`.
 */
void maf_expert_cut(packet_info *pinfo, proto_item *item, maf_side_t from, unsigned revision, uint32_t began,
                    bool closed);

#endif /* MAF_EXPERT_H */
