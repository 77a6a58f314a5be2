/* method.h
 * Sub-methods: the modules that MAF runs in sequence. The Internal Test Method, and SASL mechanisms by GNU
 * SASL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef METHOD_H
#define METHOD_H

#include "fault.h"
#include "users.h"

/* How many there are. */
#define METHODS 4

typedef struct method {
    guint index; /* among all */
    guint32 id;
    const char *name;   /* on screen and in the log */
    const char *word;   /* in a configuration and on the command line; to SASL, its mechanism */
    secret_kind_t need; /* what the server must know of a user for it; of none, unless it is SASL's */
} method_t;

/* What the user configured for the sub-methods. Must outlive the runs that use it; any thread reads it. */
typedef struct method_settings {
    GBytes *test_data;                /* what the server's Internal Test Method sends */
    const users_t *users;             /* whom the server knows, or NULL */
    const credentials_t *credentials; /* who the client is, or NULL */
} method_settings_t;

/* The sub-method of an id, its number or its UUID, or NULL (draft-00, Current MAF Sub-Methods). */
const method_t *method_find(const method_id_t *id);

/* The sub-method called `word`, in any case, or NULL. */
const method_t *method_find_word(const char *word);

/* From now on the Internal Test Method goes by this number. FALSE for one that has a name. Call before
 * threads. */
gboolean method_rename_test(guint32 number);

/* One run of a sub-method, on this side. */
typedef struct method_run method_run_t;

/* NULL when the settings lack what it takes. Ended by method_stop(), for which NULL is fine. */
method_run_t *method_start(const method_t *method, pair_side_t side, const method_settings_t *settings);
void method_stop(method_run_t *run);

/* What a run says of itself after a step. */
typedef enum step {
    STEP_OPEN,   /* waits for the other side's bytes */
    STEP_PASSED, /* done, and satisfied */
    STEP_FAILED, /* done, and not */
    STEP_BROKEN, /* the other side broke the sub-method's own rules; on the client's side only */
} step_t;

/*
 * Gives the run the DATA of a do or process; NULL at its first step when the other side has sent nothing yet:
 * the server's, and in revision 01, where do has no DATA, the client's. Sets `error` for STEP_BROKEN.
 */
step_t method_step(method_run_t *run, const guint8 *in, gsize in_len, GError **error);

/* The DATA to answer the last step with, the run's until the next; NULL for none. */
const GByteArray *method_answer(const method_run_t *run);

/* The user that a server's run has been named, proved to be one only when it passed; NULL for nobody. */
const char *method_user(const method_run_t *run);

#endif /* METHOD_H */
