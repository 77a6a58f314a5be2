/* relay.h
 * Octets both ways between two ends, until both ways have ended
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef RELAY_H
#define RELAY_H

#include <gio/gio.h>

/* One end. The relay keeps no reference: the streams must last until it is done. */
typedef struct relay_end {
    GInputStream *in;
    GOutputStream *out;
    GSocket *socket;   /* whose sending side to shut down at the end; NULL: `out` is closed instead */
    gsize write_size;  /* octets in one write to `out`, see paced-write.h; 0: as many as there are */
    gsize take;        /* the most octets that `out` is given at a time, pauses or not; 0: no limit */
    gboolean last_out; /* the relay is over as soon as `out` is, whatever `in` may still have to say */
} relay_end_t;

/* Sets a socket so that octets go out at once, and that a peer which is gone without a word is missed after
 * four minutes. */
void relay_tune(GSocket *socket);

/*
 * Relays until both directions have ended. The end of one is passed on alone (a half-close); the other goes
 * on. `first`, which may be NULL, are octets already read from `a`. An error in either direction ends both,
 * and resets the sockets, so that neither peer takes what it has for the whole.
 */
void relay_async(const relay_end_t *a, const relay_end_t *b, GBytes *first, GAsyncReadyCallback done,
                 gpointer user_data);

/* TRUE when both directions ended with the end of the data. */
gboolean relay_finish(GAsyncResult *result, GError **error);

#endif /* RELAY_H */
