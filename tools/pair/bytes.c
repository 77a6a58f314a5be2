/* bytes.c
 * Messages as bytes: reading them as they arrive, writing them, and how a conversation goes wrong
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "bytes.h"

#include <string.h>

gboolean
fail(GError **error, status_t status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (!*error)
        *error = g_error_new_valist(g_quark_from_static_string("maf"), (int)status, format, args);
    va_end(args);
    return FALSE;
}

void
reader_clear(reader_t *in)
{
    g_clear_pointer(&in->bytes, wipe_and_unref);
    g_clear_pointer(&in->ids, g_array_unref);
    g_clear_error(&in->error);
}

const guint8 *
reader_take(reader_t *in, gsize count)
{
    while (!in->error && in->bytes->len - in->at < count) {
        if (in->fill)
            in->fill(in, count - (in->bytes->len - in->at));
        else
            fail(&in->error, STATUS_VIOLATION, "ends inside a message");
    }
    if (in->error)
        return NULL;
    in->at += count;
    return in->bytes->data + in->at - count;
}

guint32
reader_number(reader_t *in, gsize len)
{
    const guint8 *bytes = reader_take(in, len);
    guint32 value = 0;

    for (gsize i = 0; bytes && i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

void
put_number(GByteArray *out, guint32 value, gsize len)
{
    const guint32 wire = GUINT32_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&wire + sizeof wire - len, (guint)len);
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
