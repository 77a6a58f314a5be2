/* maf-oem.h
 * OEM frames: what is asked with them, and what is answered
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_OEM_H
#define MAF_OEM_H

#include "maf-method.h"

/*
 * Where a side may say an OEM frame of its own accord (draft-01, Process OEM specific). The client: before
 * the list, before What next, after Success or Failure; the server: in answer to the list and to What next.
 */
typedef enum maf_oem_place {
    MAF_OEM_NOWHERE,
    MAF_OEM_LIST,
    MAF_OEM_WHAT_NEXT,
    MAF_OEM_END,
} maf_oem_place_t;

typedef struct maf_oem {
    maf_oem_place_t place;
    maf_id_t id;
} maf_oem_t;

/* The place a side's user calls `name`: list, what-next, and for the client end; MAF_OEM_NOWHERE for others.
 */
maf_oem_place_t maf_oem_find_place(maf_side_t side, const char *name);

/* The frame that asks. */
void maf_oem_ask(const maf_id_t *id, maf_pdu_t *question);

/* The frame that answers: ids for tests are echoed, others not recognised. Borrows what `question` does. */
void maf_oem_answer(const maf_pdu_t *question, maf_pdu_t *answer);

#endif /* MAF_OEM_H */
