/* test-pair-units.c
 * The SOCKS codec, the words of the command line, and the sub-methods
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-method.h"
#include "maf-oem.h"
#include "socks-pdu.h"
#include "tool.h"

#include <string.h>

/* SOCKS messages */

typedef frame_status_t (*decode_message_t)(const guint8 *, gsize, socks_message_t *, gsize *, GError **);

static void
message_round_trip(const socks_message_t *message, decode_message_t decode)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    socks_message_t back;
    gsize length = 0;

    socks_message_encode(message, octets);
    for (gsize len = 0; len < octets->len; len++) {
        guint8 *copy = g_malloc(MAX(len, 1));
        memcpy(copy, octets->data, len);
        g_assert_cmpint(decode(copy, len, &back, &length, &error), ==, FRAME_PARTIAL);
        g_assert_cmpuint(length, >=, 1);
        g_assert_cmpuint(len + length, <=, octets->len);
        g_free(copy);
    }
    g_assert_cmpint(decode(octets->data, octets->len, &back, &length, &error), ==, FRAME_COMPLETE);
    g_assert_no_error(error);
    g_assert_cmpuint(length, ==, octets->len);
    g_assert_cmpuint(back.code, ==, message->code);
    g_assert_cmpuint(back.address.atyp, ==, message->address.atyp);
    g_assert_cmpuint(back.address.port, ==, message->address.port);
    g_assert_cmpmem(back.address.octets, back.address.len, message->address.octets, message->address.len);
}

static void
test_socks_messages(void)
{
    static const socks_message_t messages[] = {
        {1, {SOCKS_ATYP_IPV4, 4, {192, 0, 2, 1}, 80}},
        {1, {SOCKS_ATYP_IPV6, 16, {0x20, 0x01, 0x0d, 0xb8}, 65535}},
        {2, {SOCKS_ATYP_DOMAIN, 11, "example.org", 443}},
        {3, {SOCKS_ATYP_DOMAIN, 1, "a", 1}},
        {8, {SOCKS_ATYP_DOMAIN, 255, "long", 1}},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        message_round_trip(&messages[i], socks_request_decode);
        message_round_trip(&messages[i], socks_reply_decode);
    }
}

static void
test_socks_refusals(void)
{
    socks_greeting_t greeting;
    socks_message_t message;
    guint8 method;
    gsize length;

    g_assert_cmpint(socks_greeting_decode((const guint8 *)"\x04", 1, &greeting, &length, NULL), ==,
                    FRAME_BAD);
    g_assert_cmpint(socks_greeting_decode((const guint8 *)"\x05\x00", 2, &greeting, &length, NULL), ==,
                    FRAME_BAD);
    g_assert_cmpint(socks_selection_decode((const guint8 *)"\x04\x08", 2, &method, &length, NULL), ==,
                    FRAME_BAD);
    g_assert_cmpint(socks_request_decode((const guint8 *)"\x04", 1, &message, &length, NULL), ==, FRAME_BAD);
    g_assert_cmpint(socks_request_decode((const guint8 *)"\x05\x01\x00\x03\x00", 5, &message, &length, NULL),
                    ==, FRAME_BAD);
    g_assert_cmpint(socks_reply_decode((const guint8 *)"\x05\x00\x00\x02", 4, &message, &length, NULL), ==,
                    FRAME_BAD);

    g_assert_cmpint(socks_request_decode((const guint8 *)"\x05\x01\x00\x02", 4, &message, &length, NULL), ==,
                    FRAME_COMPLETE);
    g_assert_cmpuint(message.address.len, ==, 0);
    g_assert_cmpuint(message.address.atyp, ==, 2);
}

static void
test_socks_greeting(void)
{
    const socks_greeting_t greeting = {.methods = (const guint8 *)"\x00\x08\x80", .n_methods = 3};
    g_autoptr(GByteArray) octets = g_byte_array_new();
    socks_greeting_t back;
    gsize length;
    guint8 method = 0;

    socks_greeting_encode(&greeting, octets);
    g_assert_cmpmem(octets->data, octets->len, "\x05\x03\x00\x08\x80", 5);
    for (gsize len = 0; len < 5; len++)
        g_assert_cmpint(socks_greeting_decode(octets->data, len, &back, &length, NULL), ==, FRAME_PARTIAL);
    g_assert_cmpint(socks_greeting_decode(octets->data, 5, &back, &length, NULL), ==, FRAME_COMPLETE);
    g_assert_cmpmem(back.methods, back.n_methods, "\x00\x08\x80", 3);

    g_byte_array_set_size(octets, 0);
    socks_selection_encode(0x80, octets);
    g_assert_cmpint(socks_selection_decode(octets->data, 1, &method, &length, NULL), ==, FRAME_PARTIAL);
    g_assert_cmpint(socks_selection_decode(octets->data, 2, &method, &length, NULL), ==, FRAME_COMPLETE);
    g_assert_cmphex(method, ==, 0x80);
}

/* The command line's words */

static void
test_numbers(void)
{
    static const char *const wrong[] = {"",   "0",  "256", "-1",    "+8", " 8",
                                        "8 ", "0x", "0x0", "0x100", "8x", "eight"};
    guint number = 0;

    g_assert_true(tool_parse_number("8", 1, 255, &number, NULL));
    g_assert_cmpuint(number, ==, 8);
    g_assert_true(tool_parse_number("0xfE", 1, 255, &number, NULL));
    g_assert_cmpuint(number, ==, 254);
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(tool_parse_number(wrong[i], 1, 255, &number, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    }
}

static void
test_hosts_and_ports(void)
{
    static const char *const good[][2] = {
        {"example.org:80", "example.org"},
        {"127.0.0.1:80", "127.0.0.1"},
        {"[::1]:80", "::1"},
        {"[example.org]:80", "example.org"},
        {"b\xc3\xbc\x63her.example:80", "xn--bcher-kva.example"},
    };
    static const char *const wrong[] = {"",       "example.org", ":80",   "example.org:",    "example.org:0",
                                        "::1:80", "a:65536",     "[]:80", "example.org:http"};
    guint16 port;

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *host = NULL;
        g_assert_true(tool_parse_host_port(good[i][0], &host, &port, NULL));
        g_assert_cmpstr(host, ==, good[i][1]);
        g_assert_cmpuint(port, ==, 80);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        char *host = NULL;
        g_autoptr(GError) error = NULL;
        g_assert_false(tool_parse_host_port(wrong[i], &host, &port, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
        g_assert_null(host);
    }
    g_autofree char *name = g_strnfill(256, 'a');
    g_autofree char *long_name = g_strconcat(name, ":80", NULL);
    char *host = NULL;
    g_assert_false(tool_parse_host_port(long_name, &host, &port, NULL));
}

static void
test_offers(void)
{
    static const char *const wrong[] = {"",  "x",    "1,",       "1-",        "2-1",         "0",  "2",
                                        "-", "1--3", "FFFFFFFF", "100000000", "10000-20000", "0x1"};
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(maf_id_t));

    g_assert_true(tool_parse_ids("00000001,00010000-000100FD", ids, NULL));
    g_assert_cmpuint(ids->len, ==, 255);
    g_assert_true(maf_id_is(&g_array_index(ids, maf_id_t, 0), 1));
    g_assert_true(maf_id_is(&g_array_index(ids, maf_id_t, 254), 0x000100FD));
    g_array_set_size(ids, 0);
    g_assert_true(tool_parse_ids("FFFFFFFE", ids, NULL));
    g_assert_cmpuint(ids->len, ==, 1);
    g_array_set_size(ids, 0);
    g_assert_true(tool_parse_ids("4a78553a-fb3c-4917-9c6c-6e302b6c482d,3", ids, NULL));
    g_assert_cmpuint(ids->len, ==, 2);
    g_assert_cmpuint(g_array_index(ids, maf_id_t, 0).len, ==, MAF_LONG_ID_LEN);
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_array_set_size(ids, 0);
        g_test_message("offer '%s'", wrong[i]);
        g_assert_false(tool_parse_ids(wrong[i], ids, &error));
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    }
}

/* Messages */

static char *said;

static void
keep(const char *text)
{
    g_free(said);
    said = g_strdup(text);
}

static void
test_messages(void)
{
    static const char *const messages[][2] = {
        {"b\xc3\xbc\x63her, two  spaces", "b\xc3\xbc\x63her, two  spaces"},
        {"\a\x1b[31m\n\x7f", "??[31m??"},
        {"\xc2\x9b\x33\x31m\xc2\x85", "?31m?"},
        {"\xe2\x80\xae\x66\x64p\xe2\x81\xa6\xe2\x80\xa8\xe2\x80\xa9", "?fdp???"},
        {"not UTF-8: \xff\xc3", "not UTF-8: \xef\xbf\xbd\xef\xbf\xbd"},
    };
    const GPrintFunc shown = g_set_printerr_handler(keep);

    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        g_autofree char *line = g_strdup_printf("%s: peer: %s\n", g_get_prgname(), messages[i][1]);
        tool_say("peer", "%s", messages[i][0]);
        g_assert_cmpstr(said, ==, line);
    }
    g_set_printerr_handler(shown);
    g_clear_pointer(&said, g_free);
}

/* Sub-methods */

static void
test_internal_test_method(void)
{
    static const char *const data[] = {"", "hello"};
    const maf_id_t id = maf_id_compact(MAF_METHOD_INTERNAL_TEST), other = maf_id_compact(0x00010000);
    const maf_method_t *method = maf_method_find(&id);

    g_assert_nonnull(method);
    g_assert_null(maf_method_find(&other));
    for (gsize i = 0; i < G_N_ELEMENTS(data); i++) {
        g_autoptr(GBytes) test_data = g_bytes_new(data[i], strlen(data[i]));
        const maf_settings_t settings = {.test_data = test_data};
        gpointer server = method->start(MAF_SERVER, &settings), client = method->start(MAF_CLIENT, &settings);
        GBytes *sent = NULL, *returned = NULL, *nothing = NULL;
        gsize len;

        g_assert_cmpint(method->step(server, NULL, 0, &sent, NULL), ==, MAF_VERDICT_OPEN);
        const guint8 *octets = g_bytes_get_data(sent, &len);
        g_assert_cmpmem(octets, len, data[i], strlen(data[i]));
        g_assert_cmpint(method->step(client, (const guint8 *)data[i], len, &returned, NULL), ==,
                        MAF_VERDICT_SUCCEEDED);
        g_assert_true(g_bytes_equal(sent, returned));
        g_assert_cmpint(method->step(server, (const guint8 *)data[i], len, &nothing, NULL), ==,
                        MAF_VERDICT_SUCCEEDED);
        g_assert_cmpint(method->step(server, (const guint8 *)"hellp", 5, &nothing, NULL), ==,
                        MAF_VERDICT_FAILED);
        g_assert_cmpint(method->step(server, (const guint8 *)"hello!", 6, &nothing, NULL), ==,
                        MAF_VERDICT_FAILED);
        g_assert_null(nothing);
        g_bytes_unref(sent);
        g_bytes_unref(returned);
        method->stop(server);
        method->stop(client);
    }
}

static void
test_uuids_of_methods(void)
{
    static const guint32 numbers[] = {MAF_METHOD_INTERNAL_TEST, MAF_METHOD_SASL_PLAIN,
                                      MAF_METHOD_SASL_CRAM_MD5, MAF_METHOD_SASL_SCRAM_SHA_256};
    const maf_id_t other = maf_id_compact(0x00010000);
    maf_id_t uuid, none;

    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        const maf_id_t number = maf_id_compact(numbers[i]);
        g_assert_true(maf_method_uuid(&number, &uuid));
        g_assert_cmpuint(uuid.len, ==, MAF_LONG_ID_LEN);
        g_assert_nonnull(maf_method_find(&number));
        g_assert_true(maf_method_find(&uuid) == maf_method_find(&number));
        g_assert_false(maf_method_uuid(&uuid, &none));
    }
    g_assert_false(maf_method_uuid(&other, &none));
}

/* OEM frames */

static void
test_oem(void)
{
    const maf_id_t uuid = {.len = MAF_LONG_ID_LEN};
    maf_pdu_t question, answer;

    g_assert_cmpint(maf_oem_find_place(MAF_CLIENT, "list"), ==, MAF_OEM_LIST);
    g_assert_cmpint(maf_oem_find_place(MAF_SERVER, "what-next"), ==, MAF_OEM_WHAT_NEXT);
    g_assert_cmpint(maf_oem_find_place(MAF_CLIENT, "end"), ==, MAF_OEM_END);
    g_assert_cmpint(maf_oem_find_place(MAF_SERVER, "end"), ==, MAF_OEM_NOWHERE);
    g_assert_cmpint(maf_oem_find_place(MAF_CLIENT, ""), ==, MAF_OEM_NOWHERE);

    for (guint32 number = 0; number <= MAF_OEM_PROPRIETARY_FIRST; number++) {
        const maf_id_t id = maf_id_compact(number);
        const gboolean echoed = number <= MAF_OEM_TEST_LAST;
        maf_oem_ask(&id, &question);
        maf_oem_answer(&question, &answer);
        g_assert_cmpuint(answer.instr, ==, MAF_INSTR_OEM);
        g_assert_true(maf_id_is(&answer.method, echoed ? number : MAF_OEM_NOT_RECOGNISED));
        g_assert_cmpmem(answer.data, answer.data_len, question.data, echoed ? question.data_len : 0);
    }
    maf_oem_ask(&uuid, &question);
    maf_oem_answer(&question, &answer);
    g_assert_true(maf_id_is(&answer.method, MAF_OEM_NOT_RECOGNISED));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/socks-pdu/messages", test_socks_messages);
    g_test_add_func("/socks-pdu/refusals", test_socks_refusals);
    g_test_add_func("/socks-pdu/greeting-and-selection", test_socks_greeting);
    g_test_add_func("/tool/numbers", test_numbers);
    g_test_add_func("/tool/hosts-and-ports", test_hosts_and_ports);
    g_test_add_func("/tool/offers", test_offers);
    g_test_add_func("/tool/messages", test_messages);
    g_test_add_func("/maf-method/internal-test-method", test_internal_test_method);
    g_test_add_func("/maf-method/uuids", test_uuids_of_methods);
    g_test_add_func("/maf-oem/places-and-answers", test_oem);
    return g_test_run();
}
