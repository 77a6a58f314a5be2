/* maf-direction.h
 * One direction of a connection: which of its bytes have been read, and which are missing
 *
 * Plain: knows sequence numbers and nothing of what the bytes mean.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_DIRECTION_H
#define MAF_DIRECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <wsutil/wmem/wmem.h>

/* Bytes that were sent and have not come: sequence numbers of the first, and after the last. Equal: all have
 * come since. */
typedef struct maf_gap {
    struct maf_gap *next;
    uint32_t begin;
    uint32_t end;
    uint8_t expected; /* the caller's: what its first byte belongs to */
} maf_gap_t;

typedef struct {
    bool known;        /* the sequence numbers below mean something */
    bool is_acked;     /* `acked` does */
    uint32_t consumed; /* sequence number after the last byte read */
    uint32_t seen; /* after the last byte that TCP has given us, to be read or to be given again with more */
    uint32_t awaited; /* bytes after `seen` that TCP collects without giving them to us; 0: none */
    uint32_t acked;   /* up to which the other side has acknowledged */
    maf_gap_t *gaps;  /* the last first; before `consumed` */
} maf_direction_t;

typedef enum {
    MAF_SPAN_NEW,      /* follows what has been read */
    MAF_SPAN_LATE,     /* in a gap */
    MAF_SPAN_REPEATED, /* has been read */
} maf_span_kind_t;

/* Bytes in sequence that are all of one kind. */
typedef struct {
    maf_span_kind_t kind;
    uint32_t length; /* in bytes; 0 only if none were asked about */
    maf_gap_t *gap;  /* LATE: the one they are in */
} maf_span_t;

/* The next bytes are those at `seq`, whatever came before. */
void maf_direction_begin(maf_direction_t *direction, uint32_t seq);

/* What the first of `length` bytes from `seq` on are, and how many are the same. Bytes after `consumed` are
 * new, whether or not there is a gap before them. */
maf_span_t maf_direction_span(const maf_direction_t *direction, uint32_t seq, uint32_t length);

/* Bytes before `seq` are missing, up to what has been read: first that of which `expected` says what it
 * belongs to. Returns the gap, which belongs to `scope`; NULL if nothing is missing. */
maf_gap_t *maf_direction_skip(wmem_allocator_t *scope, maf_direction_t *direction, uint32_t seq,
                              uint8_t expected);

/* As maf_direction_skip(), where the first missing byte is not known: `length` at most. */
maf_gap_t *maf_direction_add_gap(wmem_allocator_t *scope, maf_direction_t *direction, uint32_t seq,
                                 uint32_t length, uint8_t expected);

/* Is there a gap among the last `length` bytes that TCP has given us? */
bool maf_direction_has_gap(const maf_direction_t *direction, uint32_t length);

/* Bytes from `begin` to before `end`, all of one span, have been read. */
void maf_direction_read(wmem_allocator_t *scope, maf_direction_t *direction, uint32_t begin, uint32_t end);

/* TCP has given us bytes up to `end`, and collects `awaited` more. */
void maf_direction_see(maf_direction_t *direction, uint32_t end, uint32_t awaited);

/* The other side acknowledges all before `ack`. */
void maf_direction_ack(maf_direction_t *direction, uint32_t ack);

/* Had the other side acknowledged all before `end`? Then what it has sent since may have been the answer. */
bool maf_direction_is_acked(const maf_direction_t *direction, uint32_t end);

/* Were bytes before `end` sent that have not come, and that TCP is not collecting either? */
bool maf_direction_lacks(const maf_direction_t *direction, uint32_t end);

#endif /* MAF_DIRECTION_H */
