/* maf-message.h
 * One MAF message, taken apart: where it ends, and what its parts are
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_MESSAGE_H
#define MAF_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "maf-protocol.h"

/* Bytes in sequence, of which the last may not have been captured. */
typedef struct {
    const uint8_t *at; /* those captured */
    uint32_t captured; /* how many those are */
    uint32_t sent;     /* how many there were on the wire */
} maf_bytes_t;

/* The same without the first ones. */
static inline maf_bytes_t
maf_bytes_after(maf_bytes_t bytes, uint32_t length)
{
    const uint32_t captured = length < bytes.captured ? length : bytes.captured;

    return (maf_bytes_t){bytes.at + captured, bytes.captured - captured,
                         length < bytes.sent ? bytes.sent - length : 0};
}

/* The first ones only. */
static inline maf_bytes_t
maf_bytes_first(maf_bytes_t bytes, uint32_t length)
{
    return (maf_bytes_t){bytes.at, length < bytes.captured ? length : bytes.captured,
                         length < bytes.sent ? length : bytes.sent};
}

/* A METHOD or an OEM id (draft-00, Current MAF Sub-Methods; draft-01 adds those that are not 4 bytes long).
 */
typedef struct {
    uint8_t length;        /* in bytes */
    uint32_t compact;      /* the number it is, if 4 bytes long; else 0 */
    const uint8_t *octets; /* as on the wire; for an id of 4 bytes it can be NULL */
} maf_id_t;

static inline maf_id_t
maf_id_read(const uint8_t *octets, uint8_t length)
{
    maf_id_t id = {.length = length, .octets = octets};

    if (length == MAF_COMPACT_ID_LEN)
        id.compact =
            (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 | octets[3];
    return id;
}

static inline bool
maf_id_is(const maf_id_t *id, uint32_t compact)
{
    return id->length == MAF_COMPACT_ID_LEN && id->compact == compact;
}

static inline bool
maf_id_equal(const maf_id_t *a, const maf_id_t *b)
{
    if (a->length != b->length)
        return false;
    if (a->length == MAF_COMPACT_ID_LEN)
        return a->compact == b->compact;
    return a->length == 0 || !memcmp(a->octets, b->octets, a->length);
}

/* How the bytes after the header are laid out (the diagrams of draft-00, Subnegotiation, and of draft-01).
 */
typedef enum {
    MAF_LAYOUT_UNKNOWN,     /* an INSTR that the revision does not define */
    MAF_LAYOUT_HEADER,      /* nothing follows */
    MAF_LAYOUT_LIST,        /* NMETHODS, METHODS */
    MAF_LAYOUT_METHOD_DATA, /* METHOD, LEN, DATA */
    MAF_LAYOUT_GROUPS,      /* (COUNT, IDLEN, IDS)…, 00 */
    MAF_LAYOUT_ID,          /* MLEN, METHOD */
    MAF_LAYOUT_ID_DATA,     /* MLEN, METHOD, PAD, DLEN, DATA */
    MAF_LAYOUT_OEM,         /* RESERVED, IDLEN, OEMID, PAD, DLEN, DATA */
} maf_layout_t;

/* Whether the end of a message is known, and if not, why. */
typedef enum {
    MAF_MESSAGE_WHOLE,
    MAF_MESSAGE_BAD_INSTR,   /* INSTR names no layout */
    MAF_MESSAGE_BAD_COUNT,   /* NMETHODS outside 1..255, or an IDLEN of 0 in a list */
    MAF_MESSAGE_BAD_LENGTH,  /* LEN beyond the limit */
    MAF_MESSAGE_CUT,         /* the capture, or the stream, ends before the message does */
    MAF_MESSAGE_UNASSEMBLED, /* it goes on in a segment that TCP was not to put together with this one */
} maf_message_end_t;

/* All offsets and lengths are in bytes, from the message's first byte. */
typedef struct {
    uint8_t instr;
    uint8_t ver;
    uint16_t flags;
    uint8_t revision;    /* that it is read by: 0 or 1 */
    uint8_t layout;      /* maf_layout_t */
    uint8_t end;         /* maf_message_end_t */
    uint32_t understood; /* bytes whose meaning is known: all of them if whole, none if the header is cut */
    uint32_t length;     /* of the whole message; if it is not whole, of what there is of it */
    uint32_t beyond;     /* bytes that are known to come after those */
    bool snapped;        /* more was sent than was captured */

    uint8_t nmethods_width; /* of NMETHODS: 1 or 4 */
    uint32_t nmethods;      /* METHODs in the list: NMETHODS, or the sum of all COUNTs */
    uint32_t list_offset;   /* of METHODS, or of the first group */
    const uint8_t *list; /* the bytes there, while the message is being looked at; NULL unless it is whole */

    uint32_t reserved;   /* RESERVED of an OEM message */
    uint32_t id_offset;  /* of METHOD or OEMID; 0 if it is not known */
    maf_id_t id;         /* METHOD or OEMID, while the message is being looked at */
    uint32_t len_offset; /* of LEN or DLEN; 0 if there is none */
    uint32_t len;        /* LEN or DLEN */
    uint32_t data_offset;
} maf_message_t;

/* Steps through the METHODs of a list, in the order of the wire. */
typedef struct {
    const maf_message_t *message;
    uint32_t position; /* of the METHOD to come, from 0 */
    uint32_t offset;   /* where it is, from the message's first byte */
    uint8_t count;     /* revision 01: how many METHODs to come in the group, itself included */
    uint8_t length;    /* of an id, in bytes */
} maf_offers_t;

/* Before the first METHOD of a whole list. */
static inline maf_offers_t
maf_offers_begin(const maf_message_t *message)
{
    return (maf_offers_t){.message = message, .offset = message->list_offset, .length = MAF_COMPACT_ID_LEN};
}

/* The next METHOD of the list and its offset; false after the last. */
static inline bool
maf_offers_next(maf_offers_t *offers, maf_id_t *id, uint32_t *offset)
{
    const uint8_t *list = offers->message->list;
    const uint32_t begin = offers->message->list_offset;

    if (offers->position == offers->message->nmethods)
        return false;
    if (offers->message->layout == MAF_LAYOUT_GROUPS) {
        if (offers->count == 0) {
            offers->count = list[offers->offset - begin];
            offers->length = list[offers->offset - begin + 1];
            offers->offset += MAF_GROUP_HEADER_LEN;
        }
        offers->count--;
    }
    *offset = offers->offset;
    *id = maf_id_read(list + (offers->offset - begin), offers->length);
    offers->offset += offers->length;
    offers->position++;
    return true;
}

/* maf.nmethods_width: how wide NMETHODS is, in bytes. */
typedef enum {
    MAF_NMETHODS_AUTO = 0, /* as its first byte says: 00 exactly when it is 4 wide */
    MAF_NMETHODS_1 = 1,
    MAF_NMETHODS_4 = 4,
} maf_nmethods_width_t;

/* The longest list of groups that is read, in bytes: draft-01 sets no limit, but a reader must. */
#define MAF_LIST_MAX 20480

typedef struct {
    int nmethods_width;  /* a maf_nmethods_width_t */
    unsigned max_length; /* the longest DATA believed, in bytes */
} maf_message_options_t;

/* maf_message_parse() does not know yet how many bytes are missing. */
#define MAF_MISSING_UNKNOWN UINT32_MAX

/*
 * Take apart the message that bytes begin with (draft-00, Subnegotiation; draft-01).
 *
 * revision  0 or 1: whose layouts to go by
 * message   is filled in with whatever is known; its pointers are into the bytes
 * returns   0 if the message is whole, or can never be (message->end says why, and message->length then
 *           covers all the bytes); else the number of bytes that must still come, or MAF_MISSING_UNKNOWN;
 *           message->end is then MAF_MESSAGE_CUT, for callers who know that none will.
 */
uint32_t maf_message_parse(maf_bytes_t bytes, int revision, const maf_message_options_t *options,
                           maf_message_t *message);

/* The first part of a message that is not there whole: "the header", "NMETHODS", "METHODS", "METHOD",
 * "OEMID", "LEN", "DLEN", "DATA", "the end of the list". For a message that maf_message_parse() found cut.
 * Static. */
const char *maf_message_missing_part(const maf_message_t *message);

#endif /* MAF_MESSAGE_H */
