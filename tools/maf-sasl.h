/* maf-sasl.h
 * SASL mechanisms as sub-methods, by way of GNU SASL
 *
 * The server's first octets are the DATA of do, all others those of process, and nothing is added to them:
 * PLAIN is one message of the client (RFC 4616), CRAM-MD5 a challenge and its response (RFC 2195), and
 * SCRAM-SHA-256 two messages of each side, the client's first (RFC 5802, RFC 7677). A server that refuses
 * SCRAM's says so, in the form of e= (RFC 5802, section 7).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_SASL_H
#define MAF_SASL_H

#include "maf-method.h"

extern const maf_method_t maf_sasl_plain, maf_sasl_cram_md5, maf_sasl_scram_sha_256;

#endif /* MAF_SASL_H */
