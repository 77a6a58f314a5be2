/* socks-pdu.c
 * The messages of SOCKS 5 (RFC 1928) that surround MAF: bytes to structures and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "socks-pdu.h"

#include <arpa/inet.h>
#include <string.h>

const char *
socks_rep_name(guint8 rep)
{
    switch (rep) {
#define SOCKS_REP_NAME(constant, value, name)                                                                \
    case constant:                                                                                           \
        return name;
        SOCKS_REPLIES(SOCKS_REP_NAME)
#undef SOCKS_REP_NAME
    }
    return "unassigned reply";
}

static gboolean
read_version(reader_t *in, GError **error)
{
    guint8 version;

    if (!reader_u8(in, &version, error))
        return FALSE;
    return version == SOCKS_VERSION || violation(error, "VER is %02X, not 05", version);
}

gboolean
socks_read_greeting(reader_t *in, socks_greeting_t *greeting, GError **error)
{
    if (!read_version(in, error) || !reader_u8(in, &greeting->n_methods, error))
        return FALSE;
    if (greeting->n_methods == 0)
        return violation(error, "NMETHODS is 0");
    greeting->methods = reader_take(in, greeting->n_methods, error);
    return greeting->methods != NULL;
}

gboolean
socks_read_selection(reader_t *in, guint8 *method, GError **error)
{
    return read_version(in, error) && reader_u8(in, method, error);
}

gboolean
socks_read_message(reader_t *in, socks_message_t *message, GError **error)
{
    socks_address_t *address = &message->address;
    guint8 reserved;

    if (!read_version(in, error) || !reader_u8(in, &message->code, error) ||
        !reader_u8(in, &reserved, error) || !reader_u8(in, &address->atyp, error))
        return FALSE;
    address->len = address->atyp == SOCKS_ATYP_IPV4 ? 4 : address->atyp == SOCKS_ATYP_IPV6 ? 16 : 0;
    if (address->atyp == SOCKS_ATYP_DOMAIN) {
        if (!reader_u8(in, &address->len, error))
            return FALSE;
        if (address->len == 0)
            return violation(error, "a domain name of no bytes");
    }
    if (address->len == 0)
        return TRUE;
    const guint8 *bytes = reader_take(in, address->len, error);
    if (!bytes)
        return FALSE;
    memcpy(address->bytes, bytes, address->len);
    return reader_u16(in, &address->port, error);
}

void
socks_write_greeting(const socks_greeting_t *greeting, GByteArray *out)
{
    put_u8(out, SOCKS_VERSION);
    put_u8(out, greeting->n_methods);
    g_byte_array_append(out, greeting->methods, greeting->n_methods);
}

void
socks_write_selection(guint8 method, GByteArray *out)
{
    put_u8(out, SOCKS_VERSION);
    put_u8(out, method);
}

void
socks_write_message(const socks_message_t *message, GByteArray *out)
{
    const socks_address_t *address = &message->address;

    put_u8(out, SOCKS_VERSION);
    put_u8(out, message->code);
    put_u8(out, 0);
    put_u8(out, address->atyp);
    if (address->atyp == SOCKS_ATYP_DOMAIN)
        put_u8(out, address->len);
    g_byte_array_append(out, address->bytes, address->len);
    put_u16(out, address->port);
}

gboolean
socks_greeting_offers(const socks_greeting_t *greeting, guint8 method)
{
    return memchr(greeting->methods, method, greeting->n_methods) != NULL;
}

socks_address_t
socks_address_of(const char *host, guint16 port)
{
    socks_address_t address = {.atyp = SOCKS_ATYP_DOMAIN, .port = port};

    if (inet_pton(AF_INET, host, address.bytes) == 1) {
        address.atyp = SOCKS_ATYP_IPV4;
        address.len = 4;
    } else if (inet_pton(AF_INET6, host, address.bytes) == 1) {
        address.atyp = SOCKS_ATYP_IPV6;
        address.len = 16;
    } else {
        address.len = (guint8)MIN(strlen(host), sizeof address.bytes);
        memcpy(address.bytes, host, address.len);
    }
    return address;
}

char *
socks_address_host(const socks_address_t *address)
{
    if (address->atyp != SOCKS_ATYP_DOMAIN) {
        char text[INET6_ADDRSTRLEN];

        return g_strdup(inet_ntop(address->atyp == SOCKS_ATYP_IPV6 ? AF_INET6 : AF_INET, address->bytes, text,
                                  sizeof text));
    }
    for (gsize i = 0; i < address->len; i++) {
        if (!g_ascii_isgraph((char)address->bytes[i]))
            return NULL;
    }
    return g_strndup((const char *)address->bytes, address->len);
}
