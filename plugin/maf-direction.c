/* maf-direction.c
 * One direction of a connection: which of its bytes have been read, and which are missing
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-direction.h"

#include <epan/dissectors/packet-tcp.h>

/* The most gaps remembered: a hostile capture could have one per segment. */
#define GAPS_MAX 32

void
maf_direction_begin(maf_direction_t *direction, uint32_t seq)
{
    direction->known = true;
    direction->consumed = direction->seen = seq;
}

maf_span_t
maf_direction_span(const maf_direction_t *direction, uint32_t seq, uint32_t length)
{
    maf_span_t span = {MAF_SPAN_NEW, length, NULL};
    uint32_t end;

    if (!direction->known || GE_SEQ(seq, direction->consumed))
        return span;
    span.kind = MAF_SPAN_REPEATED;
    end = direction->consumed;
    for (maf_gap_t *gap = direction->gaps; gap; gap = gap->next) {
        if (GE_SEQ(seq, gap->begin) && LT_SEQ(seq, gap->end)) {
            span.kind = MAF_SPAN_LATE;
            span.gap = gap;
            end = gap->end;
            break;
        }
        if (GT_SEQ(gap->begin, seq) && LT_SEQ(gap->begin, end) && gap->begin != gap->end)
            end = gap->begin;
    }
    span.length = MIN(length, end - seq);
    return span;
}

maf_gap_t *
maf_direction_add_gap(wmem_allocator_t *scope, maf_direction_t *direction, uint32_t seq, uint32_t length,
                      uint8_t expected)
{
    maf_gap_t *gap = wmem_new(scope, maf_gap_t);
    unsigned count = 0;

    *gap = (maf_gap_t){direction->gaps, seq - length, seq, expected};
    direction->gaps = gap;
    for (maf_gap_t *last = gap; last; last = last->next) {
        if (++count == GAPS_MAX)
            last->next = NULL;
    }
    return gap;
}

maf_gap_t *
maf_direction_skip(wmem_allocator_t *scope, maf_direction_t *direction, uint32_t seq, uint8_t expected)
{
    maf_gap_t *gap;

    if (!direction->known || LE_SEQ(seq, direction->consumed))
        return NULL;
    gap = maf_direction_add_gap(scope, direction, seq, seq - direction->consumed, expected);
    direction->consumed = seq;
    return gap;
}

bool
maf_direction_has_gap(const maf_direction_t *direction, uint32_t length)
{
    for (const maf_gap_t *gap = direction->gaps; gap; gap = gap->next) {
        if (gap->begin != gap->end && direction->seen - gap->end < length)
            return true;
    }
    return false;
}

void
maf_direction_read(wmem_allocator_t *scope, maf_direction_t *direction, uint32_t begin, uint32_t end)
{
    if (GE_SEQ(begin, direction->consumed)) {
        direction->consumed = end;
        return;
    }
    for (maf_gap_t *gap = direction->gaps; gap; gap = gap->next) {
        if (LT_SEQ(begin, gap->begin) || GE_SEQ(begin, gap->end))
            continue;
        if (GT_SEQ(begin, gap->begin) && LT_SEQ(end, gap->end)) {
            maf_gap_t *rest = wmem_new(scope, maf_gap_t);

            *rest = (maf_gap_t){gap->next, end, gap->end, gap->expected};
            gap->next = rest;
            gap->end = begin;
        } else if (begin == gap->begin) {
            gap->begin = end;
        } else {
            gap->end = begin;
        }
        return;
    }
}

void
maf_direction_see(maf_direction_t *direction, uint32_t end, uint32_t awaited)
{
    if (GE_SEQ(end, direction->seen)) {
        direction->seen = end;
        direction->awaited = awaited;
    }
}

void
maf_direction_ack(maf_direction_t *direction, uint32_t ack)
{
    if (!direction->is_acked || GT_SEQ(ack, direction->acked))
        direction->acked = ack;
    direction->is_acked = true;
}

bool
maf_direction_is_acked(const maf_direction_t *direction, uint32_t end)
{
    return direction->is_acked && GE_SEQ(direction->acked, end);
}

bool
maf_direction_lacks(const maf_direction_t *direction, uint32_t end)
{
    if (!direction->known)
        return false;
    return direction->awaited > 0 ? GE_SEQ(end, direction->seen + direction->awaited)
                                  : GT_SEQ(end, direction->seen);
}
