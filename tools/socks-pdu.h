/* socks-pdu.h
 * The messages of SOCKS 5 (RFC 1928) that surround MAF: octets to structures and back
 *
 * Pure functions on byte arrays, without I/O, in the manner of maf-pdu.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SOCKS_PDU_H
#define SOCKS_PDU_H

#include "frame.h"

#define SOCKS_VERSION 0x05

/* METHOD (RFC 1928, section 3) */
#define SOCKS_METHOD_NONE         0x00
#define SOCKS_METHOD_UNACCEPTABLE 0xFF

/* CMD and ATYP (RFC 1928, sections 4 and 5) */
#define SOCKS_CMD_CONNECT 0x01
#define SOCKS_ATYP_IPV4   0x01
#define SOCKS_ATYP_DOMAIN 0x03
#define SOCKS_ATYP_IPV6   0x04

/* REP (RFC 1928, section 6). Each line: constant, value, its meaning in words. */
#define SOCKS_REPLIES(X)                                                                                     \
    X(SOCKS_REP_SUCCEEDED, 0x00, "succeeded")                                                                \
    X(SOCKS_REP_FAILURE, 0x01, "general SOCKS server failure")                                               \
    X(SOCKS_REP_NOT_ALLOWED, 0x02, "connection not allowed by ruleset")                                      \
    X(SOCKS_REP_NETWORK_UNREACHABLE, 0x03, "network unreachable")                                            \
    X(SOCKS_REP_HOST_UNREACHABLE, 0x04, "host unreachable")                                                  \
    X(SOCKS_REP_REFUSED, 0x05, "connection refused")                                                         \
    X(SOCKS_REP_TTL_EXPIRED, 0x06, "TTL expired")                                                            \
    X(SOCKS_REP_COMMAND_NOT_SUPPORTED, 0x07, "command not supported")                                        \
    X(SOCKS_REP_ATYP_NOT_SUPPORTED, 0x08, "address type not supported")

enum socks_rep {
#define SOCKS_REP_ENUM(constant, value, name) constant = value,
    SOCKS_REPLIES(SOCKS_REP_ENUM)
#undef SOCKS_REP_ENUM
};

/* REP in words, "unassigned reply" for what RFC 1928 does not assign. */
const char *socks_rep_name(guint8 rep);

/* The client's first words (RFC 1928, section 3). Decoding borrows `methods` from the octets decoded. */
typedef struct socks_greeting {
    const guint8 *methods;
    guint8 n_methods;
} socks_greeting_t;

/* ADDR and PORT (RFC 1928, section 5): 4 or 16 octets of an address, or 1 to 255 of a name; the port as a
 * number. */
typedef struct socks_address {
    guint8 atyp;
    guint8 len;
    guint8 octets[255];
    guint16 port;
} socks_address_t;

/* A request or a reply (RFC 1928, sections 4 and 6): `code` is CMD or REP. */
typedef struct socks_message {
    guint8 code;
    socks_address_t address;
} socks_message_t;

/*
 * Each decodes the message at the start of `len` octets and returns what frame_status_t says, having set
 * *length as it says. Bad, with MAF_ERROR_VIOLATION: VER other than 05, no METHODS at all, a name of no
 * octets, and in a reply an unknown ATYP. A request with an unknown ATYP has no known end: it is complete
 * after ATYP, with an address of no octets.
 */
frame_status_t socks_greeting_decode(const guint8 *octets, gsize len, socks_greeting_t *greeting,
                                     gsize *length, GError **error);
frame_status_t socks_selection_decode(const guint8 *octets, gsize len, guint8 *method, gsize *length,
                                      GError **error);
frame_status_t socks_request_decode(const guint8 *octets, gsize len, socks_message_t *request, gsize *length,
                                    GError **error);
frame_status_t socks_reply_decode(const guint8 *octets, gsize len, socks_message_t *reply, gsize *length,
                                  GError **error);

/* Each appends the message to `out`. The address must be one that the decoder would take back. */
void socks_greeting_encode(const socks_greeting_t *greeting, GByteArray *out);
void socks_selection_encode(guint8 method, GByteArray *out);
void socks_message_encode(const socks_message_t *message, GByteArray *out);

#endif /* SOCKS_PDU_H */
