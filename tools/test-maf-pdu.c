/* test-maf-pdu.c
 * The MAF codec: what it takes, what it gives back, and what it refuses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-pdu.h"

#include <string.h>

static const guint8 text[] = "a\0b";

/* Octets from hexadecimal, which may have spaces. */
static GByteArray *
octets_of(const char *hex)
{
    GByteArray *octets = g_byte_array_new();
    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        const guint8 octet = (guint8)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
        g_byte_array_append(octets, &octet, 1);
        hex++;
    }
    return octets;
}

/* Decodes a copy of exactly `len` octets, so that a memory checker sees any reading past them. */
static frame_status_t
decode_as(int revision, const guint8 *octets, gsize len, maf_pdu_t *pdu, gsize *length, GError **error)
{
    guint8 *copy = g_malloc(MAX(len, 1));
    memcpy(copy, octets, len);
    const frame_status_t status = maf_pdu_decode(revision, copy, len, pdu, length, error);
    pdu->data = NULL;
    g_free(copy);
    return status;
}

static frame_status_t
decode(const guint8 *octets, gsize len, maf_pdu_t *pdu, gsize *length, GError **error)
{
    return decode_as(MAF_REVISION_BY_VER, octets, len, pdu, length, error);
}

static void
assert_bad(const char *hex)
{
    g_autoptr(GByteArray) octets = octets_of(hex);
    g_autoptr(GError) error = NULL;
    maf_pdu_t pdu;
    gsize length = 99;

    g_assert_cmpint(decode(octets->data, octets->len, &pdu, &length, &error), ==, FRAME_BAD);
    g_assert_error(error, MAF_ERROR, MAF_ERROR_VIOLATION);
    g_assert_cmpuint(length, ==, 0);
}

static void
assert_partial(const char *hex, gsize missing)
{
    g_autoptr(GByteArray) octets = octets_of(hex);
    g_autoptr(GError) error = NULL;
    maf_pdu_t pdu;
    gsize length = 0;

    g_assert_cmpint(decode(octets->data, octets->len, &pdu, &length, &error), ==, FRAME_PARTIAL);
    g_assert_no_error(error);
    g_assert_cmpuint(length, ==, missing);
}

static void
assert_decodes(const char *hex, maf_pdu_t *pdu)
{
    g_autoptr(GByteArray) octets = octets_of(hex);
    g_autoptr(GError) error = NULL;
    gsize length = 0;

    g_assert_cmpint(decode(octets->data, octets->len, pdu, &length, &error), ==, FRAME_COMPLETE);
    g_assert_no_error(error);
    g_assert_cmpuint(length, ==, octets->len);
}

/* Every frame of revision 00, as the drafts' diagrams have it */

static void
test_known_octets(void)
{
    maf_pdu_t pdu;

    assert_decodes("01 00 0000 00000002 00000001 00010000", &pdu);
    g_assert_cmpuint(pdu.instr, ==, MAF_INSTR_SUPPORTED);
    g_assert_cmpuint(pdu.nmethods_len, ==, 4);
    g_assert_cmpuint(pdu.n_offered, ==, 2);
    g_assert_true(maf_id_is(&pdu.offered[0], 0x00000001));
    g_assert_true(maf_id_is(&pdu.offered[1], 0x00010000));

    assert_decodes("01 00 0000 01 00000001", &pdu);
    g_assert_cmpuint(pdu.nmethods_len, ==, 1);
    g_assert_cmpuint(pdu.n_offered, ==, 1);
    g_assert_true(maf_id_is(&pdu.offered[0], 0x00000001));

    assert_decodes("02 00 0001", &pdu);
    g_assert_cmpuint(pdu.instr, ==, MAF_INSTR_REQUEST_MORE);
    g_assert_cmpuint(pdu.flags, ==, MAF_FLAGS_ABSOLUTE);

    assert_decodes("03 00 0000 00000001 00000005 68656C6C6F", &pdu);
    g_assert_cmpuint(pdu.instr, ==, MAF_INSTR_DO);
    g_assert_true(maf_id_is(&pdu.method, MAF_METHOD_INTERNAL_TEST));
    g_assert_cmpuint(pdu.data_len, ==, 5);

    assert_decodes("04 00 0000", &pdu);
    g_assert_cmpuint(pdu.instr, ==, MAF_INSTR_WHAT_NEXT);
    assert_decodes("05 00 0000 00000001 00000000", &pdu);
    g_assert_cmpuint(pdu.instr, ==, MAF_INSTR_PROCESS);
    g_assert_cmpuint(pdu.data_len, ==, 0);
    assert_decodes("06 00 0000", &pdu);
    g_assert_cmpuint(pdu.instr, ==, MAF_INSTR_ACKNOWLEDGE);
    assert_decodes("00 00 0000 00000000 00000000", &pdu);
    g_assert_cmpuint(pdu.instr, ==, MAF_INSTR_SUCCESS);
    assert_decodes("FF 00 0000 FFFFFFFF 00000001 41", &pdu);
    g_assert_cmpuint(pdu.instr, ==, MAF_INSTR_FAILURE);
    g_assert_true(maf_id_is(&pdu.method, MAF_METHOD_FAILURE));

    /* What FLAGS mean is the session's business. */
    assert_decodes("04 00 ABCD", &pdu);
    g_assert_cmphex(pdu.flags, ==, 0xABCD);
}

/* And every frame of revision 01 */

static void
test_known_octets_01(void)
{
    maf_pdu_t pdu;
    maf_id_t uuid;

    g_assert_true(maf_id_parse_uuid("4a78553a-fb3c-4917-9c6c-6e302b6c482d", &uuid));

    assert_decodes("01 01 0000 00", &pdu);
    g_assert_cmpuint(pdu.instr, ==, MAF_INSTR_SUPPORTED);
    g_assert_cmpuint(pdu.n_offered, ==, 0);

    assert_decodes(
        "01 01 0000 02 04 00000001 00010000 01 10 4A78553AFB3C49179C6C6E302B6C482D 01 04 00000002 00", &pdu);
    g_assert_cmpuint(pdu.ver, ==, MAF_VER_01);
    g_assert_cmpuint(pdu.n_offered, ==, 4);
    g_assert_true(maf_id_is(&pdu.offered[0], 0x00000001));
    g_assert_true(maf_id_is(&pdu.offered[1], 0x00010000));
    g_assert_true(maf_id_equal(&pdu.offered[2], &uuid));
    g_assert_true(maf_id_is(&pdu.offered[3], MAF_METHOD_MORE_AVAILABLE));

    assert_decodes("02 01 0001", &pdu);
    g_assert_cmpuint(pdu.flags, ==, MAF_FLAGS_ABSOLUTE);
    assert_decodes("03 01 0000 04 00000001", &pdu);
    g_assert_true(maf_id_is(&pdu.method, MAF_METHOD_INTERNAL_TEST));
    g_assert_null(pdu.data);
    assert_decodes("03 01 0000 10 4A78553AFB3C49179C6C6E302B6C482D", &pdu);
    g_assert_true(maf_id_equal(&pdu.method, &uuid));
    assert_decodes("04 01 0000", &pdu);
    assert_decodes("06 01 0000", &pdu);
    assert_decodes("00 01 0000 04 00000000", &pdu);
    assert_decodes("FF 01 0000 04 FFFFFFFF", &pdu);

    /* PAD counts from the start of the frame, and what it holds does not matter. */
    assert_decodes("05 01 0000 04 00000001 000000 00000005 68656C6C6F", &pdu);
    g_assert_cmpuint(pdu.data_len, ==, 5);
    assert_decodes("05 01 0000 10 4A78553AFB3C49179C6C6E302B6C482D ABCDEF 00000000", &pdu);
    assert_decodes("05 01 0000 01 AA ABCD 00000001 41", &pdu);
    g_assert_cmpuint(pdu.data_len, ==, 1);
    assert_decodes("05 01 0000 03 AAAAAA 00000001 41", &pdu);
    assert_decodes("07 01 0000 000000 04 00000003 00000002 4142", &pdu);
    g_assert_true(maf_id_is(&pdu.method, MAF_OEM_TEST_LAST));
    g_assert_cmpuint(pdu.data_len, ==, 2);
    assert_decodes("07 01 0000 ABCDEF 01 AA 000000 00000000", &pdu);
    g_assert_cmphex(pdu.reserved, ==, 0xABCDEF);
}

/* Round trips, with every truncation on the way, and octets behind that must not matter */

static void
round_trip(const maf_pdu_t *pdu)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();
    g_autoptr(GByteArray) again = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    maf_pdu_t back;
    gsize length = 0;

    g_assert_true(maf_pdu_encode(pdu, octets, &error));
    g_assert_no_error(error);
    const gsize whole = octets->len;
    for (gsize len = 0; len < whole; len++) {
        g_assert_cmpint(decode(octets->data, len, &back, &length, &error), ==, FRAME_PARTIAL);
        g_assert_no_error(error);
        g_assert_cmpuint(length, >=, 1);
        g_assert_cmpuint(len + length, <=, whole);
    }

    g_byte_array_append(octets, (const guint8 *)"\xFF\xFF\xFF\xFF", 4);
    g_assert_cmpint(maf_pdu_decode(MAF_REVISION_BY_VER, octets->data, octets->len, &back, &length, &error),
                    ==, FRAME_COMPLETE);
    g_assert_cmpuint(length, ==, whole);
    g_assert_cmpuint(back.data_len, ==, pdu->data_len);
    if (pdu->data_len > 0)
        g_assert_cmpmem(back.data, back.data_len, pdu->data, pdu->data_len);
    g_assert_true(maf_pdu_encode(&back, again, &error));
    g_assert_cmpmem(again->data, again->len, octets->data, whole);
}

static void
test_round_trips(void)
{
    static const guint8 with_data[] = {MAF_INSTR_SUCCESS, MAF_INSTR_DO, MAF_INSTR_PROCESS, MAF_INSTR_FAILURE};
    static const guint8 bare[] = {MAF_INSTR_REQUEST_MORE, MAF_INSTR_WHAT_NEXT, MAF_INSTR_ACKNOWLEDGE};

    for (gsize i = 0; i < G_N_ELEMENTS(with_data); i++) {
        for (gsize len = 0; len <= sizeof text; len++) {
            const maf_pdu_t pdu = {
                .instr = with_data[i], .method = maf_id_compact(0x12345678), .data = text, .data_len = len};
            round_trip(&pdu);
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bare); i++) {
        const maf_pdu_t pdu = {.instr = bare[i], .flags = 0x0001};
        round_trip(&pdu);
    }
}

static const guint8 long_id[G_MAXUINT8] = {1, 2, 3, 4, 5};

/* An id of any length: what is beyond a UUID's is elsewhere. */
static maf_id_t
id_of_length(gsize len)
{
    maf_id_t id = {.len = (guint8)len, .longer = len > MAF_LONG_ID_LEN ? long_id : NULL};
    memcpy(id.octets, long_id, MIN(len, sizeof id.octets));
    return id;
}

static void
test_round_trips_01(void)
{
    static const guint8 with_method[] = {MAF_INSTR_SUCCESS, MAF_INSTR_DO, MAF_INSTR_PROCESS, MAF_INSTR_OEM,
                                         MAF_INSTR_FAILURE};
    static const guint8 bare[] = {MAF_INSTR_REQUEST_MORE, MAF_INSTR_WHAT_NEXT, MAF_INSTR_ACKNOWLEDGE};

    for (gsize i = 0; i < G_N_ELEMENTS(with_method); i++) {
        for (gsize len = 1; len <= G_MAXUINT8; len++) {
            maf_pdu_t pdu = {.instr = with_method[i], .ver = MAF_VER_01, .method = id_of_length(len)};
            if (maf_pdu_has_data(MAF_VER_01, pdu.instr)) {
                pdu.data = text;
                pdu.data_len = len % (sizeof text + 1);
            }
            round_trip(&pdu);
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bare); i++) {
        const maf_pdu_t pdu = {.instr = bare[i], .ver = MAF_VER_01, .flags = 0x0001};
        round_trip(&pdu);
    }
}

/* Groups of ids of any length, in any order, and as many as the codec takes */

static void
test_groups(void)
{
    static const gsize lengths[] = {4, 4, 16, 1, 255, 4, 17, 17, 3};
    maf_pdu_t pdu = {.instr = MAF_INSTR_SUPPORTED, .ver = MAF_VER_01};
    maf_pdu_t back;
    gsize length;

    round_trip(&pdu);
    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        pdu.offered[pdu.n_offered++] = id_of_length(lengths[i]);
        round_trip(&pdu);
    }
    for (; pdu.n_offered < MAF_PDU_OFFERED_MAX; pdu.n_offered++)
        pdu.offered[pdu.n_offered] = id_of_length(pdu.n_offered < 600 ? 4 : 16);

    g_autoptr(GByteArray) octets = g_byte_array_new();
    g_assert_true(maf_pdu_encode(&pdu, octets, NULL));
    g_assert_cmpint(maf_pdu_decode(MAF_VER_01, octets->data, octets->len, &back, &length, NULL), ==,
                    FRAME_COMPLETE);
    g_assert_cmpuint(length, ==, octets->len);
    g_assert_cmpuint(back.n_offered, ==, pdu.n_offered);
    for (gsize i = 0; i < pdu.n_offered; i++)
        g_assert_true(maf_id_equal(&back.offered[i], &pdu.offered[i]));

    g_byte_array_set_size(octets, octets->len - 1);
    g_byte_array_append(octets, (const guint8 *)"\1\4", 2);
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(maf_pdu_decode(MAF_VER_01, octets->data, octets->len, &back, &length, &error), ==,
                    FRAME_BAD);
    g_assert_error(error, MAF_ERROR, MAF_ERROR_VIOLATION);
}

static void
test_lists_of_every_size(void)
{
    static const gsize widths[] = {MAF_NMETHODS_LEN, MAF_NMETHODS_LEN_BYTE};

    for (gsize w = 0; w < G_N_ELEMENTS(widths); w++) {
        maf_pdu_t pdu = {.instr = MAF_INSTR_SUPPORTED, .nmethods_len = widths[w]};
        while (pdu.n_offered < MAF_NMETHODS_MAX) {
            pdu.offered[pdu.n_offered] = maf_id_compact((guint32)(0xFFFFFF00 - pdu.n_offered));
            pdu.n_offered++;
            if (pdu.n_offered < 4 || pdu.n_offered > 253)
                round_trip(&pdu);
            g_autoptr(GByteArray) octets = g_byte_array_new();
            g_assert_true(maf_pdu_encode(&pdu, octets, NULL));
            g_assert_cmpuint(octets->len, ==, MAF_HEADER_LEN + widths[w] + 4 * pdu.n_offered);
            maf_pdu_t back;
            gsize length;
            g_assert_cmpint(
                maf_pdu_decode(MAF_REVISION_BY_VER, octets->data, octets->len, &back, &length, NULL), ==,
                FRAME_COMPLETE);
            g_assert_cmpuint(back.n_offered, ==, pdu.n_offered);
            g_assert_cmpuint(back.nmethods_len, ==, widths[w]);
            for (gsize i = 0; i < pdu.n_offered; i++)
                g_assert_true(maf_id_equal(&back.offered[i], &pdu.offered[i]));
        }
    }
}

static void
test_longest_data(void)
{
    g_autofree guint8 *data = g_malloc(MAF_PDU_DATA_MAX + 1);
    memset(data, 0xA5, MAF_PDU_DATA_MAX + 1);
    maf_pdu_t pdu = {.instr = MAF_INSTR_DO,
                     .method = maf_id_compact(MAF_METHOD_INTERNAL_TEST),
                     .data = data,
                     .data_len = MAF_PDU_DATA_MAX};
    g_autoptr(GByteArray) octets = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    maf_pdu_t back;
    gsize length;

    g_assert_true(maf_pdu_encode(&pdu, octets, &error));
    g_assert_cmpint(maf_pdu_decode(MAF_REVISION_BY_VER, octets->data, octets->len, &back, &length, &error),
                    ==, FRAME_COMPLETE);
    g_assert_cmpuint(length, ==, MAF_HEADER_LEN + 8 + MAF_PDU_DATA_MAX);
    g_assert_cmpmem(back.data, back.data_len, data, MAF_PDU_DATA_MAX);

    pdu.data_len++;
    g_assert_false(maf_pdu_encode(&pdu, octets, &error));
    g_assert_error(error, MAF_ERROR, MAF_ERROR_VIOLATION);
}

/* Refusals, each as early as the octets allow */

static void
test_versions_and_instructions(void)
{
    for (int revision = MAF_REVISION_BY_VER; revision <= MAF_VER_01; revision++) {
        for (guint ver = 0; ver <= G_MAXUINT8; ver++) {
            for (guint instr = 0; instr <= G_MAXUINT8; instr++) {
                const guint8 octets[] = {(guint8)instr, (guint8)ver};
                const guint of = revision == MAF_REVISION_BY_VER ? ver : (guint)revision;
                const gboolean result = instr == MAF_INSTR_SUCCESS || instr == MAF_INSTR_FAILURE;
                const gboolean good_ver = of <= MAF_VER_01 && (ver == of || (ver == MAF_VER_00 && result));
                const gboolean good = good_ver && (result || instr <= MAF_INSTR_ACKNOWLEDGE + of);
                g_autoptr(GError) error = NULL;
                maf_pdu_t pdu;
                gsize length;

                g_assert_cmpint(decode_as(revision, octets, 2, &pdu, &length, &error), ==,
                                good ? FRAME_PARTIAL : FRAME_BAD);
                g_assert_true(good ? error == NULL : error != NULL);
            }
        }
    }
}

/* VER 00 in a result of revision 01, and what is read then is written with 01. */
static void
test_results_with_ver_00(void)
{
    g_autoptr(GByteArray) octets = octets_of("00 00 0000 04 00000000");
    maf_pdu_t pdu;
    gsize length;

    g_assert_cmpint(decode_as(MAF_VER_01, octets->data, octets->len, &pdu, &length, NULL), ==,
                    FRAME_COMPLETE);
    g_assert_cmpuint(length, ==, octets->len);
    g_assert_cmpuint(pdu.ver, ==, MAF_VER_01);
    g_assert_true(maf_id_is(&pdu.method, MAF_METHOD_SUCCESS));
}

static void
test_nmethods_limits(void)
{
    assert_bad("01 00 0000 00000000");
    assert_bad("01 00 0000 00000100");
    assert_bad("01 00 0000 00FFFFFF");
    assert_partial("01 00 0000", 1);
    assert_partial("01 00 0000 00", 3);
    assert_partial("01 00 0000 000000", 1);
    assert_partial("01 00 0000 000000FF", 1020);
    assert_partial("01 00 0000 01", 4);
    assert_partial("01 00 0000 FF", 1020);
    assert_partial("01 00 0000 FF FFFFFF", 1017);
}

static void
test_id_limits(void)
{
    static const char *const with_method[] = {"00 01 0000", "03 01 0000", "05 01 0000", "07 01 0000 000000",
                                              "FF 01 0000"};

    for (gsize i = 0; i < G_N_ELEMENTS(with_method); i++) {
        g_autofree char *none = g_strconcat(with_method[i], "00", NULL);
        g_autofree char *most = g_strconcat(with_method[i], "FF", NULL);
        assert_bad(none);
        assert_partial(most, 255);
    }
    assert_bad("01 01 0000 01 00");
    assert_bad("01 01 0000 01 04 00000001 FF 00");
    assert_partial("01 01 0000", 1);
    assert_partial("01 01 0000 FF FF", 255 * 255);
    assert_partial("01 01 0000 01 04 00000001", 1);
    assert_partial("05 01 0000 04 00000001 00", 2);
    assert_partial("07 01 0000 0000", 1);
}

static void
test_len_limits(void)
{
    static const char *const instrs[] = {"00", "03", "05", "FF"};

    for (gsize i = 0; i < G_N_ELEMENTS(instrs); i++) {
        g_autofree char *most = g_strdup_printf("%s 00 0000 00000001 00100000", instrs[i]);
        g_autofree char *more = g_strdup_printf("%s 00 0000 00000001 00100001", instrs[i]);
        g_autofree char *all = g_strdup_printf("%s 00 0000 00000001 FFFFFFFF", instrs[i]);
        assert_partial(most, MAF_PDU_DATA_MAX);
        assert_bad(more);
        assert_bad(all);
    }
    assert_partial("05 01 0000 04 00000001 000000 00100000", MAF_PDU_DATA_MAX);
    assert_bad("05 01 0000 04 00000001 000000 00100001");
    assert_bad("05 01 0000 04 00000001 000000 FFFFFFFF");
    assert_bad("07 01 0000 000000 04 00000001 FFFFFFFF");
}

static void
test_encode_refusals_leave_nothing(void)
{
    const maf_pdu_t wrong[] = {
        {.instr = MAF_INSTR_SUPPORTED, .nmethods_len = 4},
        {.instr = MAF_INSTR_SUPPORTED, .nmethods_len = 4, .n_offered = 1, .offered = {{.len = 16}}},
        {.instr = MAF_INSTR_SUPPORTED, .nmethods_len = 4, .n_offered = MAF_NMETHODS_MAX + 1},
        {.instr = MAF_INSTR_DO, .method = {.len = 16}},
        {.instr = MAF_INSTR_DO},
        {.instr = MAF_INSTR_OEM},
        {.instr = 0x08, .ver = MAF_VER_01},
        {.instr = MAF_INSTR_DO, .ver = 2, .method = {.len = 4}},
        {.instr = MAF_INSTR_DO, .ver = MAF_VER_01},
        {.instr = MAF_INSTR_DO, .ver = MAF_VER_01, .method = {.len = 4}, .data = text, .data_len = 1},
        {.instr = MAF_INSTR_OEM, .ver = MAF_VER_01},
        {.instr = MAF_INSTR_PROCESS,
         .ver = MAF_VER_01,
         .method = {.len = 4},
         .data_len = MAF_PDU_DATA_MAX + 1},
        {.instr = MAF_INSTR_SUPPORTED, .ver = MAF_VER_01, .n_offered = 1},
        {.instr = MAF_INSTR_SUPPORTED, .ver = MAF_VER_01, .n_offered = MAF_PDU_OFFERED_MAX + 1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GByteArray) out = octets_of("AA");
        g_autoptr(GError) error = NULL;
        g_assert_false(maf_pdu_encode(&wrong[i], out, &error));
        g_assert_error(error, MAF_ERROR, MAF_ERROR_VIOLATION);
        g_assert_cmpmem(out->data, out->len, "\xAA", 1);
    }
}

/* Whatever the octets, decoding stays inside them, moves forward, and gives back what it took */

static void
test_random_octets(void)
{
    for (guint round = 0; round < 200000; round++) {
        guint8 octets[48] = {0};
        const gsize len = (gsize)g_test_rand_int_range(0, sizeof octets + 1);
        for (gsize i = 0; i < len; i++)
            octets[i] = g_test_rand_bit() ? (guint8)g_test_rand_int_range(0, 8) : (guint8)g_test_rand_int();
        const int revision = (int)(round % 3) + MAF_REVISION_BY_VER;
        if (len > 1 && round % 4)
            octets[1] = round % 2;
        if (len > 10 && round % 5)
            memset(octets + 8, 0, 3);

        guint8 *copy = g_malloc(MAX(len, 1));
        memcpy(copy, octets, len);
        g_autoptr(GError) error = NULL;
        maf_pdu_t pdu, back;
        gsize length = 0;
        switch (maf_pdu_decode(revision, copy, len, &pdu, &length, &error)) {
        case FRAME_COMPLETE: {
            g_autoptr(GByteArray) again = g_byte_array_new();
            g_autofree char *words = maf_pdu_describe(&pdu);
            g_assert_nonnull(words);
            g_assert_cmpuint(length, >=, MAF_HEADER_LEN);
            g_assert_cmpuint(length, <=, len);
            g_assert_true(maf_pdu_encode(&pdu, again, NULL));
            if (pdu.ver == MAF_VER_00) {
                g_assert_cmpmem(again->data, again->len, octets, length);
            } else { /* VER of results, PAD and the groups may differ, what they say may not */
                g_assert_cmpint(maf_pdu_decode(MAF_VER_01, again->data, again->len, &back, &length, NULL), ==,
                                FRAME_COMPLETE);
                g_assert_cmpuint(length, ==, again->len);
                g_assert_cmpuint(back.n_offered, ==, pdu.n_offered);
                for (gsize i = 0; i < pdu.n_offered; i++)
                    g_assert_true(maf_id_equal(&back.offered[i], &pdu.offered[i]));
                g_assert_true(maf_id_equal(&back.method, &pdu.method));
                g_assert_cmphex(back.reserved, ==, pdu.reserved);
                g_assert_cmpmem(back.data, back.data_len, pdu.data, pdu.data_len);
            }
            break;
        }
        case FRAME_PARTIAL:
            g_assert_cmpuint(length, >=, 1);
            g_assert_no_error(error);
            break;
        case FRAME_BAD:
            g_assert_nonnull(error);
            break;
        }
        g_free(copy);
    }
}

static void
test_ids_and_words(void)
{
    const maf_id_t id = maf_id_compact(0x00010002);
    const maf_id_t uuid = {.len = 16, .octets = {0x00, 0x01, 0x00, 0x02}};
    g_autofree char *id_text = maf_id_to_string(&id);
    g_assert_cmpstr(id_text, ==, "X'00010002'");
    g_assert_true(maf_id_is(&id, 0x00010002));
    g_assert_false(maf_id_is(&id, 0x00010003));
    g_assert_false(maf_id_equal(&id, &uuid));
    g_assert_false(maf_id_is(&uuid, 0x00010002));

    static const char *const no_uuids[] = {"", "4a78553a", "4a78553afb3c49179c6c6e302b6c482d",
                                           "4a78553a-fb3c-4917-9c6c-6e302b6c482g"};
    maf_id_t parsed;
    for (gsize i = 0; i < G_N_ELEMENTS(no_uuids); i++)
        g_assert_false(maf_id_parse_uuid(no_uuids[i], &parsed));
    g_assert_true(maf_id_parse_uuid("4a78553a-fb3c-4917-9C6C-6e302b6c482d", &parsed));
    g_assert_cmpmem(maf_id_octets(&parsed), parsed.len,
                    "\x4a\x78\x55\x3a\xfb\x3c\x49\x17\x9c\x6c\x6e\x30\x2b\x6c\x48\x2d", 16);
    g_autofree char *uuid_text = maf_id_to_string(&parsed);
    g_assert_cmpstr(uuid_text, ==, "4a78553a-fb3c-4917-9c6c-6e302b6c482d");

    const maf_pdu_t frame = {.instr = MAF_INSTR_DO, .method = id, .data_len = 3, .data = text};
    g_autofree char *words = maf_pdu_describe(&frame);
    g_assert_cmpstr(words, ==, "Do: X'00010002' (3 octets)");
    const maf_pdu_t frame_01 = {.instr = MAF_INSTR_DO, .ver = MAF_VER_01, .method = id};
    g_autofree char *words_01 = maf_pdu_describe(&frame_01);
    g_assert_cmpstr(words_01, ==, "Do: X'00010002'");
    g_assert_cmpstr(maf_instr_name(0xFF), ==, "Failure");
    g_assert_null(maf_instr_name(0x08));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/maf-pdu/known-octets", test_known_octets);
    g_test_add_func("/maf-pdu/known-octets-01", test_known_octets_01);
    g_test_add_func("/maf-pdu/round-trips", test_round_trips);
    g_test_add_func("/maf-pdu/round-trips-01", test_round_trips_01);
    g_test_add_func("/maf-pdu/groups", test_groups);
    g_test_add_func("/maf-pdu/lists-of-every-size", test_lists_of_every_size);
    g_test_add_func("/maf-pdu/longest-data", test_longest_data);
    g_test_add_func("/maf-pdu/versions-and-instructions", test_versions_and_instructions);
    g_test_add_func("/maf-pdu/results-with-ver-00", test_results_with_ver_00);
    g_test_add_func("/maf-pdu/nmethods-limits", test_nmethods_limits);
    g_test_add_func("/maf-pdu/id-limits", test_id_limits);
    g_test_add_func("/maf-pdu/len-limits", test_len_limits);
    g_test_add_func("/maf-pdu/encode-refusals-leave-nothing", test_encode_refusals_leave_nothing);
    g_test_add_func("/maf-pdu/random-octets", test_random_octets);
    g_test_add_func("/maf-pdu/ids-and-words", test_ids_and_words);
    return g_test_run();
}
