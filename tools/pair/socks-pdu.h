/* socks-pdu.h
 * The messages of SOCKS 5 (RFC 1928) that surround MAF: bytes to structures and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SOCKS_PDU_H
#define SOCKS_PDU_H

#include "bytes.h"

/* METHOD (RFC 1928, section 3) */
#define SOCKS_METHOD_NONE         0x00
#define SOCKS_METHOD_UNACCEPTABLE 0xFF

/* CMD and ATYP (RFC 1928, sections 4 and 5) */
#define SOCKS_CMD_CONNECT 0x01
#define SOCKS_ATYP_IPV4   0x01
#define SOCKS_ATYP_DOMAIN 0x03
#define SOCKS_ATYP_IPV6   0x04

/* REP (RFC 1928, section 6) */
enum socks_rep {
    SOCKS_REP_SUCCEEDED,
    SOCKS_REP_FAILURE,
    SOCKS_REP_NOT_ALLOWED,
    SOCKS_REP_NETWORK_UNREACHABLE,
    SOCKS_REP_HOST_UNREACHABLE,
    SOCKS_REP_REFUSED,
    SOCKS_REP_TTL_EXPIRED,
    SOCKS_REP_COMMAND_NOT_SUPPORTED,
    SOCKS_REP_ATYP_NOT_SUPPORTED,
};

/* REP in words. */
const char *socks_rep_name(guint8 rep);

/* A request or a reply (RFC 1928, sections 4 to 6). */
typedef struct socks_message {
    guint8 code; /* CMD or REP */
    guint8 atyp;
    guint8 len; /* of the address, 4 or 16, or of a name, 1 to 255; 0 for an unknown ATYP */
    guint8 address[255];
    guint16 port;
} socks_message_t;

/*
 * The METHODS of a greeting (RFC 1928, section 3); the reader's until it reads again. NULL, or FALSE, with
 * the reader's error. A message with an unknown ATYP has no known end, and is read up to that.
 */
const guint8 *socks_read_greeting(reader_t *in, guint8 *n_methods);
gboolean socks_read_selection(reader_t *in, guint8 *method);
gboolean socks_read_message(reader_t *in, socks_message_t *message);

/* Each appends a message to `out`. */
void socks_write_greeting(const guint8 *methods, guint8 n_methods, GByteArray *out);
void socks_write_selection(guint8 method, GByteArray *out);
void socks_write_message(const socks_message_t *message, GByteArray *out);

/* A message about a host: an IPv4 or IPv6 address in text, or a name of 1 to 255 bytes. */
socks_message_t socks_message_of(guint8 code, const char *host, guint16 port);

/* The host as text for getaddrinfo(), freed by the caller; NULL for characters that no host name has. */
char *socks_message_host(const socks_message_t *message);

#endif /* SOCKS_PDU_H */
