/* maf-users.h
 * Whom the server lets in and by what secret, and who the client is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_USERS_H
#define MAF_USERS_H

#include <glib.h>

/* PBKDF2 iterations of a SCRAM verifier: RFC 7677's minimum, and what is more than anybody's patience. */
#define MAF_ITERATIONS_MIN 4096
#define MAF_ITERATIONS_MAX 1000000

/* What the client proves to know. */
typedef struct maf_credentials {
    char *user, *password;
} maf_credentials_t;

/* Overwrites and frees both strings. */
void maf_credentials_clear(maf_credentials_t *credentials);

/* g_free() for a string that is overwritten first. NULL is fine. */
void maf_wipe_and_free(char *secret);

/* g_byte_array_unref() for octets that are overwritten first. */
void maf_wipe_and_unref(GByteArray *secret);

/* What the server must know of a user to check one kind of proof. */
typedef enum maf_secret {
    MAF_SECRET_NONE,
    MAF_SECRET_FOR_PASSWORD, /* whether a password is right: a crypt(3) hash, or else a SCRAM verifier */
    MAF_SECRET_VERIFIER,     /* a SCRAM verifier */
    MAF_SECRET_PASSWORD,     /* the password itself */
} maf_secret_t;

/* What the server knows of one user. Each may be NULL, the four of the verifier together. */
typedef struct maf_user {
    char *name;       /* prepared by SASLprep (RFC 4013) */
    char *crypt_hash; /* as crypt(3) makes it */
    char *password;

    /* The SCRAM-SHA-256 verifier: a decimal number, and base64 (RFC 5802, section 3) */
    char *iterations, *salt, *stored_key, *server_key;

    gboolean decoy; /* stands for a user that is not known, and whose proofs are all wrong */
} maf_user_t;

/* Overwrites and frees what NULL is fine for, too. */
void maf_user_free(maf_user_t *user);

typedef struct maf_users maf_users_t;

/* Nobody yet. Decoys are made from the `seed`, of which a copy is kept: let it be secret and long-lived. */
maf_users_t *maf_users_new(const void *seed, gsize seed_len);
void maf_users_free(maf_users_t *users);

/*
 * Adds a user with what is known of them: `scram`, a verifier as RFC 5803 writes it,
 * SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey; `crypt_hash`; `password`. Each may be NULL, not all.
 * FALSE, with G_KEY_FILE_ERROR_INVALID_VALUE whose message tells no secret, for what cannot be understood or
 * used and for a name that is there already.
 */
gboolean maf_users_add(maf_users_t *users, const char *name, const char *scram, const char *crypt_hash,
                       const char *password, GError **error);

/* Is there anybody of whom this secret is known? MAF_SECRET_NONE is always. */
gboolean maf_users_have(const maf_users_t *users, maf_secret_t need);

/*
 * What is known of a user, or a decoy: for an unknown name, or a user without that secret, the same decoy at
 * each attempt, as costly to check as the first user who has the secret. Not for a secret that nobody has.
 * The caller frees it with maf_user_free().
 */
maf_user_t *maf_users_look_up(const maf_users_t *users, const char *name, maf_secret_t need);

/* Is this prepared password the user's? For MAF_SECRET_FOR_PASSWORD; takes as long for a decoy. */
gboolean maf_user_check_password(const maf_user_t *user, const char *password);

/*
 * A user's group for the configuration file, with a crypt(3) hash and a SCRAM verifier of the password under
 * new salts. The caller frees it. NULL, with G_KEY_FILE_ERROR_INVALID_VALUE, for a name or password that
 * SASLprep does not allow, or a name that a group cannot have.
 */
char *maf_users_make(const char *name, const char *password, GError **error);

/* A name or password as SASLprep (RFC 4013) has it; the caller frees it. NULL for what it does not allow, and
 * for an empty one. */
char *maf_users_prepare(const char *text);

#endif /* MAF_USERS_H */
