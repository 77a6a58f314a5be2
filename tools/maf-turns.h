/* maf-turns.h
 * Work that takes long, done in threads, with each client address getting its turn
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_TURNS_H
#define MAF_TURNS_H

#include <glib.h>

typedef struct maf_turns maf_turns_t;
typedef struct maf_turn maf_turn_t;

/* One thread for each processor. */
maf_turns_t *maf_turns_new(void);

/* Waits for the work under way; nobody is told of its end. */
void maf_turns_free(maf_turns_t *turns);

/*
 * Calls `work` in a thread when it is this address's turn, and then `done` from the main loop. No two of an
 * address are at work at the same time, so who has many waiting lets others through. The turn is valid until
 * `done` is called.
 */
maf_turn_t *maf_turns_wait(maf_turns_t *turns, GBytes *address, void (*work)(gpointer data),
                           void (*done)(gpointer data), gpointer data);

/* If the turn has not come yet, it does not, and `done` is called right away. */
void maf_turn_give_up(maf_turn_t *turn);

#endif /* MAF_TURNS_H */
