/* socks-pdu.c
 * Bytes, and the messages of SOCKS 5 (RFC 1928)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "pdu.h"

#include <arpa/inet.h>
#include <string.h>

#define SOCKS_VERSION 0x05

/* Bytes */

void
reader_clear(reader_t *in)
{
    g_clear_pointer(&in->bytes, wipe_and_unref);
    g_clear_pointer(&in->ids, g_array_unref);
    g_clear_error(&in->error);
}

const guint8 *
reader_take(reader_t *in, gsize count)
{
    while (!in->error && in->bytes->len - in->at < count) {
        if (in->fill)
            in->fill(in, count - (in->bytes->len - in->at));
        else
            fail(&in->error, STATUS_VIOLATION, "ends inside a message");
    }
    if (in->error)
        return NULL;
    in->at += count;
    return in->bytes->data + in->at - count;
}

void
put_number(GByteArray *out, guint32 value, gsize len)
{
    const guint32 wire = GUINT32_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&wire + sizeof wire - len, (guint)len);
}

void
wipe_and_unref(GByteArray *secret)
{
    if (!secret)
        return;
    if (secret->len > 0)
        explicit_bzero(secret->data, secret->len);
    g_byte_array_unref(secret);
}

void
code_number(const codec_t *codec, guint32 *value, gsize len)
{
    if (!codec->in) {
        put_number(codec->out, *value, len);
        return;
    }
    const guint8 *bytes = reader_take(codec->in, len);
    *value = 0;
    for (gsize i = 0; bytes && i < len; i++)
        *value = *value << 8 | bytes[i];
}

void
code_bytes(const codec_t *codec, guint8 *bytes, gsize len, gsize room)
{
    if (!codec->in) {
        g_byte_array_append(codec->out, bytes, (guint)len);
        return;
    }
    const guint8 *read = reader_take(codec->in, len);
    if (read)
        memcpy(bytes, read, MIN(len, room));
}

/* SOCKS 5 */

const char *
socks_rep_name(guint32 rep)
{
    static const char *const names[] = {"succeeded",
                                        "general SOCKS server failure",
                                        "connection not allowed by ruleset",
                                        "network unreachable",
                                        "host unreachable",
                                        "connection refused",
                                        "TTL expired",
                                        "command not supported",
                                        "address type not supported"};
    return rep < G_N_ELEMENTS(names) ? names[rep] : "unassigned reply";
}

/* VER, and the byte after it. */
static void
code_start(const codec_t *codec, guint32 *second)
{
    guint32 version = SOCKS_VERSION;

    code_number(codec, &version, 1);
    if (version != SOCKS_VERSION)
        fail(&codec->in->error, STATUS_VIOLATION, "VER is %02X, not 05", version);
    code_number(codec, second, 1);
}

const guint8 *
socks_read_greeting(reader_t *in, guint *n_methods)
{
    code_start(&(codec_t){.in = in}, n_methods);
    if (*n_methods == 0)
        fail(&in->error, STATUS_VIOLATION, "NMETHODS is 0");
    return reader_take(in, *n_methods);
}

gboolean
socks_read_selection(reader_t *in, guint *method)
{
    code_start(&(codec_t){.in = in}, method);
    return !in->error;
}

void
socks_write_start(guint second, const guint8 *methods, GByteArray *out)
{
    code_start(&(codec_t){.out = out}, &second);
    if (methods)
        g_byte_array_append(out, methods, second);
}

static void
code_message(const codec_t *codec, socks_message_t *message)
{
    guint32 reserved = 0;

    code_start(codec, &message->code);
    code_number(codec, &reserved, 1);
    code_number(codec, &message->atyp, 1);
    if (message->atyp == SOCKS_ATYP_DOMAIN)
        code_number(codec, &message->len, 1);
    else
        message->len = message->atyp == SOCKS_ATYP_IPV4 ? 4 : message->atyp == SOCKS_ATYP_IPV6 ? 16 : 0;
    if (message->len == 0 && message->atyp != SOCKS_ATYP_DOMAIN)
        return;
    if (codec->in && message->len == 0)
        fail(&codec->in->error, STATUS_VIOLATION, "a domain name of no bytes");
    code_bytes(codec, message->address, message->len, sizeof message->address);
    code_number(codec, &message->port, 2);
}

gboolean
socks_read_message(reader_t *in, socks_message_t *message)
{
    code_message(&(codec_t){.in = in}, message);
    return !in->error;
}

void
socks_write_message(const socks_message_t *message, GByteArray *out)
{
    socks_message_t copy = *message;
    code_message(&(codec_t){.out = out}, &copy);
}

socks_message_t
socks_message_of(guint8 code, const char *host, guint16 port)
{
    socks_message_t message = {.code = code, .atyp = SOCKS_ATYP_DOMAIN, .port = port};

    if (inet_pton(AF_INET, host, message.address) == 1) {
        message.atyp = SOCKS_ATYP_IPV4;
    } else if (inet_pton(AF_INET6, host, message.address) == 1) {
        message.atyp = SOCKS_ATYP_IPV6;
    } else {
        message.len = (guint32)MIN(strlen(host), sizeof message.address);
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
