/* maf-end.h
 * How a connection ends: by FIN, RST, or the end of the capture
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_END_H
#define MAF_END_H

#include "maf-compat.h"

#include <epan/packet.h>

/* Register what is to be done at the beginning and end of a capture file. */
void maf_end_register(void);

/* There is a connection whose end matters: listen to TCP from now on. */
void maf_end_listen(void);

/* After each packet: show what it has cut off, if it closes a connection of ours or the capture has no more
 * of it. */
void maf_end_see(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree);

#endif /* MAF_END_H */
