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

gboolean
method_id_in(const method_id_t *id, const method_id_t *ids, gsize count)
{
    for (gsize i = 0; i < count; i++) {
        if (method_id_equal(id, &ids[i]))
            return TRUE;
    }
    return FALSE;
}

/* The ids that have a name. Those without a UUID are no sub-methods to run. */
static const struct {
    guint32 number;
    const char *uuid, *name;
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
    GString *text = g_string_new(NULL);
    method_id_t uuid;

    for (gsize i = 0; i < G_N_ELEMENTS(named); i++) {
        if (method_id_is(id, named[i].number) ||
            (named[i].uuid && method_id_parse_uuid(named[i].uuid, &uuid) && method_id_equal(id, &uuid)))
            return g_string_free(g_string_assign(text, named[i].name), FALSE);
    }
    if (id->len == MAF_LONG_ID_LEN) {
        for (gsize i = 0; i < id->len; i++)
            g_string_append_printf(text, "%s%02x", i >= 4 && i <= 10 && i % 2 == 0 ? "-" : "", id->bytes[i]);
        return g_string_free(text, FALSE);
    }
    for (gsize i = 0; i < MIN(id->len, sizeof id->bytes); i++)
        g_string_append_printf(text, "%02X", id->bytes[i]);
    g_string_prepend(text, "X'");
    g_string_append(text, id->len > sizeof id->bytes ? "...'" : "'");
    return g_string_free(text, FALSE);
}

/* What follows the header (Subnegotiation of either draft, the diagrams) */

enum part {
    LIST = 1,
    RESERVED = 2,
    METHOD = 4,
    DATA = 8,
    VER_00 = 16, /* VER 00 is as good as the revision's own */
};

static int
parts_of(int revision, guint8 instr)
{
    switch (instr) {
    case MAF_INSTR_SUPPORTED:
        return LIST;
    case MAF_INSTR_DO:
        return revision == MAF_VER_00 ? METHOD | DATA : METHOD;
    case MAF_INSTR_PROCESS:
        return METHOD | DATA;
    case MAF_INSTR_OEM:
        return RESERVED | METHOD | DATA;
    case MAF_INSTR_SUCCESS:
    case MAF_INSTR_FAILURE:
        return revision == MAF_VER_00 ? METHOD | DATA : METHOD | VER_00;
    default:
        return 0;
    }
}

gboolean
maf_pdu_has_data(int revision, guint8 instr)
{
    return (parts_of(revision, instr) & DATA) != 0;
}

/* PAD, which brings DLEN to a multiple of 4 bytes (draft-01). */
static gsize
pad_after(gsize at)
{
    return (MAF_ALIGNMENT - at % MAF_ALIGNMENT) % MAF_ALIGNMENT;
}

/* Reading */

/* `count` ids of `len` bytes each, once all of them have arrived. */
static void
read_ids(reader_t *in, gsize count, gsize len)
{
    const guint8 *bytes = reader_take(in, count * len);

    for (gsize i = 0; bytes && i < count; i++) {
        method_id_t id = {.len = (guint8)len};
        memcpy(id.bytes, bytes + i * len, MIN(len, sizeof id.bytes));
        g_array_append_val(in->ids, id);
    }
}

static void
read_list_00(reader_t *in, maf_pdu_t *pdu)
{
    guint32 count = reader_number(in, MAF_NMETHODS_LEN_BYTE);

    pdu->nmethods_len = count > 0 ? MAF_NMETHODS_LEN_BYTE : MAF_NMETHODS_LEN;
    if (count == 0) /* so it is wider */
        count = reader_number(in, MAF_NMETHODS_LEN - MAF_NMETHODS_LEN_BYTE);
    if (count < MAF_NMETHODS_MIN || count > MAF_NMETHODS_MAX)
        fail(&in->error, STATUS_VIOLATION, "NMETHODS is %u, not 1 to 255", count);
    read_ids(in, count, MAF_METHOD_LEN);
}

static void
read_list_01(reader_t *in)
{
    for (guint32 count, len; (count = reader_number(in, 1)) > 0; read_ids(in, count, len)) {
        len = reader_number(in, MAF_IDLEN_LEN);
        if (len == 0)
            fail(&in->error, STATUS_VIOLATION, "IDLEN is 0, not 1 to 255");
        if (in->ids->len + count > MAF_PDU_OFFERED_MAX)
            fail(&in->error, STATUS_VIOLATION, "more METHODS than the limit of %d", MAF_PDU_OFFERED_MAX);
    }
}

static void
read_list(reader_t *in, maf_pdu_t *pdu)
{
    if (!in->ids)
        in->ids = g_array_new(FALSE, FALSE, sizeof(method_id_t));
    g_array_set_size(in->ids, 0);
    if (pdu->ver == MAF_VER_00)
        read_list_00(in, pdu);
    else
        read_list_01(in);
    pdu->offered = (const method_id_t *)(const void *)in->ids->data;
    pdu->n_offered = in->ids->len;
}

static void
read_method(reader_t *in, maf_pdu_t *pdu)
{
    pdu->method.len = pdu->ver == MAF_VER_00 ? MAF_METHOD_LEN : (guint8)reader_number(in, MAF_IDLEN_LEN);
    if (pdu->method.len == 0)
        fail(&in->error, STATUS_VIOLATION, "the length of an id is 0, not 1 to 255");
    const guint8 *bytes = reader_take(in, pdu->method.len);
    if (bytes)
        memcpy(pdu->method.bytes, bytes, MIN(pdu->method.len, sizeof pdu->method.bytes));
}

static void
read_data(reader_t *in, gsize start, maf_pdu_t *pdu)
{
    if (pdu->ver == MAF_VER_01)
        reader_take(in, pad_after(in->at - start));
    pdu->data_len = reader_number(in, MAF_LEN_LEN);
    if (pdu->data_len > MAF_PDU_DATA_MAX)
        fail(&in->error, STATUS_VIOLATION, "LEN is %" G_GSIZE_FORMAT ", beyond the limit of %d bytes",
             pdu->data_len, MAF_PDU_DATA_MAX);
    pdu->data = reader_take(in, pdu->data_len);
}

/* Checks INSTR and VER as soon as both are there. */
static void
check_header(reader_t *in, guint8 instr, guint8 ver, int revision)
{
    if (revision != MAF_VER_00 && revision != MAF_VER_01)
        fail(&in->error, STATUS_VIOLATION, "VER is %02X, neither 00 nor 01 (INSTR %02X)", ver, instr);
    else if (ver != revision && !(ver == MAF_VER_00 && parts_of(revision, instr) & VER_00))
        fail(&in->error, STATUS_VIOLATION, "VER is %02X, not %02X (INSTR %02X)", ver, revision, instr);
    else if (!maf_instr_name(instr) || (instr == MAF_INSTR_OEM && revision == MAF_VER_00))
        fail(&in->error, STATUS_VIOLATION, "INSTR is %02X, which revision %02X does not have", instr,
             revision);
}

gboolean
maf_pdu_read(reader_t *in, int revision, maf_pdu_t *pdu)
{
    const gsize start = in->at;

    memset(pdu, 0, sizeof *pdu);
    pdu->instr = (guint8)reader_number(in, 1);
    const guint8 ver = (guint8)reader_number(in, 1);
    revision = revision == MAF_REVISION_BY_VER ? ver : revision;
    check_header(in, pdu->instr, ver, revision);
    if (in->error)
        return FALSE;
    pdu->ver = (guint8)revision;
    pdu->flags = (guint16)reader_number(in, 2);

    const int parts = parts_of(revision, pdu->instr);
    if (parts & LIST)
        read_list(in, pdu);
    if (parts & RESERVED)
        pdu->reserved = reader_number(in, MAF_RESERVED_LEN);
    if (parts & METHOD)
        read_method(in, pdu);
    if (parts & DATA)
        read_data(in, start, pdu);
    return !in->error;
}

/* Writing */

static void
write_list_01(const maf_pdu_t *pdu, GByteArray *out)
{
    const method_id_t *ids = pdu->offered;

    for (gsize i = 0, count; i < pdu->n_offered; i += count) {
        const guint8 len = ids[i].len;
        for (count = 1; count < G_MAXUINT8 && i + count < pdu->n_offered && ids[i + count].len == len;)
            count++;
        put_number(out, (guint32)count, 1);
        put_number(out, len, MAF_IDLEN_LEN);
        for (gsize n = 0; n < count; n++)
            g_byte_array_append(out, ids[i + n].bytes, len);
    }
    put_number(out, 0, 1);
}

static void
write_list(const maf_pdu_t *pdu, GByteArray *out)
{
    if (pdu->ver == MAF_VER_01) {
        write_list_01(pdu, out);
        return;
    }
    put_number(out, (guint32)pdu->n_offered, pdu->nmethods_len ? pdu->nmethods_len : MAF_NMETHODS_LEN);
    for (gsize i = 0; i < pdu->n_offered; i++)
        g_byte_array_append(out, pdu->offered[i].bytes, MAF_METHOD_LEN);
}

void
maf_pdu_write(const maf_pdu_t *pdu, GByteArray *out)
{
    const int parts = parts_of(pdu->ver, pdu->instr);
    const guint start = out->len;

    put_number(out, pdu->instr, 1);
    put_number(out, pdu->ver, 1);
    put_number(out, pdu->flags, 2);
    if (parts & LIST)
        write_list(pdu, out);
    if (parts & RESERVED)
        put_number(out, pdu->reserved, MAF_RESERVED_LEN);
    if (parts & METHOD && pdu->ver == MAF_VER_01)
        put_number(out, pdu->method.len, MAF_IDLEN_LEN);
    if (parts & METHOD)
        g_byte_array_append(out, pdu->method.bytes, pdu->method.len);
    if (parts & DATA) {
        put_number(out, 0, pdu->ver == MAF_VER_01 ? pad_after(out->len - start) : 0);
        put_number(out, (guint32)pdu->data_len, MAF_LEN_LEN);
        if (pdu->data_len > 0)
            g_byte_array_append(out, pdu->data, (guint)pdu->data_len);
    }
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
    const int parts = parts_of(pdu->ver, pdu->instr);
    const method_id_t *ids = parts & LIST ? pdu->offered : &pdu->method;
    const gsize count = parts & LIST ? pdu->n_offered : parts & METHOD ? 1 : 0;
    GString *text = g_string_new(maf_instr_name(pdu->instr));

    for (gsize i = 0; i < count && i < 3; i++) {
        g_autofree char *method = method_id_describe(&ids[i]);
        g_string_append_printf(text, "%s%s", i == 0 ? ": " : ", ", method);
    }
    if (count > 3)
        g_string_append_printf(text, " and %" G_GSIZE_FORMAT " more", count - 3);
    if (parts & DATA)
        g_string_append_printf(text, ", %" G_GSIZE_FORMAT " bytes", pdu->data_len);
    return g_string_free(text, FALSE);
}
