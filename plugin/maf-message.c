/* maf-message.c
 * Where a MAF message ends, and what its parts are
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-message.h"

#include <glib.h>

#include "maf-protocol.h"

typedef struct {
    maf_bytes_t bytes; /* from the message's first on */
    const maf_message_options_t *options;
} reader_t;

/* A layout's function finds the end of the message and notes its parts: the result is maf_message_parse()'s.
 */
typedef uint32_t (*layout_fn)(const reader_t *reader, maf_message_t *message);

static uint32_t
whole(maf_message_t *message, uint32_t length)
{
    message->end = MAF_MESSAGE_WHOLE;
    message->length = message->understood = length;
    return 0;
}

static uint32_t
bad(const reader_t *reader, maf_message_t *message, maf_message_end_t why)
{
    message->end = why;
    message->length = reader->bytes.sent;
    return 0;
}

/*
 * The message goes on beyond what was captured: to `length` at least, or to exactly that. If all of what is
 * captured was sent, the rest can be waited for.
 */
static uint32_t
cut(const reader_t *reader, maf_message_t *message, uint32_t length, bool length_known)
{
    message->end = MAF_MESSAGE_CUT;
    message->length = length_known ? MIN(length, reader->bytes.sent) : reader->bytes.sent;
    message->beyond = length_known && length > reader->bytes.sent ? length - reader->bytes.sent : 0;
    message->snapped = reader->bytes.sent > reader->bytes.captured;
    if (message->snapped)
        return 0;
    /* Whoever once asks TCP for a number of bytes must not ask it for a segment after that: it would not
     * look at the rest of this one. */
    return length_known ? length - reader->bytes.sent : MAF_MISSING_UNKNOWN;
}

static uint8_t
octet_at(const reader_t *reader, uint32_t at)
{
    return reader->bytes.at[at];
}

/* Of so many bytes, the first the highest. */
static uint32_t
number_at(const reader_t *reader, uint32_t at, unsigned width)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < width; i++)
        number = number << 8 | octet_at(reader, at + i);
    return number;
}

static const uint8_t *
octets_at(const reader_t *reader, uint32_t at)
{
    return reader->bytes.at + at;
}

static uint32_t
aligned(uint32_t at)
{
    return (at + MAF_ALIGNMENT - 1) / MAF_ALIGNMENT * MAF_ALIGNMENT;
}

/* The bytes from an offset on are as many as `length` says: is that believed, and are they there? */
static uint32_t
end_after(const reader_t *reader, maf_message_t *message, uint32_t at, uint32_t length)
{
    if (length > reader->options->max_length || length > INT32_MAX - at)
        return bad(reader, message, MAF_MESSAGE_BAD_LENGTH);
    return reader->bytes.captured < at + length ? cut(reader, message, at + length, true)
                                                : whole(message, at + length);
}

/* DATA, after its length at an offset. */
static uint32_t
end_after_data(const reader_t *reader, maf_message_t *message, uint32_t at)
{
    const uint32_t data_offset = at + MAF_LEN_LEN;

    if (reader->bytes.captured < data_offset)
        return cut(reader, message, data_offset, false);
    message->len_offset = at;
    message->len = number_at(reader, at, MAF_LEN_LEN);
    message->data_offset = message->understood = data_offset;
    return end_after(reader, message, data_offset, message->len);
}

/* An id whose length stands before it; 0 or what is still missing. */
static uint32_t
take_id(const reader_t *reader, maf_message_t *message, uint32_t at)
{
    uint8_t length;

    if (reader->bytes.captured < at + MAF_IDLEN_LEN)
        return cut(reader, message, at + MAF_IDLEN_LEN, false);
    length = octet_at(reader, at);
    at += MAF_IDLEN_LEN;
    if (reader->bytes.captured < at + length)
        return cut(reader, message, at + length, message->layout == MAF_LAYOUT_ID);
    message->id_offset = at;
    message->id = maf_id_read(octets_at(reader, at), length);
    message->understood = at + length;
    return 0;
}

static uint32_t
layout_unknown(const reader_t *reader, maf_message_t *message)
{
    return bad(reader, message, MAF_MESSAGE_BAD_INSTR);
}

static uint32_t
layout_header(const reader_t *reader G_GNUC_UNUSED, maf_message_t *message)
{
    return whole(message, MAF_HEADER_LEN);
}

static uint32_t
layout_list(const reader_t *reader, maf_message_t *message)
{
    uint32_t length;

    if (reader->bytes.captured < MAF_HEADER_LEN + 1)
        return cut(reader, message, MAF_HEADER_LEN + 1, false);

    message->nmethods_width = (uint8_t)reader->options->nmethods_width;
    if (message->nmethods_width == MAF_NMETHODS_AUTO)
        message->nmethods_width = octet_at(reader, MAF_HEADER_LEN) ? MAF_NMETHODS_1 : MAF_NMETHODS_4;

    message->list_offset = MAF_HEADER_LEN + message->nmethods_width;
    if (reader->bytes.captured < message->list_offset)
        return cut(reader, message, message->list_offset, false);

    message->nmethods = message->nmethods_width == MAF_NMETHODS_1
                            ? octet_at(reader, MAF_HEADER_LEN)
                            : number_at(reader, MAF_HEADER_LEN, MAF_NMETHODS_LEN);
    message->understood = message->list_offset;
    if (message->nmethods < MAF_NMETHODS_MIN || message->nmethods > MAF_NMETHODS_MAX)
        return bad(reader, message, MAF_MESSAGE_BAD_COUNT);

    length = message->nmethods * MAF_METHOD_LEN;
    if (reader->bytes.captured < message->list_offset + length)
        return cut(reader, message, message->list_offset + length, true);

    message->list = octets_at(reader, message->list_offset);
    return whole(message, message->list_offset + length);
}

static uint32_t
layout_method_data(const reader_t *reader, maf_message_t *message)
{
    const uint32_t len_offset = MAF_HEADER_LEN + MAF_METHOD_LEN;

    if (reader->bytes.captured < len_offset + MAF_LEN_LEN)
        return cut(reader, message, len_offset + MAF_LEN_LEN, false);
    message->id_offset = MAF_HEADER_LEN;
    message->id = maf_id_read(octets_at(reader, MAF_HEADER_LEN), MAF_METHOD_LEN);
    return end_after_data(reader, message, len_offset);
}

static uint32_t
layout_groups(const reader_t *reader, maf_message_t *message)
{
    uint32_t at = MAF_HEADER_LEN;

    message->list_offset = MAF_HEADER_LEN;
    for (;;) {
        uint32_t count, length;

        if (reader->bytes.captured < at + 1)
            return cut(reader, message, at + 1, false);
        count = octet_at(reader, at);
        if (count == 0)
            break;
        if (reader->bytes.captured < at + MAF_GROUP_HEADER_LEN)
            return cut(reader, message, at + MAF_GROUP_HEADER_LEN, false);
        length = octet_at(reader, at + 1);
        if (length == 0)
            return bad(reader, message, MAF_MESSAGE_BAD_COUNT);
        at += MAF_GROUP_HEADER_LEN + count * length;
        message->nmethods += count;
        if (at > MAF_LIST_MAX)
            return bad(reader, message, MAF_MESSAGE_BAD_LENGTH);
    }
    message->list = octets_at(reader, MAF_HEADER_LEN);
    return whole(message, at + 1);
}

static uint32_t
layout_id(const reader_t *reader, maf_message_t *message)
{
    const uint32_t missing = take_id(reader, message, MAF_HEADER_LEN);

    return missing || message->end == MAF_MESSAGE_CUT ? missing : whole(message, message->understood);
}

static uint32_t
layout_id_data(const reader_t *reader, maf_message_t *message)
{
    const uint32_t missing = take_id(reader, message, MAF_HEADER_LEN);

    if (missing || message->end == MAF_MESSAGE_CUT)
        return missing;
    return end_after_data(reader, message, aligned(message->understood));
}

static uint32_t
layout_oem(const reader_t *reader, maf_message_t *message)
{
    const uint32_t missing = take_id(reader, message, MAF_HEADER_LEN + MAF_RESERVED_LEN);

    if (message->id_offset > 0)
        message->reserved = number_at(reader, MAF_HEADER_LEN, MAF_RESERVED_LEN);
    if (missing || message->end == MAF_MESSAGE_CUT)
        return missing;
    return end_after_data(reader, message, aligned(message->understood));
}

static const layout_fn layout_fns[] = {
    [MAF_LAYOUT_UNKNOWN] = layout_unknown, [MAF_LAYOUT_HEADER] = layout_header,
    [MAF_LAYOUT_LIST] = layout_list,       [MAF_LAYOUT_METHOD_DATA] = layout_method_data,
    [MAF_LAYOUT_GROUPS] = layout_groups,   [MAF_LAYOUT_ID] = layout_id,
    [MAF_LAYOUT_ID_DATA] = layout_id_data, [MAF_LAYOUT_OEM] = layout_oem,
};

/* By revision and INSTR; one that is not here is MAF_LAYOUT_UNKNOWN. */
static const uint8_t layouts[][UINT8_MAX + 1] = {
    [MAF_VER_00] =
        {
            [MAF_INSTR_SUCCESS] = MAF_LAYOUT_METHOD_DATA,
            [MAF_INSTR_SUPPORTED] = MAF_LAYOUT_LIST,
            [MAF_INSTR_REQUEST_MORE] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_DO] = MAF_LAYOUT_METHOD_DATA,
            [MAF_INSTR_WHAT_NEXT] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_PROCESS] = MAF_LAYOUT_METHOD_DATA,
            [MAF_INSTR_ACKNOWLEDGE] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_FAILURE] = MAF_LAYOUT_METHOD_DATA,
        },
    [MAF_VER_01] =
        {
            [MAF_INSTR_SUCCESS] = MAF_LAYOUT_ID,
            [MAF_INSTR_SUPPORTED] = MAF_LAYOUT_GROUPS,
            [MAF_INSTR_REQUEST_MORE] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_DO] = MAF_LAYOUT_ID,
            [MAF_INSTR_WHAT_NEXT] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_PROCESS] = MAF_LAYOUT_ID_DATA,
            [MAF_INSTR_ACKNOWLEDGE] = MAF_LAYOUT_HEADER,
            [MAF_INSTR_OEM] = MAF_LAYOUT_OEM,
            [MAF_INSTR_FAILURE] = MAF_LAYOUT_ID,
        },
};

uint32_t
maf_message_parse(maf_bytes_t bytes, int revision, const maf_message_options_t *options,
                  maf_message_t *message)
{
    const reader_t reader = {.bytes = bytes, .options = options};

    memset(message, 0, sizeof *message);
    if (bytes.captured > 0)
        message->instr = octet_at(&reader, 0);
    if (bytes.captured > 1)
        message->ver = octet_at(&reader, 1);
    message->revision = (uint8_t)revision;
    message->layout = layouts[message->revision][message->instr];
    if (bytes.captured < MAF_HEADER_LEN)
        return cut(&reader, message, MAF_HEADER_LEN, false);

    message->flags = (uint16_t)number_at(&reader, 2, sizeof message->flags);
    message->understood = MAF_HEADER_LEN;
    return layout_fns[message->layout](&reader, message);
}

const char *
maf_message_missing_part(const maf_message_t *message)
{
    const char *length = message->revision == MAF_VER_00 ? "LEN" : "DLEN";

    if (message->understood < MAF_HEADER_LEN)
        return "the header";
    switch ((maf_layout_t)message->layout) {
    case MAF_LAYOUT_LIST:
        return message->understood > MAF_HEADER_LEN ? "METHODS" : "NMETHODS";
    case MAF_LAYOUT_GROUPS:
        return "the end of the list";
    case MAF_LAYOUT_METHOD_DATA:
        if (message->id_offset)
            return "DATA";
        return message->length < MAF_HEADER_LEN + MAF_METHOD_LEN ? "METHOD" : length;
    case MAF_LAYOUT_ID:
    case MAF_LAYOUT_ID_DATA:
    case MAF_LAYOUT_OEM:
        if (message->len_offset)
            return "DATA";
        if (message->id_offset)
            return length;
        return message->layout == MAF_LAYOUT_OEM ? "OEMID" : "METHOD";
    case MAF_LAYOUT_UNKNOWN:
    case MAF_LAYOUT_HEADER:
        break;
    }
    return "the rest";
}
