/* maf-show.c
 * Shows a segment: each piece by its dissector
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "socks/maf-show.h"

#include <epan/proto_data.h>

#include "maf-login.h"
#include "maf-methods.h"
#include "maf-prefs.h"
#include "maf-segment.h"
#include "maf-tree.h"
#include "socks/maf-socks.h"
#include "stats/maf-tap.h"

static dissector_handle_t messages_handle;
static protocol_t *maf_protocol;

/* Messages in sequence */
typedef struct {
    const maf_stream_t *stream;
    const maf_segment_t *segment;
    unsigned first; /* number of the first one's piece */
} messages_t;

/* Most segments are one message, and need no other tvbuff. */
static tvbuff_t *
part_of(tvbuff_t *tvb, int offset, int length)
{
    if (offset == 0 && length == (int)tvb_reported_length(tvb))
        return tvb;
    return tvb_new_subset_length(tvb, offset, length);
}

/* All of a piece, whose first bytes may have come in earlier packets */
static tvbuff_t *
whole_of(tvbuff_t *tvb, packet_info *pinfo, const maf_segment_t *segment, unsigned number, int offset)
{
    const maf_bytes_t *bytes = maf_segment_whole(segment, number);
    tvbuff_t *whole;

    if (!bytes)
        return part_of(tvb, offset, (int)maf_segment_piece(segment, number).length);
    whole = tvb_new_child_real_data(tvb, bytes->at, bytes->captured, (int)bytes->sent);
    add_new_data_source(pinfo, whole, "Reassembled MAF");
    return whole;
}

static int
dissect_messages(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const messages_t *messages = (const messages_t *)data;
    int offset = 0;

    col_set_str(pinfo->cinfo, COL_PROTOCOL, "MAF");
    for (unsigned i = messages->first; tvb_reported_length_remaining(tvb, offset) > 0; i++) {
        const maf_piece_t piece = maf_segment_piece(messages->segment, i);
        tvbuff_t *message_tvb;
        maf_message_t message;

        if (piece.kind != MAF_PIECE_MESSAGE)
            break;
        message_tvb = whole_of(tvb, pinfo, messages->segment, i, offset);
        maf_message_parse(maf_bytes_of(message_tvb), piece.verdict->revision, &maf_prefs.framing, &message);
        maf_tree_message(message_tvb, pinfo, tree, &message, piece.verdict, messages->stream->login,
                         i == messages->first);
        if (maf_tap_wanted())
            maf_tap_queue(pinfo, messages->stream->login, message_tvb);
        offset += (int)piece.length;
    }
    return tvb_captured_length(tvb);
}

static void
show_messages(const maf_stream_t *stream, const maf_segment_t *segment, unsigned first, tvbuff_t *tvb,
              packet_info *pinfo, proto_tree *tree)
{
    messages_t messages = {stream, segment, first};
    const char *layer = pinfo->current_proto;

    /* Without a call through the handle there is no layer "maf": not needed where we are called as
     * "maf", or where no layer is shown. */
    if (stream->place >= MAF_BEHIND_DECODE_AS ||
        (!maf_shows_layers(tree) && proto_is_protocol_enabled(maf_protocol))) {
        pinfo->current_proto = "MAF"; /* what an expert info is listed by */
        dissect_messages(tvb, pinfo, tree, &messages);
        pinfo->current_proto = layer;
    } else {
        call_dissector_with_data(messages_handle, tvb, pinfo, tree, &messages);
    }
}

/* Show a piece, or as many as there are messages in sequence. Returns the number of the next one. */
static unsigned
show_pieces(const maf_stream_t *stream, const maf_segment_t *segment, unsigned number, tvbuff_t *tvb,
            int *offset, packet_info *pinfo, proto_tree *tree, void *data)
{
    const maf_piece_kind_t kind = (maf_piece_kind_t)maf_segment_piece(segment, number).kind;
    const bool follows = segment->more && segment->more->follows;
    unsigned next = number;
    int length = 0;
    tvbuff_t *piece_tvb;

    do {
        length += (int)maf_segment_piece(segment, next++).length;
    } while (kind == MAF_PIECE_MESSAGE && maf_segment_piece(segment, next).kind == MAF_PIECE_MESSAGE);
    piece_tvb = part_of(tvb, *offset, length);
    if (kind != MAF_PIECE_DATA && (follows || *offset > 0)) {
        col_append_str(pinfo->cinfo, COL_INFO, ", ");
        col_set_fence(pinfo->cinfo, COL_INFO);
    }
    switch (kind) {
    case MAF_PIECE_NONE:
        break;
    case MAF_PIECE_GREETING:
    case MAF_PIECE_SELECTION:
        /* What SOCKS has not seen in sequence it gets without the rest of the connection. */
        if (maf_segment_whole(segment, number) || stream->place == MAF_BEHIND_HEURISTIC)
            maf_socks_call_alone(stream, whole_of(tvb, pinfo, segment, number, *offset), pinfo, tree, data);
        else
            maf_socks_call(stream, piece_tvb, pinfo, tree, data);
        break;
    case MAF_PIECE_REQUEST:
        if (!pinfo->fd->visited)
            maf_socks_prime(stream, piece_tvb, pinfo);
        maf_socks_call(stream, whole_of(tvb, pinfo, segment, number, *offset), pinfo, tree, data);
        break;
    case MAF_PIECE_REPLY:
        maf_socks_call(stream, whole_of(tvb, pinfo, segment, number, *offset), pinfo, tree, data);
        break;
    case MAF_PIECE_MESSAGE:
        show_messages(stream, segment, number, piece_tvb, pinfo, tree);
        break;
    case MAF_PIECE_UNDECODED:
        maf_tree_undecoded(piece_tvb, pinfo, tree);
        break;
    case MAF_PIECE_TUNNEL:
        maf_socks_show_tunnel(stream, piece_tvb, pinfo, tree);
        break;
    case MAF_PIECE_DATA:
        call_data_dissector(piece_tvb, pinfo, tree);
        break;
    }
    *offset += length;
    return next;
}

static void
show_remarks(const maf_stream_t *stream, const maf_segment_more_t *more, tvbuff_t *tvb, packet_info *pinfo,
             proto_tree *tree)
{
    switch ((maf_remark_t)more->remark) {
    case MAF_NOTHING:
        break;
    case MAF_EARLY_REQUEST:
        maf_tree_early_request(tvb, pinfo, tree, stream->login, (maf_state_t)more->state);
        break;
    case MAF_UNOFFERED_SELECTION:
        maf_tree_unoffered_selection(tvb, pinfo, tree, stream->login);
        break;
    }
    if (more->remark != MAF_NOTHING)
        maf_tap_queue(pinfo, stream->login, NULL);
    if (more->gap && more->gap->begin != more->gap->end)
        maf_tree_gap(tvb, pinfo, tree, stream->login, maf_stream_side(stream, pinfo));
}

/* A greeting that is all of a segment: TCP calls the SOCKS dissector for it without our help. */
static bool
is_mere_greeting(const maf_stream_t *stream, const maf_segment_t *segment)
{
    return stream->place == MAF_BEHIND_TCP && segment->kind == MAF_PIECE_GREETING &&
           maf_segment_piece(segment, 1).kind == MAF_PIECE_NONE && !maf_segment_whole(segment, 0) &&
           maf_segment_desegment_len(segment) == 0;
}

int
maf_show_segment(const maf_stream_t *stream, const maf_segment_t *segment, tvbuff_t *tvb, packet_info *pinfo,
                 proto_tree *tree, void *data)
{
    int offset = 0;

    if (!segment || (!maf_segment_is_ours(segment) && maf_segment_desegment_len(segment) == 0))
        return maf_socks_next(stream) ? maf_socks_call(stream, tvb, pinfo, tree, data) : 0;
    if (is_mere_greeting(stream, segment))
        return 0;
    if (segment->more)
        show_remarks(stream, segment->more, tvb, pinfo, tree);
    for (unsigned i = 0; maf_segment_piece(segment, i).kind != MAF_PIECE_NONE;)
        i = show_pieces(stream, segment, i, tvb, &offset, pinfo, tree, data);
    pinfo->desegment_offset = segment->more ? segment->more->desegment_offset : 0;
    pinfo->desegment_len = maf_segment_desegment_len(segment);
    return tvb_captured_length(tvb);
}

void
maf_show_cut_off(const maf_stream_t *stream, maf_side_t from, const maf_unfinished_t *pending, tvbuff_t *tvb,
                 packet_info *pinfo, proto_tree *tree)
{
    if (pending->socks) {
        tvbuff_t *socks = tvb_new_child_real_data(tvb, pending->socks, pending->have, (int)pending->have);

        add_new_data_source(pinfo, socks, "Reassembled SOCKS");
        maf_socks_call_late(stream, from, socks, pinfo, tree);
        return;
    }
    if (!pending->is_message)
        return;
    maf_tree_cut(tvb, pinfo, tree, stream->login, from);
    maf_tap_queue(pinfo, stream->login, NULL);
}

void
maf_show_register(int proto)
{
    messages_handle = create_dissector_handle(dissect_messages, proto);
    maf_protocol = find_protocol_by_id(proto);
}
