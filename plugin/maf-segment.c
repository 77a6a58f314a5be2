/* maf-segment.c
 * A segment of a connection: which of its bytes are new, and what they are
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-segment.h"

#include <epan/proto_data.h>

#include "maf-prefs.h"
#include "maf-reader.h"

/* The most that a greeting takes, in bytes. */
#define GREETING_MAX (SOCKS_GREETING_HEADER + UINT8_MAX)

/* The most bytes held before a selection: a greeting and the longest list. */
#define HELD_MAX 65536

/* Of proto data of the packet's own */
#define CALLS_KEY 3

/* A segment that came before MAF was selected, or not */
typedef struct {
    maf_reader_t reader; /* for when it is read */
    maf_bytes_t bytes;
    uint32_t order;   /* in which it is read, among those of both sides */
    bool lacks_bytes; /* some were missing when it came */
} maf_held_t;

static int proto_maf;

/* Which segment it is */

static int
source_index(const packet_info *pinfo, tvbuff_t *tvb)
{
    tvbuff_t *source = tvb_get_ds_tvb(tvb);
    int position = 0;

    for (const GSList *item = pinfo->data_src; item; item = item->next, position++) {
        if (get_data_source_tvb((const struct data_source *)item->data) == source)
            return position;
    }
    return position;
}

/* None of it has been read: TCP gives it again, with more. */
static bool
waits(const maf_segment_t *segment)
{
    return !maf_segment_is_ours(segment) && maf_segment_desegment_len(segment) > 0;
}

/* How often this has been called for the packet, before. */
static unsigned
count_call(packet_info *pinfo)
{
    const unsigned calls = GPOINTER_TO_UINT(p_get_proto_data(pinfo->pool, pinfo, proto_maf, CALLS_KEY));

    p_remove_proto_data(pinfo->pool, pinfo, proto_maf, CALLS_KEY);
    p_add_proto_data(pinfo->pool, pinfo, proto_maf, CALLS_KEY, GUINT_TO_POINTER(calls + 1));
    return calls;
}

/* In TLS the data sources differ between passes: the first pass also has those of incomplete records.
 * There, segments are found by their order in the packet. */
static maf_segment_t *
find_segment(const maf_stream_t *stream, packet_info *pinfo, tvbuff_t *tvb)
{
    const uint32_t offset = (uint32_t)tvb_raw_offset(tvb);
    const int source = source_index(pinfo, tvb);
    const bool in_tls = stream->place == MAF_BEHIND_TLS;
    unsigned ordinal = in_tls ? count_call(pinfo) : 0;
    maf_segment_t *found = NULL;
    unsigned first = 0;
    unsigned last = stream->segments.count;

    while (first < last) {
        const unsigned middle = first + (last - first) / 2;

        if (maf_segment_at(&stream->segments, middle)->packet < pinfo->num)
            first = middle + 1;
        else
            last = middle;
    }
    for (; first < stream->segments.count; first++) {
        maf_segment_t *segment = maf_segment_at(&stream->segments, first);

        if (segment->packet != pinfo->num)
            break;
        if (in_tls ? !waits(segment) && ordinal-- == 0
                   : segment->source == source && segment->offset == offset) {
            found = segment;
            break;
        }
    }
    return found;
}

static maf_segment_t *
add_segment(maf_stream_t *stream, const packet_info *pinfo, tvbuff_t *tvb)
{
    maf_segments_t *segments = &stream->segments;
    maf_segment_t *segment;

    if (segments->count % MAF_SEGMENTS_PER_BLOCK == 0) {
        segment = wmem_alloc0_array(wmem_file_scope(), maf_segment_t, MAF_SEGMENTS_PER_BLOCK);
        wmem_array_append_one(segments->blocks, segment);
    }
    segment = maf_segment_at(segments, segments->count++);
    segment->packet = pinfo->num;
    segment->offset = (uint32_t)tvb_raw_offset(tvb);
    segment->source = (uint16_t)source_index(pinfo, tvb);
    return segment;
}

/* Has the segment before the last one messages, and is in the same packet? */
static bool
follows_messages(const maf_stream_t *stream)
{
    const maf_segments_t *segments = &stream->segments;
    const maf_segment_t *before;
    maf_piece_t piece;

    if (segments->count < 2)
        return false;
    before = maf_segment_at(segments, segments->count - 2);
    if (before->packet != maf_segment_at(segments, segments->count - 1)->packet)
        return false;
    for (unsigned i = 0; (piece = maf_segment_piece(before, i)).kind != MAF_PIECE_NONE; i++) {
        if (piece.kind == MAF_PIECE_MESSAGE || piece.kind == MAF_PIECE_UNDECODED)
            return true;
    }
    return false;
}

/* Reading */

maf_bytes_t
maf_bytes_of(tvbuff_t *tvb)
{
    const uint32_t captured = tvb_captured_length(tvb);

    return (maf_bytes_t){captured > 0 ? tvb_get_ptr(tvb, 0, (int)captured) : (const uint8_t *)"", captured,
                         tvb_reported_length(tvb)};
}

/* Bytes in a gap belong to what was expected when it opened. */
static void
read_late(maf_reader_t *reader, maf_gap_t *gap)
{
    maf_side_of_t *side = &reader->stream->sides[reader->from];
    const maf_phase_t phase = side->phase;

    side->phase = (maf_phase_t)gap->expected;
    maf_reader_read(reader);
    gap->expected = (uint8_t)side->phase;
    side->phase = MAX(phase, side->phase);
}

/* Those carried before these; they live as long as the capture file. */
static maf_bytes_t
after_carried(const maf_side_of_t *side, maf_bytes_t bytes)
{
    uint8_t *buffer = (uint8_t *)wmem_alloc(wmem_file_scope(), side->carried_length + bytes.captured);

    memcpy(buffer, side->carried, side->carried_length);
    memcpy(buffer + side->carried_length, bytes.at, bytes.captured);
    return (maf_bytes_t){buffer, side->carried_length + bytes.captured, side->carried_length + bytes.sent};
}

/* What follows in a segment, of one kind: NEW, LATE or REPEATED. Returns how many bytes of it have been dealt
 * with. */
static uint32_t
read_span(maf_reader_t *reader, maf_bytes_t bytes, uint32_t offset)
{
    maf_side_of_t *side = &reader->stream->sides[reader->from];
    const maf_bytes_t left = maf_bytes_after(bytes, offset);
    const maf_span_t span = maf_direction_span(&side->direction, reader->seq, left.sent);

    reader->base = offset;
    reader->offset = reader->carried = 0;
    reader->late = span.kind == MAF_SPAN_LATE;
    reader->bytes = maf_bytes_first(left, span.length);
    if (span.kind == MAF_SPAN_REPEATED) {
        maf_reader_skip(reader, span.length);
        return span.length;
    }
    if (reader->late && span.length < left.sent) /* what is behind the gap has been read */
        reader->last = true;
    if (side->carried && maf_stream_is_pending(reader->stream, reader->from)) {
        reader->carried = side->carried_length;
        reader->bytes = after_carried(side, reader->bytes);
    }
    if (reader->late)
        read_late(reader, span.gap);
    else
        maf_reader_read(reader);
    return reader->offset - reader->carried;
}

/* There is a gap before the segment. When the server has replied, the client has sent its request. */
static void
note_gap(maf_reader_t *reader, const maf_gap_t *gap)
{
    maf_side_of_t *side = &reader->stream->sides[reader->from];

    maf_segment_more(reader->segment)->gap = gap;
    maf_reader_give_up(reader->stream, reader->from, reader->packet);
    side->sync = MAF_RESYNC;
    if (reader->from == MAF_CLIENT && reader->stream->sides[MAF_SERVER].phase >= MAF_PHASE_TUNNEL)
        side->phase = reader->stream->sides[MAF_SERVER].phase;
    maf_stream_lose_track(reader->stream);
}

/*
 * Read a segment from its first byte on, but for what has been read.
 *
 * reader  with all that does not depend on the span
 * bytes   of the segment
 */
static void
read_segment(maf_reader_t *reader, maf_bytes_t bytes)
{
    maf_direction_t *direction = &reader->stream->sides[reader->from].direction;
    const uint32_t begin = reader->seq;
    uint32_t offset = 0;
    uint32_t read = 1;
    uint32_t awaited;
    const bool last = reader->last;
    maf_gap_t *gap;

    if (!direction->known)
        maf_direction_begin(direction, begin);
    gap = maf_direction_skip(wmem_file_scope(), direction, begin,
                             (uint8_t)reader->stream->sides[reader->from].phase);
    if (gap)
        note_gap(reader, gap);
    while (offset < bytes.sent && read > 0 && maf_segment_desegment_len(reader->segment) == 0) {
        reader->seq = begin + offset;
        reader->last = last;
        read = read_span(reader, bytes, offset);
        maf_direction_read(wmem_file_scope(), direction, begin + offset, begin + offset + read);
        offset += read;
    }
    awaited = maf_segment_desegment_len(reader->segment);
    maf_direction_see(direction, begin + bytes.sent, awaited == DESEGMENT_ONE_MORE_SEGMENT ? 0 : awaited);
    if (bytes.captured < bytes.sent)
        maf_stream_lose_track(reader->stream);
}

/*
 * Before it is read: what a packet says of the other side's bytes. Returns whether bytes are missing. Of a
 * side that has not been seen at all, only the client's greeting can come before what the server sends first.
 */
static bool
note_ack(maf_stream_t *stream, maf_side_t from, uint32_t ack)
{
    maf_direction_t *theirs = &stream->sides[maf_other_side(from)].direction;
    bool lacks_bytes;

    if (theirs->known) {
        lacks_bytes = maf_direction_lacks(theirs, ack);
    } else {
        maf_direction_begin(theirs, ack);
        lacks_bytes = from == MAF_SERVER;
        if (lacks_bytes)
            maf_direction_add_gap(wmem_file_scope(), theirs, ack, GREETING_MAX, MAF_PHASE_GREETING);
    }
    maf_direction_ack(theirs, ack);
    return lacks_bytes;
}

/* Before MAF is selected */

/* The byte of that side with a sequence number, if it is held; else -1. */
static int
held_byte(const maf_stream_t *stream, maf_side_t from, uint32_t seq)
{
    for (unsigned i = 0; i < wmem_array_get_count(stream->held); i++) {
        const maf_held_t *held = (const maf_held_t *)wmem_array_index(stream->held, i);

        if (held->reader.from == from && seq - held->reader.seq < held->bytes.captured)
            return held->bytes.at[seq - held->reader.seq];
    }
    return -1;
}

/* Where a side begins, as far as is known: the first byte held. */
static bool
find_begin(const maf_stream_t *stream, maf_side_t from, uint32_t *begin)
{
    bool found = false;

    for (unsigned i = 0; i < wmem_array_get_count(stream->held); i++) {
        const maf_held_t *held = (const maf_held_t *)wmem_array_index(stream->held, i);

        if (held->reader.from == from && (!found || LT_SEQ(held->reader.seq, *begin)))
            *begin = held->reader.seq;
        found |= held->reader.from == from;
    }
    return found;
}

/* What is held of a side is about to be read. What is not the client's greeting comes behind it. */
static void
begin_held(maf_stream_t *stream, maf_side_t from)
{
    maf_direction_t *direction = &stream->sides[from].direction;
    uint32_t begin;

    if (!find_begin(stream, from, &begin))
        return;
    maf_direction_begin(direction, begin);
    if (from == MAF_CLIENT && stream->start != MAF_START_MID_SESSION &&
        held_byte(stream, from, begin) != SOCKS_VERSION) {
        maf_direction_add_gap(wmem_file_scope(), direction, begin, GREETING_MAX, MAF_PHASE_GREETING);
        maf_stream_lose_track(stream);
    }
}

/* Has the server sent a selection of MAF? If the connection may have begun before the capture, its first
 * two bytes do not prove it. */
static bool
is_held_selection(const maf_stream_t *stream, const packet_info *pinfo, uint32_t begin)
{
    uint8_t *bytes = (uint8_t *)wmem_alloc(pinfo->pool, stream->held_bytes);
    uint32_t length = 0;

    for (int byte;
         length < stream->held_bytes && (byte = held_byte(stream, MAF_SERVER, begin + length)) >= 0;)
        bytes[length++] = (uint8_t)byte;
    return maf_is_selection((maf_bytes_t){bytes, length, length});
}

/* What the segments held say of the connection */
static maf_stream_state_t
judge_held(const maf_stream_t *stream, const packet_info *pinfo)
{
    uint32_t server;
    int version, method;

    if (stream->held_bytes > HELD_MAX)
        return MAF_STREAM_LEFT;
    if (!find_begin(stream, MAF_SERVER, &server))
        return MAF_STREAM_PROVISIONAL;
    if (stream->sides[MAF_SERVER].direction.known &&
        LT_SEQ(stream->sides[MAF_SERVER].direction.consumed, server))
        return MAF_STREAM_PROVISIONAL; /* its first bytes can still come */
    version = held_byte(stream, MAF_SERVER, server);
    method = held_byte(stream, MAF_SERVER, server + 1);
    if (version != SOCKS_VERSION)
        return MAF_STREAM_LEFT;
    if (method < 0)
        return MAF_STREAM_PROVISIONAL;
    if (!maf_is_socks_method((uint8_t)method) ||
        (stream->start == MAF_START_MID_SESSION && !is_held_selection(stream, pinfo, server)))
        return MAF_STREAM_LEFT;
    return MAF_STREAM_SELECTED;
}

/* Each side in sequence, the client's first. */
static int
compare_sequence(const void *a, const void *b)
{
    const maf_held_t *left = (const maf_held_t *)a;
    const maf_held_t *right = (const maf_held_t *)b;

    if (left->reader.from != right->reader.from)
        return left->reader.from == MAF_CLIENT ? -1 : 1;
    if (left->reader.seq != right->reader.seq)
        return LT_SEQ(left->reader.seq, right->reader.seq) ? -1 : 1;
    return left->reader.packet < right->reader.packet ? -1 : 1;
}

static int
compare_order(const void *a, const void *b)
{
    const maf_held_t *left = (const maf_held_t *)a;
    const maf_held_t *right = (const maf_held_t *)b;

    if (left->order != right->order)
        return left->order < right->order ? -1 : 1;
    return compare_sequence(a, b);
}

static void
read_one_held(const maf_held_t *held)
{
    maf_reader_t reader = held->reader;

    if (held->lacks_bytes)
        maf_stream_lose_track(reader.stream);
    if (held->bytes.sent > 0)
        read_segment(&reader, held->bytes);
}

/* Read the held segments in the order of the capture, but each side in sequence: a late segment was sent
 * before those that follow it. */
static void
read_held(maf_stream_t *stream)
{
    const unsigned count = wmem_array_get_count(stream->held);
    maf_held_t *held = (maf_held_t *)wmem_array_get_raw(stream->held);

    wmem_array_sort(stream->held, compare_sequence);
    for (unsigned i = count; i-- > 0;) {
        held[i].order = held[i].reader.packet;
        if (i + 1 < count && held[i].reader.from == held[i + 1].reader.from)
            held[i].order = MIN(held[i].order, held[i + 1].order);
    }
    wmem_array_sort(stream->held, compare_order);
    for (unsigned i = 0; i < count; i++)
        read_one_held(&held[i]);
}

static void
hold(const maf_reader_t *reader, maf_bytes_t bytes, const packet_info *pinfo, bool lacks_bytes)
{
    maf_stream_t *stream = reader->stream;
    maf_direction_t *direction = &stream->sides[reader->from].direction;
    maf_held_t held = {.reader = *reader, .bytes = bytes, .lacks_bytes = lacks_bytes};

    held.bytes.at = (const uint8_t *)wmem_memdup(wmem_file_scope(), bytes.at, bytes.captured);
    held.reader.held = true;
    held.reader.ends = held.reader.last = false;
    if (!direction->known)
        maf_direction_begin(direction, reader->seq);
    if (!stream->held)
        stream->held = wmem_array_new(wmem_file_scope(), sizeof(maf_held_t));
    wmem_array_append_one(stream->held, held);
    stream->held_bytes += bytes.captured;
    maf_direction_see(direction, reader->seq + bytes.sent, 0);
    stream->state = judge_held(stream, pinfo);
    if (stream->state == MAF_STREAM_SELECTED) {
        begin_held(stream, MAF_CLIENT);
        begin_held(stream, MAF_SERVER);
        maf_stream_select(stream, pinfo, false);
        read_held(stream);
    }
    if (stream->state != MAF_STREAM_PROVISIONAL) {
        wmem_destroy_array(stream->held);
        stream->held = NULL;
    }
}

/* When all else is done, only what is late is ours. */
static bool
is_behind(maf_stream_t *stream, const packet_info *pinfo, tvbuff_t *tvb, const struct tcpinfo *tcpinfo)
{
    maf_direction_t *direction = &stream->sides[maf_stream_side(stream, pinfo)].direction;

    if (!maf_stream_is_done(stream))
        return false;
    if (!tcpinfo || stream->state == MAF_STREAM_LEFT)
        return true;
    maf_direction_see(direction, tcpinfo->seq + tvb_reported_length(tvb), 0);
    return maf_direction_span(direction, tcpinfo->seq, 1).kind != MAF_SPAN_LATE;
}

/* Without TCP bytes are counted; while they are held none is consumed. */
static uint32_t
next_seq(const maf_stream_t *stream, const maf_direction_t *direction, const struct tcpinfo *tcpinfo)
{
    if (tcpinfo)
        return tcpinfo->seq;
    return stream->state == MAF_STREAM_PROVISIONAL ? direction->seen : direction->consumed;
}

/* A segment for the first time */
static maf_segment_t *
read_new(maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, const struct tcpinfo *tcpinfo)
{
    const maf_side_t from = maf_stream_side(stream, pinfo);
    const maf_direction_t *direction = &stream->sides[from].direction;
    const bool ends = tcpinfo && (tcpinfo->flags & TH_FIN);
    const maf_bytes_t bytes = maf_bytes_of(tvb);
    maf_segment_t *segment = add_segment(stream, pinfo, tvb);
    const bool lacks_bytes = tcpinfo && note_ack(stream, from, tcpinfo->lastackseq);
    const uint32_t seq = next_seq(stream, direction, tcpinfo);
    maf_reader_t reader = {
        .stream = stream,
        .from = from,
        .segment = segment,
        .packet = pinfo->num,
        .when = pinfo->abs_ts,
        .seq = seq,
        .ends = ends,
        .last = ends || !maf_prefs.desegment || !pinfo->can_desegment,
        .is_acked = direction->is_acked,
        .acked = direction->acked,
        .next = tcpinfo ? tcpinfo->nxtseq : seq + bytes.sent,
    };

    if (stream->state == MAF_STREAM_PROVISIONAL) {
        hold(&reader, bytes, pinfo, lacks_bytes);
        return segment;
    }
    if (lacks_bytes)
        maf_stream_lose_track(stream);
    read_segment(&reader, bytes);
    if (follows_messages(stream))
        maf_segment_more(segment)->follows = true;
    return segment;
}

const maf_segment_t *
maf_segment_read(maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, const struct tcpinfo *tcpinfo)
{
    if (pinfo->fd->visited)
        return find_segment(stream, pinfo, tvb);
    return is_behind(stream, pinfo, tvb, tcpinfo) ? NULL : read_new(stream, tvb, pinfo, tcpinfo);
}

void
maf_segment_register(int proto)
{
    proto_maf = proto;
}
