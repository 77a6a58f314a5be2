/* maf-policy.c
 * Which sub-methods a client must pass, in which order, and what that is worth
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-policy.h"

static void
clear_step(gpointer step)
{
    g_ptr_array_unref(((maf_step_t *)step)->methods);
}

maf_policy_t *
maf_policy_new(void)
{
    maf_policy_t *policy = g_new0(maf_policy_t, 1);

    policy->steps = g_array_new(FALSE, FALSE, sizeof(maf_step_t));
    g_array_set_clear_func(policy->steps, clear_step);
    policy->unacceptable = MAF_INSTR_DO;
    return policy;
}

void
maf_policy_free(maf_policy_t *policy)
{
    if (!policy)
        return;
    g_array_unref(policy->steps);
    g_free(policy->failure_text);
    g_free(policy);
}

void
maf_policy_add(maf_policy_t *policy, GPtrArray *methods, guint grade, gboolean go_on)
{
    const maf_step_t step = {methods, grade, go_on};
    g_array_append_val(policy->steps, step);
}

void
maf_policy_start(maf_policy_run_t *run, const maf_policy_t *policy)
{
    *run = (maf_policy_run_t){.policy = policy, .offered = g_array_new(FALSE, FALSE, sizeof(maf_id_t))};
}

void
maf_policy_stop(maf_policy_run_t *run)
{
    g_clear_pointer(&run->offered, g_array_unref);
}

static gboolean
is_offered(const maf_policy_run_t *run, const maf_id_t *id)
{
    for (guint i = 0; i < run->offered->len; i++) {
        if (maf_id_equal(&g_array_index(run->offered, maf_id_t, i), id))
            return TRUE;
    }
    return FALSE;
}

void
maf_policy_offer(maf_policy_run_t *run, const maf_id_t *ids, gsize count)
{
    run->lists++;
    run->has_more = FALSE;
    for (gsize i = 0; i < count; i++) {
        run->has_more |= maf_id_is(&ids[i], MAF_METHOD_MORE_AVAILABLE);
        if (maf_method_find(&ids[i]) && !is_offered(run, &ids[i]))
            g_array_append_val(run->offered, ids[i]);
    }
}

static const maf_step_t *
current_step(const maf_policy_run_t *run)
{
    const GArray *steps = run->policy->steps;
    return run->step < steps->len ? &g_array_index(steps, maf_step_t, run->step) : NULL;
}

static void
next_step(maf_policy_run_t *run)
{
    run->step++;
    run->tried = 0;
}

void
maf_policy_result(maf_policy_run_t *run, gboolean passed)
{
    const maf_step_t *step = current_step(run);

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
static const maf_id_t *
find_offer(const maf_policy_run_t *run, const maf_method_t *method)
{
    for (guint i = 0; i < run->offered->len; i++) {
        const maf_id_t *id = &g_array_index(run->offered, maf_id_t, i);
        if (maf_method_is(method, id))
            return id;
    }
    return NULL;
}

/* The best sub-method of the step that is offered and was not tried yet; FALSE: none. *left: is any untried?
 */
static gboolean
choose(maf_policy_run_t *run, const maf_step_t *step, gboolean *left, maf_decision_t *decision)
{
    *left = FALSE;
    for (guint i = 0; i < step->methods->len; i++) {
        const maf_method_t *method = step->methods->pdata[i];
        if (run->tried & 1U << i)
            continue;
        *left = TRUE;
        const maf_id_t *id = find_offer(run, method);
        if (id) {
            run->tried |= 1U << i;
            *decision = (maf_decision_t){.instr = MAF_INSTR_DO, .method = method, .id = *id};
            return TRUE;
        }
    }
    return FALSE;
}

static maf_decision_t
refuse(const maf_policy_run_t *run, const char *reason)
{
    const guint8 instr = run->failed ? MAF_INSTR_FAILURE : run->policy->unacceptable;
    return (maf_decision_t){.instr = instr, .reason = reason};
}

static maf_decision_t
request_more(maf_policy_run_t *run)
{
    const gboolean absolute = run->policy->more == MAF_MORE_ABSOLUTE && !run->started_again;

    if (absolute) {
        run->started_again = TRUE;
        g_array_set_size(run->offered, 0);
    }
    return (maf_decision_t){.instr = MAF_INSTR_REQUEST_MORE,
                            .flags = absolute ? MAF_FLAGS_ABSOLUTE : MAF_FLAGS_RELATIVE};
}

maf_decision_t
maf_policy_decide(maf_policy_run_t *run)
{
    const maf_policy_t *policy = run->policy;
    maf_decision_t decision;
    gboolean left;

    if (run->over)
        return refuse(run, "the sub-method did not succeed");
    for (const maf_step_t *step; (step = current_step(run)) != NULL; next_step(run)) {
        if (choose(run, step, &left, &decision))
            return decision;
        const gboolean may_ask = left && run->has_more && policy->more != MAF_MORE_NEVER;
        if (may_ask && run->lists < MAF_LISTS_MAX)
            return request_more(run);
        if (!step->go_on)
            return refuse(run, may_ask ? "no acceptable sub-method in the most lists a client may send"
                                       : "no sub-method offered is acceptable");
    }
    if (run->passed == 0)
        return refuse(run, run->failed ? "no sub-method succeeded" : "no sub-method offered is acceptable");
    if (run->grade < policy->minimum_grade)
        return refuse(run, "the grade is too low");
    return (maf_decision_t){.instr = MAF_INSTR_SUCCESS};
}
