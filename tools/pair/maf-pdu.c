/* maf-pdu.c
 * The messages of MAF
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "pdu.h"

#include <string.h>

/* Ids of sub-methods */

method_id_t
method_id_compact(guint32 number)
{
    const guint32 wire = GUINT32_TO_BE(number);
    method_id_t id = {.len = MAF_COMPACT_ID_LEN};

    memcpy(id.bytes, &wire, sizeof wire);
    return id;
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

/* The ids that have a name. Those without a UUID are no sub-methods to run. */
typedef struct named {
    guint32 number;
    const char *uuid, *name;
} named_t;

static const named_t *
find_named(const method_id_t *id)
{
    static const named_t named[] = {
#define REFERENCE(number, uuid, name) {number, uuid, name},
        MAF_REFERENCE_METHODS(REFERENCE)
#undef REFERENCE
#define OTHER(number, name) {number, NULL, name},
            MAF_METHODS(OTHER)
#undef OTHER
    };
    method_id_t uuid;

    for (gsize i = 0; i < G_N_ELEMENTS(named); i++) {
        if (method_id_is(id, named[i].number) ||
            (id->len == MAF_LONG_ID_LEN && named[i].uuid && method_id_parse_uuid(named[i].uuid, &uuid) &&
             method_id_equal(id, &uuid)))
            return &named[i];
    }
    return NULL;
}

gboolean
method_id_uuid(const method_id_t *id, method_id_t *uuid)
{
    const named_t *named = find_named(id);
    return named && named->uuid && method_id_parse_uuid(named->uuid, uuid);
}

char *
method_id_describe(const method_id_t *id)
{
    const gboolean is_uuid = id->len == MAF_LONG_ID_LEN;
    const named_t *named = find_named(id);
    g_autoptr(GString) text = g_string_new(NULL);

    if (named)
        return g_strdup(named->name);
    for (gsize i = 0; i < MIN(id->len, sizeof id->bytes); i++)
        g_string_append_printf(text, is_uuid ? "%s%02x" : "%s%02X",
                               is_uuid && i >= 4 && i <= 10 && i % 2 == 0 ? "-" : "", id->bytes[i]);
    return is_uuid ? g_strdup(text->str)
                   : g_strdup_printf("X'%s%s'", text->str, id->len > sizeof id->bytes ? "..." : "");
}

/* MAF: what follows the header (Subnegotiation of either draft, the diagrams) */

enum part {
    LIST = 1,
    RESERVED = 2,
    METHOD = 4,
    DATA = 8,
    VER_00 = 16, /* VER 00 is as good as the revision's own */
};

static int
parts_of(guint32 revision, guint32 instr)
{
    static const guint8 parts[][2] = {
        [MAF_INSTR_SUPPORTED] = {LIST, LIST},
        [MAF_INSTR_DO] = {METHOD | DATA, METHOD},
        [MAF_INSTR_PROCESS] = {METHOD | DATA, METHOD | DATA},
        [MAF_INSTR_OEM] = {0, RESERVED | METHOD | DATA},
        [MAF_INSTR_SUCCESS] = {METHOD | DATA, METHOD | VER_00},
        [MAF_INSTR_FAILURE] = {METHOD | DATA, METHOD | VER_00},
    };
    return revision <= MAF_VER_01 && instr < G_N_ELEMENTS(parts) ? parts[instr][revision] : 0;
}

/* Checks INSTR and VER as soon as both are there. */
static void
check_header(reader_t *in, int wanted, maf_pdu_t *pdu)
{
    const guint32 ver = pdu->ver, instr = pdu->instr;
    const guint32 revision = wanted == MAF_REVISION_BY_VER ? ver : (guint32)wanted;

    if (revision > MAF_VER_01)
        fail(&in->error, STATUS_VIOLATION, "VER is %02X, neither 00 nor 01 (INSTR %02X)", ver, instr);
    else if (ver != revision && !(ver == MAF_VER_00 && parts_of(revision, instr) & VER_00))
        fail(&in->error, STATUS_VIOLATION, "VER is %02X, not %02X (INSTR %02X)", ver, revision, instr);
    else if (!maf_instr_name(instr) || (instr == MAF_INSTR_OEM && revision == MAF_VER_00))
        fail(&in->error, STATUS_VIOLATION, "INSTR is %02X, which revision %02X does not have", instr,
             revision);
    pdu->ver = revision;
}

/* NMETHODS has 1 byte or 4, the first of which is 0, for there are 255 METHODS at most. */
static void
code_nmethods(const codec_t *codec, guint32 *count, guint32 *len)
{
    if (!codec->in) {
        put_number(codec->out, *count, *len);
        return;
    }
    code_number(codec, count, MAF_NMETHODS_LEN_BYTE);
    *len = *count > 0 ? MAF_NMETHODS_LEN_BYTE : MAF_NMETHODS_LEN;
    if (*count == 0)
        code_number(codec, count, MAF_NMETHODS_LEN - MAF_NMETHODS_LEN_BYTE);
    if (*count < MAF_NMETHODS_MIN || *count > MAF_NMETHODS_MAX)
        fail(&codec->in->error, STATUS_VIOLATION, "NMETHODS is %u, not 1 to 255", *count);
}

/* In revision 01, METHODS of one length that stand together, here from number `at` on, are a group of 255 at
 * most; a group of none is the end. */
static void
code_group(const codec_t *codec, const maf_pdu_t *pdu, guint32 at, guint32 *count, guint32 *len)
{
    *len = at < pdu->n_offered ? pdu->offered[at].len : 0;
    *count = 0;
    while (*count < G_MAXUINT8 && at + *count < pdu->n_offered && pdu->offered[at + *count].len == *len)
        ++*count;
    code_number(codec, count, 1);
    if (*count > 0)
        code_number(codec, len, MAF_IDLEN_LEN);
    if (codec->in && *count > 0 && *len == 0)
        fail(&codec->in->error, STATUS_VIOLATION, "IDLEN is 0, not 1 to 255");
    if (codec->in && at + *count > MAF_PDU_OFFERED_MAX)
        fail(&codec->in->error, STATUS_VIOLATION, "more METHODS than the limit of %d", MAF_PDU_OFFERED_MAX);
}

static void
code_list(const codec_t *codec, maf_pdu_t *pdu)
{
    reader_t *in = codec->in;
    guint32 at = 0, count = pdu->n_offered, len = MAF_METHOD_LEN;

    if (in && !in->ids)
        in->ids = g_array_new(FALSE, FALSE, sizeof(method_id_t));
    if (in)
        g_array_set_size(in->ids, 0);
    do {
        if (pdu->ver == MAF_VER_01)
            code_group(codec, pdu, at, &count, &len);
        else
            code_nmethods(codec, &count, &pdu->nmethods_len);
        for (const guint32 end = at + count; at < end && !(in && in->error); at++) {
            method_id_t id = {.len = (guint8)len};
            if (!in)
                id = pdu->offered[at];
            code_bytes(codec, id.bytes, len, sizeof id.bytes);
            if (in)
                g_array_append_val(in->ids, id);
        }
    } while (pdu->ver == MAF_VER_01 && count > 0 && !(in && in->error));
    if (in) {
        pdu->offered = (const method_id_t *)(const void *)in->ids->data;
        pdu->n_offered = in->ids->len;
    }
}

static void
code_method(const codec_t *codec, guint32 ver, method_id_t *id)
{
    guint32 len = ver == MAF_VER_00 ? MAF_METHOD_LEN : id->len;

    if (ver == MAF_VER_01)
        code_number(codec, &len, MAF_IDLEN_LEN);
    if (codec->in && len == 0)
        fail(&codec->in->error, STATUS_VIOLATION, "the length of an id is 0, not 1 to 255");
    id->len = (guint8)len;
    code_bytes(codec, id->bytes, len, sizeof id->bytes);
}

/* PAD brings DLEN to a multiple of 4 bytes (draft-01). */
static void
code_data(const codec_t *codec, maf_pdu_t *pdu)
{
    const gsize at = (codec->in ? codec->in->at : codec->out->len) - codec->start;
    guint32 pad = 0;

    if (pdu->ver == MAF_VER_01)
        code_number(codec, &pad, (MAF_ALIGNMENT - at % MAF_ALIGNMENT) % MAF_ALIGNMENT);
    code_number(codec, &pdu->data_len, MAF_LEN_LEN);
    if (!codec->in) {
        g_byte_array_append(codec->out, pdu->data, pdu->data_len);
        return;
    }
    if (pdu->data_len > MAF_PDU_DATA_MAX)
        fail(&codec->in->error, STATUS_VIOLATION, "LEN is %u, beyond the limit of %d bytes", pdu->data_len,
             MAF_PDU_DATA_MAX);
    pdu->data = reader_take(codec->in, pdu->data_len);
}

static void
code_pdu(const codec_t *codec, int revision, maf_pdu_t *pdu)
{
    code_number(codec, &pdu->instr, 1);
    code_number(codec, &pdu->ver, 1);
    if (codec->in)
        check_header(codec->in, revision, pdu);
    code_number(codec, &pdu->flags, 2);

    const int parts = parts_of(pdu->ver, pdu->instr);
    if (parts & LIST)
        code_list(codec, pdu);
    if (parts & RESERVED)
        code_number(codec, &pdu->reserved, MAF_RESERVED_LEN);
    if (parts & METHOD)
        code_method(codec, pdu->ver, &pdu->method);
    if (parts & DATA)
        code_data(codec, pdu);
}

gboolean
maf_pdu_read(reader_t *in, int revision, maf_pdu_t *pdu)
{
    *pdu = (maf_pdu_t){0};
    code_pdu(&(codec_t){.in = in, .start = in->at}, revision, pdu);
    return !in->error;
}

void
maf_pdu_write(const maf_pdu_t *pdu, GByteArray *out)
{
    maf_pdu_t copy = *pdu;
    code_pdu(&(codec_t){.out = out, .start = out->len}, MAF_REVISION_BY_VER, &copy);
}

/* MAF: words for people */

const char *
maf_instr_name(guint32 instr)
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
    const guint32 count = parts & LIST ? pdu->n_offered : parts & METHOD ? 1 : 0;
    GString *text = g_string_new(maf_instr_name(pdu->instr));

    for (gsize i = 0; i < count && i < 3; i++) {
        g_autofree char *method = method_id_describe(&ids[i]);
        g_string_append_printf(text, "%s%s", i == 0 ? ": " : ", ", method);
    }
    if (count > 3)
        g_string_append_printf(text, " and %u more", count - 3);
    if (parts & DATA)
        g_string_append_printf(text, ", %u bytes", pdu->data_len);
    return g_string_free(text, FALSE);
}
