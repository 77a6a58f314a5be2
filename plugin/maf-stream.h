/* maf-stream.h
 * One TCP connection that may carry MAF: how far it has been read, and who dissects it next
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_STREAM_H
#define MAF_STREAM_H

#include "maf-compat.h"

#include <epan/conversation.h>
#include <epan/packet.h>

#include "maf-login.h"
#include "maf-session.h"

/* What a side of the stream is expected to send next. */
typedef enum {
    PHASE_GREETING,   /* client: versions and methods */
    PHASE_EARLY_LIST, /* client: a list that does not wait for the selection */
    PHASE_UNSEEN,     /* client: whatever comes before a selection, when the capture began later */
    PHASE_SELECTION,  /* server: the method selected */
    PHASE_MAF,
    PHASE_REQUEST, /* client: the SOCKS request */
    PHASE_REPLY,   /* server: its reply */
    PHASE_TUNNEL,
    PHASE_OPAQUE, /* what follows MAF is not looked into */
    PHASE_LEFT,   /* not MAF: none of our business any more */
} maf_phase_t;

/* How far a side has been read, to know a segment that comes again. TCP knows too, unless the user forbids
 * it. */
typedef struct {
    bool known;
    bool has_gap;  /* a segment may still come late, and be no repetition */
    uint32_t next; /* sequence number after the last octet */
    bool is_acked;
    uint32_t acked; /* sequence number up to which the other side has acknowledged it */
} position_t;

/* A MAF frame that came in several segments. What its first octets were taken for holds for the rest. */
typedef struct {
    uint32_t began;   /* number of the capture's frame that has its first octet */
    uint32_t done;    /* number of the frame that has its last octet; 0 if it is still waited for */
    bool given_up;    /* in frame `done`: its rest will not come */
    int revision;     /* that it is read by, once its header is there; else -1 */
    uint32_t awaited; /* octets that TCP was asked for; 0 for those of the next segment */
} maf_partial_t;

/* One TCP connection. */
typedef struct {
    conversation_t *conversation;
    uint32_t number;     /* of the stream in the capture file, to tell segments of different streams apart */
    uint32_t tcp_stream; /* tcp.stream */
    bool attached;     /* in front of SOCKS, which would be called if we were not; else chosen by Decode As */
    uint32_t tls_port; /* in TLS, which would call SOCKS for the sake of this port; else 0 */
    uint32_t tls_last; /* in TLS: number of the last frame that is ours; 0 if it is not known yet */
    dissector_handle_t tls_next; /* in TLS: whom the others are for, NULL for SOCKS */
    bool late;                   /* the capture began after the greeting */
    address client;
    uint32_t client_port;
    uint16_t target_port;      /* of the SOCKS request */
    uint8_t request_in;        /* maf_state_t in which that came too early or too late; else 0 */
    maf_phase_t phase[2];      /* by maf_side_t */
    position_t position[2];    /* by maf_side_t */
    uint32_t continues[2];     /* by maf_side_t: octets of the last frame still to come, to be passed over */
    bool lost[2];              /* by maf_side_t: the end of the last frame could not be told */
    maf_partial_t *partial[2]; /* by maf_side_t: the last one; NULL if there was none yet */
    wmem_tree_t *partials[2];  /* by maf_side_t: all of them, by where they began; NULL likewise */
    const maf_partial_t *unfinished[2]; /* by maf_side_t: the one in which the connection is closed */
    uint32_t ended[2];                  /* by maf_side_t: number of the frame that closes it there */
    uint8_t closed;                     /* bits of tcp.completeness for FIN and RST, as seen without a tap */
    bool has_missed;                    /* octets that were sent */
    maf_session_t *session;             /* NULL before the first MAF frame */
    maf_login_t *login;                 /* NULL before the selection, or if that is not seen, before MAF */
} maf_stream_t;

/* For this protocol id; streams are counted anew for each capture. */
void maf_stream_register(int proto);

/* How many there have been in this capture. */
uint32_t maf_stream_count(void);

/*
 * A stream before its greeting; lives as long as the capture.
 *
 * attached  SOCKS is called for it if we are not
 * late      the capture may have begun after the greeting
 */
maf_stream_t *maf_stream_new(conversation_t *conversation, packet_info *pinfo, bool attached, bool late);

/* The stream that a packet belongs to, or NULL. */
maf_stream_t *maf_stream_find(packet_info *pinfo);

/* Tell which end is the client. */
void maf_stream_set_client(maf_stream_t *stream, const address *client, uint32_t client_port);

/* Who sent the packet. */
maf_side_t maf_stream_side(const maf_stream_t *stream, const packet_info *pinfo);

/* Is the rest of a frame of that side waited for? */
bool maf_stream_is_waiting(const maf_stream_t *stream, maf_side_t side);

/* The first octet of a frame whose rest is waited for is in the capture's frame `began`. */
maf_partial_t *maf_stream_begin_partial(maf_stream_t *stream, maf_side_t side, uint32_t began);

/* Nothing more is waited for from the capture's frame `done` on, which has its last octet, or gives it up. */
void maf_stream_end_partial(maf_partial_t *partial, uint32_t done, bool given_up);

/* Has all of it come by now? */
bool maf_stream_has_whole(const maf_partial_t *partial);

/* How many there are in this capture whose rest is still waited for. */
uint32_t maf_stream_partial_count(void);

/* The MAF frame waited for when a frame of the capture comes, whether for the first time or again; or NULL.
 */
const maf_partial_t *maf_stream_partial_at(const maf_stream_t *stream, maf_side_t side, uint32_t message);

/*
 * Has that side sent octets before the sequence number `end` that have not come to us, and that TCP is not
 * putting together for us either?
 */
bool maf_stream_lacks(const maf_stream_t *stream, maf_side_t side, uint32_t end);

/* Are both sides in that phase? */
bool maf_stream_in_phase(const maf_stream_t *stream, maf_phase_t phase);

/* Has a FIN or RST been seen, up to the last frame read, in either direction? */
bool maf_stream_is_closed(const maf_stream_t *stream, packet_info *pinfo);

/* FIN or RST bits (RST: MAF_STREAM_RST) that this packet is the first one to have; 0 if it has none. First
 * pass only. */
#define MAF_STREAM_RST 0x20
unsigned maf_stream_closing(maf_stream_t *stream, packet_info *pinfo);

/* Octets of the stream are missing. */
void maf_stream_lose_track(maf_stream_t *stream);

/* Make the record of the login, if there is none yet; the packet has bytes of the selection, or of a message.
 */
void maf_stream_begin_login(maf_stream_t *stream, const packet_info *pinfo);

/* Make the session, which most connections never need, if there is none yet. */
void maf_stream_begin_session(maf_stream_t *stream);

/*
 * From the next frame on, this connection is dissected by `handle`; NULL: as if we had never been there. TLS
 * has one dissector for all frames of a connection, so there we stay and give them away.
 */
void maf_stream_pass_on(maf_stream_t *stream, const packet_info *pinfo, dissector_handle_t handle);

#endif /* MAF_STREAM_H */
