/* method.h
 * Sub-methods, which MAF runs in sequence: the Internal Test Method, and SASL mechanisms by GNU SASL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef METHOD_H
#define METHOD_H

#include "fault.h"

/* What the server must know of a user to check one kind of proof. */
typedef enum secret_kind { SECRET_NONE, SECRET_SCRAM, SECRET_PASSWORD, SECRET_KINDS } secret_kind_t;

typedef struct user {
    char *name;     /* prepared by SASLprep (RFC 4013) */
    char *password; /* or NULL */
    char **scram;   /* the SCRAM-SHA-256 secret (RFC 5802, section 3), a number and base64, or NULL */
} user_t;

typedef struct users {
    GHashTable *by_name;         /* of user_t, owned */
    char **example;              /* the first SCRAM secret, or NULL */
    gboolean have[SECRET_KINDS]; /* is this known of anybody? SECRET_NONE always is */
    char *secret;                /* from which decoys are made; owned */
} users_t;

/* Nobody yet, and a random secret. They stay until the program ends. */
users_t *users_new(void);

/* Adds a user; `scram`, as `gsasl --mkpasswd` prints it, or `password` may be NULL. Returns NULL, or what is
 * wrong with *key, or for NULL with the name. */
const char *users_add(users_t *users, const char *name, const char *scram, const char *password,
                      const char **key);

/* A name or password by SASLprep (RFC 4013), to be freed; NULL if not allowed, or empty. */
char *sasl_prepare(const char *text);

#define METHODS 4 /* so many sub-methods there are */

typedef struct method {
    guint index; /* among all */
    guint32 id;
    const char *name;   /* on screen and in the log */
    const char *word;   /* in a configuration and on the command line; to SASL, its mechanism */
    secret_kind_t need; /* what the server must know of a user for it; of none, unless it is SASL's */
} method_t;

/* What the user configured for the sub-methods. Must outlive the runs that use it; any thread reads it. */
typedef struct method_settings {
    GString *test_data;    /* what the server's Internal Test Method sends */
    const users_t *users;  /* whom the server knows, or NULL */
    char *user, *password; /* who the client is, or both NULL */
} method_settings_t;

/* The sub-method of an id, its number or its UUID (draft-00, Current MAF Sub-Methods), or that of a word in
 * any case; or NULL. */
const method_t *method_find(const method_id_t *id);
const method_t *method_find_word(const char *word);

/* From now on the Internal Test Method has this number. FALSE for one with a name. Call before threads. */
gboolean method_rename_test(guint32 number);

/* One run of a sub-method, on this side. */
typedef struct method_run {
    const method_t *method;
    pair_side_t side;
    const method_settings_t *settings;
    GError **error;     /* for STEP_BROKEN */
    GByteArray *answer; /* the DATA to answer the last step with, or NULL */

    /* SASL */
    struct Gsasl_session *session;
    guint steps;
    const user_t *user; /* the server's: whom the client says it is, or the decoy; NULL so far */
    user_t *decoy;      /* stands for a user that is not known, and whose proofs are all wrong */
} method_run_t;

/* FALSE, and no error, when the settings or GNU SASL lack what it takes. `error` is for the steps. End with
 * method_stop() in any case. */
gboolean method_start(method_run_t *run, const method_t *method, pair_side_t side,
                      const method_settings_t *settings, GError **error);
void method_stop(method_run_t *run);

/* What a run says of itself after a step. */
typedef enum step {
    STEP_OPEN,   /* waits for the other side's bytes */
    STEP_PASSED, /* done, and satisfied */
    STEP_FAILED, /* done, and not */
    STEP_BROKEN, /* the other side broke the sub-method's own rules: the client's error is set */
} step_t;

/* Gives the run the DATA of Do or Process; NULL at its first step when the other side has sent nothing yet:
 * the server's, and in revision 01, where Do has no DATA, the client's. */
step_t method_step(method_run_t *run, const guint8 *in, gsize in_len);

#endif /* METHOD_H */
