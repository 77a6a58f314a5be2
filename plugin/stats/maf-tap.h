/* maf-tap.h
 * What statistics and exports are told of each MAF message
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_TAP_H
#define MAF_TAP_H

#include "maf-compat.h"

#include <epan/packet.h>

#include "maf-message.h"
#include "maf-session.h"

/* What a listener of the tap "maf" gets; it and all it points to live as long as the packet. */
typedef struct {
    uint32_t session; /* the same for all messages of a session, and for no other in the capture */
    uint32_t stream;  /* tcp.stream */
    maf_side_t from;
    bool by_client;               /* the packet is the client's, whoever is at fault */
    uint32_t violations;          /* MAF_FAULT_* */
    tvbuff_t *tvb;                /* the message; NULL: no message, but something wrong between messages */
    maf_message_t message;        /* the message, taken apart, if there is one */
    const maf_verdict_t *verdict; /* and what the session said of it */
} maf_tap_t;

/* Register the taps "maf" and, for File, Export PDUs to File, "MAF". */
void maf_tap_register(void);

/* Whether anybody listens: most of the time, nobody does. */
bool maf_tap_wanted(void);

/* Tell those who listen; the record is copied. */
void maf_tap_tell(packet_info *pinfo, const maf_tap_t *record);

/* One end of a connection in text: "192.0.2.1:1080", "[2001:db8::1]:1080". Belongs to pool. */
const char *maf_end_text(wmem_allocator_t *pool, const address *address, uint32_t port);

#endif /* MAF_TAP_H */
