/* maf-stream.h
 * One side of a conversation over TCP: what it says, what it waits for, for how long, and how it ends
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_STREAM_H
#define MAF_STREAM_H

#include "maf-fault.h"
#include "maf-oem.h"
#include "maf-pdu.h"
#include "relay.h"

#include <gio/gio.h>

/* How a side speaks and waits. */
typedef struct maf_manners {
    int timeout;    /* seconds the peer has for each of its messages */
    int write_size; /* octets in one write, see paced-write.h; 0: as many as there are */
    gboolean glue;  /* messages that may go together go in one write */
    gboolean verbose;
    int linger; /* milliseconds at the end in which the peer may still read before the connection is closed */
    maf_side_t side;
    guint message_size; /* octets that a message of the peer may have; 0: as many as the codec takes */
    int revision; /* of the draft: 0, 1, or MAF_REVISION_BY_VER for the one that the peer's first frame has */
    maf_oem_t oem;            /* the OEM frame that each conversation of revision 01 has at its place */
    const maf_fault_t *fault; /* the rule that each conversation breaks once, or NULL */
} maf_manners_t;

/*
 * A state of the conversation: what this side waits for, in words, and the function that decodes it, acts on
 * it and returns what frame_status_t says of the octets so far. Octets of a complete message are gone once it
 * has returned. Where the peer may say an OEM frame of its own accord, the state has `oem`; it is answered,
 * and `receive` does not see it.
 */
typedef struct maf_state {
    const char *expects;
    frame_status_t (*receive)(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error);
    gboolean oem;
} maf_state_t;

typedef struct maf_stream maf_stream_t;

/* The conversation is over and its connection closed; `error` is NULL when it ended as it should. */
typedef void (*maf_ended_t)(gpointer side, const GError *error);

/*
 * A conversation over `connection`, which is referenced. `ended` is called once, from the main loop; free the
 * stream in it or after it, not before. `manners` must outlive the stream.
 */
maf_stream_t *maf_stream_new(GSocketConnection *connection, const maf_manners_t *manners, maf_ended_t ended,
                             gpointer side);
void maf_stream_free(maf_stream_t *stream);

/* The peer's address and port, as text. Belongs to the stream. */
const char *maf_stream_peer(const maf_stream_t *stream);

/* Goes to a state: what arrives from now on is for it. NULL: nothing is read until the next call. */
void maf_stream_expect(maf_stream_t *stream, const maf_state_t *state);

/* Says something, unless the conversation is ending. The octets are copied. */
void maf_stream_send(maf_stream_t *stream, const GByteArray *octets);

/*
 * Says a frame (draft-00, Subnegotiation), by the conversation's revision whatever pdu->ver is, and without
 * its DATA where that has none. A frame that cannot be encoded ends the conversation.
 */
void maf_stream_send_pdu(maf_stream_t *stream, const maf_pdu_t *pdu);

/* maf_pdu_decode() by the conversation's revision, that tells of complete frames when verbose. For use in a
 * state's `receive`. */
frame_status_t maf_stream_read_pdu(maf_stream_t *stream, const guint8 *octets, gsize len, maf_pdu_t *pdu,
                                   gsize *length, GError **error);

/* Has a frame of this INSTR got DATA in the conversation's revision? */
gboolean maf_stream_has_data(const maf_stream_t *stream, guint8 instr);

/* Are Success and Failure acknowledged in the conversation's revision? (draft-01) */
gboolean maf_stream_acknowledges(const maf_stream_t *stream);

/*
 * Calls `then`, which goes to a state; first, if this is the place for it, says the OEM frame that the
 * manners have and awaits its answer (draft-01, Process OEM specific).
 */
void maf_stream_exchange_oem(maf_stream_t *stream, maf_oem_place_t place, void (*then)(gpointer side));

/* maf_fault_slips() of this conversation. */
gboolean maf_stream_slips(maf_stream_t *stream, maf_slip_t slip);

/* Ends the conversation once everything has been said. Takes the error; NULL ends it well. */
void maf_stream_end(maf_stream_t *stream, GError *error);

/* Ends the conversation at once, whatever is still to be said or heard. Takes the error. A conversation that
 * relays, or is over, goes on as it was. */
void maf_stream_give_up(maf_stream_t *stream, GError *error);

/* Once everything has been said, only relays between the peer and `other` until that ends, and the
 * conversation with it. */
void maf_stream_bridge(maf_stream_t *stream, const relay_end_t *other);

#endif /* MAF_STREAM_H */
