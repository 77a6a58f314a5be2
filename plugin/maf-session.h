/* maf-session.h
 * What a conversation has said so far: states, rounds, who answers whom, and which rule a frame broke
 *
 * Fed with frames in the order of the capture, once. Knows nothing of trees, columns or tvbuffs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_SESSION_H
#define MAF_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <wsutil/nstime.h>
#include <wsutil/wmem/wmem.h>

#include "maf-frame.h"

typedef enum {
    MAF_CLIENT,
    MAF_SERVER,
} maf_side_t;

/* The numbers are those of the field maf.state. */
typedef enum {
    MAF_STATE_UNKNOWN = 0, /* the capture began later than the session, or a frame could not be read */
    MAF_STATE_AWAITING_LIST = 1,
    MAF_STATE_AWAITING_DECISION = 2,
    MAF_STATE_AWAITING_MORE = 3,
    MAF_STATE_EXECUTING = 4,
    MAF_STATE_SUCCEEDED = 5,
    MAF_STATE_FAILED = 6,
} maf_state_t;

/* Rules that a frame can break: bits of maf_verdict_t.faults. */
enum maf_fault {
    MAF_FAULT_VERSION = 1 << 0,
    MAF_FAULT_FLAGS = 1 << 1,
    MAF_FAULT_INSTR = 1 << 2,
    MAF_FAULT_DIRECTION = 1 << 3,
    MAF_FAULT_SEQUENCE = 1 << 4,
    MAF_FAULT_NMETHODS = 1 << 5,
    MAF_FAULT_NMETHODS_WIDTH = 1 << 6,
    MAF_FAULT_DUPLICATE_OFFER = 1 << 7,
    MAF_FAULT_RESERVED_OFFER = 1 << 8,
    MAF_FAULT_MORE_NOT_LAST = 1 << 9,
    MAF_FAULT_NOT_OFFERED = 1 << 10,
    MAF_FAULT_NOT_A_METHOD = 1 << 11,
    MAF_FAULT_METHOD_MISMATCH = 1 << 12,
    MAF_FAULT_RESULT_MISMATCH = 1 << 13,
    MAF_FAULT_NO_MORE_AVAILABLE = 1 << 14,
    MAF_FAULT_SUCCESS_WITHOUT_METHOD = 1 << 15,
    MAF_FAULT_LENGTH = 1 << 16,
    MAF_FAULT_TRUNCATED = 1 << 17,
    MAF_FAULT_AFTER_END = 1 << 18,
    MAF_FAULT_RESERVED = 1 << 19,
    MAF_FAULT_OEM_UNANSWERED = 1 << 20,
};

/* What a do and all that follows have in common, until the next do. */
typedef struct maf_round {
    uint32_t number; /* counted from 1 */
    uint32_t frames; /* so far, the do included */
    bool refused;    /* for whoever dissects the sub-method's DATA, to say that the server refused in it */
    void *payload;   /* for the same, to keep what it needs */
    const maf_id_t *method;
    nstime_t begin;                   /* time of the do */
    const struct maf_round *previous; /* NULL in the first round */
    /* Of the frame by which the server went on after what next?; NULL if it has not come. */
    const struct maf_verdict *decision;
    nstime_t duration; /* until that frame */
} maf_round_t;

/* How a session went; only on the frame that ended it. */
typedef struct {
    uint32_t rounds;
    nstime_t duration; /* since the first MAF frame */
} maf_ending_t;

/*
 * What is known of one frame. Belongs to the session's allocator. All is final when maf_session_frame()
 * returns but response_in, which follows when the other side has answered, and the end of the round.
 */
typedef struct maf_verdict {
    uint32_t faults;         /* MAF_FAULT_* */
    uint8_t from;            /* maf_side_t */
    uint8_t revision;        /* revision the frame is read by */
    uint8_t state_before;    /* maf_state_t */
    uint8_t state;           /* maf_state_t after this frame */
    const maf_id_t *running; /* METHOD in force before this frame; NULL if none is known */
    maf_round_t *round;      /* the frame's round; NULL before the first do */
    uint32_t place;          /* among the round's frames, counted from 1; 0 if there is no round */
    uint32_t do_in;          /* process, what next: frame number of their do; 0 if not seen */
    uint32_t response_in;    /* number of the next frame from the other side; 0 if none yet */
    uint32_t response_to;    /* number of the frame this one answers; 0 if none */
    uint8_t answers;         /* INSTR of that frame */
    nstime_t response_time;
    const maf_ending_t *ending;    /* NULL unless this frame ended the session */
    const uint32_t *offer_faults;  /* per METHOD of a list its MAF_FAULT_*; NULL if none has any */
    struct maf_verdict *same_side; /* the previous frame still waiting for the same answer */
} maf_verdict_t;

/* A do that is being obeyed: not do FAILURE, and not one whose METHOD could not be read. */
static inline bool
maf_begins_round(const maf_frame_t *frame, const maf_verdict_t *verdict)
{
    return frame->instr == MAF_INSTR_DO && verdict->state == MAF_STATE_EXECUTING && verdict->round;
}

typedef struct maf_session maf_session_t;

/*
 * A session about to begin (spec: States; draft-00, Subnegotiation; draft-01).
 *
 * allocator  owns everything the session and its verdicts hold
 * revision   0 or 1; or MAF_REVISION_BY_LIST: what the client's first list says
 * late       the capture may have begun after the session did: nothing is held against its first frames, and
 *            each is read by its own VER
 */
maf_session_t *maf_session_new(wmem_allocator_t *allocator, int revision, bool late);

#define MAF_REVISION_BY_LIST (-1)

/*
 * The revision to read the next frame by: 0 or 1.
 *
 * instr, ver  of that frame
 */
int maf_session_revision(const maf_session_t *session, uint8_t instr, uint8_t ver);

/* May that side ever send the instruction (spec: Instructions)? */
bool maf_may_send(maf_side_t side, uint8_t instr);

/* Has the server ended the session by success, and nothing begun it again? */
bool maf_session_has_succeeded(const maf_session_t *session);

/* Frames may be missing before the next one: what depends on having seen all is not held against it. */
void maf_session_lose_track(maf_session_t *session);

/*
 * The client sends its SOCKS request (spec: States, succeeded). Returns MAF_STATE_UNKNOWN if it may; else the
 * state in which it may not.
 */
maf_state_t maf_session_request(const maf_session_t *session);

/*
 * Take in the next frame (spec: States; draft-00, Subnegotiation) and judge it.
 *
 * frame      octets of its list and id are read during the call only
 * from       who sent it
 * number     of the capture's frame that completed it
 * when       its time of capture
 * returns    the verdict, never NULL
 */
maf_verdict_t *maf_session_frame(maf_session_t *session, const maf_frame_t *frame, maf_side_t from,
                                 uint32_t number, const nstime_t *when);

#endif /* MAF_SESSION_H */
