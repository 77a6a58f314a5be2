/* maf-stream.c
 * What is known of one connection that may carry MAF
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-stream.h"

#include <wiretap/wtap.h>

#include "maf-prefs.h"

/* Bits of tcp.completeness, which Wireshark's headers do not name: FIN and RST */
#define TCP_CLOSED 0x30

/* How far behind the newest byte a late segment may be, in bytes: the largest unscaled window. */
#define LATE_MAX 65535

/* How many streams are found without looking their conversation up. */
#define RECENT 256

static int proto_maf;
static uint32_t stream_count;
static int pending_count;
static maf_stream_t *recent[RECENT]; /* by ports: the streams that began last */

/* Which one of the streams found last a packet may belong to */
static maf_stream_t **
recent_stream(const packet_info *pinfo)
{
    return &recent[(pinfo->srcport ^ pinfo->destport) % RECENT];
}

static uint32_t
interface_of(const packet_info *pinfo)
{
    const bool known = pinfo->rec->presence_flags & WTAP_HAS_INTERFACE_ID;

    return known ? pinfo->rec->rec_header.packet_header.interface_id : 0;
}

maf_stream_t *
maf_stream_new(conversation_t *conversation, packet_info *pinfo, maf_place_t place, const address *client,
               uint32_t client_port, bool mid_session)
{
    const bool by_client = pinfo->srcport == client_port && addresses_equal(&pinfo->src, client);
    maf_stream_t *stream = wmem_new0(wmem_file_scope(), maf_stream_t);

    stream->number = stream_count++;
    stream->conversation = conversation;
    stream->tcp_stream = get_tcp_conversation_data(conversation, pinfo)->stream;
    stream->place = place;
    stream->start = mid_session ? MAF_START_MID_SESSION : MAF_START_SEEN;
    stream->sides[MAF_CLIENT].phase = MAF_PHASE_GREETING;
    stream->sides[MAF_SERVER].phase = MAF_PHASE_SELECTION;
    stream->segments.blocks = wmem_array_sized_new(wmem_file_scope(), sizeof(maf_segment_t *), 8);
    copy_address_wmem(wmem_file_scope(), &stream->ends.client, client);
    stream->ends.client_port = client_port;
    copy_address_wmem(wmem_file_scope(), &stream->ends.server, by_client ? &pinfo->dst : &pinfo->src);
    stream->ends.server_port = by_client ? pinfo->destport : pinfo->srcport;
    stream->ends.first = pinfo->num;
    stream->ends.vlan = pinfo->vlan_id;
    stream->ends.interface = interface_of(pinfo);
    *recent_stream(pinfo) = stream;
    conversation_add_proto_data(conversation, proto_maf, stream);
    return stream;
}

/* Is the packet between these ends, and not before their first? VLAN and interface count too: Wireshark
 * can take packets that differ only in these for two connections. */
static bool
is_between_ends(const maf_ends_t *ends, const packet_info *pinfo)
{
    const bool by_client = pinfo->srcport == ends->client_port;
    const address *client = by_client ? &pinfo->src : &pinfo->dst;
    const address *server = by_client ? &pinfo->dst : &pinfo->src;

    return pinfo->num >= ends->first && (by_client || pinfo->destport == ends->client_port) &&
           (by_client ? pinfo->destport : pinfo->srcport) == ends->server_port &&
           pinfo->vlan_id == ends->vlan && interface_of(pinfo) == ends->interface &&
           addresses_equal(client, &ends->client) && addresses_equal(server, &ends->server);
}

/* Looking up a conversation costs as much as reading a message. */
maf_stream_t *
maf_stream_find(packet_info *pinfo)
{
    maf_stream_t **found = recent_stream(pinfo);
    conversation_t *conversation;

    if (*found && is_between_ends(&(*found)->ends, pinfo))
        return *found;
    conversation = find_conversation_pinfo(pinfo, 0);
    return conversation ? (maf_stream_t *)conversation_get_proto_data(conversation, proto_maf) : NULL;
}

maf_side_t
maf_stream_side(const maf_stream_t *stream, const packet_info *pinfo)
{
    const maf_ends_t *ends = &stream->ends;
    const bool has_one_port = ends->client_port == ends->server_port;

    if (pinfo->srcport != ends->client_port || (has_one_port && !addresses_equal(&pinfo->src, &ends->client)))
        return MAF_SERVER;
    return MAF_CLIENT;
}

/* Segments */

maf_segment_more_t *
maf_segment_more(maf_segment_t *segment)
{
    if (!segment->more)
        segment->more = wmem_new0(wmem_file_scope(), maf_segment_more_t);
    return segment->more;
}

maf_piece_t
maf_segment_piece(const maf_segment_t *segment, unsigned number)
{
    wmem_array_t *others = segment->more ? segment->more->pieces : NULL;

    if (number == 0)
        return (maf_piece_t){segment->verdict, segment->length, segment->kind};
    if (!others || number > wmem_array_get_count(others))
        return (maf_piece_t){.kind = MAF_PIECE_NONE};
    return *(const maf_piece_t *)wmem_array_index(others, number - 1);
}

unsigned
maf_segment_add_piece(maf_segment_t *segment, maf_piece_t piece)
{
    maf_segment_more_t *more;

    if (!maf_segment_is_ours(segment)) {
        segment->verdict = piece.verdict;
        segment->length = piece.length;
        segment->kind = piece.kind;
        return 0;
    }
    more = maf_segment_more(segment);
    if (!more->pieces)
        more->pieces = wmem_array_sized_new(wmem_file_scope(), sizeof piece, 2);
    wmem_array_append_one(more->pieces, piece);
    return wmem_array_get_count(more->pieces);
}

const maf_bytes_t *
maf_segment_whole(const maf_segment_t *segment, unsigned number)
{
    const maf_segment_more_t *more = segment->more;

    return more && more->whole.at && more->whole_piece == number ? &more->whole : NULL;
}

/* Pending messages */

bool
maf_stream_is_pending(const maf_stream_t *stream, maf_side_t side)
{
    return stream->sides[side].pending && !stream->sides[side].pending->done;
}

bool
maf_unfinished_is_whole(const maf_unfinished_t *pending)
{
    return pending->done && !pending->given_up;
}

const maf_unfinished_t *
maf_stream_pending_at(const maf_stream_t *stream, maf_side_t side, uint32_t packet)
{
    const maf_unfinished_t *pending;

    if (!stream->sides[side].pendings)
        return NULL;
    pending = (const maf_unfinished_t *)wmem_tree_lookup32_le(stream->sides[side].pendings, packet - 1);
    return pending && (!pending->done || pending->done > packet) ? pending : NULL;
}

int
maf_stream_pending_count(void)
{
    return pending_count;
}

void
maf_stream_count_pending(int change)
{
    pending_count += change;
}

bool
maf_stream_is_closed(const maf_stream_t *stream, packet_info *pinfo)
{
    return get_tcp_conversation_data(stream->conversation, pinfo)->conversation_completeness & TCP_CLOSED;
}

unsigned
maf_stream_closing(maf_stream_t *stream, packet_info *pinfo)
{
    const unsigned seen =
        get_tcp_conversation_data(stream->conversation, pinfo)->conversation_completeness & TCP_CLOSED;
    const unsigned closing = seen & ~(unsigned)stream->closed;

    stream->closed = (uint8_t)seen;
    return closing;
}

bool
maf_stream_is_done(const maf_stream_t *stream)
{
    const maf_phase_t client = stream->sides[MAF_CLIENT].phase;

    return stream->state == MAF_STREAM_LEFT ||
           (client >= MAF_PHASE_TUNNEL && client == stream->sides[MAF_SERVER].phase);
}

bool
maf_stream_awaits_late(const maf_stream_t *stream)
{
    return stream->state == MAF_STREAM_SELECTED &&
           (maf_direction_has_gap(&stream->sides[MAF_CLIENT].direction, LATE_MAX) ||
            maf_direction_has_gap(&stream->sides[MAF_SERVER].direction, LATE_MAX));
}

void
maf_stream_lose_track(maf_stream_t *stream)
{
    if (stream->start == MAF_START_SEEN)
        stream->start = MAF_START_PARTLY_SEEN;
    if (stream->session)
        maf_session_lose_track(stream->session);
}

/* Once MAF is selected */

void
maf_stream_select(maf_stream_t *stream, const packet_info *pinfo, bool mid_session)
{
    stream->state = MAF_STREAM_SELECTED;
    stream->selected = pinfo->num;
    stream->login = maf_login_new(wmem_file_scope(), stream->tcp_stream, &stream->ends.client,
                                  stream->ends.client_port, &stream->ends.server, stream->ends.server_port);
    stream->session = maf_session_new(wmem_file_scope(), maf_prefs.revision, mid_session);
    if (stream->start == MAF_START_PARTLY_SEEN)
        maf_session_lose_track(stream->session);
    if (mid_session)
        stream->sides[MAF_CLIENT].phase = stream->sides[MAF_SERVER].phase = MAF_PHASE_MESSAGES;
}

uint32_t
maf_stream_count(void)
{
    return stream_count;
}

static void
forget_streams(void)
{
    memset(recent, 0, sizeof recent);
    stream_count = 0;
    pending_count = 0;
}

void
maf_stream_register(int proto)
{
    proto_maf = proto;
    register_init_routine(forget_streams);
}
