/* maf-session.c
 * What a conversation has said so far: states, rounds, who answers whom, and which rule a message broke
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-session.h"

#include <glib.h>

#include "maf-protocol.h"

/* How far the session has come, whatever was said since */
typedef enum {
    PROGRESS_NONE,
    PROGRESS_BEGUN,
    PROGRESS_FAILED,
    PROGRESS_SUCCEEDED,
} progress_t;

/* How much of the session has been seen */
typedef enum {
    SEEN_PARTLY, /* messages may be missing */
    SEEN_OFFERS, /* but no list of the download in force */
    SEEN_ALL,    /* no message is missing since the session began */
} seen_t;

/* What the last list says of sub-methods that are not in it */
typedef enum {
    MORE_UNKNOWN,
    MORE_NONE,
    MORE_AVAILABLE,
} more_t;

struct maf_session {
    wmem_allocator_t *allocator;
    uint8_t state;  /* maf_state_t */
    uint8_t unsure; /* whether the next message is legal, whatever it is: UNSURE_* */
    progress_t progress;
    seen_t seen;
    nstime_t begin;        /* time of the first message */
    nstime_t last_when;    /* time of the last one */
    maf_verdict_t *last;   /* the last one; NULL before the first, as is the next */
    maf_verdict_t *asking; /* the first of those that the other side has not answered yet */

    int revision;   /* 0 or 1; MAF_REVISION_BY_LIST before the first list */
    uint8_t newest; /* the highest revision that a message was read by */

    maf_round_t *round;      /* the last one; NULL before the first do */
    uint32_t round_messages; /* of it so far, the do included */
    nstime_t round_begin;    /* time of its do */
    uint32_t methods_run;    /* rounds that ran a sub-method */
    bool do_in_force;        /* the round's */
    const maf_id_t *running; /* METHOD in force; NULL if none is known */
    uint32_t oem_from;       /* by side, 1 << maf_side_t: has sent an OEM that is not answered yet */

    /* Lists count from 1. A relative download adds to the lists before it, an absolute one begins anew. */
    uint32_t list;            /* the last list */
    uint32_t download;        /* the list that the download in force began with */
    wmem_tree_t *offered;     /* METHOD of 4 bytes to the last list that offered it */
    wmem_map_t *offered_long; /* the same for ids of other lengths; NULL until there is one */
    more_t more;
    uint16_t asked; /* FLAGS of the last request for more: what kind of download */
};

#define UNSURE_NEXT     (1U << 0)            /* messages may be missing just before it */
#define UNSURE_OF(side) (1U << (1 + (side))) /* by that side's last message: what is next may have come */

#define BY_CLIENT  (1U << MAF_CLIENT)
#define BY_SERVER  (1U << MAF_SERVER)
#define BY_BOTH    (BY_CLIENT | BY_SERVER)
#define IN(state)  (1U << (state))
#define IN_ENDED   (IN(MAF_STATE_SUCCEEDED) | IN(MAF_STATE_FAILED))
#define SAME_STATE MAF_STATE_UNKNOWN

/* Violations within a message. The others are reported only for a message that is expected in this state. */
#define OWN_FAULTS                                                                                           \
    (MAF_VIOLATION_NMETHODS_WIDTH | MAF_VIOLATION_DUPLICATE_OFFER | MAF_VIOLATION_RESERVED_OFFER |           \
     MAF_VIOLATION_MORE_NOT_LAST | MAF_VIOLATION_NOT_A_METHOD | MAF_VIOLATION_RESULT_MISMATCH)

/* Who may send an instruction, when, and what it leads to (spec: Instructions, States). */
typedef struct {
    uint8_t by;
    uint8_t in[2]; /* by maf_side_t */
    uint8_t next;
} rule_t;

static const rule_t rules[UINT8_MAX + 1] = {
    [MAF_INSTR_SUCCESS] = {BY_SERVER, {0, IN(MAF_STATE_AWAITING_DECISION)}, MAF_STATE_SUCCEEDED},
    [MAF_INSTR_SUPPORTED] = {BY_CLIENT,
                             {IN(MAF_STATE_AWAITING_LIST) | IN(MAF_STATE_AWAITING_MORE), 0},
                             MAF_STATE_AWAITING_DECISION},
    [MAF_INSTR_REQUEST_MORE] = {BY_SERVER, {0, IN(MAF_STATE_AWAITING_DECISION)}, MAF_STATE_AWAITING_MORE},
    [MAF_INSTR_DO] = {BY_SERVER, {0, IN(MAF_STATE_AWAITING_DECISION)}, MAF_STATE_EXECUTING},
    [MAF_INSTR_WHAT_NEXT] = {BY_CLIENT, {IN(MAF_STATE_EXECUTING), 0}, MAF_STATE_AWAITING_DECISION},
    [MAF_INSTR_PROCESS] = {BY_BOTH, {IN(MAF_STATE_EXECUTING), IN(MAF_STATE_EXECUTING)}, SAME_STATE},
    [MAF_INSTR_ACKNOWLEDGE] = {BY_BOTH, {IN_ENDED, IN_ENDED}, SAME_STATE},
    [MAF_INSTR_FAILURE] = {BY_SERVER, {0, IN(MAF_STATE_AWAITING_DECISION)}, MAF_STATE_FAILED},
    [MAF_INSTR_OEM] = {BY_BOTH,
                       {IN(MAF_STATE_AWAITING_LIST) | IN(MAF_STATE_AWAITING_MORE) | IN(MAF_STATE_EXECUTING) |
                            IN_ENDED,
                        IN(MAF_STATE_AWAITING_DECISION)},
                       SAME_STATE},
};

static bool
has_ended(uint8_t state)
{
    return state == MAF_STATE_SUCCEEDED || state == MAF_STATE_FAILED;
}

/* Whether the message may be sent by that side in this state; at most one fault. */
static uint32_t
judge_place(const maf_session_t *session, const maf_message_t *message, maf_side_t from)
{
    const rule_t *rule = &rules[message->instr];
    const uint32_t states = IN(session->state) | (session->progress >= PROGRESS_FAILED ? IN_ENDED : 0);
    const bool answers_oem =
        message->instr == MAF_INSTR_OEM && (session->oem_from & (1U << maf_other_side(from)));

    if (!(rule->by & (1U << from)))
        return MAF_VIOLATION_DIRECTION;
    if (session->unsure || answers_oem || (rule->in[from] & states))
        return 0;
    return has_ended(session->state) ? MAF_VIOLATION_AFTER_END : MAF_VIOLATION_SEQUENCE;
}

static bool
is_result(const maf_message_t *message)
{
    return message->instr == MAF_INSTR_SUCCESS || message->instr == MAF_INSTR_FAILURE;
}

static uint32_t
judge_header(const maf_message_t *message)
{
    const uint16_t highest = message->instr == MAF_INSTR_REQUEST_MORE ? MAF_FLAGS_ABSOLUTE : MAF_FLAGS_NONE;
    uint32_t violations = 0;

    if (message->ver != message->revision && !(is_result(message) && message->ver == MAF_VER_00))
        violations |= MAF_VIOLATION_VERSION;
    if (message->flags > highest)
        violations |= MAF_VIOLATION_FLAGS;
    if (message->reserved)
        violations |= MAF_VIOLATION_RESERVED;
    return violations;
}

/* What is offered */

static unsigned
id_hash(const void *key)
{
    const maf_id_t *id = (const maf_id_t *)key;

    return wmem_strong_hash(id->octets, id->length);
}

static gboolean
id_equal(const void *a, const void *b)
{
    return maf_id_equal((const maf_id_t *)a, (const maf_id_t *)b);
}

static maf_id_t
id_keep(wmem_allocator_t *allocator, const maf_id_t *id)
{
    maf_id_t kept = *id;

    kept.octets = id->length == MAF_COMPACT_ID_LEN
                      ? NULL
                      : (const uint8_t *)wmem_memdup(allocator, id->octets, id->length);
    return kept;
}

static const maf_id_t *
id_new(wmem_allocator_t *allocator, const maf_id_t *id)
{
    maf_id_t *kept = wmem_new(allocator, maf_id_t);

    *kept = id_keep(allocator, id);
    return kept;
}

/* The last list that offered a METHOD; 0 if none did. */
static uint32_t
list_that_offered(const maf_session_t *session, const maf_id_t *id)
{
    if (id->length == MAF_COMPACT_ID_LEN)
        return GPOINTER_TO_UINT(wmem_tree_lookup32(session->offered, id->compact));
    return session->offered_long ? GPOINTER_TO_UINT(wmem_map_lookup(session->offered_long, id)) : 0;
}

static void
note_offer(maf_session_t *session, const maf_id_t *id)
{
    void *list = GUINT_TO_POINTER(session->list);

    if (id->length == MAF_COMPACT_ID_LEN) {
        wmem_tree_insert32(session->offered, id->compact, list);
        return;
    }
    if (!session->offered_long)
        session->offered_long = wmem_map_new(session->allocator, id_hash, id_equal);
    wmem_map_insert(session->offered_long, id_new(session->allocator, id), list);
}

static maf_details_t *
details_of(const maf_session_t *session, maf_verdict_t *verdict)
{
    if (!verdict->details)
        verdict->details = wmem_new0(session->allocator, maf_details_t);
    return verdict->details;
}

/* One METHOD of a list; offered in a list from `since` on, it is offered again. */
static uint32_t
take_offer(maf_session_t *session, const maf_message_t *message, const maf_id_t *id, bool is_last,
           uint32_t since)
{
    uint32_t before;

    if (maf_id_is(id, MAF_METHOD_SUCCESS) || maf_id_is(id, MAF_METHOD_FAILURE))
        return MAF_VIOLATION_RESERVED_OFFER;
    if (maf_id_is(id, MAF_METHOD_MORE_AVAILABLE)) {
        session->more = MORE_AVAILABLE;
        return is_last || message->revision != MAF_VER_00 ? 0 : MAF_VIOLATION_MORE_NOT_LAST;
    }
    before = list_that_offered(session, id);
    if (before != session->list)
        note_offer(session, id);
    return before >= since ? MAF_VIOLATION_DUPLICATE_OFFER : 0;
}

static void
take_list(maf_session_t *session, const maf_message_t *message, maf_verdict_t *verdict)
{
    const bool asked_for_more = session->state == MAF_STATE_AWAITING_MORE;
    const bool begins_anew = asked_for_more && session->asked == MAF_FLAGS_ABSOLUTE;
    maf_offers_t offers = maf_offers_begin(message);
    uint32_t *offer_violations = NULL;
    uint32_t since;
    uint32_t offset;
    maf_id_t id;

    session->list++;
    if (session->list == 1 || begins_anew) {
        session->download = session->list;
        if (begins_anew)
            session->seen = MAX(session->seen, SEEN_OFFERS);
    }
    since = asked_for_more ? session->download : session->list;

    session->more = message->end == MAF_MESSAGE_WHOLE ? MORE_NONE : MORE_UNKNOWN;
    if (message->end != MAF_MESSAGE_WHOLE)
        return;
    if (message->nmethods_width == MAF_NMETHODS_LEN_BYTE)
        verdict->violations |= MAF_VIOLATION_NMETHODS_WIDTH;
    while (maf_offers_next(&offers, &id, &offset)) {
        const uint32_t violation =
            take_offer(session, message, &id, offers.position == message->nmethods, since);

        if (!violation)
            continue;
        if (!offer_violations)
            offer_violations = wmem_alloc0_array(session->allocator, uint32_t, message->nmethods);
        offer_violations[offers.position - 1] = violation;
        verdict->violations |= violation;
    }
    if (offer_violations)
        details_of(session, verdict)->offer_violations = offer_violations;
}

/* Instructions */

static bool
is_method(const maf_id_t *id)
{
    return !maf_id_is(id, MAF_METHOD_SUCCESS) && !maf_id_is(id, MAF_METHOD_MORE_AVAILABLE);
}

static uint32_t
take_do(maf_session_t *session, const maf_message_t *message, uint32_t packet, const nstime_t *when)
{
    maf_round_t *round;

    if (maf_id_is(&message->id, MAF_METHOD_FAILURE))
        return 0;
    round = wmem_new0(session->allocator, maf_round_t);
    round->number = session->round ? session->round->number + 1 : 1;
    round->packet = packet;
    round->method = id_keep(session->allocator, &message->id);
    session->round = round;
    session->round_messages = 0;
    session->round_begin = *when;
    session->do_in_force = true;
    session->running = &round->method;
    if (!is_method(&message->id))
        return MAF_VIOLATION_NOT_A_METHOD;
    session->methods_run++;
    return session->seen >= SEEN_OFFERS && list_that_offered(session, &message->id) < session->download
               ? MAF_VIOLATION_NOT_OFFERED
               : 0;
}

static uint32_t
take_process(maf_session_t *session, const maf_message_t *message)
{
    if (session->unsure)
        session->running = id_new(session->allocator, &message->id);
    return session->running && maf_id_equal(&message->id, session->running) ? 0
                                                                            : MAF_VIOLATION_METHOD_MISMATCH;
}

static uint32_t
take_request_more(maf_session_t *session, const maf_message_t *message)
{
    session->asked = message->flags;
    return session->more == MORE_NONE ? MAF_VIOLATION_NO_MORE_AVAILABLE : 0;
}

static uint32_t
take_result(const maf_session_t *session, const maf_message_t *message)
{
    if (message->instr == MAF_INSTR_FAILURE)
        return maf_id_is(&message->id, MAF_METHOD_FAILURE) ? 0 : MAF_VIOLATION_RESULT_MISMATCH;
    if (!maf_id_is(&message->id, MAF_METHOD_SUCCESS))
        return MAF_VIOLATION_RESULT_MISMATCH;
    return session->seen == SEEN_ALL && session->methods_run == 0 ? MAF_VIOLATION_SUCCESS_WITHOUT_METHOD : 0;
}

/* What the instruction changes, and which of its parts are wrong at this point of the session. */
static void
take_instruction(maf_session_t *session, const maf_message_t *message, const nstime_t *when,
                 maf_verdict_t *verdict)
{
    switch (message->instr) {
    case MAF_INSTR_SUPPORTED:
        take_list(session, message, verdict);
        break;
    case MAF_INSTR_REQUEST_MORE:
        verdict->violations |= take_request_more(session, message);
        break;
    case MAF_INSTR_DO:
        verdict->violations |= take_do(session, message, verdict->packet, when);
        break;
    case MAF_INSTR_PROCESS:
        verdict->violations |= take_process(session, message);
        break;
    case MAF_INSTR_SUCCESS:
    case MAF_INSTR_FAILURE:
        verdict->violations |= take_result(session, message);
        break;
    default:
        break;
    }
}

/* A late message does not move the state back; but a result counts even if it is late. */
static uint8_t
state_after(const maf_session_t *session, const maf_message_t *message, maf_order_t order)
{
    if (order == MAF_ORDER_LATE && !is_result(message) && session->state > MAF_STATE_AWAITING_LIST)
        return session->state;
    if (message->instr == MAF_INSTR_DO && maf_id_is(&message->id, MAF_METHOD_FAILURE))
        return MAF_STATE_FAILED;
    if (message->instr == MAF_INSTR_PROCESS && session->unsure)
        return MAF_STATE_EXECUTING;
    return rules[message->instr].next == SAME_STATE ? session->state : rules[message->instr].next;
}

/* Who answers whom: the first message of a side answers the last of the other. */
static void
link_message(maf_session_t *session, maf_verdict_t *verdict, const nstime_t *when)
{
    maf_verdict_t *last = session->last;

    if (last)
        last->next = verdict;
    if (last && last->from != verdict->from) {
        nstime_t time;

        nstime_delta(&time, when, &session->last_when);
        verdict->response_to = last->packet;
        verdict->answers = last->instr;
        verdict->response_secs = time.secs;
        verdict->response_nsecs = time.nsecs;
        for (maf_verdict_t *asking = session->asking; asking != verdict; asking = asking->next)
            asking->response_in = verdict->packet;
    }
    if (!last || last->from != verdict->from)
        session->asking = verdict;
    session->last = verdict;
    session->last_when = *when;
}

static const maf_ending_t *
ending_new(const maf_session_t *session, const nstime_t *when)
{
    maf_ending_t *ending = wmem_new(session->allocator, maf_ending_t);

    ending->rounds = session->round ? session->round->number : 0;
    nstime_delta(&ending->duration, when, &session->begin);
    return ending;
}

static uint32_t
violation_of_end(const maf_message_t *message)
{
    switch ((maf_message_end_t)message->end) {
    case MAF_MESSAGE_BAD_INSTR:
        return MAF_VIOLATION_INSTR;
    case MAF_MESSAGE_BAD_COUNT:
        return MAF_VIOLATION_NMETHODS;
    case MAF_MESSAGE_BAD_LENGTH:
        return MAF_VIOLATION_LENGTH;
    case MAF_MESSAGE_CUT:
        return MAF_VIOLATION_TRUNCATED;
    case MAF_MESSAGE_WHOLE:
    case MAF_MESSAGE_UNASSEMBLED:
        break;
    }
    return 0;
}

/* Is there enough of the message to follow it? */
static bool
names_instruction(const maf_message_t *message)
{
    switch ((maf_message_end_t)message->end) {
    case MAF_MESSAGE_BAD_INSTR:
        return false;
    case MAF_MESSAGE_CUT:
    case MAF_MESSAGE_UNASSEMBLED:
        return message->layout == MAF_LAYOUT_LIST || message->layout == MAF_LAYOUT_GROUPS
                   ? message->understood > 0
                   : message->id_offset > 0;
    case MAF_MESSAGE_WHOLE:
    case MAF_MESSAGE_BAD_COUNT:
    case MAF_MESSAGE_BAD_LENGTH:
        break;
    }
    return true;
}

/* Each OEM is answered by one (draft-01); another message in its place is the violation. */
static uint32_t
link_oem(maf_session_t *session, const maf_message_t *message, maf_side_t from)
{
    const uint32_t theirs = 1U << maf_other_side(from);
    const bool asked = session->oem_from & theirs;

    session->oem_from &= ~theirs;
    if (message->instr != MAF_INSTR_OEM)
        return asked ? MAF_VIOLATION_OEM_UNANSWERED : 0;
    if (session->unsure) /* it may be an answer itself */
        session->unsure |= UNSURE_NEXT;
    else if (!asked)
        session->oem_from |= 1U << from;
    return 0;
}

/* A message whose instruction is known. */
static void
take_message(maf_session_t *session, const maf_message_t *message, const nstime_t *when, maf_order_t order,
             maf_verdict_t *verdict)
{
    const maf_side_t from = (maf_side_t)verdict->from;
    const uint8_t state = state_after(session, message, order);
    uint32_t misplaced = judge_place(session, message, from);
    const uint32_t unanswered = link_oem(session, message, from);

    if (unanswered) /* that it is unexpected has the same cause */
        misplaced &= ~MAF_VIOLATION_SEQUENCE;
    if (session->state == MAF_STATE_AWAITING_DECISION && state != session->state && session->round &&
        !session->round->decision) {
        session->round->decision = verdict;
        nstime_delta(&session->round->duration, when, &session->round_begin);
    }
    if (message->instr == MAF_INSTR_SUPPORTED && session->revision == MAF_REVISION_BY_LIST &&
        order != MAF_ORDER_GUESSED)
        session->revision = message->revision;
    take_instruction(session, message, when, verdict);
    if (misplaced || unanswered) /* one fault, one diagnosis */
        verdict->violations &= OWN_FAULTS;
    verdict->violations |= misplaced | unanswered | judge_header(message);

    if (message->instr == MAF_INSTR_PROCESS || message->instr == MAF_INSTR_WHAT_NEXT)
        verdict->follows_do = session->do_in_force;
    if (state != MAF_STATE_EXECUTING) {
        session->do_in_force = false;
        session->running = NULL;
    }
    if (has_ended(state) && misplaced != MAF_VIOLATION_DIRECTION) {
        if (session->progress < PROGRESS_FAILED && message->instr != MAF_INSTR_SUPPORTED)
            details_of(session, verdict)->ending = ending_new(session, when);
        session->progress =
            MAX(session->progress, state == MAF_STATE_SUCCEEDED ? PROGRESS_SUCCEEDED : PROGRESS_FAILED);
    }
    if (rules[message->instr].next != SAME_STATE)
        session->unsure &= (uint8_t)~UNSURE_NEXT;
    if (misplaced & (MAF_VIOLATION_DIRECTION | MAF_VIOLATION_SEQUENCE))
        session->unsure |= UNSURE_NEXT; /* what follows from it is no fault of its own */
    session->state = state;
}

bool
maf_may_send(maf_side_t side, uint8_t instr)
{
    return rules[instr].by & (1U << side);
}

maf_session_t *
maf_session_new(wmem_allocator_t *allocator, int revision, bool late)
{
    maf_session_t *session = wmem_new0(allocator, maf_session_t);

    session->allocator = allocator;
    session->offered = wmem_tree_new(allocator);
    session->state = late ? MAF_STATE_UNKNOWN : MAF_STATE_AWAITING_LIST;
    session->revision = revision;
    session->unsure = late ? UNSURE_NEXT : 0;
    session->seen = late ? SEEN_PARTLY : SEEN_ALL;
    return session;
}

/* Is MLEN of draft-01 where METHOD would begin in revision 00, in Success with 00 and in Failure with FF? */
static bool
has_mlen(maf_bytes_t bytes)
{
    return bytes.captured > MAF_HEADER_LEN &&
           (bytes.at[MAF_HEADER_LEN] == MAF_COMPACT_ID_LEN || bytes.at[MAF_HEADER_LEN] == MAF_LONG_ID_LEN);
}

int
maf_session_revision(const maf_session_t *session, maf_bytes_t bytes)
{
    const uint8_t instr = bytes.captured > 0 ? bytes.at[0] : 0;
    const bool is_ver_01 = bytes.captured > 1 && bytes.at[1] == MAF_VER_01;

    if (session->revision != MAF_REVISION_BY_LIST)
        return session->revision;
    if (instr == MAF_INSTR_SUCCESS || instr == MAF_INSTR_FAILURE) /* draft-01 has VER 00 in these */
        return is_ver_01 || session->newest == MAF_VER_01 || has_mlen(bytes);
    return is_ver_01;
}

bool
maf_session_has_succeeded(const maf_session_t *session)
{
    return session->state == MAF_STATE_SUCCEEDED && session->progress >= PROGRESS_FAILED;
}

void
maf_session_lose_track(maf_session_t *session)
{
    if (session->round && !session->round->gap)
        session->round->gap = session->round_messages + 1;
    session->unsure |= UNSURE_NEXT;
    session->seen = SEEN_PARTLY;
    session->more = MORE_UNKNOWN;
    session->oem_from = 0;
}

maf_state_t
maf_session_request(const maf_session_t *session)
{
    return session->progress == PROGRESS_SUCCEEDED || session->unsure ? MAF_STATE_UNKNOWN
                                                                      : (maf_state_t)session->state;
}

maf_verdict_t *
maf_session_message(maf_session_t *session, const maf_message_t *message, maf_side_t from, uint32_t packet,
                    const nstime_t *when, maf_order_t order)
{
    maf_verdict_t *verdict = wmem_new0(session->allocator, maf_verdict_t);
    const maf_id_t *running = session->running;

    if (session->progress == PROGRESS_NONE) {
        session->progress = PROGRESS_BEGUN;
        session->begin = *when;
    }
    verdict->packet = packet;
    verdict->instr = message->instr;
    verdict->from = (uint8_t)from;
    verdict->state_before = session->state;
    verdict->revision = message->revision;
    if (order != MAF_ORDER_GUESSED)
        session->newest = MAX(session->newest, message->revision);
    link_message(session, verdict, when);

    if (names_instruction(message))
        take_message(session, message, when, order, verdict);
    if (violation_of_end(message)) /* what else seems wrong with it has the same cause */
        verdict->violations = violation_of_end(message);
    if (message->end != MAF_MESSAGE_WHOLE)
        maf_session_lose_track(session);
    if (order == MAF_ORDER_GUESSED) {
        verdict->violations = 0;
        if (verdict->details)
            verdict->details->offer_violations = NULL;
    }
    if (verdict->violations)
        details_of(session, verdict)->running = running;

    if (order == MAF_ORDER_IN_SEQUENCE)
        session->unsure &= (uint8_t)~UNSURE_OF(from);
    else
        session->unsure |= UNSURE_OF(from);

    verdict->state = session->state;
    verdict->round = session->round;
    verdict->place = session->round ? ++session->round_messages : 0;
    return verdict;
}
