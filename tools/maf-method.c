/* maf-method.c
 * Sub-methods: the modules that MAF runs one after the other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-method.h"

#include "maf-sasl.h"

#include <string.h>

/* Internal Test Method: the server sends octets, the client returns them, the server compares. */

typedef struct echo {
    maf_side_t side;
    GBytes *data;
} echo_t;

static gpointer
echo_start(maf_side_t side, const maf_settings_t *settings)
{
    echo_t *echo = g_new(echo_t, 1);
    *echo = (echo_t){.side = side, .data = settings->test_data};
    return echo;
}

static maf_verdict_t
echo_step(gpointer run, const guint8 *in, gsize in_len, GBytes **out, GError **error G_GNUC_UNUSED)
{
    const echo_t *echo = run;

    if (echo->side == MAF_CLIENT) {
        *out = g_bytes_new(in, in_len);
        return MAF_VERDICT_SUCCEEDED;
    }
    if (!in) {
        *out = g_bytes_ref(echo->data);
        return MAF_VERDICT_OPEN;
    }
    g_autoptr(GBytes) echoed = g_bytes_new_static(in, in_len);
    return g_bytes_equal(echoed, echo->data) ? MAF_VERDICT_SUCCEEDED : MAF_VERDICT_FAILED;
}

static const char *
echo_user(gpointer run G_GNUC_UNUSED)
{
    return NULL;
}

static const maf_method_t echo = {
    .id = MAF_METHOD_INTERNAL_TEST,
    .name = "Internal Test Method",
    .word = "internal-test",
    .start = echo_start,
    .step = echo_step,
    .user = echo_user,
    .stop = g_free,
};

static const maf_method_t *const methods[] = {&echo, &maf_sasl_plain, &maf_sasl_cram_md5,
                                              &maf_sasl_scram_sha_256};

const maf_method_t *
maf_method_find(const maf_id_t *id)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (maf_id_is(id, methods[i]->id))
            return methods[i];
    }
    return NULL;
}

const maf_method_t *
maf_method_find_word(const char *word)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (g_ascii_strcasecmp(word, methods[i]->word) == 0)
            return methods[i];
    }
    return NULL;
}
