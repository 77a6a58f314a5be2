/* method.c
 * Sub-methods, which MAF runs in sequence: the Internal Test Method, and SASL mechanisms by GNU SASL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "method.h"

#include <gsasl.h>
#include <string.h>

/* A client's message longer than this, in bytes, is refused. */
#define SASL_MESSAGE_MAX 4096

/* PBKDF2 iterations of a SCRAM secret: RFC 7677's minimum, and what is more than anybody's patience. */
#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 1000000

#define SCHEME   "{SCRAM-SHA-256}"
#define HASH_LEN GSASL_HASH_SHA256_SIZE

enum scram_part { SCRAM_ITERATIONS, SCRAM_SALT, SCRAM_STORED_KEY, SCRAM_SERVER_KEY, SCRAM_PARTS };

static method_t methods[METHODS] = {
    {0, MAF_METHOD_SASL_SCRAM_SHA_256, "SASL SCRAM-SHA-256", "SCRAM-SHA-256", SECRET_SCRAM},
    {1, MAF_METHOD_SASL_CRAM_MD5, "SASL CRAM-MD5", "CRAM-MD5", SECRET_PASSWORD},
    {2, MAF_METHOD_SASL_PLAIN, "SASL PLAIN", "PLAIN", SECRET_SCRAM},
    {3, MAF_METHOD_INTERNAL_TEST, "Internal Test Method", "internal-test", SECRET_NONE},
};
static method_t *const internal_test = &methods[3];

const method_t *
method_find(const method_id_t *id)
{
    method_id_t uuid;

    for (gsize i = 0; i < METHODS; i++) {
        const method_id_t compact = method_id_compact(methods[i].id);
        if (method_id_equal(id, &compact) ||
            (id->len == MAF_LONG_ID_LEN && method_id_uuid(&compact, &uuid) && method_id_equal(id, &uuid)))
            return &methods[i];
    }
    return NULL;
}

const method_t *
method_find_word(const char *word)
{
    for (gsize i = 0; i < METHODS; i++) {
        if (g_ascii_strcasecmp(word, methods[i].word) == 0)
            return &methods[i];
    }
    return NULL;
}

gboolean
method_rename_test(guint32 number)
{
    const method_id_t id = method_id_compact(number);
    g_autofree char *name = method_id_describe(&id);

    internal_test->id = number;
    return g_str_has_prefix(name, "X'");
}

static void
set_answer(method_run_t *run, const void *data, gsize len)
{
    run->answer = g_byte_array_sized_new((guint)len);
    g_byte_array_append(run->answer, data, (guint)len);
}

/* Internal Test Method: the server sends bytes, the client returns them, the server compares. */
static step_t
echo_step(method_run_t *run, const guint8 *in, gsize in_len)
{
    const GString *test_data = run->settings->test_data;

    if (run->side == PAIR_SERVER && in)
        return in_len == test_data->len && memcmp(in, test_data->str, in_len) == 0 ? STEP_PASSED
                                                                                   : STEP_FAILED;
    if (run->side == PAIR_SERVER)
        set_answer(run, test_data->str, test_data->len);
    else if (in)
        set_answer(run, in, in_len);
    return run->side == PAIR_CLIENT && in ? STEP_PASSED : STEP_OPEN;
}

/* Users */

static void
user_free(user_t *user)
{
    if (!user)
        return;
    g_strfreev(user->scram);
    g_free(user->password);
    g_free(user->name);
    g_free(user);
}

char *
sasl_prepare(const char *text)
{
    char *prepared = NULL;

    if (gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK && *prepared)
        return prepared;
    g_free(prepared);
    return NULL;
}

users_t *
users_new(void)
{
    users_t *users = g_new0(users_t, 1);
    char secret[HASH_LEN];

    if (gsasl_nonce(secret, sizeof secret) != GSASL_OK)
        g_error("no random numbers");
    users->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    users->have[SECRET_NONE] = TRUE;
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

const char *
users_add(users_t *users, const char *name, const char *scram, const char *password, const char **key)
{
    user_t *user = g_new0(user_t, 1);
    const char *wrong = NULL;

    *key = NULL;
    user->name = sasl_prepare(name);
    user->password = password ? sasl_prepare(password) : NULL;
    if (!user->name) {
        wrong = "the name is empty or has characters that SASL does not allow";
    } else if (g_hash_table_contains(users->by_name, user->name)) {
        wrong = "the user is there already";
    } else if (!scram && !password) {
        wrong = "expected scram= or password=";
    } else if (password && !user->password) {
        *key = "password";
        wrong = "the password is empty or has characters that SASL does not allow";
    } else if (scram) {
        *key = "scram";
        wrong = parse_scram(user, scram);
    }
    if (wrong) {
        user_free(user);
        return wrong;
    }
    if (scram && !users->example)
        users->example = user->scram;
    users->have[SECRET_SCRAM] |= scram != NULL;
    users->have[SECRET_PASSWORD] |= password != NULL;
    g_hash_table_insert(users->by_name, user->name, user);
    return NULL;
}

/* What is known of a user, or a decoy: for an unknown name, or a user without that secret, the same one at
 * each attempt, as costly to find and to check as a known one. Its salt shows, and is made of its name and
 * the users' secret. The rest is anybody's, since none of its proofs is accepted. */
static const user_t *
look_up(const users_t *users, const char *name, secret_kind_t kind, user_t **decoy)
{
    guint8 salt[HASH_LEN];
    gsize salt_len = sizeof salt, len;
    char *prepared = sasl_prepare(name);
    const user_t *known = g_hash_table_lookup(users->by_name, prepared ? prepared : "");
    const gboolean has = known && (kind == SECRET_SCRAM ? known->scram != NULL : known->password != NULL);

    /* Made for those who are known as well, or making it would show who is not. */
    user_t *user = *decoy = g_new0(user_t, 1);
    user->name = prepared ? prepared : g_strdup(name);
    user->password = g_strdup(users->secret);
    user->scram = g_strdupv(users->example);
    if (users->example) {
        GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)users->secret, strlen(users->secret));
        g_hmac_update(hmac, (const guchar *)"salt", sizeof "salt");
        g_hmac_update(hmac, (const guchar *)user->name, -1);
        g_hmac_get_digest(hmac, salt, &salt_len);
        g_hmac_unref(hmac);
        g_free(g_base64_decode(user->scram[SCRAM_SALT], &len));
        g_free(user->scram[SCRAM_SALT]);
        user->scram[SCRAM_SALT] = g_base64_encode(salt, MIN(len, sizeof salt));
    }
    return has ? known : user;
}

/* Is this prepared password the one of the user's SCRAM secret? Takes as long for a decoy, and for bytes that
 * differ late. */
static gboolean
check_password(const user_t *user, const char *password)
{
    char salted[HASH_LEN], client[HASH_LEN], server[HASH_LEN], stored[HASH_LEN] = "";
    gsize len;
    g_autofree guchar *salt = g_base64_decode(user->scram[SCRAM_SALT], &len);
    const unsigned iterations = (unsigned)g_ascii_strtoull(user->scram[SCRAM_ITERATIONS], NULL, 10);

    const int status = gsasl_scram_secrets_from_password(
        GSASL_HASH_SHA256, password, iterations, (const char *)salt, len, salted, client, server, stored);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client, sizeof client);
    explicit_bzero(server, sizeof server);
    g_autofree guchar *known = g_base64_decode(user->scram[SCRAM_STORED_KEY], &len);
    volatile guint8 difference = status != GSASL_OK;
    for (gsize i = 0; i < HASH_LEN; i++)
        difference |= (guint8)stored[i] ^ known[i];
    return difference == 0;
}

/* What GNU SASL asks */

static int
answer_for_client(method_run_t *run, Gsasl_session *session, Gsasl_property property)
{
    const char *iterations = gsasl_property_fast(session, GSASL_SCRAM_ITER);

    if (property == GSASL_AUTHID)
        return gsasl_property_set(session, property, run->settings->user);
    if (property != GSASL_PASSWORD)
        return GSASL_NO_CALLBACK;
    if (!iterations || g_ascii_string_to_unsigned(iterations, 10, ITERATIONS_MIN, ITERATIONS_MAX, NULL, NULL))
        return gsasl_property_set(session, property, run->settings->password);
    fail(run->error, STATUS_VIOLATION, "%s: expected %d to %d iterations, got %s", run->method->name,
         ITERATIONS_MIN, ITERATIONS_MAX, iterations);
    return GSASL_AUTHENTICATION_ERROR;
}

static int
answer(Gsasl *library G_GNUC_UNUSED, Gsasl_session *session, Gsasl_property property)
{
    static const Gsasl_property scram[] = {GSASL_SCRAM_ITER, GSASL_SCRAM_SALT, GSASL_SCRAM_STOREDKEY,
                                           GSASL_SCRAM_SERVERKEY};
    method_run_t *run = gsasl_session_hook_get(session);
    const char *name = gsasl_property_fast(session, GSASL_AUTHID);

    if (run->side == PAIR_CLIENT)
        return answer_for_client(run, session, property);
    if (!run->user)
        run->user = look_up(run->settings->users, name ? name : "", run->method->need, &run->decoy);
    if (property == GSASL_VALIDATE_SIMPLE)
        return check_password(run->user, gsasl_property_fast(session, GSASL_PASSWORD))
                   ? GSASL_OK
                   : GSASL_AUTHENTICATION_ERROR;
    if (property == GSASL_PASSWORD && run->method->need == SECRET_PASSWORD)
        return gsasl_property_set(session, property, run->user->password);
    for (gsize i = 0; i < G_N_ELEMENTS(scram); i++) {
        if (property == scram[i])
            return gsasl_property_set(session, property, run->user->scram[i]);
    }
    return GSASL_NO_CALLBACK;
}

/* SASL's steps */

/* gsasl_step() on bytes that it may take for a string. */
static int
sasl_step(method_run_t *run, const guint8 *in, gsize in_len)
{
    GString *input = g_string_new_len((const char *)in, (gssize)in_len);
    char *output = NULL;
    gsize output_len = 0;

    const int status = gsasl_step(run->session, input->str, in_len, &output, &output_len);
    if (output_len > 0 && (status == GSASL_OK || status == GSASL_NEEDS_MORE))
        set_answer(run, output, output_len);
    if (output)
        explicit_bzero(output, output_len);
    gsasl_free(output);
    explicit_bzero(input->str, in_len);
    g_string_free(input, TRUE);
    return status;
}

static step_t
sasl_step_of_client(method_run_t *run, const guint8 *in, gsize in_len)
{
    const gboolean is_scram = run->method->id == MAF_METHOD_SASL_SCRAM_SHA_256;

    if (is_scram && in && in_len >= 2 && memcmp(in, "e=", 2) == 0)
        return STEP_FAILED;
    const int status = sasl_step(run, in, in_len);
    if (status == GSASL_OK || status == GSASL_NEEDS_MORE)
        return status == GSASL_OK ? STEP_PASSED : STEP_OPEN;
    fail(run->error, STATUS_VIOLATION, "%s: %s", run->method->name,
         is_scram && status == GSASL_AUTHENTICATION_ERROR && run->steps == 3
             ? "the server did not prove that it knows the password"
             : gsasl_strerror(status));
    return STEP_BROKEN;
}

/* Nobody may act for another user: an authorization identity is empty or the user's own. */
static gboolean
is_oneself(const method_run_t *run)
{
    const char *authzid = gsasl_property_fast(run->session, GSASL_AUTHZID);

    if (!run->user || run->user == run->decoy)
        return FALSE;
    g_autofree char *prepared = authzid && *authzid ? sasl_prepare(authzid) : g_strdup(run->user->name);
    return g_strcmp0(prepared, run->user->name) == 0;
}

/* What GNU SASL would take for a string that ends at its first NUL, and a name with NUL for another one. */
static gboolean
has_stray_nul(const method_run_t *run, const guint8 *in, gsize in_len)
{
    guint count = 0;

    for (gsize i = 0; i < in_len; i++)
        count += in[i] == '\0';
    return count != (run->method->id == MAF_METHOD_SASL_PLAIN ? 2 : 0);
}

static step_t
sasl_step_of_server(method_run_t *run, const guint8 *in, gsize in_len)
{
    const gboolean is_scram = run->method->id == MAF_METHOD_SASL_SCRAM_SHA_256;
    const char *scram_error = "e=other-error";

    if (in && is_scram && run->steps == 1 && in_len > 0 && in[0] == 'p') {
        scram_error = "e=channel-binding-not-supported"; /* RFC 5802, section 6 */
    } else if (!in || (in_len > 0 && in_len <= SASL_MESSAGE_MAX && !has_stray_nul(run, in, in_len))) {
        const int status = sasl_step(run, in, in_len);
        if (status == GSASL_NEEDS_MORE)
            return STEP_OPEN;
        if (status == GSASL_OK && is_oneself(run))
            return STEP_PASSED;
        if (status == GSASL_OK || status == GSASL_AUTHENTICATION_ERROR)
            scram_error = "e=invalid-proof";
    }
    g_clear_pointer(&run->answer, wipe_and_unref);
    if (is_scram)
        set_answer(run, scram_error, strlen(scram_error));
    return STEP_FAILED;
}

step_t
method_step(method_run_t *run, const guint8 *in, gsize in_len)
{
    g_clear_pointer(&run->answer, wipe_and_unref);
    run->steps += in || run->side == PAIR_CLIENT;
    if (run->method->need == SECRET_NONE)
        return echo_step(run, in, in_len);
    return run->side == PAIR_CLIENT ? sasl_step_of_client(run, in, in_len)
                                    : sasl_step_of_server(run, in, in_len);
}

/* Runs */

gboolean
method_start(method_run_t *run, const method_t *method, pair_side_t side, const method_settings_t *settings,
             GError **error)
{
    static Gsasl *library; /* holds the mechanisms and nothing that changes: any thread uses it */
    static gsize opened;

    *run = (method_run_t){.method = method, .side = side, .settings = settings, .error = error};
    if (method->need == SECRET_NONE)
        return TRUE;
    if (side == PAIR_CLIENT && !settings->user)
        return FALSE;
    if (g_once_init_enter(&opened)) {
        if (gsasl_init(&library) != GSASL_OK)
            g_error("GNU SASL cannot be used");
        gsasl_callback_set(library, answer);
        g_once_init_leave(&opened, 1);
    }
    if ((side == PAIR_CLIENT ? gsasl_client_start : gsasl_server_start)(library, method->word,
                                                                        &run->session) != GSASL_OK)
        return FALSE;
    gsasl_session_hook_set(run->session, run);
    return TRUE;
}

void
method_stop(method_run_t *run)
{
    if (run->session)
        gsasl_finish(run->session);
    wipe_and_unref(run->answer);
    user_free(run->decoy);
}
