/* fault.c
 * Rules broken on purpose, one at a time, to see what the other side makes of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "fault.h"

#include <string.h>

/* A sub-method that nobody offers, as a number and as a UUID. */
#define METHOD_UNKNOWN 0x7FFFFFFFU
#define UUID_UNKNOWN   "5f0e7c1a-6d3b-4f0c-9a55-0c2d8e4b7f61"

/* A message without DATA sent beside or instead of another, in its revision; or bytes that are no message. */
typedef struct extra {
    guint8 instr;
    guint32 method;
    const char *bytes;
    guint len;
} extra_t;

/* In which revisions of the draft there is such a rule. */
typedef enum scope { ONLY_00 = 1 << MAF_VER_00, ONLY_01 = 1 << MAF_VER_01, BOTH = ONLY_00 | ONLY_01 } scope_t;

/* When the rule is broken: with a message sent, right after one received, or when the side asks by name. */
typedef enum when { SENDING, RECEIVED, DECISION } when_t;

/* What becomes of the message's parts, before it is encoded: one more id in the list, the value, or the first
 * that was offered; so many METHODS; so many bytes of NMETHODS; another METHOD, the value, or a UUID. */
typedef enum parts { KEPT, OFFER, OFFER_AGAIN, NMETHODS, NMETHODS_WIDTH, METHOD, METHOD_UUID } parts_t;

/* What becomes of its bytes: the value `at` a place, in LEN, or behind DATA; or it is cut. */
typedef enum bytes { ALL, BYTES, DATA_LEN, DATA_MORE, HALF, HALF_OF_PAD, NOTHING } bytes_t;

struct fault {
    const char *name; /* begins with that of the expert info, maf.expert.*, that the plugin has for it */
    pair_side_t side;
    scope_t scope;
    guint8 instr; /* of the message with which the rule is broken */
    const char *what;

    when_t when;
    parts_t parts;
    bytes_t bytes;
    guint32 value;
    guint at, len; /* where BYTES puts the value */
    guint list;    /* of lists, which: 0 is the first */
    guint8 also;   /* messages of this INSTR right after it are altered too, to break no second rule */

    const extra_t *before, *after; /* sent in the same write */
    fault_then_t then;
};

/* clang-format off */
#define RAW(literal) .bytes = (literal), .len = sizeof(literal) - 1
static const extra_t success = {.instr = MAF_INSTR_SUCCESS, .method = MAF_METHOD_SUCCESS};
static const extra_t failure = {.instr = MAF_INSTR_FAILURE, .method = MAF_METHOD_FAILURE};
static const extra_t failure_0 = {.instr = MAF_INSTR_FAILURE, .method = MAF_METHOD_SUCCESS};
static const extra_t do_test = {.instr = MAF_INSTR_DO, .method = MAF_METHOD_INTERNAL_TEST};
static const extra_t what_next = {.instr = MAF_INSTR_WHAT_NEXT};
static const extra_t process = {.instr = MAF_INSTR_PROCESS, .method = MAF_METHOD_INTERNAL_TEST};
static const extra_t acknowledge = {.instr = MAF_INSTR_ACKNOWLEDGE};
static const extra_t oem = {.instr = MAF_INSTR_OEM};
static const extra_t oem_00 = {RAW("\x07\0\0\0" "\0\0\0\x04" "\0\0\0\x01" "\0\0\0\0")};
static const extra_t unknown = {RAW("\x08\0\0\0")};
static const extra_t request = {RAW("\x05\x01\0\x01" "\x7F\0\0\x01" "\0\x01")};

/* The faults, in the order of the expert infos */
#define CLIENT(name, scope, instr, ...) {name, PAIR_CLIENT, scope, MAF_INSTR_##instr, __VA_ARGS__}
#define SERVER(name, scope, instr, ...) {name, PAIR_SERVER, scope, MAF_INSTR_##instr, __VA_ARGS__}
#define VER(number)      .bytes = BYTES, .at = 1, .len = 1, .value = (number)
#define FLAGS(number)    .bytes = BYTES, .at = 2, .len = 2, .value = (number)
#define RESERVED(number) .bytes = BYTES, .at = 4, .len = 3, .value = (number)
#define IDLEN(number)    .bytes = BYTES, .at = 5, .len = 1, .value = (number) /* of the first group */
#define LEN(number)      .bytes = DATA_LEN, .value = (number)
#define ID(id)           .parts = METHOD, .value = (id)
#define DO_FOR(id)       .parts = METHOD, .value = (id), .also = MAF_INSTR_PROCESS
#define CUT_AND(then_)   .bytes = HALF, .then = FAULT_##then_
static const fault_t faults[] = {
    CLIENT("version-list", ONLY_00, SUPPORTED, "VER 02 in the list", VER(2)),
    CLIENT("version-what-next", BOTH, WHAT_NEXT, "VER 02 in What next?", VER(2)),
    SERVER("version-do", BOTH, DO, "VER 02 in Do", VER(2)),
    CLIENT("version-old", ONLY_01, WHAT_NEXT, "VER 00 in What next?", VER(MAF_VER_00)),
    SERVER("version-old", ONLY_01, DO, "VER 00 in Do", VER(MAF_VER_00)),
    CLIENT("flags-what-next", BOTH, WHAT_NEXT, "FLAGS 0001 in What next?", FLAGS(1)),
    CLIENT("flags-process", BOTH, PROCESS, "FLAGS 0001 in Process, as if a SOCKS request", FLAGS(1)),
    SERVER("flags-do", BOTH, DO, "FLAGS 8000 in Do", FLAGS(0x8000)),
    SERVER("flags-request-more", BOTH, REQUEST_MORE, "FLAGS 0002 in Request additional, if any", FLAGS(2)),
    CLIENT("instr-unknown", BOTH, PROCESS, "INSTR 08, four bytes, right after Process", .after = &unknown),
    CLIENT("instr-oem", ONLY_00, PROCESS, "revision 01's OEM right after Process", .after = &oem_00),
    SERVER("instr-unknown", BOTH, DO, "INSTR 08, four bytes, right after Do", .after = &unknown),
    CLIENT("direction-do", BOTH, WHAT_NEXT, "the server's Do before What next?", .before = &do_test),
    CLIENT("direction-success", BOTH, PROCESS, "the server's Success before Process", .before = &success),
    SERVER("direction-what-next", BOTH, DO, "the client's What next? before Do", .before = &what_next),
    CLIENT("sequence-process", BOTH, SUPPORTED, "Process before the list", .before = &process),
    CLIENT("sequence-what-next", BOTH, SUPPORTED, "What next? right after the list", .after = &what_next),
    CLIENT("sequence-request", ONLY_00, WHAT_NEXT, "SOCKS request after What next?", .after = &request),
    SERVER("sequence-process", BOTH, DO, "Process before Do", .before = &process),
    SERVER("sequence-success", BOTH, DO, "Success while the sub-method runs", .when = DECISION),
    SERVER("sequence-oem", ONLY_01, DO, "OEM right after Do, unrequested", .after = &oem),
    CLIENT("nmethods-0", ONLY_00, SUPPORTED, "NMETHODS 0 and no METHODS", .parts = NMETHODS, .value = 0),
    CLIENT("nmethods-256", ONLY_00, SUPPORTED, "256 METHODS in the list", .parts = NMETHODS, .value = 256),
    CLIENT("nmethods-width", ONLY_00, SUPPORTED, "NMETHODS in 1 byte", .parts = NMETHODS_WIDTH, .value = 1),
    CLIENT("nmethods-idlen", ONLY_01, SUPPORTED, "IDLEN 0 in the first group of the list", IDLEN(0)),
    CLIENT("duplicate-offer", BOTH, SUPPORTED, "the first sub-method twice in the list", .parts = OFFER_AGAIN),
    CLIENT("duplicate-offer-later", BOTH, SUPPORTED, "a sub-method again in the second list, if any",
           .parts = OFFER_AGAIN, .list = 1),
    CLIENT("reserved-offer-success", BOTH, SUPPORTED, "SUCCESS in the list",
           .parts = OFFER, .value = MAF_METHOD_SUCCESS),
    CLIENT("reserved-offer-failure", BOTH, SUPPORTED, "FAILURE in the list",
           .parts = OFFER, .value = MAF_METHOD_FAILURE),
    CLIENT("more-not-last", ONLY_00, SUPPORTED, "MORE_METHODS_AVAILABLE first in the list",
           .parts = OFFER, .value = MAF_METHOD_MORE_AVAILABLE),
    SERVER("not-offered", BOTH, DO, "Do for 7FFFFFFF, which was not offered", DO_FOR(METHOD_UNKNOWN)),
    SERVER("not-offered-uuid", ONLY_01, DO, "Do for the UUID " UUID_UNKNOWN ", which was not offered",
           .parts = METHOD_UUID, .also = MAF_INSTR_PROCESS),
    SERVER("not-a-method-success", BOTH, DO, "Do for SUCCESS", DO_FOR(MAF_METHOD_SUCCESS)),
    SERVER("not-a-method-more", BOTH, DO, "Do for MORE_METHODS_AVAILABLE", DO_FOR(MAF_METHOD_MORE_AVAILABLE)),
    CLIENT("method-mismatch", BOTH, PROCESS, "Process for 7FFFFFFF, which does not run", ID(METHOD_UNKNOWN)),
    CLIENT("method-mismatch-uuid", ONLY_01, PROCESS, "Process for " UUID_UNKNOWN, .parts = METHOD_UUID),
    SERVER("result-mismatch-success", BOTH, SUCCESS, "METHOD 00000001 in Success", ID(1)),
    SERVER("result-mismatch-failure", BOTH, SUCCESS, "Failure, in place of Success, with METHOD 00000000",
           .bytes = NOTHING, .before = &failure_0, .then = FAULT_CLOSE),
    SERVER("no-more-available", BOTH, REQUEST_MORE, "Request additional with nothing left", .when = DECISION),
    SERVER("success-without-method", BOTH, SUCCESS, "Success without any Do", .when = DECISION),
    CLIENT("length-max", BOTH, PROCESS, "LEN 4294967295 in Process, and far less DATA", LEN(G_MAXUINT32)),
    CLIENT("length-limit", BOTH, PROCESS, "LEN 1048577, and far less DATA", LEN(MAF_PDU_DATA_MAX + 1)),
    SERVER("length-max", ONLY_00, DO, "LEN 4294967295 in Do, and far less DATA", LEN(G_MAXUINT32)),
    SERVER("length-limit", ONLY_00, DO, "LEN 1048577 in Do, and far less DATA", LEN(MAF_PDU_DATA_MAX + 1)),
    SERVER("length-process", ONLY_01, PROCESS, "DLEN 4294967295, and far less DATA", LEN(G_MAXUINT32)),
    CLIENT("truncated-fin", BOTH, PROCESS, "half of Process, and the connection closed", CUT_AND(CLOSE)),
    CLIENT("truncated-rst", BOTH, PROCESS, "half of Process, and the connection reset", CUT_AND(RESET)),
    CLIENT("truncated-list", BOTH, SUPPORTED, "half of the list, and the connection closed", CUT_AND(CLOSE)),
    CLIENT("truncated-pad", ONLY_01, PROCESS, "Process up to the middle of PAD, and the connection closed",
           .bytes = HALF_OF_PAD, .then = FAULT_CLOSE),
    SERVER("truncated-fin", BOTH, DO, "half of Do, and the connection closed", CUT_AND(CLOSE)),
    SERVER("truncated-rst", BOTH, DO, "half of Do, and the connection reset", CUT_AND(RESET)),
    CLIENT("after-end-what-next", ONLY_00, SUCCESS, "What next? after Success, before the SOCKS request",
           .when = RECEIVED, .after = &what_next),
    SERVER("after-end-success", BOTH, SUCCESS, "Success twice", .after = &success),
    SERVER("after-end-failure", BOTH, SUCCESS, "Failure, in place of Success, and then Success",
           .bytes = NOTHING, .before = &failure, .after = &success, .then = FAULT_CLOSE),
    CLIENT("after-end-acknowledged", ONLY_01, ACKNOWLEDGE, "What next? after the Acknowledges",
           .when = RECEIVED, .after = &what_next),
    SERVER("after-end-oem", ONLY_01, ACKNOWLEDGE, "OEM before Acknowledge, unrequested", .before = &oem),
    CLIENT("reserved-oem", ONLY_01, OEM, "RESERVED 000001 in OEM, if either side has --oem", RESERVED(1)),
    SERVER("reserved-oem", ONLY_01, OEM, "RESERVED 000001 in OEM, if either side has --oem", RESERVED(1)),
    CLIENT("oem-unanswered", ONLY_01, OEM, "What next? in place of OEM, in answer to the server's --oem",
           .bytes = NOTHING, .before = &what_next),
    SERVER("oem-unanswered", ONLY_01, OEM, "Acknowledge in place of OEM, in answer to a client's --oem end",
           .bytes = NOTHING, .before = &acknowledge),
    CLIENT("wrong-answer", BOTH, PROCESS, "a byte too many in the answer: no rule broken, but refused",
           .bytes = DATA_MORE, .value = '!'),
    SERVER("unoffered-selection", BOTH, SUPPORTED, "MAF selected, though not offered", .when = DECISION),
    CLIENT("unoffered-selection", BOTH, SUPPORTED, "MAF if selected, though not offered", .when = DECISION),
    SERVER("success-ver-00", ONLY_01, SUCCESS, "VER 00 in Success: no rule broken", VER(MAF_VER_00)),
};
/* clang-format on */

const fault_t *
fault_find(pair_side_t side, const char *name)
{
    g_autofree char *wanted = g_strdelimit(g_strdup(name), "_", '-');

    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        if (faults[i].side == side && strcmp(faults[i].name, wanted) == 0)
            return &faults[i];
    }
    return NULL;
}

const char *
fault_name(const fault_t *fault)
{
    return fault->name;
}

void
fault_help(pair_side_t side)
{
    static const char *const scopes[] = {
        [BOTH] = "", [ONLY_00] = " (revision 00)", [ONLY_01] = " (revision 01)"};

    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        if (faults[i].side == side)
            g_print("%-24s %s%s\n", faults[i].name, faults[i].what, scopes[faults[i].scope]);
    }
}

/* Is this the message for the fault? Then the fault is done. */
static gboolean
is_due(fault_run_t *run, when_t when, const maf_pdu_t *pdu)
{
    const fault_t *fault = run->fault;

    if (!fault || run->done || fault->when != when || fault->instr != pdu->instr ||
        !(fault->scope & 1U << pdu->ver))
        return FALSE;
    run->done = pdu->instr != MAF_INSTR_SUPPORTED || (fault->list == run->lists && pdu->n_offered > 0);
    return run->done;
}

static void
append(GByteArray *out, const extra_t *extra, guint32 ver)
{
    if (!extra)
        return;
    const maf_pdu_t pdu = {.instr = extra->instr, .ver = ver, .method = method_id_compact(extra->method)};
    if (extra->bytes)
        g_byte_array_append(out, (const guint8 *)extra->bytes, extra->len);
    else
        maf_pdu_write(&pdu, out);
}

static void
set_bytes(guint8 *at, guint32 value, guint len)
{
    while (len-- > 0)
        *at++ = (guint8)(value >> 8 * len);
}

/* Writes the message as the fault makes it: first its parts, then its bytes. The room for a list is not to be
 * part of every connection's stack. */
static G_GNUC_NO_INLINE void
write_faulty(const fault_run_t *run, maf_pdu_t pdu, GByteArray *out)
{
    const fault_t *fault = run->fault;
    const guint start = out->len;
    method_id_t ids[MAF_NMETHODS_MAX + 1];

    if (fault->parts == OFFER || fault->parts == OFFER_AGAIN) {
        ids[0] = fault->parts == OFFER ? method_id_compact(fault->value) : run->offered;
        memcpy(&ids[1], pdu.offered, sizeof *ids * pdu.n_offered++);
        pdu.offered = ids;
    } else if (fault->parts == NMETHODS) { /* those of the message, and then others */
        for (guint32 i = 0; i < fault->value; i++)
            ids[i] = i < pdu.n_offered ? pdu.offered[i] : method_id_compact(MAF_METHOD_GENERAL_FIRST + i);
        pdu.offered = ids;
        pdu.n_offered = fault->value;
        pdu.nmethods_len = MAF_NMETHODS_LEN;
    } else if (fault->parts == NMETHODS_WIDTH) {
        pdu.nmethods_len = fault->value;
    } else if (fault->parts == METHOD) {
        pdu.method = method_id_compact(fault->value);
    } else if (fault->parts == METHOD_UUID) {
        method_id_parse_uuid(UUID_UNKNOWN, &pdu.method);
    }
    maf_pdu_write(&pdu, out);
    const guint len_at = out->len - pdu.data_len - MAF_LEN_LEN; /* if it has DATA, which ends it */
    if (fault->bytes == BYTES)
        set_bytes(out->data + start + fault->at, fault->value, fault->len);
    else if (fault->bytes == DATA_LEN)
        set_bytes(out->data + len_at, fault->value, MAF_LEN_LEN);
    else if (fault->bytes == HALF)
        g_byte_array_set_size(out, start + (out->len - start) / 2);
    else if (fault->bytes == HALF_OF_PAD) /* its last byte, which is right before LEN, is missing */
        g_byte_array_set_size(out, len_at - 1);
    else if (fault->bytes == NOTHING)
        g_byte_array_set_size(out, start);
    if (fault->bytes == DATA_MORE) {
        set_bytes(out->data + len_at, pdu.data_len + 1, MAF_LEN_LEN);
        put_number(out, fault->value, 1);
    }
}

fault_then_t
fault_write(fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out)
{
    const fault_t *fault = run->fault;
    const gboolean due = is_due(run, SENDING, pdu);

    if (pdu->instr == MAF_INSTR_SUPPORTED && run->lists++ == 0 && pdu->n_offered > 0)
        run->offered = pdu->offered[0];
    run->lasts = due ? fault->also != 0 : run->lasts && fault->also == pdu->instr;
    if (!due && !run->lasts) {
        maf_pdu_write(pdu, out);
        return FAULT_GO_ON;
    }
    append(out, fault->before, pdu->ver);
    write_faulty(run, *pdu, out);
    append(out, fault->after, pdu->ver);
    return due ? fault->then : FAULT_GO_ON;
}

gboolean
fault_received(fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out)
{
    const gboolean due = is_due(run, RECEIVED, pdu);

    if (due)
        append(out, run->fault->after, pdu->ver);
    return due;
}

gboolean
fault_decides(fault_run_t *run, const char *name)
{
    if (!run->fault || run->done || strcmp(run->fault->name, name) != 0)
        return FALSE;
    run->done = TRUE;
    return TRUE;
}
