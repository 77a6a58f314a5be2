/* maf-frame.h
 * One MAF frame, taken apart: what framing finds out, what the session learns from, what the tree shows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_FRAME_H
#define MAF_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "maf-protocol.h"

/* How the octets after the header are laid out (draft-00, Subnegotiation, the diagrams). */
typedef enum {
    MAF_LAYOUT_UNKNOWN,     /* an INSTR that the revision does not define */
    MAF_LAYOUT_HEADER,      /* nothing follows */
    MAF_LAYOUT_LIST,        /* NMETHODS, METHODS */
    MAF_LAYOUT_METHOD_DATA, /* METHOD, LEN, DATA */
} maf_layout_t;

/* Why the end of a frame cannot be told. */
typedef enum {
    MAF_FRAME_WHOLE,
    MAF_FRAME_BAD_INSTR,    /* INSTR names no layout */
    MAF_FRAME_BAD_NMETHODS, /* NMETHODS outside 1..255 */
    MAF_FRAME_BAD_LENGTH,   /* LEN beyond the limit */
    MAF_FRAME_CUT,          /* the capture, or the stream, ends before the frame does */
    MAF_FRAME_UNASSEMBLED,  /* it goes on in a segment that TCP was not to put together with this one */
} maf_frame_end_t;

/* All offsets and lengths are in octets, from the frame's first octet. */
typedef struct {
    uint8_t instr;
    uint8_t ver;
    uint16_t flags;
    maf_layout_t layout;
    maf_frame_end_t end;
    uint32_t understood; /* octets whose meaning is known: all of them if whole, none if the header is cut */
    uint32_t length;     /* of the whole frame; if it is not whole, of what there is of it */

    uint8_t nmethods_width;  /* of NMETHODS: 1 or 4 */
    uint32_t nmethods;       /* NMETHODS */
    uint32_t methods_offset; /* of METHODS */
    const uint8_t
        *methods; /* METHODS as on the wire, while the frame is being looked at; NULL unless whole */

    uint32_t method;      /* METHOD */
    uint32_t len;         /* LEN */
    uint32_t data_offset; /* of DATA */
} maf_frame_t;

/* The METHOD at an index, from 0, of a whole list. */
static inline uint32_t
maf_frame_offer(const maf_frame_t *frame, uint32_t index)
{
    const uint8_t *octets = frame->methods + index * MAF_METHOD_LEN;

    return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 | octets[3];
}

#endif /* MAF_FRAME_H */
