/* maf-policy.h
 * Which sub-methods a client must pass, in which order, and what that is worth
 *
 * The draft's Authentication Management Server (draft-00, Abstract): it selects the sub-methods, orders them,
 * and assigns a grade to the whole. Pure functions; the server does what they decide.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_POLICY_H
#define MAF_POLICY_H

#include "maf-method.h"

/* Lists that one client may send in a session. */
#define MAF_LISTS_MAX 16

/* How to ask a client for sub-methods it has not offered yet (draft-00, Subnegotiation). */
typedef enum maf_more {
    MAF_MORE_RELATIVE, /* for those it has not sent */
    MAF_MORE_ABSOLUTE, /* for the list from its beginning, once; after that for those it has not sent */
    MAF_MORE_NEVER,
} maf_more_t;

/* One step of a policy: the client must pass one of its sub-methods. */
typedef struct maf_step {
    GPtrArray *methods; /* of maf_method_t, which are not owned; the best first, each once, 32 at most */
    guint grade;        /* what passing is worth */
    gboolean go_on;     /* a failure is not the end: the next sub-method is tried, then the next step */
} maf_step_t;

typedef struct maf_policy {
    GArray *steps; /* of maf_step_t, at least one */
    maf_more_t more;
    guint8 unacceptable; /* the INSTR that tells a client that it offers nothing acceptable: Do, or Failure */
    guint minimum_grade; /* of a login */
    gboolean tells_grade; /* success carries the grade */
    char *failure_text;   /* the DATA of a refusal, or NULL */
} maf_policy_t;

/* No steps yet; more sub-methods are asked for relatively, and do FAILURE says that none is acceptable. */
maf_policy_t *maf_policy_new(void);
void maf_policy_free(maf_policy_t *policy);

/* Adds a step. Takes `methods`. */
void maf_policy_add(maf_policy_t *policy, GPtrArray *methods, guint grade, gboolean go_on);

/* One client's way through a policy, which must outlive it. */
typedef struct maf_policy_run {
    const maf_policy_t *policy;
    GArray *offered; /* of maf_id_t, each once: those that this program has a sub-method for */
    guint lists;
    gboolean has_more, started_again;
    guint step;
    guint32 tried; /* which sub-methods of the step were: bit i for methods[i] */
    guint passed, grade;
    gboolean failed, over;
} maf_policy_run_t;

void maf_policy_start(maf_policy_run_t *run, const maf_policy_t *policy);
void maf_policy_stop(maf_policy_run_t *run);

/* What the server does next. */
typedef struct maf_decision {
    guint8 instr;  /* Do, Request additional, Success or Failure */
    guint16 flags; /* of Request additional */

    /* Do: this sub-method, by the id it was offered with, or for NULL FAILURE */
    const maf_method_t *method;
    maf_id_t id;

    const char *reason; /* why a client is refused, for the server's log; NULL when it is not */
} maf_decision_t;

/* The client has sent a list, in which MORE_METHODS_AVAILABLE may be. */
void maf_policy_offer(maf_policy_run_t *run, const maf_id_t *ids, gsize count);

/* The sub-method decided on last has ended. */
void maf_policy_result(maf_policy_run_t *run, gboolean passed);

/* Decides, once the client has sent a list or asked what next. */
maf_decision_t maf_policy_decide(maf_policy_run_t *run);

#endif /* MAF_POLICY_H */
