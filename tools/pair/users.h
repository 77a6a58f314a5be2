/* users.h
 * Whom the server lets in and by what secret, and who the client is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USERS_H
#define USERS_H

#include "bytes.h"

/* PBKDF2 iterations of a SCRAM secret: RFC 7677's minimum, and what is more than anybody's patience. */
#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 1000000

/* Who the client is. Both NULL: nobody. */
typedef struct credentials {
    char *user, *password;
} credentials_t;

/* Overwrites and frees both strings. */
void credentials_clear(credentials_t *credentials);

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

typedef struct users users_t;

/* Nobody yet, and a random secret to make decoys from. */
users_t *users_new(void);
void users_free(users_t *users);

/* Makes decoys from this text from now on, unless it is NULL. */
void users_set_secret(users_t *users, const char *secret);

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
 * which the caller frees with user_free() when it is done with both.
 */
const user_t *users_look_up(const users_t *users, const char *name, secret_kind_t kind, user_t **decoy);

/* Is this prepared password the one of the user's SCRAM secret? Takes as long for a decoy. */
gboolean user_check_password(const user_t *user, const char *password);

/* A name or password as SASLprep (RFC 4013) has it, to be wiped and freed; NULL for what it does not allow,
 * and for an empty one. */
char *sasl_prepare(const char *text);

#endif /* USERS_H */
