/* policy.c
 * Which sub-methods a client must pass, in which order, and what that is worth
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "policy.h"

#include <string.h>

void
policy_offer(policy_run_t *run, const method_id_t *ids, gsize count)
{
    run->lists++;
    run->has_more = FALSE;
    for (gsize i = 0; i < count; i++) {
        const method_t *method = method_find(&ids[i]);
        run->has_more |= method_id_is(&ids[i], MAF_METHOD_MORE_AVAILABLE);
        if (method && run->offered[method->index].len == 0)
            run->offered[method->index] = ids[i];
    }
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
    run->failed |= !passed;
    if (passed) {
        run->passed++;
        run->grade += g_array_index(run->policy->steps, policy_step_t, run->step).grade;
        next_step(run);
    }
}

/* Takes the best sub-method of the step that is offered and was not tried yet. *left: is any untried? */
static gboolean
choose(policy_run_t *run, const policy_step_t *step, gboolean *left)
{
    *left = FALSE;
    for (const method_t *const *method = step->methods; *method; method++) {
        const guint bit = 1U << (*method)->index;
        const method_id_t *id = &run->offered[(*method)->index];
        *left |= !(run->tried & bit);
        if (id->len > 0 && !(run->tried & bit)) {
            run->tried |= bit;
            run->method = *method;
            run->id = *id;
            return TRUE;
        }
    }
    return FALSE;
}

static guint8
refuse(policy_run_t *run, const char *reason)
{
    run->reason = reason;
    return run->failed || run->policy->by_failure ? MAF_INSTR_FAILURE : MAF_INSTR_DO;
}

static guint8
request_more(policy_run_t *run)
{
    const gboolean absolute = run->policy->more == MORE_ABSOLUTE && run->lists == 1;

    run->flags = absolute ? MAF_FLAGS_ABSOLUTE : MAF_FLAGS_RELATIVE;
    if (absolute)
        memset(run->offered, 0, sizeof run->offered);
    return MAF_INSTR_REQUEST_MORE;
}

guint8
policy_decide(policy_run_t *run)
{
    const policy_t *policy = run->policy;
    gboolean left;

    for (; run->step < policy->steps->len; next_step(run)) {
        const policy_step_t *step = &g_array_index(policy->steps, policy_step_t, run->step);
        if (run->tried && !step->go_on)
            return refuse(run, "the sub-method failed");
        if (choose(run, step, &left))
            return MAF_INSTR_DO;
        const gboolean may_ask = left && run->has_more && policy->more != MORE_NEVER;
        if (may_ask && run->lists < POLICY_LISTS_MAX)
            return request_more(run);
        if (!step->go_on)
            return refuse(run, may_ask ? "no acceptable sub-method in the most lists a client may send"
                                       : "no sub-method offered is acceptable");
    }
    if (run->passed == 0)
        return refuse(run, run->failed ? "the sub-method failed" : "no sub-method offered is acceptable");
    return run->grade < policy->minimum_grade ? refuse(run, "the grade is too low") : MAF_INSTR_SUCCESS;
}
