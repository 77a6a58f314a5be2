/* fuzz-maf-pdu.c
 * What the pair's codec makes of any octets: libFuzzer's target, which tools/fuzz-codec builds and runs
 *
 * Reading must not go wrong, must not depend on what comes after a message, and what was read and written
 * again must read the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>

#include "maf-pdu.h"
#include "socks-pdu.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* Octets of their own, so that reading past them shows. */
static guint8 *
copy_of(const guint8 *octets, gsize len)
{
    return (guint8 *)g_memdup2(octets, len);
}

static void
check_error(frame_status_t status, const GError *error)
{
    g_assert_true((status == FRAME_BAD) == (error != NULL));
}

/* MAF */

static void
check_same_ids(const maf_id_t *a, const maf_id_t *b)
{
    g_autofree char *text = maf_id_to_string(a);
    maf_id_t parsed;

    g_assert_true(maf_id_equal(a, b));
    if (a->len == MAF_LONG_ID_LEN)
        g_assert_true(maf_id_parse_uuid(text, &parsed) && maf_id_equal(a, &parsed));
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

/* Without its last octet a frame is not complete, and what is missing is not more than that. */
static void
check_prefix(int revision, const guint8 *octets, gsize len)
{
    g_autofree guint8 *prefix = copy_of(octets, len - 1);
    g_autoptr(GError) error = NULL;
    maf_pdu_t pdu;
    gsize missing;

    g_assert_cmpint(maf_pdu_decode(revision, prefix, len - 1, &pdu, &missing, &error), ==, FRAME_PARTIAL);
    g_assert_cmpuint(missing, ==, 1);
}

static void
check_rewritten(const maf_pdu_t *pdu)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *words = maf_pdu_describe(pdu);
    maf_pdu_t again;
    gsize length;

    g_assert_nonnull(words);
    g_assert_true(maf_pdu_encode(pdu, octets, &error));
    g_assert_cmpint(maf_pdu_decode(pdu->ver, octets->data, octets->len, &again, &length, &error), ==,
                    FRAME_COMPLETE);
    g_assert_cmpuint(length, ==, octets->len);
    check_same_pdus(pdu, &again);
}

static void
read_maf(int revision, const guint8 *data, gsize size)
{
    while (size > 0) {
        g_autofree guint8 *octets = copy_of(data, size);
        g_autoptr(GError) error = NULL;
        maf_pdu_t pdu;
        gsize length;
        const frame_status_t status = maf_pdu_decode(revision, octets, size, &pdu, &length, &error);

        check_error(status, error);
        if (status != FRAME_COMPLETE)
            return;
        g_assert_true(length > 0 && length <= size);
        check_prefix(revision, octets, length);
        check_rewritten(&pdu);
        data += length;
        size -= length;
    }
}

/* SOCKS */

static void
read_greeting(const guint8 *octets, gsize size)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    socks_greeting_t greeting;
    gsize length;
    const frame_status_t status = socks_greeting_decode(octets, size, &greeting, &length, &error);

    check_error(status, error);
    if (status != FRAME_COMPLETE)
        return;
    socks_greeting_encode(&greeting, out);
    g_assert_cmpmem(out->data, out->len, octets, length);
}

static void
read_selection(const guint8 *octets, gsize size)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    guint8 method;
    gsize length;
    const frame_status_t status = socks_selection_decode(octets, size, &method, &length, &error);

    check_error(status, error);
    if (status != FRAME_COMPLETE)
        return;
    socks_selection_encode(method, out);
    g_assert_cmpmem(out->data, out->len, octets, length);
}

typedef frame_status_t (*message_decoder_t)(const guint8 *octets, gsize len, socks_message_t *message,
                                            gsize *length, GError **error);

static void
read_message(message_decoder_t decode, const guint8 *octets, gsize size)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    socks_message_t message, again;
    gsize length;
    const frame_status_t status = decode(octets, size, &message, &length, &error);

    check_error(status, error);
    if (status != FRAME_COMPLETE || message.address.len == 0)
        return;
    socks_message_encode(&message, out);
    g_assert_cmpint(decode(out->data, out->len, &again, &length, &error), ==, FRAME_COMPLETE);
    g_assert_cmpuint(length, ==, out->len);
    g_assert_cmpmem(&message, sizeof message, &again, sizeof again);
}

/* The first octet says what the others are. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    if (size < 2)
        return 0;

    g_autofree guint8 *octets = copy_of(data + 1, size - 1);

    switch (data[0] % 7) {
    case 0:
        read_maf(MAF_REVISION_BY_VER, octets, size - 1);
        break;
    case 1:
        read_maf(MAF_VER_00, octets, size - 1);
        break;
    case 2:
        read_maf(MAF_VER_01, octets, size - 1);
        break;
    case 3:
        read_greeting(octets, size - 1);
        break;
    case 4:
        read_selection(octets, size - 1);
        break;
    case 5:
        read_message(socks_request_decode, octets, size - 1);
        break;
    default:
        read_message(socks_reply_decode, octets, size - 1);
        break;
    }
    return 0;
}
