/* fuzz-maf-pdu.c
 * What the pair's codec makes of any bytes: libFuzzer's target, which tools/fuzz-codec builds and runs
 *
 * Reading must not go wrong, must not depend on what comes after a message, and what was read and written
 * again must read the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "pdu.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* A reader of a copy, so that reading past its end shows. Clear with reader_clear(). */
static reader_t
reader_of(const guint8 *bytes, gsize len)
{
    return (reader_t){.bytes = g_byte_array_new_take((guint8 *)g_memdup2(bytes, len), len)};
}

static void
check_same_ids(const method_id_t *a, const method_id_t *b)
{
    g_assert_cmpmem(a, sizeof *a, b, sizeof *b);
}

static void
check_same_pdus(const maf_pdu_t *a, const maf_pdu_t *b)
{
    g_assert_cmpuint(a->instr, ==, b->instr);
    g_assert_cmpuint(a->ver, ==, b->ver);
    g_assert_cmpuint(a->flags, ==, b->flags);
    g_assert_cmpuint(a->reserved, ==, b->reserved);
    g_assert_cmpuint(a->nmethods_len, ==, b->nmethods_len);
    g_assert_cmpuint(a->n_offered, ==, b->n_offered);
    for (gsize i = 0; i < a->n_offered; i++)
        check_same_ids(&a->offered[i], &b->offered[i]);
    check_same_ids(&a->method, &b->method);
    g_assert_cmpmem(a->data, a->data_len, b->data, b->data_len);
}

/* Without its last byte a message is not complete. */
static void
check_prefix(int revision, const guint8 *bytes, gsize len)
{
    reader_t in = reader_of(bytes, len - 1);
    maf_pdu_t pdu;

    g_assert_false(maf_pdu_read(&in, revision, &pdu));
    g_assert_cmpint(in.error->code, ==, STATUS_VIOLATION);
    reader_clear(&in);
}

/* Ids longer than a UUID are read, but never written. */
static gboolean
has_long_id(const maf_pdu_t *pdu)
{
    gboolean has = pdu->method.len > MAF_LONG_ID_LEN;

    for (gsize i = 0; i < pdu->n_offered; i++)
        has |= pdu->offered[i].len > MAF_LONG_ID_LEN;
    return has;
}

static void
check_rewritten(const maf_pdu_t *pdu)
{
    reader_t in = {.bytes = g_byte_array_new()};
    g_autofree char *words = maf_pdu_describe(pdu);
    maf_pdu_t again;

    g_assert_nonnull(words);
    if (!has_long_id(pdu)) {
        maf_pdu_write(pdu, in.bytes);
        g_assert_true(maf_pdu_read(&in, pdu->ver, &again));
        g_assert_cmpuint(in.at, ==, in.bytes->len);
        check_same_pdus(pdu, &again);
    }
    reader_clear(&in);
}

static void
read_maf(int revision, const guint8 *data, gsize size)
{
    reader_t in = reader_of(data, size);
    maf_pdu_t pdu;

    for (gsize start = 0; start < size && maf_pdu_read(&in, revision, &pdu); start = in.at) {
        check_prefix(revision, data + start, in.at - start);
        check_rewritten(&pdu);
    }
    reader_clear(&in);
}

static void
read_socks(guint kind, const guint8 *bytes, gsize size)
{
    reader_t in = reader_of(bytes, size);
    g_autoptr(GByteArray) out = g_byte_array_new();
    socks_message_t message;
    guint method;
    const guint8 *methods;

    if (kind == 0 && (methods = socks_read_greeting(&in, &method)) != NULL)
        socks_write_start(method, methods, out);
    else if (kind == 1 && socks_read_selection(&in, &method))
        socks_write_start(method, NULL, out);
    else if (kind == 2 && socks_read_message(&in, &message) && message.len > 0) {
        g_free(socks_message_host(&message));
        socks_write_message(&message, out);
        out->data[2] = bytes[2]; /* RSV, which is not judged */
    }
    g_assert_true(out->len == 0 || (out->len == in.at && memcmp(out->data, bytes, out->len) == 0));
    reader_clear(&in);
}

/* The first byte says what the others are. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static const int revisions[] = {MAF_REVISION_BY_VER, MAF_VER_00, MAF_VER_01};

    if (size < 2)
        return 0;
    if (data[0] % 6 < 3)
        read_maf(revisions[data[0] % 6], data + 1, size - 1);
    else
        read_socks(data[0] % 6 - 3, data + 1, size - 1);
    return 0;
}
