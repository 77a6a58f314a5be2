/* maf-pdu.c
 * The messages of MAF: bytes to structures and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-pdu.h"

#include <string.h>

/* Ids */

method_id_t
method_id_compact(guint32 number)
{
    const guint32 wire = GUINT32_TO_BE(number);
    method_id_t id = {.len = MAF_COMPACT_ID_LEN};

    memcpy(id.bytes, &wire, sizeof wire);
    return id;
}

gboolean
method_id_parse_uuid(const char *text, method_id_t *id)
{
    if (!g_uuid_string_is_valid(text))
        return FALSE;
    *id = (method_id_t){.len = MAF_LONG_ID_LEN};
    for (gsize i = 0; i < MAF_LONG_ID_LEN; i++, text += 2) {
        text += *text == '-';
        id->bytes[i] = (guint8)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    }
    return TRUE;
}

gboolean
method_id_equal(const method_id_t *a, const method_id_t *b)
{
    return a->len == b->len && a->len <= sizeof a->bytes && memcmp(a->bytes, b->bytes, a->len) == 0;
}

gboolean
method_id_is(const method_id_t *id, guint32 number)
{
    const method_id_t other = method_id_compact(number);
    return method_id_equal(id, &other);
}

/* The sub-methods that have a name. */
static const struct {
    guint32 number;
    const char *uuid, *name; /* uuid: NULL for what is no sub-method to run */
} named[] = {
#define REFERENCE(number, uuid, name) {number, uuid, name},
    MAF_REFERENCE_METHODS(REFERENCE)
#undef REFERENCE
#define OTHER(number, name) {number, NULL, name},
        MAF_METHODS(OTHER)
#undef OTHER
};

gboolean
method_id_uuid(const method_id_t *id, method_id_t *uuid)
{
    for (gsize i = 0; i < G_N_ELEMENTS(named); i++) {
        if (named[i].uuid && method_id_is(id, named[i].number))
            return method_id_parse_uuid(named[i].uuid, uuid);
    }
    return FALSE;
}

char *
method_id_describe(const method_id_t *id)
{
    const gboolean is_uuid = id->len == MAF_LONG_ID_LEN;
    method_id_t uuid;

    for (gsize i = 0; i < G_N_ELEMENTS(named); i++) {
        if (method_id_is(id, named[i].number) ||
            (is_uuid && named[i].uuid && method_id_parse_uuid(named[i].uuid, &uuid) &&
             method_id_equal(id, &uuid)))
            return g_strdup(named[i].name);
    }
    GString *text = g_string_new(is_uuid ? "" : "X'");
    for (gsize i = 0; i < MIN(id->len, sizeof id->bytes); i++)
        g_string_append_printf(text, is_uuid ? "%02x" : "%02X", id->bytes[i]);
    if (id->len > sizeof id->bytes)
        g_string_append(text, "...");
    if (!is_uuid)
        g_string_append_c(text, '\'');
    for (gssize dash = 8; is_uuid && dash <= 23; dash += 5)
        g_string_insert_c(text, dash, '-');
    return g_string_free(text, FALSE);
}

/* What follows the header (Subnegotiation of either draft, the diagrams) */

enum part {
    KNOWN = 1, /* the revision has this INSTR */
    LIST = 2,
    RESERVED = 4,
    METHOD = 8,
    DATA = 16,
    VER_00 = 32, /* VER 00 is as good as the revision's own */
};

static int
parts_of(int revision, guint8 instr)
{
    switch (instr) {
    case MAF_INSTR_SUPPORTED:
        return KNOWN | LIST;
    case MAF_INSTR_REQUEST_MORE:
    case MAF_INSTR_WHAT_NEXT:
    case MAF_INSTR_ACKNOWLEDGE:
        return KNOWN;
    case MAF_INSTR_DO:
        return KNOWN | METHOD | (revision == MAF_VER_00 ? DATA : 0);
    case MAF_INSTR_PROCESS:
        return KNOWN | METHOD | DATA;
    case MAF_INSTR_SUCCESS:
    case MAF_INSTR_FAILURE:
        return KNOWN | METHOD | (revision == MAF_VER_00 ? DATA : VER_00);
    case MAF_INSTR_OEM:
        return revision == MAF_VER_00 ? 0 : KNOWN | RESERVED | METHOD | DATA;
    default:
        return 0;
    }
}

gboolean
maf_pdu_has_data(int revision, guint8 instr)
{
    return (parts_of(revision, instr) & DATA) != 0;
}

/* Checks INSTR and VER as soon as both are there. */
static gboolean
check_header(int revision, guint8 instr, guint8 ver, GError **error)
{
    const int parts = parts_of(revision, instr);

    if (revision != MAF_VER_00 && revision != MAF_VER_01)
        return violation(error, "VER is %02X, neither 00 nor 01 (INSTR %02X)", ver, instr);
    if (ver != revision && !(ver == MAF_VER_00 && parts & VER_00))
        return violation(error, "VER is %02X, not %02X (INSTR %02X)", ver, revision, instr);
    return parts & KNOWN ||
           violation(error, "INSTR is %02X, which revision %02X does not have", instr, revision);
}

/* PAD, which brings DLEN to a multiple of 4 bytes (draft-01). */
static gsize
pad_after(gsize at)
{
    return (MAF_ALIGNMENT - at % MAF_ALIGNMENT) % MAF_ALIGNMENT;
}

/* Reading */

/* `count` ids of `len` bytes each, once all of them have arrived. */
static gboolean
read_ids(reader_t *in, gsize count, gsize len, GArray *ids, GError **error)
{
    const guint8 *bytes = reader_take(in, count * len, error);

    for (gsize i = 0; bytes && i < count; i++) {
        method_id_t id = {.len = (guint8)len};
        memcpy(id.bytes, bytes + i * len, MIN(len, sizeof id.bytes));
        g_array_append_val(ids, id);
    }
    return bytes != NULL;
}

static gboolean
read_list_00(reader_t *in, maf_pdu_t *pdu, GArray *ids, GError **error)
{
    guint8 first;
    guint32 count;

    if (!reader_u8(in, &first, error))
        return FALSE;
    count = first;
    pdu->nmethods_len = first ? MAF_NMETHODS_LEN_BYTE : MAF_NMETHODS_LEN;
    if (!first) {
        in->at--;
        if (!reader_u32(in, &count, error))
            return FALSE;
    }
    if (count < MAF_NMETHODS_MIN || count > MAF_NMETHODS_MAX)
        return violation(error, "NMETHODS is %u, not 1 to 255", count);
    return read_ids(in, count, MAF_METHOD_LEN, ids, error);
}

static gboolean
read_list_01(reader_t *in, GArray *ids, GError **error)
{
    guint8 count, len;

    for (;;) {
        if (!reader_u8(in, &count, error))
            return FALSE;
        if (count == 0)
            return TRUE;
        if (!reader_u8(in, &len, error))
            return FALSE;
        if (len == 0)
            return violation(error, "IDLEN is 0, not 1 to 255");
        if (ids->len + count > MAF_PDU_OFFERED_MAX)
            return violation(error, "more METHODS than the limit of %d", MAF_PDU_OFFERED_MAX);
        if (!read_ids(in, count, len, ids, error))
            return FALSE;
    }
}

static gboolean
read_list(reader_t *in, maf_pdu_t *pdu, GError **error)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(method_id_t));
    const gboolean read =
        pdu->ver == MAF_VER_00 ? read_list_00(in, pdu, ids, error) : read_list_01(in, ids, error);

    pdu->n_offered = read ? ids->len : 0;
    pdu->offered = (method_id_t *)(void *)g_array_free(ids, !read);
    return read;
}

static gboolean
read_method(reader_t *in, maf_pdu_t *pdu, GError **error)
{
    pdu->method.len = MAF_METHOD_LEN;
    if (pdu->ver == MAF_VER_01) {
        if (!reader_u8(in, &pdu->method.len, error))
            return FALSE;
        if (pdu->method.len == 0)
            return violation(error, "the length of an id is 0, not 1 to 255");
    }
    const guint8 *bytes = reader_take(in, pdu->method.len, error);
    if (bytes)
        memcpy(pdu->method.bytes, bytes, MIN(pdu->method.len, sizeof pdu->method.bytes));
    return bytes != NULL;
}

static gboolean
read_data(reader_t *in, gsize start, maf_pdu_t *pdu, GError **error)
{
    guint32 len;

    if (pdu->ver == MAF_VER_01 && !reader_take(in, pad_after(in->at - start), error))
        return FALSE;
    if (!reader_u32(in, &len, error))
        return FALSE;
    if (len > MAF_PDU_DATA_MAX)
        return violation(error, "LEN is %u, beyond the limit of %d bytes", len, MAF_PDU_DATA_MAX);
    pdu->data = reader_take(in, len, error);
    pdu->data_len = len;
    return pdu->data != NULL;
}

gboolean
maf_pdu_read(reader_t *in, int revision, maf_pdu_t *pdu, GError **error)
{
    const gsize start = in->at;
    guint8 ver, high;
    guint16 low;

    memset(pdu, 0, sizeof *pdu);
    if (!reader_u8(in, &pdu->instr, error) || !reader_u8(in, &ver, error))
        return FALSE;
    revision = revision == MAF_REVISION_BY_VER ? ver : revision;
    if (!check_header(revision, pdu->instr, ver, error) || !reader_u16(in, &pdu->flags, error))
        return FALSE;
    pdu->ver = (guint8)revision;

    const int parts = parts_of(revision, pdu->instr);
    if (parts & RESERVED) {
        if (!reader_u8(in, &high, error) || !reader_u16(in, &low, error))
            return FALSE;
        pdu->reserved = (guint32)high << 16 | low;
    }
    return (!(parts & LIST) || read_list(in, pdu, error)) &&
           (!(parts & METHOD) || read_method(in, pdu, error)) &&
           (!(parts & DATA) || read_data(in, start, pdu, error));
}

/* Writing */

static gboolean
write_list_00(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    if (pdu->n_offered < MAF_NMETHODS_MIN || pdu->n_offered > MAF_NMETHODS_MAX)
        return violation(error, "NMETHODS is %" G_GSIZE_FORMAT ", not 1 to 255", pdu->n_offered);
    if (pdu->nmethods_len == MAF_NMETHODS_LEN_BYTE)
        put_u8(out, (guint8)pdu->n_offered);
    else
        put_u32(out, (guint32)pdu->n_offered);
    for (gsize i = 0; i < pdu->n_offered; i++) {
        if (pdu->offered[i].len != MAF_METHOD_LEN)
            return violation(error, "a METHOD of %u bytes, not 4", pdu->offered[i].len);
        g_byte_array_append(out, pdu->offered[i].bytes, MAF_METHOD_LEN);
    }
    return TRUE;
}

static gboolean
write_list_01(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    const method_id_t *ids = pdu->offered;

    if (pdu->n_offered > MAF_PDU_OFFERED_MAX)
        return violation(error, "more METHODS than the limit of %d", MAF_PDU_OFFERED_MAX);
    for (gsize i = 0, count; i < pdu->n_offered; i += count) {
        const guint8 len = ids[i].len;
        if (len == 0 || len > sizeof ids[i].bytes)
            return violation(error, "an id of %u bytes", len);
        for (count = 1; count < G_MAXUINT8 && i + count < pdu->n_offered && ids[i + count].len == len;)
            count++;
        put_u8(out, (guint8)count);
        put_u8(out, len);
        for (gsize n = 0; n < count; n++)
            g_byte_array_append(out, ids[i + n].bytes, len);
    }
    put_u8(out, 0);
    return TRUE;
}

static gboolean
write_method(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    const guint8 len = pdu->method.len;

    if (pdu->ver == MAF_VER_00 && len != MAF_METHOD_LEN)
        return violation(error, "a METHOD of %u bytes, not 4", len);
    if (len == 0 || len > sizeof pdu->method.bytes)
        return violation(error, "an id of %u bytes", len);
    if (pdu->ver == MAF_VER_01)
        put_u8(out, len);
    g_byte_array_append(out, pdu->method.bytes, len);
    return TRUE;
}

static gboolean
write_data(const maf_pdu_t *pdu, gsize start, GByteArray *out, GError **error)
{
    if (pdu->data_len > MAF_PDU_DATA_MAX)
        return violation(error, "LEN is %" G_GSIZE_FORMAT ", beyond the limit of %d bytes", pdu->data_len,
                         MAF_PDU_DATA_MAX);
    if (pdu->ver == MAF_VER_01)
        g_byte_array_append(out, (const guint8[MAF_ALIGNMENT]){0}, (guint)pad_after(out->len - start));
    put_u32(out, (guint32)pdu->data_len);
    if (pdu->data_len > 0)
        g_byte_array_append(out, pdu->data, (guint)pdu->data_len);
    return TRUE;
}

gboolean
maf_pdu_write(const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    const guint start = out->len;
    gboolean written = TRUE;

    if (!check_header(pdu->ver, pdu->instr, pdu->ver, error))
        return FALSE;
    const int parts = parts_of(pdu->ver, pdu->instr);
    if (pdu->data_len > 0 && !(parts & DATA))
        return violation(error, "DATA in %s, which has none", maf_instr_name(pdu->instr));
    put_u8(out, pdu->instr);
    put_u8(out, pdu->ver);
    put_u16(out, pdu->flags);
    if (parts & LIST)
        written = pdu->ver == MAF_VER_00 ? write_list_00(pdu, out, error) : write_list_01(pdu, out, error);
    if (parts & RESERVED) {
        put_u8(out, (guint8)(pdu->reserved >> 16));
        put_u16(out, (guint16)pdu->reserved);
    }
    written = written && (!(parts & METHOD) || write_method(pdu, out, error)) &&
              (!(parts & DATA) || write_data(pdu, start, out, error));
    if (!written)
        g_byte_array_set_size(out, start);
    return written;
}

/* Words for people */

const char *
maf_instr_name(guint8 instr)
{
    switch (instr) {
#define INSTR_NAME(constant, value, name_00, name_01)                                                        \
    case constant:                                                                                           \
        return name_00;
        MAF_INSTRUCTIONS(INSTR_NAME)
#undef INSTR_NAME
    }
    return NULL;
}

char *
maf_pdu_describe(const maf_pdu_t *pdu)
{
    const char *name = maf_instr_name(pdu->instr);
    const int parts = parts_of(pdu->ver, pdu->instr);

    if (parts & LIST) {
        GString *text = g_string_new(name);
        for (gsize i = 0; i < pdu->n_offered && i < 3; i++) {
            g_autofree char *method = method_id_describe(&pdu->offered[i]);
            g_string_append_printf(text, "%s%s", i == 0 ? ": " : ", ", method);
        }
        if (pdu->n_offered > 3)
            g_string_append_printf(text, " and %" G_GSIZE_FORMAT " more", pdu->n_offered - 3);
        return g_string_free(text, FALSE);
    }
    if (!(parts & METHOD))
        return g_strdup(name);
    g_autofree char *method = method_id_describe(&pdu->method);
    return parts & DATA ? g_strdup_printf("%s: %s, %" G_GSIZE_FORMAT " bytes", name, method, pdu->data_len)
                        : g_strdup_printf("%s: %s", name, method);
}
