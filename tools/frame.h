/* frame.h
 * Reading messages of which perhaps not every octet has arrived yet
 *
 * What the MAF codec and the SOCKS codec have in common.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef FRAME_H
#define FRAME_H

#include <glib.h>

/* How a conversation can go wrong other than by the network, whose errors keep their GIO domains. */
#define MAF_ERROR maf_error_quark()
GQuark maf_error_quark(void);

typedef enum maf_error {
    MAF_ERROR_VIOLATION, /* the peer broke the protocol */
    MAF_ERROR_REFUSED,   /* the peer, or this side, says no by the protocol's own means */
    MAF_ERROR_TARGET,    /* the target behind the proxy was not reached */
} maf_error_t;

/* What a decoder found at the start of the octets it was given. */
typedef enum frame_status {
    FRAME_COMPLETE, /* a whole message; *length is how many octets it takes */
    FRAME_PARTIAL,  /* good so far; *length is how many more octets are needed at least */
    FRAME_BAD,      /* no message this codec knows; the GError says why */
} frame_status_t;

/* A place in octets that somebody else owns. Zero `missing` means that nothing was found wanting so far. */
typedef struct frame_reader {
    const guint8 *octets;
    gsize len;
    gsize at;
    gsize missing;
} frame_reader_t;

/* The next `count` octets, borrowed, and moves past them; or NULL, and `missing` says how many have not
 * arrived. */
const guint8 *frame_take(frame_reader_t *in, gsize count);

/* The next integer in network byte order; FALSE as frame_take() returns NULL. */
gboolean frame_u8(frame_reader_t *in, guint8 *value);
gboolean frame_u16(frame_reader_t *in, guint16 *value);
gboolean frame_u32(frame_reader_t *in, guint32 *value);

/* Appends integers in network byte order. */
void frame_put_u8(GByteArray *out, guint8 value);
void frame_put_u16(GByteArray *out, guint16 value);
void frame_put_u32(GByteArray *out, guint32 value);

/* Sets `error` (MAF_ERROR_VIOLATION) and returns FRAME_BAD: `return frame_bad(error, ...)`. */
frame_status_t frame_bad(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Sets *length as frame_status_t explains for `status`, and returns `status`. `length` may be NULL. */
frame_status_t frame_end(const frame_reader_t *in, frame_status_t status, gsize *length);

#endif /* FRAME_H */
