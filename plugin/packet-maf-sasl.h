/* packet-maf-sasl.h
 * The DATA of the reference sub-methods: the Internal Test Method and three SASL mechanisms
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef PACKET_MAF_SASL_H
#define PACKET_MAF_SASL_H

/* Registration, as Wireshark's own dissectors do it. */
void proto_register_maf_sasl(void);
void proto_reg_handoff_maf_sasl(void);

#endif /* PACKET_MAF_SASL_H */
