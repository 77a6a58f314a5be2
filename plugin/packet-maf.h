/* packet-maf.h
 * The protocol MAF and its preferences
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef PACKET_MAF_H
#define PACKET_MAF_H

/* Register the protocol "maf" with its fields, expert infos, preferences and tables. Returns its id. */
int proto_register_maf(void);

#endif /* PACKET_MAF_H */
