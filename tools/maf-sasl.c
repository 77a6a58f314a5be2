/* maf-sasl.c
 * SASL mechanisms as sub-methods, by way of GNU SASL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-sasl.h"

#include <gsasl.h>
#include <string.h>

/* A client's message longer than this, in octets, is refused. */
#define MESSAGE_MAX 4096

typedef struct sasl_run {
    const maf_method_t *method;
    maf_side_t side;
    const maf_settings_t *settings;
    Gsasl *library;
    Gsasl_session *session;
    guint steps;

    maf_user_t *user; /* the server's: whom the client says it is, or a decoy */
    gboolean proved;  /* the server's: the client is that user */
    char *complaint;  /* the client's: what was wrong with the server's message */
} sasl_run_t;

/* What GNU SASL asks */

static int
answer_for_client(sasl_run_t *run, Gsasl_session *session, Gsasl_property property)
{
    const maf_credentials_t *credentials = run->settings->credentials;
    const char *iterations = gsasl_property_fast(session, GSASL_SCRAM_ITER);

    switch (property) {
    case GSASL_AUTHID:
        return gsasl_property_set(session, property, credentials->user);
    case GSASL_PASSWORD:
        if (iterations &&
            !g_ascii_string_to_unsigned(iterations, 10, MAF_ITERATIONS_MIN, MAF_ITERATIONS_MAX, NULL, NULL)) {
            run->complaint = g_strdup_printf("%s iterations, not %d to %d", iterations, MAF_ITERATIONS_MIN,
                                             MAF_ITERATIONS_MAX);
            return GSASL_AUTHENTICATION_ERROR;
        }
        return gsasl_property_set(session, property, credentials->password);
    default:
        return GSASL_NO_CALLBACK;
    }
}

static const maf_user_t *
claimed_user(sasl_run_t *run, Gsasl_session *session)
{
    const char *name = gsasl_property_fast(session, GSASL_AUTHID);

    if (!run->user)
        run->user = maf_users_look_up(run->settings->users, name ? name : "", run->method->need);
    return run->user;
}

static int
answer_for_server(sasl_run_t *run, Gsasl_session *session, Gsasl_property property)
{
    switch (property) {
    case GSASL_VALIDATE_SIMPLE:
        return maf_user_check_password(claimed_user(run, session),
                                       gsasl_property_fast(session, GSASL_PASSWORD))
                   ? GSASL_OK
                   : GSASL_AUTHENTICATION_ERROR;
    case GSASL_PASSWORD:
        return gsasl_property_set(session, property, claimed_user(run, session)->password);
    case GSASL_SCRAM_ITER:
        return gsasl_property_set(session, property, claimed_user(run, session)->iterations);
    case GSASL_SCRAM_SALT:
        return gsasl_property_set(session, property, claimed_user(run, session)->salt);
    case GSASL_SCRAM_STOREDKEY:
        return gsasl_property_set(session, property, claimed_user(run, session)->stored_key);
    case GSASL_SCRAM_SERVERKEY:
        return gsasl_property_set(session, property, claimed_user(run, session)->server_key);
    default:
        return GSASL_NO_CALLBACK;
    }
}

static int
answer(Gsasl *library G_GNUC_UNUSED, Gsasl_session *session, Gsasl_property property)
{
    sasl_run_t *run = gsasl_session_hook_get(session);

    return run->side == MAF_CLIENT ? answer_for_client(run, session, property)
                                   : answer_for_server(run, session, property);
}

/* Steps */

static gboolean
is_scram(const sasl_run_t *run)
{
    return run->method->id == MAF_METHOD_SASL_SCRAM_SHA_256;
}

/* Nobody may act for another user: an authorization identity is empty or the user's own. */
static gboolean
has_proved(const sasl_run_t *run)
{
    const char *authzid = gsasl_property_fast(run->session, GSASL_AUTHZID);

    if (!run->user || run->user->decoy)
        return FALSE;
    if (!authzid || !*authzid)
        return TRUE;
    g_autofree char *prepared = maf_users_prepare(authzid);
    return g_strcmp0(prepared, run->user->name) == 0;
}

static maf_verdict_t
refuse(const sasl_run_t *run, int status, GBytes **out)
{
    const char *scram_error = status == GSASL_AUTHENTICATION_ERROR ? "e=invalid-proof" : "e=other-error";

    if (is_scram(run))
        *out = g_bytes_new_static(scram_error, strlen(scram_error));
    return MAF_VERDICT_FAILED;
}

static maf_verdict_t
judge_for_server(sasl_run_t *run, int status, GBytes *message, GBytes **out)
{
    if (status == GSASL_OK && !has_proved(run))
        status = GSASL_AUTHENTICATION_ERROR;
    if (status != GSASL_OK && status != GSASL_NEEDS_MORE)
        return refuse(run, status, out);
    if (g_bytes_get_size(message) > 0)
        *out = g_bytes_ref(message);
    run->proved = status == GSASL_OK;
    return run->proved ? MAF_VERDICT_SUCCEEDED : MAF_VERDICT_OPEN;
}

static maf_verdict_t
judge_for_client(const sasl_run_t *run, int status, GBytes *message, GBytes **out, GError **error)
{
    if (status == GSASL_OK || status == GSASL_NEEDS_MORE) {
        if (g_bytes_get_size(message) > 0)
            *out = g_bytes_ref(message);
        return status == GSASL_OK ? MAF_VERDICT_SUCCEEDED : MAF_VERDICT_OPEN;
    }
    if (status == GSASL_AUTHENTICATION_ERROR && is_scram(run) && run->steps == 3)
        frame_bad(error, "%s: the server has not proved that it knows the password", run->method->name);
    else
        frame_bad(error, "%s: %s", run->method->name,
                  run->complaint ? run->complaint : gsasl_strerror(status));
    return MAF_VERDICT_BROKEN;
}

/* gsasl_step() on octets that it may take for a string; *message is never NULL. */
static int
take_step(sasl_run_t *run, const guint8 *in, gsize in_len, GBytes **message)
{
    char *input = g_malloc(in_len + 1), *output = NULL;
    gsize output_len = 0;

    if (in)
        memcpy(input, in, in_len);
    input[in_len] = '\0';
    const int status = gsasl_step(run->session, input, in_len, &output, &output_len);
    GByteArray *octets = g_byte_array_sized_new((guint)output_len);
    g_byte_array_append(octets, (const guint8 *)output, (guint)output_len);
    *message =
        g_bytes_new_with_free_func(octets->data, output_len, (GDestroyNotify)maf_wipe_and_unref, octets);
    if (output)
        explicit_bzero(output, output_len);
    gsasl_free(output);
    explicit_bzero(input, in_len);
    g_free(input);
    return status;
}

static maf_verdict_t
sasl_step(gpointer user_data, const guint8 *in, gsize in_len, GBytes **out, GError **error)
{
    sasl_run_t *run = user_data;
    g_autoptr(GBytes) message = NULL;

    run->steps++;
    if (run->side == MAF_SERVER && in && (in_len == 0 || in_len > MESSAGE_MAX))
        return refuse(run, GSASL_MECHANISM_PARSE_ERROR, out);
    if (run->side == MAF_CLIENT && is_scram(run) && in_len >= 2 && memcmp(in, "e=", 2) == 0)
        return MAF_VERDICT_FAILED;
    const int status = take_step(run, in, in_len, &message);
    return run->side == MAF_SERVER ? judge_for_server(run, status, message, out)
                                   : judge_for_client(run, status, message, out, error);
}

static const char *
sasl_user(gpointer user_data)
{
    const sasl_run_t *run = user_data;
    return run->proved ? run->user->name : NULL;
}

/* Runs */

static void
sasl_stop(gpointer user_data)
{
    sasl_run_t *run = user_data;

    if (run->session)
        gsasl_finish(run->session);
    gsasl_done(run->library);
    maf_user_free(run->user);
    g_free(run->complaint);
    g_free(run);
}

static gpointer
sasl_start(const maf_method_t *method, const char *mechanism, maf_side_t side, const maf_settings_t *settings)
{
    if (side == MAF_CLIENT ? !settings->credentials
                           : !settings->users || !maf_users_have(settings->users, method->need))
        return NULL;

    sasl_run_t *run = g_new0(sasl_run_t, 1);
    run->method = method;
    run->side = side;
    run->settings = settings;
    if (gsasl_init(&run->library) == GSASL_OK) {
        int (*start)(Gsasl *, const char *, Gsasl_session **) =
            side == MAF_CLIENT ? gsasl_client_start : gsasl_server_start;
        gsasl_callback_set(run->library, answer);
        if (start(run->library, mechanism, &run->session) == GSASL_OK) {
            gsasl_session_hook_set(run->session, run);
            return run;
        }
    }
    sasl_stop(run);
    return NULL;
}

/* The mechanisms */

static gpointer
plain_start(maf_side_t side, const maf_settings_t *settings)
{
    return sasl_start(&maf_sasl_plain, "PLAIN", side, settings);
}

static gpointer
cram_md5_start(maf_side_t side, const maf_settings_t *settings)
{
    return sasl_start(&maf_sasl_cram_md5, "CRAM-MD5", side, settings);
}

static gpointer
scram_sha_256_start(maf_side_t side, const maf_settings_t *settings)
{
    return sasl_start(&maf_sasl_scram_sha_256, "SCRAM-SHA-256", side, settings);
}

const maf_method_t maf_sasl_plain = {
    .id = MAF_METHOD_SASL_PLAIN,
    .name = "SASL PLAIN",
    .word = "PLAIN",
    .need = MAF_SECRET_FOR_PASSWORD,
    .slow = TRUE,
    .start = plain_start,
    .step = sasl_step,
    .user = sasl_user,
    .stop = sasl_stop,
};

const maf_method_t maf_sasl_cram_md5 = {
    .id = MAF_METHOD_SASL_CRAM_MD5,
    .name = "SASL CRAM-MD5",
    .word = "CRAM-MD5",
    .need = MAF_SECRET_PASSWORD,
    .start = cram_md5_start,
    .step = sasl_step,
    .user = sasl_user,
    .stop = sasl_stop,
};

const maf_method_t maf_sasl_scram_sha_256 = {
    .id = MAF_METHOD_SASL_SCRAM_SHA_256,
    .name = "SASL SCRAM-SHA-256",
    .word = "SCRAM-SHA-256",
    .need = MAF_SECRET_VERIFIER,
    .start = scram_sha_256_start,
    .step = sasl_step,
    .user = sasl_user,
    .stop = sasl_stop,
};
