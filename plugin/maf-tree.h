/* maf-tree.h
 * One message in the packet details, and its phrase in the Info column
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_TREE_H
#define MAF_TREE_H

#include "maf-compat.h"

#include <epan/packet.h>

#include "maf-login.h"
#include "maf-message.h"
#include "maf-session.h"

/* Register the fields maf.* and their subtrees for this protocol id. */
void maf_tree_register(int proto);

/*
 * Show one message: columns, and the tree if there is one (draft-00, Subnegotiation).
 *
 * tvb      holds exactly the message
 * message  as maf_message_parse() found it in tvb
 * verdict  as the session gave it on the first pass
 * login    whose message it is; gets what is wrong with the message and who logs in, on the first pass
 * is_first the Info column has nothing to keep but what is behind its fence
 */
void maf_tree_message(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, const maf_message_t *message,
                      maf_verdict_t *verdict, maf_login_t *login, bool is_first);

/* Show bytes of MAF that no message can be made of, after one whose end is not known; tvb holds just them. */
void maf_tree_undecoded(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree);

/* Show that the client sent its SOCKS request, which tvb begins with, in a state in which it may not. */
void maf_tree_early_request(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_login_t *login,
                            maf_state_t state);

/* Show that the server selected MAF, in the packet of tvb, although the client did not offer it. */
void maf_tree_unoffered_selection(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_login_t *login);

/* Show that bytes of that side are missing before tvb. */
void maf_tree_gap(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_login_t *login, maf_side_t from);

/*
 * Show that a connection was closed, or the capture ends, inside the pending message of that side.
 *
 * tvb  of the packet that closes it, or that has the last bytes of the capture; none of its bytes are shown
 */
void maf_tree_cut(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_login_t *login, maf_side_t from);

#endif /* MAF_TREE_H */
