/* maf-framing.h
 * Where a MAF frame ends, and what its parts are
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_FRAMING_H
#define MAF_FRAMING_H

#include <stdbool.h>
#include <stdint.h>

#include <epan/tvbuff.h>

#include "maf-frame.h"

/* maf.nmethods_width: how wide NMETHODS is, in octets. */
typedef enum {
    MAF_NMETHODS_AUTO = 0, /* as its first octet says: 00 exactly when it is 4 wide */
    MAF_NMETHODS_1 = 1,
    MAF_NMETHODS_4 = 4,
} maf_nmethods_width_t;

typedef struct {
    int nmethods_width;  /* a maf_nmethods_width_t */
    unsigned max_length; /* the longest DATA believed, in octets */
} maf_framing_options_t;

/* maf_frame_parse() cannot tell yet how many octets are missing. */
#define MAF_MISSING_UNKNOWN UINT32_MAX

/*
 * Take apart the frame that begins at an offset (draft-00, Subnegotiation; draft-01).
 *
 * revision  0 or 1: whose layouts to go by
 * frame     is filled in with whatever is known; its pointers are into tvb
 * returns   0 if the frame is whole, or can never be (frame->end says why, and frame->length then covers all
 *           that is left of tvb); else the number of octets that must still come, or MAF_MISSING_UNKNOWN;
 *           frame->end is then MAF_FRAME_CUT, for callers who know that none will.
 *
 * Never throws: only octets that were captured are looked at.
 */
uint32_t maf_frame_parse(tvbuff_t *tvb, uint32_t offset, int revision, const maf_framing_options_t *options,
                         maf_frame_t *frame);

#endif /* MAF_FRAMING_H */
