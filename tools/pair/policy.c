/* policy.c
 * Which sub-methods a client must pass, in which order, and what that is worth
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "policy.h"

static void
clear_step(gpointer step)
{
    g_ptr_array_unref(((policy_step_t *)step)->methods);
}

policy_t *
policy_new(void)
{
    policy_t *policy = g_new0(policy_t, 1);

    policy->steps = g_array_new(FALSE, FALSE, sizeof(policy_step_t));
    g_array_set_clear_func(policy->steps, clear_step);
    policy->unacceptable = MAF_INSTR_DO;
    return policy;
}

void
policy_free(policy_t *policy)
{
    if (!policy)
        return;
    g_array_unref(policy->steps);
    g_free(policy->failure_text);
    g_free(policy);
}

void
policy_add(policy_t *policy, GPtrArray *methods, guint grade, gboolean go_on)
{
    const policy_step_t step = {methods, grade, go_on};
    g_array_append_val(policy->steps, step);
}

void
policy_start(policy_run_t *run, const policy_t *policy)
{
    *run = (policy_run_t){.policy = policy, .offered = g_array_new(FALSE, FALSE, sizeof(method_id_t))};
}

void
policy_stop(policy_run_t *run)
{
    g_clear_pointer(&run->offered, g_array_unref);
}

void
policy_offer(policy_run_t *run, const method_id_t *ids, gsize count)
{
    run->lists++;
    run->has_more = FALSE;
    for (gsize i = 0; i < count; i++) {
        run->has_more |= method_id_is(&ids[i], MAF_METHOD_MORE_AVAILABLE);
        if (method_find(&ids[i]) &&
            !method_id_in(&ids[i], (const method_id_t *)(void *)run->offered->data, run->offered->len))
            g_array_append_val(run->offered, ids[i]);
    }
}

static const policy_step_t *
current_step(const policy_run_t *run)
{
    const GArray *steps = run->policy->steps;
    return run->step < steps->len ? &g_array_index(steps, policy_step_t, run->step) : NULL;
}

static void
next_step(policy_run_t *run)
{
    run->step++;
    run->tried = 0;
}

void
policy_result(policy_run_t *run, gboolean passed)
{
    const policy_step_t *step = current_step(run);

    if (passed) {
        run->passed++;
        run->grade += step->grade;
        next_step(run);
    } else {
        run->failed = TRUE;
        run->over = !step->go_on;
    }
}

/* The id by which the sub-method is offered, or NULL. */
static const method_id_t *
find_offer(const policy_run_t *run, const method_t *method)
{
    for (guint i = 0; i < run->offered->len; i++) {
        const method_id_t *id = &g_array_index(run->offered, method_id_t, i);
        if (method_find(id) == method)
            return id;
    }
    return NULL;
}

/* The best sub-method of the step that is offered and was not tried yet; FALSE: none. *left: is any untried?
 */
static gboolean
choose(policy_run_t *run, const policy_step_t *step, gboolean *left, decision_t *decision)
{
    *left = FALSE;
    for (guint i = 0; i < step->methods->len; i++) {
        const method_t *method = step->methods->pdata[i];
        if (run->tried & 1U << i)
            continue;
        *left = TRUE;
        const method_id_t *id = find_offer(run, method);
        if (id) {
            run->tried |= 1U << i;
            *decision = (decision_t){.instr = MAF_INSTR_DO, .method = method, .id = *id};
            return TRUE;
        }
    }
    return FALSE;
}

static decision_t
refuse(const policy_run_t *run, const char *reason)
{
    const guint8 instr = run->failed ? MAF_INSTR_FAILURE : run->policy->unacceptable;
    return (decision_t){.instr = instr, .reason = reason};
}

static decision_t
request_more(policy_run_t *run)
{
    const gboolean absolute = run->policy->more == MORE_ABSOLUTE && !run->started_again;

    if (absolute) {
        run->started_again = TRUE;
        g_array_set_size(run->offered, 0);
    }
    return (decision_t){.instr = MAF_INSTR_REQUEST_MORE,
                        .flags = absolute ? MAF_FLAGS_ABSOLUTE : MAF_FLAGS_RELATIVE};
}

decision_t
policy_decide(policy_run_t *run)
{
    const policy_t *policy = run->policy;
    decision_t decision;
    gboolean left;

    if (run->over)
        return refuse(run, "the sub-method failed");
    for (const policy_step_t *step; (step = current_step(run)) != NULL; next_step(run)) {
        if (choose(run, step, &left, &decision))
            return decision;
        const gboolean may_ask = left && run->has_more && policy->more != MORE_NEVER;
        if (may_ask && run->lists < POLICY_LISTS_MAX)
            return request_more(run);
        if (!step->go_on)
            return refuse(run, may_ask ? "no acceptable sub-method in the most lists a client may send"
                                       : "no sub-method offered is acceptable");
    }
    if (run->passed == 0)
        return refuse(run, run->failed ? "the sub-method failed" : "no sub-method offered is acceptable");
    if (run->grade < policy->minimum_grade)
        return refuse(run, "the grade is too low");
    return (decision_t){.instr = MAF_INSTR_SUCCESS};
}
