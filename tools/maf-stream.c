/* maf-stream.c
 * One side of a conversation over TCP: what it says, what it waits for, for how long, and how it ends
 *
 * Every callback changes what it knows and calls proceed(), the one place that decides what happens next.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-stream.h"

#include "paced-write.h"
#include "tool.h"

#include <sys/socket.h>

/* With more octets than this still to write, nothing is read: a peer must listen to be listened to. */
#define UNWRITTEN_MAX 65536

/* Octets that an array has room for from the start: growing would leave a copy of them, of a password too. */
#define ROOM 1024

/* OEM frames that a peer may send in a conversation, each of which keeps it alive. */
#define OEMS_MAX 256

typedef enum phase {
    TALKING,  /* messages both ways */
    CLOSING,  /* says what is left to say, then closes */
    DRAINING, /* has closed its sending side and lets the peer read and close */
    BRIDGING, /* says what is left to say, then relays */
    RELAYING,
    OVER,
} phase_t;

struct maf_stream {
    GSocketConnection *connection;
    GSocket *socket;
    GInputStream *in;
    GOutputStream *out;
    char *peer;
    const maf_manners_t *manners;
    maf_ended_t ended;
    gpointer side;

    int revision;
    phase_t phase;
    const maf_state_t *state;
    void (*after_oem)(gpointer side); /* once the OEM frame that was said is answered */
    guint oems;                       /* that have come */
    GError *error;
    GCancellable *cancellable;
    guint deadline, wake_up;

    guint8 chunk[4096];
    GByteArray *input;
    gboolean reading, at_end;

    GQueue output; /* of GByteArray: one write each */
    GByteArray *being_written;
    gsize unwritten; /* octets in both */

    maf_fault_run_t fault;
    gboolean reset; /* ends by resetting the connection */

    relay_end_t other;
};

static const maf_state_t awaiting_oem = {"OEM in answer to OEM", NULL, TRUE};

static void proceed(maf_stream_t *stream);

/* Time */

static gboolean
deadline_passed(gpointer user_data)
{
    maf_stream_t *stream = user_data;

    stream->deadline = 0;
    maf_stream_give_up(stream,
                       stream->phase == TALKING
                           ? g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "expected %s: nothing within %d s",
                                         stream->state->expects, stream->manners->timeout)
                           : NULL);
    return G_SOURCE_REMOVE;
}

static void
set_deadline(maf_stream_t *stream, guint milliseconds)
{
    g_clear_handle_id(&stream->deadline, g_source_remove);
    if (milliseconds > 0)
        stream->deadline = g_timeout_add(milliseconds, deadline_passed, stream);
}

static void
set_message_deadline(maf_stream_t *stream)
{
    set_deadline(stream, stream->state ? (guint)stream->manners->timeout * 1000 : 0);
}

/* Reading and writing */

static void
has_read(GObject *source, GAsyncResult *result, gpointer user_data)
{
    maf_stream_t *stream = user_data;
    g_autoptr(GError) error = NULL;
    const gssize count = g_input_stream_read_finish(G_INPUT_STREAM(source), result, &error);

    stream->reading = FALSE;
    if (count > 0 && stream->phase == TALKING)
        g_byte_array_append(stream->input, stream->chunk, (guint)count);
    else if (count == 0)
        stream->at_end = TRUE;
    else if (count < 0 && stream->phase == TALKING)
        maf_stream_end(stream, g_steal_pointer(&error));
    else if (count < 0)
        stream->at_end = TRUE;
    explicit_bzero(stream->chunk, (gsize)MAX(count, 0));
    proceed(stream);
}

static void
read_more(maf_stream_t *stream)
{
    if (stream->reading || stream->unwritten > UNWRITTEN_MAX)
        return;
    stream->reading = TRUE;
    g_input_stream_read_async(stream->in, stream->chunk, sizeof stream->chunk, G_PRIORITY_DEFAULT,
                              stream->cancellable, has_read, stream);
}

static void
has_written(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer user_data)
{
    maf_stream_t *stream = user_data;
    g_autoptr(GError) error = NULL;

    stream->unwritten -= stream->being_written->len;
    g_clear_pointer(&stream->being_written, maf_wipe_and_unref);
    if (!paced_write_finish(result, &error)) {
        g_queue_clear_full(&stream->output, (GDestroyNotify)maf_wipe_and_unref);
        stream->unwritten = 0;
        if (stream->phase != CLOSING)
            maf_stream_end(stream, g_steal_pointer(&error));
    }
    proceed(stream);
}

static void
write_next(maf_stream_t *stream)
{
    if (stream->being_written || g_queue_is_empty(&stream->output))
        return;
    stream->being_written = g_queue_pop_head(&stream->output);
    paced_write_async(stream->out, stream->being_written->data, stream->being_written->len,
                      (gsize)stream->manners->write_size, stream->cancellable, has_written, stream);
}

/* OEM frames (draft-01, Process OEM specific) */

static frame_status_t
receive_oem(maf_stream_t *stream, gsize *length, GError **error)
{
    maf_pdu_t pdu, answer;
    const frame_status_t status =
        maf_stream_read_pdu(stream, stream->input->data, stream->input->len, &pdu, length, error);

    if (status != FRAME_COMPLETE)
        return status;
    if (pdu.instr != MAF_INSTR_OEM)
        return frame_bad(error, "got %s", maf_instr_name(pdu.instr));
    if (++stream->oems > OEMS_MAX)
        return frame_bad(error, "got more OEM frames than this program's limit of %d", OEMS_MAX);
    if (stream->state == &awaiting_oem) {
        stream->after_oem(stream->side);
    } else {
        maf_oem_answer(&pdu, &answer);
        maf_stream_send_pdu(stream, &answer);
    }
    return FRAME_COMPLETE;
}

/* Talking: gives the state what has arrived, until it wants more */

static frame_status_t
receive(maf_stream_t *stream, gsize *length, GError **error)
{
    const GByteArray *input = stream->input;
    const maf_state_t *state = stream->state;

    if (state == &awaiting_oem || (state->oem && input->len > 0 && input->data[0] == MAF_INSTR_OEM))
        return receive_oem(stream, length, error);
    return state->receive(stream->side, input->data, input->len, length, error);
}

/* Waits for the rest of a message, of which this many octets are missing at least. */
static void
await_rest(maf_stream_t *stream, gsize missing)
{
    const guint limit = stream->manners->message_size;

    if (stream->at_end)
        maf_stream_end(stream,
                       g_error_new(MAF_ERROR, MAF_ERROR_VIOLATION,
                                   "expected %s: the peer closed the connection%s", stream->state->expects,
                                   stream->input->len > 0 ? " inside a message" : ""));
    else if (limit > 0 && stream->input->len + missing > limit)
        maf_stream_end(stream, g_error_new(MAF_ERROR, MAF_ERROR_VIOLATION,
                                           "expected %s: a message of more than %u octets",
                                           stream->state->expects, limit));
    else
        read_more(stream);
}

static void
converse(maf_stream_t *stream)
{
    while (stream->phase == TALKING && stream->state) {
        const maf_state_t *state = stream->state;
        g_autoptr(GError) error = NULL;
        gsize length = 0;

        switch (receive(stream, &length, &error)) {
        case FRAME_COMPLETE:
            g_byte_array_remove_range(stream->input, 0, (guint)length);
            explicit_bzero(stream->input->data + stream->input->len, length);
            set_message_deadline(stream);
            break;
        case FRAME_PARTIAL:
            await_rest(stream, length);
            return;
        case FRAME_BAD:
            g_prefix_error(&error, "expected %s: ", state->expects);
            maf_stream_end(stream, g_steal_pointer(&error));
            break;
        }
    }
}

/* Ending */

static gboolean
tell_end(gpointer user_data)
{
    maf_stream_t *stream = user_data;

    if (stream->fault.fault && !stream->fault.done)
        tool_say(stream->peer, "no occasion came for --fault %s", maf_fault_name(stream->fault.fault));
    stream->ended(stream->side, stream->error);
    return G_SOURCE_REMOVE;
}

/* Has the close to come reset the connection. */
static void
prepare_reset(GSocket *socket)
{
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(g_socket_get_fd(socket), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void
close_now(maf_stream_t *stream)
{
    if (stream->reading) {
        g_cancellable_cancel(stream->cancellable);
        return;
    }
    stream->phase = OVER;
    set_deadline(stream, 0);
    if (stream->reset)
        prepare_reset(stream->socket);
    g_io_stream_close(G_IO_STREAM(stream->connection), NULL, NULL);
    g_idle_add_full(G_PRIORITY_DEFAULT, tell_end, stream, NULL);
}

/* Closing with octets unread would reset the connection, and the peer might lose what it was told last. */
static void
start_draining(maf_stream_t *stream)
{
    stream->phase = DRAINING;
    if (stream->reset || stream->manners->linger == 0 || g_cancellable_is_cancelled(stream->cancellable) ||
        !g_socket_shutdown(stream->socket, FALSE, TRUE, NULL))
        stream->at_end = TRUE;
    else
        set_deadline(stream, (guint)stream->manners->linger);
}

static void
relay_ended(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer user_data)
{
    maf_stream_t *stream = user_data;
    relay_finish(result, &stream->error);
    close_now(stream);
}

static void
start_relaying(maf_stream_t *stream)
{
    const relay_end_t peer = {.in = stream->in,
                              .out = stream->out,
                              .socket = stream->socket,
                              .write_size = (gsize)stream->manners->write_size};
    g_autoptr(GBytes) first = g_bytes_new(stream->input->data, stream->input->len);

    g_clear_pointer(&stream->input, maf_wipe_and_unref);
    stream->phase = RELAYING;
    set_deadline(stream, 0);
    relay_async(&peer, &stream->other, first, relay_ended, stream);
}

/* What happens next */

static void
proceed(maf_stream_t *stream)
{
    converse(stream);
    write_next(stream);
    if (stream->being_written)
        return;
    if (stream->phase == CLOSING)
        start_draining(stream);
    if (stream->phase == DRAINING && !stream->at_end)
        read_more(stream);
    else if (stream->phase == DRAINING)
        close_now(stream);
    else if (stream->phase == BRIDGING)
        start_relaying(stream);
}

static gboolean
proceed_soon(gpointer user_data)
{
    maf_stream_t *stream = user_data;
    stream->wake_up = 0;
    proceed(stream);
    return G_SOURCE_REMOVE;
}

/* From the main loop, because the caller may itself have been called from proceed(). */
static void
wake_up(maf_stream_t *stream)
{
    if (stream->wake_up == 0)
        stream->wake_up = g_idle_add_full(G_PRIORITY_DEFAULT, proceed_soon, stream, NULL);
}

/* For the sides */

maf_stream_t *
maf_stream_new(GSocketConnection *connection, const maf_manners_t *manners, maf_ended_t ended, gpointer side)
{
    maf_stream_t *stream = g_new0(maf_stream_t, 1);

    stream->connection = g_object_ref(connection);
    stream->socket = g_socket_connection_get_socket(connection);
    stream->in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    stream->out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    stream->peer = tool_describe_peer(connection);
    stream->manners = manners;
    stream->revision = manners->revision;
    stream->fault.fault = manners->fault;
    stream->ended = ended;
    stream->side = side;
    stream->cancellable = g_cancellable_new();
    stream->input = g_byte_array_sized_new(ROOM);
    g_queue_init(&stream->output);
    relay_tune(stream->socket);
    return stream;
}

void
maf_stream_free(maf_stream_t *stream)
{
    if (!stream)
        return;
    set_deadline(stream, 0);
    g_clear_handle_id(&stream->wake_up, g_source_remove);
    g_queue_clear_full(&stream->output, (GDestroyNotify)maf_wipe_and_unref);
    g_clear_pointer(&stream->input, maf_wipe_and_unref);
    g_object_unref(stream->cancellable);
    g_object_unref(stream->connection);
    g_clear_error(&stream->error);
    g_free(stream->peer);
    g_free(stream);
}

const char *
maf_stream_peer(const maf_stream_t *stream)
{
    return stream->peer;
}

void
maf_stream_expect(maf_stream_t *stream, const maf_state_t *state)
{
    stream->state = state;
    set_message_deadline(stream);
    wake_up(stream);
}

void
maf_stream_send(maf_stream_t *stream, const GByteArray *octets)
{
    GByteArray *last = stream->manners->glue ? g_queue_peek_tail(&stream->output) : NULL;

    if (stream->phase != TALKING)
        return;
    if (!last) {
        last = g_byte_array_sized_new(ROOM);
        g_queue_push_tail(&stream->output, last);
    }
    g_byte_array_append(last, octets->data, octets->len);
    stream->unwritten += octets->len;
    wake_up(stream);
}

void
maf_stream_send_pdu(maf_stream_t *stream, const maf_pdu_t *pdu)
{
    GByteArray *octets = g_byte_array_new();
    const gboolean was_done = stream->fault.done;
    maf_pdu_t said = *pdu;
    maf_fault_then_t then;
    GError *error = NULL;

    said.ver = (guint8)stream->revision;
    if (!maf_stream_has_data(stream, said.instr))
        said.data_len = 0;
    if (!maf_fault_say(&stream->fault, &said, octets, &then, &error)) {
        maf_stream_end(stream, error);
        maf_wipe_and_unref(octets);
        return;
    }
    if (stream->manners->verbose) {
        g_autofree char *text = maf_pdu_describe(&said);
        tool_say(stream->peer, "sent %s%s", text,
                 stream->fault.done == was_done ? "" : ", as --fault has it");
    }
    maf_stream_send(stream, octets);
    maf_wipe_and_unref(octets);
    if (then != MAF_FAULT_GO_ON) {
        stream->reset = then == MAF_FAULT_RESET;
        maf_stream_end(stream, g_error_new(G_IO_ERROR, G_IO_ERROR_CLOSED, "ended as --fault %s has it",
                                           maf_fault_name(stream->fault.fault)));
    }
}

gboolean
maf_stream_has_data(const maf_stream_t *stream, guint8 instr)
{
    return maf_pdu_has_data((guint8)stream->revision, instr);
}

gboolean
maf_stream_acknowledges(const maf_stream_t *stream)
{
    return stream->revision == MAF_VER_01;
}

void
maf_stream_exchange_oem(maf_stream_t *stream, maf_oem_place_t place, void (*then)(gpointer side))
{
    const maf_oem_t *oem = &stream->manners->oem;
    maf_pdu_t question;

    if (place != oem->place || !maf_stream_has_data(stream, MAF_INSTR_OEM)) {
        then(stream->side);
        return;
    }
    maf_oem_ask(&oem->id, &question);
    maf_stream_send_pdu(stream, &question);
    stream->after_oem = then;
    maf_stream_expect(stream, &awaiting_oem);
}

gboolean
maf_stream_slips(maf_stream_t *stream, maf_slip_t slip)
{
    return maf_fault_slips(&stream->fault, slip);
}

static void
hear(maf_stream_t *stream, const maf_pdu_t *pdu)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();

    maf_fault_hear(&stream->fault, pdu, octets);
    if (octets->len > 0)
        maf_stream_send(stream, octets);
}

frame_status_t
maf_stream_read_pdu(maf_stream_t *stream, const guint8 *octets, gsize len, maf_pdu_t *pdu, gsize *length,
                    GError **error)
{
    const frame_status_t status = maf_pdu_decode(stream->revision, octets, len, pdu, length, error);
    if (status == FRAME_COMPLETE)
        stream->revision = pdu->ver;
    if (status == FRAME_COMPLETE && stream->manners->verbose) {
        g_autofree char *text = maf_pdu_describe(pdu);
        tool_say(stream->peer, "received %s", text);
    }
    if (status == FRAME_COMPLETE)
        hear(stream, pdu);
    return status;
}

void
maf_stream_end(maf_stream_t *stream, GError *error)
{
    if (stream->phase != TALKING && stream->phase != BRIDGING) {
        g_clear_error(&error);
        return;
    }
    stream->error = error;
    stream->phase = CLOSING;
    set_deadline(stream, (guint)stream->manners->timeout * 1000);
    wake_up(stream);
}

void
maf_stream_give_up(maf_stream_t *stream, GError *error)
{
    if (stream->phase == TALKING) {
        stream->error = g_steal_pointer(&error);
        stream->phase = CLOSING;
    }
    g_clear_error(&error);
    if (stream->phase == CLOSING || stream->phase == DRAINING)
        g_cancellable_cancel(stream->cancellable);
    wake_up(stream);
}

void
maf_stream_bridge(maf_stream_t *stream, const relay_end_t *other)
{
    if (stream->phase != TALKING)
        return;
    stream->other = *other;
    stream->phase = BRIDGING;
    maf_stream_expect(stream, NULL);
}
