/* peer.c
 * The other side of a connection: what is sent to it, what is read from it and how long that may take
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "peer.h"

#include "log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* An array has room for so many bytes from the start: growing would leave a copy of them, of a password too.
 */
#define ROOM 1024

/* Bytes read at a time, while no more are asked for */
#define CHUNK     1024
#define CHUNK_MAX 65536

/* OEM messages that a peer may send in a conversation */
#define OEMS_MAX 256

#define WRITE_PAUSE 1000 /* microseconds between the writes of --write-size */

static gboolean
lost(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (error)
        *error = g_error_new_valist(PAIR_ERROR, PAIR_ERROR_NETWORK, format, args);
    va_end(args);
    return FALSE;
}

char *
peer_explain(const peer_t *peer, const GError *error)
{
    return peer->expects && error->code != PAIR_ERROR_REFUSED && error->code != PAIR_ERROR_FAULT
               ? g_strdup_printf("expected %s: %s", peer->expects, error->message)
               : g_strdup(error->message);
}

void
peer_log_verbose(const peer_t *peer, const char *format, ...)
{
    va_list args;

    if (!peer->options->verbose)
        return;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    log_line(peer->name, "%s", text);
}

/* Reading */

static gint64
nearest_deadline(const peer_t *peer, gint64 deadline)
{
    return peer->login_deadline ? MIN(deadline, peer->login_deadline) : deadline;
}

static gboolean
too_late(const peer_t *peer, GError **error)
{
    if (peer->login_deadline && g_get_monotonic_time() >= peer->login_deadline)
        return lost(error, "not logged in within %u s", peer->options->login_time);
    return lost(error, "nothing within %d s", peer->options->timeout);
}

/* Has reading wait until the deadline; returns what is left. To spare calls, it may wait half a second
 * longer. */
static gint64
set_receive_timeout(peer_t *peer, gint64 deadline)
{
    const gint64 left = deadline - g_get_monotonic_time();
    const struct timeval timeout = {.tv_sec = left / G_USEC_PER_SEC, .tv_usec = left % G_USEC_PER_SEC};

    if (left > 0 && (left > peer->receive_timeout || left + G_USEC_PER_SEC / 2 < peer->receive_timeout)) {
        setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        peer->receive_timeout = left;
    }
    return left;
}

static gboolean
fill(reader_t *reader, gsize missing, GError **error)
{
    peer_t *peer = (peer_t *)(void *)reader;
    const guint len = reader->in->len;
    const gsize chunk = CLAMP(missing, CHUNK, CHUNK_MAX);

    if (len + missing > peer->options->message_size)
        return violation(error, "a message of more than %u bytes", peer->options->message_size);
    if (!peer_flush(peer, error))
        return FALSE;
    const gint64 left = set_receive_timeout(peer, nearest_deadline(peer, peer->deadline));
    if (left <= 0)
        return too_late(peer, error);
    g_byte_array_set_size(reader->in, len + (guint)chunk);
    const gssize count = recv(peer->fd, reader->in->data + len, chunk, 0);
    g_byte_array_set_size(reader->in, len + (guint)MAX(count, 0));
    if (count < 0 && errno == EAGAIN)
        return too_late(peer, error);
    if (count < 0 && errno != EINTR)
        return lost(error, "%s", g_strerror(errno));
    peer->at_end = count == 0;
    return count != 0 ||
           violation(error, "the peer closed the connection%s", len > 0 ? " inside a message" : "");
}

void
peer_expect(peer_t *peer, const char *expects)
{
    GByteArray *in = peer->reader.in;
    const guint read = (guint)peer->reader.at;

    if (read > 0) {
        g_byte_array_remove_range(in, 0, read);
        explicit_bzero(in->data + in->len, read);
        peer->reader.at = 0;
    }
    peer->expects = expects;
    peer->deadline = net_deadline((guint)peer->options->timeout);
}

/* Sending */

static gboolean
send_all(peer_t *peer, const guint8 *bytes, gsize len, GError **error)
{
    const gint64 deadline = nearest_deadline(peer, net_deadline((guint)peer->options->timeout));
    const gsize size = peer->options->write_size ? (gsize)peer->options->write_size : len;

    for (gsize at = 0; at < len;) {
        const gssize count = send(peer->fd, bytes + at, MIN(size, len - at), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) {
            at += (gsize)count;
            if (at < len && peer->options->write_size)
                g_usleep(WRITE_PAUSE);
        } else if (errno != EAGAIN && errno != EINTR) {
            return lost(error, "%s", g_strerror(errno));
        } else if (!net_wait(peer->fd, POLLOUT, deadline)) {
            return lost(error, "the peer does not read");
        }
    }
    return TRUE;
}

gboolean
peer_flush(peer_t *peer, GError **error)
{
    GByteArray *out = peer->out;
    const gboolean sent = out->len == 0 || send_all(peer, out->data, out->len, error);

    if (out->len > 0) {
        explicit_bzero(out->data, out->len);
        g_byte_array_set_size(out, 0);
    }
    return sent;
}

gboolean
peer_send(peer_t *peer, const GByteArray *message, GError **error)
{
    if (!peer->options->coalesce)
        return send_all(peer, message->data, message->len, error);
    g_byte_array_append(peer->out, message->data, message->len);
    return TRUE;
}

gboolean
peer_send_pdu(peer_t *peer, const maf_pdu_t *pdu, GError **error)
{
    GByteArray *message = g_byte_array_sized_new(ROOM);
    const gboolean was_done = peer->fault.done;
    maf_pdu_t sent = *pdu;
    fault_then_t then;

    sent.ver = (guint8)peer->revision;
    if (!maf_pdu_has_data(peer->revision, sent.instr))
        sent.data_len = 0;
    gboolean done = fault_write(&peer->fault, &sent, message, &then, error);
    if (done && peer->options->verbose) {
        g_autofree char *text = maf_pdu_describe(&sent);
        log_line(peer->name, "sent %s%s", text, peer->fault.done == was_done ? "" : ", altered by --fault");
    }
    done = done && peer_send(peer, message, error);
    wipe_and_unref(message);
    if (done && then != FAULT_GO_ON) {
        peer_flush(peer, NULL);
        peer->reset = then == FAULT_RESET;
        g_set_error(error, PAIR_ERROR, PAIR_ERROR_FAULT, "ended by --fault %s",
                    fault_name(peer->options->fault));
        return FALSE;
    }
    return done;
}

gboolean
peer_send_header(peer_t *peer, guint8 instr, guint16 flags, GError **error)
{
    const maf_pdu_t pdu = {.instr = instr, .flags = flags};
    return peer_send_pdu(peer, &pdu, error);
}

/* MAF messages, and OEM between them (draft-01, Process OEM specific) */

static gboolean
read_one(peer_t *peer, const char *expects, maf_pdu_t *pdu, GError **error)
{
    g_autoptr(GByteArray) extra = g_byte_array_new();

    peer_expect(peer, expects);
    if (!maf_pdu_read(&peer->reader, peer->revision, pdu, error))
        return FALSE;
    peer->revision = pdu->ver;
    if (peer->options->verbose) {
        g_autofree char *text = maf_pdu_describe(pdu);
        log_line(peer->name, "received %s", text);
    }
    fault_received(&peer->fault, pdu, extra);
    return extra->len == 0 || peer_send(peer, extra, error);
}

static gboolean
answer_oem(peer_t *peer, const maf_pdu_t *question, GError **error)
{
    maf_pdu_t answer = {.instr = MAF_INSTR_OEM, .method = method_id_compact(MAF_OEM_NOT_RECOGNISED)};

    if (++peer->oems > OEMS_MAX)
        return violation(error, "more OEM messages than the limit of %d", OEMS_MAX);
    for (guint32 number = 0; number <= MAF_OEM_TEST_LAST; number++) {
        if (method_id_is(&question->method, number)) {
            answer.method = question->method;
            answer.data = question->data;
            answer.data_len = question->data_len;
        }
    }
    return peer_send_pdu(peer, &answer, error);
}

gboolean
peer_answer_oems(peer_t *peer, const char *expects, guint8 *next, GError **error)
{
    maf_pdu_t pdu;

    for (;;) {
        peer_expect(peer, expects);
        if (!reader_u8(&peer->reader, next, error))
            return FALSE;
        peer->reader.at--;
        if (*next != MAF_INSTR_OEM)
            return TRUE;
        if (!read_one(peer, expects, &pdu, error) || !answer_oem(peer, &pdu, error))
            return FALSE;
    }
}

gboolean
peer_read_pdu(peer_t *peer, const char *expects, gboolean oem, maf_pdu_t *pdu, GError **error)
{
    guint8 instr;

    return (!oem || peer_answer_oems(peer, expects, &instr, error)) && read_one(peer, expects, pdu, error);
}

gboolean
peer_read_instr(peer_t *peer, guint8 instr, gboolean oem, GError **error)
{
    maf_pdu_t pdu;

    if (!peer_read_pdu(peer, maf_instr_name(instr), oem, &pdu, error))
        return FALSE;
    g_free(pdu.offered);
    return pdu.instr == instr || violation(error, "got %s", maf_instr_name(pdu.instr));
}

gboolean
peer_exchange_oem(peer_t *peer, oem_place_t place, GError **error)
{
    static const char data[] = "ping";
    const maf_pdu_t question = {.instr = MAF_INSTR_OEM,
                                .method = peer->options->oem_id,
                                .data = (const guint8 *)data,
                                .data_len = strlen(data)};

    if (place != peer->options->oem_place || peer->revision != MAF_VER_01)
        return TRUE;
    return peer_send_pdu(peer, &question, error) && peer_read_instr(peer, MAF_INSTR_OEM, FALSE, error);
}

gboolean
peer_acknowledges(const peer_t *peer)
{
    return peer->revision == MAF_VER_01;
}

/* The beginning, the tunnel, and the end */

void
peer_open(peer_t *peer, int fd, char *name, const peer_options_t *options)
{
    *peer = (peer_t){.reader = {.in = g_byte_array_sized_new(CHUNK), .fill = fill},
                     .fd = fd,
                     .name = name,
                     .options = options,
                     .revision = options->revision,
                     .login_deadline = net_deadline(options->login_time),
                     .out = options->coalesce ? g_byte_array_sized_new(ROOM) : g_byte_array_new()};
    peer->fault.fault = options->fault;
}

gboolean
peer_relay(peer_t *peer, const relay_end_t *other, const GByteArray *sent, GError **error)
{
    const relay_end_t end = {
        .in = peer->fd, .out = peer->fd, .is_socket = TRUE, .write_size = (gsize)peer->options->write_size};

    if (!peer_flush(peer, error))
        return FALSE;
    peer_expect(peer, NULL);
    peer->reset = !net_relay(&end, peer->reader.in, other, sent);
    peer->at_end = TRUE;
    return !peer->reset || lost(error, "the connection broke off: %s", g_strerror(errno));
}

/* Closing with bytes unread would reset the connection, and the peer might lose what it was sent last. */
static void
drain(int fd, gint64 deadline)
{
    guint8 ignored[1024];
    gssize count;

    shutdown(fd, SHUT_WR);
    do
        count = net_wait(fd, POLLIN, deadline) ? recv(fd, ignored, sizeof ignored, MSG_DONTWAIT) : 0;
    while ((count > 0 || (count < 0 && errno == EINTR)) && g_get_monotonic_time() < deadline);
}

void
peer_close(peer_t *peer)
{
    if (peer->reset)
        net_prepare_reset(peer->fd);
    else if (peer_flush(peer, NULL) && peer->options->linger > 0 && !peer->at_end)
        drain(peer->fd, g_get_monotonic_time() + (gint64)peer->options->linger * 1000);
    wipe_and_unref(peer->reader.in);
    wipe_and_unref(peer->out);
    g_free(peer->name);
}
