/* maf-attach.c
 * The way in from Wireshark's SOCKS dissector, and the way back
 *
 * Wireshark's SOCKS dissector has no table of authentication methods, so MAF cannot register with it.
 * Instead a post-dissector watches for TCP connections that SOCKS is going to get, and puts a conversation
 * dissector in front of it. That one reads along until MAF is selected or not. If not, it takes itself away
 * and has changed nothing. If so, it shows the pieces of the stream that are MAF, and calls the SOCKS
 * dissector for the others, until the tunnel begins.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "socks/maf-attach.h"

#include <epan/conversation.h>
#include <epan/conversation_filter.h>
#include <epan/dissectors/packet-tcp.h>
#include <epan/proto_data.h>
#include <epan/tap.h>
#include <wsutil/wslog.h>

#include "maf-protocol.h"
#include "maf-segment.h"
#include "socks/maf-socks.h"
#include "maf-stream.h"
#include "stats/maf-tap.h"
#include "maf-prefs.h"
#include "maf-tree.h"

static int proto_maf;
static int proto_watch;
static int proto_tcp;
static int proto_exported_pdu;
static int proto_tls;
static uint32_t cut_streams; /* that were closed inside a frame */
static uint32_t tcp_streams; /* that TCP has had up to the last frame watched */
static bool tls_has_socks;   /* on some port, by the user's choice: spares other captures the search */

static int tcp_tap;

static dissector_handle_t stream_handle;
static dissector_handle_t decode_as_handle;
static dissector_handle_t messages_handle;
static dissector_handle_t tls_handle;
static dissector_handle_t in_tls_handle;

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

/* Showing a segment */

/* Most segments are one frame, and need no other tvbuff. */
static tvbuff_t *
part_of(tvbuff_t *tvb, int offset, int length)
{
    if (offset == 0 && length == (int)tvb_reported_length(tvb))
        return tvb;
    return tvb_new_subset_length(tvb, offset, length);
}

/* MAF frames in a row */
typedef struct {
    const maf_stream_t *stream;
    const maf_piece_t *first;
} messages_t;

static int
dissect_messages(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const messages_t *frames = (const messages_t *)data;
    const maf_piece_t *piece = frames->first;
    int offset = 0;

    col_set_str(pinfo->cinfo, COL_PROTOCOL, "MAF");
    col_clear(pinfo->cinfo, COL_INFO);
    while (piece && tvb_reported_length_remaining(tvb, offset) > 0) {
        tvbuff_t *message_tvb = part_of(tvb, offset, (int)piece->length);
        maf_message_t message;

        maf_message_parse(message_tvb, 0, piece->verdict->revision, &maf_prefs.framing, &message);
        maf_show_message(message_tvb, pinfo, tree, &message, piece->verdict, frames->stream->login);
        if (maf_tap_wanted())
            maf_tap_queue(pinfo, frames->stream->login, message_tvb);
        offset += (int)piece->length;
        piece = piece->next;
    }
    return tvb_captured_length(tvb);
}

/* Show one piece, or as many as there are MAF frames in a row; returns the first that is not shown yet. */
static maf_piece_t *
show_pieces(const maf_stream_t *stream, maf_piece_t *piece, tvbuff_t *tvb, int *offset, packet_info *pinfo,
            proto_tree *tree, void *data)
{
    maf_piece_t *next = piece->next;
    int length = (int)piece->length;
    messages_t frames = {stream, piece};
    tvbuff_t *piece_tvb;

    while (piece->kind == PIECE_MESSAGE && next && next->kind == PIECE_MESSAGE) {
        length += (int)next->length;
        next = next->next;
    }
    piece_tvb = part_of(tvb, *offset, length);

    if (*offset > 0) {
        col_append_str(pinfo->cinfo, COL_INFO, ", ");
        col_set_fence(pinfo->cinfo, COL_INFO);
    }
    switch ((maf_piece_kind_t)piece->kind) {
    case PIECE_SOCKS:
        maf_socks_call(stream, piece_tvb, pinfo, tree, data);
        break;
    case PIECE_MESSAGE:
        if (stream->attached)
            call_dissector_with_data(messages_handle, piece_tvb, pinfo, tree, &frames);
        else
            dissect_messages(piece_tvb, pinfo, tree, &frames);
        break;
    case PIECE_UNDECODED:
        maf_show_undecoded(piece_tvb, pinfo, tree);
        break;
    case PIECE_TUNNEL:
        maf_socks_show_tunnel(stream, piece_tvb, pinfo, tree);
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
segment_key(const maf_stream_t *stream, uint32_t begin)
{
    return begin ^ stream->number * 0x9E3779B1U;
}

static int
dissect_segment(maf_stream_t *stream, uint32_t key, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree,
                const struct tcpinfo *tcpinfo, void *data)
{
    maf_segment_t *segment = (maf_segment_t *)p_get_proto_data(wmem_file_scope(), pinfo, proto_maf, key);
    int offset = 0;

    if (!segment && !pinfo->fd->visited) {
        segment = maf_segment_learn(stream, tvb, pinfo, tcpinfo);
        if (segment)
            p_add_proto_data(wmem_file_scope(), pinfo, proto_maf, key, segment);
    }
    if (!segment)
        return 0;

    if (segment->request_in) {
        maf_show_early_request(tvb, pinfo, tree, stream->login, (maf_state_t)segment->request_in);
        maf_tap_queue(pinfo, stream->login, NULL);
    }
    for (maf_piece_t *piece = segment->pieces; piece;)
        piece = show_pieces(stream, piece, tvb, &offset, pinfo, tree, data);
    pinfo->desegment_offset = segment->desegment_offset;
    pinfo->desegment_len = segment->desegment_len;
    return tvb_captured_length(tvb);
}

/* The way in */

static int
dissect_tcp_segment(maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const struct tcpinfo *tcpinfo = (const struct tcpinfo *)data;
    const uint32_t begin = tcpinfo ? tcpinfo->seq : (uint32_t)tvb_raw_offset(tvb);

    return dissect_segment(stream, segment_key(stream, begin), tvb, pinfo, tree, tcpinfo, data);
}

static int
dissect_attached(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    maf_stream_t *stream = maf_stream_find(pinfo);

    if (!stream)
        return 0;
    return dissect_tcp_segment(stream, tvb, pinfo, tree, data);
}

/* The port of SOCKS, the one chosen in Decode As, or, where PDUs were exported, the lower one. */
static uint32_t
likely_server_port(packet_info *pinfo)
{
    const uint32_t port = maf_socks_port(pinfo, 0);

    if (port)
        return port;
    if (pinfo->match_uint == pinfo->srcport || pinfo->match_uint == pinfo->destport)
        return pinfo->match_uint;
    return MIN(pinfo->srcport, pinfo->destport);
}

/* A stream that was given to MAF by Decode As: from its greeting on if that is what comes first. */
static maf_stream_t *
stream_of_decode_as(conversation_t *conversation, tvbuff_t *tvb, packet_info *pinfo)
{
    const uint8_t first = tvb_get_uint8(tvb, 0);
    const bool from_greeting = maf_is_greeting(tvb);
    maf_stream_t *stream = maf_stream_new(conversation, pinfo, false, !from_greeting);
    bool client_sends;

    listen_to_tcp();
    if (from_greeting) {
        client_sends = true;
    } else {
        stream->phase[MAF_CLIENT] = stream->phase[MAF_SERVER] = PHASE_MAF;
        if (first == MAF_INSTR_SUPPORTED || first == MAF_INSTR_WHAT_NEXT)
            client_sends = true;
        else if (first == MAF_INSTR_PROCESS || first == MAF_INSTR_ACKNOWLEDGE)
            client_sends = pinfo->destport == likely_server_port(pinfo);
        else
            client_sends = false;
    }
    if (client_sends)
        maf_stream_set_client(stream, &pinfo->src, pinfo->srcport);
    else
        maf_stream_set_client(stream, &pinfo->dst, pinfo->destport);
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
    int above = -1;

    for (; layer; layer = wmem_list_frame_prev(layer)) {
        const int proto = GPOINTER_TO_INT(wmem_list_frame_data(layer));
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
    maf_stream_t *stream;

    if (!is_stream_of_its_own(pinfo))
        return 0;
    conversation = find_or_create_conversation(pinfo);
    stream = (maf_stream_t *)conversation_get_proto_data(conversation, proto_maf);
    if (!stream)
        stream = stream_of_decode_as(conversation, tvb, pinfo);
    return dissect_tcp_segment(stream, tvb, pinfo, tree, data);
}

/* A port that nobody knows: a greeting that offers MAF is taken for what it looks like, as by Decode As. */
static maf_bool_t
dissect_heuristic(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    if (!maf_is_greeting(tvb) || !maf_greeting_offers_maf(tvb, 0) || !is_stream_of_its_own(pinfo))
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
dissect_records(maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
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
    maf_stream_t *stream = maf_stream_find(pinfo);
    int shown = 0;

    if (!stream || !stream->tls_port)
        return 0;
    if (!stream->tls_last || pinfo->num <= stream->tls_last)
        shown = dissect_records(stream, tvb, pinfo, tree, data);
    else if (stream->tls_next)
        shown = call_dissector_only(stream->tls_next, tvb, pinfo, tree, data);
    return shown > 0 ? shown : maf_socks_call(stream, tvb, pinfo, tree, data);
}

static maf_stream_t *
new_attached(conversation_t *conversation, packet_info *pinfo, uint32_t port)
{
    const bool late = maf_socks_has_begun(conversation);
    maf_stream_t *stream = maf_stream_new(conversation, pinfo, true, late);

    listen_to_tcp();
    if (late)
        stream->phase[MAF_CLIENT] = PHASE_UNSEEN;
    if (pinfo->srcport == port)
        maf_stream_set_client(stream, &pinfo->dst, pinfo->destport);
    else
        maf_stream_set_client(stream, &pinfo->src, pinfo->srcport);
    return stream;
}

static void
attach(conversation_t *conversation, packet_info *pinfo)
{
    const uint32_t port = maf_socks_port(pinfo, get_tcp_conversation_data(conversation, pinfo)->server_port);

    if (!port)
        return;
    if (!maf_socks_has_begun(conversation) && conversation_get_dissector(conversation, pinfo->num))
        return; /* somebody else knows whose this is */
    maf_stream_pass_on(new_attached(conversation, pinfo, port), pinfo, stream_handle);
}

/* In time for the first that TLS decrypts: TLS itself has been seen, which is its handshake. */
static void
attach_in_tls(conversation_t *conversation, packet_info *pinfo, uint32_t port)
{
    new_attached(conversation, pinfo, port)->tls_port = port;
    if (!in_tls_handle)
        in_tls_handle = maf_socks_handle_in_tls(dissect_in_tls, port);
    tls_set_appdata_dissector(tls_handle, pinfo, in_tls_handle);
}

/* TCP's header, if the frame closes the connection; else NULL. Nobody can be asked when only a packet's
 * details are drawn again. */
static const struct tcpheader *
closing_header(void)
{
    const struct tcpheader *header = (const struct tcpheader *)fetch_tapped_data(tcp_tap, 0);

    return header && (header->th_flags & (TH_FIN | TH_RST)) ? header : NULL;
}

/* Up to where the sender of the frame, or the other side, has sent for all that the frame says. */
static uint32_t
sent_before(const struct tcpheader *header, bool by_sender)
{
    return by_sender ? header->th_seq + header->th_seglen : header->th_ack;
}

/* FIN ends what its sender says, RST ends both sides. Octets that were sent before and have not been seen may
 * come late, or never have come to the capture. */
static void
note_close(maf_stream_t *stream, const packet_info *pinfo, const struct tcpheader *header)
{
    const bool resets = header->th_flags & TH_RST;
    const maf_side_t from = maf_stream_side(stream, pinfo);

    if (stream->login)
        maf_login_closed(stream->login, from, resets);
    for (int side = MAF_CLIENT; side <= MAF_SERVER; side++) {
        const maf_partial_t *partial = maf_stream_partial_at(stream, (maf_side_t)side, pinfo->num);

        if (partial && !maf_stream_has_whole(partial) && !stream->ended[side] &&
            (resets || side == (int)from) &&
            !maf_stream_lacks(stream, (maf_side_t)side, sent_before(header, side == (int)from))) {
            stream->unfinished[side] = partial;
            stream->ended[side] = pinfo->num;
            cut_streams++;
        }
    }
}

/* tshark -2 has no taps on its first pass: who closes is then known by what TCP notes of the connection. */
static void
note_close_untapped(packet_info *pinfo)
{
    maf_stream_t *stream = maf_stream_find(pinfo);
    unsigned closing;

    if (!stream || !stream->login)
        return;
    closing = maf_stream_closing(stream, pinfo);
    if (closing)
        maf_login_closed(stream->login, maf_stream_side(stream, pinfo), closing & MAF_STREAM_RST);
}

/* A message of that side is not there whole. */
static void
show_cut(const maf_stream_t *stream, maf_side_t from, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    maf_show_cut(tvb, pinfo, tree, stream->login, from);
    maf_tap_queue(pinfo, stream->login, NULL);
}

/*
 * The last frame of a connection, which TCP has no reason to give us: it has no data. Nor has it for one
 * whose rest is not in the capture, once that has been read.
 */
static void
watch_for_end(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    const struct tcpheader *header = closing_header();
    const bool may_be_last = pinfo->fd->visited && maf_stream_partial_count() > 0;
    maf_stream_t *stream;

    if (!pinfo->fd->visited && maf_login_count() > 0 && !fetch_tapped_data(tcp_tap, 0))
        note_close_untapped(pinfo);
    if (!header && cut_streams == 0 && !may_be_last)
        return;
    stream = maf_stream_find(pinfo);
    if (!stream)
        return;
    if (header)
        note_close(stream, pinfo, header);
    for (int side = MAF_CLIENT; side <= MAF_SERVER; side++) {
        const maf_partial_t *unfinished = stream->unfinished[side];
        const maf_partial_t *partial = stream->partial[side];

        if (stream->ended[side] == pinfo->num && !maf_stream_has_whole(unfinished))
            show_cut(stream, (maf_side_t)side, tvb, pinfo, tree);
        else if (may_be_last && partial && !partial->done && partial->began == pinfo->num &&
                 !maf_stream_is_closed(stream, pinfo))
            show_cut(stream, (maf_side_t)side, tvb, pinfo, tree);
    }
}

static void
watch_for_socks(packet_info *pinfo)
{
    const bool in_tcp = maf_socks_may_be_called(pinfo);
    const uint32_t tls_port = !in_tcp && tls_has_socks ? maf_socks_port_in_tls(pinfo) : 0;
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

    if (!may_attach && maf_stream_count() == 0)
        return 0;
    if (pinfo->ptype != PT_TCP || pinfo->flags.in_error_pkt)
        return 0;
    tcp_streams = get_tcp_stream_count();
    if (may_attach && !pinfo->fd->visited)
        watch_for_socks(pinfo);
    if (maf_stream_count() > 0)
        watch_for_end(tvb, pinfo, tree);
    return 0;
}

/* A capture is about to be read, or read again after a change of Decode As. */
static void
begin_capture(void)
{
    cut_streams = 0;
    tcp_streams = 0;
    tls_has_socks = maf_socks_is_in_tls();
}

/* Analyze, Conversation Filter */

static maf_bool_t
is_in_session(packet_info *pinfo MAF_FILTER_USER_DATA)
{
    const maf_stream_t *stream = pinfo->ptype == PT_TCP ? maf_stream_find(pinfo) : NULL;

    return stream && stream->login;
}

static char *
session_filter(packet_info *pinfo MAF_FILTER_USER_DATA)
{
    return g_strdup_printf("maf.session == %u", maf_stream_find(pinfo)->login->number);
}

void
maf_attach_register(int proto)
{
    proto_maf = proto;
    proto_watch = proto_register_protocol_in_name_only("MAF watch for SOCKS", "MAF watch", "maf.watch", proto,
                                                       FT_PROTOCOL); /* spares each frame a layer */
    decode_as_handle = register_dissector("maf", dissect_decode_as, proto);
    messages_handle = create_dissector_handle(dissect_messages, proto);
    stream_handle = create_dissector_handle(dissect_attached, -1); /* no name of ours in frame.protocols */
    maf_stream_register(proto);
    register_init_routine(begin_capture);
    register_conversation_filter("maf", "MAF session", is_in_session, session_filter MAF_NO_FILTER_USER_DATA);
}

void
maf_attach_connect(void)
{
    proto_tls = proto_get_id_by_filter_name("tls");
    proto_tcp = proto_get_id_by_filter_name("tcp");
    proto_exported_pdu = proto_get_id_by_filter_name("exported_pdu");
    tls_handle = find_dissector("tls");
    dissector_add_for_decode_as("tcp.port", decode_as_handle);

    if (maf_socks_connect()) {
        heur_dissector_add("tcp", dissect_heuristic, "MAF in SOCKS over TCP", "maf_socks_tcp", proto_maf,
                           HEURISTIC_DISABLE);
        register_postdissector(create_dissector_handle(watch, proto_watch));
    }
}
