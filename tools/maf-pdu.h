/* maf-pdu.h
 * The frames of MAF: octets to structures and back
 *
 * Pure functions on byte arrays, without I/O. The dissector has decoders of its own, so that each checks the
 * other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_PDU_H
#define MAF_PDU_H

#include "frame.h"
#include "maf-protocol.h"

/* DATA longer than this is refused, in octets; LEN itself could ask for 4 GiB. */
#define MAF_PDU_DATA_MAX (1024 * 1024)

/* The longest sub-method id this codec keeps, in octets: 4 in revision 00, a UUID's 16 in revision 01. */
#define MAF_ID_MAX 16

/* A sub-method id as it stands on the wire. */
typedef struct maf_id {
    guint8 len;
    guint8 octets[MAF_ID_MAX];
} maf_id_t;

/* The 4-octet id of `number`, in network byte order (draft-00, Current MAF Sub-Methods). */
maf_id_t maf_id_compact(guint32 number);

gboolean maf_id_equal(const maf_id_t *a, const maf_id_t *b);

/* Is this the 4-octet id of `number`? */
gboolean maf_id_is(const maf_id_t *id, guint32 number);

/* The id as the drafts write it, X'00000001'. The caller frees it. */
char *maf_id_to_string(const maf_id_t *id);

/* One frame (draft-00, Subnegotiation). Which members mean something depends on INSTR; the others are zero.
 */
typedef struct maf_pdu {
    guint8 instr;
    guint8 ver;
    guint16 flags;

    /* INSTR 01: the width of NMETHODS in octets (4, or 1), and the METHODS. */
    gsize nmethods_len;
    gsize n_offered;
    maf_id_t offered[MAF_NMETHODS_MAX];

    /* INSTR 00, 03, 05 and FF. `data` belongs to whoever owns the octets decoded from, or to the caller of
     * encode. */
    maf_id_t method;
    const guint8 *data;
    gsize data_len;
} maf_pdu_t;

/*
 * Decodes the frame at the start of `len` octets (draft-00, Subnegotiation). Returns what frame_status_t
 * says, having set *length as it says; `pdu` holds the frame when complete and is undefined otherwise. Bad,
 * with MAF_ERROR_VIOLATION, are: VER other than 00, an INSTR that VER does not have, NMETHODS outside 1 to
 * 255, LEN beyond MAF_PDU_DATA_MAX; each as soon as its octets are there. NMETHODS is read as one octet wide
 * unless its first octet is 00, and as four then. FLAGS are passed on unjudged. Nothing is allocated;
 * pdu->data points into `octets`.
 */
frame_status_t maf_pdu_decode(const guint8 *octets, gsize len, maf_pdu_t *pdu, gsize *length, GError **error);

/*
 * Appends the frame to `out` (draft-00, Subnegotiation). FALSE, with MAF_ERROR_VIOLATION and `out` as it was,
 * for what maf_pdu_decode() would not take back.
 */
gboolean maf_pdu_encode(const maf_pdu_t *pdu, GByteArray *out, GError **error);

/* INSTR's name in draft-00, or NULL. */
const char *maf_instr_name(guint8 instr);

/*
 * The frame in a few words for a log line: INSTR's name, the METHOD or the number of METHODS, the length of
 * DATA, and nothing of DATA itself. The caller frees it.
 */
char *maf_pdu_describe(const maf_pdu_t *pdu);

#endif /* MAF_PDU_H */
