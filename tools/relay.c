/* relay.c
 * Octets both ways between two ends, until both ways have ended
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "relay.h"

#include "paced-write.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define BUFFER_SIZE 32768

/* How often an idle peer is asked whether it is there: after so many seconds, then each so many, so often. */
#define KEEPALIVE_IDLE     120
#define KEEPALIVE_INTERVAL 30
#define KEEPALIVE_COUNT    4

/* One direction. Each holds a reference to the task while it has something under way. */
typedef struct pump {
    GTask *task;
    relay_end_t from, to;
    GBytes *first;
    guint8 buffer[BUFFER_SIZE];
} pump_t;

typedef struct relay {
    pump_t pumps[2];
    guint running;
    GCancellable *cancellable;
    GError *error;
    gboolean over;
} relay_t;

static void pump_read(pump_t *pump);

static void
relay_free(gpointer data)
{
    relay_t *relay = data;
    for (gsize i = 0; i < G_N_ELEMENTS(relay->pumps); i++)
        g_bytes_unref(relay->pumps[i].first);
    g_object_unref(relay->cancellable);
    g_clear_error(&relay->error);
    g_free(relay);
}

/* Closing such a socket tells its peer of a reset rather than of an end. */
static void
reset_on_close(GSocket *socket)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (socket)
        setsockopt(g_socket_get_fd(socket), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* This direction is done; takes the error. */
static void
pump_end(pump_t *pump, GError *error)
{
    GTask *task = pump->task;
    relay_t *relay = g_task_get_task_data(task);

    if (error && !relay->over) {
        reset_on_close(pump->from.socket);
        reset_on_close(pump->to.socket);
        relay->error = g_steal_pointer(&error);
    }
    g_clear_error(&error);
    if (relay->error || pump->to.last_out) {
        relay->over = TRUE;
        g_cancellable_cancel(relay->cancellable);
    }
    if (--relay->running > 0)
        return;
    if (relay->error)
        g_task_return_error(task, g_steal_pointer(&relay->error));
    else
        g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static void
pump_closed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GError *error = NULL;
    g_output_stream_close_finish(G_OUTPUT_STREAM(source), result, &error);
    pump_end(user_data, error);
}

static void
pump_half_close(pump_t *pump)
{
    GError *error = NULL;

    if (!pump->to.socket) {
        g_output_stream_close_async(pump->to.out, G_PRIORITY_DEFAULT, NULL, pump_closed, pump);
        return;
    }
    g_socket_shutdown(pump->to.socket, FALSE, TRUE, &error);
    /* A peer that has already gone needs no half-close. */
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED))
        g_clear_error(&error);
    pump_end(pump, error);
}

static void
pump_written(GObject *source G_GNUC_UNUSED, GAsyncResult *result, gpointer user_data)
{
    GError *error = NULL;
    if (paced_write_finish(result, &error))
        pump_read(user_data);
    else
        pump_end(user_data, error);
}

static void
pump_write(pump_t *pump, const guint8 *octets, gsize len)
{
    const relay_t *relay = g_task_get_task_data(pump->task);
    paced_write_async(pump->to.out, octets, len, pump->to.write_size, relay->cancellable, pump_written, pump);
}

static void
pump_has_read(GObject *source, GAsyncResult *result, gpointer user_data)
{
    pump_t *pump = user_data;
    GError *error = NULL;
    const gssize count = g_input_stream_read_finish(G_INPUT_STREAM(source), result, &error);

    if (count > 0)
        pump_write(pump, pump->buffer, (gsize)count);
    else if (count == 0)
        pump_half_close(pump);
    else
        pump_end(pump, error);
}

static void
pump_read(pump_t *pump)
{
    const relay_t *relay = g_task_get_task_data(pump->task);
    const gsize count = pump->to.take > 0 ? MIN(pump->to.take, sizeof pump->buffer) : sizeof pump->buffer;
    g_input_stream_read_async(pump->from.in, pump->buffer, count, G_PRIORITY_DEFAULT, relay->cancellable,
                              pump_has_read, pump);
}

void
relay_tune(GSocket *socket)
{
    g_socket_set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
    g_socket_set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE, NULL);
    g_socket_set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL, NULL);
    g_socket_set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT, NULL);
    g_socket_set_keepalive(socket, TRUE);
}

static void
pump_start(pump_t *pump, GTask *task, const relay_end_t *from, const relay_end_t *to, GBytes *first)
{
    pump->task = task;
    pump->from = *from;
    pump->to = *to;
    pump->first = first ? g_bytes_ref(first) : g_bytes_new(NULL, 0);
    if (g_bytes_get_size(pump->first) > 0)
        pump_write(pump, g_bytes_get_data(pump->first, NULL), g_bytes_get_size(pump->first));
    else
        pump_read(pump);
}

void
relay_async(const relay_end_t *a, const relay_end_t *b, GBytes *first, GAsyncReadyCallback done,
            gpointer user_data)
{
    GTask *task = g_task_new(NULL, NULL, done, user_data);
    relay_t *relay = g_new0(relay_t, 1);

    relay->running = G_N_ELEMENTS(relay->pumps);
    relay->cancellable = g_cancellable_new();
    g_task_set_task_data(task, relay, relay_free);
    pump_start(&relay->pumps[0], task, a, b, first);
    pump_start(&relay->pumps[1], task, b, a, NULL);
}

gboolean
relay_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
