/* maf-show.h
 * Shows a segment: each piece by its dissector
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_SHOW_H
#define MAF_SHOW_H

#include "maf-compat.h"

#include <epan/packet.h>

#include "maf-stream.h"

/* For this protocol id; called once. */
void maf_show_register(int proto);

/*
 * Show the pieces of a segment, and ask TCP for the rest of the last one.
 *
 * segment  NULL if nothing of it is ours
 * tvb      the segment
 * data     what TCP or TLS called us with
 * returns  how many bytes were taken; 0 if the segment is the SOCKS dissector's, which TCP then calls
 */
int maf_show_segment(const maf_stream_t *stream, const maf_segment_t *segment, tvbuff_t *tvb,
                     packet_info *pinfo, proto_tree *tree, void *data);

/* Show what the closing of the connection, or else the end of the capture, has cut off, in the packet that
 * closes it or has the last bytes. */
void maf_show_cut_off(const maf_stream_t *stream, maf_side_t from, const maf_unfinished_t *pending,
                      tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree);

#endif /* MAF_SHOW_H */
