/* maf-users.c
 * Whom the server lets in and by what secret, and who the client is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-users.h"

#include <crypt.h>
#include <gsasl.h>
#include <string.h>

#define SCRAM_SCHEME "SCRAM-SHA-256$"

/* Of the verifiers made here */
#define SCRAM_ITERATIONS 65536
#define SCRAM_SALT_LEN   16

struct maf_users {
    GHashTable *by_name;
    GPtrArray *in_order; /* of maf_user_t, owned */
    GBytes *seed;
};

/* Secrets */

void
maf_wipe_and_free(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

void
maf_wipe_and_unref(GByteArray *secret)
{
    if (secret->len > 0)
        explicit_bzero(secret->data, secret->len);
    g_byte_array_unref(secret);
}

void
maf_credentials_clear(maf_credentials_t *credentials)
{
    g_clear_pointer(&credentials->user, maf_wipe_and_free);
    g_clear_pointer(&credentials->password, maf_wipe_and_free);
}

void
maf_user_free(maf_user_t *user)
{
    if (!user)
        return;
    g_free(user->name);
    maf_wipe_and_free(user->crypt_hash);
    maf_wipe_and_free(user->password);
    g_free(user->iterations);
    g_free(user->salt);
    maf_wipe_and_free(user->stored_key);
    maf_wipe_and_free(user->server_key);
    g_free(user);
}

static gboolean
has(const maf_user_t *user, maf_secret_t need)
{
    switch (need) {
    case MAF_SECRET_FOR_PASSWORD:
        return user->crypt_hash || user->stored_key;
    case MAF_SECRET_VERIFIER:
        return user->stored_key != NULL;
    case MAF_SECRET_PASSWORD:
        return user->password != NULL;
    default:
        return TRUE;
    }
}

/* libgsasl allocates with malloc(), whatever GLib does. */
static char *
adopt(char *from_gsasl)
{
    char *copy = g_strdup(from_gsasl);
    if (from_gsasl)
        explicit_bzero(from_gsasl, strlen(from_gsasl));
    gsasl_free(from_gsasl);
    return copy;
}

char *
maf_users_prepare(const char *text)
{
    char *prepared = NULL;

    if (gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) != GSASL_OK)
        return NULL;
    if (!*prepared) {
        gsasl_free(prepared);
        return NULL;
    }
    return adopt(prepared);
}

/* Takes as long for octets that differ early as for ones that differ late. */
static gboolean
are_equal(const void *a, const void *b, gsize len)
{
    const guint8 *x = a, *y = b;
    volatile guint8 difference = 0;

    for (gsize i = 0; i < len; i++)
        difference |= x[i] ^ y[i];
    return difference == 0;
}

/* Everybody */

static gboolean G_GNUC_PRINTF(2, 3) refuse(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (error)
        *error = g_error_new_valist(G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, format, args);
    va_end(args);
    return FALSE;
}

maf_users_t *
maf_users_new(const void *seed, gsize seed_len)
{
    maf_users_t *users = g_new0(maf_users_t, 1);

    users->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    users->in_order = g_ptr_array_new_with_free_func((GDestroyNotify)maf_user_free);
    users->seed = g_bytes_new(seed, seed_len);
    return users;
}

void
maf_users_free(maf_users_t *users)
{
    if (!users)
        return;
    g_hash_table_unref(users->by_name);
    g_ptr_array_unref(users->in_order);
    g_bytes_unref(users->seed);
    g_free(users);
}

/* Is this the base64 of `len` octets, or of any number of them but none for 0? */
static gboolean
is_base64(const char *text, gsize len)
{
    gsize got = 0;
    guchar *octets = g_base64_decode(text, &got);
    g_autofree char *again = g_base64_encode(octets, got);

    explicit_bzero(octets, got);
    g_free(octets);
    return got > 0 && (len == 0 || got == len) && strcmp(text, again) == 0;
}

static gboolean
parse_verifier(maf_user_t *user, const char *text, GError **error)
{
    if (!g_str_has_prefix(text, SCRAM_SCHEME))
        return refuse(error, "does not begin with " SCRAM_SCHEME);

    g_auto(GStrv) parts = g_strsplit_set(text + strlen(SCRAM_SCHEME), ":$", -1);
    const gsize hash_len = gsasl_hash_length(GSASL_HASH_SHA256);
    if (g_strv_length(parts) != 4 || !is_base64(parts[1], 0) || !is_base64(parts[2], hash_len) ||
        !is_base64(parts[3], hash_len))
        return refuse(error, "is not " SCRAM_SCHEME "iterations:salt$StoredKey:ServerKey");
    if (!g_ascii_string_to_unsigned(parts[0], 10, MAF_ITERATIONS_MIN, MAF_ITERATIONS_MAX, NULL, NULL))
        return refuse(error, "its iterations are not %d to %d", MAF_ITERATIONS_MIN, MAF_ITERATIONS_MAX);
    user->iterations = g_strdup(parts[0]);
    user->salt = g_strdup(parts[1]);
    user->stored_key = g_strdup(parts[2]);
    user->server_key = g_strdup(parts[3]);
    return TRUE;
}

static gboolean
fill_in(maf_user_t *user, const char *scram, const char *crypt_hash, const char *password, GError **error)
{
    if (scram && !parse_verifier(user, scram, error)) {
        g_prefix_error(error, "scram: ");
        return FALSE;
    }
    if (crypt_hash && (strlen(crypt_hash) < 13 || crypt_checksalt(crypt_hash) == CRYPT_SALT_INVALID))
        return refuse(error, "crypt: is not a hash that crypt(3) knows");
    user->crypt_hash = g_strdup(crypt_hash);
    user->password = password ? maf_users_prepare(password) : NULL;
    if (password && !user->password)
        return refuse(error, "password: is empty or has characters that SASL does not allow");
    if (!scram && !crypt_hash && !password)
        return refuse(error, "none of scram, crypt and password is there");
    return TRUE;
}

gboolean
maf_users_add(maf_users_t *users, const char *name, const char *scram, const char *crypt_hash,
              const char *password, GError **error)
{
    maf_user_t *user = g_new0(maf_user_t, 1);

    user->name = maf_users_prepare(name);
    if (!user->name)
        refuse(error, "the name is empty or has characters that SASL does not allow");
    else if (g_hash_table_contains(users->by_name, user->name))
        refuse(error, "the user is there already");
    else if (fill_in(user, scram, crypt_hash, password, error)) {
        g_hash_table_insert(users->by_name, user->name, user);
        g_ptr_array_add(users->in_order, user);
        return TRUE;
    }
    maf_user_free(user);
    return FALSE;
}

static const maf_user_t *
find_first(const maf_users_t *users, maf_secret_t need)
{
    for (guint i = 0; i < users->in_order->len; i++) {
        if (has(users->in_order->pdata[i], need))
            return users->in_order->pdata[i];
    }
    return NULL;
}

gboolean
maf_users_have(const maf_users_t *users, maf_secret_t need)
{
    return need == MAF_SECRET_NONE || find_first(users, need);
}

/* One user, or a decoy */

/* Octets that only the seed tells, always the same for a name, in base64. */
static char *
invent(const maf_users_t *users, const char *what, const char *name, gsize len)
{
    guint8 octets[GSASL_HASH_SHA256_SIZE];
    gsize seed_len, octets_len = sizeof octets;
    const guint8 *seed = g_bytes_get_data(users->seed, &seed_len);
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, seed, seed_len);

    g_hmac_update(hmac, (const guchar *)what, (gssize)strlen(what) + 1);
    g_hmac_update(hmac, (const guchar *)name, (gssize)strlen(name));
    g_hmac_get_digest(hmac, octets, &octets_len);
    g_hmac_unref(hmac);
    return g_base64_encode(octets, MIN(len, sizeof octets));
}

static maf_user_t *
make_decoy(const maf_users_t *users, const char *name, const maf_user_t *model)
{
    maf_user_t *decoy = g_new0(maf_user_t, 1);

    decoy->decoy = TRUE;
    decoy->name = g_strdup(name);
    decoy->crypt_hash = g_strdup(model->crypt_hash);
    decoy->password = invent(users, "password", name, GSASL_HASH_SHA256_SIZE);
    if (model->stored_key) {
        gsize salt_len;
        g_free(g_base64_decode(model->salt, &salt_len));
        decoy->iterations = g_strdup(model->iterations);
        decoy->salt = invent(users, "salt", name, salt_len);
        decoy->stored_key = invent(users, "stored key", name, GSASL_HASH_SHA256_SIZE);
        decoy->server_key = invent(users, "server key", name, GSASL_HASH_SHA256_SIZE);
    }
    return decoy;
}

maf_user_t *
maf_users_look_up(const maf_users_t *users, const char *name, maf_secret_t need)
{
    g_autofree char *prepared = maf_users_prepare(name);
    const maf_user_t *known = prepared ? g_hash_table_lookup(users->by_name, prepared) : NULL;

    if (!known || !has(known, need))
        return make_decoy(users, prepared ? prepared : name, find_first(users, need));

    maf_user_t *user = g_new0(maf_user_t, 1);
    *user = (maf_user_t){.name = g_strdup(known->name),
                         .crypt_hash = g_strdup(known->crypt_hash),
                         .password = g_strdup(known->password),
                         .iterations = g_strdup(known->iterations),
                         .salt = g_strdup(known->salt),
                         .stored_key = g_strdup(known->stored_key),
                         .server_key = g_strdup(known->server_key)};
    return user;
}

/* Passwords */

typedef struct scram_keys {
    char salted_password[GSASL_HASH_SHA256_SIZE], client[GSASL_HASH_SHA256_SIZE];
    char server[GSASL_HASH_SHA256_SIZE], stored[GSASL_HASH_SHA256_SIZE];
} scram_keys_t;

static gboolean
derive_keys(scram_keys_t *keys, const char *password, guint iterations, const void *salt, gsize salt_len)
{
    return gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, password, iterations, salt, salt_len,
                                             keys->salted_password, keys->client, keys->server,
                                             keys->stored) == GSASL_OK;
}

static gboolean
check_by_verifier(const maf_user_t *user, const char *password)
{
    scram_keys_t keys = {{0}, {0}, {0}, {0}};
    gsize salt_len, stored_len;
    g_autofree guchar *salt = g_base64_decode(user->salt, &salt_len);
    g_autofree guchar *stored = g_base64_decode(user->stored_key, &stored_len);
    const guint iterations = (guint)g_ascii_strtoull(user->iterations, NULL, 10);
    const gboolean right = derive_keys(&keys, password, iterations, salt, salt_len) &&
                           are_equal(keys.stored, stored, stored_len);

    explicit_bzero(&keys, sizeof keys);
    return right;
}

static gboolean
check_by_crypt(const maf_user_t *user, const char *password)
{
    struct crypt_data *data = g_new0(struct crypt_data, 1);
    const char *hash = crypt_r(password, user->crypt_hash, data);
    const gsize len = strlen(user->crypt_hash);
    const gboolean right =
        hash && hash[0] != '*' && strlen(hash) == len && are_equal(hash, user->crypt_hash, len);

    explicit_bzero(data, sizeof *data);
    g_free(data);
    return right;
}

gboolean
maf_user_check_password(const maf_user_t *user, const char *password)
{
    const gboolean right =
        user->crypt_hash ? check_by_crypt(user, password) : check_by_verifier(user, password);
    return right && !user->decoy;
}

/* New users */

static char *
make_verifier(const char *password)
{
    char salt[SCRAM_SALT_LEN];
    scram_keys_t keys;
    char *text = NULL;

    if (gsasl_nonce(salt, sizeof salt) == GSASL_OK &&
        derive_keys(&keys, password, SCRAM_ITERATIONS, salt, sizeof salt)) {
        g_autofree char *salt_text = g_base64_encode((const guchar *)salt, sizeof salt);
        g_autofree char *stored = g_base64_encode((const guchar *)keys.stored, sizeof keys.stored);
        g_autofree char *server = g_base64_encode((const guchar *)keys.server, sizeof keys.server);
        text = g_strdup_printf(SCRAM_SCHEME "%d:%s$%s:%s", SCRAM_ITERATIONS, salt_text, stored, server);
    }
    explicit_bzero(&keys, sizeof keys);
    return text;
}

static char *
make_crypt_hash(const char *password)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = g_new0(struct crypt_data, 1);
    char *text = NULL;

    if (crypt_gensalt_rn(NULL, 0, NULL, 0, setting, sizeof setting)) {
        const char *hash = crypt_r(password, setting, data);
        text = hash && hash[0] != '*' ? g_strdup(hash) : NULL;
    }
    explicit_bzero(data, sizeof *data);
    g_free(data);
    return text;
}

char *
maf_users_make(const char *name, const char *password, GError **error)
{
    g_autofree char *prepared_name = maf_users_prepare(name);
    char *prepared = maf_users_prepare(password);
    g_autofree char *hash = prepared ? make_crypt_hash(prepared) : NULL;
    g_autofree char *verifier = prepared ? make_verifier(prepared) : NULL;
    char *group = NULL;

    if (!prepared_name || strpbrk(prepared_name, "[]"))
        refuse(error,
               "the name is empty or has characters that SASL or the configuration file does not allow");
    else if (!prepared)
        refuse(error, "the password is empty or has characters that SASL does not allow");
    else if (!hash || !verifier)
        refuse(error, "the password cannot be hashed: too long?");
    else
        group = g_strdup_printf("[user %s]\nscram=%s\ncrypt=%s\n", prepared_name, verifier, hash);
    maf_wipe_and_free(prepared);
    return group;
}
