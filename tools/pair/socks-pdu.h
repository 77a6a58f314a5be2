/* socks-pdu.h
 * The messages of SOCKS 5 (RFC 1928) that surround MAF: bytes to structures and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SOCKS_PDU_H
#define SOCKS_PDU_H

#include "bytes.h"

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

/* The METHODS of a client's first message (RFC 1928, section 3). Reading borrows them from the reader. */
typedef struct socks_greeting {
    const guint8 *methods;
    guint8 n_methods;
} socks_greeting_t;

/* ADDR and PORT (RFC 1928, section 5): 4 or 16 bytes of an address, or 1 to 255 of a name; the port as a
 * number. */
typedef struct socks_address {
    guint8 atyp;
    guint8 len;
    guint8 bytes[255];
    guint16 port;
} socks_address_t;

/* A request or a reply (RFC 1928, sections 4 and 6): `code` is CMD or REP. */
typedef struct socks_message {
    guint8 code;
    socks_address_t address;
} socks_message_t;

/*
 * Each reads one message. FALSE with the reader's error, or PAIR_ERROR_VIOLATION for VER other than 05, no
 * METHODS at all and a name of no bytes. A message with an unknown ATYP has no known end: it is read up to
 * ATYP, and its address has no bytes.
 */
gboolean socks_read_greeting(reader_t *in, socks_greeting_t *greeting, GError **error);
gboolean socks_read_selection(reader_t *in, guint8 *method, GError **error);
gboolean socks_read_message(reader_t *in, socks_message_t *message, GError **error);

/* Each appends a message to `out`. An address must be one that could have been read. */
void socks_write_greeting(const socks_greeting_t *greeting, GByteArray *out);
void socks_write_selection(guint8 method, GByteArray *out);
void socks_write_message(const socks_message_t *message, GByteArray *out);

/* Is this METHOD among those of the greeting? */
gboolean socks_greeting_offers(const socks_greeting_t *greeting, guint8 method);

/* A host as it stands in a request: an IPv4 or IPv6 address in text, or a name of 1 to 255 bytes. */
socks_address_t socks_address_of(const char *host, guint16 port);

/*
 * The host of a request as text for getaddrinfo(); the caller frees it. NULL for a name with characters that
 * no host name has.
 */
char *socks_address_host(const socks_address_t *address);

#endif /* SOCKS_PDU_H */
