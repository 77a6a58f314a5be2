/* pdu.h
 * The messages of SOCKS 5 (RFC 1928) and of MAF: bytes to structures and back
 *
 * The dissector has decoders of its own, so that each checks the other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef PDU_H
#define PDU_H

#include "log.h"
#include "maf-protocol.h"

/* What is being read. Its first error ends it: from then on all reads give nothing. */
typedef struct reader {
    GByteArray *bytes; /* that have arrived; owned */
    gsize at;          /* so many of them have been read */
    GArray *ids;       /* method_id_t of the list read last; owned, or NULL */
    GError *error;     /* owned */

    /* appends bytes or sets the error; NULL: no more come */
    void (*fill)(struct reader *in, gsize missing);
} reader_t;

/* The next `count` bytes, valid until the next call, or NULL. */
const guint8 *reader_take(reader_t *in, gsize count);

/* Overwrites and frees what the reader holds; what may have a password in it, or NULL. */
void reader_clear(reader_t *in);
void wipe_and_unref(GByteArray *secret);

/* A message on its way in or out: the other one is NULL. */
typedef struct codec {
    reader_t *in;
    GByteArray *out;
    gsize start; /* of the message in either */
} codec_t;

/* Reads (0 after an error) or writes an integer of `len` bytes in network byte order. */
void code_number(const codec_t *codec, guint32 *value, gsize len);
void put_number(GByteArray *out, guint32 value, gsize len);

/* Reads or writes `len` bytes; those that there is no room for are skipped. */
void code_bytes(const codec_t *codec, guint8 *bytes, gsize len, gsize room);

/* SOCKS 5: METHOD, CMD, ATYP, REP (RFC 1928, sections 3 to 6) */
#define SOCKS_METHOD_NONE               0x00
#define SOCKS_METHOD_UNACCEPTABLE       0xFF
#define SOCKS_CMD_CONNECT               0x01
#define SOCKS_ATYP_IPV4                 0x01
#define SOCKS_ATYP_DOMAIN               0x03
#define SOCKS_ATYP_IPV6                 0x04
#define SOCKS_REP_SUCCEEDED             0x00
#define SOCKS_REP_FAILURE               0x01
#define SOCKS_REP_NOT_ALLOWED           0x02
#define SOCKS_REP_NETWORK_UNREACHABLE   0x03
#define SOCKS_REP_HOST_UNREACHABLE      0x04
#define SOCKS_REP_REFUSED               0x05
#define SOCKS_REP_COMMAND_NOT_SUPPORTED 0x07
#define SOCKS_REP_ATYP_NOT_SUPPORTED    0x08

const char *socks_rep_name(guint32 rep);

/* A request or a reply (RFC 1928, sections 4 to 6). */
typedef struct socks_message {
    guint32 code; /* CMD or REP */
    guint32 atyp;
    guint32 len; /* of the address, 4 or 16, or of a name, 1 to 255; 0 for an unknown ATYP */
    guint8 address[255];
    guint32 port;
} socks_message_t;

/* The METHODS of a greeting, the reader's until it reads again; NULL, as FALSE, with the reader's error. */
const guint8 *socks_read_greeting(reader_t *in, guint *n_methods);
gboolean socks_read_selection(reader_t *in, guint *method);

/* Appends a selection of that METHOD; or, with `methods`, a greeting of so many. */
void socks_write_start(guint second, const guint8 *methods, GByteArray *out);

/* A message with an unknown ATYP has no known end, and is read up to that. */
gboolean socks_read_message(reader_t *in, socks_message_t *message);
void socks_write_message(const socks_message_t *message, GByteArray *out);

/* A message about a host: an IPv4 or IPv6 address in text, or a name of 1 to 255 bytes. */
socks_message_t socks_message_of(guint8 code, const char *host, guint16 port);

/* The host as text for getaddrinfo(), freed by the caller; NULL for characters that no host name has. */
char *socks_message_host(const socks_message_t *message);

/* MAF: the most bytes of DATA, and METHODS in revision 01, that are read. The drafts set no limit. */
#define MAF_PDU_DATA_MAX    (1024 * 1024)
#define MAF_PDU_OFFERED_MAX 1024

/* The revision is what the message's VER says. */
#define MAF_REVISION_BY_VER (-1)

/* A sub-method or OEM id. Of one longer than a UUID only the first bytes are kept, and it equals no other. */
typedef struct method_id {
    guint8 len;
    guint8 bytes[MAF_LONG_ID_LEN];
} method_id_t;

/* The 4-byte id of `number` (draft-00, Current MAF Sub-Methods), and whether an id is that. */
method_id_t method_id_compact(guint32 number);
gboolean method_id_is(const method_id_t *id, guint32 number);
gboolean method_id_equal(const method_id_t *a, const method_id_t *b);

/* The 16-byte id of a UUID, and of the UUID for the same sub-method (draft-01). FALSE when there is none. */
gboolean method_id_parse_uuid(const char *text, method_id_t *id);
gboolean method_id_uuid(const method_id_t *id, method_id_t *uuid);

/* Its name if it has one, or else X'00010000' or the UUID. The caller frees it. */
char *method_id_describe(const method_id_t *id);

/* One message (Subnegotiation of either draft). What its INSTR does not have is zero. */
typedef struct maf_pdu {
    guint32 instr;
    guint32 ver; /* the revision, even where draft-01 has VER 00 in Success and Failure */
    guint32 flags;

    /* The list: METHODS, borrowed, and in revision 00 the bytes of NMETHODS, 1 or 4 */
    guint32 nmethods_len, n_offered;
    const method_id_t *offered;

    guint32 reserved;   /* of OEM */
    method_id_t method; /* of OEM: OEMID */
    const guint8 *data; /* borrowed; NULL in a message that has no DATA */
    guint32 data_len;
} maf_pdu_t;

/* Reads a message; fails as soon as a VER, INSTR or length is there that the revision does not have. FLAGS,
 * RESERVED and PAD are not judged. What the message borrows is the reader's until that reads again. */
gboolean maf_pdu_read(reader_t *in, int revision, maf_pdu_t *pdu);

/* Appends a message as its VER, the revision, has it, without DATA where there is none. */
void maf_pdu_write(const maf_pdu_t *pdu, GByteArray *out);

/* INSTR's name in draft-00, or of OEM in draft-01; NULL for an unknown one. */
const char *maf_instr_name(guint32 instr);

/* The message in a few words, with nothing of DATA but its length. The caller frees it. */
char *maf_pdu_describe(const maf_pdu_t *pdu);

#endif /* PDU_H */
