/* peer.h
 * The other side of a connection: what is sent to it, what is read from it and how long that may take
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef PEER_H
#define PEER_H

#include "fault.h"
#include "net.h"

/* Where a side may send an OEM message of its own accord (draft-01, Process OEM specific). */
typedef enum oem_place {
    OEM_NOWHERE,
    OEM_BEFORE_LIST,      /* the client; the server in answer to the list */
    OEM_BEFORE_WHAT_NEXT, /* the client; the server in answer to What next */
    OEM_AT_END,           /* the client, after Success or Failure */
} oem_place_t;

/* How a side talks, the same for each of its connections. Must outlive them. */
typedef struct peer_options {
    pair_side_t side;
    int timeout;        /* seconds that the peer has for each message */
    guint login_time;   /* seconds that it has for the whole login */
    guint message_size; /* bytes that a message of the peer may have */
    int write_size;     /* bytes in one write, a millisecond apart; 0: as many as there are */
    gboolean coalesce;  /* messages that may go together go in one write */
    gboolean verbose;
    guint
        linger; /* milliseconds at the end in which the peer may still read before the connection is closed */
    int revision; /* of the draft: 0, 1, or MAF_REVISION_BY_VER for the one that the peer's first message has
                   */
    oem_place_t oem_place; /* of the OEM message that each conversation of revision 01 has */
    method_id_t oem_id;
    const fault_t *fault; /* the rule that each conversation breaks once, or NULL */
} peer_options_t;

/* A conversation. Only its own thread touches it, but for the socket, which another may shut down. */
typedef struct peer {
    reader_t reader; /* first, so that it can be taken for the peer */
    int fd;
    char *name; /* address and port */
    const peer_options_t *options;
    int revision;
    fault_run_t fault;
    const char *expects;             /* the message being read, in words */
    gint64 deadline, login_deadline; /* login_deadline: 0 for none */
    GByteArray *out;                 /* sent, but kept to go with what follows */
    guint oems;                      /* that have come */
    gboolean at_end;                 /* has sent all it had to */
    gint64 receive_timeout;          /* of the socket, in microseconds */
    gboolean reset;                  /* is to be reset, not closed */
} peer_t;

/* A conversation on the connected, blocking socket, which stays the caller's to close. Takes `name`. */
void peer_open(peer_t *peer, int fd, char *name, const peer_options_t *options);

/*
 * Sends what is kept back and lets the peer read what was sent last, for as long as the options say, before
 * the socket is closed; or has that reset the connection. Frees what the peer holds, but not the peer.
 */
void peer_close(peer_t *peer);

/*
 * Begins to read a message, `expects` in words (NULL for the tunnel's bytes): what was read before is
 * overwritten, and the message has its time from now on. Read it with &peer->reader. Reading fails with
 * PAIR_ERROR_NETWORK for a connection that is lost or too slow, and PAIR_ERROR_VIOLATION when it is closed,
 * or the message is too long.
 */
void peer_expect(peer_t *peer, const char *expects);

/* Sends a message. FALSE with PAIR_ERROR_NETWORK when the connection is lost or the peer does not read. */
gboolean peer_send(peer_t *peer, const GByteArray *message, GError **error);

/* Sends what is kept to go with what follows. FALSE as for peer_send(). */
gboolean peer_flush(peer_t *peer, GError **error);

/*
 * Sends a MAF message (Subnegotiation of either draft) in the conversation's revision, whatever pdu->ver is,
 * and without DATA where that has none. FALSE as for peer_send(), and with PAIR_ERROR_FAULT when --fault ends
 * it all.
 */
gboolean peer_send_pdu(peer_t *peer, const maf_pdu_t *pdu, GError **error);

/* peer_send_pdu() of a message that is nothing but a header. */
gboolean peer_send_header(peer_t *peer, guint8 instr, guint16 flags, GError **error);

/*
 * Reads a MAF message (Subnegotiation of either draft) as maf_pdu_read() does. Where the peer may send OEM of
 * its own accord, `oem`, those are answered: ids for tests are echoed, others not recognised.
 */
gboolean peer_read_pdu(peer_t *peer, const char *expects, gboolean oem, maf_pdu_t *pdu, GError **error);

/*
 * Answers OEM messages as peer_read_pdu() does, until the next message is another, and gives its first byte,
 * which stays to be read. FALSE with `error`, as for reading.
 */
gboolean peer_answer_oems(peer_t *peer, const char *expects, guint8 *next, GError **error);

/* peer_read_pdu() of a message that must be of this INSTR and is nothing but a header, or of no interest. */
gboolean peer_read_instr(peer_t *peer, guint8 instr, gboolean oem, GError **error);

/*
 * If this is the place for it, sends the OEM message of the options and reads the answer (draft-01, Process
 * OEM specific). FALSE as for both.
 */
gboolean peer_exchange_oem(peer_t *peer, oem_place_t place, GError **error);

/* Are Success and Failure acknowledged in the conversation's revision? (draft-01) */
gboolean peer_acknowledges(const peer_t *peer);

/*
 * Relays between the peer and the other end, after what that has sent already (or NULL), until both have
 * ended; deadlines are over. FALSE with PAIR_ERROR_NETWORK when either broke off, whereupon both are reset.
 */
gboolean peer_relay(peer_t *peer, const relay_end_t *other, const GByteArray *sent, GError **error);

/* What went wrong, and what was expected instead, in words for the log. The caller frees it. */
char *peer_explain(const peer_t *peer, const GError *error);

/* A line of the log about this peer when --verbose. */
void peer_log_verbose(const peer_t *peer, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif /* PEER_H */
