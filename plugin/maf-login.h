/* maf-login.h
 * The record of one login: who, from where, by what, how it ended, and what was wrong
 *
 * Filled once, on the first pass, by the session, by whoever follows the connection and by payload
 * dissectors. Fields, Info and statistics read it. It depends on no tap and on no filter, and lives as long
 * as the capture.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_LOGIN_H
#define MAF_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include <epan/address.h>
#include <wsutil/nstime.h>
#include <wsutil/wmem/wmem.h>

#include "maf-message.h"
#include "maf-session.h"

/* The most offered sub-methods that are kept; the others are counted. */
#define MAF_LOGIN_OFFERS_MAX 64
/* The most bytes of a result's DATA that are kept. */
#define MAF_LOGIN_RESULT_MAX 60

typedef enum {
    MAF_NOTE,
    MAF_WARNING,
    MAF_ERROR,
} maf_severity_t;

/* One thing that was wrong. */
typedef struct maf_diagnosis {
    struct maf_diagnosis *next;
    const char *expert; /* static: the abbreviation of the expert info, "maf.expert.length" */
    const char *text;
    nstime_t when;
    uint32_t packet;
    uint8_t from;      /* maf_side_t: who is at fault */
    uint8_t severity;  /* maf_severity_t */
    bool is_withdrawn; /* what was missing has come after all */
} maf_diagnosis_t;

/* A message of which only the beginning has come. */
typedef struct {
    uint32_t packet;  /* that has its first byte; 0 if no message is incomplete */
    uint32_t have;    /* bytes that have come */
    uint32_t needed;  /* bytes still missing; 0 if that is not known */
    const char *part; /* static: the first part that is not there whole, "LEN" */
    const char
        *ending; /* static: "closed (FIN)", "reset the connection (RST)"; NULL if the capture ends first */
    maf_diagnosis_t *diagnosis; /* that says so; NULL if the connection is not closed */
    nstime_t when;
    uint8_t instr;
    uint8_t revision;
    uint8_t ended_by; /* maf_side_t, if there is an ending */
    bool has_instr;
} maf_pending_t;

typedef struct {
    wmem_allocator_t *allocator;
    uint32_t number;     /* in the capture, from 0 */
    uint32_t tcp_stream; /* tcp.stream */
    address client;
    address server;
    uint32_t client_port;
    uint32_t server_port;

    uint32_t first; /* number of the packet with the first message; 0 before it */
    uint32_t last;
    nstime_t begin;    /* time of the first message */
    nstime_t duration; /* until the result; until the last message if there is no result yet */
    int revision;      /* 0 or 1; -1 before the first message */

    maf_id_t *offered; /* the first MAF_LOGIN_OFFERS_MAX; MORE_METHODS_AVAILABLE is not among them */
    uint32_t offers;   /* how many there are */
    bool is_absolute;  /* the list to come takes the place of those before it */

    const maf_round_t *first_round; /* NULL before the first do */
    maf_round_t *last_round;
    const maf_verdict_t *first_message; /* NULL before it; the others follow it in the order of the capture */
    const maf_verdict_t *last_message;

    const char *first_user; /* valid UTF-8; NULL if nobody is named */
    const char *user;       /* the last one named */

    uint8_t outcome;       /* maf_outcome_t */
    const char *result;    /* text, or hexadecimal, of the DATA that came with it; NULL if there was none */
    const char *closed_by; /* static: "client", "server", "client reset", "server reset"; NULL if not known,
                              and after success */
    bool is_closed;        /* a FIN or RST has been seen */
    const char *target;    /* of the SOCKS request, "host:port", valid UTF-8; NULL if unseen */
    int reply;             /* REP of the SOCKS reply; -1 if unseen */

    const maf_diagnosis_t *first_diagnosis; /* NULL if there is none */
    maf_diagnosis_t *last_diagnosis;
    uint32_t withdrawals;     /* how many of them have been withdrawn */
    maf_pending_t pending[2]; /* by maf_side_t */
} maf_login_t;

/* Called after each change of a login, on the first pass. NULL: nobody wants to know. */
extern void (*maf_login_changed)(const maf_login_t *login);

/* Count logins anew for each capture. */
void maf_login_register(void);

/* How many logins there are in this capture. */
uint32_t maf_login_count(void);

/*
 * MAF has been selected (spec: Where MAF begins and ends). Logins are numbered in the order of these calls.
 *
 * allocator   owns the login and all that is added to it
 * tcp_stream  tcp.stream
 * returns     the login, never NULL; addresses are copied
 */
maf_login_t *maf_login_new(wmem_allocator_t *allocator, uint32_t tcp_stream, const address *client,
                           uint32_t client_port, const address *server, uint32_t server_port);

/*
 * The next message (draft-00, Subnegotiation).
 *
 * message  read during the call only
 * verdict  of the session; kept
 * when     its time of capture
 * data     DATA of a message that is whole, message->len bytes; read during the call only; NULL if there is
 * none
 */
void maf_login_message(maf_login_t *login, const maf_message_t *message, const maf_verdict_t *verdict,
                       const nstime_t *when, const uint8_t *data);

/*
 * A payload dissector has found who logs in.
 *
 * round  that named the user; NULL if it is not known
 * name   copied; what is not valid UTF-8 in it is replaced
 */
void maf_login_user(maf_login_t *login, maf_round_t *round, const char *name);

/*
 * The user of a message: whom its round has named, else the last one named before that; on a later pass, else
 * the first one named.
 *
 * returns  NULL if there is none
 */
const char *maf_login_user_of(const maf_login_t *login, const maf_verdict_t *verdict, bool is_later_pass);

/* Something was wrong in a packet. expert is static; text is copied. */
maf_diagnosis_t *maf_login_violation(maf_login_t *login, uint32_t packet, const nstime_t *when,
                                     maf_side_t from, maf_severity_t severity, const char *expert,
                                     const char *text);

/* A FIN, or a RST, of that side. After success it ends the tunnel, and says nothing of the login. */
void maf_login_closed(maf_login_t *login, maf_side_t side, bool is_reset);

/*
 * A message of that side is not complete yet (draft-00, Subnegotiation, the diagrams).
 *
 * packet   number of the packet that has its first byte
 * have     bytes of it that have come
 * missing  as maf_message_parse() returned it
 */
void maf_login_waits(maf_login_t *login, maf_side_t side, uint32_t packet, const nstime_t *when,
                     const maf_message_t *message, uint32_t have, uint32_t missing);

/* It is complete now, or given up: a diagnosis of its end is withdrawn. */
void maf_login_waits_no_more(maf_login_t *login, maf_side_t side);

/* Does the capture end inside a message of that side, on a connection that nobody has closed? Known at its
 * end. */
static inline bool
maf_login_is_cut(const maf_login_t *login, maf_side_t side)
{
    return login->pending[side].packet && !login->is_closed;
}

/* The SOCKS request asks for this host and port (RFC 1928, section 4). host is copied. */
void maf_login_target(maf_login_t *login, const char *host, uint16_t port);

/* REP of the SOCKS reply (RFC 1928, section 6). */
void maf_login_reply(maf_login_t *login, uint8_t reply);

/* "unfinished", "succeeded", "failed", "passed": a maf_outcome_t. Static. */
const char *maf_outcome_name(uint8_t outcome);

#endif /* MAF_LOGIN_H */
