/* maf-socks.h
 * Wireshark's SOCKS dissector: on whose behalf it is called, and how to have it go on after MAF
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_SOCKS_H
#define MAF_SOCKS_H

#include "maf-compat.h"

#include <epan/conversation.h>
#include <epan/packet.h>

#include "maf-stream.h"

/* Find the SOCKS dissector, once all are registered. False if this Wireshark has none, or it is not enabled.
 */
bool maf_socks_connect(void);

/* Has it begun with this connection without us? */
bool maf_socks_has_begun(conversation_t *conversation);

/* Could TCP call it for this packet? A quick check, which is sometimes true for packets for which TCP
 * would not. */
bool maf_socks_may_be_called(const packet_info *pinfo);

/*
 * The port for which TCP would call it: TCP asks the server's port first, and those set by the user
 * before others. 0 if it would not be called.
 */
uint32_t maf_socks_port(packet_info *pinfo, uint32_t server_port);

/* The port for which TLS would call it; 0 if it would not. */
uint32_t maf_socks_port_in_tls(const packet_info *pinfo);

/* Does TLS call it for any port? */
bool maf_socks_is_in_tls(void);

/* A handle for TLS that looks like the one it takes the place of, on that port. */
dissector_handle_t maf_socks_handle_in_tls(dissector_t dissector, uint32_t port);

/* Whose the stream is when we are done: SOCKS', which is called by itself where we only stood in front of it.
 */
dissector_handle_t maf_socks_next(const maf_stream_t *stream);

/*
 * The SOCKS dissector gave up when it saw a method it does not know. Let it begin again and believe that no
 * authentication was agreed on: what it expects next is then the request. Nothing of it shows.
 */
void maf_socks_prime(const maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo);

/* Call it for a greeting or selection that came in several segments, of which it has been shown each: as if
 * this were the only one. */
void maf_socks_call_alone(const maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree,
                          void *data);

/* Call it, in the packet that closes the connection, for bytes that `from` had sent before. */
void maf_socks_call_late(const maf_stream_t *stream, maf_side_t from, tvbuff_t *tvb, packet_info *pinfo,
                         proto_tree *tree);

/*
 * Call it as TCP or TLS would. What we are called by in TLS is a handle of SOCKS, so there is such a layer
 * already. Returns the bytes it took.
 */
int maf_socks_call(const maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree,
                   void *data);

/* Call it for what is no connection of ours, as if MAF had not been chosen for it. Returns the bytes it took.
 */
int maf_socks_call_plainly(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data);

/* Show tunnelled bytes as it does: by the target's port, in the place of the proxy's. */
void maf_socks_show_tunnel(const maf_stream_t *stream, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree);

#endif /* MAF_SOCKS_H */
