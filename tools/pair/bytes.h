/* bytes.h
 * Messages as bytes: reading them as they arrive, writing them, and how a conversation goes wrong
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef BYTES_H
#define BYTES_H

#include <glib.h>

/* How a program ends, and the code of what went wrong. */
typedef enum status {
    STATUS_OK,
    STATUS_REFUSED,   /* the authentication was refused */
    STATUS_USAGE,     /* the command line or a configuration is wrong */
    STATUS_VIOLATION, /* the peer broke the protocol, or did not prove what it had to */
    STATUS_NETWORK,   /* the peer or the target was not reached, or was lost */
} status_t;

/* Sets the error unless there is one already, and returns FALSE. */
gboolean fail(GError **error, status_t status, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* What is being read. Its first error ends it: from then on all reads give nothing. */
typedef struct reader {
    GByteArray *bytes; /* that have arrived; owned */
    gsize at;          /* so many of them have been read */
    GArray *ids;       /* of the list read last, as method_id_t; owned, or NULL */
    GError *error;     /* owned */

    /* Waits for bytes, and appends them; or sets the error. NULL: there are no more. */
    void (*fill)(struct reader *in, gsize missing);
} reader_t;

/* Overwrites and frees what the reader holds. */
void reader_clear(reader_t *in);

/* The next `count` bytes, valid until the next call, or NULL. */
const guint8 *reader_take(reader_t *in, gsize count);

/* The next integer of `len` bytes in network byte order, or 0. */
guint32 reader_number(reader_t *in, gsize len);

/* Appends an integer of `len` bytes in network byte order. */
void put_number(GByteArray *out, guint32 value, gsize len);

/* g_free() and g_byte_array_unref() for what may have a password in it. NULL is fine. */
void wipe_and_free(char *secret);
void wipe_and_unref(GByteArray *secret);

#endif /* BYTES_H */
