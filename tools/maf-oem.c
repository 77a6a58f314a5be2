/* maf-oem.c
 * OEM frames: what is asked with them, and what is answered
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-oem.h"

#include <string.h>

static const char data[] = "ping";

maf_oem_place_t
maf_oem_find_place(maf_side_t side, const char *name)
{
    static const struct {
        const char *name;
        maf_oem_place_t place;
        gboolean client_only;
    } places[] = {
        {"list", MAF_OEM_LIST, FALSE},
        {"what-next", MAF_OEM_WHAT_NEXT, FALSE},
        {"end", MAF_OEM_END, TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        if (strcmp(name, places[i].name) == 0 && (side == MAF_CLIENT || !places[i].client_only))
            return places[i].place;
    }
    return MAF_OEM_NOWHERE;
}

void
maf_oem_ask(const maf_id_t *id, maf_pdu_t *question)
{
    *question = (maf_pdu_t){
        .instr = MAF_INSTR_OEM, .method = *id, .data = (const guint8 *)data, .data_len = strlen(data)};
}

static gboolean
is_for_tests(const maf_id_t *id)
{
    for (guint32 number = 0; number <= MAF_OEM_TEST_LAST; number++) {
        if (maf_id_is(id, number))
            return TRUE;
    }
    return FALSE;
}

void
maf_oem_answer(const maf_pdu_t *question, maf_pdu_t *answer)
{
    *answer = (maf_pdu_t){.instr = MAF_INSTR_OEM, .method = maf_id_compact(MAF_OEM_NOT_RECOGNISED)};
    if (!is_for_tests(&question->method))
        return;
    answer->method = question->method;
    answer->data = question->data;
    answer->data_len = question->data_len;
}
