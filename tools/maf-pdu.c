/* maf-pdu.c
 * The frames of MAF: octets to structures and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-pdu.h"

#include <string.h>

/* Sub-method ids */

/* `octets` must last as long as an id of them that is longer than a UUID. */
static maf_id_t
id_of(const guint8 *octets, gsize len)
{
    maf_id_t id = {.len = (guint8)len};

    if (len > sizeof id.octets)
        id.longer = octets;
    else
        memcpy(id.octets, octets, len);
    return id;
}

maf_id_t
maf_id_compact(guint32 number)
{
    const guint32 wire = GUINT32_TO_BE(number);
    return id_of((const guint8 *)&wire, sizeof wire);
}

gboolean
maf_id_parse_uuid(const char *text, maf_id_t *id)
{
    if (!g_uuid_string_is_valid(text))
        return FALSE;
    *id = (maf_id_t){.len = MAF_LONG_ID_LEN};
    for (guint8 *octet = id->octets; octet < id->octets + id->len; text += 2) {
        text += *text == '-';
        *octet++ = (guint8)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    }
    return TRUE;
}

const guint8 *
maf_id_octets(const maf_id_t *id)
{
    return id->longer ? id->longer : id->octets;
}

gboolean
maf_id_equal(const maf_id_t *a, const maf_id_t *b)
{
    return a->len == b->len && memcmp(maf_id_octets(a), maf_id_octets(b), a->len) == 0;
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
    const gboolean uuid = id->len == MAF_LONG_ID_LEN;
    GString *text = g_string_new(uuid ? "" : "X'");

    for (gsize i = 0; i < id->len; i++)
        g_string_append_printf(text, uuid ? "%02x" : "%02X", maf_id_octets(id)[i]);
    if (!uuid)
        g_string_append_c(text, '\'');
    for (gsize dash = 8; uuid && dash <= 23; dash += 5)
        g_string_insert_c(text, (gssize)dash, '-');
    return g_string_free(text, FALSE);
}

/* The parts of frames: a reader and a writer each */

static frame_status_t
read_id(frame_reader_t *in, gsize len, maf_id_t *id)
{
    const guint8 *octets = frame_take(in, len);
    if (!octets)
        return FRAME_PARTIAL;
    *id = id_of(octets, len);
    return FRAME_COMPLETE;
}

static void
write_id(const maf_id_t *id, GByteArray *out)
{
    g_byte_array_append(out, maf_id_octets(id), id->len);
}

/* An id after its length, MLEN or IDLEN. */
static frame_status_t
read_counted_id(frame_reader_t *in, maf_id_t *id, GError **error)
{
    guint8 len;

    if (!frame_u8(in, &len))
        return FRAME_PARTIAL;
    if (len == 0)
        return frame_bad(error, "the length of an id is 0, not 1 to 255");
    return read_id(in, len, id);
}

static gboolean
write_counted_id(const maf_id_t *id, GByteArray *out, GError **error)
{
    if (id->len == 0) {
        frame_bad(error, "an id of no octets");
        return FALSE;
    }
    frame_put_u8(out, id->len);
    write_id(id, out);
    return TRUE;
}

static gboolean
write_compact_id(const maf_id_t *id, GByteArray *out, GError **error)
{
    if (id->len != MAF_METHOD_LEN) {
        frame_bad(error, "a METHOD of %u octets, not 4", id->len);
        return FALSE;
    }
    write_id(id, out);
    return TRUE;
}

/* `count` more METHODS of a list, of `len` octets each. */
static frame_status_t
read_ids(frame_reader_t *in, gsize count, gsize len, maf_pdu_t *pdu)
{
    frame_reader_t ahead = *in;

    if (!frame_take(&ahead, count * len)) {
        in->missing = ahead.missing;
        return FRAME_PARTIAL;
    }
    while (count-- > 0)
        read_id(in, len, &pdu->offered[pdu->n_offered++]);
    return FRAME_COMPLETE;
}

static frame_status_t
read_data(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    guint32 len;

    if (!frame_u32(in, &len))
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
write_data(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    if (pdu->data_len > MAF_PDU_DATA_MAX) {
        frame_bad(error, "LEN is %" G_GSIZE_FORMAT ", beyond this program's limit of %d", pdu->data_len,
                  MAF_PDU_DATA_MAX);
        return FALSE;
    }
    frame_put_u32(out, (guint32)pdu->data_len);
    if (pdu->data_len > 0)
        g_byte_array_append(out, pdu->data, (guint)pdu->data_len);
    return TRUE;
}

/* PAD, before DLEN and DATA. */
static gsize
pad_after(gsize at)
{
    return (MAF_ALIGNMENT - at % MAF_ALIGNMENT) % MAF_ALIGNMENT;
}

static frame_status_t
read_aligned_data(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    return frame_take(in, pad_after(in->at)) ? read_data(in, pdu, error) : FRAME_PARTIAL;
}

static gboolean
write_aligned_data(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    g_byte_array_append(out, (const guint8[MAF_ALIGNMENT]){0}, (guint)pad_after(out->len));
    return write_data(pdu, out, error);
}

/* What follows the header: a reader and a writer per layout */

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
read_list_00(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
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
    return read_ids(in, count, MAF_METHOD_LEN, pdu);
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
        if (!write_compact_id(&pdu->offered[i], out, error))
            return FALSE;
    }
    return TRUE;
}

static frame_status_t
read_list_01(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    frame_status_t status = FRAME_COMPLETE;
    guint8 count, len;

    while (status == FRAME_COMPLETE) {
        if (!frame_u8(in, &count))
            return FRAME_PARTIAL;
        if (count == 0)
            return FRAME_COMPLETE;
        if (!frame_u8(in, &len))
            return FRAME_PARTIAL;
        if (len == 0)
            return frame_bad(error, "IDLEN is 0, not 1 to 255");
        if (pdu->n_offered + count > MAF_PDU_OFFERED_MAX)
            return frame_bad(error, "more METHODS than this program's limit of %d", MAF_PDU_OFFERED_MAX);
        status = read_ids(in, count, len, pdu);
    }
    return status;
}

/* How many METHODS from `first` on can be one group. */
static guint8
count_group(const maf_pdu_t *pdu, gsize first)
{
    guint8 count = 1;

    while (count < G_MAXUINT8 && first + count < pdu->n_offered &&
           pdu->offered[first + count].len == pdu->offered[first].len)
        count++;
    return count;
}

static gboolean
write_list_01(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    if (pdu->n_offered > MAF_PDU_OFFERED_MAX) {
        frame_bad(error, "more METHODS than this program's limit of %d", MAF_PDU_OFFERED_MAX);
        return FALSE;
    }
    for (gsize i = 0; i < pdu->n_offered;) {
        guint8 count = count_group(pdu, i);
        frame_put_u8(out, count);
        if (!write_counted_id(&pdu->offered[i++], out, error))
            return FALSE;
        while (--count > 0)
            write_id(&pdu->offered[i++], out);
    }
    frame_put_u8(out, 0);
    return TRUE;
}

static frame_status_t
read_method_and_data_00(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    const frame_status_t status = read_id(in, MAF_METHOD_LEN, &pdu->method);
    return status == FRAME_COMPLETE ? read_data(in, pdu, error) : status;
}

static gboolean
write_method_and_data_00(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    return write_compact_id(&pdu->method, out, error) && write_data(pdu, out, error);
}

static frame_status_t
read_method_01(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    return read_counted_id(in, &pdu->method, error);
}

static gboolean
write_method_01(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    return write_counted_id(&pdu->method, out, error);
}

static frame_status_t
read_method_and_data_01(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    const frame_status_t status = read_counted_id(in, &pdu->method, error);
    return status == FRAME_COMPLETE ? read_aligned_data(in, pdu, error) : status;
}

static gboolean
write_method_and_data_01(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    return write_counted_id(&pdu->method, out, error) && write_aligned_data(pdu, out, error);
}

static frame_status_t
read_oem(frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    guint8 high;
    guint16 low;

    if (!frame_u8(in, &high) || !frame_u16(in, &low))
        return FRAME_PARTIAL;
    pdu->reserved = (guint32)high << 16 | low;
    return read_method_and_data_01(in, pdu, error);
}

static gboolean
write_oem(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    frame_put_u8(out, (guint8)(pdu->reserved >> 16));
    frame_put_u16(out, (guint16)pdu->reserved);
    return write_method_and_data_01(pdu, out, error);
}

/* Which INSTR has which layout, revision by revision */

typedef struct layout {
    frame_status_t (*read)(frame_reader_t *in, maf_pdu_t *pdu, GError **error);
    gboolean (*write)(const maf_pdu_t *pdu, GByteArray *out, GError **error);
    gboolean has_data;
    gboolean ver_00; /* VER 00 is as good as the revision's own */
} layout_t;

static const layout_t nothing = {read_nothing, write_nothing, FALSE, FALSE};
static const layout_t list_00 = {read_list_00, write_list_00, FALSE, FALSE};
static const layout_t method_and_data_00 = {read_method_and_data_00, write_method_and_data_00, TRUE, FALSE};
static const layout_t list_01 = {read_list_01, write_list_01, FALSE, FALSE};
static const layout_t method_01 = {read_method_01, write_method_01, FALSE, FALSE};
static const layout_t result_01 = {read_method_01, write_method_01, FALSE, TRUE};
static const layout_t method_and_data_01 = {read_method_and_data_01, write_method_and_data_01, TRUE, FALSE};
static const layout_t oem = {read_oem, write_oem, TRUE, FALSE};

static const layout_t *const layouts[][G_MAXUINT8 + 1] = {
    [MAF_VER_00] =
        {
            [MAF_INSTR_SUCCESS] = &method_and_data_00,
            [MAF_INSTR_SUPPORTED] = &list_00,
            [MAF_INSTR_REQUEST_MORE] = &nothing,
            [MAF_INSTR_DO] = &method_and_data_00,
            [MAF_INSTR_WHAT_NEXT] = &nothing,
            [MAF_INSTR_PROCESS] = &method_and_data_00,
            [MAF_INSTR_ACKNOWLEDGE] = &nothing,
            [MAF_INSTR_FAILURE] = &method_and_data_00,
        },
    [MAF_VER_01] =
        {
            [MAF_INSTR_SUCCESS] = &result_01,
            [MAF_INSTR_SUPPORTED] = &list_01,
            [MAF_INSTR_REQUEST_MORE] = &nothing,
            [MAF_INSTR_DO] = &method_01,
            [MAF_INSTR_WHAT_NEXT] = &nothing,
            [MAF_INSTR_PROCESS] = &method_and_data_01,
            [MAF_INSTR_ACKNOWLEDGE] = &nothing,
            [MAF_INSTR_OEM] = &oem,
            [MAF_INSTR_FAILURE] = &result_01,
        },
};

static const layout_t *
find_layout(guint8 revision, guint8 instr, guint8 ver, GError **error)
{
    if (revision >= G_N_ELEMENTS(layouts)) {
        frame_bad(error, "VER is %02X, neither 00 nor 01 (INSTR %02X)", ver, instr);
        return NULL;
    }
    const layout_t *layout = layouts[revision][instr];
    if (ver != revision && !(ver == MAF_VER_00 && layout && layout->ver_00)) {
        frame_bad(error, "VER is %02X, not %02X (INSTR %02X)", ver, revision, instr);
        return NULL;
    }
    if (!layout)
        frame_bad(error, "INSTR is %02X, which revision %02X does not have", instr, revision);
    return layout;
}

gboolean
maf_pdu_has_data(guint8 revision, guint8 instr)
{
    const layout_t *layout = layouts[revision][instr];
    return layout && layout->has_data;
}

/* Frames */

static frame_status_t
read_frame(int revision, frame_reader_t *in, maf_pdu_t *pdu, GError **error)
{
    guint8 ver;

    if (!frame_u8(in, &pdu->instr) || !frame_u8(in, &ver))
        return FRAME_PARTIAL;
    pdu->ver = revision == MAF_REVISION_BY_VER ? ver : (guint8)revision;
    const layout_t *layout = find_layout(pdu->ver, pdu->instr, ver, error);
    if (!layout)
        return FRAME_BAD;
    if (!frame_u16(in, &pdu->flags))
        return FRAME_PARTIAL;
    return layout->read(in, pdu, error);
}

frame_status_t
maf_pdu_decode(int revision, const guint8 *octets, gsize len, maf_pdu_t *pdu, gsize *length, GError **error)
{
    frame_reader_t in = {.octets = octets, .len = len};
    memset(pdu, 0, sizeof *pdu);
    return frame_end(&in, read_frame(revision, &in, pdu, error), length);
}

gboolean
maf_pdu_encode(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    const layout_t *layout = find_layout(pdu->ver, pdu->instr, pdu->ver, error);

    if (!layout)
        return FALSE;
    if (pdu->data_len > 0 && !layout->has_data) {
        frame_bad(error, "DATA in INSTR %02X, which has none", pdu->instr);
        return FALSE;
    }
    frame_put_u8(frame, pdu->instr);
    frame_put_u8(frame, pdu->ver);
    frame_put_u16(frame, pdu->flags);
    if (!layout->write(pdu, frame, error))
        return FALSE;
    g_byte_array_append(out, frame->data, frame->len);
    explicit_bzero(frame->data, frame->len); /* a password may be in it */
    return TRUE;
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

    if (!name)
        return g_strdup_printf("INSTR %02X", pdu->instr);
    if (pdu->instr == MAF_INSTR_SUPPORTED)
        return g_strdup_printf("%s: %" G_GSIZE_FORMAT, name, pdu->n_offered);
    if (pdu->method.len == 0)
        return g_strdup(name);

    g_autofree char *method = maf_id_to_string(&pdu->method);
    return maf_pdu_has_data(pdu->ver, pdu->instr)
               ? g_strdup_printf("%s: %s (%" G_GSIZE_FORMAT " octets)", name, method, pdu->data_len)
               : g_strdup_printf("%s: %s", name, method);
}
