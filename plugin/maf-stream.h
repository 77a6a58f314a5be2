/* maf-stream.h
 * What is known of one connection that may carry MAF: its ends, its sides, its segments and their pieces
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_STREAM_H
#define MAF_STREAM_H

#include "maf-compat.h"

#include <epan/conversation.h>
#include <epan/dissectors/packet-tcp.h>
#include <epan/packet.h>

#include "maf-direction.h"
#include "maf-login.h"
#include "maf-message.h"
#include "maf-session.h"

/* SOCKS 5 (RFC 1928, sections 3, 4 and 6): numbers, and sizes in bytes */
#define SOCKS_VERSION         5
#define SOCKS_GREETING_HEADER 2 /* VER, NMETHODS */
#define SOCKS_SELECTION_LEN   2 /* VER, METHOD */
#define SOCKS_REQUEST_HEADER  5 /* VER, CMD or REP, RSV, ATYP, and the first byte of the address */
#define SOCKS_CONNECT         1
#define SOCKS_UDP_ASSOCIATE   3
#define SOCKS_ATYP_OFFSET     3
#define SOCKS_ATYP_IPV4       1
#define SOCKS_ATYP_DOMAIN     3
#define SOCKS_ATYP_IPV6       4
#define SOCKS_TCP_PORT        1080

/* What a side of the connection is expected to send next. */
typedef enum {
    MAF_PHASE_GREETING,  /* client: the methods it offers */
    MAF_PHASE_SELECTION, /* server: the method selected */
    MAF_PHASE_MESSAGES,
    MAF_PHASE_REQUEST, /* client: the SOCKS request */
    MAF_PHASE_REPLY,   /* server: its reply */
    MAF_PHASE_TUNNEL,
    MAF_PHASE_OPAQUE, /* what follows MAF, when it is not to be dissected (maf.dissect_socks) */
} maf_phase_t;

typedef enum {
    MAF_PIECE_NONE,     /* of a segment of which nothing is ours: it is the SOCKS dissector's */
    MAF_PIECE_GREETING, /* this and the next three: for the SOCKS dissector */
    MAF_PIECE_SELECTION,
    MAF_PIECE_REQUEST,
    MAF_PIECE_REPLY,
    MAF_PIECE_MESSAGE,   /* a MAF message */
    MAF_PIECE_UNDECODED, /* MAF, but not a message */
    MAF_PIECE_TUNNEL,    /* for the dissector of the target's port */
    MAF_PIECE_DATA,      /* repeated, or part of a message that ends in a later segment */
} maf_piece_kind_t;

/* Part of a segment, in sequence. */
typedef struct {
    maf_verdict_t *verdict; /* of a message */
    uint32_t length;        /* in the segment, in bytes */
    uint8_t kind;           /* maf_piece_kind_t */
} maf_piece_t;

/* What is wrong around a segment, and not with a message in it */
typedef enum {
    MAF_NOTHING,
    MAF_EARLY_REQUEST,       /* the SOCKS request is in it, in a state in which it may not be */
    MAF_UNOFFERED_SELECTION, /* the selection of MAF is in it, which the greeting did not offer */
} maf_remark_t;

/* What few segments have */
typedef struct {
    wmem_array_t *pieces; /* maf_piece_t, after the first; NULL if there is no other */
    maf_bytes_t whole;    /* all bytes of the piece of which some came in a segment that was held */
    unsigned whole_piece; /* number of that piece */
    const maf_gap_t *gap; /* bytes missing before the segment; NULL if none */
    int desegment_offset; /* what TCP is asked for */
    uint32_t desegment_len;
    uint8_t remark; /* maf_remark_t */
    uint8_t state;  /* maf_state_t in which an early request comes */
    bool follows;   /* another segment with messages, in the same packet */
} maf_segment_more_t;

/* A segment, or several reassembled by TCP. */
typedef struct {
    uint32_t packet;          /* with the next two: which one it is */
    uint32_t offset;          /* of its first byte in its data source */
    uint16_t source;          /* position of that data source in the packet */
    uint8_t kind;             /* of its first piece, as are the next two: most have no other */
    uint32_t length;          /* likewise */
    maf_verdict_t *verdict;   /* likewise */
    maf_segment_more_t *more; /* NULL if it has nothing else */
} maf_segment_t;

/* Is anything in it ours? */
static inline bool
maf_segment_is_ours(const maf_segment_t *segment)
{
    return segment->kind != MAF_PIECE_NONE;
}

/* How many bytes TCP is asked for, or DESEGMENT_ONE_MORE_SEGMENT; 0 for none. */
static inline uint32_t
maf_segment_desegment_len(const maf_segment_t *segment)
{
    return segment->more ? segment->more->desegment_len : 0;
}

/* What few segments have, in this one: to be filled in. */
maf_segment_more_t *maf_segment_more(maf_segment_t *segment);

/* Add a piece at its end. Returns its number. */
unsigned maf_segment_add_piece(maf_segment_t *segment, maf_piece_t piece);

/* A piece, by its number from 0; the kind is MAF_PIECE_NONE behind the last one. */
maf_piece_t maf_segment_piece(const maf_segment_t *segment, unsigned number);

/* All bytes of a piece, if its first ones came in a segment that was held; else NULL. */
const maf_bytes_t *maf_segment_whole(const maf_segment_t *segment, unsigned number);

/* Segments, in the order of the capture. They stay where they are. */
#define MAF_SEGMENTS_PER_BLOCK 16
typedef struct {
    wmem_array_t *blocks; /* maf_segment_t *, to so many of them */
    unsigned count;
} maf_segments_t;

static inline maf_segment_t *
maf_segment_at(const maf_segments_t *segments, unsigned position)
{
    maf_segment_t **blocks = (maf_segment_t **)wmem_array_get_raw(segments->blocks);

    return &blocks[position / MAF_SEGMENTS_PER_BLOCK][position % MAF_SEGMENTS_PER_BLOCK];
}

/* A message, of MAF or of SOCKS, whose end has not come with its first byte. */
typedef struct {
    uint32_t began;       /* packet that has its first byte */
    uint32_t done;        /* packet that has its last byte; 0 if it is still pending */
    bool given_up;        /* in packet `done`: its rest will not come */
    bool is_message;      /* of MAF */
    bool header_known;    /* of MAF, so that it is no message of SOCKS */
    uint32_t have;        /* bytes there were when it was last read */
    const uint8_t *socks; /* of a SOCKS message: its bytes; else NULL */
} maf_unfinished_t;

/* Who dissects the connection when we do not */
typedef enum {
    MAF_BEHIND_TCP,       /* TCP calls SOCKS, and we stand in front of it */
    MAF_BEHIND_TLS,       /* the same for TLS */
    MAF_BEHIND_DECODE_AS, /* nobody: the user chose MAF for it */
    MAF_BEHIND_HEURISTIC, /* nobody: its greeting offers MAF */
} maf_place_t;

typedef enum {
    MAF_STREAM_PROVISIONAL, /* no selection has been seen */
    MAF_STREAM_SELECTED,    /* MAF is */
    MAF_STREAM_LEFT,        /* it is not MAF */
} maf_stream_state_t;

/* Where the next message begins */
typedef enum {
    MAF_IN_SYNC,
    MAF_GUESSED, /* behind what only looked like a message */
    MAF_RESYNC,  /* not known */
} maf_sync_t;

/* One side of the connection */
typedef struct {
    maf_direction_t direction;
    maf_phase_t phase;
    maf_sync_t sync;
    unsigned guesses;            /* that follow each other, while guessed */
    uint32_t skip;               /* bytes of the last message still to come, to be passed over */
    maf_unfinished_t *pending;   /* the last one; NULL if there was none yet */
    wmem_tree_t *pendings;       /* all of them, by `began`; NULL likewise */
    const uint8_t *carried;      /* the pending message's bytes, if they were held; NULL if TCP has them */
    uint32_t carried_length;     /* in bytes */
    const maf_unfinished_t *cut; /* the one in which the connection is closed */
    uint32_t closed;             /* packet that closes it there; 0 if none has */
} maf_side_of_t;

/* How much of the greeting is known */
typedef enum {
    MAF_GREETING_UNKNOWN,
    MAF_GREETING_WITHOUT_MAF, /* it has been read whole, and does not offer MAF */
    MAF_GREETING_WITH_MAF,
} maf_greeting_t;

/* How much of the connection's beginning is in the capture */
typedef enum {
    MAF_START_SEEN,
    MAF_START_PARTLY_SEEN, /* bytes are missing */
    MAF_START_MID_SESSION, /* the capture may begin after the greeting */
} maf_start_t;

/* What distinguishes its packets from those of others */
typedef struct {
    address client;
    address server;
    uint32_t client_port;
    uint32_t server_port;
    uint32_t first;     /* packet that it is known from */
    uint32_t vlan;      /* of that packet, as is the next */
    uint32_t interface; /* 0 if it is not known */
} maf_ends_t;

/* In TLS, which has one dissector for all packets of a connection */
typedef struct {
    uint32_t port;           /* for which TLS would call SOCKS */
    uint32_t last;           /* the last packet that is ours; 0 if that is not known yet */
    dissector_handle_t next; /* whom the packets after it are for; NULL for SOCKS */
} maf_tls_t;

typedef struct {
    conversation_t *conversation;
    uint32_t number;     /* of the stream in the capture file, from 0 */
    uint32_t tcp_stream; /* tcp.stream */
    maf_ends_t ends;
    maf_place_t place;
    maf_tls_t tls;
    maf_start_t start;
    maf_greeting_t greeting;
    maf_stream_state_t state;
    uint32_t selected;      /* packet in which MAF is selected */
    uint16_t target_port;   /* of the SOCKS request */
    maf_side_of_t sides[2]; /* by maf_side_t */
    wmem_array_t *held;     /* maf_held_t, in the order of the capture, while provisional */
    uint32_t held_bytes;
    maf_segments_t segments;
    maf_session_t *session; /* NULL before MAF is selected, as is the next */
    maf_login_t *login;
    uint8_t closed; /* bits of tcp.completeness for FIN and RST, up to the last packet seen */
} maf_stream_t;

/* For this protocol id; called once. */
void maf_stream_register(int proto);

/* How many there have been in this capture file. */
uint32_t maf_stream_count(void);

/* How many messages of the capture file are pending; and, for the reader, that one more or less is. */
int maf_stream_pending_count(void);
void maf_stream_count_pending(int change);

/* Bytes of the connection are missing. */
void maf_stream_lose_track(maf_stream_t *stream);

/*
 * A connection before its greeting; lives as long as the capture file.
 *
 * client, client_port  that end of it; copied
 * mid_session          the capture may have begun after the greeting
 */
maf_stream_t *maf_stream_new(conversation_t *conversation, packet_info *pinfo, maf_place_t place,
                             const address *client, uint32_t client_port, bool mid_session);

/* The one that a packet belongs to, or NULL. */
maf_stream_t *maf_stream_find(packet_info *pinfo);

/* Who sent the packet. */
maf_side_t maf_stream_side(const maf_stream_t *stream, const packet_info *pinfo);

/* MAF is selected in this packet; or, mid-session, had been before the capture began. */
void maf_stream_select(maf_stream_t *stream, const packet_info *pinfo, bool mid_session);

/* Is what follows in sequence the SOCKS dissector's, or whoever's else follows us? */
bool maf_stream_is_done(const maf_stream_t *stream);

/* Are bytes missing that may still come late? */
bool maf_stream_awaits_late(const maf_stream_t *stream);

/* Is the rest of a message of that side waited for? */
bool maf_stream_is_pending(const maf_stream_t *stream, maf_side_t side);

/* The message of that side that a packet comes in the middle of, seen for the first time or again; or NULL.
 */
const maf_unfinished_t *maf_stream_pending_at(const maf_stream_t *stream, maf_side_t side, uint32_t packet);

/* Has all of it come by now? */
bool maf_unfinished_is_whole(const maf_unfinished_t *pending);

/* Has a FIN or RST been seen, up to the last packet read, in either direction? */
bool maf_stream_is_closed(const maf_stream_t *stream, packet_info *pinfo);

/* FIN or RST bits (RST: MAF_STREAM_RST) that this packet is the first one to have; 0 if it has none. First
 * pass only. */
#define MAF_STREAM_RST 0x20
unsigned maf_stream_closing(maf_stream_t *stream, packet_info *pinfo);

#endif /* MAF_STREAM_H */
