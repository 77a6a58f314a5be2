/* maf-end.c
 * How a connection ends: by FIN, RST, or the end of the capture
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "socks/maf-end.h"

#include <epan/dissectors/packet-tcp.h>
#include <epan/tap.h>
#include <wsutil/wslog.h>

#include "maf-stream.h"
#include "socks/maf-show.h"

static int tcp_tap;
static bool listens;
static uint32_t cut_streams; /* closed inside a message */

/*
 * With a listener, TCP's header can be fetched while the packet is dissected. The listener itself wants
 * nothing; but it costs something for every packet, so it waits for the first connection of ours.
 */
void
maf_end_listen(void)
{
    GString *problem;

    if (listens)
        return;
    tcp_tap = find_tap_id("tcp");
    problem = register_tap_listener("tcp", &listens, NULL, TL_IS_DISSECTOR_HELPER, NULL, NULL, NULL, NULL);
    listens = !problem;
    if (problem) {
        ws_warning("%s", problem->str);
        g_string_free(problem, TRUE);
    }
}

static bool
closes(const struct tcpheader *header)
{
    return header && (header->th_flags & (TH_FIN | TH_RST));
}

/* The sequence number up to which, according to the packet, its sender or the other side has sent. */
static uint32_t
sent_before(const struct tcpheader *header, bool by_sender)
{
    return by_sender ? header->th_seq + header->th_seglen : header->th_ack;
}

/* FIN ends what its sender says, RST ends both sides. Bytes that were sent before and have not been seen may
 * come late, or never have come to the capture. */
static void
note_close(maf_stream_t *stream, const packet_info *pinfo, const struct tcpheader *header)
{
    const bool resets = header->th_flags & TH_RST;
    const maf_side_t from = maf_stream_side(stream, pinfo);

    maf_login_closed(stream->login, from, resets);
    for (int i = MAF_CLIENT; i <= MAF_SERVER; i++) {
        maf_side_of_t *side = &stream->sides[i];
        const maf_unfinished_t *pending = maf_stream_pending_at(stream, (maf_side_t)i, pinfo->num);

        if (pending && !maf_unfinished_is_whole(pending) && !side->closed && (resets || i == (int)from) &&
            (stream->place == MAF_BEHIND_TLS ||
             !maf_direction_lacks(&side->direction, sent_before(header, i == (int)from)))) {
            side->cut = pending;
            side->closed = pinfo->num;
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

/* TCP does not give us a packet without data, such as one that closes the connection, nor, on a later
 * pass, one whose rest is not in the capture. */
void
maf_end_see(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    /* NULL when only a packet's details are drawn again */
    const struct tcpheader *header = listens ? (const struct tcpheader *)fetch_tapped_data(tcp_tap, 0) : NULL;
    const bool may_be_last = pinfo->fd->visited && maf_stream_pending_count() > 0;
    maf_stream_t *stream;

    if (!pinfo->fd->visited && maf_login_count() > 0 && !header)
        note_close_untapped(pinfo);
    if (!closes(header) && cut_streams == 0 && !may_be_last)
        return;
    stream = maf_stream_find(pinfo);
    if (!stream || stream->state != MAF_STREAM_SELECTED)
        return;
    if (closes(header))
        note_close(stream, pinfo, header);
    for (int i = MAF_CLIENT; i <= MAF_SERVER; i++) {
        const maf_side_of_t *side = &stream->sides[i];

        if (side->closed == pinfo->num && !maf_unfinished_is_whole(side->cut))
            maf_show_cut_off(stream, (maf_side_t)i, side->cut, tvb, pinfo, tree);
        else if (may_be_last && maf_stream_is_pending(stream, (maf_side_t)i) &&
                 side->pending->began == pinfo->num && !maf_stream_is_closed(stream, pinfo))
            maf_show_cut_off(stream, (maf_side_t)i, side->pending, tvb, pinfo, tree);
    }
}

static void
begin_capture(void)
{
    cut_streams = 0;
}

static void
end_capture(void)
{
    if (listens)
        remove_tap_listener(&listens);
    listens = false;
}

void
maf_end_register(void)
{
    register_init_routine(begin_capture);
    register_cleanup_routine(end_capture);
}
