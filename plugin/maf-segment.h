/* maf-segment.h
 * A segment of a connection: which of its bytes are new, and what they are
 *
 * Every segment is read once, on the first pass, and what it consists of is kept: showing it only looks that
 * up. Until the server has selected MAF nothing is claimed: the segments are held, and read when the
 * selection has come.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_SEGMENT_H
#define MAF_SEGMENT_H

#include "maf-compat.h"

#include "maf-stream.h"

/* For this protocol id; called once. */
void maf_segment_register(int proto);

/*
 * The segment in tvb: read it on the first pass, find it later. NULL if nothing of it is ours.
 *
 * tcpinfo  what TCP says of it; NULL if it did not come in TCP, or not right away
 */
const maf_segment_t *maf_segment_read(maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo,
                                      const struct tcpinfo *tcpinfo);

/* What is in a tvbuff; lives as long as that. */
maf_bytes_t maf_bytes_of(tvbuff_t *tvb);

#endif /* MAF_SEGMENT_H */
