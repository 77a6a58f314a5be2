/* bytes.h
 * Messages as bytes: reading them as they arrive, writing them, and how a conversation goes wrong
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef BYTES_H
#define BYTES_H

#include <glib.h>

#define PAIR_ERROR pair_error_quark()
GQuark pair_error_quark(void);

typedef enum pair_error {
    PAIR_ERROR_VIOLATION, /* the peer broke the protocol, or did not prove what it had to */
    PAIR_ERROR_REFUSED,   /* the login was refused by the protocol's own means */
    PAIR_ERROR_NETWORK,   /* the peer or the target was not reached, or was lost */
    PAIR_ERROR_FAULT,     /* the conversation ended as --fault has it */
} pair_error_t;

/* Sets `error` (PAIR_ERROR_VIOLATION) and returns FALSE: `return violation(error, ...)`. */
gboolean violation(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The message being read. */
typedef struct reader reader_t;
struct reader {
    GByteArray *in; /* what has arrived; owned by whoever made the reader */
    gsize at;       /* so many bytes of it have been read */

    /* Appends what arrives next to `in`, waiting for it; FALSE with `error` when nothing can. NULL: nothing
     * can. */
    gboolean (*fill)(reader_t *reader, gsize missing, GError **error);
};

/* The next `count` bytes, valid until the next call; NULL with `error` when they cannot be had. */
const guint8 *reader_take(reader_t *reader, gsize count, GError **error);

/* The next integer in network byte order; FALSE with `error` when it cannot be had. */
gboolean reader_u8(reader_t *reader, guint8 *value, GError **error);
gboolean reader_u16(reader_t *reader, guint16 *value, GError **error);
gboolean reader_u32(reader_t *reader, guint32 *value, GError **error);

/* Appends integers in network byte order. */
void put_u8(GByteArray *out, guint8 value);
void put_u16(GByteArray *out, guint16 value);
void put_u32(GByteArray *out, guint32 value);

/* g_free() and g_byte_array_unref() for what is overwritten first, since a password may be in it. NULL is
 * fine. */
void wipe_and_free(char *secret);
void wipe_and_unref(GByteArray *secret);

#endif /* BYTES_H */
