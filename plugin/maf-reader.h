/* maf-reader.h
 * Bytes in sequence, taken apart into pieces: SOCKS, MAF messages, tunnel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_READER_H
#define MAF_READER_H

#include "maf-compat.h"

#include "maf-stream.h"

/* Bytes of one side that follow each other, in a packet. */
typedef struct {
    maf_stream_t *stream;
    maf_side_t from;
    maf_segment_t *segment; /* gets the pieces */
    uint32_t packet;
    nstime_t when;
    maf_bytes_t bytes; /* those carried first; if there are any, they live as long as the capture file */
    uint32_t carried;  /* bytes in front that came in earlier packets */
    uint32_t base;     /* offset of the first byte that is not carried in the segment */
    uint32_t seq;      /* of the same byte */
    bool late;         /* they are in a gap */
    bool ends;         /* nothing follows them */
    bool last;         /* nothing follows, or nobody would put it together */
    bool held;         /* TCP cannot give them again: the pending message's are carried */
    bool is_acked;     /* all before `acked` was acknowledged before they came */
    uint32_t acked;
    uint32_t next; /* sequence number after the packet's last byte: those behind came earlier, out of order */
    uint32_t waited; /* as many at the beginning had come before, and were waited with */
    uint32_t offset; /* in the bytes, of what has not been read */
} maf_reader_t;

/* Take as many pieces as there are, and the session along. What is left at `offset` is pending; TCP is asked
 * for the rest in the segment. */
void maf_reader_read(maf_reader_t *reader);

/* Add a piece that is nobody's. */
void maf_reader_skip(maf_reader_t *reader, uint32_t length);

/* Give the pending message of that side up, if there is one. */
void maf_reader_give_up(maf_stream_t *stream, maf_side_t side, uint32_t packet);

/* Does a whole greeting offer a method that means MAF? */
bool maf_greeting_offers_maf(maf_bytes_t bytes);

/*
 * Length of the greeting that bytes begin with (RFC 1928, section 3); 0 if it is none, MAF_MISSING_UNKNOWN if
 * too little of it has come. X'05' also begins a Process, whose second byte is 0 or 1.
 */
uint32_t maf_greeting_length(maf_bytes_t bytes);

/* Are they a server's selection of MAF, and nothing else or a message after it? */
bool maf_is_selection(maf_bytes_t bytes);

/* Is that a number of maf.socks_methods? */
bool maf_is_socks_method(uint8_t method);

#endif /* MAF_READER_H */
