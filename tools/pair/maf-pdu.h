/* maf-pdu.h
 * The messages of MAF: bytes to structures and back
 *
 * The dissector has decoders of its own, so that each checks the other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_PDU_H
#define MAF_PDU_H

#include "bytes.h"
#include "maf-protocol.h"

/* The most bytes of DATA, and METHODS of a list of revision 01, that are read; the drafts set no limit. */
#define MAF_PDU_DATA_MAX    (1024 * 1024)
#define MAF_PDU_OFFERED_MAX 1024

/* The revision is what the message's VER says. */
#define MAF_REVISION_BY_VER (-1)

/*
 * A sub-method or OEM id of `len` bytes. Of one that is longer than a UUID, which draft-01 allows but nobody
 * has assigned, only the first bytes are kept: it equals no other.
 */
typedef struct method_id {
    guint8 len;
    guint8 bytes[MAF_LONG_ID_LEN];
} method_id_t;

/* The 4-byte id of `number` (draft-00, Current MAF Sub-Methods). */
method_id_t method_id_compact(guint32 number);

/* The 16-byte id that a UUID is (draft-01). FALSE when `text` is no UUID. */
gboolean method_id_parse_uuid(const char *text, method_id_t *id);

/* The UUID that stands for the same sub-method as the 4-byte id (draft-01). FALSE when there is none. */
gboolean method_id_uuid(const method_id_t *id, method_id_t *uuid);

gboolean method_id_equal(const method_id_t *a, const method_id_t *b);
gboolean method_id_is(const method_id_t *id, guint32 number);
gboolean method_id_in(const method_id_t *id, const method_id_t *ids, gsize count);

/* Its name if it has one, or else X'00010000' or the UUID. The caller frees it. */
char *method_id_describe(const method_id_t *id);

/* One message (Subnegotiation of either draft). What its INSTR does not have is zero. */
typedef struct maf_pdu {
    guint8 instr;
    guint8 ver; /* the revision, even where draft-01 has VER 00 in Success and Failure */
    guint16 flags;

    /* The list: METHODS, borrowed, and in revision 00 the bytes of NMETHODS: 4, or 1 (or 0 for 4) */
    gsize nmethods_len, n_offered;
    const method_id_t *offered;

    guint32 reserved;   /* of OEM */
    method_id_t method; /* of OEM: OEMID */
    const guint8 *data; /* borrowed; NULL in a message that has no DATA */
    gsize data_len;
} maf_pdu_t;

/*
 * Reads a message by `revision`: 0, 1 or MAF_REVISION_BY_VER. FALSE with the reader's error for a VER or
 * INSTR that the revision does not have, and for lengths outside their limits, as soon as the bytes are
 * there. FLAGS, RESERVED and PAD are not judged. What the message borrows is the reader's until it reads
 * again.
 */
gboolean maf_pdu_read(reader_t *in, int revision, maf_pdu_t *pdu);

/*
 * Appends a message as its VER, the revision, has it, and which could be read; without DATA where there is
 * none. In revision 01 METHODS of one length that stand together become a group.
 */
void maf_pdu_write(const maf_pdu_t *pdu, GByteArray *out);

/* Has the revision a message of this INSTR with DATA? */
gboolean maf_pdu_has_data(int revision, guint8 instr);

/* INSTR's name in draft-00, or of OEM in draft-01; NULL for an unknown one. */
const char *maf_instr_name(guint8 instr);

/* The message in a few words, with nothing of DATA but its length. The caller frees it. */
char *maf_pdu_describe(const maf_pdu_t *pdu);

#endif /* MAF_PDU_H */
