/* socks-pdu.c
 * The messages of SOCKS 5 (RFC 1928) that surround MAF: bytes to structures and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "socks-pdu.h"

#include <arpa/inet.h>
#include <string.h>

#define SOCKS_VERSION 0x05

const char *
socks_rep_name(guint8 rep)
{
    static const char *const names[] = {
        [SOCKS_REP_SUCCEEDED] = "succeeded",
        [SOCKS_REP_FAILURE] = "general SOCKS server failure",
        [SOCKS_REP_NOT_ALLOWED] = "connection not allowed by ruleset",
        [SOCKS_REP_NETWORK_UNREACHABLE] = "network unreachable",
        [SOCKS_REP_HOST_UNREACHABLE] = "host unreachable",
        [SOCKS_REP_REFUSED] = "connection refused",
        [SOCKS_REP_TTL_EXPIRED] = "TTL expired",
        [SOCKS_REP_COMMAND_NOT_SUPPORTED] = "command not supported",
        [SOCKS_REP_ATYP_NOT_SUPPORTED] = "address type not supported",
    };
    return rep < G_N_ELEMENTS(names) ? names[rep] : "unassigned reply";
}

static void
read_version(reader_t *in)
{
    const guint32 version = reader_number(in, 1);

    if (version != SOCKS_VERSION)
        fail(&in->error, STATUS_VIOLATION, "VER is %02X, not 05", version);
}

const guint8 *
socks_read_greeting(reader_t *in, guint8 *n_methods)
{
    read_version(in);
    *n_methods = (guint8)reader_number(in, 1);
    if (*n_methods == 0)
        fail(&in->error, STATUS_VIOLATION, "NMETHODS is 0");
    return reader_take(in, *n_methods);
}

gboolean
socks_read_selection(reader_t *in, guint8 *method)
{
    read_version(in);
    *method = (guint8)reader_number(in, 1);
    return !in->error;
}

gboolean
socks_read_message(reader_t *in, socks_message_t *message)
{
    read_version(in);
    message->code = (guint8)reader_number(in, 1);
    reader_number(in, 1); /* RSV */
    message->atyp = (guint8)reader_number(in, 1);
    message->len = message->atyp == SOCKS_ATYP_IPV4 ? 4 : message->atyp == SOCKS_ATYP_IPV6 ? 16 : 0;
    if (message->atyp == SOCKS_ATYP_DOMAIN) {
        message->len = (guint8)reader_number(in, 1);
        if (message->len == 0)
            fail(&in->error, STATUS_VIOLATION, "a domain name of no bytes");
    }
    if (message->len == 0)
        return !in->error;
    const guint8 *address = reader_take(in, message->len);
    if (address)
        memcpy(message->address, address, message->len);
    message->port = (guint16)reader_number(in, 2);
    return !in->error;
}

void
socks_write_greeting(const guint8 *methods, guint8 n_methods, GByteArray *out)
{
    put_number(out, SOCKS_VERSION, 1);
    put_number(out, n_methods, 1);
    g_byte_array_append(out, methods, n_methods);
}

void
socks_write_selection(guint8 method, GByteArray *out)
{
    put_number(out, SOCKS_VERSION, 1);
    put_number(out, method, 1);
}

void
socks_write_message(const socks_message_t *message, GByteArray *out)
{
    put_number(out, SOCKS_VERSION, 1);
    put_number(out, message->code, 1);
    put_number(out, 0, 1);
    put_number(out, message->atyp, 1);
    if (message->atyp == SOCKS_ATYP_DOMAIN)
        put_number(out, message->len, 1);
    g_byte_array_append(out, message->address, message->len);
    put_number(out, message->port, 2);
}

socks_message_t
socks_message_of(guint8 code, const char *host, guint16 port)
{
    socks_message_t message = {.code = code, .atyp = SOCKS_ATYP_DOMAIN, .port = port};

    if (inet_pton(AF_INET, host, message.address) == 1) {
        message.atyp = SOCKS_ATYP_IPV4;
        message.len = 4;
    } else if (inet_pton(AF_INET6, host, message.address) == 1) {
        message.atyp = SOCKS_ATYP_IPV6;
        message.len = 16;
    } else {
        message.len = (guint8)MIN(strlen(host), sizeof message.address);
        memcpy(message.address, host, message.len);
    }
    return message;
}

char *
socks_message_host(const socks_message_t *message)
{
    const int family = message->atyp == SOCKS_ATYP_IPV6 ? AF_INET6 : AF_INET;

    if (message->atyp != SOCKS_ATYP_DOMAIN) {
        char text[INET6_ADDRSTRLEN];
        return g_strdup(inet_ntop(family, message->address, text, sizeof text));
    }
    for (gsize i = 0; i < message->len; i++) {
        if (!g_ascii_isgraph((char)message->address[i]))
            return NULL;
    }
    return g_strndup((const char *)message->address, message->len);
}
