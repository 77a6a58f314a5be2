/* maf-pdu.c
 * The frames of MAF: octets to structures and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-pdu.h"

#include <string.h>

/* Sub-method ids */

maf_id_t
maf_id_compact(guint32 number)
{
    const guint32 wire = GUINT32_TO_BE(number);
    maf_id_t id = {.len = MAF_METHOD_LEN};
    memcpy(id.octets, &wire, sizeof wire);
    return id;
}

gboolean
maf_id_equal(const maf_id_t *a, const maf_id_t *b)
{
    return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

gboolean
maf_id_is(const maf_id_t *id, guint32 number)
{
    const maf_id_t other = maf_id_compact(number);
    return maf_id_equal(id, &other);
}

char *
maf_id_to_string(const maf_id_t *id)
{
    GString *text = g_string_new("X'");
    for (gsize i = 0; i < id->len; i++)
        g_string_append_printf(text, "%02X", id->octets[i]);
    g_string_append_c(text, '\'');
    return g_string_free(text, FALSE);
}

static gboolean
read_id(frame_reader_t *in, gsize len, maf_id_t *id)
{
    const guint8 *octets = frame_take(in, len);
    if (!octets)
        return FALSE;
    id->len = (guint8)len;
    memcpy(id->octets, octets, len);
    return TRUE;
}

/* What follows the header: one reader and one writer per layout */

static frame_status_t
read_nothing(frame_reader_t *in G_GNUC_UNUSED, maf_pdu_t *pdu G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return FRAME_COMPLETE;
}

static gboolean
write_nothing(const maf_pdu_t *pdu G_GNUC_UNUSED, GByteArray *out G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

static frame_status_t
read_nmethods(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    guint8 first;
    guint32 count;

    if (!frame_u8(in, &first))
        return FRAME_PARTIAL;
    if (first != 0) {
        pdu->nmethods_len = MAF_NMETHODS_LEN_BYTE;
        count = first;
    } else {
        in->at--;
        if (!frame_u32(in, &count))
            return FRAME_PARTIAL;
        pdu->nmethods_len = MAF_NMETHODS_LEN;
    }
    if (count < MAF_NMETHODS_MIN || count > MAF_NMETHODS_MAX)
        return frame_bad(error, "NMETHODS is %u, not 1 to 255", count);
    pdu->n_offered = count;
    return FRAME_COMPLETE;
}

static frame_status_t
read_list_00(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    const frame_status_t status = read_nmethods(in, pdu, error);
    if (status != FRAME_COMPLETE)
        return status;

    frame_reader_t ahead = *in;
    if (!frame_take(&ahead, pdu->n_offered * MAF_METHOD_LEN)) {
        in->missing = ahead.missing;
        return FRAME_PARTIAL;
    }
    for (gsize i = 0; i < pdu->n_offered; i++)
        read_id(in, MAF_METHOD_LEN, &pdu->offered[i]);
    return FRAME_COMPLETE;
}

static gboolean
write_id_00(const maf_id_t *id, GByteArray *out, GError **error)
{
    if (id->len != MAF_METHOD_LEN) {
        frame_bad(error, "a METHOD of %u octets, not 4", id->len);
        return FALSE;
    }
    g_byte_array_append(out, id->octets, id->len);
    return TRUE;
}

static gboolean
write_list_00(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    if (pdu->n_offered < MAF_NMETHODS_MIN || pdu->n_offered > MAF_NMETHODS_MAX) {
        frame_bad(error, "NMETHODS is %" G_GSIZE_FORMAT ", not 1 to 255", pdu->n_offered);
        return FALSE;
    }
    if (pdu->nmethods_len == MAF_NMETHODS_LEN_BYTE)
        frame_put_u8(out, (guint8)pdu->n_offered);
    else
        frame_put_u32(out, (guint32)pdu->n_offered);
    for (gsize i = 0; i < pdu->n_offered; i++) {
        if (!write_id_00(&pdu->offered[i], out, error))
            return FALSE;
    }
    return TRUE;
}

static frame_status_t
read_method_and_data_00(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    guint32 len;

    if (!read_id(in, MAF_METHOD_LEN, &pdu->method) || !frame_u32(in, &len))
        return FRAME_PARTIAL;
    if (len > MAF_PDU_DATA_MAX)
        return frame_bad(error, "LEN is %u, beyond this program's limit of %d", len, MAF_PDU_DATA_MAX);
    pdu->data = frame_take(in, len);
    if (!pdu->data)
        return FRAME_PARTIAL;
    pdu->data_len = len;
    return FRAME_COMPLETE;
}

static gboolean
write_method_and_data_00(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    if (pdu->data_len > MAF_PDU_DATA_MAX) {
        frame_bad(error, "LEN is %" G_GSIZE_FORMAT ", beyond this program's limit of %d", pdu->data_len,
                  MAF_PDU_DATA_MAX);
        return FALSE;
    }
    if (!write_id_00(&pdu->method, out, error))
        return FALSE;
    frame_put_u32(out, (guint32)pdu->data_len);
    if (pdu->data_len > 0)
        g_byte_array_append(out, pdu->data, (guint)pdu->data_len);
    return TRUE;
}

/* Which INSTR has which layout, revision by revision */

typedef struct layout {
    frame_status_t (*read)(frame_reader_t *in, maf_pdu_t *pdu, GError **error);
    gboolean (*write)(const maf_pdu_t *pdu, GByteArray *out, GError **error);
} layout_t;

static const layout_t nothing = {read_nothing, write_nothing};
static const layout_t list_00 = {read_list_00, write_list_00};
static const layout_t method_and_data_00 = {read_method_and_data_00, write_method_and_data_00};

static const layout_t *const layouts_00[G_MAXUINT8 + 1] = {
    [MAF_INSTR_SUCCESS] = &method_and_data_00, [MAF_INSTR_SUPPORTED] = &list_00,
    [MAF_INSTR_REQUEST_MORE] = &nothing,       [MAF_INSTR_DO] = &method_and_data_00,
    [MAF_INSTR_WHAT_NEXT] = &nothing,          [MAF_INSTR_PROCESS] = &method_and_data_00,
    [MAF_INSTR_ACKNOWLEDGE] = &nothing,        [MAF_INSTR_FAILURE] = &method_and_data_00,
};

static const layout_t *
find_layout(guint8 ver, guint8 instr, GError **error)
{
    if (ver != MAF_VER_00) {
        frame_bad(error, "VER is %02X, not 00 (INSTR %02X)", ver, instr);
        return NULL;
    }
    if (!layouts_00[instr])
        frame_bad(error, "INSTR is %02X, which revision 00 does not have", instr);
    return layouts_00[instr];
}

/* Frames */

static frame_status_t
read_frame(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    if (!frame_u8(in, &pdu->instr) || !frame_u8(in, &pdu->ver))
        return FRAME_PARTIAL;
    const layout_t *layout = find_layout(pdu->ver, pdu->instr, error);
    if (!layout)
        return FRAME_BAD;
    if (!frame_u16(in, &pdu->flags))
        return FRAME_PARTIAL;
    return layout->read(in, pdu, error);
}

frame_status_t
maf_pdu_decode(const guint8 *octets, gsize len, maf_pdu_t *pdu, gsize *length, GError **error)
{
    frame_reader_t in = {.octets = octets, .len = len};
    memset(pdu, 0, sizeof *pdu);
    return frame_end(&in, read_frame(&in, pdu, error), length);
}

gboolean
maf_pdu_encode(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    const layout_t *layout = find_layout(pdu->ver, pdu->instr, error);
    if (!layout)
        return FALSE;

    const guint before = out->len;
    frame_put_u8(out, pdu->instr);
    frame_put_u8(out, pdu->ver);
    frame_put_u16(out, pdu->flags);
    if (layout->write(pdu, out, error))
        return TRUE;
    g_byte_array_set_size(out, before);
    return FALSE;
}

/* Words for people */

const char *
maf_instr_name(guint8 instr)
{
    switch (instr) {
#define MAF_INSTR_NAME(constant, value, name_00, name_01)                                                    \
    case constant:                                                                                           \
        return name_00;
        MAF_INSTRUCTIONS(MAF_INSTR_NAME)
#undef MAF_INSTR_NAME
    }
    return NULL;
}

char *
maf_pdu_describe(const maf_pdu_t *pdu)
{
    const char *name = maf_instr_name(pdu->instr);

    switch (pdu->instr) {
    case MAF_INSTR_SUPPORTED:
        return g_strdup_printf("%s: %" G_GSIZE_FORMAT, name, pdu->n_offered);
    case MAF_INSTR_SUCCESS:
    case MAF_INSTR_DO:
    case MAF_INSTR_PROCESS:
    case MAF_INSTR_FAILURE: {
        g_autofree char *method = maf_id_to_string(&pdu->method);
        return g_strdup_printf("%s: %s (%" G_GSIZE_FORMAT " octets)", name, method, pdu->data_len);
    }
    default:
        return name ? g_strdup(name) : g_strdup_printf("INSTR %02X", pdu->instr);
    }
}
