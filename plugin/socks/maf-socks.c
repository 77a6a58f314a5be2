/* maf-socks.c
 * Wireshark's SOCKS dissector: on whose behalf it is called, and how to have it go on after MAF
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "socks/maf-socks.h"

#include <epan/dissectors/packet-tcp.h>
#include <epan/exceptions.h>
#include <epan/proto_data.h>
#include <epan/show_exception.h>

#include "maf-methods.h"
#include "maf-protocol.h"

static int proto_socks;
static dissector_table_t tcp_ports;
static dissector_table_t tls_ports;
static dissector_handle_t socks_handle;

/* Call the SOCKS dissector as if `from` had sent the packet. */
static void
call_as(const maf_stream_t *stream, maf_side_t from, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    static const struct tcpinfo no_tcpinfo;
    struct tcpinfo tcpinfo = no_tcpinfo;
    const bool as_it_is = from == maf_stream_side(stream, pinfo);
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
    maf_try_dissector(socks_handle, tvb, pinfo, tree, &tcpinfo);
    pinfo->src = src;
    pinfo->dst = dst;
    pinfo->srcport = srcport;
    pinfo->destport = destport;
}

static void
play(const maf_stream_t *stream, maf_side_t from, const uint8_t *bytes, unsigned length, tvbuff_t *parent,
     packet_info *pinfo)
{
    call_as(stream, from, tvb_new_child_real_data(parent, bytes, length, (int)length), pinfo, NULL);
}

/* Let it begin again, and read a greeting and, if `selected`, a selection that there are none of. Nothing of
 * it shows. */
static void
begin_again(const maf_stream_t *stream, tvbuff_t *parent, packet_info *pinfo, bool selected)
{
    static const uint8_t greeting[] = {SOCKS_VERSION, 1, 0};
    static const uint8_t selection[] = {SOCKS_VERSION, 0};
    const unsigned layers = wmem_list_count(pinfo->layers);
    const uint8_t curr_layer_num = pinfo->curr_layer_num;
    const bool writable = col_get_writable(pinfo->cinfo, -1);

    col_set_writable(pinfo->cinfo, -1, false);
    conversation_delete_proto_data(stream->conversation, proto_socks);
    p_remove_proto_data(wmem_file_scope(), pinfo, proto_socks, 0);
    play(stream, MAF_CLIENT, greeting, sizeof greeting, parent, pinfo);
    if (selected)
        play(stream, MAF_SERVER, selection, sizeof selection, parent, pinfo);
    p_remove_proto_data(wmem_file_scope(), pinfo, proto_socks, 0);
    col_set_writable(pinfo->cinfo, -1, writable);

    while (wmem_list_count(pinfo->layers) > layers)
        wmem_list_remove_frame(pinfo->layers, wmem_list_tail(pinfo->layers));
    pinfo->curr_layer_num = curr_layer_num;
}

void
maf_socks_prime(const maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo)
{
    begin_again(stream, tvb, pinfo, true);
}

void
maf_socks_call_alone(const maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree,
                     void *data)
{
    void *kept = conversation_get_proto_data(stream->conversation, proto_socks);
    const bool visited = pinfo->fd->visited;

    pinfo->fd->visited = false; /* or it takes its state from the first pass, which is that of the parts */
    if (maf_stream_side(stream, pinfo) == MAF_SERVER) {
        begin_again(stream, tvb, pinfo, false);
    } else {
        conversation_delete_proto_data(stream->conversation, proto_socks);
        p_remove_proto_data(wmem_file_scope(), pinfo, proto_socks, 0);
    }
    maf_socks_call(stream, tvb, pinfo, tree, data);
    pinfo->fd->visited = visited;
    conversation_delete_proto_data(stream->conversation, proto_socks);
    if (kept)
        conversation_add_proto_data(stream->conversation, proto_socks, kept);
}

void
maf_socks_call_late(const maf_stream_t *stream, maf_side_t from, tvbuff_t *tvb, packet_info *pinfo,
                    proto_tree *tree)
{
    const bool visited = pinfo->fd->visited;

    if (!p_get_proto_data(wmem_file_scope(), pinfo, proto_socks, 0)) {
        pinfo->fd->visited =
            false; /* tshark -2 has no taps on its first pass, so it may not have been called then */
        if (from == MAF_CLIENT)
            maf_socks_prime(stream, tvb, pinfo);
    }
    call_as(stream, from, tvb, pinfo, tree);
    pinfo->fd->visited = visited;
}

void
maf_socks_show_tunnel(const maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    const dissector_handle_t handle = dissector_get_uint_handle(tcp_ports, stream->target_port);
    uint32_t *port = maf_stream_side(stream, pinfo) == MAF_CLIENT ? &pinfo->destport : &pinfo->srcport;
    const uint32_t proxy_port = *port;
    const uint16_t can_desegment = pinfo->can_desegment;

    *port = stream->target_port;
    pinfo->can_desegment = 0;
    if (!handle || handle == socks_handle || !maf_try_dissector(handle, tvb, pinfo, tree, NULL))
        call_data_dissector(tvb, pinfo, tree);
    pinfo->can_desegment = can_desegment;
    *port = proxy_port;
}

/* What goes wrong in one record is shown, and does not hide the next. Not inlined: TRY saves the function's
 * state. */
static int G_GNUC_NO_INLINE
try_in_tls(uint32_t port, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    volatile int shown = (int)tvb_captured_length(tvb);

    TRY
    {
        shown = dissector_try_uint_with_data(tls_ports, port, tvb, pinfo, tree, FALSE, data);
    }
    CATCH_NONFATAL_ERRORS
    {
        show_exception(tvb, pinfo, tree, EXCEPT_CODE, GET_MESSAGE);
    }
    ENDTRY;
    return shown;
}

int
maf_socks_call(const maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    const uint16_t can_desegment = pinfo->can_desegment;
    int shown;

    if (stream->place != MAF_BEHIND_TLS)
        return maf_try_dissector(socks_handle, tvb, pinfo, tree, data) ? (int)tvb_captured_length(tvb) : 0;
    pinfo->can_desegment = pinfo->saved_can_desegment;
    shown = try_in_tls(stream->tls.port, tvb, pinfo, tree, data);
    pinfo->can_desegment = can_desegment;
    return shown;
}

int
maf_socks_call_plainly(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    return socks_handle ? call_dissector_only(socks_handle, tvb, pinfo, tree, data) : 0;
}

dissector_handle_t
maf_socks_next(const maf_stream_t *stream)
{
    const bool found = stream->place == MAF_BEHIND_HEURISTIC && stream->state == MAF_STREAM_SELECTED;

    return found || stream->place == MAF_BEHIND_DECODE_AS ? socks_handle : NULL;
}

bool
maf_socks_has_begun(conversation_t *conversation)
{
    return conversation_get_proto_data(conversation, proto_socks) != NULL;
}

uint32_t
maf_socks_port(packet_info *pinfo, uint32_t server_port)
{
    const uint32_t ports[] = {
        server_port,
        MIN(pinfo->srcport, pinfo->destport),
        MAX(pinfo->srcport, pinfo->destport),
    };

    if (!proto_is_protocol_enabled(find_protocol_by_id(proto_socks)))
        return 0;
    for (int by_user = 1; by_user >= 0; by_user--) {
        for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
            dissector_handle_t handle = ports[i] ? dissector_get_uint_handle(tcp_ports, ports[i]) : NULL;

            if (handle && (!by_user || dissector_is_uint_changed(tcp_ports, ports[i])))
                return handle == socks_handle ? ports[i] : 0;
        }
    }
    return 0;
}

uint32_t
maf_socks_port_in_tls(const packet_info *pinfo)
{
    const uint32_t ports[] = {pinfo->srcport, pinfo->destport};

    for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
        dissector_handle_t handle = dissector_get_uint_handle(tls_ports, ports[i]);

        if (handle)
            return dissector_handle_get_protocol_index(handle) == proto_socks ? ports[i] : 0;
    }
    return 0;
}

bool
maf_socks_may_be_called(const packet_info *pinfo)
{
    return dissector_get_uint_handle(tcp_ports, pinfo->srcport) == socks_handle ||
           dissector_get_uint_handle(tcp_ports, pinfo->destport) == socks_handle;
}

static void
look_for_socks(const char *table _U_, ftenum_t type _U_, void *port _U_, void *entry, void *found)
{
    dissector_handle_t handle = dtbl_entry_get_handle((dtbl_entry_t *)entry);

    if (handle && dissector_handle_get_protocol_index(handle) == proto_socks)
        *(bool *)found = true;
}

bool
maf_socks_is_in_tls(void)
{
    bool found = false;

    dissector_table_foreach("tls.port", look_for_socks, &found);
    return found;
}

dissector_handle_t
maf_socks_handle_in_tls(dissector_t dissector, uint32_t port)
{
    return create_dissector_handle_with_name(
        dissector, proto_socks,
        dissector_handle_get_dissector_name(dissector_get_uint_handle(tls_ports, port)));
}

bool
maf_socks_connect(void)
{
    tcp_ports = find_dissector_table("tcp.port");
    tls_ports = find_dissector_table("tls.port");
    socks_handle = find_dissector("socks_tcp"); /* has a name since Wireshark 4.4 */
    if (!socks_handle)
        socks_handle = dissector_get_uint_handle(tcp_ports, SOCKS_TCP_PORT);
    if (socks_handle)
        proto_socks = dissector_handle_get_protocol_index(socks_handle);
    return socks_handle != NULL;
}
