/* policy.h
 * Which sub-methods a client must pass, in which order, and what that is worth
 *
 * The draft's Authentication Management Server (draft-00, Abstract): it selects the sub-methods, orders them
 * and assigns a grade to the whole. Pure functions; the server does what they decide.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef POLICY_H
#define POLICY_H

#include "method.h"

#define POLICY_LISTS_MAX 16 /* that one client may send in a session */

/* How to ask a client for sub-methods it has not offered yet (draft-00, Subnegotiation). */
typedef enum policy_more {
    MORE_RELATIVE, /* for those it has not sent */
    MORE_ABSOLUTE, /* for the list from its beginning, after the first one; then for those it has not sent */
    MORE_NEVER,
} policy_more_t;

/* One step of a policy: the client must pass one of its sub-methods. */
typedef struct policy_step {
    const method_t *methods[METHODS + 1]; /* the best first, each once; ends in NULL */
    guint grade;                          /* what passing is worth */
    guint go_on; /* a failure is not the end: the next sub-method is tried, then the next step */
} policy_step_t;

/* Zero but for the steps: asks for more relatively, and refuses with Do FAILURE and without a text. */
typedef struct policy {
    GArray *steps;       /* of policy_step_t, at least one */
    guint more;          /* policy_more_t */
    guint by_failure;    /* a client that offers nothing acceptable is refused by Failure, not Do FAILURE */
    guint minimum_grade; /* of a login */
    gboolean sends_grade;
    char *failure_text; /* the DATA of a refusal, or NULL */
} policy_t;

/* One client's way through a policy, which must outlive it. Begins as zero but for that. */
typedef struct policy_run {
    const policy_t *policy;
    method_id_t offered[METHODS]; /* the id by which each sub-method is; empty if it is not */
    guint lists;
    gboolean has_more;
    guint step;
    guint tried; /* which sub-methods of the step were: a bit for each; with any, the last one failed */
    guint passed, grade;
    gboolean failed;

    /* What has been decided last: */
    const method_t *method; /* to do, */
    method_id_t id;         /* by the id it was offered with */
    guint32 flags;          /* of Request additional */
    const char *reason;     /* why the client is refused, for the log; NULL when it is not */
} policy_run_t;

/* The client has sent a list, in which MORE_METHODS_AVAILABLE may be. */
void policy_offer(policy_run_t *run, const method_id_t *ids, gsize count);

/* The sub-method decided on last has ended. */
void policy_result(policy_run_t *run, gboolean passed);

/* Decides, once the client has sent a list or asked what next. Returns INSTR: Do (of FAILURE, with a reason),
 * Request additional, Success or Failure. */
guint8 policy_decide(policy_run_t *run);

#endif /* POLICY_H */
