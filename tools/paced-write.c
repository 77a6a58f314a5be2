/* paced-write.c
 * Writing octets in pieces, with a pause between them, so that each is likely to be a TCP segment of its own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "paced-write.h"

#define PAUSE_MS 1

typedef struct paced_write {
    const guint8 *octets;
    gsize left;
    gsize piece;
} paced_write_t;

static gboolean write_piece(gpointer user_data);

static void
piece_written(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    paced_write_t *write = g_task_get_task_data(task);
    GError *error = NULL;
    gsize count = 0;

    if (!g_output_stream_write_all_finish(G_OUTPUT_STREAM(source), result, &count, &error)) {
        g_task_return_error(task, error);
        return;
    }
    write->octets += count;
    write->left -= count;
    if (write->left == 0)
        g_task_return_boolean(task, TRUE);
    else
        g_timeout_add(PAUSE_MS, write_piece, g_steal_pointer(&task));
}

/* Takes over the reference to the task. */
static gboolean
write_piece(gpointer user_data)
{
    GTask *task = user_data;
    const paced_write_t *write = g_task_get_task_data(task);
    const gsize count = write->piece > 0 ? MIN(write->piece, write->left) : write->left;

    g_output_stream_write_all_async(g_task_get_source_object(task), write->octets, count, G_PRIORITY_DEFAULT,
                                    g_task_get_cancellable(task), piece_written, task);
    return G_SOURCE_REMOVE;
}

void
paced_write_async(GOutputStream *out, const guint8 *octets, gsize len, gsize piece, GCancellable *cancellable,
                  GAsyncReadyCallback done, gpointer user_data)
{
    GTask *task = g_task_new(out, cancellable, done, user_data);
    paced_write_t *write = g_new(paced_write_t, 1);

    *write = (paced_write_t){.octets = octets, .left = len, .piece = piece};
    g_task_set_task_data(task, write, g_free);
    write_piece(task);
}

gboolean
paced_write_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
