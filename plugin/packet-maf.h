/* packet-maf.h
 * Fields, trees and columns of the Multi-Authentication Framework
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef PACKET_MAF_H
#define PACKET_MAF_H

#include "maf-compat.h"

#include <epan/packet.h>
#include <epan/range.h>

#include "maf-framing.h"
#include "maf-session.h"

/* What the user set under Edit, Preferences, Protocols, MAF. */
typedef struct {
    range_t *socks_methods;        /* maf.socks_methods */
    int revision;                  /* maf.revision: a revision, or MAF_REVISION_BY_LIST */
    maf_framing_options_t framing; /* maf.nmethods_width, maf.max_length */
    maf_bool_t desegment;          /* maf.desegment */
    maf_bool_t dissect_socks;      /* maf.dissect_socks */
} maf_prefs_t;

extern maf_prefs_t maf_prefs;

/* Registration, as Wireshark's own dissectors do it. */
void proto_register_maf(void);
void proto_reg_handoff_maf(void);

/* The name of an instruction (draft-00, Subnegotiation, INSTR; draft-01 for revision 1). Static; never NULL.
 */
const char *maf_instr_name(unsigned revision, uint8_t instr);

/*
 * Show one frame: columns, and the tree if there is one (draft-00, Subnegotiation).
 *
 * tvb      holds exactly the frame
 * frame    as maf_frame_parse() found it in tvb
 * verdict  as the session gave it on the first pass
 */
void maf_show_frame(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, const maf_frame_t *frame,
                    const maf_verdict_t *verdict);

/* Show octets of MAF that no frame can be made of, after one whose end could not be told; tvb holds just
 * them. */
void maf_show_undecoded(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree);

/* Show that the client sent its SOCKS request, which tvb begins with, in a state in which it may not. */
void maf_show_early_request(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_state_t state);

/*
 * Show that a connection was closed, or the capture ends, inside a frame.
 *
 * tvb    holds the frame that closes it, or that has the last octets of the capture; none of them is shown
 * from   whose frame was cut off, read by `revision`
 * began  number of the frame that has its first octets
 * closed  by a FIN or RST; else nothing more of it is in the capture
 */
void maf_show_cut(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_side_t from, unsigned revision,
                  uint32_t began, bool closed);

#endif /* PACKET_MAF_H */
