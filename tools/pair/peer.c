/* peer.c
 * The other side of a connection: what is sent to it, what is read from it and how long that may take
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK       1024  /* bytes read, and room, at least: growing would leave a copy, of a password too */
#define BUFFER_SIZE 32768 /* of a direction of a tunnel */
#define OEMS_MAX    256   /* that a peer may send in a conversation */
#define CLOSE_TIME  100   /* milliseconds that a client has at the end to close first */
#define DRAIN_TIME  1000  /* and then to read what it was sent */

char *
peer_explain(const peer_t *peer)
{
    const GError *error = peer->in.error;

    if (!peer->expects || error->code == STATUS_REFUSED)
        return g_strdup(error->message);
    return g_strdup_printf("expected %s: %s", peer->expects, error->message);
}

static void
log_pdu(const peer_t *peer, const char *done, const maf_pdu_t *pdu, const char *how)
{
    if (!peer->options->verbose)
        return;
    g_autofree char *text = maf_pdu_describe(pdu);
    log_line(peer->name, "%s %s%s", done, text, how);
}

/* Sending */

static gboolean
flush(peer_t *peer)
{
    const gint64 deadline = MIN(net_deadline(peer->options->timeout), peer->login_deadline);
    GByteArray *out = peer->out;
    gboolean sent = TRUE;

    for (gsize at = 0; sent && at < out->len;) {
        const gssize count = net_write(peer->fd, out->data + at, out->len - at, peer->options->write_size);
        at += (gsize)MAX(count, 0);
        if (count < 0 && errno != EAGAIN)
            sent = fail(&peer->in.error, STATUS_NETWORK, "%s", g_strerror(errno));
        else if (count < 0 && !net_wait(peer->fd, POLLOUT, deadline))
            sent = fail(&peer->in.error, STATUS_NETWORK, "the peer does not read");
    }
    explicit_bzero(out->data, out->len);
    g_byte_array_set_size(out, 0);
    return sent;
}

gboolean
peer_send(peer_t *peer)
{
    return peer->options->coalesce || flush(peer);
}

gboolean
peer_send_pdu(peer_t *peer, maf_pdu_t pdu)
{
    const gboolean was_done = peer->fault.done;

    pdu.ver = (guint32)peer->revision;
    const fault_then_t then = fault_write(&peer->fault, &pdu, peer->out);
    log_pdu(peer, "sent", &pdu, peer->fault.done == was_done ? "" : ", altered by --fault");
    if (then == FAULT_GO_ON)
        return peer_send(peer);
    flush(peer);
    peer->reset = then == FAULT_RESET;
    peer->expects = NULL;
    return fail(&peer->in.error, STATUS_NETWORK, "ended by --fault %s", fault_name(peer->options->fault));
}

gboolean
peer_send_data(peer_t *peer, guint8 instr, const method_id_t *method, const GByteArray *data)
{
    return peer_send_pdu(peer, (maf_pdu_t){.instr = instr,
                                           .method = *method,
                                           .data = data ? data->data : NULL,
                                           .data_len = data ? data->len : 0});
}

/* Reading */

/* Sends what is kept, and waits for bytes. */
static void
fill(reader_t *in, gsize missing)
{
    peer_t *peer = (peer_t *)(void *)in;
    const guint len = in->bytes->len;
    const gsize chunk = MAX(missing, CHUNK);

    if (len + missing > peer->options->message_size)
        fail(&in->error, STATUS_VIOLATION, "a message of more than %u bytes", peer->options->message_size);
    if (in->error || !flush(peer))
        return;
    if (!net_wait(peer->fd, POLLIN, MIN(peer->deadline, peer->login_deadline))) {
        if (peer->login_deadline <= peer->deadline)
            fail(&in->error, STATUS_NETWORK, "not logged in within %u s", peer->options->login_time);
        fail(&in->error, STATUS_NETWORK, "nothing within %u s", peer->options->timeout);
        return;
    }
    g_byte_array_set_size(in->bytes, len + (guint)chunk);
    const gssize count = recv(peer->fd, in->bytes->data + len, chunk, 0);
    g_byte_array_set_size(in->bytes, len + (guint)MAX(count, 0));
    peer->at_end = count == 0;
    if (count == 0)
        fail(&in->error, STATUS_VIOLATION, "the peer closed the connection%s",
             len > 0 ? " inside a message" : "");
    else if (count < 0)
        fail(&in->error, STATUS_NETWORK, "%s", g_strerror(errno));
}

void
peer_expect(peer_t *peer, const char *expects)
{
    GByteArray *bytes = peer->in.bytes;
    const guint read = (guint)peer->in.at;

    if (read > 0) {
        g_byte_array_remove_range(bytes, 0, read);
        explicit_bzero(bytes->data + bytes->len, read);
        peer->in.at = 0;
    }
    peer->expects = expects;
    peer->deadline = net_deadline(peer->options->timeout);
}

gboolean
peer_select(peer_t *peer, guint8 wanted, gboolean allow_none, guint8 *method)
{
    guint count;

    peer_expect(peer, "a SOCKS 5 greeting");
    const guint8 *offered = socks_read_greeting(&peer->in, &count);
    if (!offered)
        return FALSE;
    if (memchr(offered, wanted, count) || fault_decides(&peer->fault, "unoffered-selection"))
        *method = wanted;
    else
        *method = allow_none && memchr(offered, SOCKS_METHOD_NONE, count) ? SOCKS_METHOD_NONE
                                                                          : SOCKS_METHOD_UNACCEPTABLE;
    socks_write_start(*method, NULL, peer->out);
    return peer_send(peer) &&
           (*method != SOCKS_METHOD_UNACCEPTABLE ||
            fail(&peer->in.error, STATUS_REFUSED, "METHOD %02X is not among those of the greeting", wanted));
}

gboolean
peer_read_message(peer_t *peer, socks_message_t *message)
{
    const gboolean is_server = peer->options->side == PAIR_SERVER;
    const socks_message_t reply = socks_message_of(SOCKS_REP_ATYP_NOT_SUPPORTED, "0.0.0.0", 0);

    peer_expect(peer, is_server ? "a SOCKS 5 request" : "a SOCKS 5 reply");
    if (!socks_read_message(&peer->in, message) || message->len > 0)
        return !peer->in.error;
    if (is_server)
        socks_write_message(&reply, peer->out);
    return fail(&peer->in.error, STATUS_VIOLATION, "ATYP is %02X, not 01, 03 or 04", message->atyp);
}

/* MAF messages, and OEM between them (draft-01, Process OEM specific) */

static gboolean
answer_oem(peer_t *peer, const maf_pdu_t *question)
{
    maf_pdu_t answer = {.instr = MAF_INSTR_OEM, .method = method_id_compact(MAF_OEM_NOT_RECOGNISED)};

    if (++peer->oems > OEMS_MAX)
        return fail(&peer->in.error, STATUS_VIOLATION, "more OEM messages than the limit of %d", OEMS_MAX);
    for (guint32 number = 0; number <= MAF_OEM_TEST_LAST; number++) {
        if (method_id_is(&question->method, number))
            answer = *question;
    }
    answer.flags = MAF_FLAGS_NONE;
    answer.reserved = 0;
    return peer_send_pdu(peer, answer);
}

gboolean
peer_read_pdu(peer_t *peer, const char *expects, gboolean oem, maf_pdu_t *pdu)
{
    do {
        peer_expect(peer, expects);
        if (!maf_pdu_read(&peer->in, peer->revision, pdu))
            return FALSE;
        peer->revision = (int)pdu->ver;
        log_pdu(peer, "received", pdu, "");
        if (fault_received(&peer->fault, pdu, peer->out) && !peer_send(peer))
            return FALSE;
        if (!oem || pdu->instr != MAF_INSTR_OEM)
            return TRUE;
    } while (answer_oem(peer, pdu));
    return FALSE;
}

gboolean
peer_refuse(peer_t *peer, const maf_pdu_t *pdu)
{
    return fail(&peer->in.error, STATUS_VIOLATION, "got %s", maf_instr_name(pdu->instr));
}

gboolean
peer_read_instr(peer_t *peer, guint8 instr, gboolean oem, maf_pdu_t *pdu)
{
    const char *expects = instr == MAF_INSTR_SUPPORTED ? "a list of MAF sub-methods" : maf_instr_name(instr);

    return peer_read_pdu(peer, expects, oem, pdu) && (pdu->instr == instr || peer_refuse(peer, pdu));
}

gboolean
peer_wants_process(peer_t *peer, const maf_pdu_t *pdu, const method_id_t *method)
{
    if (pdu->instr != MAF_INSTR_PROCESS)
        return peer_refuse(peer, pdu);
    if (method_id_equal(&pdu->method, method))
        return TRUE;
    g_autofree char *other = method_id_describe(&pdu->method);
    return fail(&peer->in.error, STATUS_VIOLATION, "got Process for %s", other);
}

gboolean
peer_exchange_oem(peer_t *peer, oem_place_t place)
{
    const maf_pdu_t question = {.instr = MAF_INSTR_OEM,
                                .method = peer->options->oem_id,
                                .data = (const guint8 *)"ping",
                                .data_len = 4};
    maf_pdu_t answer;

    if (place != peer->options->oem_place || peer->revision != MAF_VER_01)
        return TRUE;
    return peer_send_pdu(peer, question) && peer_read_instr(peer, MAF_INSTR_OEM, FALSE, &answer);
}

/* The tunnel */

/* One direction. It has bytes to write, or it waits for more. */
typedef struct pump {
    int from, to;
    gsize write_size;
    guint8 *buffer; /* none while there are no bytes: an idle tunnel needs none */
    gsize at, len;
    gboolean over;
} pump_t;

/* Does what poll() says it can. The end of one side becomes that of the other. FALSE when the connection
 * broke off. */
static gboolean
pump_go(pump_t *pump)
{
    gssize count = 0;

    if (pump->at == pump->len) {
        pump->buffer = g_realloc(pump->buffer, BUFFER_SIZE);
        count = read(pump->from, pump->buffer, BUFFER_SIZE);
        pump->at = 0;
        pump->len = (gsize)MAX(count, 0);
        pump->over = count == 0;
        if (pump->over && shutdown(pump->to, SHUT_WR) != 0 && errno == ENOTSOCK)
            close(pump->to);
    }
    if (pump->at < pump->len) {
        count = net_write(pump->to, pump->buffer + pump->at, pump->len - pump->at, pump->write_size);
        pump->at += (gsize)MAX(count, 0);
    }
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        return FALSE;
    if (pump->at == pump->len)
        g_clear_pointer(&pump->buffer, g_free);
    return TRUE;
}

gboolean
peer_relay(peer_t *peer, int in, int out)
{
    pump_t pumps[] = {{.from = peer->fd, .to = out},
                      {.from = in, .to = peer->fd, .write_size = peer->options->write_size}};

    peer->login_deadline = G_MAXINT64;
    if (!flush(peer))
        return FALSE;
    peer_expect(peer, NULL);
    pumps[0].len = peer->in.bytes->len; /* has been sent already */
    pumps[0].buffer = g_byte_array_free(g_steal_pointer(&peer->in.bytes), FALSE);
    peer->at_end = TRUE;
    while (!peer->reset && !(pumps[0].over && (pumps[1].over || isatty(in)))) {
        struct pollfd fds[2];
        for (gsize i = 0; i < 2; i++) {
            const pump_t *pump = &pumps[i];
            fds[i] = pump->at < pump->len
                         ? (struct pollfd){.fd = pump->to, .events = POLLOUT}
                         : (struct pollfd){.fd = pump->over ? -1 : pump->from, .events = POLLIN};
        }
        peer->reset = poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR;
        for (gsize i = 0; !peer->reset && i < 2; i++)
            peer->reset = fds[i].revents && !pump_go(&pumps[i]);
    }
    if (peer->reset)
        fail(&peer->in.error, STATUS_NETWORK, "the connection broke off: %s", g_strerror(errno));
    g_free(pumps[0].buffer);
    g_free(pumps[1].buffer);
    return !peer->reset;
}

/* The beginning and the end */

void
peer_open(peer_t *peer, int fd, const char *name, const peer_options_t *options)
{
    *peer = (peer_t){.in = {.bytes = g_byte_array_sized_new(CHUNK), .fill = fill},
                     .fd = fd,
                     .name = name,
                     .options = options,
                     .revision = options->revision,
                     .login_deadline = net_deadline(options->login_time),
                     .out = g_byte_array_sized_new(CHUNK)};
    peer->fault.fault = options->fault;
}

/* Reads what comes until the end of it. FALSE: the time was over first. */
static gboolean
drain(int fd, gint64 milliseconds)
{
    const gint64 deadline = g_get_monotonic_time() + milliseconds * 1000;
    guint8 ignored[1024];

    while (net_wait(fd, POLLIN, deadline)) {
        if (recv(fd, ignored, sizeof ignored, 0) <= 0)
            return TRUE;
    }
    return FALSE;
}

/*
 * Closing with bytes unread would reset the connection, and a client might lose what it was sent last. It may
 * close first, so that which side does is no matter of chance, and then has time to read.
 */
void
peer_close(peer_t *peer)
{
    if (peer->options->fault && !peer->fault.done)
        log_line(peer->name, "--fault %s did not apply", fault_name(peer->options->fault));
    if (peer->reset) {
        net_prepare_reset(peer->fd);
    } else if (flush(peer) && peer->options->side == PAIR_SERVER && !peer->at_end &&
               !drain(peer->fd, CLOSE_TIME)) {
        shutdown(peer->fd, SHUT_WR);
        drain(peer->fd, DRAIN_TIME);
    }
    reader_clear(&peer->in);
    wipe_and_unref(peer->out);
}
