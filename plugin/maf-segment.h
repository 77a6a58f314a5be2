/* maf-segment.h
 * What the octets of a segment are, and whose
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_SEGMENT_H
#define MAF_SEGMENT_H

#include "maf-compat.h"

#include <epan/dissectors/packet-tcp.h>
#include <epan/packet.h>

#include "maf-session.h"
#include "maf-stream.h"

typedef enum {
    PIECE_SOCKS,     /* for the SOCKS dissector */
    PIECE_MESSAGE,   /* a MAF frame */
    PIECE_UNDECODED, /* MAF, but no frame can be made of it */
    PIECE_TUNNEL,    /* for the dissector of the target's port */
    PIECE_DATA,      /* nobody's */
} maf_piece_kind_t;

/* Part of a segment, in the order of the stream. */
typedef struct piece {
    struct piece *next;
    maf_verdict_t *verdict; /* of a MAF frame */
    uint32_t length;        /* in octets */
    uint8_t kind;           /* maf_piece_kind_t */
} maf_piece_t;

/* What a segment, or several put together by TCP, consists of. */
typedef struct {
    maf_piece_t *pieces;
    int desegment_offset;
    uint32_t desegment_len; /* 0 if every octet is in a piece */
    uint8_t request_in;     /* the stream's, where the SOCKS request is */
} maf_segment_t;

/* Does tvb hold a whole SOCKS 5 greeting, and nothing else? */
bool maf_is_greeting(tvbuff_t *tvb);

/* Does a greeting, which is there whole from offset on, offer a method that means MAF? */
bool maf_greeting_offers_maf(tvbuff_t *tvb, uint32_t offset);

/*
 * Cut the next segment of a stream into pieces, and take the session along.
 *
 * tcpinfo  what TCP says of it; NULL if it did not come in TCP, or not right away
 * returns  what lives as long as the capture; NULL if the segment is not for us
 */
maf_segment_t *maf_segment_learn(maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo,
                                 const struct tcpinfo *tcpinfo);

#endif /* MAF_SEGMENT_H */
