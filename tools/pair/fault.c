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

/* A message without DATA sent beside another, in the same revision; or bytes that are no message of it. */
typedef struct extra {
    guint8 instr;
    guint32 method;
    const char *bytes;
    guint len;
} extra_t;

/* clang-format off */
#define BYTES(literal) .bytes = (literal), .len = sizeof(literal) - 1
static const extra_t success = {.instr = MAF_INSTR_SUCCESS, .method = MAF_METHOD_SUCCESS};
static const extra_t do_test = {.instr = MAF_INSTR_DO, .method = MAF_METHOD_INTERNAL_TEST};
static const extra_t what_next = {.instr = MAF_INSTR_WHAT_NEXT};
static const extra_t process = {.instr = MAF_INSTR_PROCESS, .method = MAF_METHOD_INTERNAL_TEST};
static const extra_t oem = {.instr = MAF_INSTR_OEM};
static const extra_t oem_00 = {BYTES("\x07\x00\x00\x00" "\x00\x00\x00\x04" "\x00\x00\x00\x01" "\x00\x00\x00\x00")};
static const extra_t unknown = {BYTES("\x08\x00\x00\x00")};
static const extra_t request = {BYTES("\x05\x01\x00\x01" "\x7F\x00\x00\x01" "\x00\x01")};
/* clang-format on */

/* When a rule is broken: with a message this side sends, after one it receives, or where it decides. */
typedef enum moment { ON_SEND, ON_RECEIPT, ON_DECISION } moment_t;

/* In which revisions of the draft there is such a rule. */
typedef enum scope { BOTH, ONLY_00, ONLY_01 } scope_t;

struct fault {
    const char *name; /* begins with that of the expert info, maf.expert.*, that the plugin has for it */
    pair_side_t side;
    const char *what;

    scope_t scope;
    moment_t on;
    guint8 instr;          /* of the message */
    guint list;            /* of lists, which: 0 is the first */
    gboolean after_result; /* only after Success or Failure was sent */
    guint8 also; /* messages of this INSTR right after it are altered too, to break no second rule */
    fault_decision_t decision;

    /* Sent in the same write */
    const extra_t *before, *after;

    /* What becomes of the message before it is encoded, and of its bytes after that */
    void (*alter)(maf_pdu_t *pdu, const fault_run_t *run);
    void (*distort)(GByteArray *out, const maf_pdu_t *pdu, guint32 value);
    guint32 value;

    fault_then_t then;
};

/* The message before it is encoded. `offered` becomes a copy, to be freed. */

static void
insert_offer(maf_pdu_t *pdu, method_id_t id)
{
    method_id_t *ids = g_new(method_id_t, pdu->n_offered + 1);

    ids[0] = id;
    memcpy(&ids[1], pdu->offered, sizeof *ids * pdu->n_offered++);
    pdu->offered = ids;
}

static void
offer(maf_pdu_t *pdu, const fault_run_t *run)
{
    insert_offer(pdu, method_id_compact(run->fault->value));
}

static void
offer_again(maf_pdu_t *pdu, const fault_run_t *run)
{
    insert_offer(pdu, run->offered);
}

static void
set_nmethods_len(maf_pdu_t *pdu, const fault_run_t *run)
{
    pdu->nmethods_len = run->fault->value;
}

static void
set_method(maf_pdu_t *pdu, const fault_run_t *run)
{
    pdu->method = method_id_compact(run->fault->value);
}

static void
set_method_uuid(maf_pdu_t *pdu, const fault_run_t *run G_GNUC_UNUSED)
{
    method_id_parse_uuid(UUID_UNKNOWN, &pdu->method);
}

/* Another message, of nothing but a header. */
static void
send_instead(maf_pdu_t *pdu, const fault_run_t *run)
{
    *pdu = (maf_pdu_t){.instr = (guint8)run->fault->value, .ver = pdu->ver};
}

static void
send_failure(maf_pdu_t *pdu, const fault_run_t *run)
{
    pdu->instr = MAF_INSTR_FAILURE;
    set_method(pdu, run);
}

/* Its bytes */

static void
set_ver(GByteArray *out, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value)
{
    out->data[1] = (guint8)value;
}

static void
set_flags(GByteArray *out, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value)
{
    out->data[2] = (guint8)(value >> 8);
    out->data[3] = (guint8)value;
}

static void
set_nmethods(GByteArray *out, const maf_pdu_t *pdu, guint32 value)
{
    g_byte_array_set_size(out, MAF_HEADER_LEN);
    put_u32(out, value);
    for (guint32 i = 0; i < value; i++) {
        if (i < pdu->n_offered)
            g_byte_array_append(out, pdu->offered[i].bytes, pdu->offered[i].len);
        else
            put_u32(out, MAF_METHOD_GENERAL_FIRST + i);
    }
}

/* Of the first group, in revision 01 */
static void
set_idlen(GByteArray *out, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value)
{
    out->data[MAF_HEADER_LEN + 1] = (guint8)value;
}

static void
set_reserved(GByteArray *out, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value)
{
    out->data[MAF_HEADER_LEN + MAF_RESERVED_LEN - 1] = (guint8)value;
}

/* LEN stands right before DATA, which ends the message. */
static void
set_len(GByteArray *out, const maf_pdu_t *pdu, guint32 value)
{
    const guint32 wire = GUINT32_TO_BE(value);
    memcpy(out->data + out->len - pdu->data_len - MAF_LEN_LEN, &wire, sizeof wire);
}

static void
add_to_data(GByteArray *out, const maf_pdu_t *pdu, guint32 value)
{
    set_len(out, pdu, (guint32)pdu->data_len + 1);
    put_u8(out, (guint8)value);
}

static void
cut(GByteArray *out, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value G_GNUC_UNUSED)
{
    g_byte_array_set_size(out, out->len / 2);
}

/* One byte of PAD, before LEN, is missing, and all that follows. */
static void
cut_in_pad(GByteArray *out, const maf_pdu_t *pdu, guint32 value G_GNUC_UNUSED)
{
    g_byte_array_set_size(out, out->len - (guint)pdu->data_len - MAF_LEN_LEN - 1);
}

/* The faults, in the order of the expert infos */

/* clang-format off */
static const fault_t faults[] = {
    {"version-list", PAIR_CLIENT, "VER 02 in the list",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .distort = set_ver, .value = 2},
    {"version-what-next", PAIR_CLIENT, "VER 02 in What next?",
     .instr = MAF_INSTR_WHAT_NEXT, .distort = set_ver, .value = 2},
    {"version-do", PAIR_SERVER, "VER 02 in Do",
     .instr = MAF_INSTR_DO, .distort = set_ver, .value = 2},
    {"version-old", PAIR_CLIENT, "VER 00 in What next?",
     .scope = ONLY_01, .instr = MAF_INSTR_WHAT_NEXT, .distort = set_ver, .value = MAF_VER_00},
    {"version-old", PAIR_SERVER, "VER 00 in Do",
     .scope = ONLY_01, .instr = MAF_INSTR_DO, .distort = set_ver, .value = MAF_VER_00},

    {"flags-what-next", PAIR_CLIENT, "FLAGS 0001 in What next?",
     .instr = MAF_INSTR_WHAT_NEXT, .distort = set_flags, .value = 0x0001},
    {"flags-process", PAIR_CLIENT, "FLAGS 0001 in Process, which makes it look like a SOCKS request",
     .instr = MAF_INSTR_PROCESS, .distort = set_flags, .value = 0x0001},
    {"flags-do", PAIR_SERVER, "FLAGS 8000 in Do",
     .instr = MAF_INSTR_DO, .distort = set_flags, .value = 0x8000},
    {"flags-request-more", PAIR_SERVER, "FLAGS 0002 in Request additional, once a client has more",
     .instr = MAF_INSTR_REQUEST_MORE, .distort = set_flags, .value = 0x0002},

    {"instr-unknown", PAIR_CLIENT, "INSTR 08, four bytes, right after Process",
     .instr = MAF_INSTR_PROCESS, .after = &unknown},
    {"instr-oem", PAIR_CLIENT, "INSTR 07, the next revision's OEM, right after Process",
     .scope = ONLY_00, .instr = MAF_INSTR_PROCESS, .after = &oem_00},
    {"instr-unknown", PAIR_SERVER, "INSTR 08, four bytes, right after Do",
     .instr = MAF_INSTR_DO, .after = &unknown},

    {"direction-do", PAIR_CLIENT, "Do, which only a server sends, before What next?",
     .instr = MAF_INSTR_WHAT_NEXT, .before = &do_test},
    {"direction-success", PAIR_CLIENT, "Success, which only a server sends, before Process",
     .instr = MAF_INSTR_PROCESS, .before = &success},
    {"direction-what-next", PAIR_SERVER, "What next?, which only a client sends, before Do",
     .instr = MAF_INSTR_DO, .before = &what_next},

    {"sequence-process", PAIR_CLIENT, "Process before the list",
     .instr = MAF_INSTR_SUPPORTED, .before = &process},
    {"sequence-what-next", PAIR_CLIENT, "What next? right after the list, before Do",
     .instr = MAF_INSTR_SUPPORTED, .after = &what_next},
    {"sequence-request", PAIR_CLIENT, "a SOCKS request, to port 1 of 127.0.0.1, right after What next?",
     .scope = ONLY_00, .instr = MAF_INSTR_WHAT_NEXT, .after = &request},
    {"sequence-process", PAIR_SERVER, "Process before Do",
     .instr = MAF_INSTR_DO, .before = &process},
    {"sequence-success", PAIR_SERVER, "Success right after Do, while the sub-method runs",
     .on = ON_DECISION, .decision = FAULT_SUCCESS_AFTER_DO},
    {"sequence-oem", PAIR_SERVER, "OEM right after Do, unasked",
     .scope = ONLY_01, .instr = MAF_INSTR_DO, .after = &oem},

    {"nmethods-0", PAIR_CLIENT, "NMETHODS 0 and no METHODS",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .distort = set_nmethods, .value = 0},
    {"nmethods-256", PAIR_CLIENT, "NMETHODS 256 and as many METHODS",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .distort = set_nmethods, .value = MAF_NMETHODS_MAX + 1},
    {"nmethods-width", PAIR_CLIENT, "NMETHODS in one byte, as --nmethods-width 1, but in the first list only",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .alter = set_nmethods_len, .value = MAF_NMETHODS_LEN_BYTE},
    {"nmethods-idlen", PAIR_CLIENT, "IDLEN 0 in the first group of the list",
     .scope = ONLY_01, .instr = MAF_INSTR_SUPPORTED, .distort = set_idlen, .value = 0},

    {"duplicate-offer", PAIR_CLIENT, "the first sub-method twice in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer_again},
    {"duplicate-offer-later", PAIR_CLIENT, "a sub-method again in the second list, if the server requests one",
     .instr = MAF_INSTR_SUPPORTED, .list = 1, .alter = offer_again},
    {"reserved-offer-success", PAIR_CLIENT, "SUCCESS in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer, .value = MAF_METHOD_SUCCESS},
    {"reserved-offer-failure", PAIR_CLIENT, "FAILURE in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer, .value = MAF_METHOD_FAILURE},
    {"more-not-last", PAIR_CLIENT, "MORE_METHODS_AVAILABLE first in the list",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .alter = offer, .value = MAF_METHOD_MORE_AVAILABLE},

    {"not-offered", PAIR_SERVER, "Do for a sub-method that was not offered, 7FFFFFFF",
     .instr = MAF_INSTR_DO, .also = MAF_INSTR_PROCESS, .alter = set_method, .value = METHOD_UNKNOWN},
    {"not-offered-uuid", PAIR_SERVER, "the same for a UUID, " UUID_UNKNOWN,
     .scope = ONLY_01, .instr = MAF_INSTR_DO, .also = MAF_INSTR_PROCESS, .alter = set_method_uuid},
    {"not-a-method-success", PAIR_SERVER, "Do for SUCCESS",
     .instr = MAF_INSTR_DO, .also = MAF_INSTR_PROCESS, .alter = set_method, .value = MAF_METHOD_SUCCESS},
    {"not-a-method-more", PAIR_SERVER, "Do for MORE_METHODS_AVAILABLE",
     .instr = MAF_INSTR_DO, .also = MAF_INSTR_PROCESS, .alter = set_method, .value = MAF_METHOD_MORE_AVAILABLE},
    {"method-mismatch", PAIR_CLIENT, "Process for another sub-method than the running one, 7FFFFFFF",
     .instr = MAF_INSTR_PROCESS, .alter = set_method, .value = METHOD_UNKNOWN},
    {"method-mismatch-uuid", PAIR_CLIENT, "the same with a UUID, " UUID_UNKNOWN,
     .scope = ONLY_01, .instr = MAF_INSTR_PROCESS, .alter = set_method_uuid},
    {"result-mismatch-success", PAIR_SERVER, "Success with METHOD 00000001",
     .instr = MAF_INSTR_SUCCESS, .alter = set_method, .value = MAF_METHOD_INTERNAL_TEST},
    {"result-mismatch-failure", PAIR_SERVER, "Failure, in place of Success, with METHOD 00000000",
     .instr = MAF_INSTR_SUCCESS, .alter = send_failure, .value = MAF_METHOD_SUCCESS, .then = FAULT_CLOSE},
    {"no-more-available", PAIR_SERVER, "Request additional when the client has no more",
     .on = ON_DECISION, .decision = FAULT_REQUEST_MORE},
    {"success-without-method", PAIR_SERVER, "Success right after the list, without any Do",
     .on = ON_DECISION, .decision = FAULT_SUCCESS_FOR_DO},

    {"length-max", PAIR_CLIENT, "LEN 4294967295 in Process, and far less DATA",
     .instr = MAF_INSTR_PROCESS, .distort = set_len, .value = G_MAXUINT32},
    {"length-limit", PAIR_CLIENT, "LEN 1048577 in Process, one beyond 1 MiB, and far less DATA",
     .instr = MAF_INSTR_PROCESS, .distort = set_len, .value = MAF_PDU_DATA_MAX + 1},
    {"length-max", PAIR_SERVER, "LEN 4294967295 in Do, and far less DATA",
     .scope = ONLY_00, .instr = MAF_INSTR_DO, .distort = set_len, .value = G_MAXUINT32},
    {"length-limit", PAIR_SERVER, "LEN 1048577 in Do, one beyond 1 MiB, and far less DATA",
     .scope = ONLY_00, .instr = MAF_INSTR_DO, .distort = set_len, .value = MAF_PDU_DATA_MAX + 1},
    {"length-process", PAIR_SERVER, "DLEN 4294967295 in Process, and far less DATA",
     .scope = ONLY_01, .instr = MAF_INSTR_PROCESS, .distort = set_len, .value = G_MAXUINT32},
    {"truncated-fin", PAIR_CLIENT, "half of Process, and the connection is closed",
     .instr = MAF_INSTR_PROCESS, .distort = cut, .then = FAULT_CLOSE},
    {"truncated-rst", PAIR_CLIENT, "half of Process, and the connection is reset",
     .instr = MAF_INSTR_PROCESS, .distort = cut, .then = FAULT_RESET},
    {"truncated-list", PAIR_CLIENT, "half of the list, and the connection is closed",
     .instr = MAF_INSTR_SUPPORTED, .distort = cut, .then = FAULT_CLOSE},
    {"truncated-pad", PAIR_CLIENT, "Process up to the middle of PAD, and the connection is closed",
     .scope = ONLY_01, .instr = MAF_INSTR_PROCESS, .distort = cut_in_pad, .then = FAULT_CLOSE},
    {"truncated-fin", PAIR_SERVER, "half of Do, and the connection is closed",
     .instr = MAF_INSTR_DO, .distort = cut, .then = FAULT_CLOSE},
    {"truncated-rst", PAIR_SERVER, "half of Do, and the connection is reset",
     .instr = MAF_INSTR_DO, .distort = cut, .then = FAULT_RESET},

    {"after-end-what-next", PAIR_CLIENT, "What next? after Success, before the SOCKS request",
     .scope = ONLY_00, .on = ON_RECEIPT, .instr = MAF_INSTR_SUCCESS, .after = &what_next},
    {"after-end-success", PAIR_SERVER, "Success twice",
     .instr = MAF_INSTR_SUCCESS, .after = &success},
    {"after-end-failure", PAIR_SERVER, "Failure, in place of Success, and then Success",
     .instr = MAF_INSTR_SUCCESS, .alter = send_failure, .value = MAF_METHOD_FAILURE, .after = &success,
     .then = FAULT_CLOSE},
    {"after-end-acknowledged", PAIR_CLIENT, "What next? after the Acknowledges, before the SOCKS request",
     .scope = ONLY_01, .on = ON_RECEIPT, .instr = MAF_INSTR_ACKNOWLEDGE, .after = &what_next},
    {"after-end-oem", PAIR_SERVER, "OEM before Acknowledge, unasked",
     .scope = ONLY_01, .instr = MAF_INSTR_ACKNOWLEDGE, .before = &oem},

    {"reserved-oem", PAIR_CLIENT, "RESERVED 000001 in OEM, if either side has --oem",
     .scope = ONLY_01, .instr = MAF_INSTR_OEM, .distort = set_reserved, .value = 1},
    {"reserved-oem", PAIR_SERVER, "RESERVED 000001 in OEM, if either side has --oem",
     .scope = ONLY_01, .instr = MAF_INSTR_OEM, .distort = set_reserved, .value = 1},
    {"oem-unanswered", PAIR_CLIENT, "What next?, in place of OEM, in answer to the server's, if it has --oem",
     .scope = ONLY_01, .instr = MAF_INSTR_OEM, .alter = send_instead, .value = MAF_INSTR_WHAT_NEXT},
    {"oem-unanswered", PAIR_SERVER, "Acknowledge, in place of OEM, in answer to a client's --oem end",
     .scope = ONLY_01, .instr = MAF_INSTR_OEM, .after_result = TRUE, .alter = send_instead, .value = MAF_INSTR_ACKNOWLEDGE},

    {"wrong-answer", PAIR_CLIENT, "a byte too many in the answer: no rule broken, but a login to be refused",
     .instr = MAF_INSTR_PROCESS, .distort = add_to_data, .value = '!'},
    {"unoffered-selection", PAIR_SERVER, "selection of MAF although the greeting did not offer it",
     .on = ON_DECISION, .decision = FAULT_UNOFFERED_SELECTION},
    {"unoffered-selection", PAIR_CLIENT, "a greeting without MAF, and on with MAF if it is selected nevertheless",
     .on = ON_DECISION, .decision = FAULT_UNOFFERED_SELECTION},

    {"success-ver-00", PAIR_SERVER, "VER 00 in Success, as the text of revision 01 has it: no rule broken",
     .scope = ONLY_01, .instr = MAF_INSTR_SUCCESS, .distort = set_ver, .value = MAF_VER_00},
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

char *
fault_help(pair_side_t side)
{
    static const char *const scopes[] = {
        [BOTH] = "", [ONLY_00] = " (revision 00)", [ONLY_01] = " (revision 01)"};
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        if (faults[i].side == side)
            g_string_append_printf(text, "%-24s %s%s\n", faults[i].name, faults[i].what,
                                   scopes[faults[i].scope]);
    }
    return g_string_free(text, FALSE);
}

/* A full list cannot take what a fault would insert, and an empty one has nothing to spoil. */
static gboolean
has_room(const fault_t *fault, const maf_pdu_t *pdu)
{
    const gboolean inserts = fault->alter == offer || fault->alter == offer_again;
    return pdu->n_offered > 0 && !(inserts && pdu->n_offered >= MAF_NMETHODS_MAX);
}

/* Is this the message for the fault? */
static gboolean
is_due(const fault_run_t *run, moment_t on, const maf_pdu_t *pdu)
{
    const fault_t *fault = run->fault;

    if (!fault || run->done || fault->on != on || fault->instr != pdu->instr)
        return FALSE;
    if (fault->scope != BOTH && fault->scope != (pdu->ver == MAF_VER_00 ? ONLY_00 : ONLY_01))
        return FALSE;
    if (fault->after_result && !run->after_result)
        return FALSE;
    return pdu->instr != MAF_INSTR_SUPPORTED || (fault->list == run->lists && has_room(fault, pdu));
}

static void
append(GByteArray *out, const extra_t *extra, guint8 ver)
{
    if (!extra)
        return;
    if (extra->len > 0) {
        g_byte_array_append(out, (const guint8 *)extra->bytes, extra->len);
        return;
    }
    const maf_pdu_t pdu = {.instr = extra->instr, .ver = ver, .method = method_id_compact(extra->method)};
    maf_pdu_write(&pdu, out, NULL);
}

/* The message as the fault makes it. */
static gboolean
write_faulty(const fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    const fault_t *fault = run->fault;
    g_autoptr(GByteArray) message = g_byte_array_new();
    maf_pdu_t altered = *pdu;

    if (fault->alter)
        fault->alter(&altered, run);
    const gboolean written = maf_pdu_write(&altered, message, error);
    if (written && fault->distort)
        fault->distort(message, &altered, fault->value);
    if (altered.offered != pdu->offered)
        g_free(altered.offered);
    if (!written)
        return FALSE;
    append(out, fault->before, pdu->ver);
    g_byte_array_append(out, message->data, message->len);
    append(out, fault->after, pdu->ver);
    return TRUE;
}

gboolean
fault_write(fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out, fault_then_t *then, GError **error)
{
    const gboolean due = is_due(run, ON_SEND, pdu);

    if (pdu->instr == MAF_INSTR_SUPPORTED && run->lists++ == 0 && pdu->n_offered > 0)
        run->offered = pdu->offered[0];
    run->after_result |= pdu->instr == MAF_INSTR_SUCCESS || pdu->instr == MAF_INSTR_FAILURE;
    *then = due ? run->fault->then : FAULT_GO_ON;
    run->lasts = due ? run->fault->also != 0 : run->lasts && run->fault->also == pdu->instr;
    if (!due && !run->lasts)
        return maf_pdu_write(pdu, out, error);
    run->done = TRUE;
    return write_faulty(run, pdu, out, error);
}

void
fault_received(fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out)
{
    if (!is_due(run, ON_RECEIPT, pdu))
        return;
    run->done = TRUE;
    append(out, run->fault->after, pdu->ver);
}

gboolean
fault_decides(fault_run_t *run, fault_decision_t decision)
{
    if (!run->fault || run->done || run->fault->on != ON_DECISION || run->fault->decision != decision)
        return FALSE;
    run->done = TRUE;
    return TRUE;
}
