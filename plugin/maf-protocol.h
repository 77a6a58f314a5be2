/* maf-protocol.h
 * The Multi-Authentication Framework on the wire: numbers, sizes and names
 *
 * Plain C, shared by the dissector and by the reference client and server.
 * "draft-00" is draft-ietf-aft-socks-maf-00, "draft-01" its revision of August 1999.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_PROTOCOL_H
#define MAF_PROTOCOL_H

/* The SOCKS 5 METHOD that selects MAF. draft-00 left it open; IANA assigned it in August 1998. */
#define MAF_SOCKS_METHOD 8

/* Revision of the framework: VER (draft-00, Subnegotiation). */
#define MAF_VER_00 0x00
#define MAF_VER_01 0x01

/*
 * INSTR (draft-00, Subnegotiation; draft-01 adds OEM).
 * Each line: constant, value, name in draft-00, name in draft-01.
 */
#define MAF_INSTRUCTIONS(X)                                                                                  \
    X(MAF_INSTR_SUCCESS, 0x00, "Success", "Success (Done)")                                                  \
    X(MAF_INSTR_SUPPORTED, 0x01, "Sub-methods supported", "Methods supported (Can Do)")                      \
    X(MAF_INSTR_REQUEST_MORE, 0x02, "Request additional sub-methods", "Send More Can Do")                    \
    X(MAF_INSTR_DO, 0x03, "Do", "Do")                                                                        \
    X(MAF_INSTR_WHAT_NEXT, 0x04, "What next?", "What next")                                                  \
    X(MAF_INSTR_PROCESS, 0x05, "Process", "Process")                                                         \
    X(MAF_INSTR_ACKNOWLEDGE, 0x06, "Acknowledge", "Acknowledge")                                             \
    X(MAF_INSTR_OEM, 0x07, "OEM", "Process OEM specific")                                                    \
    X(MAF_INSTR_FAILURE, 0xFF, "Failure", "Failure and disconnect")

enum maf_instr {
#define MAF_INSTR_ENUM(constant, value, name_00, name_01) constant = value,
    MAF_INSTRUCTIONS(MAF_INSTR_ENUM)
#undef MAF_INSTR_ENUM
};

/* FLAGS of instruction 02 (draft-00, Subnegotiation): send only what was not sent yet, or start again. */
#define MAF_FLAGS_NONE     0x0000
#define MAF_FLAGS_RELATIVE 0x0000
#define MAF_FLAGS_ABSOLUTE 0x0001

/* METHOD ids with a meaning of their own (draft-00, Current MAF Sub-Methods). */
#define MAF_METHOD_SUCCESS        0x00000000U
#define MAF_METHOD_INTERNAL_TEST  0x00000001U
#define MAF_METHOD_MORE_AVAILABLE 0x00000002U
#define MAF_METHOD_FAILURE        0xFFFFFFFFU

/* Each line: METHOD id, its name. */
#define MAF_METHODS(X)                                                                                       \
    X(MAF_METHOD_SUCCESS, "SUCCESS")                                                                         \
    X(MAF_METHOD_INTERNAL_TEST, "Internal Test Method")                                                      \
    X(MAF_METHOD_MORE_AVAILABLE, "MORE_METHODS_AVAILABLE")                                                   \
    X(MAF_METHOD_FAILURE, "FAILURE")

/* Ranges of METHOD ids (draft-00, Current MAF Sub-Methods; draft-01 moves the first). */
#define MAF_METHOD_PROPRIETARY_FIRST_00 0x00000003U
#define MAF_METHOD_PROPRIETARY_FIRST_01 0x00000005U
#define MAF_METHOD_GENERAL_FIRST        0x00010000U

/*
 * The sub-methods of the reference client and server, besides the Internal Test Method: from the range for
 * proprietary methods, so anybody else's may have the same.
 */
#define MAF_METHOD_SASL_PLAIN         0x00000101U
#define MAF_METHOD_SASL_CRAM_MD5      0x00000102U
#define MAF_METHOD_SASL_SCRAM_SHA_256 0x00000103U

/* Each line: METHOD id, the same as a UUID (draft-01), its name. */
#define MAF_REFERENCE_METHODS(X)                                                                             \
    X(MAF_METHOD_INTERNAL_TEST, "4a78553a-fb3c-4917-9c6c-6e302b6c482d", "Internal Test Method")              \
    X(MAF_METHOD_SASL_PLAIN, "2770736f-c710-45e9-8ae4-af735a319ded", "SASL PLAIN")                           \
    X(MAF_METHOD_SASL_CRAM_MD5, "d506d7ef-2dca-498a-a4db-9e68591f5a78", "SASL CRAM-MD5")                     \
    X(MAF_METHOD_SASL_SCRAM_SHA_256, "12e3dff2-720f-4b31-868d-4f3c7b0fead4", "SASL SCRAM-SHA-256")

/* Lengths of ids that mean something: a number, or a UUID (draft-01). */
#define MAF_COMPACT_ID_LEN 4
#define MAF_LONG_ID_LEN    16

/* Sizes in bytes (draft-00, Subnegotiation, the diagrams). */
#define MAF_HEADER_LEN        4 /* INSTR, VER, FLAGS */
#define MAF_METHOD_LEN        4 /* a METHOD id of revision 00 */
#define MAF_LEN_LEN           4 /* LEN, DLEN */
#define MAF_NMETHODS_LEN      4 /* NMETHODS as the diagram draws it */
#define MAF_NMETHODS_LEN_BYTE 1 /* the width of NMETHODS in the draft's text, whose diagram has four */
#define MAF_NMETHODS_MIN      1
#define MAF_NMETHODS_MAX      255

/* Sizes in bytes of what draft-01 adds. */
#define MAF_GROUP_HEADER_LEN 2 /* COUNT, IDLEN */
#define MAF_IDLEN_LEN        1 /* MLEN, IDLEN */
#define MAF_RESERVED_LEN     3 /* RESERVED of an OEM message */
#define MAF_ALIGNMENT        4 /* PAD brings DLEN to a multiple of this from the start of the message */

/* OEM ids with a meaning of their own (draft-01). */
#define MAF_OEM_TEST_LAST         0x00000003U
#define MAF_OEM_RESERVED          0x00000004U
#define MAF_OEM_PROPRIETARY_FIRST 0x00000005U
#define MAF_OEM_GENERAL_FIRST     0x00010000U
#define MAF_OEM_NOT_RECOGNISED    0xFFFFFFFFU

#endif /* MAF_PROTOCOL_H */
