/* users.c
 * Whom the server lets in and by what secret
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "users.h"

#include <gsasl.h>
#include <string.h>

#define SCHEME   "{SCRAM-SHA-256}"
#define HASH_LEN GSASL_HASH_SHA256_SIZE

void
user_free(user_t *user)
{
    if (!user)
        return;
    for (char **part = user->scram; part && *part; part++)
        wipe_and_free(*part);
    g_free(user->scram);
    wipe_and_free(user->password);
    g_free(user->name);
    g_free(user);
}

char *
sasl_prepare(const char *text)
{
    char *prepared = NULL;

    if (gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) != GSASL_OK)
        return NULL;
    char *copy = *prepared ? g_strdup(prepared) : NULL;
    explicit_bzero(prepared, strlen(prepared));
    gsasl_free(prepared);
    return copy;
}

users_t *
users_new(void)
{
    users_t *users = g_new0(users_t, 1);
    char secret[HASH_LEN];

    if (gsasl_nonce(secret, sizeof secret) != GSASL_OK)
        g_error("no random numbers");
    users->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    users->secret = g_base64_encode((const guchar *)secret, sizeof secret);
    return users;
}

/* Is this the base64 of `len` bytes, or of any number of them but none for 0? */
static gboolean
is_base64(const char *text, gsize len)
{
    gsize got = 0;
    g_autofree guchar *bytes = g_base64_decode(text, &got);
    g_autofree char *again = g_base64_encode(bytes, got);

    return got > 0 && (len == 0 || got == len) && strcmp(text, again) == 0;
}

/* What is wrong with it, or NULL. */
static const char *
parse_scram(user_t *user, const char *text)
{
    user->scram = g_strsplit(g_str_has_prefix(text, SCHEME) ? text + strlen(SCHEME) : "", ",", -1);
    if (g_strv_length(user->scram) != SCRAM_PARTS || !is_base64(user->scram[SCRAM_SALT], 0) ||
        !is_base64(user->scram[SCRAM_STORED_KEY], HASH_LEN) ||
        !is_base64(user->scram[SCRAM_SERVER_KEY], HASH_LEN))
        return "expected " SCHEME "iterations,salt,StoredKey,ServerKey";
    if (!g_ascii_string_to_unsigned(user->scram[SCRAM_ITERATIONS], 10, ITERATIONS_MIN, ITERATIONS_MAX, NULL,
                                    NULL))
        return "expected " G_STRINGIFY(ITERATIONS_MIN) " to " G_STRINGIFY(ITERATIONS_MAX) " iterations";
    return NULL;
}

static const char *
fill_in(const users_t *users, user_t *user, const char *scram, const char *password, const char **key)
{
    *key = NULL;
    if (!user->name)
        return "the name is empty or has characters that SASL does not allow";
    if (g_hash_table_contains(users->by_name, user->name))
        return "the user is there already";
    if (!scram && !password)
        return "expected scram= or password=";
    *key = "password";
    user->password = password ? sasl_prepare(password) : NULL;
    if (password && !user->password)
        return "the password is empty or has characters that SASL does not allow";
    *key = "scram";
    return scram ? parse_scram(user, scram) : NULL;
}

const char *
users_add(users_t *users, const char *name, const char *scram, const char *password, const char **key)
{
    user_t *user = g_new0(user_t, 1);

    user->name = sasl_prepare(name);
    const char *wrong = fill_in(users, user, scram, password, key);
    if (wrong) {
        user_free(user);
        return wrong;
    }
    g_hash_table_insert(users->by_name, user->name, user);
    users->any_password |= password != NULL;
    if (scram && !users->example)
        users->example = user;
    return NULL;
}

gboolean
users_have(const users_t *users, secret_kind_t kind)
{
    return kind == SECRET_NONE || (kind == SECRET_SCRAM ? users->example != NULL : users->any_password);
}

/* Bytes that only the secret determines, always the same for a name, in base64. */
static char *
invent(const users_t *users, const char *what, const char *name, gsize len)
{
    guint8 bytes[HASH_LEN];
    gsize bytes_len = sizeof bytes;
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)users->secret, strlen(users->secret));

    g_hmac_update(hmac, (const guchar *)what, (gssize)strlen(what) + 1);
    g_hmac_update(hmac, (const guchar *)name, (gssize)strlen(name));
    g_hmac_get_digest(hmac, bytes, &bytes_len);
    g_hmac_unref(hmac);
    return g_base64_encode(bytes, MIN(len, sizeof bytes));
}

static user_t *
make_decoy(const users_t *users, const char *name)
{
    const user_t *example = users->example;
    user_t *decoy = g_new0(user_t, 1);
    gsize salt_len = 0;

    decoy->is_decoy = TRUE;
    decoy->name = g_strdup(name);
    decoy->password = invent(users, "password", name, HASH_LEN);
    if (example) {
        decoy->scram = g_new0(char *, SCRAM_PARTS + 1);
        g_free(g_base64_decode(example->scram[SCRAM_SALT], &salt_len));
        decoy->scram[SCRAM_ITERATIONS] = g_strdup(example->scram[SCRAM_ITERATIONS]);
        decoy->scram[SCRAM_SALT] = invent(users, "salt", name, salt_len);
        decoy->scram[SCRAM_STORED_KEY] = invent(users, "stored key", name, HASH_LEN);
        decoy->scram[SCRAM_SERVER_KEY] = invent(users, "server key", name, HASH_LEN);
    }
    return decoy;
}

const user_t *
users_look_up(const users_t *users, const char *name, secret_kind_t kind, user_t **decoy)
{
    g_autofree char *prepared = sasl_prepare(name);
    const user_t *known = g_hash_table_lookup(users->by_name, prepared ? prepared : "");
    const gboolean has = known && (kind == SECRET_SCRAM ? known->scram != NULL : known->password != NULL);

    /* Made for those who are known as well, or making it would show who is not. */
    *decoy = make_decoy(users, prepared ? prepared : name);
    return has ? known : *decoy;
}

gboolean
user_check_password(const user_t *user, const char *password)
{
    char salted[HASH_LEN], client[HASH_LEN], server[HASH_LEN], stored[HASH_LEN] = "";
    gsize salt_len, stored_len;
    g_autofree guchar *salt = g_base64_decode(user->scram[SCRAM_SALT], &salt_len);
    g_autofree guchar *known = g_base64_decode(user->scram[SCRAM_STORED_KEY], &stored_len);
    const unsigned iterations = (unsigned)g_ascii_strtoull(user->scram[SCRAM_ITERATIONS], NULL, 10);
    volatile guint8 difference = user->is_decoy;

    if (gsasl_scram_secrets_from_password(GSASL_HASH_SHA256, password, iterations, (const char *)salt,
                                          salt_len, salted, client, server, stored) != GSASL_OK)
        difference = 1;
    /* Takes as long for bytes that differ early as for ones that differ late. */
    for (gsize i = 0; i < HASH_LEN; i++)
        difference |= (guint8)stored[i] ^ known[i];
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client, sizeof client);
    explicit_bzero(server, sizeof server);
    return difference == 0;
}
