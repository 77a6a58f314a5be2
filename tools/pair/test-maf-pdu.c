/* test-maf-pdu.c
 * The codec: known messages, byte for byte, and each limit
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "method.h"

#include <string.h>

/* The bytes of hexadecimal digits, in which spaces do not count. */
static GByteArray *
bytes_of(const char *hex)
{
    GByteArray *bytes = g_byte_array_new();

    for (; *hex; hex += 2) {
        hex += strspn(hex, " ");
        put_number(bytes, (guint32)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1])), 1);
    }
    return bytes;
}

static const char *const known[] = {
    /* Revision 00: list of both widths, request more, do, what next, process, acknowledge, success, failure
     */
    "01000000 00000002 00000001 00010000",
    "01000000 02 00000001 00010000",
    "02000001",
    "03000000 00000001 00000005 68656C6C6F",
    "04000000",
    "05000000 00000101 00000000",
    "06000000",
    "00000000 00000000 00000007 67726164653D31",
    "FF000000 FFFFFFFF 00000000",
    /* Revision 01: lists without a group, with one of each length; do and process by both; OEM; PAD of each
       length */
    "01010000 00",
    "01010000 02040000000100010000 01104A78553AFB3C49179C6C6E302B6C482D 00",
    "03010000 0400000001",
    "03010000 104A78553AFB3C49179C6C6E302B6C482D",
    "05010000 0400000001 000000 00000005 68656C6C6F",
    "05010000 03010203 00000000",
    "05010000 020102 00 00000000",
    "05010000 0101 0000 00000000",
    "07010000 000001 0400000000 00000004 70696E67",
    "00010000 0400000000",
    "FF010000 04FFFFFFFF",
};

static void
test_known(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        reader_t in = {.bytes = bytes_of(known[i])};
        g_autoptr(GByteArray) out = g_byte_array_new();
        maf_pdu_t pdu;

        g_test_message("%s", known[i]);
        g_assert_true(maf_pdu_read(&in, MAF_REVISION_BY_VER, &pdu));
        g_assert_cmpuint(in.at, ==, in.bytes->len);
        maf_pdu_write(&pdu, out);
        g_assert_cmpmem(out->data, out->len, in.bytes->data, in.bytes->len);
        for (guint len = 0; len < out->len; len++) {
            g_byte_array_set_size(in.bytes, len);
            in.at = 0;
            g_clear_error(&in.error);
            g_assert_false(maf_pdu_read(&in, MAF_REVISION_BY_VER, &pdu));
            g_assert_cmpint(in.error->code, ==, STATUS_VIOLATION);
            g_assert_cmpstr(in.error->message, ==, "ends inside a message");
        }
        reader_clear(&in);
    }
}

static void
check_refused(int revision, const char *hex, const char *words)
{
    reader_t in = {.bytes = bytes_of(hex)};
    maf_pdu_t pdu;

    g_test_message("%s: %s", hex, words);
    g_assert_false(maf_pdu_read(&in, revision, &pdu));
    g_assert_cmpint(in.error->code, ==, STATUS_VIOLATION);
    g_assert_nonnull(strstr(in.error->message, words));
    reader_clear(&in);
}

/* Each is refused as soon as the bytes that make it wrong are there. */
static void
test_refusals(void)
{
    check_refused(MAF_REVISION_BY_VER, "0102", "VER is 02, neither 00 nor 01");
    check_refused(MAF_VER_00, "0101", "VER is 01, not 00");
    check_refused(MAF_VER_01, "0100", "VER is 00, not 01");
    check_refused(MAF_VER_00, "0700", "INSTR is 07, which revision 00 does not have");
    check_refused(MAF_VER_01, "0801", "INSTR is 08, which revision 01 does not have");
    check_refused(MAF_VER_00, "01000000 00000000", "NMETHODS is 0");
    check_refused(MAF_VER_00, "01000000 00000100", "NMETHODS is 256");
    check_refused(MAF_VER_00, "05000000 00000001 00100001",
                  "LEN is 1048577, beyond the limit of 1048576 bytes");
    check_refused(MAF_VER_00, "05000000 00000001 FFFFFFFF", "LEN is 4294967295");
    check_refused(MAF_VER_01, "01010000 0100", "IDLEN is 0");
    check_refused(MAF_VER_01, "03010000 00", "the length of an id is 0");
}

static void
test_results_with_ver_00(void)
{
    static const char *const results[] = {"00000000 0400000000", "FF000000 04FFFFFFFF"};

    for (gsize i = 0; i < G_N_ELEMENTS(results); i++) {
        reader_t in = {.bytes = bytes_of(results[i])};
        maf_pdu_t pdu;
        g_assert_true(maf_pdu_read(&in, MAF_VER_01, &pdu));
        g_assert_cmpuint(pdu.ver, ==, MAF_VER_01);
        reader_clear(&in);
    }
}

/* A list of so many ids of revision 01, in groups of 255 at most. */
static void
test_long_lists(void)
{
    for (gsize count = 0; count <= MAF_PDU_OFFERED_MAX + 1;
         count += count % 255 == 254 || count > 1000 ? 1 : 127) {
        g_autofree method_id_t *ids = g_new(method_id_t, count + 1);
        reader_t in = {.bytes = g_byte_array_new()};
        maf_pdu_t again,
            pdu = {
                .instr = MAF_INSTR_SUPPORTED, .ver = MAF_VER_01, .n_offered = (guint32)count, .offered = ids};

        for (gsize i = 0; i < count; i++)
            ids[i] = method_id_compact((guint32)i);
        maf_pdu_write(&pdu, in.bytes);
        g_assert_cmpuint(in.bytes->len, ==, 4 + 2 * ((count + 254) / 255) + 4 * count + 1);
        g_assert_true(maf_pdu_read(&in, MAF_VER_01, &again) == (count <= MAF_PDU_OFFERED_MAX));
        if (!in.error)
            g_assert_cmpmem(again.offered, again.n_offered * sizeof *ids, ids, count * sizeof *ids);
        reader_clear(&in);
    }
}

static void
check_words(const char *hex, const char *words)
{
    reader_t in = {.bytes = bytes_of(hex)};
    maf_pdu_t pdu;

    g_assert_true(maf_pdu_read(&in, MAF_REVISION_BY_VER, &pdu));
    g_autofree char *text = maf_pdu_describe(&pdu);
    g_assert_cmpstr(text, ==, words);
    reader_clear(&in);
}

static void
test_words(void)
{
    check_words(known[0], "Sub-methods supported: Internal Test Method, X'00010000'");
    check_words("01000000 05 0000000100000101000001020000010300000002",
                "Sub-methods supported: Internal Test Method, SASL PLAIN, SASL CRAM-MD5 and 2 more");
    check_words(known[3], "Do: Internal Test Method, 5 bytes");
    check_words(known[12], "Do: Internal Test Method");
    check_words("03010000 100102030405060708090A0B0C0D0E0F10", "Do: 01020304-0506-0708-090a-0b0c0d0e0f10");
    check_words("04000000", "What next?");
}

static void
test_uuids(void)
{
    static const char *const words[] = {"internal-test", "plain", "CRAM-MD5", "scram-sha-256"};

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        const method_t *method = method_find_word(words[i]);
        g_assert_nonnull(method);
        const method_id_t id = method_id_compact(method->id);
        method_id_t uuid;
        g_assert_true(method_find(&id) == method);
        g_assert_true(method_id_uuid(&id, &uuid) && method_find(&uuid) == method);
    }
}

static void
test_hosts_of_requests(void)
{
    static const char *const hosts[][2] = {{"192.0.2.1", "01C0000201"},
                                           {"2001:db8::1", "0420010DB8000000000000000000000001"},
                                           {"example.org", "030B6578616D706C652E6F7267"}};

    for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
        const socks_message_t message = socks_message_of(SOCKS_CMD_CONNECT, hosts[i][0], 80);
        g_autofree char *hex = g_strconcat("050100", hosts[i][1], "0050", NULL);
        g_autoptr(GByteArray) expected = bytes_of(hex), out = g_byte_array_new();
        g_autofree char *host = socks_message_host(&message);
        socks_write_message(&message, out);
        g_assert_cmpmem(out->data, out->len, expected->data, expected->len);
        g_assert_cmpstr(host, ==, hosts[i][0]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/maf-pdu/known", test_known);
    g_test_add_func("/maf-pdu/refusals", test_refusals);
    g_test_add_func("/maf-pdu/results-with-ver-00", test_results_with_ver_00);
    g_test_add_func("/maf-pdu/long-lists", test_long_lists);
    g_test_add_func("/maf-pdu/words", test_words);
    g_test_add_func("/method/uuids", test_uuids);
    g_test_add_func("/socks-pdu/hosts-of-requests", test_hosts_of_requests);
    return g_test_run();
}
