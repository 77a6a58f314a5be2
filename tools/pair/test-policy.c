/* test-policy.c
 * Policies: what the server decides after each message of the client
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "policy.h"

#include <string.h>

/* The method ids of the draft and of the reference sub-methods, a letter each. */
static guint32
id_of(char letter)
{
    switch (letter) {
    case 't':
        return MAF_METHOD_INTERNAL_TEST;
    case 'p':
        return MAF_METHOD_SASL_PLAIN;
    case 'c':
        return MAF_METHOD_SASL_CRAM_MD5;
    case 's':
        return MAF_METHOD_SASL_SCRAM_SHA_256;
    case '+':
        return MAF_METHOD_MORE_AVAILABLE;
    default:
        return MAF_METHOD_GENERAL_FIRST;
    }
}

/* Steps as "ps1! t2": sub-methods, the grade, and ! if failure is the end. */
static policy_t
make_policy(const char *text)
{
    policy_t policy = {.steps = g_array_new(FALSE, FALSE, sizeof(policy_step_t))};
    g_auto(GStrv) steps = g_strsplit(text, " ", -1);

    for (char **word = steps; *word; word++) {
        policy_step_t step = {.grade = 0};
        const char *letter = *word;
        for (gsize i = 0; g_ascii_isalpha(*letter); letter++) {
            const method_id_t id = method_id_compact(id_of(*letter));
            step.methods[i++] = method_find(&id);
        }
        step.grade = (guint)g_ascii_digit_value(*letter);
        step.go_on = letter[1] != '!';
        g_array_append_val(policy.steps, step);
    }
    return policy;
}

/* A decision in a word: the letter of what to do, "relative", "absolute", "grade=N", "do" or "failure". */
static char *
describe(guint8 instr, const policy_run_t *run)
{
    static const char letters[] = "tpcs";

    if (instr == MAF_INSTR_REQUEST_MORE)
        return g_strdup(run->flags == MAF_FLAGS_ABSOLUTE ? "absolute" : "relative");
    if (instr == MAF_INSTR_SUCCESS)
        return g_strdup_printf("grade=%u", run->grade);
    g_assert_true(run->method || run->reason);
    for (const char *letter = letters; !run->reason && *letter; letter++) {
        if (run->method->id == id_of(*letter))
            return g_strdup_printf("%c", *letter);
    }
    return g_strdup(instr == MAF_INSTR_DO ? "do" : "failure");
}

/* What the client sends: a list, "yes" for a passed sub-method, "no" for a failed one. */
static void
say(policy_run_t *run, const char *word)
{
    method_id_t ids[8];
    gsize count = 0;

    if (strcmp(word, "yes") == 0 || strcmp(word, "no") == 0) {
        policy_result(run, strcmp(word, "yes") == 0);
        return;
    }
    for (const char *letter = word; *letter; letter++)
        ids[count++] = method_id_compact(id_of(*letter));
    policy_offer(run, ids, count);
}

static void
check(const policy_t *policy, const char *said, const char *decided)
{
    g_auto(GStrv) words = g_strsplit(said, " ", -1);
    GString *text = g_string_new(NULL);
    policy_run_t run = {.policy = policy};

    for (char **word = words; *word; word++) {
        say(&run, *word);
        const guint8 instr = policy_decide(&run);
        g_autofree char *description = describe(instr, &run);
        g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", description);
    }
    g_assert_cmpstr(text->str, ==, decided);
    g_string_free(text, TRUE);
}

static void
test_decisions(void)
{
    static const struct {
        const char *steps, *said, *decided;
    } cases[] = {
        /* One step: the server's preference, what is not offered, what fails */
        {"t1!", "t yes", "t grade=1"},
        {"sp1!", "xps yes", "s grade=1"},
        {"ps1!", "xps yes", "p grade=1"},
        {"sp1!", "p yes", "p grade=1"},
        {"sp1!", "x", "do"},
        {"sp1!", "sp no", "s failure"},
        {"sp1", "sp no yes", "s p grade=1"},
        {"sp1", "sp no no", "s p failure"},
        {"sp1", "x", "do"},

        /* Several: each is worth its own */
        {"p1! s2!", "ps yes yes", "p s grade=3"},
        {"p1! s2!", "p yes", "p do"},
        {"p1! s2!", "ps yes no", "p s failure"},
        {"p1 s2", "p yes", "p grade=1"},
        {"p1 s2", "s yes", "s grade=2"},
        {"p1 s2", "ps no yes", "p s grade=2"},
        {"p1 s2", "ps no no", "p s failure"},
        {"p1 p2", "p no yes", "p p grade=2"},
        {"s1 t2!", "s no", "s failure"},

        /* More: only when there is more, and when nothing else is acceptable */
        {"p1!", "s+ p yes", "relative p grade=1"},
        {"p1!", "s+ c+ p yes", "relative relative p grade=1"},
        {"p1!", "s+ c", "relative do"},
        {"p1!", "p+ yes", "p grade=1"},
        {"p1! t1!", "p+ yes t yes", "p relative t grade=2"},
        {"p1 t1", "t+ x yes", "relative t grade=1"},
        {"sp1", "s+ no p yes", "s relative p grade=1"},
        {"p1!", "+s", "relative"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        policy_t policy = make_policy(cases[i].steps);
        g_test_message("%s: %s", cases[i].steps, cases[i].said);
        check(&policy, cases[i].said, cases[i].decided);
        g_array_unref(policy.steps);
    }
}

static void
test_more(void)
{
    policy_t policy = make_policy("p1!");

    policy.more = MORE_ABSOLUTE;
    check(&policy, "s+ s+ c+ p yes", "absolute relative relative p grade=1");
    policy.more = MORE_NEVER;
    check(&policy, "s+", "do");
    policy.more = MORE_RELATIVE;
    check(
        &policy, "x+ x+ x+ x+ x+ x+ x+ x+ x+ x+ x+ x+ x+ x+ x+ x+",
        "relative relative relative relative relative relative relative relative relative relative relative "
        "relative relative relative relative do");
    g_array_unref(policy.steps);
}

/* After an absolute request, what was offered before counts no more. */
static void
test_absolute_replaces(void)
{
    policy_t policy = make_policy("p1! s1!");

    policy.more = MORE_ABSOLUTE;
    check(&policy, "s+ p yes", "absolute p do");
    g_array_unref(policy.steps);
}

static void
test_refusals(void)
{
    policy_t policy = make_policy("p1 s2");

    policy.by_failure = TRUE;
    check(&policy, "x", "failure");
    policy.by_failure = FALSE;
    policy.minimum_grade = 3;
    check(&policy, "ps yes yes", "p s grade=3");
    check(&policy, "p yes", "p do");
    check(&policy, "ps yes no", "p s failure");
    g_array_unref(policy.steps);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/policy/decisions", test_decisions);
    g_test_add_func("/policy/more", test_more);
    g_test_add_func("/policy/absolute-replaces", test_absolute_replaces);
    g_test_add_func("/policy/refusals", test_refusals);
    return g_test_run();
}
