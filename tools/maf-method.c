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
        if (!in)
            return MAF_VERDICT_OPEN;
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

static maf_method_t internal_test = {
    .id = MAF_METHOD_INTERNAL_TEST,
    .name = "Internal Test Method",
    .word = "internal-test",
    .start = echo_start,
    .step = echo_step,
    .user = echo_user,
    .stop = g_free,
};

static const maf_method_t *const methods[] = {&internal_test, &maf_sasl_plain, &maf_sasl_cram_md5,
                                              &maf_sasl_scram_sha_256};

gboolean
maf_method_rename_test(const maf_id_t *id)
{
    guint32 number = 0;

    if (id->len != MAF_METHOD_LEN || maf_method_find(id))
        return FALSE;
    for (gsize i = 0; i < MAF_METHOD_LEN; i++)
        number = number << 8 | id->octets[i];
    internal_test.id = number;
    return TRUE;
}

gboolean
maf_method_uuid(const maf_id_t *id, maf_id_t *uuid)
{
    static const struct {
        guint32 number;
        const char *uuid;
    } references[] = {
#define MAF_REFERENCE(number, uuid, name) {number, uuid},
        MAF_REFERENCE_METHODS(MAF_REFERENCE)
#undef MAF_REFERENCE
    };

    for (gsize i = 0; i < G_N_ELEMENTS(references); i++) {
        if (maf_id_is(id, references[i].number))
            return maf_id_parse_uuid(references[i].uuid, uuid);
    }
    return FALSE;
}

gboolean
maf_method_is(const maf_method_t *method, const maf_id_t *id)
{
    const maf_id_t number = maf_id_compact(method->id);
    maf_id_t uuid;

    return maf_id_equal(id, &number) ||
           (id->len == MAF_LONG_ID_LEN && maf_method_uuid(&number, &uuid) && maf_id_equal(id, &uuid));
}

const maf_method_t *
maf_method_find(const maf_id_t *id)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (maf_method_is(methods[i], id))
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
