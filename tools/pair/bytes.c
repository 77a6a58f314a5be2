/* bytes.c
 * Messages as bytes: reading them as they arrive, writing them, and how a conversation goes wrong
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "bytes.h"

#include <string.h>

G_DEFINE_QUARK(pair - error, pair_error)

gboolean
violation(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (error)
        *error = g_error_new_valist(PAIR_ERROR, PAIR_ERROR_VIOLATION, format, args);
    va_end(args);
    return FALSE;
}

const guint8 *
reader_take(reader_t *reader, gsize count, GError **error)
{
    while (reader->in->len - reader->at < count) {
        if (!reader->fill) {
            violation(error, "ends inside a message");
            return NULL;
        }
        if (!reader->fill(reader, count - (reader->in->len - reader->at), error))
            return NULL;
    }
    reader->at += count;
    return reader->in->data + reader->at - count;
}

/* An integer of `len` bytes. */
static gboolean
read_number(reader_t *reader, gsize len, guint32 *value, GError **error)
{
    const guint8 *bytes = reader_take(reader, len, error);

    *value = 0;
    for (gsize i = 0; bytes && i < len; i++)
        *value = *value << 8 | bytes[i];
    return bytes != NULL;
}

gboolean
reader_u8(reader_t *reader, guint8 *value, GError **error)
{
    guint32 number;
    const gboolean read = read_number(reader, sizeof *value, &number, error);

    *value = (guint8)number;
    return read;
}

gboolean
reader_u16(reader_t *reader, guint16 *value, GError **error)
{
    guint32 number;
    const gboolean read = read_number(reader, sizeof *value, &number, error);

    *value = (guint16)number;
    return read;
}

gboolean
reader_u32(reader_t *reader, guint32 *value, GError **error)
{
    return read_number(reader, sizeof *value, value, error);
}

void
put_u8(GByteArray *out, guint8 value)
{
    g_byte_array_append(out, &value, sizeof value);
}

void
put_u16(GByteArray *out, guint16 value)
{
    const guint16 wire = GUINT16_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&wire, sizeof wire);
}

void
put_u32(GByteArray *out, guint32 value)
{
    const guint32 wire = GUINT32_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&wire, sizeof wire);
}

void
wipe_and_free(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

void
wipe_and_unref(GByteArray *secret)
{
    if (!secret)
        return;
    if (secret->len > 0)
        explicit_bzero(secret->data, secret->len);
    g_byte_array_unref(secret);
}
