/* socks-pdu.c
 * The messages of SOCKS 5 (RFC 1928) that surround MAF: octets to structures and back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "socks-pdu.h"

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

static frame_status_t
read_version(frame_reader_t *in, GError **error)
{
    guint8 version;

    if (!frame_u8(in, &version))
        return FRAME_PARTIAL;
    if (version != SOCKS_VERSION)
        return frame_bad(error, "VER is %02X, not 05", version);
    return FRAME_COMPLETE;
}

static frame_status_t
read_greeting(frame_reader_t *in, socks_greeting_t *greeting, GError **error)
{
    const frame_status_t status = read_version(in, error);
    if (status != FRAME_COMPLETE)
        return status;
    if (!frame_u8(in, &greeting->n_methods))
        return FRAME_PARTIAL;
    if (greeting->n_methods == 0)
        return frame_bad(error, "NMETHODS is 0");
    greeting->methods = frame_take(in, greeting->n_methods);
    return greeting->methods ? FRAME_COMPLETE : FRAME_PARTIAL;
}

static frame_status_t
read_selection(frame_reader_t *in, guint8 *method, GError **error)
{
    const frame_status_t status = read_version(in, error);
    if (status != FRAME_COMPLETE)
        return status;
    return frame_u8(in, method) ? FRAME_COMPLETE : FRAME_PARTIAL;
}

/* ADDR and PORT; PARTIAL, COMPLETE, or BAD with the address's `len` 0 when ATYP is unknown. */
static frame_status_t
read_address(frame_reader_t *in, socks_address_t *address, GError **error)
{
    switch (address->atyp) {
    case SOCKS_ATYP_IPV4:
        address->len = 4;
        break;
    case SOCKS_ATYP_IPV6:
        address->len = 16;
        break;
    case SOCKS_ATYP_DOMAIN:
        if (!frame_u8(in, &address->len))
            return FRAME_PARTIAL;
        if (address->len == 0)
            return frame_bad(error, "a domain name of no octets");
        break;
    default:
        return frame_bad(error, "ATYP is %02X, not 01, 03 or 04", address->atyp);
    }
    const guint8 *octets = frame_take(in, address->len);
    if (!octets || !frame_u16(in, &address->port))
        return FRAME_PARTIAL;
    memcpy(address->octets, octets, address->len);
    return FRAME_COMPLETE;
}

static frame_status_t
read_message_head(frame_reader_t *in, socks_message_t *message, GError **error)
{
    guint8 reserved;

    const frame_status_t status = read_version(in, error);
    if (status != FRAME_COMPLETE)
        return status;
    if (!frame_u8(in, &message->code) || !frame_u8(in, &reserved) || !frame_u8(in, &message->address.atyp))
        return FRAME_PARTIAL;
    return FRAME_COMPLETE;
}

static gboolean
known_atyp(guint8 atyp)
{
    return atyp == SOCKS_ATYP_IPV4 || atyp == SOCKS_ATYP_DOMAIN || atyp == SOCKS_ATYP_IPV6;
}

static frame_status_t
read_request(frame_reader_t *in, socks_message_t *request, GError **error)
{
    const frame_status_t status = read_message_head(in, request, error);
    if (status != FRAME_COMPLETE || !known_atyp(request->address.atyp))
        return status;
    return read_address(in, &request->address, error);
}

static frame_status_t
read_reply(frame_reader_t *in, socks_message_t *reply, GError **error)
{
    const frame_status_t status = read_message_head(in, reply, error);
    return status == FRAME_COMPLETE ? read_address(in, &reply->address, error) : status;
}

frame_status_t
socks_greeting_decode(const guint8 *octets, gsize len, socks_greeting_t *greeting, gsize *length,
                      GError **error)
{
    frame_reader_t in = {.octets = octets, .len = len};
    memset(greeting, 0, sizeof *greeting);
    return frame_end(&in, read_greeting(&in, greeting, error), length);
}

frame_status_t
socks_selection_decode(const guint8 *octets, gsize len, guint8 *method, gsize *length, GError **error)
{
    frame_reader_t in = {.octets = octets, .len = len};
    return frame_end(&in, read_selection(&in, method, error), length);
}

frame_status_t
socks_request_decode(const guint8 *octets, gsize len, socks_message_t *request, gsize *length, GError **error)
{
    frame_reader_t in = {.octets = octets, .len = len};
    memset(request, 0, sizeof *request);
    return frame_end(&in, read_request(&in, request, error), length);
}

frame_status_t
socks_reply_decode(const guint8 *octets, gsize len, socks_message_t *reply, gsize *length, GError **error)
{
    frame_reader_t in = {.octets = octets, .len = len};
    memset(reply, 0, sizeof *reply);
    return frame_end(&in, read_reply(&in, reply, error), length);
}

void
socks_greeting_encode(const socks_greeting_t *greeting, GByteArray *out)
{
    frame_put_u8(out, SOCKS_VERSION);
    frame_put_u8(out, greeting->n_methods);
    g_byte_array_append(out, greeting->methods, greeting->n_methods);
}

void
socks_selection_encode(guint8 method, GByteArray *out)
{
    frame_put_u8(out, SOCKS_VERSION);
    frame_put_u8(out, method);
}

void
socks_message_encode(const socks_message_t *message, GByteArray *out)
{
    const socks_address_t *address = &message->address;

    frame_put_u8(out, SOCKS_VERSION);
    frame_put_u8(out, message->code);
    frame_put_u8(out, 0);
    frame_put_u8(out, address->atyp);
    if (address->atyp == SOCKS_ATYP_DOMAIN)
        frame_put_u8(out, address->len);
    g_byte_array_append(out, address->octets, address->len);
    frame_put_u16(out, address->port);
}
