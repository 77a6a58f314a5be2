/* maf-segment.c
 * What the octets of a segment are, and whose
 *
 * Learnt once, on the first pass, and stored: showing the segment only looks it up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-segment.h"

#include <epan/to_str.h>

#include "maf-protocol.h"
#include "socks/maf-socks.h"
#include "maf-prefs.h"

/* A segment being learnt. */
typedef struct {
    tvbuff_t *tvb;
    packet_info *pinfo;
    maf_stream_t *stream;
    maf_side_t from;
    uint32_t offset; /* of what is not learnt yet */
    bool ends;       /* nothing follows this segment */
    bool last;       /* nothing follows, or nobody would put it together */
    maf_segment_t *segment;
    maf_piece_t **end;
} learner_t;

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

static maf_piece_t *
add_piece(learner_t *learner, maf_piece_kind_t kind, uint32_t length)
{
    maf_piece_t *piece = wmem_new0(wmem_file_scope(), maf_piece_t);

    piece->kind = (uint8_t)kind;
    piece->length = length;
    *learner->end = piece;
    learner->end = &piece->next;
    learner->offset += length;
    return piece;
}

static void
add_rest(learner_t *learner, maf_piece_kind_t kind)
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

/* Not MAF: from now on, as if we had never been there. False, for whoever has nothing more to do then. */
static bool
leave(learner_t *learner)
{
    maf_stream_t *stream = learner->stream;

    stream->phase[MAF_CLIENT] = stream->phase[MAF_SERVER] = PHASE_LEFT;
    if (!stream->attached)
        add_rest(learner, PIECE_SOCKS);
    maf_stream_pass_on(stream, learner->pinfo, maf_socks_next(stream));
    return false;
}

static bool
is_maf_method(uint8_t method)
{
    return value_is_in_range(maf_prefs.socks_methods, method);
}

bool
maf_is_greeting(tvbuff_t *tvb)
{
    const uint32_t length = tvb_reported_length(tvb);

    return length > SOCKS_GREETING_HEADER && tvb_captured_length(tvb) == length &&
           tvb_get_uint8(tvb, 0) == SOCKS_VERSION && tvb_get_uint8(tvb, 1) == length - SOCKS_GREETING_HEADER;
}

bool
maf_greeting_offers_maf(tvbuff_t *tvb, uint32_t offset)
{
    const uint8_t nmethods = tvb_get_uint8(tvb, (int)offset + 1);

    for (uint32_t i = 0; i < nmethods; i++) {
        if (is_maf_method(tvb_get_uint8(tvb, (int)(offset + SOCKS_GREETING_HEADER + i))))
            return true;
    }
    return false;
}

/* Are that many octets left? If not, a segment more is waited for; if none can come, this is not MAF. */
static bool
has_octets(learner_t *learner, uint32_t needed)
{
    if (octets_left(learner) >= needed)
        return true;
    if (learner->last)
        return leave(learner);
    wait_for(learner, MAF_MISSING_UNKNOWN);
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
    if (!maf_greeting_offers_maf(learner->tvb, learner->offset))
        return leave(learner);

    add_piece(learner, PIECE_SOCKS, length);
    learner->stream->phase[MAF_CLIENT] = PHASE_EARLY_LIST;
    return true;
}

static bool
learn_early_list(learner_t *learner)
{
    if (octet_at(learner, 0) != MAF_INSTR_SUPPORTED && octet_at(learner, 0) != MAF_INSTR_OEM)
        return leave(learner);
    learner->stream->phase[MAF_CLIENT] = PHASE_MAF;
    return true;
}

static bool
learn_unseen(learner_t *learner)
{
    maf_stream_lose_track(learner->stream);
    return false;
}

static bool
looks_like_id(const maf_message_t *message)
{
    if (message->id_offset == 0)
        return true; /* not there yet, or there is none in such a frame */
    switch (message->instr) {
    case MAF_INSTR_SUCCESS:
        return maf_id_is(&message->id, MAF_METHOD_SUCCESS);
    case MAF_INSTR_FAILURE:
        return maf_id_is(&message->id, MAF_METHOD_FAILURE);
    default:
        return message->id.length > 0;
    }
}

/* After a frame whose end could not be told, and after a gap, only what looks like a frame is taken for one.
 */
static bool
looks_like_message(const maf_message_t *message, maf_side_t from)
{
    const uint16_t highest = message->instr == MAF_INSTR_REQUEST_MORE ? MAF_FLAGS_ABSOLUTE : MAF_FLAGS_NONE;

    return maf_may_send(from, message->instr) && message->ver <= MAF_VER_01 && message->flags <= highest &&
           message->layout != MAF_LAYOUT_UNKNOWN && message->end != MAF_MESSAGE_BAD_COUNT &&
           message->end != MAF_MESSAGE_BAD_LENGTH && looks_like_id(message);
}

/* In the middle of a connection, two octets that look like a selection are one if nothing follows, or MAF. */
static bool
is_late_selection(const learner_t *learner)
{
    maf_message_t message;

    if (octets_left(learner) < SOCKS_SELECTION_LEN + MAF_HEADER_LEN)
        return octets_left(learner) == SOCKS_SELECTION_LEN;
    maf_message_parse(learner->tvb, learner->offset + SOCKS_SELECTION_LEN,
                      octet_at(learner, SOCKS_SELECTION_LEN + 1) == MAF_VER_01, &maf_prefs.framing, &message);
    return message.end == MAF_MESSAGE_WHOLE && looks_like_message(&message, MAF_SERVER);
}

static bool
learn_selection(learner_t *learner)
{
    maf_stream_t *stream = learner->stream;

    if (octet_at(learner, 0) != SOCKS_VERSION || (stream->late && !is_late_selection(learner)))
        return leave(learner);
    if (!has_octets(learner, SOCKS_SELECTION_LEN))
        return false;
    if (!is_maf_method(octet_at(learner, 1)))
        return leave(learner);

    add_piece(learner, PIECE_SOCKS, SOCKS_SELECTION_LEN);
    maf_stream_begin_login(stream, learner->pinfo);
    stream->phase[MAF_CLIENT] = stream->phase[MAF_SERVER] = PHASE_MAF;
    return true;
}

/*
 * Length of a request or reply (RFC 1928, sections 4 and 6), or of as much as must be there to tell it; 0 if
 * the kind of address is not known.
 */
static uint32_t
socks_message_length(const learner_t *learner)
{
    if (octets_left(learner) <= SOCKS_ATYP_OFFSET)
        return SOCKS_REQUEST_HEADER;
    switch (octet_at(learner, SOCKS_ATYP_OFFSET)) {
    case SOCKS_ATYP_IPV4:
        return 4 + 4 + 2;
    case SOCKS_ATYP_DOMAIN:
        return octets_left(learner) < SOCKS_REQUEST_HEADER ? SOCKS_REQUEST_HEADER
                                                           : 4 + 1 + octet_at(learner, 4) + 2;
    case SOCKS_ATYP_IPV6:
        return 4 + 16 + 2;
    default:
        return 0;
    }
}

/*
 * X'05' begins a process frame as well as a SOCKS message. Once the session has succeeded it is SOCKS (spec:
 * States). Before that, and after a stray frame, a server replies only to a request, and a request is known
 * by what would be VER and FLAGS: no command is 0, and no kind of address. CONNECT looks like VER 01, but
 * hardly makes a whole process frame of that revision.
 */
static bool
begins_socks(const learner_t *learner)
{
    const maf_stream_t *stream = learner->stream;
    const bool may_be = maf_session_request(stream->session) == MAF_STATE_UNKNOWN;
    maf_message_t message;
    uint8_t command;

    if (octet_at(learner, 0) != SOCKS_VERSION)
        return false;
    if (maf_session_has_succeeded(stream->session))
        return true;
    if (octets_left(learner) <= SOCKS_ATYP_OFFSET || octet_at(learner, 2) != 0 ||
        socks_message_length(learner) == 0)
        return false;
    if (learner->from == MAF_SERVER)
        return may_be || stream->phase[MAF_CLIENT] != PHASE_MAF;
    command = octet_at(learner, 1);
    if (command < SOCKS_CONNECT || command > SOCKS_UDP_ASSOCIATE)
        return false;
    if (may_be || command != maf_session_revision(stream->session, MAF_INSTR_PROCESS, command))
        return true;
    maf_message_parse(learner->tvb, learner->offset, command, &maf_prefs.framing, &message);
    return message.end != MAF_MESSAGE_WHOLE;
}

static void
hand_back(learner_t *learner)
{
    maf_stream_t *stream = learner->stream;

    if (maf_prefs.dissect_socks) {
        if (learner->from == MAF_CLIENT)
            stream->request_in = maf_session_request(stream->session);
        stream->phase[learner->from] = learner->from == MAF_CLIENT ? PHASE_REQUEST : PHASE_REPLY;
    } else {
        stream->phase[MAF_CLIENT] = stream->phase[MAF_SERVER] = PHASE_OPAQUE;
        maf_stream_pass_on(stream, learner->pinfo, find_dissector("data"));
    }
}

static bool
learn_message(learner_t *learner)
{
    maf_stream_t *stream = learner->stream;
    maf_partial_t *partial = stream->partial[learner->from];
    const bool goes_on = maf_stream_is_waiting(stream, learner->from);
    maf_message_t message;
    maf_verdict_t *verdict;
    uint32_t missing;
    int revision;

    maf_stream_begin_session(stream);
    maf_stream_begin_login(stream, learner->pinfo);
    if ((!goes_on || partial->revision < 0) && begins_socks(learner)) {
        if (goes_on)
            maf_stream_end_partial(partial, learner->pinfo->num, false);
        maf_login_waits_no_more(stream->login, learner->from);
        hand_back(learner);
        return true;
    }

    revision = goes_on && partial->revision >= 0
                   ? partial->revision
                   : maf_session_revision(stream->session, octet_at(learner, 0),
                                          octets_left(learner) > 1 ? octet_at(learner, 1) : 0);
    missing = maf_message_parse(learner->tvb, learner->offset, revision, &maf_prefs.framing, &message);
    if (stream->lost[learner->from] && !looks_like_message(&message, learner->from)) {
        if (goes_on)
            maf_stream_end_partial(partial, learner->pinfo->num, true);
        maf_login_waits_no_more(stream->login, learner->from);
        maf_stream_lose_track(stream);
        add_rest(learner, PIECE_UNDECODED);
        return true;
    }
    if (missing && !learner->last) {
        if (!goes_on)
            partial = maf_stream_begin_partial(stream, learner->from, learner->pinfo->num);
        partial->revision = message.understood ? revision : -1;
        partial->awaited = missing == MAF_MISSING_UNKNOWN ? 0 : missing;
        maf_login_waits(stream->login, learner->from, partial->began, &learner->pinfo->abs_ts, &message,
                        octets_left(learner), missing);
        wait_for(learner, missing);
        return false;
    }
    if (goes_on)
        maf_stream_end_partial(partial, learner->pinfo->num, false);
    if (missing && !learner->ends)
        message.end = MAF_MESSAGE_UNASSEMBLED;
    stream->continues[learner->from] = message.beyond;
    stream->lost[learner->from] = message.end == MAF_MESSAGE_BAD_INSTR ||
                                  message.end == MAF_MESSAGE_BAD_COUNT ||
                                  message.end == MAF_MESSAGE_BAD_LENGTH;
    maf_login_waits_no_more(stream->login, learner->from);
    verdict = maf_session_message(stream->session, &message, learner->from, learner->pinfo->num,
                                  &learner->pinfo->abs_ts);
    maf_login_message(
        stream->login, &message, verdict, learner->pinfo->num, &learner->pinfo->abs_ts,
        message.end == MAF_MESSAGE_WHOLE && message.len > 0
            ? tvb_get_ptr(learner->tvb, (int)(learner->offset + message.data_offset), (int)message.len)
            : NULL);
    add_piece(learner, PIECE_MESSAGE, message.length)->verdict = verdict;
    return true;
}

/* The target of a request, or the reply to it, is part of the record of the login (RFC 1928, sections 4 and
 * 6). */
static void
record_socks_message(const learner_t *learner, uint32_t length)
{
    const uint32_t at = learner->offset + SOCKS_ATYP_OFFSET + 1;
    maf_login_t *login = learner->stream->login;
    char *host;

    if (learner->from == MAF_SERVER) {
        maf_login_reply(login, octet_at(learner, 1));
        return;
    }
    switch (octet_at(learner, SOCKS_ATYP_OFFSET)) {
    case SOCKS_ATYP_IPV4:
        host = tvb_ip_to_str(learner->pinfo->pool, learner->tvb, (int)at);
        break;
    case SOCKS_ATYP_IPV6:
        host = tvb_ip6_to_str(learner->pinfo->pool, learner->tvb, (int)at);
        break;
    default:
        host = (char *)tvb_get_string_enc(learner->pinfo->pool, learner->tvb, (int)at + 1,
                                          tvb_get_uint8(learner->tvb, (int)at), ENC_UTF_8);
        break;
    }
    maf_login_target(login, host, tvb_get_ntohs(learner->tvb, (int)(learner->offset + length) - 2));
}

/* The SOCKS dissector puts nothing together, so it gets each message whole. */
static bool
learn_socks_message(learner_t *learner)
{
    maf_stream_t *stream = learner->stream;
    const uint32_t length = socks_message_length(learner);
    const uint32_t left = octets_left(learner);

    if (length > left && !learner->last) {
        wait_for(learner, left < SOCKS_REQUEST_HEADER ? MAF_MISSING_UNKNOWN : length - left);
        return false;
    }
    if (length > 0 && length <= left)
        record_socks_message(learner, length);
    if (learner->from == MAF_CLIENT && length > 0 && length <= left)
        stream->target_port = tvb_get_ntohs(learner->tvb, (int)(learner->offset + length) - 2);
    if (learner->from == MAF_CLIENT) {
        learner->segment->request_in = stream->request_in;
        maf_socks_prime(stream, learner->tvb, learner->pinfo);
    }
    if (length == 0 || length > left)
        add_rest(learner, PIECE_SOCKS);
    else
        add_piece(learner, PIECE_SOCKS, length);
    stream->phase[learner->from] = PHASE_TUNNEL;
    if (maf_stream_in_phase(stream, PHASE_TUNNEL))
        maf_stream_pass_on(stream, learner->pinfo, maf_socks_next(stream));
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
    [PHASE_MAF] = learn_message,         [PHASE_REQUEST] = learn_socks_message,
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

/* Octets of this side are missing just before this segment, and TCP gives up what it was putting together. */
static void
note_gap(maf_stream_t *stream, maf_side_t from, uint32_t number)
{
    stream->lost[from] = true;
    if (maf_stream_is_waiting(stream, from)) {
        maf_stream_end_partial(stream->partial[from], number, true);
        if (stream->login)
            maf_login_waits_no_more(stream->login, from);
    }
}

/*
 * Octets that were sent and never came to us: before this segment, or acknowledged by it. Of a side that has
 * not been seen at all, only the client's greeting can be before what the server says first.
 */
static bool
misses_octets(maf_stream_t *stream, maf_side_t from, const struct tcpinfo *tcpinfo, uint32_t number)
{
    const maf_side_t other = from == MAF_CLIENT ? MAF_SERVER : MAF_CLIENT;
    const position_t *mine = &stream->position[from];
    position_t *theirs = &stream->position[other];
    bool missed = false;

    if (!theirs->known) {
        theirs->known = true;
        theirs->next = tcpinfo->lastackseq;
        missed = from == MAF_SERVER;
    }
    if (mine->known && GT_SEQ(tcpinfo->seq, mine->next)) {
        note_gap(stream, from, number);
        missed = true;
    }
    return missed || maf_stream_lacks(stream, other, tcpinfo->lastackseq);
}

/* Has the other side acknowledged octets that come only now? What it said since may have been the answer. */
static bool
comes_late(maf_stream_t *stream, maf_side_t from, const struct tcpinfo *tcpinfo, uint32_t length)
{
    const position_t *mine = &stream->position[from];
    position_t *theirs = &stream->position[from == MAF_CLIENT ? MAF_SERVER : MAF_CLIENT];
    const uint32_t end = tcpinfo->seq + length;

    if (!theirs->is_acked || GT_SEQ(tcpinfo->lastackseq, theirs->acked))
        theirs->acked = tcpinfo->lastackseq;
    theirs->is_acked = true;
    return mine->is_acked && GE_SEQ(mine->acked, end) && (!mine->known || GT_SEQ(end, mine->next));
}

/* A greeting that came alone: TCP calls the SOCKS dissector for it without our help. */
static bool
is_mere_greeting(const maf_stream_t *stream, const maf_segment_t *segment)
{
    if (!stream->attached || stream->phase[MAF_SERVER] != PHASE_SELECTION || segment->desegment_len > 0)
        return false;
    return !segment->pieces || (segment->pieces->kind == PIECE_SOCKS && !segment->pieces->next);
}

maf_segment_t *
maf_segment_learn(maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, const struct tcpinfo *tcpinfo)
{
    maf_segment_t *segment = wmem_new0(wmem_file_scope(), maf_segment_t);
    const bool ends = tcpinfo && (tcpinfo->flags & TH_FIN);
    learner_t learner = {
        .tvb = tvb,
        .pinfo = pinfo,
        .stream = stream,
        .from = maf_stream_side(stream, pinfo),
        .ends = ends,
        .last = ends || !maf_prefs.desegment || !pinfo->can_desegment,
        .segment = segment,
        .end = &segment->pieces,
    };
    uint32_t *continues = &stream->continues[learner.from];
    const bool late = tcpinfo && comes_late(stream, learner.from, tcpinfo, tvb_reported_length(tvb));

    if (tcpinfo && (misses_octets(stream, learner.from, tcpinfo, pinfo->num) || late))
        maf_stream_lose_track(stream);
    if (tcpinfo && repeats(&stream->position[learner.from], tcpinfo->seq, tvb_reported_length(tvb))) {
        if (!maf_stream_in_phase(stream, PHASE_MAF))
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

    if (late || tvb_captured_length(tvb) < tvb_reported_length(tvb))
        maf_stream_lose_track(stream);

    if (maf_stream_in_phase(stream, PHASE_LEFT) && stream->attached)
        return NULL;
    return is_mere_greeting(stream, segment) ? NULL : segment;
}
