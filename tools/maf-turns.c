/* maf-turns.c
 * Work that takes long, done in threads, with each client address getting its turn
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-turns.h"

struct maf_turns {
    GThreadPool *pool;
    GHashTable *lines; /* GBytes, the address, to line_t */
};

/* Of one address. There is one as long as somebody in it is at work. */
typedef struct line {
    GBytes *address;
    maf_turn_t *at_work;
    GQueue waiting; /* of maf_turn_t */
} line_t;

struct maf_turn {
    maf_turns_t *turns;
    line_t *line;
    void (*work)(gpointer data);
    void (*done)(gpointer data);
    gpointer data;
};

static void
line_free(gpointer data)
{
    line_t *line = data;
    g_queue_clear_full(&line->waiting, g_free);
    g_free(line->at_work);
    g_bytes_unref(line->address);
    g_free(line);
}

static void
move_up(line_t *line, maf_turns_t *turns)
{
    line->at_work = g_queue_pop_head(&line->waiting);
    if (line->at_work)
        g_thread_pool_push(turns->pool, line->at_work, NULL);
    else
        g_hash_table_remove(turns->lines, line->address);
}

static void
finish(maf_turn_t *turn)
{
    turn->done(turn->data);
    g_free(turn);
}

static gboolean
turn_over(gpointer user_data)
{
    maf_turn_t *turn = user_data;
    move_up(turn->line, turn->turns);
    finish(turn);
    return G_SOURCE_REMOVE;
}

static void
take_turn(gpointer data, gpointer user_data G_GNUC_UNUSED)
{
    maf_turn_t *turn = data;
    turn->work(turn->data);
    g_idle_add_full(G_PRIORITY_DEFAULT, turn_over, turn, NULL);
}

maf_turns_t *
maf_turns_new(void)
{
    maf_turns_t *turns = g_new(maf_turns_t, 1);

    *turns =
        (maf_turns_t){.pool = g_thread_pool_new(take_turn, NULL, (gint)g_get_num_processors(), FALSE, NULL),
                      .lines = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, NULL, line_free)};
    return turns;
}

void
maf_turns_free(maf_turns_t *turns)
{
    g_thread_pool_free(turns->pool, TRUE, TRUE);
    g_hash_table_unref(turns->lines);
    g_free(turns);
}

maf_turn_t *
maf_turns_wait(maf_turns_t *turns, GBytes *address, void (*work)(gpointer data), void (*done)(gpointer data),
               gpointer data)
{
    line_t *line = g_hash_table_lookup(turns->lines, address);
    maf_turn_t *turn = g_new(maf_turn_t, 1);
    const gboolean first = !line;

    if (first) {
        line = g_new0(line_t, 1);
        line->address = g_bytes_ref(address);
        g_queue_init(&line->waiting);
        g_hash_table_insert(turns->lines, line->address, line);
    }
    *turn = (maf_turn_t){.turns = turns, .line = line, .work = work, .done = done, .data = data};
    g_queue_push_tail(&line->waiting, turn);
    if (first)
        move_up(line, turns);
    return turn;
}

void
maf_turn_give_up(maf_turn_t *turn)
{
    if (turn != turn->line->at_work && g_queue_remove(&turn->line->waiting, turn))
        finish(turn);
}
