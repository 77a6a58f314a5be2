/* paced-write.h
 * Writing octets in pieces, with a pause between them, so that each is likely to be a TCP segment of its own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef PACED_WRITE_H
#define PACED_WRITE_H

#include <gio/gio.h>

/*
 * Writes all `len` octets to `out`, at most `piece` of them at a time and about a millisecond apart;
 * everything at once when `piece` is 0. The octets stay the caller's and must last until `done` is called.
 */
void paced_write_async(GOutputStream *out, const guint8 *octets, gsize len, gsize piece,
                       GCancellable *cancellable, GAsyncReadyCallback done, gpointer user_data);

/* TRUE when every octet was written. */
gboolean paced_write_finish(GAsyncResult *result, GError **error);

#endif /* PACED_WRITE_H */
