/* test-maf-session.c
 * The session alone: every path of the table of states, every message out of its place, every fault
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <glib.h>
#include <wsutil/wmem/wmem.h>

#include "maf-session.h"

static const uint32_t TEST = MAF_METHOD_INTERNAL_TEST;
static const uint32_t OTHER = 0x00010001;

typedef struct {
    wmem_allocator_t *allocator;
    maf_session_t *session;
    uint32_t number;
    maf_order_t order; /* in which messages come */
} fixture_t;

static void
set_up(fixture_t *f, const void *late)
{
    f->allocator = wmem_allocator_new(WMEM_ALLOCATOR_SIMPLE);
    f->session = maf_session_new(f->allocator, MAF_REVISION_BY_LIST, late != NULL);
    f->number = 0;
    f->order = MAF_ORDER_IN_SEQUENCE;
}

static void
tear_down(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    wmem_destroy_allocator(f->allocator);
}

/* Messages are numbered from 1; message n is captured n × 1.5 seconds after the epoch. */
static const maf_verdict_t *
feed(fixture_t *f, maf_side_t from, const maf_message_t *message)
{
    const uint32_t number = ++f->number;
    const nstime_t when = {.secs = (time_t)(number + number / 2), .nsecs = number % 2 ? 500000000 : 0};

    return maf_session_message(f->session, message, from, number, &when, f->order);
}

static maf_message_t
message_of(uint8_t instr, uint32_t method)
{
    return (maf_message_t){.instr = instr, .id = {.length = MAF_COMPACT_ID_LEN, .compact = method}};
}

static const maf_verdict_t *
send_method(fixture_t *f, maf_side_t from, uint8_t instr, uint32_t method)
{
    const maf_message_t message = message_of(instr, method);

    return feed(f, from, &message);
}

static const maf_verdict_t *
send_more(fixture_t *f, uint16_t flags)
{
    maf_message_t message = message_of(MAF_INSTR_REQUEST_MORE, 0);

    message.flags = flags;
    return feed(f, MAF_SERVER, &message);
}

static const maf_verdict_t *
send_list_of_width(fixture_t *f, uint8_t width, unsigned count, const uint32_t *methods)
{
    maf_message_t message = message_of(MAF_INSTR_SUPPORTED, 0);
    g_autofree uint8_t *octets = g_malloc(count * MAF_METHOD_LEN);

    for (unsigned i = 0; i < count; i++) {
        const uint32_t method = GUINT32_TO_BE(methods[i]);

        memcpy(octets + i * MAF_METHOD_LEN, &method, sizeof method);
    }
    message.nmethods_width = width;
    message.nmethods = count;
    message.list = octets;
    return feed(f, MAF_CLIENT, &message);
}

#define METHODS(...)                                                                                         \
    G_N_ELEMENTS(((const uint32_t[]){__VA_ARGS__})), (const uint32_t[])                                      \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define send_list(f, ...)             send_list_of_width(f, MAF_NMETHODS_LEN, METHODS(__VA_ARGS__))
#define send_do(f, method)            send_method(f, MAF_SERVER, MAF_INSTR_DO, method)
#define send_process(f, from, method) send_method(f, from, MAF_INSTR_PROCESS, method)
#define send_what_next(f)             send_method(f, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0)
#define send_success(f)               send_method(f, MAF_SERVER, MAF_INSTR_SUCCESS, MAF_METHOD_SUCCESS)
#define send_failure(f)               send_method(f, MAF_SERVER, MAF_INSTR_FAILURE, MAF_METHOD_FAILURE)
#define send_ack(f, from)             send_method(f, from, MAF_INSTR_ACKNOWLEDGE, 0)

static void
check(const maf_verdict_t *verdict, maf_state_t state, uint32_t violations)
{
    g_assert_cmphex(verdict->violations, ==, violations);
    g_assert_cmpuint(verdict->state, ==, state);
}

/* Bring a new session to a state by messages that are all legal, so that only the next one can be at fault.
 */
static void
reach(fixture_t *f, maf_state_t state)
{
    if (state == MAF_STATE_AWAITING_LIST)
        return;
    check(send_list(f, TEST, OTHER, MAF_METHOD_MORE_AVAILABLE), MAF_STATE_AWAITING_DECISION, 0);
    check(send_do(f, TEST), MAF_STATE_EXECUTING, 0);
    if (state == MAF_STATE_EXECUTING)
        return;
    check(send_what_next(f), MAF_STATE_AWAITING_DECISION, 0);
    if (state == MAF_STATE_AWAITING_MORE)
        check(send_more(f, MAF_FLAGS_ABSOLUTE), MAF_STATE_AWAITING_MORE, 0);
    if (state == MAF_STATE_SUCCEEDED)
        check(send_success(f), MAF_STATE_SUCCEEDED, 0);
    if (state == MAF_STATE_FAILED)
        check(send_failure(f), MAF_STATE_FAILED, 0);
}

static const maf_verdict_t *
send_any(fixture_t *f, maf_side_t from, uint8_t instr)
{
    const uint32_t none[] = {OTHER};
    maf_message_t message = message_of(instr, TEST);

    switch (instr) {
    case MAF_INSTR_SUPPORTED:
        message.nmethods_width = MAF_NMETHODS_LEN;
        message.nmethods = 1;
        message.list = (const uint8_t *)none;
        break;
    case MAF_INSTR_SUCCESS:
        message.id.compact = MAF_METHOD_SUCCESS;
        break;
    case MAF_INSTR_FAILURE:
        message.id.compact = MAF_METHOD_FAILURE;
        break;
    default:
        break;
    }
    return feed(f, from, &message);
}

/* The spec's table of states, written once more: who may send what, when, and what follows. */
static const struct {
    uint8_t instr;
    const char *senders; /* c: client, s: server */
    const char *legal;   /* digits of the states in which it may come */
    char next;           /* digit of the state that follows; '=': the same */
} table[] = {
    {MAF_INSTR_SUPPORTED, "c", "13", '2'}, {MAF_INSTR_REQUEST_MORE, "s", "2", '3'},
    {MAF_INSTR_DO, "s", "2", '4'},         {MAF_INSTR_PROCESS, "cs", "4", '='},
    {MAF_INSTR_WHAT_NEXT, "c", "4", '2'},  {MAF_INSTR_SUCCESS, "s", "2", '5'},
    {MAF_INSTR_FAILURE, "s", "2", '6'},    {MAF_INSTR_ACKNOWLEDGE, "cs", "56", '='},
};

static void
test_table(fixture_t *f, const void *late)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        for (char state = '1'; state <= '6'; state++) {
            for (int from = MAF_CLIENT; from <= MAF_SERVER; from++) {
                uint32_t violations = 0;

                if (!strchr(table[i].senders, from == MAF_CLIENT ? 'c' : 's'))
                    violations = MAF_VIOLATION_DIRECTION;
                else if (!strchr(table[i].legal, state))
                    violations = state >= '5' ? MAF_VIOLATION_AFTER_END : MAF_VIOLATION_SEQUENCE;

                tear_down(f, late);
                set_up(f, late);
                reach(f, (maf_state_t)(state - '0'));
                check(send_any(f, (maf_side_t)from, table[i].instr),
                      (maf_state_t)((table[i].next == '=' ? state : table[i].next) - '0'), violations);
                g_assert_cmpint(maf_session_has_succeeded(f->session), ==,
                                (table[i].next == '=' ? state : table[i].next) == '5' &&
                                    (state >= '5' || from == MAF_SERVER));
            }
        }
    }
}

static void
test_login(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    const maf_verdict_t *list = send_list(f, TEST);
    const maf_verdict_t *first_do = send_do(f, TEST);
    const maf_verdict_t *process = send_process(f, MAF_CLIENT, TEST);
    const maf_verdict_t *what_next = send_what_next(f);
    const maf_verdict_t *second_do = send_do(f, TEST);
    const maf_verdict_t *second_what_next = send_what_next(f);
    const maf_verdict_t *success = send_success(f);

    check(list, MAF_STATE_AWAITING_DECISION, 0);
    check(first_do, MAF_STATE_EXECUTING, 0);
    check(process, MAF_STATE_EXECUTING, 0);
    check(what_next, MAF_STATE_AWAITING_DECISION, 0);
    check(second_do, MAF_STATE_EXECUTING, 0);
    check(second_what_next, MAF_STATE_AWAITING_DECISION, 0);
    check(success, MAF_STATE_SUCCEEDED, 0);

    g_assert_null(list->round);
    g_assert_cmpuint(first_do->round->number, ==, 1);
    g_assert_true(what_next->round == first_do->round);
    g_assert_cmpuint(second_do->round->number, ==, 2);
    g_assert_true(success->round == second_do->round);

    g_assert_cmpuint(maf_do_in(list), ==, 0);
    g_assert_cmpuint(maf_do_in(first_do), ==, 0);
    g_assert_cmpuint(maf_do_in(process), ==, 2);
    g_assert_cmpuint(maf_do_in(what_next), ==, 2);
    g_assert_cmpuint(maf_do_in(second_what_next), ==, 5);
    g_assert_cmpuint(maf_do_in(success), ==, 0);

    g_assert_cmpuint(list->response_to, ==, 0);
    g_assert_cmpuint(list->response_in, ==, 2);
    g_assert_cmpuint(first_do->response_to, ==, 1);
    g_assert_cmpuint(first_do->response_in, ==, 3);
    g_assert_cmpuint(process->response_in, ==, 5);
    g_assert_cmpuint(what_next->response_to, ==, 0);
    g_assert_cmpuint(what_next->response_in, ==, 5);
    g_assert_cmpuint(second_do->response_to, ==, 4);
    g_assert_cmpuint(success->response_in, ==, 0);
    g_assert_cmpint(maf_response_time(second_do).secs, ==, 1);
    g_assert_cmpint(maf_response_time(second_do).nsecs, ==, 500000000);

    g_assert_true(first_do->round->decision == second_do);
    g_assert_cmpint(first_do->round->duration.secs, ==, 4);
    g_assert_cmpint(first_do->round->duration.nsecs, ==, 500000000);
    g_assert_true(second_do->round->decision == success);
    g_assert_cmpint(second_do->round->duration.secs, ==, 3);

    g_assert_null(maf_ending_of(second_what_next));
    g_assert_nonnull(maf_ending_of(success));
    g_assert_cmpuint(maf_ending_of(success)->rounds, ==, 2);
    g_assert_cmpint(maf_ending_of(success)->duration.secs, ==, 9);
    g_assert_cmpint(maf_ending_of(success)->duration.nsecs, ==, 0);

    check(send_ack(f, MAF_CLIENT), MAF_STATE_SUCCEEDED, 0);
    check(send_ack(f, MAF_SERVER), MAF_STATE_SUCCEEDED, 0);
}

/* The first thing that the server does after what next? is its decision on the round before. */
static void
test_decisions(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    const maf_round_t *first;
    const maf_round_t *second;
    const maf_verdict_t *decision;

    send_list(f, TEST, OTHER, MAF_METHOD_MORE_AVAILABLE);
    first = send_do(f, TEST)->round;
    g_assert_true(maf_id_is(&first->method, TEST));
    g_assert_cmpuint(first->number, ==, 1);
    g_assert_cmpuint(send_process(f, MAF_CLIENT, TEST)->answers, ==, MAF_INSTR_DO);
    g_assert_null(send_what_next(f)->round->decision);

    decision = send_do(f, OTHER);
    g_assert_cmpuint(decision->answers, ==, MAF_INSTR_WHAT_NEXT);
    g_assert_true(first->decision == decision);
    second = decision->round;
    g_assert_cmpuint(second->number, ==, 2);
    g_assert_null(second->decision);

    send_what_next(f);
    decision = send_more(f, MAF_FLAGS_NONE);
    send_list(f, 0x00010002);
    send_success(f);
    g_assert_true(second->decision == decision);
}

static void
test_nothing_acceptable(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    const maf_verdict_t *verdict;

    send_list(f, OTHER);
    verdict = send_do(f, MAF_METHOD_FAILURE);
    check(verdict, MAF_STATE_FAILED, 0);
    g_assert_nonnull(maf_ending_of(verdict));
    g_assert_cmpuint(maf_ending_of(verdict)->rounds, ==, 0);

    verdict = send_failure(f);
    check(verdict, MAF_STATE_FAILED, MAF_VIOLATION_AFTER_END);
    g_assert_null(maf_ending_of(verdict));
}

static void
test_relative_download(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    const maf_verdict_t *verdict;

    send_list(f, TEST, MAF_METHOD_MORE_AVAILABLE);
    check(send_more(f, MAF_FLAGS_RELATIVE), MAF_STATE_AWAITING_MORE, 0);
    verdict = send_list(f, OTHER, TEST);
    check(verdict, MAF_STATE_AWAITING_DECISION, MAF_VIOLATION_DUPLICATE_OFFER);
    g_assert_cmphex(maf_offer_violations_of(verdict)[0], ==, 0);
    g_assert_cmphex(maf_offer_violations_of(verdict)[1], ==, MAF_VIOLATION_DUPLICATE_OFFER);
    check(send_do(f, TEST), MAF_STATE_EXECUTING, 0);
    send_what_next(f);
    check(send_do(f, OTHER), MAF_STATE_EXECUTING, 0);
}

static void
test_absolute_download(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    send_list(f, TEST, MAF_METHOD_MORE_AVAILABLE);
    check(send_more(f, MAF_FLAGS_ABSOLUTE), MAF_STATE_AWAITING_MORE, 0);
    check(send_list(f, OTHER), MAF_STATE_AWAITING_DECISION, 0);
    check(send_do(f, TEST), MAF_STATE_EXECUTING, MAF_VIOLATION_NOT_OFFERED);
    check(send_what_next(f), MAF_STATE_AWAITING_DECISION, 0);
    check(send_do(f, OTHER), MAF_STATE_EXECUTING, 0);
}

static void
test_offers(fixture_t *f, const void *late)
{
    check(send_list(f, TEST, TEST), MAF_STATE_AWAITING_DECISION, MAF_VIOLATION_DUPLICATE_OFFER);

    tear_down(f, late);
    set_up(f, late);
    check(send_list(f, TEST, MAF_METHOD_SUCCESS), MAF_STATE_AWAITING_DECISION, MAF_VIOLATION_RESERVED_OFFER);

    tear_down(f, late);
    set_up(f, late);
    check(send_list(f, MAF_METHOD_FAILURE, TEST), MAF_STATE_AWAITING_DECISION, MAF_VIOLATION_RESERVED_OFFER);

    tear_down(f, late);
    set_up(f, late);
    check(send_list(f, MAF_METHOD_MORE_AVAILABLE, TEST), MAF_STATE_AWAITING_DECISION,
          MAF_VIOLATION_MORE_NOT_LAST);
    check(send_do(f, OTHER), MAF_STATE_EXECUTING, MAF_VIOLATION_NOT_OFFERED);
    check(send_process(f, MAF_CLIENT, OTHER), MAF_STATE_EXECUTING, 0);

    tear_down(f, late);
    set_up(f, late);
    check(send_list_of_width(f, MAF_NMETHODS_LEN_BYTE, METHODS(TEST)), MAF_STATE_AWAITING_DECISION,
          MAF_VIOLATION_NMETHODS_WIDTH);
}

static void
test_wrong_do(fixture_t *f, const void *late)
{
    const uint32_t results[] = {MAF_METHOD_SUCCESS, MAF_METHOD_MORE_AVAILABLE};

    for (unsigned i = 0; i < G_N_ELEMENTS(results); i++) {
        tear_down(f, late);
        set_up(f, late);
        send_list(f, TEST);
        check(send_do(f, results[i]), MAF_STATE_EXECUTING, MAF_VIOLATION_NOT_A_METHOD);
        check(send_what_next(f), MAF_STATE_AWAITING_DECISION, 0);
    }
}

static void
test_wrong_process(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    const maf_verdict_t *verdict;

    send_list(f, TEST);
    send_do(f, TEST);
    verdict = send_process(f, MAF_CLIENT, OTHER);
    check(verdict, MAF_STATE_EXECUTING, MAF_VIOLATION_METHOD_MISMATCH);
    g_assert_cmphex(verdict->details->running->compact, ==, TEST);
    check(send_process(f, MAF_CLIENT, TEST), MAF_STATE_EXECUTING, 0);
}

static void
test_wrong_result(fixture_t *f, const void *late)
{
    reach(f, MAF_STATE_AWAITING_DECISION);
    check(send_method(f, MAF_SERVER, MAF_INSTR_SUCCESS, TEST), MAF_STATE_SUCCEEDED,
          MAF_VIOLATION_RESULT_MISMATCH);

    tear_down(f, late);
    set_up(f, late);
    reach(f, MAF_STATE_AWAITING_DECISION);
    check(send_method(f, MAF_SERVER, MAF_INSTR_FAILURE, TEST), MAF_STATE_FAILED,
          MAF_VIOLATION_RESULT_MISMATCH);
}

static void
test_success_without_method(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    send_list(f, TEST);
    check(send_success(f), MAF_STATE_SUCCEEDED, MAF_VIOLATION_SUCCESS_WITHOUT_METHOD);
}

/* Neither a message out of place nor a do that names no sub-method makes up for one. */
static void
test_success_without_method_all_the_same(fixture_t *f, const void *late)
{
    send_list(f, TEST);
    check(send_what_next(f), MAF_STATE_AWAITING_DECISION, MAF_VIOLATION_SEQUENCE);
    check(send_success(f), MAF_STATE_SUCCEEDED, MAF_VIOLATION_SUCCESS_WITHOUT_METHOD);

    tear_down(f, late);
    set_up(f, late);
    send_list(f, TEST);
    check(send_do(f, MAF_METHOD_SUCCESS), MAF_STATE_EXECUTING, MAF_VIOLATION_NOT_A_METHOD);
    check(send_what_next(f), MAF_STATE_AWAITING_DECISION, 0);
    check(send_success(f), MAF_STATE_SUCCEEDED, MAF_VIOLATION_SUCCESS_WITHOUT_METHOD);
}

static void
test_no_more_available(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    send_list(f, TEST);
    check(send_more(f, MAF_FLAGS_RELATIVE), MAF_STATE_AWAITING_MORE, MAF_VIOLATION_NO_MORE_AVAILABLE);
    check(send_list(f, OTHER), MAF_STATE_AWAITING_DECISION, 0);
}

static void
test_header(fixture_t *f, const void *late)
{
    maf_message_t message = message_of(MAF_INSTR_WHAT_NEXT, 0);

    reach(f, MAF_STATE_EXECUTING);
    message.ver = 2;
    message.flags = 1;
    check(feed(f, MAF_CLIENT, &message), MAF_STATE_AWAITING_DECISION,
          MAF_VIOLATION_VERSION | MAF_VIOLATION_FLAGS);

    tear_down(f, late);
    set_up(f, late);
    reach(f, MAF_STATE_AWAITING_DECISION);
    check(send_more(f, 2), MAF_STATE_AWAITING_MORE, MAF_VIOLATION_FLAGS);
}

/* What cannot be read may have been anything: one diagnosis, and what follows is taken as it comes. */
static void
test_unframeable(fixture_t *f, const void *late)
{
    static const struct {
        maf_message_end_t end;
        uint32_t violation;
    } ends[] = {
        {MAF_MESSAGE_BAD_INSTR, MAF_VIOLATION_INSTR},
        {MAF_MESSAGE_CUT, MAF_VIOLATION_TRUNCATED},
        {MAF_MESSAGE_UNASSEMBLED, 0},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++) {
        maf_message_t message = message_of(0x42, 0);

        message.end = ends[i].end;
        tear_down(f, late);
        set_up(f, late);
        check(feed(f, MAF_CLIENT, &message), MAF_STATE_AWAITING_LIST, ends[i].violation);
        check(send_process(f, MAF_CLIENT, OTHER), MAF_STATE_EXECUTING, 0);
        check(send_what_next(f), MAF_STATE_AWAITING_DECISION, 0);
        check(send_success(f), MAF_STATE_SUCCEEDED, 0);
    }
}

static void
test_bad_lengths(fixture_t *f, const void *late)
{
    maf_message_t message = message_of(MAF_INSTR_DO, TEST);

    send_list(f, TEST);
    message.end = MAF_MESSAGE_BAD_LENGTH;
    check(feed(f, MAF_SERVER, &message), MAF_STATE_EXECUTING, MAF_VIOLATION_LENGTH);
    check(send_process(f, MAF_CLIENT, TEST), MAF_STATE_EXECUTING, 0);

    tear_down(f, late);
    set_up(f, late);
    message = message_of(MAF_INSTR_SUPPORTED, 0);
    message.end = MAF_MESSAGE_BAD_COUNT;
    check(feed(f, MAF_CLIENT, &message), MAF_STATE_AWAITING_DECISION, MAF_VIOLATION_NMETHODS);
    check(send_do(f, TEST), MAF_STATE_EXECUTING, 0);
}

/* A capture that begins in the middle: whatever comes first is no fault, what is known from then on counts.
 */
static void
test_late(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    const maf_verdict_t *verdict = send_process(f, MAF_SERVER, OTHER);

    check(verdict, MAF_STATE_EXECUTING, 0);
    g_assert_null(verdict->round);
    g_assert_cmpuint(maf_do_in(verdict), ==, 0);
    check(send_what_next(f), MAF_STATE_AWAITING_DECISION, 0);
    check(send_more(f, MAF_FLAGS_RELATIVE), MAF_STATE_AWAITING_MORE, 0);
    check(send_list(f, TEST), MAF_STATE_AWAITING_DECISION, 0);
    check(send_do(f, OTHER), MAF_STATE_EXECUTING, 0);
    check(send_success(f), MAF_STATE_SUCCEEDED, MAF_VIOLATION_SEQUENCE);
}

static void
test_late_end(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    check(send_ack(f, MAF_CLIENT), MAF_STATE_UNKNOWN, 0);
    check(send_success(f), MAF_STATE_SUCCEEDED, 0);
}

/* The offered set is a hash: the last of many lists costs no more than the first, and none is forgotten. */
static void
test_many_lists(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    const uint32_t lists = 20000;

    for (uint32_t i = 0; i < lists; i++) {
        if (i > 0)
            check(send_more(f, MAF_FLAGS_RELATIVE), MAF_STATE_AWAITING_MORE, 0);
        check(send_list(f, OTHER + i, MAF_METHOD_MORE_AVAILABLE), MAF_STATE_AWAITING_DECISION, 0);
    }
    check(send_do(f, OTHER), MAF_STATE_EXECUTING, 0);
    send_what_next(f);
    check(send_do(f, OTHER + lists - 1), MAF_STATE_EXECUTING, 0);
    send_what_next(f);
    check(send_do(f, OTHER + lists), MAF_STATE_EXECUTING, MAF_VIOLATION_NOT_OFFERED);
}

/* Messages that the capture lacks are nobody's fault. */
static void
test_missing_messages(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    check(send_list(f, TEST), MAF_STATE_AWAITING_DECISION, 0);
    maf_session_lose_track(f->session);
    check(send_process(f, MAF_CLIENT, OTHER), MAF_STATE_EXECUTING, 0);
    maf_session_lose_track(f->session);
    check(send_success(f), MAF_STATE_SUCCEEDED, 0);
}

/* What follows from a message out of place is not held against the next one as well. */
static void
test_no_cascade(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    check(send_list(f, TEST), MAF_STATE_AWAITING_DECISION, 0);
    check(send_process(f, MAF_CLIENT, TEST), MAF_STATE_AWAITING_DECISION, MAF_VIOLATION_SEQUENCE);
    check(send_what_next(f), MAF_STATE_AWAITING_DECISION, 0);
    check(send_failure(f), MAF_STATE_FAILED, 0);
}

/* The client does not decide how the session went. */
static void
test_forged_success(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    const maf_verdict_t *verdict;

    reach(f, MAF_STATE_AWAITING_DECISION);
    verdict = send_method(f, MAF_CLIENT, MAF_INSTR_SUCCESS, MAF_METHOD_SUCCESS);
    check(verdict, MAF_STATE_SUCCEEDED, MAF_VIOLATION_DIRECTION);
    g_assert_null(maf_ending_of(verdict));
    verdict = send_failure(f);
    check(verdict, MAF_STATE_FAILED, 0);
    g_assert_nonnull(maf_ending_of(verdict));
}

static void
test_request(fixture_t *f, const void *late)
{
    for (int state = MAF_STATE_AWAITING_LIST; state <= MAF_STATE_FAILED; state++) {
        tear_down(f, late);
        set_up(f, late);
        reach(f, (maf_state_t)state);
        g_assert_cmpuint(maf_session_request(f->session), ==,
                         state == MAF_STATE_SUCCEEDED ? MAF_STATE_UNKNOWN : state);
        maf_session_lose_track(f->session);
        g_assert_cmpuint(maf_session_request(f->session), ==, MAF_STATE_UNKNOWN);
    }
}

/* Revision 01 */

static maf_message_t
frame_of_01(uint8_t instr, uint32_t method)
{
    maf_message_t message = message_of(instr, method);

    message.revision = message.ver = MAF_VER_01;
    return message;
}

static const maf_verdict_t *
send_01(fixture_t *f, maf_side_t from, uint8_t instr, uint32_t method)
{
    const maf_message_t message = frame_of_01(instr, method);

    return feed(f, from, &message);
}

static const uint8_t uuids[][MAF_LONG_ID_LEN] = {{1, 2, 3}, {1, 2, 4}};

static const maf_verdict_t *
send_uuid(fixture_t *f, maf_side_t from, uint8_t instr, unsigned which)
{
    maf_message_t message = frame_of_01(instr, 0);

    message.id = maf_id_read(uuids[which], MAF_LONG_ID_LEN);
    return feed(f, from, &message);
}

static const maf_verdict_t *
send_groups(fixture_t *f, uint32_t methods, const uint8_t *octets)
{
    maf_message_t message = frame_of_01(MAF_INSTR_SUPPORTED, 0);

    message.layout = MAF_LAYOUT_GROUPS;
    message.nmethods = methods;
    message.list = octets;
    return feed(f, MAF_CLIENT, &message);
}

/* A UUID, MORE_METHODS_AVAILABLE, and TEST after it: order carries no meaning. */
static const uint8_t groups[] = {1, 16, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                 0, 0,  0, 2, 4, 0, 0, 0, 2, 0, 0, 0, 1, 0};

/* By which revision is the message read whose INSTR and VER these are, and whose next byte after FLAGS? */
static int
revision_of(const fixture_t *f, uint8_t instr, uint8_t ver, uint8_t next)
{
    const uint8_t octets[] = {instr, ver, 0, 0, next};

    return maf_session_revision(f->session, (maf_bytes_t){octets, sizeof octets, sizeof octets});
}

static void
test_login_01(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    g_assert_cmpint(revision_of(f, MAF_INSTR_SUPPORTED, 1, 0), ==, 1);
    g_assert_cmpint(revision_of(f, MAF_INSTR_SUPPORTED, 7, 0), ==, 0);
    check(send_groups(f, 3, groups), MAF_STATE_AWAITING_DECISION, 0);
    g_assert_cmpint(revision_of(f, MAF_INSTR_DO, 0, 0), ==, 1);

    check(send_uuid(f, MAF_SERVER, MAF_INSTR_DO, 0), MAF_STATE_EXECUTING, 0);
    check(send_uuid(f, MAF_CLIENT, MAF_INSTR_PROCESS, 1), MAF_STATE_EXECUTING, MAF_VIOLATION_METHOD_MISMATCH);
    check(send_uuid(f, MAF_CLIENT, MAF_INSTR_PROCESS, 0), MAF_STATE_EXECUTING, 0);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0), MAF_STATE_AWAITING_DECISION, 0);
    check(send_uuid(f, MAF_SERVER, MAF_INSTR_DO, 1), MAF_STATE_EXECUTING, MAF_VIOLATION_NOT_OFFERED);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0), MAF_STATE_AWAITING_DECISION, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_DO, TEST), MAF_STATE_EXECUTING, 0);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0), MAF_STATE_AWAITING_DECISION, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_SUCCESS, MAF_METHOD_SUCCESS), MAF_STATE_SUCCEEDED, 0);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_ACKNOWLEDGE, 0), MAF_STATE_SUCCEEDED, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_ACKNOWLEDGE, 0), MAF_STATE_SUCCEEDED, 0);
}

/* What comes after the end is at fault; the acknowledges after it are still in their place. */
static void
test_acknowledged_end(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    reach(f, MAF_STATE_SUCCEEDED);
    check(send_what_next(f), MAF_STATE_AWAITING_DECISION, MAF_VIOLATION_AFTER_END);
    check(send_ack(f, MAF_CLIENT), MAF_STATE_AWAITING_DECISION, 0);
    check(send_ack(f, MAF_SERVER), MAF_STATE_AWAITING_DECISION, 0);
}

static void
test_version_01(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    maf_message_t message;

    send_groups(f, 3, groups);
    message = frame_of_01(MAF_INSTR_DO, TEST);
    message.ver = MAF_VER_00;
    check(feed(f, MAF_SERVER, &message), MAF_STATE_EXECUTING, MAF_VIOLATION_VERSION);
    send_01(f, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0);
    message = frame_of_01(MAF_INSTR_SUCCESS, MAF_METHOD_SUCCESS);
    message.ver = MAF_VER_00;
    check(feed(f, MAF_SERVER, &message), MAF_STATE_SUCCEEDED, 0);
}

static void
test_oem(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    maf_message_t message;

    check(send_01(f, MAF_SERVER, MAF_INSTR_OEM, 0), MAF_STATE_AWAITING_LIST, MAF_VIOLATION_SEQUENCE);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_OEM, 0), MAF_STATE_AWAITING_LIST, 0);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_OEM, 0), MAF_STATE_AWAITING_LIST, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_OEM, 0), MAF_STATE_AWAITING_LIST, 0);
    check(send_groups(f, 3, groups), MAF_STATE_AWAITING_DECISION, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_OEM, 0), MAF_STATE_AWAITING_DECISION, 0);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_OEM, 0), MAF_STATE_AWAITING_DECISION, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_DO, TEST), MAF_STATE_EXECUTING, 0);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_OEM, 0), MAF_STATE_EXECUTING, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_PROCESS, TEST), MAF_STATE_EXECUTING, MAF_VIOLATION_OEM_UNANSWERED);
    message = frame_of_01(MAF_INSTR_OEM, 0);
    message.reserved = 1;
    check(feed(f, MAF_CLIENT, &message), MAF_STATE_EXECUTING, MAF_VIOLATION_RESERVED);
    check(send_01(f, MAF_SERVER, MAF_INSTR_OEM, 0), MAF_STATE_EXECUTING, 0);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0), MAF_STATE_AWAITING_DECISION, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_OEM, 0), MAF_STATE_AWAITING_DECISION, 0);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_PROCESS, TEST), MAF_STATE_AWAITING_DECISION,
          MAF_VIOLATION_OEM_UNANSWERED);
    check(send_01(f, MAF_SERVER, MAF_INSTR_FAILURE, MAF_METHOD_FAILURE), MAF_STATE_FAILED, 0);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_OEM, 0), MAF_STATE_FAILED, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_OEM, 0), MAF_STATE_FAILED, 0);
    check(send_01(f, MAF_SERVER, MAF_INSTR_OEM, 0), MAF_STATE_FAILED, MAF_VIOLATION_AFTER_END);
}

/* Late captures go by each message's own VER, but for results: those may have VER 00 in revision 01 as well.
 */
static void
test_late_01(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    g_assert_cmpint(revision_of(f, MAF_INSTR_SUCCESS, 0, 0), ==, 0);
    g_assert_cmpint(revision_of(f, MAF_INSTR_FAILURE, 0, 0xFF), ==, 0);
    g_assert_cmpint(revision_of(f, MAF_INSTR_SUCCESS, 0, MAF_COMPACT_ID_LEN), ==, 1);
    g_assert_cmpint(revision_of(f, MAF_INSTR_FAILURE, 0, MAF_LONG_ID_LEN), ==, 1);
    g_assert_cmpint(revision_of(f, MAF_INSTR_WHAT_NEXT, 1, 0), ==, 1);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0), MAF_STATE_AWAITING_DECISION, 0);
    g_assert_cmpint(revision_of(f, MAF_INSTR_SUCCESS, 0, 0), ==, 1);
    g_assert_cmpint(revision_of(f, MAF_INSTR_DO, 0, 0), ==, 0);
}

/* What only looks like a message breaks no rule, sets no revision, and what follows it may be anything. */
static void
test_guessed(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    f->order = MAF_ORDER_GUESSED;
    check(send_list(f, TEST, MAF_METHOD_SUCCESS), MAF_STATE_AWAITING_DECISION, 0);
    g_assert_cmpint(revision_of(f, MAF_INSTR_DO, 1, 0), ==, 1);
    check(send_01(f, MAF_CLIENT, MAF_INSTR_WHAT_NEXT, 0), MAF_STATE_AWAITING_DECISION, 0);
    g_assert_cmpint(revision_of(f, MAF_INSTR_SUCCESS, 0, 0), ==, 0);
    maf_session_lose_track(f->session);
    f->order = MAF_ORDER_IN_SEQUENCE;
    check(send_process(f, MAF_SERVER, OTHER), MAF_STATE_EXECUTING, 0);
}

/* What comes late does not move the state back; a result is one whenever it comes. */
static void
test_late_message(fixture_t *f, const void *late G_GNUC_UNUSED)
{
    reach(f, MAF_STATE_EXECUTING);
    maf_session_lose_track(f->session);
    f->order = MAF_ORDER_LATE;
    check(send_list(f, OTHER), MAF_STATE_EXECUTING, 0);
    maf_session_lose_track(f->session);
    check(send_success(f), MAF_STATE_SUCCEEDED, 0);
}

int
main(int argc, char **argv)
{
    static const char late[] = "late";
    int result;

    g_test_init(&argc, &argv, NULL);
    wmem_init();
#define ADD(name, test, data) g_test_add("/session/" name, fixture_t, data, set_up, test, tear_down)
    ADD("table", test_table, NULL);
    ADD("login", test_login, NULL);
    ADD("decisions", test_decisions, NULL);
    ADD("nothing-acceptable", test_nothing_acceptable, NULL);
    ADD("relative-download", test_relative_download, NULL);
    ADD("absolute-download", test_absolute_download, NULL);
    ADD("offers", test_offers, NULL);
    ADD("wrong-do", test_wrong_do, NULL);
    ADD("wrong-process", test_wrong_process, NULL);
    ADD("wrong-result", test_wrong_result, NULL);
    ADD("success-without-method", test_success_without_method, NULL);
    ADD("success-without-method-all-the-same", test_success_without_method_all_the_same, NULL);
    ADD("no-more-available", test_no_more_available, NULL);
    ADD("header", test_header, NULL);
    ADD("unframeable", test_unframeable, NULL);
    ADD("bad-lengths", test_bad_lengths, NULL);
    ADD("late", test_late, late);
    ADD("late-end", test_late_end, late);
    ADD("missing-messages", test_missing_messages, NULL);
    ADD("no-cascade", test_no_cascade, NULL);
    ADD("forged-success", test_forged_success, NULL);
    ADD("request", test_request, NULL);
    ADD("acknowledged-end", test_acknowledged_end, NULL);
    ADD("login-01", test_login_01, NULL);
    ADD("version-01", test_version_01, NULL);
    ADD("oem", test_oem, NULL);
    ADD("late-01", test_late_01, late);
    ADD("guessed", test_guessed, NULL);
    ADD("late-message", test_late_message, NULL);
    ADD("many-lists", test_many_lists, NULL);
#undef ADD
    result = g_test_run();
    wmem_cleanup();
    return result;
}
