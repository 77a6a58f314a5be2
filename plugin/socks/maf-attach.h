/* maf-attach.h
 * The way in from Wireshark's SOCKS dissector, and the way back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_ATTACH_H
#define MAF_ATTACH_H

/* Register the dissector "maf" and what watches for SOCKS connections, for this protocol id. */
void maf_attach_register(int proto);

/* Find the dissectors to hand over to, once all are registered. */
void maf_attach_connect(void);

#endif /* MAF_ATTACH_H */
