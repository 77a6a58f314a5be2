/* fault.h
 * Rules broken on purpose, one at a time, to see what the other side makes of it
 *
 * Everything else that a side with a fault sends is right, as far as the other side lets it go on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef FAULT_H
#define FAULT_H

#include "pdu.h"

typedef enum pair_side { PAIR_CLIENT, PAIR_SERVER } pair_side_t;
typedef struct fault fault_t;

/* A side's fault of that name, in which _ is as good as -; NULL when there is none. */
const fault_t *fault_find(pair_side_t side, const char *name);
const char *fault_name(const fault_t *fault);

/* Prints a side's faults, one line of name and description for each. */
void fault_help(pair_side_t side);

/* A fault in one conversation. Begins as zero but for `fault`, which is NULL for a side without any. */
typedef struct fault_run {
    const fault_t *fault;
    gboolean done;       /* the rule has been broken */
    gboolean lasts;      /* and what is sent now goes with it */
    guint lists;         /* lists sent so far */
    method_id_t offered; /* the first sub-method of the first of them */
} fault_run_t;

/* maf_pdu_write(), or what the fault makes of the message if this is the one for it. Returns how to go on. */
typedef enum fault_then { FAULT_GO_ON, FAULT_CLOSE, FAULT_RESET } fault_then_t;
fault_then_t fault_write(fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out);

/* Appends what the fault has this side send right after it has received that message. FALSE: nothing. */
gboolean fault_received(fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out);

/* Is this the fault, to be done now? For faults that are decisions of the side, not messages. */
gboolean fault_decides(fault_run_t *run, const char *name);

#endif /* FAULT_H */
