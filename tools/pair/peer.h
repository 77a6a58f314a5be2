/* peer.h
 * The other side of a connection: what is sent to it, what is read from it and how long that may take
 *
 * Its first error, in.error, ends a conversation: functions that return FALSE have set it, STATUS_NETWORK for
 * a connection that is lost or too slow, STATUS_VIOLATION for what breaks the protocol.
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
    guint timeout;      /* seconds that the peer has for each message */
    guint login_time;   /* seconds that it has for the whole login */
    guint message_size; /* bytes that a message of the peer may have */
    guint write_size;   /* bytes in one write, a millisecond apart; 0: as many as there are */
    gboolean coalesce;  /* messages that may go together go in one write */
    gboolean verbose;
    int revision;          /* of the draft: 0, 1, or MAF_REVISION_BY_VER for that of the first message */
    oem_place_t oem_place; /* of the OEM message that each conversation of revision 01 has */
    method_id_t oem_id;
    const fault_t *fault; /* the rule that each conversation breaks once, or NULL */
} peer_options_t;

/* A conversation. Only its own thread touches it, but for the socket, which another may shut down. */
typedef struct peer {
    reader_t in; /* first, so that it can be taken for the peer */
    int fd;
    const char *name; /* address and port */
    const peer_options_t *options;
    int revision;
    fault_run_t fault;
    const char *expects;             /* the message being read, in words */
    gint64 deadline, login_deadline; /* login_deadline: G_MAXINT64 for none */
    GByteArray *out;                 /* to be sent */
    guint oems;                      /* that have come */
    gboolean at_end;                 /* has sent all it had to */
    gboolean reset;                  /* is to be reset, not closed */
} peer_t;

/* A conversation on the connected, blocking socket, which stays the caller's to close, as does the name. */
void peer_open(peer_t *peer, int fd, const char *name, const peer_options_t *options);

/* Sends what is kept and lets the peer read it, or has the close to come reset the connection. Frees all. */
void peer_close(peer_t *peer);

/* Begins to read a message, `expects` in words, or the tunnel's bytes, NULL: its time begins. */
void peer_expect(peer_t *peer, const char *expects);

/* Reads a greeting and selects the wanted METHOD in it, or else none if that is allowed, or fails (RFC 1928,
 * section 3). */
gboolean peer_select(peer_t *peer, guint8 wanted, gboolean allow_none, guint8 *method);

/* Reads a request as a server, a reply as a client (RFC 1928, sections 4 and 6). Fails for an unknown ATYP,
 * as a server with the reply that says so. */
gboolean peer_read_message(peer_t *peer, socks_message_t *message);

/* Sends what has been appended to `out`, or keeps it to go with what follows. */
gboolean peer_send(peer_t *peer);

/* Sends a MAF message in the conversation's revision; `data` may be NULL. Fails, too, if --fault ends it. */
gboolean peer_send_pdu(peer_t *peer, maf_pdu_t pdu);
gboolean peer_send_data(peer_t *peer, guint8 instr, const method_id_t *method, const GByteArray *data);

/* Reads a MAF message as maf_pdu_read() does; the second one wants this INSTR. Where the peer may send OEM of
 * its own accord, `oem`, those are answered first. */
gboolean peer_read_pdu(peer_t *peer, const char *expects, gboolean oem, maf_pdu_t *pdu);
gboolean peer_read_instr(peer_t *peer, guint8 instr, gboolean oem, maf_pdu_t *pdu);

/* Fails for a message that is not the expected one. */
gboolean peer_refuse(peer_t *peer, const maf_pdu_t *pdu);

/* Is this Process for the sub-method? Fails if not. */
gboolean peer_wants_process(peer_t *peer, const maf_pdu_t *pdu, const method_id_t *method);

/* If this is the place for it, sends the OEM message of the options and reads the answer. */
gboolean peer_exchange_oem(peer_t *peer, oem_place_t place);

/* Relays between the peer and another socket or a program's streams, without deadlines, until both ends have
 * ended, each of which half-closes the other, or the peer has and the other one is a terminal. FALSE when a
 * connection breaks off: the close to come of the peer then resets it. */
gboolean peer_relay(peer_t *peer, int in, int out);

/* What went wrong, and what was expected instead. The caller frees it. */
char *peer_explain(const peer_t *peer);

#endif /* PEER_H */
