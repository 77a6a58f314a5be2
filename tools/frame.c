/* frame.c
 * Reading messages of which perhaps not every octet has arrived yet
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "frame.h"

#include <string.h>

G_DEFINE_QUARK(maf - error - quark, maf_error)

const guint8 *
frame_take(frame_reader_t *in, gsize count)
{
    const gsize left = in->len - in->at;
    if (count > left) {
        in->missing = count - left;
        return NULL;
    }
    const guint8 *octets = in->octets + in->at;
    in->at += count;
    return octets;
}

gboolean
frame_u8(frame_reader_t *in, guint8 *value)
{
    const guint8 *octets = frame_take(in, 1);
    if (octets)
        *value = octets[0];
    return octets != NULL;
}

gboolean
frame_u16(frame_reader_t *in, guint16 *value)
{
    const guint8 *octets = frame_take(in, 2);
    if (octets)
        *value = (guint16)(octets[0] << 8 | octets[1]);
    return octets != NULL;
}

gboolean
frame_u32(frame_reader_t *in, guint32 *value)
{
    const guint8 *octets = frame_take(in, 4);
    if (octets) {
        memcpy(value, octets, 4);
        *value = GUINT32_FROM_BE(*value);
    }
    return octets != NULL;
}

void
frame_put_u8(GByteArray *out, guint8 value)
{
    g_byte_array_append(out, &value, 1);
}

void
frame_put_u16(GByteArray *out, guint16 value)
{
    const guint16 wire = GUINT16_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&wire, sizeof wire);
}

void
frame_put_u32(GByteArray *out, guint32 value)
{
    const guint32 wire = GUINT32_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&wire, sizeof wire);
}

frame_status_t
frame_bad(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, MAF_ERROR, MAF_ERROR_VIOLATION, message);
    return FRAME_BAD;
}

frame_status_t
frame_end(const frame_reader_t *in, frame_status_t status, gsize *length)
{
    if (length)
        *length = status == FRAME_COMPLETE ? in->at : status == FRAME_PARTIAL ? in->missing : 0;
    return status;
}
