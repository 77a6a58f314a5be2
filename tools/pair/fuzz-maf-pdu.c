/* fuzz-maf-pdu.c
 * What the pair's codec makes of any bytes: libFuzzer's target, which tools/fuzz-codec builds and runs
 *
 * Reading must not go wrong, must not depend on what comes after a message, and what was read and written
 * again must read the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-pdu.h"
#include "socks-pdu.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* A reader of a copy, so that reading past its end shows. Clear with g_byte_array_unref(). */
static reader_t
reader_of(const guint8 *bytes, gsize len)
{
    return (reader_t){.in = g_byte_array_new_take((guint8 *)g_memdup2(bytes, len), len)};
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
    g_autoptr(GError) error = NULL;
    maf_pdu_t pdu;

    g_assert_false(maf_pdu_read(&in, revision, &pdu, &error));
    g_assert_error(error, PAIR_ERROR, PAIR_ERROR_VIOLATION);
    g_byte_array_unref(in.in);
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
    reader_t in = {.in = g_byte_array_new()};
    g_autoptr(GError) error = NULL;
    g_autofree char *words = maf_pdu_describe(pdu);
    maf_pdu_t again;

    g_assert_nonnull(words);
    g_assert_true(maf_pdu_write(pdu, in.in, &error) != has_long_id(pdu));
    if (!error) {
        g_assert_true(maf_pdu_read(&in, pdu->ver, &again, &error));
        g_assert_cmpuint(in.at, ==, in.in->len);
        check_same_pdus(pdu, &again);
        g_free(again.offered);
    }
    g_byte_array_unref(in.in);
}

static void
read_maf(int revision, const guint8 *data, gsize size)
{
    reader_t in = reader_of(data, size);
    g_autoptr(GError) error = NULL;
    maf_pdu_t pdu;

    for (gsize start = 0; start < size && maf_pdu_read(&in, revision, &pdu, &error); start = in.at) {
        check_prefix(revision, data + start, in.at - start);
        check_rewritten(&pdu);
        g_free(pdu.offered);
    }
    g_byte_array_unref(in.in);
}

static void
read_socks(guint kind, const guint8 *bytes, gsize size)
{
    reader_t in = reader_of(bytes, size);
    g_autoptr(GByteArray) out = g_byte_array_new();
    socks_greeting_t greeting;
    socks_message_t message;
    guint8 method;

    if (kind == 0 && socks_read_greeting(&in, &greeting, NULL))
        socks_write_greeting(&greeting, out);
    else if (kind == 1 && socks_read_selection(&in, &method, NULL))
        socks_write_selection(method, out);
    else if (kind == 2 && socks_read_message(&in, &message, NULL) && message.address.len > 0) {
        g_free(socks_address_host(&message.address));
        socks_write_message(&message, out);
        out->data[2] = bytes[2]; /* RSV, which is not judged */
    }
    g_assert_true(out->len == 0 || (out->len == in.at && memcmp(out->data, bytes, out->len) == 0));
    g_byte_array_unref(in.in);
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
