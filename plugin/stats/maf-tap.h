/* maf-tap.h
 * What statistics and exports get of each MAF message
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_TAP_H
#define MAF_TAP_H

#include "maf-compat.h"

#include <epan/packet.h>

#include "maf-login.h"

/* What a listener of the tap "maf" gets for each message, and for each violation between messages. Statistics
 * read the login; the packet only chooses it. */
typedef struct {
    maf_login_t *login; /* lives as long as the capture */
} maf_tap_t;

/* Register the taps "maf" and, for File, Export PDUs to File, "MAF". */
void maf_tap_register(void);

/* Whether anybody listens: most of the time, nobody does. */
bool maf_tap_wanted(void);

/* A packet has something of this login: a message that tvb holds, or, with tvb NULL, a violation between
 * messages. */
void maf_tap_queue(packet_info *pinfo, maf_login_t *login, tvbuff_t *tvb);

/* One end of a connection in text: "192.0.2.1:1080", "[2001:db8::1]:1080". Belongs to pool. */
const char *maf_end_text(wmem_allocator_t *pool, const address *address, uint32_t port);

#endif /* MAF_TAP_H */
