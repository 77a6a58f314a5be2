/* maf-methods.h
 * What is known of a METHOD: its name, and who dissects its DATA
 *
 * A dissector takes the DATA of a METHOD by adding itself to the table "maf.method" (the number) or
 * "maf.method.uuid"; it is called with a maf_payload_t. Others that the user chooses are called with NULL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_METHODS_H
#define MAF_METHODS_H

#include "maf-compat.h"

#include <epan/packet.h>
#include <epan/prefs.h>

#include "maf-login.h"
#include "maf-message.h"
#include "maf-session.h"

/* What a payload dissector gets to know of the message its DATA came in, and what it returns. */
typedef struct {
    uint8_t instr;      /* do, process, success or failure */
    uint8_t revision;   /* 0 or 1 */
    maf_side_t from;    /* who sent it */
    maf_round_t *round; /* the round it belongs to, or NULL; round->payload is the payload dissector's own */
    uint32_t place; /* among the round's messages: of two in one packet, too, the later has the higher one */
    maf_login_t *login; /* for what is wrong in DATA, by maf_expert_say(); NULL if it has that already */
    const char *user;   /* out: who logs in, allocated in pinfo->pool; NULL if DATA does not say */
    const char *note;   /* out: a few words for the Info column, allocated in pinfo->pool; or NULL */
} maf_payload_t;

/* Register the dissector tables, Decode As, and the user's table maf_methods among the preferences. */
void maf_methods_register(int proto, module_t *preferences);

/* Does anybody look at which dissectors are called? If not, a layer of its own is worth nothing. */
bool maf_shows_layers(proto_tree *tree);

/*
 * Have a reference sub-method's DATA dissected, under its number and its UUID.
 *
 * name    that the dissector is registered by
 * fields  id of the protocol whose fields it adds: without a tree if nobody wants these
 */
void maf_methods_add(uint32_t number, const char *name, dissector_t dissector, int fields);

/*
 * The name of a METHOD: the user's, or its own, or that of its range (draft-00, Current MAF Sub-Methods;
 * draft-01 for revision 1). Lives as long as the preferences; never NULL.
 */
const char *maf_method_name(unsigned revision, const maf_id_t *id);

/*
 * The same for a line of text, with the id where the name is only that of a range:
 * "Internal Test Method", "Proprietary method 0x00000101". May belong to pool; never NULL.
 */
const char *maf_method_label(wmem_allocator_t *pool, unsigned revision, const maf_id_t *id);

/* An id as it is read best: 0x00000001, a UUID, or bytes in hexadecimal. Belongs to pool. */
const char *maf_id_text(wmem_allocator_t *pool, const maf_id_t *id);

/* Call a dissector that is not MAF's own. What goes wrong in it is shown, and goes no further. False if it
 * takes nothing. */
bool maf_try_dissector(dissector_handle_t handle, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree,
                       void *data);

/*
 * Give DATA to whoever dissects it: the user's choice, by Decode As or the table maf_methods, comes first. An
 * error in there is shown there and goes no further.
 *
 * tvb      holds exactly the DATA
 * returns  false if nobody took it
 */
bool maf_dissect_data(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, const maf_id_t *id,
                      maf_payload_t *payload);

#endif /* MAF_METHODS_H */
