/* maf-reader.c
 * Bytes in sequence, taken apart into pieces: SOCKS, MAF messages, tunnel
 *
 * tcp_dissect_pdus() cannot serve here: it does not stop where MAF ends and SOCKS goes on, and adds a field
 * of its own to ordinary traffic.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-reader.h"

#include <epan/charsets.h>
#include <epan/to_str.h>

#include "maf-prefs.h"
#include "maf-protocol.h"

/* How many messages in a row after a gap are no coincidence. */
#define GUESSES_BELIEVED 4

static uint32_t
bytes_left(const maf_reader_t *reader)
{
    return reader->bytes.captured - MIN(reader->offset, reader->bytes.captured);
}

/* How many were sent, captured or not */
static uint32_t
sent_left(const maf_reader_t *reader)
{
    return reader->bytes.sent - reader->offset;
}

static uint8_t
byte_at(const maf_reader_t *reader, uint32_t offset)
{
    return reader->bytes.at[reader->offset + offset];
}

static uint16_t
number_at(const maf_reader_t *reader, uint32_t offset)
{
    return (uint16_t)(byte_at(reader, offset) << 8 | byte_at(reader, offset + 1));
}

static maf_bytes_t
rest(const maf_reader_t *reader)
{
    return maf_bytes_after(reader->bytes, reader->offset);
}

/* Sequence number after as many bytes from `offset` on */
static uint32_t
end_seq(const maf_reader_t *reader, uint32_t length)
{
    return reader->seq + (reader->offset + length - reader->carried);
}

static maf_side_of_t *
side_of(const maf_reader_t *reader)
{
    return &reader->stream->sides[reader->from];
}

/* At most one piece of a segment begins with bytes that were carried and is shown with them. */
static void
add_piece(maf_reader_t *reader, maf_piece_kind_t kind, uint32_t length, maf_verdict_t *verdict)
{
    const uint32_t carried = reader->carried > reader->offset ? reader->carried - reader->offset : 0;
    const maf_piece_t piece = {verdict, length - MIN(carried, length), (uint8_t)kind};
    const unsigned number = maf_segment_add_piece(reader->segment, piece);

    if (carried > 0 && kind != MAF_PIECE_DATA) {
        maf_segment_more_t *more = maf_segment_more(reader->segment);

        more->whole = maf_bytes_first(rest(reader), length);
        more->whole_piece = number;
    }
    reader->offset += length;
}

static void
add_rest(maf_reader_t *reader, maf_piece_kind_t kind)
{
    add_piece(reader, kind, sent_left(reader), NULL);
}

void
maf_reader_skip(maf_reader_t *reader, uint32_t length)
{
    add_piece(reader, MAF_PIECE_DATA, length, NULL);
}

/* Pending messages */

static void
end_pending(const maf_reader_t *reader, bool given_up)
{
    maf_side_of_t *side = side_of(reader);

    if (!maf_stream_is_pending(reader->stream, reader->from))
        return;
    side->pending->done = reader->packet;
    side->pending->given_up = given_up;
    side->carried = NULL;
    maf_stream_count_pending(-1);
    maf_login_waits_no_more(reader->stream->login, reader->from);
}

void
maf_reader_give_up(maf_stream_t *stream, maf_side_t side, uint32_t packet)
{
    const maf_reader_t reader = {.stream = stream, .from = side, .packet = packet};

    end_pending(&reader, true);
}

static maf_unfinished_t *
begin_pending(const maf_reader_t *reader)
{
    maf_side_of_t *side = side_of(reader);

    if (maf_stream_is_pending(reader->stream, reader->from))
        return side->pending;
    side->pending = wmem_new0(wmem_file_scope(), maf_unfinished_t);
    side->pending->began = reader->packet;
    if (!side->pendings)
        side->pendings = wmem_tree_new(wmem_file_scope());
    wmem_tree_insert32(side->pendings, reader->packet, side->pending);
    maf_stream_count_pending(1);
    return side->pending;
}

/* Bytes that TCP does not keep for us: it has not given them; it loses what it had kept out of order when it
 * is asked for more; and of what it has put together it gives nothing again but all. */
static bool
is_ours_to_keep(const maf_reader_t *reader)
{
    return reader->held || reader->offset < reader->carried ||
           (reader->offset > 0 && reader->offset <= reader->waited) ||
           GT_SEQ(end_seq(reader, sent_left(reader)), reader->next);
}

/*
 * The message at `offset` goes on in a later segment. For the rest of a header TCP is asked for one more
 * segment, for the rest of a body for as many bytes: if TCP is asked for the bytes of a header, it does not
 * deliver them after a zero-window probe.
 */
static maf_unfinished_t *
wait_for(maf_reader_t *reader, uint32_t missing)
{
    const uint32_t left = bytes_left(reader);
    maf_unfinished_t *pending = begin_pending(reader);
    maf_side_of_t *side = side_of(reader);

    pending->have = left;
    if (is_ours_to_keep(reader)) {
        side->carried = (const uint8_t *)wmem_memdup(wmem_file_scope(), rest(reader).at, left);
        side->carried_length = left;
        maf_reader_skip(reader, left);
    } else {
        maf_segment_more_t *more = maf_segment_more(reader->segment);

        more->desegment_offset = (int)(reader->base + reader->offset - reader->carried);
        more->desegment_len = missing == MAF_MISSING_UNKNOWN ? DESEGMENT_ONE_MORE_SEGMENT : missing;
    }
    return pending;
}

/* SOCKS */

/* As wait_for(), but the bytes so far are kept, to be shown if the rest does not come. */
static void
wait_for_socks(maf_reader_t *reader, uint32_t missing)
{
    const uint8_t *socks =
        (const uint8_t *)wmem_memdup(wmem_file_scope(), rest(reader).at, bytes_left(reader));

    wait_for(reader, missing)->socks = socks;
}

bool
maf_is_socks_method(uint8_t method)
{
    return value_is_in_range(maf_prefs.socks_methods, method);
}

bool
maf_greeting_offers_maf(maf_bytes_t bytes)
{
    const uint8_t nmethods = bytes.at[1];

    for (uint32_t i = 0; i < nmethods; i++) {
        if (maf_is_socks_method(bytes.at[SOCKS_GREETING_HEADER + i]))
            return true;
    }
    return false;
}

uint32_t
maf_greeting_length(maf_bytes_t bytes)
{
    uint32_t length;
    uint8_t nmethods, next;

    if (bytes.captured == 0 || bytes.at[0] != SOCKS_VERSION)
        return 0;
    if (bytes.captured < SOCKS_GREETING_HEADER)
        return MAF_MISSING_UNKNOWN;
    nmethods = bytes.at[1];
    length = SOCKS_GREETING_HEADER + nmethods;
    if (nmethods == 0)
        return 0;
    if (bytes.captured < length)
        return MAF_MISSING_UNKNOWN;
    if (bytes.captured == length || nmethods > MAF_VER_01)
        return length;
    next = bytes.at[length];
    return maf_greeting_offers_maf(bytes) && (next == MAF_INSTR_SUPPORTED || next == MAF_INSTR_OEM) ? length
                                                                                                    : 0;
}

/* What looks like a message */

static bool
looks_like_id(const maf_message_t *message)
{
    if (message->id_offset == 0)
        return true; /* not there yet, or there is none in such a message */
    switch (message->instr) {
    case MAF_INSTR_SUCCESS:
        return maf_id_is(&message->id, MAF_METHOD_SUCCESS);
    case MAF_INSTR_FAILURE:
        return maf_id_is(&message->id, MAF_METHOD_FAILURE);
    default:
        return message->id.length > 0;
    }
}

/* Results of either revision may have VER 00 (draft-01). */
static bool
has_version(const maf_message_t *message)
{
    const bool is_result = message->instr == MAF_INSTR_SUCCESS || message->instr == MAF_INSTR_FAILURE;

    return message->ver == message->revision || (is_result && message->ver == MAF_VER_00);
}

static bool
has_no_end(const maf_message_t *message)
{
    return message->end == MAF_MESSAGE_BAD_INSTR || message->end == MAF_MESSAGE_BAD_COUNT ||
           message->end == MAF_MESSAGE_BAD_LENGTH;
}

/* After a message whose end is not known, and after a gap, only what looks like a message is taken for one.
 */
static bool
looks_like_message(const maf_message_t *message, maf_side_t from)
{
    const uint16_t highest = message->instr == MAF_INSTR_REQUEST_MORE ? MAF_FLAGS_ABSOLUTE : MAF_FLAGS_NONE;

    return maf_may_send(from, message->instr) && has_version(message) && message->flags <= highest &&
           !message->reserved && message->layout != MAF_LAYOUT_UNKNOWN && !has_no_end(message) &&
           looks_like_id(message);
}

static bool
begins_message(const maf_reader_t *reader)
{
    const bool is_01 = bytes_left(reader) > 1 && byte_at(reader, 1) == MAF_VER_01;
    maf_message_t message;

    maf_message_parse(rest(reader), is_01 ? MAF_VER_01 : MAF_VER_00, &maf_prefs.framing, &message);
    return message.understood >= MAF_HEADER_LEN && looks_like_message(&message, reader->from);
}

/* SOCKS */

/*
 * One function per phase takes what it knows. It returns true to go on with what follows; false if the rest
 * has to wait.
 */
typedef bool (*phase_fn)(maf_reader_t *reader);

static bool
take_greeting(maf_reader_t *reader, uint32_t length)
{
    maf_stream_t *stream = reader->stream;

    end_pending(reader, false);
    stream->greeting =
        maf_greeting_offers_maf(rest(reader)) ? MAF_GREETING_WITH_MAF : MAF_GREETING_WITHOUT_MAF;
    add_piece(reader, MAF_PIECE_GREETING, length, NULL);
    if (stream->sides[MAF_CLIENT].phase == MAF_PHASE_GREETING)
        stream->sides[MAF_CLIENT].phase = MAF_PHASE_MESSAGES;
    return true;
}

/* The selection can come before the greeting, and the greeting may be missing. */
static bool
read_greeting(maf_reader_t *reader)
{
    const uint32_t length = maf_greeting_length(rest(reader));

    if (length == MAF_MISSING_UNKNOWN && !reader->last) {
        wait_for(reader, MAF_MISSING_UNKNOWN);
        return false;
    }
    if (length > 0 && length != MAF_MISSING_UNKNOWN)
        return take_greeting(reader, length);
    side_of(reader)->phase = MAF_PHASE_MESSAGES;
    if (!begins_message(reader))
        side_of(reader)->sync = MAF_RESYNC;
    return true;
}

static bool
read_selection(maf_reader_t *reader)
{
    maf_stream_t *stream = reader->stream;

    if (bytes_left(reader) < SOCKS_SELECTION_LEN) {
        wait_for(reader, MAF_MISSING_UNKNOWN);
        return false;
    }
    end_pending(reader, false);
    if (stream->greeting == MAF_GREETING_WITHOUT_MAF)
        maf_segment_more(reader->segment)->remark = MAF_UNOFFERED_SELECTION;
    add_piece(reader, MAF_PIECE_SELECTION, SOCKS_SELECTION_LEN, NULL);
    stream->sides[MAF_SERVER].phase = MAF_PHASE_MESSAGES;
    return true;
}

/*
 * Length of a request or reply (RFC 1928, sections 4 and 6), or of as much as must be there to say; 0 if the
 * kind of address is not known.
 */
static uint32_t
socks_message_length(const maf_reader_t *reader)
{
    if (bytes_left(reader) <= SOCKS_ATYP_OFFSET)
        return SOCKS_REQUEST_HEADER;
    switch (byte_at(reader, SOCKS_ATYP_OFFSET)) {
    case SOCKS_ATYP_IPV4:
        return 4 + 4 + 2;
    case SOCKS_ATYP_DOMAIN:
        return bytes_left(reader) < SOCKS_REQUEST_HEADER ? SOCKS_REQUEST_HEADER
                                                         : 4 + 1 + byte_at(reader, 4) + 2;
    case SOCKS_ATYP_IPV6:
        return 4 + 16 + 2;
    default:
        return 0;
    }
}

/* The address of a request as text, which the caller frees (RFC 1928, section 5). */
static char *
target_host(const maf_reader_t *reader)
{
    const uint8_t *octets = rest(reader).at + SOCKS_ATYP_OFFSET + 1;
    address ip;

    switch (byte_at(reader, SOCKS_ATYP_OFFSET)) {
    case SOCKS_ATYP_IPV4:
        set_address(&ip, AT_IPv4, 4, octets);
        return address_to_str(NULL, &ip);
    case SOCKS_ATYP_IPV6:
        set_address(&ip, AT_IPv6, 16, octets);
        return address_to_str(NULL, &ip);
    default:
        return (char *)get_utf_8_string(NULL, octets + 1, octets[0]);
    }
}

/* The target of a request, or the reply to it, is part of the record of the login (RFC 1928, sections 4 and
 * 6). */
static void
record_socks_message(const maf_reader_t *reader, uint32_t length)
{
    maf_stream_t *stream = reader->stream;
    char *host;

    if (reader->from == MAF_SERVER) {
        maf_login_reply(stream->login, byte_at(reader, 1));
        return;
    }
    host = target_host(reader);
    stream->target_port = number_at(reader, length - 2);
    maf_login_target(stream->login, host, stream->target_port);
    wmem_free(NULL, host);
}

static maf_order_t
order_of(const maf_reader_t *reader, uint32_t length)
{
    const uint32_t end = end_seq(reader, length);

    if (reader->late || (reader->is_acked && GE_SEQ(reader->acked, end)))
        return MAF_ORDER_LATE;
    if (side_of(reader)->sync != MAF_IN_SYNC)
        return MAF_ORDER_GUESSED;
    return GT_SEQ(end, reader->next) ? MAF_ORDER_KEPT : MAF_ORDER_IN_SEQUENCE;
}

/* Then it may have sent messages that were not read. */
static bool
has_lost_other_side(const maf_reader_t *reader)
{
    return reader->stream->sides[maf_other_side(reader->from)].sync != MAF_IN_SYNC;
}

/* A request that does not come in sequence may have been sent after a Success that the capture has later. */
static void
note_early_request(maf_reader_t *reader, uint32_t length)
{
    const maf_state_t state = maf_session_request(reader->stream->session);

    if (state == MAF_STATE_UNKNOWN || order_of(reader, length) != MAF_ORDER_IN_SEQUENCE ||
        has_lost_other_side(reader))
        return;
    maf_segment_more(reader->segment)->remark = MAF_EARLY_REQUEST;
    maf_segment_more(reader->segment)->state = (uint8_t)state;
}

/* The SOCKS dissector reassembles nothing, so it gets each message whole. */
static bool
read_socks_message(maf_reader_t *reader)
{
    const bool is_request = reader->from == MAF_CLIENT;
    const uint32_t length = socks_message_length(reader);
    const uint32_t left = bytes_left(reader);

    if (length > left && !reader->last) {
        wait_for_socks(reader, left < SOCKS_REQUEST_HEADER ? MAF_MISSING_UNKNOWN : length - left);
        return false;
    }
    end_pending(reader, false);
    if (is_request)
        note_early_request(reader, length);
    if (length > 0 && length <= left)
        record_socks_message(reader, length);
    if (length == 0 || length > left)
        add_rest(reader, is_request ? MAF_PIECE_REQUEST : MAF_PIECE_REPLY);
    else
        add_piece(reader, is_request ? MAF_PIECE_REQUEST : MAF_PIECE_REPLY, length, NULL);
    side_of(reader)->phase = MAF_PHASE_TUNNEL;
    return true;
}

/* MAF */

/* Where the next message begins is known again behind several guesses, if the last one ends its segment. */
static void
note_sync(maf_side_of_t *side, const maf_message_t *message, bool ends_segment)
{
    if (has_no_end(message)) {
        side->sync = MAF_RESYNC;
        return;
    }
    if (side->sync == MAF_IN_SYNC)
        return;
    side->guesses = side->sync == MAF_RESYNC ? 1 : side->guesses + 1;
    side->sync = side->guesses >= GUESSES_BELIEVED && ends_segment ? MAF_IN_SYNC : MAF_GUESSED;
}

bool
maf_is_selection(maf_bytes_t bytes)
{
    const maf_bytes_t behind = maf_bytes_after(bytes, SOCKS_SELECTION_LEN);
    maf_message_t message;

    if (bytes.captured < SOCKS_SELECTION_LEN || bytes.at[0] != SOCKS_VERSION ||
        !maf_is_socks_method(bytes.at[1]))
        return false;
    if (behind.captured < MAF_HEADER_LEN)
        return behind.captured == 0;
    maf_message_parse(behind, behind.at[1] == MAF_VER_01, &maf_prefs.framing, &message);
    return message.end == MAF_MESSAGE_WHOLE && looks_like_message(&message, MAF_SERVER);
}

/*
 * X'05' begins a Process as well as a SOCKS message. A request is known by its kind of address, which in a
 * Process is the second byte of FLAGS. Once the session has succeeded it is SOCKS (spec: States). Before
 * that, and after a stray message, a server replies only to a request, and CONNECT looks like VER 01, but
 * hardly makes a whole Process of that revision.
 */
static bool
begins_socks(const maf_reader_t *reader)
{
    const maf_stream_t *stream = reader->stream;
    const bool may_be = maf_session_request(stream->session) == MAF_STATE_UNKNOWN;
    maf_message_t message;
    uint8_t command;

    if (byte_at(reader, 0) != SOCKS_VERSION)
        return false;
    if (maf_session_has_succeeded(stream->session))
        return bytes_left(reader) <= SOCKS_ATYP_OFFSET || byte_at(reader, SOCKS_ATYP_OFFSET) != 0 ||
               (reader->from == MAF_SERVER && !reader->late &&
                stream->sides[MAF_CLIENT].phase != MAF_PHASE_MESSAGES);
    if (bytes_left(reader) <= SOCKS_ATYP_OFFSET || byte_at(reader, 2) != 0 ||
        socks_message_length(reader) == 0)
        return false;
    if (reader->from == MAF_SERVER)
        return may_be || stream->sides[MAF_CLIENT].phase != MAF_PHASE_MESSAGES;
    command = byte_at(reader, 1);
    if (command < SOCKS_CONNECT || command > SOCKS_UDP_ASSOCIATE)
        return false;
    if (may_be || command != maf_session_revision(stream->session, rest(reader)))
        return true;
    maf_message_parse(rest(reader), command, &maf_prefs.framing, &message);
    return message.end != MAF_MESSAGE_WHOLE;
}

/* Too few bytes after success to decide whether they begin a SOCKS message. */
static bool
may_begin_socks(const maf_reader_t *reader)
{
    return byte_at(reader, 0) == SOCKS_VERSION && bytes_left(reader) <= SOCKS_ATYP_OFFSET &&
           maf_session_has_succeeded(reader->stream->session);
}

static void
hand_back(maf_reader_t *reader)
{
    maf_stream_t *stream = reader->stream;

    if (!maf_prefs.dissect_socks) {
        stream->sides[MAF_CLIENT].phase = stream->sides[MAF_SERVER].phase = MAF_PHASE_OPAQUE;
        return;
    }
    side_of(reader)->phase = reader->from == MAF_CLIENT ? MAF_PHASE_REQUEST : MAF_PHASE_REPLY;
}

/* Behind a gap, what does not look like a message is none. The segment behind what was waited with may begin
 * with one. */
static void
pass_over(maf_reader_t *reader)
{
    maf_stream_t *stream = reader->stream;
    maf_side_of_t *side = side_of(reader);
    const uint32_t known = reader->offset == 0 ? reader->waited : 0;

    end_pending(reader, true);
    side->sync = MAF_RESYNC;
    if (maf_session_has_succeeded(stream->session)) {
        side->phase = maf_prefs.dissect_socks ? MAF_PHASE_TUNNEL : MAF_PHASE_OPAQUE;
        return;
    }
    maf_stream_lose_track(stream);
    add_piece(reader, MAF_PIECE_UNDECODED,
              known > 0 && known < bytes_left(reader) ? known : sent_left(reader), NULL);
}

static bool
read_message(maf_reader_t *reader)
{
    maf_stream_t *stream = reader->stream;
    maf_side_of_t *side = side_of(reader);
    const bool goes_on = maf_stream_is_pending(stream, reader->from);
    maf_message_t message;
    maf_verdict_t *verdict;
    uint32_t missing;
    int revision;
    maf_order_t order;

    if ((!goes_on || !side->pending->header_known) && begins_socks(reader)) {
        if (may_begin_socks(reader) && !reader->last && maf_prefs.dissect_socks) {
            wait_for_socks(reader, MAF_MISSING_UNKNOWN);
            return false;
        }
        end_pending(reader, false);
        hand_back(reader);
        return true;
    }

    revision = maf_session_revision(stream->session, rest(reader));
    missing = maf_message_parse(rest(reader), revision, &maf_prefs.framing, &message);
    if (side->sync != MAF_IN_SYNC && !looks_like_message(&message, reader->from)) {
        pass_over(reader);
        return true;
    }
    if (missing && !reader->last) {
        maf_unfinished_t *pending = wait_for(reader, missing);

        pending->socks = NULL;
        pending->is_message = true;
        maf_login_waits(stream->login, reader->from, pending->began, &reader->when, &message, pending->have,
                        missing);
        pending->header_known = message.understood > 0;
        return false;
    }
    end_pending(reader, false);
    if (missing && !reader->ends)
        message.end = MAF_MESSAGE_UNASSEMBLED;
    side->skip = message.beyond;
    order = order_of(reader, message.length);
    note_sync(side, &message, end_seq(reader, message.length) == reader->next);
    if (order != MAF_ORDER_IN_SEQUENCE || has_lost_other_side(reader))
        maf_stream_lose_track(stream);
    verdict =
        maf_session_message(stream->session, &message, reader->from, reader->packet, &reader->when, order);
    maf_login_message(
        stream->login, &message, verdict, &reader->when,
        message.end == MAF_MESSAGE_WHOLE && message.len > 0 ? rest(reader).at + message.data_offset : NULL);
    add_piece(reader, MAF_PIECE_MESSAGE, message.length, verdict);
    if (order != MAF_ORDER_IN_SEQUENCE)
        maf_stream_lose_track(stream);
    return true;
}

/* The SOCKS dissector looks into the tunnel from the packet after the reply on: what comes sooner is for us.
 * Behind a gap its target may not be known. */
static bool
read_tunnel(maf_reader_t *reader)
{
    add_rest(reader, reader->stream->target_port ? MAF_PIECE_TUNNEL : MAF_PIECE_DATA);
    return true;
}

static bool
read_opaque(maf_reader_t *reader)
{
    add_rest(reader, MAF_PIECE_DATA);
    return true;
}

static const phase_fn phase_fns[] = {
    [MAF_PHASE_GREETING] = read_greeting,   [MAF_PHASE_SELECTION] = read_selection,
    [MAF_PHASE_MESSAGES] = read_message,    [MAF_PHASE_REQUEST] = read_socks_message,
    [MAF_PHASE_REPLY] = read_socks_message, [MAF_PHASE_TUNNEL] = read_tunnel,
    [MAF_PHASE_OPAQUE] = read_opaque,
};

void
maf_reader_read(maf_reader_t *reader)
{
    maf_side_of_t *side = side_of(reader);

    reader->waited = maf_stream_is_pending(reader->stream, reader->from) ? side->pending->have : 0;
    if (side->skip > 0) {
        const uint32_t length = MIN(side->skip, reader->bytes.sent);

        side->skip -= length;
        maf_reader_skip(reader, length);
    }
    while (bytes_left(reader) > 0 && phase_fns[side->phase](reader))
        ;
}
