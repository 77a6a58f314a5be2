/* maf-session.h
 * What a conversation has said so far: states, rounds, who answers whom, and which rule a message broke
 *
 * Fed with messages in the order of the capture, once. Knows nothing of trees, columns or tvbuffs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_SESSION_H
#define MAF_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <wsutil/nstime.h>
#include <wsutil/wmem/wmem.h>

#include "maf-message.h"

typedef enum {
    MAF_CLIENT,
    MAF_SERVER,
} maf_side_t;

static inline maf_side_t
maf_other_side(maf_side_t side)
{
    return side == MAF_CLIENT ? MAF_SERVER : MAF_CLIENT;
}

/* The numbers are those of the field maf.state. */
typedef enum {
    MAF_STATE_UNKNOWN = 0, /* the capture began later than the session, or a message could not be read */
    MAF_STATE_AWAITING_LIST = 1,
    MAF_STATE_AWAITING_DECISION = 2,
    MAF_STATE_AWAITING_MORE = 3,
    MAF_STATE_EXECUTING = 4,
    MAF_STATE_SUCCEEDED = 5,
    MAF_STATE_FAILED = 6,
} maf_state_t;

/* Rules that a message can break: bits of maf_verdict_t.violations. */
enum maf_violation {
    MAF_VIOLATION_VERSION = 1 << 0,
    MAF_VIOLATION_FLAGS = 1 << 1,
    MAF_VIOLATION_INSTR = 1 << 2,
    MAF_VIOLATION_DIRECTION = 1 << 3,
    MAF_VIOLATION_SEQUENCE = 1 << 4,
    MAF_VIOLATION_NMETHODS = 1 << 5,
    MAF_VIOLATION_NMETHODS_WIDTH = 1 << 6,
    MAF_VIOLATION_DUPLICATE_OFFER = 1 << 7,
    MAF_VIOLATION_RESERVED_OFFER = 1 << 8,
    MAF_VIOLATION_MORE_NOT_LAST = 1 << 9,
    MAF_VIOLATION_NOT_OFFERED = 1 << 10,
    MAF_VIOLATION_NOT_A_METHOD = 1 << 11,
    MAF_VIOLATION_METHOD_MISMATCH = 1 << 12,
    MAF_VIOLATION_RESULT_MISMATCH = 1 << 13,
    MAF_VIOLATION_NO_MORE_AVAILABLE = 1 << 14,
    MAF_VIOLATION_SUCCESS_WITHOUT_METHOD = 1 << 15,
    MAF_VIOLATION_LENGTH = 1 << 16,
    MAF_VIOLATION_TRUNCATED = 1 << 17,
    MAF_VIOLATION_AFTER_END = 1 << 18,
    MAF_VIOLATION_RESERVED = 1 << 19,
    MAF_VIOLATION_OEM_UNANSWERED = 1 << 20,
    MAF_VIOLATION_UNOFFERED_SELECTION = 1 << 21,
};

/* How a login or a round ended. The first three numbers are those of the field maf.session.outcome. */
typedef enum {
    MAF_OUTCOME_UNFINISHED = 0,
    MAF_OUTCOME_SUCCEEDED = 1,
    MAF_OUTCOME_FAILED = 2,
    MAF_OUTCOME_PASSED = 3, /* of a round: the server went on with something other than a result */
} maf_outcome_t;

/* What a do and all that follows have in common, until the next do. */
typedef struct maf_round {
    uint32_t number;  /* counted from 1 */
    uint32_t packet;  /* number of the packet with its do */
    uint32_t gap;     /* place of the first message before which bytes may be missing; 0: none */
    uint8_t outcome;  /* maf_outcome_t, once there is a decision */
    bool refused;     /* for whoever dissects the sub-method's DATA, to say that the server refused in it */
    bool names_user;  /* the login's (maf-login.h), as is the next: whether `user` has been named in the round
                       */
    const char *user; /* whom the round has named, else the last one named before it; NULL if nobody */
    void *payload;    /* for whoever dissects DATA, to keep what it needs */
    maf_id_t method;
    /* Of the message by which the server went on after what next?; NULL if it has not come. */
    const struct maf_verdict *decision;
    nstime_t duration;      /* until that message */
    struct maf_round *next; /* NULL in the last round, as far as the login (maf-login.h) knows */
} maf_round_t;

/* How a session went; only on the message that ended it. */
typedef struct {
    uint32_t rounds;
    nstime_t duration; /* since the first MAF message */
} maf_ending_t;

/* What few messages have. */
typedef struct {
    const maf_id_t *running; /* on one with a violation: METHOD in force before it; NULL if unknown */
    const uint32_t *offer_violations; /* of a list, per METHOD its MAF_VIOLATION_*; NULL if none has any */
    const maf_ending_t *ending;       /* NULL unless the message ended the session */
} maf_details_t;

/*
 * What is known of one message. Belongs to the session's allocator. All is final when maf_session_message()
 * returns but response_in, which follows when the other side has answered, and the end of the round.
 */
typedef struct maf_verdict {
    uint32_t packet;          /* number of the packet that completed it */
    uint32_t violations;      /* MAF_VIOLATION_* */
    uint8_t instr;            /* INSTR */
    uint8_t from;             /* maf_side_t */
    uint8_t revision;         /* revision the message is read by */
    uint8_t state_before;     /* maf_state_t */
    uint8_t state;            /* maf_state_t after this message */
    uint8_t answers;          /* INSTR of the message this one answers */
    bool is_recorded;         /* what is wrong with it is in the login */
    bool follows_do;          /* process, what next: the do of their round has been seen, and is in force */
    uint32_t response_to;     /* packet of the message this one answers; 0 if none */
    uint32_t response_in;     /* packet of the next message from the other side; 0 if none yet */
    int64_t response_secs;    /* seconds since the message this one answers, */
    int32_t response_nsecs;   /* and nanoseconds: an nstime_t takes four bytes more */
    uint32_t place;           /* among the round's messages, counted from 1; 0 if there is no round */
    maf_round_t *round;       /* the message's round; NULL before the first do */
    struct maf_verdict *next; /* of the session's next message; NULL if there is none yet */
    maf_details_t *details;   /* NULL if there are none */
} maf_verdict_t;

/* Time since the message that this one answers. */
static inline nstime_t
maf_response_time(const maf_verdict_t *verdict)
{
    return (nstime_t){.secs = (time_t)verdict->response_secs, .nsecs = verdict->response_nsecs};
}

/* Process, what next: number of the packet with their do; 0 if it has not been seen. */
static inline uint32_t
maf_do_in(const maf_verdict_t *verdict)
{
    return verdict->follows_do ? verdict->round->packet : 0;
}

/* MAF_VIOLATION_* of each METHOD of a list; NULL if none has any. */
static inline const uint32_t *
maf_offer_violations_of(const maf_verdict_t *verdict)
{
    return verdict->details ? verdict->details->offer_violations : NULL;
}

/* How the session went, on the message that ended it; else NULL. */
static inline const maf_ending_t *
maf_ending_of(const maf_verdict_t *verdict)
{
    return verdict->details ? verdict->details->ending : NULL;
}

/* A do that is being obeyed: not do FAILURE, and not one whose METHOD could not be read. */
static inline bool
maf_begins_round(const maf_message_t *message, const maf_verdict_t *verdict)
{
    return message->instr == MAF_INSTR_DO && verdict->state == MAF_STATE_EXECUTING && verdict->round;
}

/* When a message comes. */
typedef enum {
    MAF_ORDER_IN_SEQUENCE,
    MAF_ORDER_KEPT, /* it had come, and TCP kept it until what was missing before it came */
    MAF_ORDER_LATE, /* behind what follows it, or it had been acknowledged: what it leads to may have come */
    MAF_ORDER_GUESSED, /* behind a gap: it looks like a message, which is no proof */
} maf_order_t;

typedef struct maf_session maf_session_t;

/*
 * A session about to begin (spec: States; draft-00, Subnegotiation; draft-01).
 *
 * allocator  owns everything the session and its verdicts hold
 * revision   0 or 1; or MAF_REVISION_BY_LIST: what the client's first list says
 * late       the capture may start mid-session: its first messages raise no violations, and each is read by
 * its own VER
 */
maf_session_t *maf_session_new(wmem_allocator_t *allocator, int revision, bool late);

#define MAF_REVISION_BY_LIST (-1)

/*
 * The revision to read the next message by: 0 or 1.
 *
 * bytes  that it begins with, as many as there are
 */
int maf_session_revision(const maf_session_t *session, maf_bytes_t bytes);

/* May that side ever send the instruction (spec: Instructions)? */
bool maf_may_send(maf_side_t side, uint8_t instr);

/* Has the server ended the session by success, and nothing begun it again? */
bool maf_session_has_succeeded(const maf_session_t *session);

/* Messages may be missing before the next one: violations that depend on them are not reported. */
void maf_session_lose_track(maf_session_t *session);

/*
 * The client sends its SOCKS request (spec: States, succeeded). Returns MAF_STATE_UNKNOWN if it may; else the
 * state in which it may not.
 */
maf_state_t maf_session_request(const maf_session_t *session);

/*
 * Take in the next message (spec: States; draft-00, Subnegotiation) and judge it.
 *
 * message      bytes of its list and id are read during the call only
 * from       who sent it
 * packet     number of the packet that completed it
 * when       its time of capture
 * returns    the verdict, never NULL
 */
maf_verdict_t *maf_session_message(maf_session_t *session, const maf_message_t *message, maf_side_t from,
                                   uint32_t packet, const nstime_t *when, maf_order_t order);

#endif /* MAF_SESSION_H */
