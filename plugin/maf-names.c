/* maf-names.c
 * Names of the protocol, its instructions, states and outcomes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-names.h"

#include "maf-protocol.h"
#include "maf-session.h"

#define INSTR_NAME(constant, value, name_00, name_01) {value, name_00},
const value_string maf_instr_names_00[] = {MAF_INSTRUCTIONS(INSTR_NAME){0, NULL}};
#undef INSTR_NAME

#define INSTR_NAME(constant, value, name_00, name_01) {value, name_01},
const value_string maf_instr_names_01[] = {MAF_INSTRUCTIONS(INSTR_NAME){0, NULL}};
#undef INSTR_NAME

const value_string maf_state_names[] = {
    {MAF_STATE_AWAITING_LIST, "Awaiting list"},
    {MAF_STATE_AWAITING_DECISION, "Awaiting decision"},
    {MAF_STATE_AWAITING_MORE, "Awaiting more"},
    {MAF_STATE_EXECUTING, "Executing"},
    {MAF_STATE_SUCCEEDED, "Succeeded"},
    {MAF_STATE_FAILED, "Failed"},
    {0, NULL},
};

const value_string maf_outcome_names[] = {
    {MAF_OUTCOME_UNFINISHED, "Unfinished"},
    {MAF_OUTCOME_SUCCEEDED, "Succeeded"},
    {MAF_OUTCOME_FAILED, "Failed"},
    {0, NULL},
};

const char *
maf_instr_name(unsigned revision, uint8_t instr)
{
    const char *name =
        try_val_to_str(instr, revision == MAF_VER_00 ? maf_instr_names_00 : maf_instr_names_01);

    return name ? name : "Unknown instruction";
}

const char *
maf_state_name(uint8_t state)
{
    return val_to_str_const(state, maf_state_names, "unknown");
}
