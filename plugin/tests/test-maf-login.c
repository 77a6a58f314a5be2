/* test-maf-login.c
 * The record of a login: does it have what was said, and nothing else?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include <epan/wmem_scopes.h>

#include "maf-login.h"
#include "maf-protocol.h"

/* A login being fed, with its session. */
typedef struct {
    wmem_allocator_t *scope;
    maf_session_t *session;
    maf_login_t *login;
    uint32_t packet; /* number of the last one */
} case_t;

static case_t
begin_login(void)
{
    const address none = ADDRESS_INIT_NONE;
    case_t c = {.scope = wmem_allocator_new(WMEM_ALLOCATOR_STRICT)};

    c.session = maf_session_new(c.scope, MAF_REVISION_BY_LIST, false);
    c.login = maf_login_new(c.scope, 3, &none, 49152, &none, 1080);
    return c;
}

static void
end(case_t *c)
{
    wmem_destroy_allocator(c->scope);
}

/* A message of revision 00, a second after the one before it. */
static maf_verdict_t *
feed(case_t *c, maf_side_t from, maf_message_t message, const char *data)
{
    const nstime_t when = {.secs = 100 + (int)++c->packet};
    maf_verdict_t *verdict;

    message.length = message.understood = 4;
    message.len = data ? (uint32_t)strlen(data) : 0;
    verdict = maf_session_message(c->session, &message, from, c->packet, &when, MAF_ORDER_IN_SEQUENCE);
    maf_login_message(c->login, &message, verdict, &when, (const uint8_t *)data);
    return verdict;
}

static maf_verdict_t *
feed_list(case_t *c, const uint32_t *methods, uint32_t count)
{
    uint8_t *list = (uint8_t *)wmem_alloc(c->scope, count * MAF_METHOD_LEN);
    maf_message_t message = {.instr = MAF_INSTR_SUPPORTED,
                             .layout = MAF_LAYOUT_LIST,
                             .nmethods_width = 4,
                             .nmethods = count,
                             .list_offset = 8,
                             .list = list};

    for (uint32_t i = 0; i < count; i++) {
        const uint8_t octets[] = {(uint8_t)(methods[i] >> 24), (uint8_t)(methods[i] >> 16),
                                  (uint8_t)(methods[i] >> 8), (uint8_t)methods[i]};

        memcpy(list + i * MAF_METHOD_LEN, octets, sizeof octets);
    }
    return feed(c, MAF_CLIENT, message, NULL);
}

static maf_verdict_t *
feed_method(case_t *c, maf_side_t from, uint8_t instr, uint32_t method, const char *data)
{
    return feed(c, from,
                (maf_message_t){.instr = instr,
                                .layout = MAF_LAYOUT_METHOD_DATA,
                                .id = {.length = MAF_COMPACT_ID_LEN, .compact = method},
                                .id_offset = 4},
                data);
}

static maf_verdict_t *
feed_bare(case_t *c, maf_side_t from, uint8_t instr, uint16_t flags)
{
    return feed(c, from, (maf_message_t){.instr = instr, .layout = MAF_LAYOUT_HEADER, .flags = flags}, NULL);
}

static const uint32_t OFFER[] = {0x103, 0x101, MAF_METHOD_MORE_AVAILABLE};

static void
test_login(void)
{
    case_t c = begin_login();
    const maf_verdict_t *list, *first_do, *success;

    list = feed_list(&c, OFFER, 3);
    first_do = feed_method(&c, MAF_SERVER, MAF_INSTR_DO, 0x103, NULL);
    maf_login_user(c.login, first_do->round, "alice");
    feed_bare(&c, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0);
    feed_method(&c, MAF_SERVER, MAF_INSTR_DO, 0x101, NULL);
    g_assert_cmpuint(c.login->outcome, ==, MAF_OUTCOME_UNFINISHED);
    feed_bare(&c, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0);
    success = feed_method(&c, MAF_SERVER, MAF_INSTR_SUCCESS, MAF_METHOD_SUCCESS, "grade=1");
    maf_login_closed(c.login, MAF_CLIENT, false);

    g_assert_cmpuint(c.login->tcp_stream, ==, 3);
    g_assert_cmpuint(c.login->first, ==, 1);
    g_assert_cmpuint(c.login->last, ==, 6);
    g_assert_cmpint((int)c.login->duration.secs, ==, 5);
    g_assert_cmpint(c.login->revision, ==, 0);
    g_assert_cmpuint(c.login->offers, ==, 2);
    g_assert_cmphex(c.login->offered[1].compact, ==, 0x101);
    g_assert_cmpuint(c.login->outcome, ==, MAF_OUTCOME_SUCCEEDED);
    g_assert_cmpstr(c.login->result, ==, "grade=1");
    g_assert_cmpstr(c.login->closed_by, ==, NULL);
    g_assert_cmpuint(c.login->first_round->outcome, ==, MAF_OUTCOME_PASSED);
    g_assert_true(c.login->first_round->next == c.login->last_round);
    g_assert_cmpuint(c.login->last_round->outcome, ==, MAF_OUTCOME_SUCCEEDED);
    g_assert_true(c.login->first_message == list);
    g_assert_true(c.login->last_message == success);
    g_assert_cmpuint(list->next->instr, ==, MAF_INSTR_DO);
    end(&c);
}

/* Each of two users is found at the messages of their rounds. */
static void
test_users(void)
{
    case_t c = begin_login();
    const maf_verdict_t *list, *one, *two, *three;

    list = feed_list(&c, OFFER, 2);
    one = feed_method(&c, MAF_SERVER, MAF_INSTR_DO, 0x103, NULL);
    g_assert_cmpstr(maf_login_user_of(c.login, one, false), ==, NULL);
    maf_login_user(c.login, one->round, "alice");
    feed_bare(&c, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0);
    two = feed_method(&c, MAF_SERVER, MAF_INSTR_DO, 0x101, NULL);
    g_assert_cmpstr(maf_login_user_of(c.login, two, false), ==, "alice");
    maf_login_user(c.login, two->round, "bob");
    feed_bare(&c, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0);
    three = feed_method(&c, MAF_SERVER, MAF_INSTR_DO, 1, NULL);

    g_assert_cmpstr(maf_login_user_of(c.login, list, true), ==, "alice");
    g_assert_cmpstr(maf_login_user_of(c.login, one, true), ==, "alice");
    g_assert_cmpstr(maf_login_user_of(c.login, two, true), ==, "bob");
    g_assert_cmpstr(maf_login_user_of(c.login, three, true), ==, "bob");
    g_assert_cmpstr(c.login->user, ==, "bob");
    end(&c);
}

static void
test_user_not_utf8(void)
{
    case_t c = begin_login();

    maf_login_user(c.login, NULL, "al\xffice");
    g_assert_cmpstr(c.login->user, ==,
                    "al\xef\xbf\xbd"
                    "ice");
    end(&c);
}

static void
test_failure(void)
{
    case_t c = begin_login();
    char reason[100];

    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    feed_list(&c, OFFER, 2);
    feed_method(&c, MAF_SERVER, MAF_INSTR_DO, 0x101, NULL);
    feed_bare(&c, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0);
    feed_method(&c, MAF_SERVER, MAF_INSTR_FAILURE, MAF_METHOD_FAILURE, reason);
    maf_login_closed(c.login, MAF_SERVER, false);
    maf_login_closed(c.login, MAF_CLIENT, true);

    g_assert_cmpuint(c.login->outcome, ==, MAF_OUTCOME_FAILED);
    g_assert_cmpuint(c.login->last_round->outcome, ==, MAF_OUTCOME_FAILED);
    g_assert_cmpuint(strlen(c.login->result), ==, MAF_LOGIN_RESULT_MAX + strlen("…"));
    g_assert_cmpstr(c.login->closed_by, ==, "server");
    end(&c);
}

static void
test_do_failure(void)
{
    case_t c = begin_login();

    feed_list(&c, OFFER, 2);
    feed_method(&c, MAF_SERVER, MAF_INSTR_DO, MAF_METHOD_FAILURE, "\x01\xff");
    maf_login_closed(c.login, MAF_CLIENT, true);
    g_assert_cmpuint(c.login->outcome, ==, MAF_OUTCOME_FAILED);
    g_assert_cmpstr(c.login->result, ==, "01ff");
    g_assert_null(c.login->first_round);
    g_assert_cmpstr(c.login->closed_by, ==, "client reset");
    end(&c);
}

static void
test_offers(void)
{
    case_t c = begin_login();
    uint32_t many[200];

    for (uint32_t i = 0; i < G_N_ELEMENTS(many); i++)
        many[i] = 0x10000 + i;
    feed_list(&c, OFFER, 3);
    feed_bare(&c, MAF_SERVER, MAF_INSTR_REQUEST_MORE, MAF_FLAGS_NONE);
    feed_list(&c, many, G_N_ELEMENTS(many));
    g_assert_cmpuint(c.login->offers, ==, 2 + G_N_ELEMENTS(many));
    g_assert_cmphex(c.login->offered[0].compact, ==, 0x103);
    g_assert_cmphex(c.login->offered[MAF_LOGIN_OFFERS_MAX - 1].compact, ==,
                    0x10000 + MAF_LOGIN_OFFERS_MAX - 3);
    feed_bare(&c, MAF_SERVER, MAF_INSTR_REQUEST_MORE, MAF_FLAGS_ABSOLUTE);
    feed_list(&c, OFFER, 1);
    g_assert_cmpuint(c.login->offers, ==, 1);
    end(&c);
}

/* A message that is cut by the end, by a FIN, and one that comes whole after all. */
static void
test_pending(void)
{
    const maf_message_t message = {.instr = MAF_INSTR_PROCESS,
                                   .layout = MAF_LAYOUT_METHOD_DATA,
                                   .understood = 12,
                                   .id_offset = 4,
                                   .length = 20};
    const nstime_t when = NSTIME_INIT_ZERO;
    case_t c = begin_login();
    maf_pending_t *pending = &c.login->pending[MAF_SERVER];

    feed_list(&c, OFFER, 2);
    g_assert_false(maf_login_is_cut(c.login, MAF_SERVER));
    maf_login_waits(c.login, MAF_SERVER, 5, &when, &message, 20, 13);
    maf_login_waits(c.login, MAF_SERVER, 6, &when, &message, 22, 11);
    g_assert_true(maf_login_is_cut(c.login, MAF_SERVER));
    g_assert_cmpuint(pending->packet, ==, 5);
    g_assert_cmpuint(pending->have, ==, 22);
    g_assert_cmpuint(pending->needed, ==, 11);
    g_assert_cmpstr(pending->part, ==, "DATA");
    maf_login_closed(c.login, MAF_CLIENT, false);
    g_assert_null(pending->ending);
    maf_login_closed(c.login, MAF_SERVER, false);
    g_assert_cmpstr(pending->ending, ==, "closed (FIN)");
    g_assert_cmpstr(c.login->closed_by, ==, "client");
    pending->diagnosis =
        maf_login_violation(c.login, 7, &when, MAF_SERVER, MAF_ERROR, "maf.expert.truncated", "cut");
    g_assert_false(maf_login_is_cut(c.login, MAF_SERVER));
    maf_login_waits_no_more(c.login, MAF_SERVER);
    g_assert_true(c.login->first_diagnosis->is_withdrawn);
    g_assert_cmpuint(pending->packet, ==, 0);
    end(&c);
}

static void
test_target(void)
{
    case_t c = begin_login();

    g_assert_cmpint(c.login->reply, ==, -1);
    maf_login_target(c.login, "2001:db8::1", 443);
    g_assert_cmpstr(c.login->target, ==, "[2001:db8::1]:443");
    maf_login_target(c.login, "example.org", 80);
    g_assert_cmpstr(c.login->target, ==, "example.org:80");
    maf_login_reply(c.login, 5);
    g_assert_cmpint(c.login->reply, ==, 5);
    end(&c);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    wmem_init_scopes();
    g_test_add_func("/login/login", test_login);
    g_test_add_func("/login/users", test_users);
    g_test_add_func("/login/user-not-utf8", test_user_not_utf8);
    g_test_add_func("/login/failure", test_failure);
    g_test_add_func("/login/do-failure", test_do_failure);
    g_test_add_func("/login/offers", test_offers);
    g_test_add_func("/login/pending", test_pending);
    g_test_add_func("/login/target", test_target);
    return g_test_run();
}
