/* maf-names.h
 * Names of the protocol, its instructions, states and outcomes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_NAMES_H
#define MAF_NAMES_H

#include <stdint.h>

#include <epan/proto.h>

#define MAF_NAME "Multi-Authentication Framework"

/* For the fields */
extern const value_string maf_instr_names_00[]; /* INSTR, as revision 00 has it */
extern const value_string maf_instr_names_01[];
extern const value_string maf_state_names[];   /* maf_state_t */
extern const value_string maf_outcome_names[]; /* maf_outcome_t of a login */

/* The name of an instruction (draft-00, Subnegotiation, INSTR; draft-01 for revision 1). Static; never NULL.
 */
const char *maf_instr_name(unsigned revision, uint8_t instr);

/* The name of a maf_state_t, "Awaiting list"; "unknown" for MAF_STATE_UNKNOWN. Static. */
const char *maf_state_name(uint8_t state);

#endif /* MAF_NAMES_H */
