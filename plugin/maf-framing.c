/* maf-framing.c
 * Where a MAF frame ends, and what its parts are
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-framing.h"
#include "maf-protocol.h"

#include <string.h>

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

/* The frame goes on beyond what was captured; if it was sent none the less, there is nothing to wait for. */
static uint32_t
cut(const reader_t *reader, maf_frame_t *frame, uint32_t length, bool length_known)
{
    frame->end = MAF_FRAME_CUT;
    frame->length = length_known ? MIN(length, reader->sent) : reader->sent;
    if (reader->sent > reader->captured)
        return 0;
    return length_known ? length - reader->sent : MAF_MISSING_UNKNOWN;
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
    uint32_t at = reader->offset + MAF_HEADER_LEN;
    uint32_t length;

    if (reader->captured < MAF_HEADER_LEN + 1)
        return cut(reader, frame, MAF_HEADER_LEN + 1, false);

    frame->nmethods_width = (uint8_t)reader->options->nmethods_width;
    if (frame->nmethods_width == MAF_NMETHODS_AUTO)
        frame->nmethods_width = tvb_get_uint8(reader->tvb, at) ? MAF_NMETHODS_1 : MAF_NMETHODS_4;

    frame->methods_offset = MAF_HEADER_LEN + frame->nmethods_width;
    if (reader->captured < frame->methods_offset)
        return cut(reader, frame, frame->methods_offset, false);

    frame->nmethods = frame->nmethods_width == MAF_NMETHODS_1 ? tvb_get_uint8(reader->tvb, at)
                                                              : tvb_get_ntohl(reader->tvb, at);
    frame->understood = frame->methods_offset;
    if (frame->nmethods < MAF_NMETHODS_MIN || frame->nmethods > MAF_NMETHODS_MAX)
        return bad(reader, frame, MAF_FRAME_BAD_NMETHODS);

    length = frame->methods_offset + frame->nmethods * MAF_METHOD_LEN;
    if (reader->captured < length)
        return cut(reader, frame, length, true);

    frame->methods =
        tvb_get_ptr(reader->tvb, reader->offset + frame->methods_offset, length - frame->methods_offset);
    return whole(frame, length);
}

static uint32_t
layout_method_data(const reader_t *reader, maf_frame_t *frame)
{
    uint32_t at = reader->offset + MAF_HEADER_LEN;
    uint32_t length;

    frame->data_offset = MAF_HEADER_LEN + MAF_METHOD_LEN + MAF_LEN_LEN;
    if (reader->captured < frame->data_offset)
        return cut(reader, frame, frame->data_offset, false);

    frame->method = tvb_get_ntohl(reader->tvb, at);
    frame->len = tvb_get_ntohl(reader->tvb, at + MAF_METHOD_LEN);
    frame->understood = frame->data_offset;
    if (frame->len > reader->options->max_length || frame->len > INT32_MAX - frame->data_offset)
        return bad(reader, frame, MAF_FRAME_BAD_LENGTH);

    length = frame->data_offset + frame->len;
    return reader->captured < length ? cut(reader, frame, length, true) : whole(frame, length);
}

static const layout_fn layout_fns[] = {
    [MAF_LAYOUT_UNKNOWN] = layout_unknown,
    [MAF_LAYOUT_HEADER] = layout_header,
    [MAF_LAYOUT_LIST] = layout_list,
    [MAF_LAYOUT_METHOD_DATA] = layout_method_data,
};

/* Layout of each INSTR of revision 00; one that is not here is MAF_LAYOUT_UNKNOWN. */
static const uint8_t layouts_00[UINT8_MAX + 1] = {
    [MAF_INSTR_SUCCESS] = MAF_LAYOUT_METHOD_DATA, [MAF_INSTR_SUPPORTED] = MAF_LAYOUT_LIST,
    [MAF_INSTR_REQUEST_MORE] = MAF_LAYOUT_HEADER, [MAF_INSTR_DO] = MAF_LAYOUT_METHOD_DATA,
    [MAF_INSTR_WHAT_NEXT] = MAF_LAYOUT_HEADER,    [MAF_INSTR_PROCESS] = MAF_LAYOUT_METHOD_DATA,
    [MAF_INSTR_ACKNOWLEDGE] = MAF_LAYOUT_HEADER,  [MAF_INSTR_FAILURE] = MAF_LAYOUT_METHOD_DATA,
};

uint32_t
maf_frame_parse(tvbuff_t *tvb, uint32_t offset, const maf_framing_options_t *options, maf_frame_t *frame)
{
    const reader_t reader = {
        .tvb = tvb,
        .offset = offset,
        .captured = (uint32_t)tvb_captured_length_remaining(tvb, (int)offset),
        .sent = (uint32_t)tvb_reported_length_remaining(tvb, (int)offset),
        .options = options,
    };

    memset(frame, 0, sizeof *frame);
    if (reader.captured > 0) {
        frame->instr = tvb_get_uint8(tvb, (int)offset);
        frame->layout = (maf_layout_t)layouts_00[frame->instr];
    }
    if (reader.captured < MAF_HEADER_LEN)
        return cut(&reader, frame, MAF_HEADER_LEN, frame->layout == MAF_LAYOUT_HEADER);

    frame->ver = tvb_get_uint8(tvb, (int)offset + 1);
    frame->flags = tvb_get_ntohs(tvb, (int)offset + 2);
    frame->understood = MAF_HEADER_LEN;
    return layout_fns[frame->layout](&reader, frame);
}
