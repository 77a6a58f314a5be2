/* maf-stream.c
 * One TCP connection that may carry MAF: how far it has been read, and who dissects it next
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-stream.h"

#include <epan/dissectors/packet-tcp.h>

#include "maf-prefs.h"

static int proto_maf;
static uint32_t stream_count;
static uint32_t partial_count;

/* Bits of tcp.completeness, which Wireshark's headers do not name: FIN and RST */
#define TCP_CLOSED 0x30

maf_stream_t *
maf_stream_new(conversation_t *conversation, packet_info *pinfo, bool attached, bool late)
{
    maf_stream_t *stream = wmem_new0(wmem_file_scope(), maf_stream_t);

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

maf_stream_t *
maf_stream_find(packet_info *pinfo)
{
    conversation_t *conversation = find_conversation_pinfo(pinfo, 0);

    return conversation ? (maf_stream_t *)conversation_get_proto_data(conversation, proto_maf) : NULL;
}

void
maf_stream_set_client(maf_stream_t *stream, const address *client, uint32_t client_port)
{
    copy_address_wmem(wmem_file_scope(), &stream->client, client);
    stream->client_port = client_port;
}

maf_side_t
maf_stream_side(const maf_stream_t *stream, const packet_info *pinfo)
{
    if (pinfo->srcport == stream->client_port && addresses_equal(&pinfo->src, &stream->client))
        return MAF_CLIENT;
    return MAF_SERVER;
}

bool
maf_stream_is_waiting(const maf_stream_t *stream, maf_side_t side)
{
    return stream->partial[side] && !stream->partial[side]->done;
}

maf_partial_t *
maf_stream_begin_partial(maf_stream_t *stream, maf_side_t side, uint32_t began)
{
    maf_partial_t *partial = wmem_new0(wmem_file_scope(), maf_partial_t);

    partial_count++;
    partial->began = began;
    stream->partial[side] = partial;
    if (!stream->partials[side])
        stream->partials[side] = wmem_tree_new(wmem_file_scope());
    wmem_tree_insert32(stream->partials[side], began, partial);
    return partial;
}

void
maf_stream_end_partial(maf_partial_t *partial, uint32_t done, bool given_up)
{
    partial_count--;
    partial->done = done;
    partial->given_up = given_up;
}

bool
maf_stream_has_whole(const maf_partial_t *partial)
{
    return partial->done && !partial->given_up;
}

uint32_t
maf_stream_partial_count(void)
{
    return partial_count;
}

const maf_partial_t *
maf_stream_partial_at(const maf_stream_t *stream, maf_side_t side, uint32_t message)
{
    const maf_partial_t *partial;

    if (!stream->partials[side])
        return NULL;
    partial = (const maf_partial_t *)wmem_tree_lookup32_le(stream->partials[side], message - 1);
    return partial && (!partial->done || partial->done > message) ? partial : NULL;
}

bool
maf_stream_lacks(const maf_stream_t *stream, maf_side_t side, uint32_t end)
{
    const position_t *position = &stream->position[side];

    if (!position->known)
        return false;
    if (maf_stream_is_waiting(stream, side) && stream->partial[side]->awaited > 0)
        return GE_SEQ(end, position->next + stream->partial[side]->awaited);
    return GT_SEQ(end, position->next);
}

bool
maf_stream_in_phase(const maf_stream_t *stream, maf_phase_t phase)
{
    return stream->phase[MAF_CLIENT] == phase && stream->phase[MAF_SERVER] == phase;
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

void
maf_stream_lose_track(maf_stream_t *stream)
{
    stream->has_missed = true;
    if (stream->session)
        maf_session_lose_track(stream->session);
}

void
maf_stream_begin_login(maf_stream_t *stream, const packet_info *pinfo)
{
    const bool by_client = maf_stream_side(stream, pinfo) == MAF_CLIENT;

    if (!stream->login)
        stream->login = maf_login_new(wmem_file_scope(), stream->tcp_stream, &stream->client,
                                      stream->client_port, by_client ? &pinfo->dst : &pinfo->src,
                                      by_client ? pinfo->destport : pinfo->srcport);
}

void
maf_stream_begin_session(maf_stream_t *stream)
{
    if (stream->session)
        return;
    stream->session =
        maf_session_new(wmem_file_scope(), maf_prefs.revision, stream->late && !stream->attached);
    if (stream->has_missed)
        maf_session_lose_track(stream->session);
}

void
maf_stream_pass_on(maf_stream_t *stream, const packet_info *pinfo, dissector_handle_t handle)
{
    if (!stream->tls_port) {
        conversation_set_dissector_from_frame_number(stream->conversation, pinfo->num + 1, handle);
    } else {
        stream->tls_last = pinfo->num;
        stream->tls_next = handle;
    }
}

uint32_t
maf_stream_count(void)
{
    return stream_count;
}

static void
forget_streams(void)
{
    stream_count = partial_count = 0;
}

void
maf_stream_register(int proto)
{
    proto_maf = proto;
    register_init_routine(forget_streams);
}
