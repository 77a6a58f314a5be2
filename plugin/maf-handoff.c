/* maf-handoff.c
 * The way in from Wireshark's SOCKS dissector, and the way back
 *
 * Wireshark's SOCKS dissector has no table of authentication methods, so MAF cannot register with it.
 * Instead a post-dissector watches for TCP connections that SOCKS is going to get, and puts a conversation
 * dissector in front of it. That one reads along until MAF is selected or not. If not, it takes itself away
 * and has changed nothing. If so, it cuts the stream into pieces, shows those of MAF, and calls the SOCKS
 * dissector for the others, until the tunnel begins.
 *
 * All of this is learnt once, on the first pass, and stored per segment; showing a segment only looks it up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-handoff.h"

#include <epan/conversation.h>
#include <epan/conversation_filter.h>
#include <epan/dissectors/packet-tcp.h>
#include <epan/proto_data.h>
#include <epan/tap.h>
#include <wsutil/wslog.h>

#include "maf-methods.h"
#include "maf-protocol.h"
#include "maf-tap.h"
#include "packet-maf.h"

/* RFC 1928 */
#define SOCKS_VERSION         5
#define SOCKS_GREETING_HEADER 2
#define SOCKS_SELECTION_LEN   2
#define SOCKS_REQUEST_HEADER  5 /* VER, CMD or REP, RSV, ATYP, and the first octet of the address */
#define SOCKS_ATYP_OFFSET     3
#define SOCKS_ATYP_IPV4       1
#define SOCKS_ATYP_DOMAIN     3
#define SOCKS_ATYP_IPV6       4
#define SOCKS_TCP_PORT        1080

/* What a side of the stream is expected to send next. */
typedef enum {
    PHASE_GREETING,   /* client: versions and methods */
    PHASE_EARLY_LIST, /* client: a list that does not wait for the selection */
    PHASE_UNSEEN,     /* client: whatever comes before a selection, when the capture began later */
    PHASE_SELECTION,  /* server: the method selected */
    PHASE_MAF,
    PHASE_REQUEST, /* client: the SOCKS request */
    PHASE_REPLY,   /* server: its reply */
    PHASE_TUNNEL,
    PHASE_OPAQUE, /* what follows MAF is not looked into */
    PHASE_LEFT,   /* not MAF: none of our business any more */
} phase_t;

/* How far a side has been read, to know a segment that comes again. TCP knows too, unless the user forbids
 * it. */
typedef struct {
    bool known;
    bool has_gap;  /* a segment may still come late, and be no repetition */
    uint32_t next; /* sequence number after the last octet */
} position_t;

/* A MAF frame that came in several segments. What its first octets were taken for holds for the rest. */
typedef struct {
    uint32_t began; /* number of the capture's frame that has its first octet */
    uint32_t done;  /* number of the frame that has its last octet; 0 if it is still waited for */
    int revision;   /* that it is read by, once its header is there; else -1 */
} partial_t;

/* One TCP connection. */
typedef struct {
    conversation_t *conversation;
    uint32_t number;     /* of the stream in the capture file, to tell segments of different streams apart */
    uint32_t tcp_stream; /* tcp.stream */
    bool attached;     /* in front of SOCKS, which would be called if we were not; else chosen by Decode As */
    uint32_t tls_port; /* in TLS, which would call SOCKS for the sake of this port; else 0 */
    uint32_t tls_last; /* in TLS: number of the last frame that is ours; 0 if it is not known yet */
    dissector_handle_t tls_next; /* in TLS: whom the others are for, NULL for SOCKS */
    bool late;                   /* the capture began after the greeting */
    address client;
    uint32_t client_port;
    uint16_t target_port;     /* of the SOCKS request */
    uint8_t request_in;       /* maf_state_t in which that came too early or too late; else 0 */
    phase_t phase[2];         /* by maf_side_t */
    position_t position[2];   /* by maf_side_t */
    uint32_t continues[2];    /* by maf_side_t: octets of the last frame still to come, to be passed over */
    bool lost[2];             /* by maf_side_t: the end of the last frame could not be told */
    partial_t *partial[2];    /* by maf_side_t: the last one; NULL if there was none yet */
    wmem_tree_t *partials[2]; /* by maf_side_t: all of them, by where they began; NULL likewise */
    const partial_t *unfinished[2]; /* by maf_side_t: the one in which the connection is closed */
    uint32_t ended[2];              /* by maf_side_t: number of the frame that closes it there */
    bool has_missed;                /* octets that were sent */
    maf_session_t *session;         /* NULL before the first MAF frame */
} stream_t;

typedef enum {
    PIECE_SOCKS,     /* for the SOCKS dissector */
    PIECE_FRAME,     /* a MAF frame */
    PIECE_UNDECODED, /* MAF, but no frame can be made of it */
    PIECE_TUNNEL,    /* for the dissector of the target's port */
    PIECE_DATA,      /* nobody's */
} piece_kind_t;

/* Part of a segment, in the order of the stream. */
typedef struct piece {
    struct piece *next;
    maf_verdict_t *verdict; /* of a MAF frame */
    uint32_t length;        /* in octets */
    uint8_t kind;           /* piece_kind_t */
} piece_t;

/* What a segment, or several put together by TCP, consists of. */
typedef struct {
    piece_t *pieces;
    int desegment_offset;
    uint32_t desegment_len; /* 0 if every octet is in a piece */
    uint8_t request_in;     /* the stream's, where the SOCKS request is */
} segment_t;

/* A segment being learnt. */
typedef struct {
    tvbuff_t *tvb;
    packet_info *pinfo;
    stream_t *stream;
    maf_side_t from;
    uint32_t offset; /* of what is not learnt yet */
    bool ends;       /* nothing follows this segment */
    bool last;       /* nothing follows, or nobody would put it together */
    segment_t *segment;
    piece_t **end;
} learner_t;

static int proto_maf;
static int proto_watch;
static int proto_socks;
static int proto_tcp;
static int proto_exported_pdu;
static int proto_tls;
static uint32_t stream_count;
static uint32_t cut_streams; /* that were closed inside a frame */
static uint32_t tcp_streams; /* that TCP has had up to the last frame watched */

static bool tls_has_socks; /* on some port, by the user's choice: spares other captures the search */

static int tcp_tap;

static dissector_table_t tcp_ports;
static dissector_table_t tls_ports;
static dissector_handle_t socks_handle;
static dissector_handle_t data_handle;
static dissector_handle_t stream_handle;
static dissector_handle_t decode_as_handle;
static dissector_handle_t frames_handle;
static dissector_handle_t tls_handle;
static dissector_handle_t in_tls_handle;

/* Streams */

/*
 * With a listener, TCP's header can be fetched while the frame is dissected. The listener itself wants
 * nothing; but it costs something for every frame, so it waits for the first connection to be watched.
 */
static void
listen_to_tcp(void)
{
    GString *problem;

    if (tcp_tap > 0)
        return;
    tcp_tap = find_tap_id("tcp");
    problem = register_tap_listener("tcp", &tcp_tap, NULL, TL_IS_DISSECTOR_HELPER, NULL, NULL, NULL, NULL);
    if (problem) {
        ws_warning("%s", problem->str);
        g_string_free(problem, TRUE);
    }
}

static stream_t *
stream_new(conversation_t *conversation, packet_info *pinfo, bool attached, bool late)
{
    stream_t *stream = wmem_new0(wmem_file_scope(), stream_t);

    listen_to_tcp();
    stream->conversation = conversation;
    stream->number = stream_count++;
    stream->tcp_stream = get_tcp_conversation_data(conversation, pinfo)->stream;
    stream->attached = attached;
    stream->late = late;
    stream->phase[MAF_CLIENT] = PHASE_GREETING;
    stream->phase[MAF_SERVER] = PHASE_SELECTION;
    conversation_add_proto_data(conversation, proto_maf, stream);
    return stream;
}

static stream_t *
find_stream(packet_info *pinfo)
{
    conversation_t *conversation = find_conversation_pinfo(pinfo, 0);

    return conversation ? (stream_t *)conversation_get_proto_data(conversation, proto_maf) : NULL;
}

static void
set_client(stream_t *stream, const address *client, uint32_t client_port)
{
    copy_address_wmem(wmem_file_scope(), &stream->client, client);
    stream->client_port = client_port;
}

static maf_side_t
side_of(const stream_t *stream, const packet_info *pinfo)
{
    if (pinfo->srcport == stream->client_port && addresses_equal(&pinfo->src, &stream->client))
        return MAF_CLIENT;
    return MAF_SERVER;
}

static bool
is_waiting(const stream_t *stream, maf_side_t side)
{
    return stream->partial[side] && !stream->partial[side]->done;
}

static partial_t *
partial_new(stream_t *stream, maf_side_t side, uint32_t began)
{
    partial_t *partial = wmem_new0(wmem_file_scope(), partial_t);

    partial->began = began;
    stream->partial[side] = partial;
    if (!stream->partials[side])
        stream->partials[side] = wmem_tree_new(wmem_file_scope());
    wmem_tree_insert32(stream->partials[side], began, partial);
    return partial;
}

/* The one that is waited for when a frame of the capture comes, whether for the first time or again; or NULL.
 */
static const partial_t *
find_partial(const stream_t *stream, maf_side_t side, uint32_t frame)
{
    const partial_t *partial;

    if (!stream->partials[side])
        return NULL;
    partial = (const partial_t *)wmem_tree_lookup32_le(stream->partials[side], frame - 1);
    return partial && (!partial->done || partial->done > frame) ? partial : NULL;
}

static bool
in_phase(const stream_t *stream, phase_t phase)
{
    return stream->phase[MAF_CLIENT] == phase && stream->phase[MAF_SERVER] == phase;
}

static void
lose_track(stream_t *stream)
{
    stream->has_missed = true;
    if (stream->session)
        maf_session_lose_track(stream->session);
}

/* Most connections never need a session, so it is made for the first MAF frame. */
static void
begin_session(stream_t *stream)
{
    if (stream->session)
        return;
    stream->session =
        maf_session_new(wmem_file_scope(), maf_prefs.revision, stream->late && !stream->attached);
    if (stream->has_missed)
        maf_session_lose_track(stream->session);
}

/*
 * From the next frame on, this connection is dissected by `handle`; NULL: as if we had never been there. TLS
 * has one dissector for all frames of a connection, so there we stay and give them away.
 */
static void
pass_on(stream_t *stream, const packet_info *pinfo, dissector_handle_t handle)
{
    if (!stream->tls_port) {
        conversation_set_dissector_from_frame_number(stream->conversation, pinfo->num + 1, handle);
    } else {
        stream->tls_last = pinfo->num;
        stream->tls_next = handle;
    }
}

/* Learning a segment */

static uint32_t
octets_left(const learner_t *learner)
{
    return (uint32_t)tvb_captured_length_remaining(learner->tvb, (int)learner->offset);
}

static uint8_t
octet_at(const learner_t *learner, uint32_t offset)
{
    return tvb_get_uint8(learner->tvb, (int)(learner->offset + offset));
}

static piece_t *
add_piece(learner_t *learner, piece_kind_t kind, uint32_t length)
{
    piece_t *piece = wmem_new0(wmem_file_scope(), piece_t);

    piece->kind = (uint8_t)kind;
    piece->length = length;
    *learner->end = piece;
    learner->end = &piece->next;
    learner->offset += length;
    return piece;
}

static void
add_rest(learner_t *learner, piece_kind_t kind)
{
    add_piece(learner, kind, (uint32_t)tvb_reported_length_remaining(learner->tvb, (int)learner->offset));
}

/* Ask TCP for `missing` more octets (MAF_MISSING_UNKNOWN: for the next segment). */
static void
wait_for(learner_t *learner, uint32_t missing)
{
    learner->segment->desegment_offset = (int)learner->offset;
    learner->segment->desegment_len = missing == MAF_MISSING_UNKNOWN ? DESEGMENT_ONE_MORE_SEGMENT : missing;
}

/* Whose the stream is when we are done: SOCKS', which is called by itself where we only stood in front of it.
 */
static dissector_handle_t
next_handle(const stream_t *stream)
{
    return stream->attached ? NULL : socks_handle;
}

/* Not MAF: from now on, as if we had never been there. False, for whoever has nothing more to do then. */
static bool
leave(learner_t *learner)
{
    stream_t *stream = learner->stream;

    stream->phase[MAF_CLIENT] = stream->phase[MAF_SERVER] = PHASE_LEFT;
    if (!stream->attached)
        add_rest(learner, PIECE_SOCKS);
    pass_on(stream, learner->pinfo, next_handle(stream));
    return false;
}

static bool
is_maf_method(uint8_t method)
{
    return value_is_in_range(maf_prefs.socks_methods, method);
}

/* Does the greeting, which is there whole? */
static bool
offers_maf(tvbuff_t *tvb, uint32_t offset)
{
    const uint8_t nmethods = tvb_get_uint8(tvb, (int)offset + 1);

    for (uint32_t i = 0; i < nmethods; i++) {
        if (is_maf_method(tvb_get_uint8(tvb, (int)(offset + SOCKS_GREETING_HEADER + i))))
            return true;
    }
    return false;
}

/* Are that many octets left? If not, they are waited for; if none can come, this is not MAF. */
static bool
has_octets(learner_t *learner, uint32_t needed)
{
    const uint32_t left = octets_left(learner);

    if (left >= needed)
        return true;
    if (learner->last)
        return leave(learner);
    wait_for(learner, needed - left);
    return false;
}

/*
 * One function per phase takes what it knows from the segment. It returns true to go on with what follows;
 * false if the rest has to wait, or is not for us.
 */
typedef bool (*phase_fn)(learner_t *learner);

static bool
learn_greeting(learner_t *learner)
{
    uint32_t length;

    if (octet_at(learner, 0) != SOCKS_VERSION)
        return leave(learner);
    if (!has_octets(learner, SOCKS_GREETING_HEADER))
        return false;
    length = SOCKS_GREETING_HEADER + octet_at(learner, 1);
    if (!has_octets(learner, length))
        return false;
    if (!offers_maf(learner->tvb, learner->offset))
        return leave(learner);

    add_piece(learner, PIECE_SOCKS, length);
    learner->stream->phase[MAF_CLIENT] = PHASE_EARLY_LIST;
    return true;
}

static bool
learn_early_list(learner_t *learner)
{
    if (octet_at(learner, 0) != MAF_INSTR_SUPPORTED)
        return leave(learner);
    learner->stream->phase[MAF_CLIENT] = PHASE_MAF;
    return true;
}

static bool
learn_unseen(learner_t *learner _U_)
{
    return false;
}

static bool
learn_selection(learner_t *learner)
{
    stream_t *stream = learner->stream;

    if (octet_at(learner, 0) != SOCKS_VERSION ||
        (stream->late && octets_left(learner) != SOCKS_SELECTION_LEN))
        return leave(learner);
    if (!has_octets(learner, SOCKS_SELECTION_LEN))
        return false;
    if (!is_maf_method(octet_at(learner, 1)))
        return leave(learner);

    add_piece(learner, PIECE_SOCKS, SOCKS_SELECTION_LEN);
    stream->phase[MAF_CLIENT] = stream->phase[MAF_SERVER] = PHASE_MAF;
    return true;
}

/*
 * X'05' begins a process frame as well as a SOCKS message. Once the session has succeeded it is SOCKS (spec:
 * States). Before that, and after a stray frame, the fourth octet tells: FLAGS end in 00, and no kind of
 * address is 0. A server replies only to a request.
 */
static bool
begins_socks(const learner_t *learner)
{
    const stream_t *stream = learner->stream;

    if (octet_at(learner, 0) != SOCKS_VERSION)
        return false;
    if (maf_session_state(stream->session) == MAF_STATE_SUCCEEDED)
        return true;
    if (learner->from == MAF_SERVER && stream->phase[MAF_CLIENT] == PHASE_MAF)
        return false;
    return octets_left(learner) > SOCKS_ATYP_OFFSET && octet_at(learner, 2) == 0 &&
           (octet_at(learner, SOCKS_ATYP_OFFSET) == SOCKS_ATYP_IPV4 ||
            octet_at(learner, SOCKS_ATYP_OFFSET) == SOCKS_ATYP_DOMAIN ||
            octet_at(learner, SOCKS_ATYP_OFFSET) == SOCKS_ATYP_IPV6);
}

static void
hand_back(learner_t *learner)
{
    stream_t *stream = learner->stream;

    if (maf_prefs.dissect_socks) {
        if (learner->from == MAF_CLIENT)
            stream->request_in = maf_session_request(stream->session);
        stream->phase[learner->from] = learner->from == MAF_CLIENT ? PHASE_REQUEST : PHASE_REPLY;
    } else {
        stream->phase[MAF_CLIENT] = stream->phase[MAF_SERVER] = PHASE_OPAQUE;
        pass_on(stream, learner->pinfo, data_handle);
    }
}

/* After a frame whose end could not be told, only what looks like a frame is taken for one. */
static bool
looks_like_frame(const maf_frame_t *frame)
{
    return frame->understood >= MAF_HEADER_LEN && frame->layout != MAF_LAYOUT_UNKNOWN &&
           frame->ver <= MAF_VER_01 && frame->flags <= MAF_FLAGS_ABSOLUTE;
}

static bool
learn_frame(learner_t *learner)
{
    stream_t *stream = learner->stream;
    partial_t *partial = stream->partial[learner->from];
    const bool goes_on = is_waiting(stream, learner->from);
    maf_frame_t frame;
    uint32_t missing;
    int revision;

    begin_session(stream);
    if (!goes_on && begins_socks(learner)) {
        hand_back(learner);
        return true;
    }

    revision = goes_on && partial->revision >= 0
                   ? partial->revision
                   : maf_session_revision(stream->session, octet_at(learner, 0),
                                          octets_left(learner) > 1 ? octet_at(learner, 1) : 0);
    missing = maf_frame_parse(learner->tvb, learner->offset, revision, &maf_prefs.framing, &frame);
    if (stream->lost[learner->from] && !looks_like_frame(&frame)) {
        add_rest(learner, PIECE_UNDECODED);
        return true;
    }
    if (missing && !learner->last) {
        if (!goes_on)
            partial = partial_new(stream, learner->from, learner->pinfo->num);
        partial->revision = frame.understood ? revision : -1;
        wait_for(learner, missing);
        return false;
    }
    if (goes_on)
        partial->done = learner->pinfo->num;
    if (missing && !learner->ends)
        frame.end = MAF_FRAME_UNASSEMBLED;
    stream->continues[learner->from] = frame.beyond;
    stream->lost[learner->from] = frame.end == MAF_FRAME_BAD_INSTR || frame.end == MAF_FRAME_BAD_COUNT ||
                                  frame.end == MAF_FRAME_BAD_LENGTH;
    add_piece(learner, PIECE_FRAME, frame.length)->verdict = maf_session_frame(
        stream->session, &frame, learner->from, learner->pinfo->num, &learner->pinfo->abs_ts);
    return true;
}

/*
 * Length of a request or reply (RFC 1928, sections 4 and 6), or of as much as must be there to tell it; 0 if
 * the kind of address is not known.
 */
static uint32_t
socks_message_length(const learner_t *learner)
{
    if (octets_left(learner) < SOCKS_REQUEST_HEADER)
        return SOCKS_REQUEST_HEADER;
    switch (octet_at(learner, SOCKS_ATYP_OFFSET)) {
    case SOCKS_ATYP_IPV4:
        return 4 + 4 + 2;
    case SOCKS_ATYP_DOMAIN:
        return 4 + 1 + octet_at(learner, 4) + 2;
    case SOCKS_ATYP_IPV6:
        return 4 + 16 + 2;
    default:
        return 0;
    }
}

/* Call the SOCKS dissector for octets of ours, as if `from` had sent them; nothing of it shows. */
static void
play_socks(const stream_t *stream, tvbuff_t *parent, packet_info *pinfo, maf_side_t from,
           const uint8_t *octets, unsigned length)
{
    static const struct tcpinfo no_tcpinfo;
    struct tcpinfo tcpinfo = no_tcpinfo;
    const bool as_it_is = from == side_of(stream, pinfo);
    const address src = pinfo->src;
    const address dst = pinfo->dst;
    const uint32_t srcport = pinfo->srcport;
    const uint32_t destport = pinfo->destport;

    if (!as_it_is) {
        pinfo->src = dst;
        pinfo->dst = src;
        pinfo->srcport = destport;
        pinfo->destport = srcport;
    }
    call_dissector_only(socks_handle, tvb_new_child_real_data(parent, octets, length, (int)length), pinfo,
                        NULL, &tcpinfo);
    pinfo->src = src;
    pinfo->dst = dst;
    pinfo->srcport = srcport;
    pinfo->destport = destport;
}

/*
 * The SOCKS dissector gave up when it saw a method it does not know. Let it begin again and believe that no
 * authentication was agreed on: what it expects next is then the request.
 */
static void
prime_socks(const stream_t *stream, tvbuff_t *tvb, packet_info *pinfo)
{
    static const uint8_t greeting[] = {SOCKS_VERSION, 1, 0};
    static const uint8_t selection[] = {SOCKS_VERSION, 0};
    const unsigned layers = wmem_list_count(pinfo->layers);
    const uint8_t curr_layer_num = pinfo->curr_layer_num;
    const bool writable = col_get_writable(pinfo->cinfo, -1);

    col_set_writable(pinfo->cinfo, -1, false);
    conversation_delete_proto_data(stream->conversation, proto_socks);
    p_remove_proto_data(wmem_file_scope(), pinfo, proto_socks, 0);
    play_socks(stream, tvb, pinfo, MAF_CLIENT, greeting, sizeof greeting);
    play_socks(stream, tvb, pinfo, MAF_SERVER, selection, sizeof selection);
    p_remove_proto_data(wmem_file_scope(), pinfo, proto_socks, 0);
    col_set_writable(pinfo->cinfo, -1, writable);

    while (wmem_list_count(pinfo->layers) > layers)
        wmem_list_remove_frame(pinfo->layers, wmem_list_tail(pinfo->layers));
    pinfo->curr_layer_num = curr_layer_num;
}

/* The SOCKS dissector puts nothing together, so it gets each message whole. */
static bool
learn_socks_message(learner_t *learner)
{
    stream_t *stream = learner->stream;
    const uint32_t length = socks_message_length(learner);
    const uint32_t left = octets_left(learner);

    if (length > left && !learner->last) {
        wait_for(learner, left < SOCKS_REQUEST_HEADER ? MAF_MISSING_UNKNOWN : length - left);
        return false;
    }
    if (learner->from == MAF_CLIENT && length > 0 && length <= left)
        stream->target_port = tvb_get_ntohs(learner->tvb, (int)(learner->offset + length) - 2);
    if (learner->from == MAF_CLIENT) {
        learner->segment->request_in = stream->request_in;
        prime_socks(stream, learner->tvb, learner->pinfo);
    }
    if (length == 0 || length > left)
        add_rest(learner, PIECE_SOCKS);
    else
        add_piece(learner, PIECE_SOCKS, length);
    stream->phase[learner->from] = PHASE_TUNNEL;
    if (in_phase(stream, PHASE_TUNNEL))
        pass_on(stream, learner->pinfo, next_handle(stream));
    return true;
}

/* The SOCKS dissector looks into the tunnel from the frame after the reply on: what comes sooner is for us.
 */
static bool
learn_tunnel(learner_t *learner)
{
    add_rest(learner, PIECE_TUNNEL);
    return true;
}

static bool
learn_opaque(learner_t *learner)
{
    add_rest(learner, PIECE_DATA);
    return true;
}

/* More of what is not MAF, in the frame in which that was seen. */
static bool
learn_left(learner_t *learner)
{
    if (!learner->stream->attached)
        add_rest(learner, PIECE_SOCKS);
    return false;
}

static const phase_fn phase_fns[] = {
    [PHASE_GREETING] = learn_greeting,   [PHASE_EARLY_LIST] = learn_early_list,
    [PHASE_UNSEEN] = learn_unseen,       [PHASE_SELECTION] = learn_selection,
    [PHASE_MAF] = learn_frame,           [PHASE_REQUEST] = learn_socks_message,
    [PHASE_REPLY] = learn_socks_message, [PHASE_TUNNEL] = learn_tunnel,
    [PHASE_OPAQUE] = learn_opaque,       [PHASE_LEFT] = learn_left,
};

/* Note what has been read; true if all of it had been read before. */
static bool
repeats(position_t *position, uint32_t seq, uint32_t length)
{
    const uint32_t next = seq + length;

    if (position->known && !position->has_gap && LE_SEQ(next, position->next))
        return true;
    if (position->known && GT_SEQ(seq, position->next))
        position->has_gap = true;
    if (!position->known || GT_SEQ(next, position->next))
        position->next = next;
    position->known = true;
    return false;
}

/* Octets that were sent and never came to us: before this segment, or acknowledged by it. */
static bool
misses_octets(const stream_t *stream, maf_side_t from, const struct tcpinfo *tcpinfo)
{
    const maf_side_t other = from == MAF_CLIENT ? MAF_SERVER : MAF_CLIENT;
    const position_t *mine = &stream->position[from];
    const position_t *theirs = &stream->position[other];

    if (mine->known && GT_SEQ(tcpinfo->seq, mine->next))
        return true;
    return theirs->known && !is_waiting(stream, other) && GT_SEQ(tcpinfo->lastackseq, theirs->next);
}

/* A greeting that came alone: TCP calls the SOCKS dissector for it without our help. */
static bool
is_mere_greeting(const stream_t *stream, const segment_t *segment)
{
    if (!stream->attached || stream->phase[MAF_SERVER] != PHASE_SELECTION || segment->desegment_len > 0)
        return false;
    return !segment->pieces || (segment->pieces->kind == PIECE_SOCKS && !segment->pieces->next);
}

/* Cut the segment into pieces, and take the session along. NULL if it is not for us. */
static segment_t *
learn_segment(stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, const struct tcpinfo *tcpinfo)
{
    segment_t *segment = wmem_new0(wmem_file_scope(), segment_t);
    const bool ends = tcpinfo && (tcpinfo->flags & TH_FIN);
    learner_t learner = {
        .tvb = tvb,
        .pinfo = pinfo,
        .stream = stream,
        .from = side_of(stream, pinfo),
        .ends = ends,
        .last = ends || !maf_prefs.desegment || !pinfo->can_desegment,
        .segment = segment,
        .end = &segment->pieces,
    };
    uint32_t *continues = &stream->continues[learner.from];

    if (tcpinfo && misses_octets(stream, learner.from, tcpinfo))
        lose_track(stream);
    if (tcpinfo && repeats(&stream->position[learner.from], tcpinfo->seq, tvb_reported_length(tvb))) {
        if (!in_phase(stream, PHASE_MAF))
            return NULL;
        add_rest(&learner, PIECE_DATA);
        return segment;
    }
    if (*continues > 0) {
        const uint32_t length = MIN(*continues, tvb_reported_length(tvb));

        *continues -= length;
        add_piece(&learner, PIECE_DATA, length);
    }
    while (octets_left(&learner) > 0 && phase_fns[stream->phase[learner.from]](&learner))
        ;

    if (tvb_captured_length(tvb) < tvb_reported_length(tvb))
        lose_track(stream);

    if (in_phase(stream, PHASE_LEFT) && stream->attached)
        return NULL;
    return is_mere_greeting(stream, segment) ? NULL : segment;
}

/* Showing a segment */

static void
tell(const stream_t *stream, packet_info *pinfo, maf_side_t from, uint32_t faults)
{
    const maf_tap_t record = {
        .session = stream->number, .stream = stream->tcp_stream, .from = from, .faults = faults};

    maf_tap_tell(pinfo, &record);
}

static void
tell_frame(const stream_t *stream, packet_info *pinfo, tvbuff_t *tvb, const maf_frame_t *frame,
           const maf_verdict_t *verdict)
{
    const maf_tap_t record = {
        .session = stream->number,
        .stream = stream->tcp_stream,
        .from = (maf_side_t)verdict->from,
        .faults = verdict->faults,
        .tvb = tvb,
        .frame = *frame,
        .verdict = verdict,
    };

    maf_tap_tell(pinfo, &record);
}

/* MAF frames in a row */
typedef struct {
    const stream_t *stream;
    const piece_t *first;
} frames_t;

static int
dissect_frames(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const frames_t *frames = (const frames_t *)data;
    const piece_t *piece = frames->first;
    int offset = 0;

    col_set_str(pinfo->cinfo, COL_PROTOCOL, "MAF");
    col_clear(pinfo->cinfo, COL_INFO);
    while (piece && tvb_reported_length_remaining(tvb, offset) > 0) {
        tvbuff_t *frame_tvb = tvb_new_subset_length(tvb, offset, (int)piece->length);
        maf_frame_t frame;

        maf_frame_parse(frame_tvb, 0, piece->verdict->revision, &maf_prefs.framing, &frame);
        maf_show_frame(frame_tvb, pinfo, tree, &frame, piece->verdict);
        if (maf_tap_wanted())
            tell_frame(frames->stream, pinfo, frame_tvb, &frame, piece->verdict);
        offset += (int)piece->length;
        piece = piece->next;
    }
    return tvb_captured_length(tvb);
}

/* Show tunnelled octets as the SOCKS dissector does: by the target's port, in the place of the proxy's. */
static void
show_tunnel(const stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    const dissector_handle_t handle = dissector_get_uint_handle(tcp_ports, stream->target_port);
    uint32_t *port = side_of(stream, pinfo) == MAF_CLIENT ? &pinfo->destport : &pinfo->srcport;
    const uint32_t proxy_port = *port;
    const uint16_t can_desegment = pinfo->can_desegment;

    *port = stream->target_port;
    pinfo->can_desegment = 0;
    if (!handle || handle == socks_handle || !maf_try_dissector(handle, tvb, pinfo, tree, NULL))
        call_data_dissector(tvb, pinfo, tree);
    pinfo->can_desegment = can_desegment;
    *port = proxy_port;
}

/*
 * Call the SOCKS dissector as TCP or TLS would. What we are called by in TLS is a handle of SOCKS, so there
 * is such a layer already.
 */
static int
call_socks(const stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const uint16_t can_desegment = pinfo->can_desegment;
    int shown;

    if (!stream->tls_port)
        return maf_try_dissector(socks_handle, tvb, pinfo, tree, data) ? (int)tvb_captured_length(tvb) : 0;
    pinfo->can_desegment = pinfo->saved_can_desegment;
    shown = dissector_try_uint_with_data(tls_ports, stream->tls_port, tvb, pinfo, tree, FALSE, data);
    pinfo->can_desegment = can_desegment;
    return shown;
}

/* Show one piece, or as many as there are MAF frames in a row; returns the first that is not shown yet. */
static piece_t *
show_pieces(const stream_t *stream, piece_t *piece, tvbuff_t *tvb, int *offset, packet_info *pinfo,
            proto_tree *tree, void *data)
{
    piece_t *next = piece->next;
    int length = (int)piece->length;
    frames_t frames = {stream, piece};
    tvbuff_t *piece_tvb;

    while (piece->kind == PIECE_FRAME && next && next->kind == PIECE_FRAME) {
        length += (int)next->length;
        next = next->next;
    }
    piece_tvb = tvb_new_subset_length(tvb, *offset, length);

    if (*offset > 0) {
        col_append_str(pinfo->cinfo, COL_INFO, ", ");
        col_set_fence(pinfo->cinfo, COL_INFO);
    }
    switch ((piece_kind_t)piece->kind) {
    case PIECE_SOCKS:
        call_socks(stream, piece_tvb, pinfo, tree, data);
        break;
    case PIECE_FRAME:
        if (stream->attached)
            call_dissector_with_data(frames_handle, piece_tvb, pinfo, tree, &frames);
        else
            dissect_frames(piece_tvb, pinfo, tree, &frames);
        break;
    case PIECE_UNDECODED:
        maf_show_undecoded(piece_tvb, pinfo, tree);
        break;
    case PIECE_TUNNEL:
        show_tunnel(stream, piece_tvb, pinfo, tree);
        break;
    case PIECE_DATA:
        call_data_dissector(piece_tvb, pinfo, tree);
        break;
    }
    *offset += length;
    return next;
}

/* A frame can hold several segments, even of several streams: where they begin tells them apart. */
static uint32_t
segment_key(const stream_t *stream, uint32_t begin)
{
    return begin ^ stream->number * 0x9E3779B1U;
}

static int
dissect_segment(stream_t *stream, uint32_t key, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree,
                const struct tcpinfo *tcpinfo, void *data)
{
    segment_t *segment = (segment_t *)p_get_proto_data(wmem_file_scope(), pinfo, proto_maf, key);
    int offset = 0;

    if (!segment && !pinfo->fd->visited) {
        segment = learn_segment(stream, tvb, pinfo, tcpinfo);
        if (segment)
            p_add_proto_data(wmem_file_scope(), pinfo, proto_maf, key, segment);
    }
    if (!segment)
        return 0;

    if (segment->request_in) {
        maf_show_early_request(tvb, pinfo, tree, (maf_state_t)segment->request_in);
        tell(stream, pinfo, MAF_CLIENT,
             segment->request_in == MAF_STATE_FAILED ? MAF_FAULT_AFTER_END : MAF_FAULT_SEQUENCE);
    }
    for (piece_t *piece = segment->pieces; piece;)
        piece = show_pieces(stream, piece, tvb, &offset, pinfo, tree, data);
    pinfo->desegment_offset = segment->desegment_offset;
    pinfo->desegment_len = segment->desegment_len;
    return tvb_captured_length(tvb);
}

/* The way in */

static int
dissect_tcp_segment(stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const struct tcpinfo *tcpinfo = (const struct tcpinfo *)data;
    const uint32_t begin = tcpinfo ? tcpinfo->seq : (uint32_t)tvb_raw_offset(tvb);

    return dissect_segment(stream, segment_key(stream, begin), tvb, pinfo, tree, tcpinfo, data);
}

static int
dissect_attached(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    stream_t *stream = find_stream(pinfo);

    if (!stream)
        return 0;
    return dissect_tcp_segment(stream, tvb, pinfo, tree, data);
}

/* A whole greeting, and nothing else? */
static bool
is_greeting(tvbuff_t *tvb)
{
    const uint32_t length = tvb_reported_length(tvb);

    return length > SOCKS_GREETING_HEADER && tvb_captured_length(tvb) == length &&
           tvb_get_uint8(tvb, 0) == SOCKS_VERSION && tvb_get_uint8(tvb, 1) == length - SOCKS_GREETING_HEADER;
}

/* A stream that was given to MAF by Decode As: from its greeting on if that is what comes first. */
static stream_t *
stream_of_decode_as(conversation_t *conversation, tvbuff_t *tvb, packet_info *pinfo)
{
    const uint8_t first = tvb_get_uint8(tvb, 0);
    const bool from_greeting = is_greeting(tvb);
    stream_t *stream = stream_new(conversation, pinfo, false, !from_greeting);
    bool client_sends;

    if (from_greeting) {
        client_sends = true;
    } else {
        stream->phase[MAF_CLIENT] = stream->phase[MAF_SERVER] = PHASE_MAF;
        if (first == MAF_INSTR_SUPPORTED || first == MAF_INSTR_WHAT_NEXT)
            client_sends = true;
        else if (first == MAF_INSTR_PROCESS || first == MAF_INSTR_ACKNOWLEDGE)
            client_sends = pinfo->destport == pinfo->match_uint;
        else
            client_sends = false;
    }
    if (client_sends)
        set_client(stream, &pinfo->src, pinfo->srcport);
    else
        set_client(stream, &pinfo->dst, pinfo->destport);
    return stream;
}

/*
 * TCP also asks for the ports' dissectors inside the tunnel, on behalf of SOCKS; that is not our stream. Not
 * every layer above TCP need be ours if the segment has several PDUs, but the first is. A file of exported
 * PDUs has frames without TCP.
 */
static bool
is_stream_of_its_own(const packet_info *pinfo)
{
    const wmem_list_frame_t *layer = wmem_list_tail(pinfo->layers);
    int proto, above = -1;

    for (; layer; layer = wmem_list_frame_prev(layer)) {
        proto = GPOINTER_TO_INT(wmem_list_frame_data(layer));
        if (proto == proto_tcp || proto == proto_exported_pdu)
            return above == proto_maf;
        above = proto;
    }
    return false;
}

static int
dissect_decode_as(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    conversation_t *conversation;
    stream_t *stream;

    if (!is_stream_of_its_own(pinfo))
        return 0;
    conversation = find_or_create_conversation(pinfo);
    stream = (stream_t *)conversation_get_proto_data(conversation, proto_maf);
    if (!stream)
        stream = stream_of_decode_as(conversation, tvb, pinfo);
    return dissect_tcp_segment(stream, tvb, pinfo, tree, data);
}

/* A port that nobody knows: a greeting that offers MAF is taken for what it looks like, as by Decode As. */
static maf_bool_t
dissect_heuristic(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    if (!is_greeting(tvb) || !offers_maf(tvb, 0) || !is_stream_of_its_own(pinfo))
        return FALSE;
    if (!pinfo->fd->visited)
        conversation_set_dissector_from_frame_number(find_or_create_conversation(pinfo), pinfo->num,
                                                     decode_as_handle);
    return dissect_decode_as(tvb, pinfo, tree, data) > 0;
}

/*
 * One or more records that TLS has decrypted. Not every version of Wireshark tells where in the stream they
 * are, but they stay at one address for as long as the capture is open. Only on the first pass may octets
 * that wanted more have been there before them.
 */
static int
dissect_records(stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const uint64_t address = (uintptr_t)tvb_get_ptr(tvb, 0, -1);
    const uint32_t key = segment_key(stream, (uint32_t)(address ^ address >> 32));

    if (!pinfo->fd->visited)
        p_remove_proto_data(wmem_file_scope(), pinfo, proto_maf, key);
    return dissect_segment(stream, key, tvb, pinfo, tree, NULL, data);
}

static int
dissect_in_tls(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    stream_t *stream = find_stream(pinfo);
    int shown = 0;

    if (!stream || !stream->tls_port)
        return 0;
    if (!stream->tls_last || pinfo->num <= stream->tls_last)
        shown = dissect_records(stream, tvb, pinfo, tree, data);
    else if (stream->tls_next)
        shown = call_dissector_only(stream->tls_next, tvb, pinfo, tree, data);
    return shown > 0 ? shown : call_socks(stream, tvb, pinfo, tree, data);
}

/* The port for whose sake TCP would call the SOCKS dissector: it asks the server's first, and those set by
 * the user. */
static uint32_t
find_socks_port(packet_info *pinfo, uint32_t server_port)
{
    const uint32_t ports[] = {
        server_port,
        MIN(pinfo->srcport, pinfo->destport),
        MAX(pinfo->srcport, pinfo->destport),
    };

    for (int by_user = 1; by_user >= 0; by_user--) {
        for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
            dissector_handle_t handle = ports[i] ? dissector_get_uint_handle(tcp_ports, ports[i]) : NULL;

            if (handle && (!by_user || dissector_is_uint_changed(tcp_ports, ports[i])))
                return handle == socks_handle ? ports[i] : 0;
        }
    }
    return 0;
}

/* Has the SOCKS dissector begun without us? */
static bool
is_late(conversation_t *conversation)
{
    return conversation_get_proto_data(conversation, proto_socks) != NULL;
}

static stream_t *
new_attached(conversation_t *conversation, packet_info *pinfo, uint32_t port)
{
    const bool late = is_late(conversation);
    stream_t *stream = stream_new(conversation, pinfo, true, late);

    if (late)
        stream->phase[MAF_CLIENT] = PHASE_UNSEEN;
    if (pinfo->srcport == port)
        set_client(stream, &pinfo->dst, pinfo->destport);
    else
        set_client(stream, &pinfo->src, pinfo->srcport);
    return stream;
}

static void
attach(conversation_t *conversation, packet_info *pinfo)
{
    const uint32_t port = find_socks_port(pinfo, get_tcp_conversation_data(conversation, pinfo)->server_port);

    if (!port || !proto_is_protocol_enabled(find_protocol_by_id(proto_socks)))
        return;
    if (!is_late(conversation) && conversation_get_dissector(conversation, pinfo->num))
        return; /* somebody else knows whose this is */
    pass_on(new_attached(conversation, pinfo, port), pinfo, stream_handle);
}

/* The port for whose sake TLS would call the SOCKS dissector; 0 if it would not. */
static uint32_t
find_socks_port_of_tls(const packet_info *pinfo)
{
    const uint32_t ports[] = {pinfo->srcport, pinfo->destport};

    for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
        dissector_handle_t handle = dissector_get_uint_handle(tls_ports, ports[i]);

        if (handle)
            return dissector_handle_get_protocol_index(handle) == proto_socks ? ports[i] : 0;
    }
    return 0;
}

/* In time for the first that TLS decrypts: TLS itself has been seen, which is its handshake. */
static void
attach_in_tls(conversation_t *conversation, packet_info *pinfo, uint32_t port)
{
    new_attached(conversation, pinfo, port)->tls_port = port;
    if (!in_tls_handle) /* looks like the one that it takes the place of */
        in_tls_handle = create_dissector_handle_with_name(
            dissect_in_tls, proto_socks,
            dissector_handle_get_dissector_name(dissector_get_uint_handle(tls_ports, port)));
    tls_set_appdata_dissector(tls_handle, pinfo, in_tls_handle);
}

/* What TCP knows of this frame, or NULL: nobody is asked when only a packet's details are drawn again. */
static bool
closes_connection(uint16_t *flags)
{
    const struct tcpheader *header = (const struct tcpheader *)fetch_tapped_data(tcp_tap, 0);

    *flags = header ? header->th_flags & (TH_FIN | TH_RST) : 0;
    return *flags != 0;
}

/* FIN ends what its sender says, RST ends both sides. */
static void
note_close(stream_t *stream, const packet_info *pinfo, uint16_t flags)
{
    for (int side = MAF_CLIENT; side <= MAF_SERVER; side++) {
        const partial_t *partial = find_partial(stream, (maf_side_t)side, pinfo->num);

        if (partial && !stream->ended[side] &&
            ((flags & TH_RST) || side_of(stream, pinfo) == (maf_side_t)side)) {
            stream->unfinished[side] = partial;
            stream->ended[side] = pinfo->num;
            cut_streams++;
        }
    }
}

/* Both are the last frame of a connection, which TCP has no reason to give us: it has no data. */
static void
watch_for_close(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    uint16_t flags;
    const bool closes = closes_connection(&flags);
    stream_t *stream;

    if (!closes && cut_streams == 0)
        return;
    stream = find_stream(pinfo);
    if (!stream)
        return;
    if (closes)
        note_close(stream, pinfo, flags);
    for (int side = MAF_CLIENT; side <= MAF_SERVER; side++) {
        const partial_t *partial = stream->unfinished[side];

        if (stream->ended[side] != pinfo->num)
            continue;
        maf_show_cut(tvb, pinfo, tree, (maf_side_t)side, (unsigned)MAX(partial->revision, 0), partial->began);
        tell(stream, pinfo, (maf_side_t)side, MAF_FAULT_TRUNCATED);
    }
}

static void
watch_for_socks(packet_info *pinfo)
{
    const bool in_tcp = dissector_get_uint_handle(tcp_ports, pinfo->srcport) == socks_handle ||
                        dissector_get_uint_handle(tcp_ports, pinfo->destport) == socks_handle;
    const uint32_t tls_port = !in_tcp && tls_has_socks ? find_socks_port_of_tls(pinfo) : 0;
    conversation_t *conversation;

    if (!in_tcp && !tls_port)
        return;
    conversation = find_conversation_pinfo(pinfo, 0);
    if (!conversation || conversation_get_proto_data(conversation, proto_maf))
        return;
    if (in_tcp)
        attach(conversation, pinfo);
    else if (conversation_get_proto_data(conversation, proto_tls))
        attach_in_tls(conversation, pinfo, tls_port);
}

/*
 * The post-dissector: sees every frame of every capture, so it has to know quickly that it is not concerned.
 * TCP counts its streams: whose one is can be told by its first frame; only TLS has to be seen first.
 */
static int
watch(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data _U_)
{
    const bool may_attach = tcp_streams != get_tcp_stream_count() || tls_has_socks;

    if (!may_attach && stream_count == 0)
        return 0;
    if (pinfo->ptype != PT_TCP || pinfo->flags.in_error_pkt)
        return 0;
    tcp_streams = get_tcp_stream_count();
    if (may_attach && !pinfo->fd->visited)
        watch_for_socks(pinfo);
    if (stream_count > 0)
        watch_for_close(tvb, pinfo, tree);
    return 0;
}

static void
look_for_socks(const char *table _U_, ftenum_t type _U_, void *port _U_, void *entry, void *found)
{
    dissector_handle_t handle = dtbl_entry_get_handle((dtbl_entry_t *)entry);

    if (handle && dissector_handle_get_protocol_index(handle) == proto_socks)
        *(bool *)found = true;
}

/* A capture is about to be read, or read again after a change of Decode As. */
static void
begin_capture(void)
{
    stream_count = 0;
    cut_streams = 0;
    tcp_streams = 0;
    tls_has_socks = false;
    dissector_table_foreach("tls.port", look_for_socks, &tls_has_socks);
}

/* Analyze, Conversation Filter */

static maf_bool_t
is_in_session(packet_info *pinfo MAF_FILTER_USER_DATA)
{
    return pinfo->ptype == PT_TCP && find_stream(pinfo) != NULL;
}

static char *
session_filter(packet_info *pinfo MAF_FILTER_USER_DATA)
{
    return g_strdup_printf("maf && tcp.stream eq %u", find_stream(pinfo)->tcp_stream);
}

void
maf_handoff_register(int proto)
{
    proto_maf = proto;
    proto_watch = proto_register_protocol_in_name_only("MAF watch for SOCKS", "MAF watch", "maf.watch", proto,
                                                       FT_PROTOCOL); /* spares each frame a layer */
    decode_as_handle = register_dissector("maf", dissect_decode_as, proto);
    frames_handle = create_dissector_handle(dissect_frames, proto);
    stream_handle = create_dissector_handle(dissect_attached, -1); /* no name of ours in frame.protocols */
    register_init_routine(begin_capture);
    register_conversation_filter("maf", "MAF session", is_in_session, session_filter MAF_NO_FILTER_USER_DATA);
}

void
maf_handoff_connect(void)
{
    tcp_ports = find_dissector_table("tcp.port");
    tls_ports = find_dissector_table("tls.port");
    tls_handle = find_dissector("tls");
    proto_tls = proto_get_id_by_filter_name("tls");
    proto_tcp = proto_get_id_by_filter_name("tcp");
    proto_exported_pdu = proto_get_id_by_filter_name("exported_pdu");
    data_handle = find_dissector("data");
    socks_handle = find_dissector("socks_tcp"); /* has a name since Wireshark 4.4 */
    if (!socks_handle)
        socks_handle = dissector_get_uint_handle(tcp_ports, SOCKS_TCP_PORT);
    dissector_add_for_decode_as("tcp.port", decode_as_handle);

    if (socks_handle) {
        proto_socks = dissector_handle_get_protocol_index(socks_handle);
        heur_dissector_add("tcp", dissect_heuristic, "MAF in SOCKS over TCP", "maf_socks_tcp", proto_maf,
                           HEURISTIC_DISABLE);
        register_postdissector(create_dissector_handle(watch, proto_watch));
    }
}
