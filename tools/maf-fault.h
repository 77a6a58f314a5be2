/* maf-fault.h
 * Rules broken on purpose, one at a time, to see what the other side makes of it
 *
 * Everything else that a side with a fault says is right, as far as the other side lets it go on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_FAULT_H
#define MAF_FAULT_H

#include "maf-method.h"

/* One rule, and how it is broken. */
typedef struct maf_fault maf_fault_t;

/* A side's fault of that name, or NULL. */
const maf_fault_t *maf_fault_find(maf_side_t side, const char *name);

const char *maf_fault_name(const maf_fault_t *fault);

/* A side's faults, one line of name and description for each. The caller frees it. */
char *maf_fault_help(maf_side_t side);

/* A fault in one conversation. Begins as zero but for `fault`, which is NULL for a side without any. */
typedef struct maf_fault_run {
    const maf_fault_t *fault;
    gboolean done;    /* the rule has been broken */
    gboolean lasts;   /* and what is said now goes with it */
    guint lists;      /* lists said so far */
    maf_id_t offered; /* the first sub-method of the first of them */
    gboolean ended;   /* Success or Failure has been said */
} maf_fault_run_t;

/* How a side goes on after it has said something. */
typedef enum maf_fault_then {
    MAF_FAULT_GO_ON,
    MAF_FAULT_CLOSE, /* closes the connection */
    MAF_FAULT_RESET, /* resets it */
} maf_fault_then_t;

/*
 * maf_pdu_encode(), or what the fault makes of the frame if this is the frame for it. *then is how to go on
 * after it.
 */
gboolean maf_fault_say(maf_fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out, maf_fault_then_t *then,
                       GError **error);

/* Appends to `out` what the fault has this side say as soon as it has heard that frame, often nothing. */
void maf_fault_hear(maf_fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out);

/* Decisions that a fault makes for a side, against the rules. */
typedef enum maf_slip {
    MAF_SLIP_NONE,
    MAF_SLIP_REQUEST_MORE,     /* requests more sub-methods when there are none */
    MAF_SLIP_SUCCESS_FOR_DO,   /* lets the client in without any sub-method */
    MAF_SLIP_SUCCESS_AFTER_DO, /* lets the client in while the sub-method runs */
} maf_slip_t;

/* Is it now that the fault decides so? To be asked where an honest side would decide otherwise. */
gboolean maf_fault_slips(maf_fault_run_t *run, maf_slip_t slip);

#endif /* MAF_FAULT_H */
