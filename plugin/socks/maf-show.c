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
    const maf_piece_t *first;
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
whole_of(tvbuff_t *tvb, packet_info *pinfo, const maf_piece_t *piece, int offset)
{
    tvbuff_t *whole;

    if (!piece->whole)
        return part_of(tvb, offset, (int)piece->length);
    whole = tvb_new_child_real_data(tvb, piece->whole->at, piece->whole->captured, (int)piece->whole->sent);
    add_new_data_source(pinfo, whole, "Reassembled MAF");
    return whole;
}

static int
dissect_messages(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const messages_t *messages = (const messages_t *)data;
    const maf_piece_t *piece = messages->first;
    int offset = 0;

    col_set_str(pinfo->cinfo, COL_PROTOCOL, "MAF");
    while (piece && tvb_reported_length_remaining(tvb, offset) > 0) {
        tvbuff_t *message_tvb = whole_of(tvb, pinfo, piece, offset);
        maf_message_t message;

        maf_message_parse(maf_bytes_of(message_tvb), piece->verdict->revision, &maf_prefs.framing, &message);
        maf_tree_message(message_tvb, pinfo, tree, &message, piece->verdict, messages->stream->login,
                         piece == messages->first);
        if (maf_tap_wanted())
            maf_tap_queue(pinfo, messages->stream->login, message_tvb);
        offset += (int)piece->length;
        piece = piece->next;
    }
    return tvb_captured_length(tvb);
}

static void
show_messages(const maf_stream_t *stream, const maf_piece_t *first, tvbuff_t *tvb, packet_info *pinfo,
              proto_tree *tree)
{
    messages_t messages = {stream, first};
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

/* Show one piece, or as many as there are messages in sequence; returns the first that is not shown yet. */
static const maf_piece_t *
show_pieces(const maf_stream_t *stream, const maf_piece_t *piece, bool follows, tvbuff_t *tvb, int *offset,
            packet_info *pinfo, proto_tree *tree, void *data)
{
    const maf_piece_t *next = piece->next;
    int length = (int)piece->length;
    tvbuff_t *piece_tvb;

    while (piece->kind == MAF_PIECE_MESSAGE && next && next->kind == MAF_PIECE_MESSAGE) {
        length += (int)next->length;
        next = next->next;
    }
    piece_tvb = part_of(tvb, *offset, length);
    if (piece->kind != MAF_PIECE_DATA && (follows || *offset > 0)) {
        col_append_str(pinfo->cinfo, COL_INFO, ", ");
        col_set_fence(pinfo->cinfo, COL_INFO);
    }
    switch ((maf_piece_kind_t)piece->kind) {
    case MAF_PIECE_NONE:
        break;
    case MAF_PIECE_GREETING:
    case MAF_PIECE_SELECTION:
        if (piece->whole || stream->place == MAF_BEHIND_HEURISTIC) /* SOCKS has not seen it in sequence */
            maf_socks_call_alone(stream, whole_of(tvb, pinfo, piece, *offset), pinfo, tree, data);
        else
            maf_socks_call(stream, piece_tvb, pinfo, tree, data);
        break;
    case MAF_PIECE_REQUEST:
        if (!pinfo->fd->visited)
            maf_socks_prime(stream, piece_tvb, pinfo);
        maf_socks_call(stream, whole_of(tvb, pinfo, piece, *offset), pinfo, tree, data);
        break;
    case MAF_PIECE_REPLY:
        maf_socks_call(stream, whole_of(tvb, pinfo, piece, *offset), pinfo, tree, data);
        break;
    case MAF_PIECE_MESSAGE:
        show_messages(stream, piece, piece_tvb, pinfo, tree);
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
show_remark(const maf_stream_t *stream, const maf_segment_t *segment, tvbuff_t *tvb, packet_info *pinfo,
            proto_tree *tree)
{
    switch ((maf_remark_t)segment->remark) {
    case MAF_NOTHING:
        return;
    case MAF_EARLY_REQUEST:
        maf_tree_early_request(tvb, pinfo, tree, stream->login, (maf_state_t)segment->state);
        break;
    case MAF_UNOFFERED_SELECTION:
        maf_tree_unoffered_selection(tvb, pinfo, tree, stream->login);
        break;
    }
    maf_tap_queue(pinfo, stream->login, NULL);
}

/* A greeting that is all of a segment: TCP calls the SOCKS dissector for it without our help. */
static bool
is_mere_greeting(const maf_stream_t *stream, const maf_segment_t *segment)
{
    const maf_piece_t *piece = &segment->first;

    return stream->place == MAF_BEHIND_TCP && piece->kind == MAF_PIECE_GREETING && !piece->whole &&
           !piece->next && segment->desegment_len == 0;
}

int
maf_show_segment(const maf_stream_t *stream, const maf_segment_t *segment, tvbuff_t *tvb, packet_info *pinfo,
                 proto_tree *tree, void *data)
{
    int offset = 0;

    if (!segment || (!maf_segment_is_ours(segment) && segment->desegment_len == 0))
        return maf_socks_next(stream) ? maf_socks_call(stream, tvb, pinfo, tree, data) : 0;
    if (is_mere_greeting(stream, segment))
        return 0;
    show_remark(stream, segment, tvb, pinfo, tree);
    if (segment->gap && segment->gap->begin != segment->gap->end)
        maf_tree_gap(tvb, pinfo, tree, stream->login, maf_stream_side(stream, pinfo));
    for (const maf_piece_t *piece = maf_segment_is_ours(segment) ? &segment->first : NULL; piece;)
        piece = show_pieces(stream, piece, segment->follows, tvb, &offset, pinfo, tree, data);
    pinfo->desegment_offset = segment->desegment_offset;
    pinfo->desegment_len = segment->desegment_len;
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
