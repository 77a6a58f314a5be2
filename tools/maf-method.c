/* maf-method.c
 * Sub-methods: the modules that MAF runs one after the other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-method.h"

#include <string.h>

/* Internal Test Method: the server sends octets, the client returns them, the server compares. */

typedef struct echo {
    maf_side_t side;
    const char *data;
} echo_t;

static gpointer
echo_start(maf_side_t side, const maf_settings_t *settings)
{
    echo_t *echo = g_new(echo_t, 1);
    *echo = (echo_t){.side = side, .data = settings->test_data};
    return echo;
}

static maf_verdict_t
echo_step(gpointer run, const guint8 *in, gsize in_len, GBytes **out)
{
    const echo_t *echo = run;

    if (echo->side == MAF_CLIENT) {
        *out = g_bytes_new(in, in_len);
        return MAF_VERDICT_SUCCEEDED;
    }
    const gsize len = strlen(echo->data);
    if (!in) {
        *out = g_bytes_new(echo->data, len);
        return MAF_VERDICT_OPEN;
    }
    return in_len == len && memcmp(in, echo->data, len) == 0 ? MAF_VERDICT_SUCCEEDED : MAF_VERDICT_FAILED;
}

static const maf_method_t methods[] = {
    {MAF_METHOD_INTERNAL_TEST, "Internal Test Method", echo_start, echo_step, g_free},
};

const maf_method_t *
maf_method_find(const maf_id_t *id)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (maf_id_is(id, methods[i].id))
            return &methods[i];
    }
    return NULL;
}
