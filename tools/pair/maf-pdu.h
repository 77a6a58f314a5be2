/* maf-pdu.h
 * The messages of MAF: bytes to structures and back
 *
 * Without I/O of its own. The dissector has decoders of its own, so that each checks the other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_PDU_H
#define MAF_PDU_H

#include "bytes.h"
#include "maf-protocol.h"

/* DATA longer than this, in bytes, is refused; LEN itself could ask for 4 GiB. */
#define MAF_PDU_DATA_MAX (1024 * 1024)

/* METHODS of a list of revision 01 beyond so many are refused: the draft sets no limit, but a reader must. */
#define MAF_PDU_OFFERED_MAX 1024

/* The revision is what the message's VER says. */
#define MAF_REVISION_BY_VER (-1)

/*
 * A sub-method or OEM id as it stands on the wire, `len` bytes. Of one that is longer than a UUID, which
 * draft-01 allows but nobody has assigned, only the first bytes are kept: it equals no other.
 */
typedef struct method_id {
    guint8 len;
    guint8 bytes[MAF_LONG_ID_LEN];
} method_id_t;

/* The 4-byte id of `number` (draft-00, Current MAF Sub-Methods). */
method_id_t method_id_compact(guint32 number);

/* The 16-byte id that a UUID is (draft-01). FALSE when `text` is no UUID. */
gboolean method_id_parse_uuid(const char *text, method_id_t *id);

gboolean method_id_equal(const method_id_t *a, const method_id_t *b);

/* Is this the 4-byte id of `number`? */
gboolean method_id_is(const method_id_t *id, guint32 number);

/* The UUID that stands for the same sub-method as the 4-byte id (draft-01). FALSE when there is none. */
gboolean method_id_uuid(const method_id_t *id, method_id_t *uuid);

/* Its name if it has one, or else the id as the drafts write it, X'00010000', or as a UUID. The caller frees
 * it. */
char *method_id_describe(const method_id_t *id);

/* One message (Subnegotiation of either draft). Which members mean something depends on INSTR; the others are
 * zero. */
typedef struct maf_pdu {
    guint8 instr;
    guint8 ver; /* VER; 01 also where draft-01 has 00 in Success and Failure: it is the revision */
    guint16 flags;

    /* INSTR 01: the METHODS, and in revision 00 the width of NMETHODS in bytes (4, or 1). */
    gsize nmethods_len;
    gsize n_offered;
    method_id_t *offered;

    /* INSTR 00, 03, 05, 07 and FF. `data` is borrowed; NULL in a message that has no DATA. */
    guint32 reserved;   /* of INSTR 07 */
    method_id_t method; /* of INSTR 07: OEMID */
    const guint8 *data;
    gsize data_len;
} maf_pdu_t;

/*
 * Reads a message (Subnegotiation of either draft) by `revision`: 0, 1 or MAF_REVISION_BY_VER. FALSE with the
 * reader's error, or PAIR_ERROR_VIOLATION for VER other than the revision (draft-01 has 00 in Success and
 * Failure as well), an INSTR that the revision does not have, NMETHODS outside 1 to 255, an id of no bytes,
 * more METHODS than MAF_PDU_OFFERED_MAX, LEN beyond MAF_PDU_DATA_MAX; each as soon as its bytes are there.
 * NMETHODS is one byte wide unless its first byte is 00. FLAGS, RESERVED and PAD are not judged. On success
 * free `offered` with g_free(); `data` is the reader's until it reads again.
 */
gboolean maf_pdu_read(reader_t *in, int revision, maf_pdu_t *pdu, GError **error);

/*
 * Appends the message to `out`, by the revision that is its VER. In revision 01 METHODS of one length that
 * stand together become a group. FALSE with PAIR_ERROR_VIOLATION, and `out` as it was, for what
 * maf_pdu_read() would refuse, for an id longer than a UUID, and for DATA in a message that has none.
 */
gboolean maf_pdu_write(const maf_pdu_t *pdu, GByteArray *out, GError **error);

/* Has the revision, 0 or 1, a message of this INSTR with DATA? */
gboolean maf_pdu_has_data(int revision, guint8 instr);

/* INSTR's name in draft-00, or of OEM in draft-01; NULL for an unknown one. */
const char *maf_instr_name(guint8 instr);

/* The message in a few words, with nothing of DATA but its length. The caller frees it. */
char *maf_pdu_describe(const maf_pdu_t *pdu);

#endif /* MAF_PDU_H */
