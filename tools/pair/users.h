/* users.h
 * Whom the server lets in and by what secret
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USERS_H
#define USERS_H

#include "pdu.h"

/* PBKDF2 iterations of a SCRAM secret: RFC 7677's minimum, and what is more than anybody's patience. */
#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 1000000

/* What the server must know of a user to check one kind of proof. */
typedef enum secret_kind { SECRET_NONE, SECRET_SCRAM, SECRET_PASSWORD } secret_kind_t;

/* What the server knows of one user. */
typedef struct user {
    char *name;        /* prepared by SASLprep (RFC 4013) */
    char *password;    /* or NULL */
    char **scram;      /* the SCRAM-SHA-256 secret (RFC 5802, section 3), a number and base64, or NULL */
    gboolean is_decoy; /* stands for a user that is not known, and whose proofs are all wrong */
} user_t;

enum scram_part { SCRAM_ITERATIONS, SCRAM_SALT, SCRAM_STORED_KEY, SCRAM_SERVER_KEY, SCRAM_PARTS };

/* Overwrites and frees it. NULL is fine. */
void user_free(user_t *user);

typedef struct users {
    GHashTable *by_name;   /* of user_t, owned */
    const user_t *example; /* the first who has a SCRAM secret, or NULL */
    gboolean any_password;
    char *secret; /* from which decoys are made; owned */
} users_t;

/* Nobody yet, and a random secret. They stay until the program ends. */
users_t *users_new(void);

/*
 * Adds a user. `scram` is what `gsasl --mkpasswd` prints, {SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey;
 * it or `password` may be NULL. Returns NULL, or what is wrong, of *key, or for NULL of the name.
 */
const char *users_add(users_t *users, const char *name, const char *scram, const char *password,
                      const char **key);

/* Is there anybody of whom this is known? SECRET_NONE always is. */
gboolean users_have(const users_t *users, secret_kind_t kind);

/*
 * What is known of a user, or a decoy: for an unknown name, or a user without that secret, the same one at
 * each attempt, as costly to find and to check as a known one. Not for a secret that nobody has. Sets *decoy,
 * to be freed by user_free() when both are done with.
 */
const user_t *users_look_up(const users_t *users, const char *name, secret_kind_t kind, user_t **decoy);

/* Is this prepared password the one of the user's SCRAM secret? Takes as long for a decoy. */
gboolean user_check_password(const user_t *user, const char *password);

/* A name or password by SASLprep (RFC 4013), to be wiped and freed; NULL if not allowed, or empty. */
char *sasl_prepare(const char *text);

#endif /* USERS_H */
