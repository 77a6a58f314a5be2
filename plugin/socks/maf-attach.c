/* maf-attach.c
 * The way in from Wireshark's SOCKS dissector, and the way back
 *
 * Wireshark's SOCKS dissector has no table of authentication methods, so MAF cannot register with it. Instead
 * a post-dissector sees each TCP connection that SOCKS is going to get, and puts a conversation dissector in
 * front of it. That one reads along until MAF is selected or not. If not, it takes itself away and has
 * changed nothing. If so, it shows the segments that are MAF, and calls the SOCKS dissector for the others,
 * until the tunnel begins.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "socks/maf-attach.h"

#include <epan/conversation.h>
#include <epan/conversation_filter.h>
#include <epan/dissectors/packet-tcp.h>

#include "maf-protocol.h"
#include "maf-reader.h"
#include "maf-segment.h"
#include "maf-stream.h"
#include "socks/maf-end.h"
#include "socks/maf-show.h"
#include "socks/maf-socks.h"

static int proto_maf;
static int proto_attach;
static int proto_tcp;
static int proto_exported_pdu;
static int proto_tls;
static uint32_t tcp_streams; /* that TCP has had up to the last packet seen here */
static bool tls_has_socks;   /* on some port, by the user's choice: spares other captures the search */
static bool has_quoted;      /* an ICMP error has quoted a connection before it had a packet of its own */

static dissector_handle_t stream_handle;
static dissector_handle_t decode_as_handle;
static dissector_handle_t tls_handle;
static dissector_handle_t in_tls_handle;

/* From the next packet on, this connection is dissected by `handle`; NULL: as if we had never been there. TLS
 * has one dissector for all packets of a connection, so there we stay and give them away. */
static void
pass_on(maf_stream_t *stream, const packet_info *pinfo, dissector_handle_t handle)
{
    if (stream->place != MAF_BEHIND_TLS) {
        conversation_set_dissector_from_frame_number(stream->conversation, pinfo->num + 1, handle);
    } else {
        stream->tls.last = pinfo->num;
        stream->tls.next = handle;
    }
}

static dissector_handle_t
next_dissector(const maf_stream_t *stream)
{
    return stream->sides[MAF_CLIENT].phase == MAF_PHASE_OPAQUE ? find_dissector("data")
                                                               : maf_socks_next(stream);
}

/* An ICMP error quotes what the connection has sent, or not: nothing is learnt from it. What is not SOCKS is
 * shown as data: it would change the SOCKS dissector's state. */
static int
dissect_quoted(const maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    if (stream->state != MAF_STREAM_SELECTED || pinfo->num < stream->selected)
        return 0;
    return call_data_dissector(tvb, pinfo, tree);
}

static int
dissect_segment(maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree,
                const struct tcpinfo *tcpinfo, void *data)
{
    const maf_segment_t *segment;

    if (pinfo->flags.in_error_pkt)
        return dissect_quoted(stream, tvb, pinfo, tree);
    segment = maf_segment_read(stream, tvb, pinfo, tcpinfo);
    if (!pinfo->fd->visited && maf_stream_is_done(stream) && !maf_stream_awaits_late(stream))
        pass_on(stream, pinfo, next_dissector(stream));
    return maf_show_segment(stream, segment, tvb, pinfo, tree, data);
}

static int
dissect_in_tcp(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    maf_stream_t *stream = maf_stream_find(pinfo);

    return stream ? dissect_segment(stream, tvb, pinfo, tree, (const struct tcpinfo *)data, data) : 0;
}

static int
dissect_in_tls(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    maf_stream_t *stream = maf_stream_find(pinfo);
    int shown = 0;

    if (!stream || stream->place != MAF_BEHIND_TLS)
        return 0;
    if (!stream->tls.last || pinfo->num <= stream->tls.last)
        shown = dissect_segment(stream, tvb, pinfo, tree, NULL, data);
    else if (stream->tls.next)
        shown = call_dissector_only(stream->tls.next, tvb, pinfo, tree, data);
    return shown > 0 ? shown : maf_socks_call(stream, tvb, pinfo, tree, data);
}

/* Decode As */

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

/* The connection begins with a greeting, with the selection, or in the middle. */
static maf_stream_t *
stream_of_decode_as(conversation_t *conversation, tvbuff_t *tvb, packet_info *pinfo)
{
    const maf_bytes_t bytes = maf_bytes_of(tvb);
    const uint8_t first = tvb_get_uint8(tvb, 0);
    const bool is_selection = maf_is_selection(bytes);
    const bool is_greeting = !is_selection && maf_greeting_length(bytes) > 0;
    maf_stream_t *stream;
    bool client_sends;

    if (is_selection)
        client_sends = false;
    else if (is_greeting || first == MAF_INSTR_SUPPORTED || first == MAF_INSTR_WHAT_NEXT)
        client_sends = true;
    else if (first == MAF_INSTR_PROCESS || first == MAF_INSTR_ACKNOWLEDGE)
        client_sends = pinfo->destport == likely_server_port(pinfo);
    else
        client_sends = false;
    stream =
        maf_stream_new(conversation, pinfo, MAF_BEHIND_DECODE_AS, client_sends ? &pinfo->src : &pinfo->dst,
                       client_sends ? pinfo->srcport : pinfo->destport, !is_greeting);
    if (!is_greeting && !is_selection)
        maf_stream_select(stream, pinfo, true);
    return stream;
}

/*
 * TCP also asks for the ports' dissectors inside a tunnel, on behalf of SOCKS or HTTP; that is not our
 * connection. Not every layer above TCP need be ours if the segment has several PDUs, but the first is. A
 * file of exported PDUs has packets without TCP.
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
        return maf_socks_call_plainly(tvb, pinfo, tree, data);
    conversation = find_or_create_conversation(pinfo);
    stream = (maf_stream_t *)conversation_get_proto_data(conversation, proto_maf);
    if (!stream && pinfo->flags.in_error_pkt)
        return 0;
    if (!stream) {
        stream = stream_of_decode_as(conversation, tvb, pinfo);
        maf_end_listen();
    }
    return dissect_segment(stream, tvb, pinfo, tree, (const struct tcpinfo *)data, data);
}

/* The heuristic, for unknown ports: a greeting that offers MAF begins a connection of ours. */
static maf_bool_t
dissect_heuristic(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const maf_bytes_t bytes = maf_bytes_of(tvb);
    conversation_t *conversation;

    if (maf_greeting_length(bytes) != bytes.sent || !maf_greeting_offers_maf(bytes) ||
        !is_stream_of_its_own(pinfo) || pinfo->flags.in_error_pkt)
        return FALSE;
    conversation = find_or_create_conversation(pinfo);
    if (!conversation_get_proto_data(conversation, proto_maf)) {
        maf_stream_new(conversation, pinfo, MAF_BEHIND_HEURISTIC, &pinfo->src, pinfo->srcport, false);
        maf_end_listen();
        conversation_set_dissector_from_frame_number(conversation, pinfo->num, decode_as_handle);
    }
    return dissect_decode_as(tvb, pinfo, tree, data) > 0;
}

/* Attaching */

static maf_stream_t *
new_stream(conversation_t *conversation, packet_info *pinfo, maf_place_t place, uint32_t port)
{
    const bool server_sends = pinfo->srcport == port;

    maf_end_listen();
    return maf_stream_new(conversation, pinfo, place, server_sends ? &pinfo->dst : &pinfo->src,
                          server_sends ? pinfo->destport : pinfo->srcport, maf_socks_has_begun(conversation));
}

static void
attach(conversation_t *conversation, packet_info *pinfo)
{
    const uint32_t port = maf_socks_port(pinfo, get_tcp_conversation_data(conversation, pinfo)->server_port);

    if (!port)
        return;
    if (!maf_socks_has_begun(conversation) && conversation_get_dissector(conversation, pinfo->num))
        return; /* somebody else knows whose this is */
    pass_on(new_stream(conversation, pinfo, MAF_BEHIND_TCP, port), pinfo, stream_handle);
}

/* In time for the first that TLS decrypts: TLS itself has been seen, which is its handshake. */
static void
attach_in_tls(conversation_t *conversation, packet_info *pinfo, uint32_t port)
{
    new_stream(conversation, pinfo, MAF_BEHIND_TLS, port)->tls.port = port;
    if (!in_tls_handle)
        in_tls_handle = maf_socks_handle_in_tls(dissect_in_tls, port);
    tls_set_appdata_dissector(tls_handle, pinfo, in_tls_handle);
}

static bool
is_icmp_error(const packet_info *pinfo)
{
    return proto_is_frame_protocol(pinfo->layers, "icmp") || proto_is_frame_protocol(pinfo->layers, "icmpv6");
}

static void
look_for_socks(packet_info *pinfo, bool is_new)
{
    const bool in_tcp = maf_socks_may_be_called(pinfo);
    const uint32_t tls_port = !in_tcp && tls_has_socks ? maf_socks_port_in_tls(pinfo) : 0;
    conversation_t *conversation;

    if (!in_tcp && !tls_port)
        return;
    if (is_icmp_error(pinfo)) { /* Wireshark 4.0 has set the type to that of the quoted packet */
        has_quoted |= is_new;
        return;
    }
    conversation = find_conversation_pinfo(pinfo, 0);
    if (!conversation || conversation_get_proto_data(conversation, proto_maf))
        return;
    if (in_tcp)
        attach(conversation, pinfo);
    else if (tls_port && conversation_get_proto_data(conversation, proto_tls))
        attach_in_tls(conversation, pinfo, tls_port);
}

/*
 * The post-dissector: sees every packet of every capture, so it must quickly decide that a packet is not
 * ours. TCP counts its streams, and the first packet of a stream decides, unless an ICMP error has quoted
 * the connection before; for TLS, the handshake must be seen first.
 */
static int
see_packet(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data _U_)
{
    const bool is_new = tcp_streams != get_tcp_stream_count();
    const bool may_attach = is_new || tls_has_socks || has_quoted;

    if (!may_attach && maf_stream_count() == 0)
        return 0;
    tcp_streams = get_tcp_stream_count();
    if (may_attach && !pinfo->fd->visited) {
        if (pinfo->ptype == PT_TCP)
            look_for_socks(pinfo, is_new);
        else
            has_quoted |= is_new;
    }
    if (pinfo->ptype == PT_TCP && maf_stream_count() > 0)
        maf_end_see(tvb, pinfo, tree);
    return 0;
}

/* A capture is about to be read, or read again after a change of Decode As. */
static void
begin_capture(void)
{
    tcp_streams = 0;
    tls_has_socks = maf_socks_is_in_tls();
    has_quoted = false;
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
    proto_attach = proto_register_protocol_in_name_only("MAF attaches to SOCKS", "MAF attach", "maf.attach",
                                                        proto, FT_PROTOCOL); /* spares each packet a layer */
    decode_as_handle = register_dissector("maf", dissect_decode_as, proto);
    stream_handle = create_dissector_handle(dissect_in_tcp, -1); /* no name of ours in frame.protocols */
    maf_stream_register(proto);
    maf_segment_register(proto);
    maf_show_register(proto);
    maf_end_register();
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
        register_postdissector(create_dissector_handle(see_packet, proto_attach));
    }
}
