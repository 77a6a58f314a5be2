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

/* The most METHODS of a list of revision 01 that this codec takes: the draft sets no limit, but a reader
 * must. */
#define MAF_PDU_OFFERED_MAX 1024

/*
 * A sub-method or OEM id as it stands on the wire. One that is longer than a UUID, which draft-01 lets be but
 * nobody has assigned, is in `longer`, which belongs to whoever owns the octets decoded from.
 */
typedef struct maf_id {
    guint8 len;
    guint8 octets[MAF_LONG_ID_LEN];
    const guint8 *longer;
} maf_id_t;

/* The 4-octet id of `number`, in network byte order (draft-00, Current MAF Sub-Methods). */
maf_id_t maf_id_compact(guint32 number);

/* The 16-octet id that a UUID is (draft-01). FALSE when `text` is no UUID. */
gboolean maf_id_parse_uuid(const char *text, maf_id_t *id);

/* The len octets of the id, which last as long as `id` and what it was decoded from. */
const guint8 *maf_id_octets(const maf_id_t *id);

gboolean maf_id_equal(const maf_id_t *a, const maf_id_t *b);

/* Is this the 4-octet id of `number`? */
gboolean maf_id_is(const maf_id_t *id, guint32 number);

/* The id as the drafts write it, X'00000001', or as a UUID. The caller frees it. */
char *maf_id_to_string(const maf_id_t *id);

/* One frame (Subnegotiation of either draft). Which members mean something depends on INSTR; the others are
 * zero. */
typedef struct maf_pdu {
    guint8 instr;
    guint8 ver; /* VER; 01 also where draft-01 has 00 in Success and Failure, so: the revision */
    guint16 flags;

    /* INSTR 01: the METHODS, and in revision 00 the width of NMETHODS in octets (4, or 1). */
    gsize nmethods_len;
    gsize n_offered;
    maf_id_t offered[MAF_PDU_OFFERED_MAX];

    /* INSTR 00, 03, 05, 07 and FF. `data` belongs to whoever owns the octets decoded from, or to the caller
     * of encode; NULL in a frame that has no DATA. */
    guint32 reserved; /* of INSTR 07 */
    maf_id_t method;  /* of INSTR 07: OEMID */
    const guint8 *data;
    gsize data_len;
} maf_pdu_t;

/* The revision is what the frame's VER says. */
#define MAF_REVISION_BY_VER (-1)

/*
 * Decodes the frame at the start of `len` octets (Subnegotiation of either draft) by `revision`: 0, 1 or
 * MAF_REVISION_BY_VER. Returns what frame_status_t says, having set *length as it says; `pdu` holds the frame
 * when complete and is undefined otherwise. Bad, with MAF_ERROR_VIOLATION, are: VER other than the revision
 * (draft-01 has 00 in Success and Failure as well), an INSTR that the revision does not have, NMETHODS
 * outside 1 to 255, an id of no octets, more than MAF_PDU_OFFERED_MAX METHODS, LEN beyond MAF_PDU_DATA_MAX;
 * each as soon as its octets are there. NMETHODS is read as one octet wide unless its first octet is 00, and
 * as four then. FLAGS, RESERVED and PAD are passed on, or over, unjudged. Nothing is allocated; pdu->data
 * points into `octets`, as ids longer than a UUID do.
 */
frame_status_t maf_pdu_decode(int revision, const guint8 *octets, gsize len, maf_pdu_t *pdu, gsize *length,
                              GError **error);

/*
 * Appends the frame to `out`, by the revision that is its VER (Subnegotiation of either draft). In revision
 * 01 METHODS of the same length that stand together become a group. FALSE, with MAF_ERROR_VIOLATION and `out`
 * as it was, for what maf_pdu_decode() would not take back, and for DATA in a frame that has none.
 */
gboolean maf_pdu_encode(const maf_pdu_t *pdu, GByteArray *out, GError **error);

/* Has the revision, 0 or 1, a frame of this INSTR with DATA? (Subnegotiation of either draft) */
gboolean maf_pdu_has_data(guint8 revision, guint8 instr);

/* INSTR's name, in draft-00 if it has one there, or NULL. */
const char *maf_instr_name(guint8 instr);

/*
 * The frame in a few words for a log line: INSTR's name, the METHOD or the number of METHODS, the length of
 * DATA, and nothing of DATA itself. The caller frees it.
 */
char *maf_pdu_describe(const maf_pdu_t *pdu);

#endif /* MAF_PDU_H */
