/* maf-framing.c
 * Where a MAF frame ends, and what its parts are
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-framing.h"
#include "maf-protocol.h"

#include <string.h>

/* The longest list of revision 01 believed, in octets: the draft sets no limit, but a reader must. */
#define LIST_MAX 20480

typedef struct {
    tvbuff_t *tvb;
    uint32_t offset;   /* of the frame in tvb */
    uint32_t captured; /* octets there are to look at, from the frame's first on */
    uint32_t sent;     /* octets there were on the wire, from the frame's first on */
    const maf_framing_options_t *options;
} reader_t;

/* A layout's function finds the end of the frame and notes its parts: the result is maf_frame_parse()'s. */
typedef uint32_t (*layout_fn)(const reader_t *reader, maf_frame_t *frame);

static uint32_t
whole(maf_frame_t *frame, uint32_t length)
{
    frame->end = MAF_FRAME_WHOLE;
    frame->length = frame->understood = length;
    return 0;
}

static uint32_t
bad(const reader_t *reader, maf_frame_t *frame, maf_frame_end_t why)
{
    frame->end = why;
    frame->length = reader->sent;
    return 0;
}

/*
 * The frame goes on beyond what was captured: to `length` at least, or to exactly that. If all of what is
 * captured was sent, the rest can be waited for.
 */
static uint32_t
cut(const reader_t *reader, maf_frame_t *frame, uint32_t length, bool length_known)
{
    frame->end = MAF_FRAME_CUT;
    frame->length = length_known ? MIN(length, reader->sent) : reader->sent;
    frame->beyond = length_known && length > reader->sent ? length - reader->sent : 0;
    frame->snapped = reader->sent > reader->captured;
    if (frame->snapped)
        return 0;
    /* Whoever once asks TCP for a number of octets must not ask it for a segment after that: it would not
     * look at the rest of this one. */
    return length_known ? length - reader->sent : MAF_MISSING_UNKNOWN;
}

static uint8_t
octet_at(const reader_t *reader, uint32_t at)
{
    return tvb_get_uint8(reader->tvb, (int)(reader->offset + at));
}

static uint32_t
number_at(const reader_t *reader, uint32_t at)
{
    return tvb_get_ntohl(reader->tvb, (int)(reader->offset + at));
}

static const uint8_t *
octets_at(const reader_t *reader, uint32_t at, uint32_t length)
{
    return tvb_get_ptr(reader->tvb, (int)(reader->offset + at), (int)length);
}

static uint32_t
aligned(uint32_t at)
{
    return (at + MAF_ALIGNMENT - 1) / MAF_ALIGNMENT * MAF_ALIGNMENT;
}

/* The octets from an offset on are as many as `length` says: is that believed, and are they there? */
static uint32_t
end_after(const reader_t *reader, maf_frame_t *frame, uint32_t at, uint32_t length)
{
    if (length > reader->options->max_length || length > INT32_MAX - at)
        return bad(reader, frame, MAF_FRAME_BAD_LENGTH);
    return reader->captured < at + length ? cut(reader, frame, at + length, true) : whole(frame, at + length);
}

/* DATA, after its length at an offset. */
static uint32_t
end_after_data(const reader_t *reader, maf_frame_t *frame, uint32_t at)
{
    const uint32_t data_offset = at + MAF_LEN_LEN;

    if (reader->captured < data_offset)
        return cut(reader, frame, data_offset, false);
    frame->len_offset = at;
    frame->len = number_at(reader, at);
    frame->data_offset = frame->understood = data_offset;
    return end_after(reader, frame, data_offset, frame->len);
}

/* An id whose length stands before it; 0 or what is still missing. */
static uint32_t
take_id(const reader_t *reader, maf_frame_t *frame, uint32_t at)
{
    uint8_t length;

    if (reader->captured < at + MAF_IDLEN_LEN)
        return cut(reader, frame, at + MAF_IDLEN_LEN, false);
    length = octet_at(reader, at);
    at += MAF_IDLEN_LEN;
    if (reader->captured < at + length)
        return cut(reader, frame, at + length, frame->layout == MAF_LAYOUT_ID);
    frame->id_offset = at;
    frame->id = maf_id_read(length ? octets_at(reader, at, length) : NULL, length);
    frame->understood = at + length;
    return 0;
}

static uint32_t
layout_unknown(const reader_t *reader, maf_frame_t *frame)
{
    return bad(reader, frame, MAF_FRAME_BAD_INSTR);
}

static uint32_t
layout_header(const reader_t *reader _U_, maf_frame_t *frame)
{
    return whole(frame, MAF_HEADER_LEN);
}

static uint32_t
layout_list(const reader_t *reader, maf_frame_t *frame)
{
    uint32_t length;

    if (reader->captured < MAF_HEADER_LEN + 1)
        return cut(reader, frame, MAF_HEADER_LEN + 1, false);

    frame->nmethods_width = (uint8_t)reader->options->nmethods_width;
    if (frame->nmethods_width == MAF_NMETHODS_AUTO)
        frame->nmethods_width = octet_at(reader, MAF_HEADER_LEN) ? MAF_NMETHODS_1 : MAF_NMETHODS_4;

    frame->list_offset = MAF_HEADER_LEN + frame->nmethods_width;
    if (reader->captured < frame->list_offset)
        return cut(reader, frame, frame->list_offset, false);

    frame->nmethods = frame->nmethods_width == MAF_NMETHODS_1 ? octet_at(reader, MAF_HEADER_LEN)
                                                              : number_at(reader, MAF_HEADER_LEN);
    frame->understood = frame->list_offset;
    if (frame->nmethods < MAF_NMETHODS_MIN || frame->nmethods > MAF_NMETHODS_MAX)
        return bad(reader, frame, MAF_FRAME_BAD_COUNT);

    length = frame->nmethods * MAF_METHOD_LEN;
    if (reader->captured < frame->list_offset + length)
        return cut(reader, frame, frame->list_offset + length, true);

    frame->list = octets_at(reader, frame->list_offset, length);
    return whole(frame, frame->list_offset + length);
}

static uint32_t
layout_method_data(const reader_t *reader, maf_frame_t *frame)
{
    const uint32_t len_offset = MAF_HEADER_LEN + MAF_METHOD_LEN;

    if (reader->captured < len_offset + MAF_LEN_LEN)
        return cut(reader, frame, len_offset + MAF_LEN_LEN, false);
    frame->id_offset = MAF_HEADER_LEN;
    frame->id = maf_id_read(octets_at(reader, MAF_HEADER_LEN, MAF_METHOD_LEN), MAF_METHOD_LEN);
    return end_after_data(reader, frame, len_offset);
}

static uint32_t
layout_groups(const reader_t *reader, maf_frame_t *frame)
{
    uint32_t at = MAF_HEADER_LEN;

    frame->list_offset = MAF_HEADER_LEN;
    for (;;) {
        uint32_t count, length;

        if (reader->captured < at + 1)
            return cut(reader, frame, at + 1, false);
        count = octet_at(reader, at);
        if (count == 0)
            break;
        if (reader->captured < at + MAF_GROUP_HEADER_LEN)
            return cut(reader, frame, at + MAF_GROUP_HEADER_LEN, false);
        length = octet_at(reader, at + 1);
        if (length == 0)
            return bad(reader, frame, MAF_FRAME_BAD_COUNT);
        at += MAF_GROUP_HEADER_LEN + count * length;
        frame->nmethods += count;
        if (at > LIST_MAX)
            return bad(reader, frame, MAF_FRAME_BAD_LENGTH);
    }
    frame->list = octets_at(reader, MAF_HEADER_LEN, at + 1 - MAF_HEADER_LEN);
    return whole(frame, at + 1);
}

static uint32_t
layout_id(const reader_t *reader, maf_frame_t *frame)
{
    const uint32_t missing = take_id(reader, frame, MAF_HEADER_LEN);

    return missing || frame->end == MAF_FRAME_CUT ? missing : whole(frame, frame->understood);
}

static uint32_t
layout_id_data(const reader_t *reader, maf_frame_t *frame)
{
    const uint32_t missing = take_id(reader, frame, MAF_HEADER_LEN);

    if (missing || frame->end == MAF_FRAME_CUT)
        return missing;
    return end_after_data(reader, frame, aligned(frame->understood));
}

static uint32_t
layout_oem(const reader_t *reader, maf_frame_t *frame)
{
    const uint32_t missing = take_id(reader, frame, MAF_HEADER_LEN + MAF_RESERVED_LEN);

    if (frame->id_offset > 0)
        frame->reserved = tvb_get_ntoh24(reader->tvb, (int)reader->offset + MAF_HEADER_LEN);
    if (missing || frame->end == MAF_FRAME_CUT)
        return missing;
    return end_after_data(reader, frame, aligned(frame->understood));
}

static const layout_fn layout_fns[] = {
    [MAF_LAYOUT_UNKNOWN] = layout_unknown, [MAF_LAYOUT_HEADER] = layout_header,
    [MAF_LAYOUT_LIST] = layout_list,       [MAF_LAYOUT_METHOD_DATA] = layout_method_data,
    [MAF_LAYOUT_GROUPS] = layout_groups,   [MAF_LAYOUT_ID] = layout_id,
    [MAF_LAYOUT_ID_DATA] = layout_id_data, [MAF_LAYOUT_OEM] = layout_oem,
};

/* By revision and INSTR; one that is not here is MAF_LAYOUT_UNKNOWN. */
static const uint8_t layouts[][UINT8_MAX + 1] = {
    [MAF_VER_00] =
        {
            [MAF_INSTR_SUCCESS] = MAF_LAYOUT_METHOD_DATA,
            [MAF_INSTR_SUPPORTED] = MAF_LAYOUT_LIST,
            [MAF_INSTR_REQUEST_MORE] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_DO] = MAF_LAYOUT_METHOD_DATA,
            [MAF_INSTR_WHAT_NEXT] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_PROCESS] = MAF_LAYOUT_METHOD_DATA,
            [MAF_INSTR_ACKNOWLEDGE] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_FAILURE] = MAF_LAYOUT_METHOD_DATA,
        },
    [MAF_VER_01] =
        {
            [MAF_INSTR_SUCCESS] = MAF_LAYOUT_ID,
            [MAF_INSTR_SUPPORTED] = MAF_LAYOUT_GROUPS,
            [MAF_INSTR_REQUEST_MORE] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_DO] = MAF_LAYOUT_ID,
            [MAF_INSTR_WHAT_NEXT] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_PROCESS] = MAF_LAYOUT_ID_DATA,
            [MAF_INSTR_ACKNOWLEDGE] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_OEM] = MAF_LAYOUT_OEM,
            [MAF_INSTR_FAILURE] = MAF_LAYOUT_ID,
        },
};

uint32_t
maf_frame_parse(tvbuff_t *tvb, uint32_t offset, int revision, const maf_framing_options_t *options,
                maf_frame_t *frame)
{
    const reader_t reader = {
        .tvb = tvb,
        .offset = offset,
        .captured = (uint32_t)tvb_captured_length_remaining(tvb, (int)offset),
        .sent = (uint32_t)tvb_reported_length_remaining(tvb, (int)offset),
        .options = options,
    };

    memset(frame, 0, sizeof *frame);
    if (reader.captured > 0)
        frame->instr = octet_at(&reader, 0);
    if (reader.captured > 1)
        frame->ver = octet_at(&reader, 1);
    frame->revision = (uint8_t)revision;
    frame->layout = layouts[frame->revision][frame->instr];
    if (reader.captured < MAF_HEADER_LEN)
        return cut(&reader, frame, MAF_HEADER_LEN, frame->layout == MAF_LAYOUT_HEADER);

    frame->flags = tvb_get_ntohs(tvb, (int)offset + 2);
    frame->understood = MAF_HEADER_LEN;
    return layout_fns[frame->layout](&reader, frame);
}
