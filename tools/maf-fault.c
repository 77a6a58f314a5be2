/* maf-fault.c
 * Rules broken on purpose, one at a time, to see what the other side makes of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-fault.h"

#include <string.h>

/* A sub-method that nobody offers, as a number and as a UUID. */
#define METHOD_UNHEARD_OF 0x7FFFFFFFU
#define UUID_UNHEARD_OF   "5f0e7c1a-6d3b-4f0c-9a55-0c2d8e4b7f61"

/* Frames that the table of layouts has no place for */
typedef struct octets {
    const char *octets;
    guint len;
} octets_t;

/* clang-format off */
#define OCTETS(literal) {(literal), sizeof(literal) - 1}
#define OEM_00          OCTETS("\x07\x00\x00\x00" "\x00\x00\x00\x04" "\x00\x00\x00\x01" "\x00\x00\x00\x00")
#define UNKNOWN         OCTETS("\x08\x00\x00\x00")
#define REQUEST         OCTETS("\x05\x01\x00\x01" "\x7F\x00\x00\x01" "\x00\x01")
/* clang-format on */

/* A frame without DATA said beside another, in the same revision; or octets as they are. */
typedef struct extra {
    guint8 instr;
    guint32 method;
    octets_t octets;
} extra_t;

static const extra_t success = {.instr = MAF_INSTR_SUCCESS, .method = MAF_METHOD_SUCCESS};
static const extra_t do_test = {.instr = MAF_INSTR_DO, .method = MAF_METHOD_INTERNAL_TEST};
static const extra_t what_next = {.instr = MAF_INSTR_WHAT_NEXT};
static const extra_t process = {.instr = MAF_INSTR_PROCESS, .method = MAF_METHOD_INTERNAL_TEST};
static const extra_t oem = {.instr = MAF_INSTR_OEM};
static const extra_t oem_00 = {.octets = OEM_00};
static const extra_t unknown = {.octets = UNKNOWN};
static const extra_t request = {.octets = REQUEST};

/* When a rule is broken: as this side says a frame, once it has heard one, or where it decides. */
typedef enum occasion { SAYING, HEARING, DECIDING } occasion_t;

/* In which revisions of the draft there is such a rule. */
typedef enum scope { BOTH, ONLY_00, ONLY_01 } scope_t;

struct maf_fault {
    const char *name; /* begins with that of the expert info, maf.expert.*, that the plugin has for it */
    maf_side_t side;
    const char *what;

    scope_t scope;
    occasion_t on;
    guint8 instr;    /* of the frame */
    guint list;      /* of lists, which: 0 is the first */
    gboolean ended;  /* only after Success or Failure was said */
    guint8 also;     /* frames of this INSTR right after it are altered too, to break no second rule */
    maf_slip_t slip; /* the decision */

    /* Said with it, in the same write */
    const extra_t *before, *after;

    /* What becomes of the frame, before it is encoded and after */
    void (*alter)(maf_pdu_t *pdu, const maf_fault_run_t *run);
    void (*distort)(GByteArray *octets, const maf_pdu_t *pdu, guint32 value);
    guint32 value;

    maf_fault_then_t then;
};

/* What can become of a frame before it is encoded */

static void
insert_offer(maf_pdu_t *pdu, maf_id_t id)
{
    memmove(&pdu->offered[1], &pdu->offered[0], sizeof *pdu->offered * pdu->n_offered++);
    pdu->offered[0] = id;
}

static void
offer(maf_pdu_t *pdu, const maf_fault_run_t *run)
{
    insert_offer(pdu, maf_id_compact(run->fault->value));
}

static void
offer_again(maf_pdu_t *pdu, const maf_fault_run_t *run)
{
    insert_offer(pdu, run->offered);
}

static void
set_nmethods_len(maf_pdu_t *pdu, const maf_fault_run_t *run)
{
    pdu->nmethods_len = run->fault->value;
}

static void
set_method(maf_pdu_t *pdu, const maf_fault_run_t *run)
{
    pdu->method = maf_id_compact(run->fault->value);
}

static void
set_method_uuid(maf_pdu_t *pdu, const maf_fault_run_t *run G_GNUC_UNUSED)
{
    maf_id_parse_uuid(UUID_UNHEARD_OF, &pdu->method);
}

/* Another frame, of nothing but a header. */
static void
say_instead(maf_pdu_t *pdu, const maf_fault_run_t *run)
{
    *pdu = (maf_pdu_t){.instr = (guint8)run->fault->value, .ver = pdu->ver};
}

static void
say_failure(maf_pdu_t *pdu, const maf_fault_run_t *run)
{
    pdu->instr = MAF_INSTR_FAILURE;
    set_method(pdu, run);
}

/* What can become of its octets */

static void
put_u32_at(GByteArray *octets, gsize at, guint32 value)
{
    const guint32 wire = GUINT32_TO_BE(value);
    memcpy(octets->data + at, &wire, sizeof wire);
}

static void
set_ver(GByteArray *octets, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value)
{
    octets->data[1] = (guint8)value;
}

static void
set_flags(GByteArray *octets, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value)
{
    octets->data[2] = (guint8)(value >> 8);
    octets->data[3] = (guint8)value;
}

static void
set_nmethods(GByteArray *octets, const maf_pdu_t *pdu, guint32 value)
{
    g_byte_array_set_size(octets, MAF_HEADER_LEN);
    frame_put_u32(octets, value);
    for (guint32 i = 0; i < value; i++) {
        if (i < pdu->n_offered)
            g_byte_array_append(octets, pdu->offered[i].octets, pdu->offered[i].len);
        else
            frame_put_u32(octets, MAF_METHOD_GENERAL_FIRST + i);
    }
}

/* Of the first group, in revision 01 */
static void
set_idlen(GByteArray *octets, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value)
{
    octets->data[MAF_HEADER_LEN + 1] = (guint8)value;
}

static void
set_reserved(GByteArray *octets, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value)
{
    octets->data[MAF_HEADER_LEN + MAF_RESERVED_LEN - 1] = (guint8)value;
}

/* LEN stands right before DATA, which end the frame. */
static void
set_len(GByteArray *octets, const maf_pdu_t *pdu, guint32 value)
{
    put_u32_at(octets, octets->len - pdu->data_len - MAF_LEN_LEN, value);
}

static void
add_to_data(GByteArray *octets, const maf_pdu_t *pdu, guint32 value)
{
    set_len(octets, pdu, (guint32)pdu->data_len + 1);
    frame_put_u8(octets, (guint8)value);
}

static void
cut(GByteArray *octets, const maf_pdu_t *pdu G_GNUC_UNUSED, guint32 value G_GNUC_UNUSED)
{
    g_byte_array_set_size(octets, octets->len / 2);
}

/* One octet of PAD, before LEN, is missing, and all that follows. */
static void
cut_in_pad(GByteArray *octets, const maf_pdu_t *pdu, guint32 value G_GNUC_UNUSED)
{
    g_byte_array_set_size(octets, octets->len - (guint)pdu->data_len - MAF_LEN_LEN - 1);
}

/* The faults, in the order of the expert infos */

/* clang-format off */
static const maf_fault_t faults[] = {
    {"version-list", MAF_CLIENT, "VER 02 in the list",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .distort = set_ver, .value = 2},
    {"version-what-next", MAF_CLIENT, "VER 02 in What next?",
     .instr = MAF_INSTR_WHAT_NEXT, .distort = set_ver, .value = 2},
    {"version-do", MAF_SERVER, "VER 02 in Do",
     .instr = MAF_INSTR_DO, .distort = set_ver, .value = 2},
    {"version-old", MAF_CLIENT, "VER 00 in What next?",
     .scope = ONLY_01, .instr = MAF_INSTR_WHAT_NEXT, .distort = set_ver, .value = MAF_VER_00},
    {"version-old", MAF_SERVER, "VER 00 in Do",
     .scope = ONLY_01, .instr = MAF_INSTR_DO, .distort = set_ver, .value = MAF_VER_00},

    {"flags-what-next", MAF_CLIENT, "FLAGS 0001 in What next?",
     .instr = MAF_INSTR_WHAT_NEXT, .distort = set_flags, .value = 0x0001},
    {"flags-process", MAF_CLIENT, "FLAGS 0001 in Process, which makes it look like a SOCKS request",
     .instr = MAF_INSTR_PROCESS, .distort = set_flags, .value = 0x0001},
    {"flags-do", MAF_SERVER, "FLAGS 8000 in Do",
     .instr = MAF_INSTR_DO, .distort = set_flags, .value = 0x8000},
    {"flags-request-more", MAF_SERVER, "FLAGS 0002 in Request additional, once a client has more",
     .instr = MAF_INSTR_REQUEST_MORE, .distort = set_flags, .value = 0x0002},

    {"instr-unknown", MAF_CLIENT, "INSTR 08, four octets, right after Process",
     .instr = MAF_INSTR_PROCESS, .after = &unknown},
    {"instr-oem", MAF_CLIENT, "INSTR 07, the next revision's OEM, right after Process",
     .scope = ONLY_00, .instr = MAF_INSTR_PROCESS, .after = &oem_00},
    {"instr-unknown", MAF_SERVER, "INSTR 08, four octets, right after Do",
     .instr = MAF_INSTR_DO, .after = &unknown},

    {"direction-do", MAF_CLIENT, "Do, a server's, before What next?",
     .instr = MAF_INSTR_WHAT_NEXT, .before = &do_test},
    {"direction-success", MAF_CLIENT, "Success, a server's, before Process",
     .instr = MAF_INSTR_PROCESS, .before = &success},
    {"direction-what-next", MAF_SERVER, "What next?, a client's, before Do",
     .instr = MAF_INSTR_DO, .before = &what_next},

    {"sequence-process", MAF_CLIENT, "Process before the list",
     .instr = MAF_INSTR_SUPPORTED, .before = &process},
    {"sequence-what-next", MAF_CLIENT, "What next? right after the list, before Do",
     .instr = MAF_INSTR_SUPPORTED, .after = &what_next},
    {"sequence-request", MAF_CLIENT, "a SOCKS request, to port 1 of 127.0.0.1, right after What next?",
     .scope = ONLY_00, .instr = MAF_INSTR_WHAT_NEXT, .after = &request},
    {"sequence-process", MAF_SERVER, "Process before Do",
     .instr = MAF_INSTR_DO, .before = &process},
    {"sequence-success", MAF_SERVER, "Success right after Do, while the sub-method runs",
     .on = DECIDING, .slip = MAF_SLIP_SUCCESS_AFTER_DO},
    {"sequence-oem", MAF_SERVER, "OEM right after Do, which nobody asked for",
     .scope = ONLY_01, .instr = MAF_INSTR_DO, .after = &oem},

    {"nmethods-0", MAF_CLIENT, "NMETHODS 0 and no METHODS",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .distort = set_nmethods, .value = 0},
    {"nmethods-256", MAF_CLIENT, "NMETHODS 256 and as many METHODS",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .distort = set_nmethods, .value = MAF_NMETHODS_MAX + 1},
    {"nmethods-width", MAF_CLIENT, "NMETHODS in one octet, as --nmethods-width 1, but in the first list only",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .alter = set_nmethods_len, .value = MAF_NMETHODS_LEN_BYTE},
    {"nmethods-idlen", MAF_CLIENT, "IDLEN 0 in the first group of the list",
     .scope = ONLY_01, .instr = MAF_INSTR_SUPPORTED, .distort = set_idlen, .value = 0},

    {"duplicate-offer", MAF_CLIENT, "the first sub-method twice in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer_again},
    {"duplicate-offer-later", MAF_CLIENT, "a sub-method again in the second list, if a server requests one",
     .instr = MAF_INSTR_SUPPORTED, .list = 1, .alter = offer_again},
    {"reserved-offer-success", MAF_CLIENT, "SUCCESS in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer, .value = MAF_METHOD_SUCCESS},
    {"reserved-offer-failure", MAF_CLIENT, "FAILURE in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer, .value = MAF_METHOD_FAILURE},
    {"more-not-last", MAF_CLIENT, "MORE_METHODS_AVAILABLE first in the list",
     .scope = ONLY_00, .instr = MAF_INSTR_SUPPORTED, .alter = offer, .value = MAF_METHOD_MORE_AVAILABLE},

    {"not-offered", MAF_SERVER, "Do for a sub-method that was not offered, 7FFFFFFF",
     .instr = MAF_INSTR_DO, .also = MAF_INSTR_PROCESS, .alter = set_method, .value = METHOD_UNHEARD_OF},
    {"not-offered-uuid", MAF_SERVER, "the same for a UUID, " UUID_UNHEARD_OF,
     .scope = ONLY_01, .instr = MAF_INSTR_DO, .also = MAF_INSTR_PROCESS, .alter = set_method_uuid},
    {"not-a-method-success", MAF_SERVER, "Do for SUCCESS",
     .instr = MAF_INSTR_DO, .also = MAF_INSTR_PROCESS, .alter = set_method, .value = MAF_METHOD_SUCCESS},
    {"not-a-method-more", MAF_SERVER, "Do for MORE_METHODS_AVAILABLE",
     .instr = MAF_INSTR_DO, .also = MAF_INSTR_PROCESS, .alter = set_method, .value = MAF_METHOD_MORE_AVAILABLE},
    {"method-mismatch", MAF_CLIENT, "Process for another sub-method than the running one, 7FFFFFFF",
     .instr = MAF_INSTR_PROCESS, .alter = set_method, .value = METHOD_UNHEARD_OF},
    {"method-mismatch-uuid", MAF_CLIENT, "the same with a UUID, " UUID_UNHEARD_OF,
     .scope = ONLY_01, .instr = MAF_INSTR_PROCESS, .alter = set_method_uuid},
    {"result-mismatch-success", MAF_SERVER, "Success with METHOD 00000001",
     .instr = MAF_INSTR_SUCCESS, .alter = set_method, .value = MAF_METHOD_INTERNAL_TEST},
    {"result-mismatch-failure", MAF_SERVER, "Failure, in place of Success, with METHOD 00000000",
     .instr = MAF_INSTR_SUCCESS, .alter = say_failure, .value = MAF_METHOD_SUCCESS, .then = MAF_FAULT_CLOSE},
    {"no-more-available", MAF_SERVER, "Request additional when the client has no more",
     .on = DECIDING, .slip = MAF_SLIP_REQUEST_MORE},
    {"success-without-method", MAF_SERVER, "Success right after the list, without any Do",
     .on = DECIDING, .slip = MAF_SLIP_SUCCESS_FOR_DO},

    {"length-max", MAF_CLIENT, "LEN 4294967295 in Process, and far less DATA",
     .instr = MAF_INSTR_PROCESS, .distort = set_len, .value = G_MAXUINT32},
    {"length-limit", MAF_CLIENT, "LEN 1048577 in Process, one beyond 1 MiB, and far less DATA",
     .instr = MAF_INSTR_PROCESS, .distort = set_len, .value = MAF_PDU_DATA_MAX + 1},
    {"length-max", MAF_SERVER, "LEN 4294967295 in Do, and far less DATA",
     .scope = ONLY_00, .instr = MAF_INSTR_DO, .distort = set_len, .value = G_MAXUINT32},
    {"length-limit", MAF_SERVER, "LEN 1048577 in Do, one beyond 1 MiB, and far less DATA",
     .scope = ONLY_00, .instr = MAF_INSTR_DO, .distort = set_len, .value = MAF_PDU_DATA_MAX + 1},
    {"length-process", MAF_SERVER, "DLEN 4294967295 in Process, and far less DATA",
     .scope = ONLY_01, .instr = MAF_INSTR_PROCESS, .distort = set_len, .value = G_MAXUINT32},
    {"truncated-fin", MAF_CLIENT, "half of Process, and the connection is closed",
     .instr = MAF_INSTR_PROCESS, .distort = cut, .then = MAF_FAULT_CLOSE},
    {"truncated-rst", MAF_CLIENT, "half of Process, and the connection is reset",
     .instr = MAF_INSTR_PROCESS, .distort = cut, .then = MAF_FAULT_RESET},
    {"truncated-list", MAF_CLIENT, "half of the list, and the connection is closed",
     .instr = MAF_INSTR_SUPPORTED, .distort = cut, .then = MAF_FAULT_CLOSE},
    {"truncated-pad", MAF_CLIENT, "Process up to the middle of PAD, and the connection is closed",
     .scope = ONLY_01, .instr = MAF_INSTR_PROCESS, .distort = cut_in_pad, .then = MAF_FAULT_CLOSE},
    {"truncated-fin", MAF_SERVER, "half of Do, and the connection is closed",
     .instr = MAF_INSTR_DO, .distort = cut, .then = MAF_FAULT_CLOSE},
    {"truncated-rst", MAF_SERVER, "half of Do, and the connection is reset",
     .instr = MAF_INSTR_DO, .distort = cut, .then = MAF_FAULT_RESET},

    {"after-end-what-next", MAF_CLIENT, "What next? after Success, before the SOCKS request",
     .scope = ONLY_00, .on = HEARING, .instr = MAF_INSTR_SUCCESS, .after = &what_next},
    {"after-end-success", MAF_SERVER, "Success twice",
     .instr = MAF_INSTR_SUCCESS, .after = &success},
    {"after-end-failure", MAF_SERVER, "Failure, in place of Success, and then Success",
     .instr = MAF_INSTR_SUCCESS, .alter = say_failure, .value = MAF_METHOD_FAILURE, .after = &success,
     .then = MAF_FAULT_CLOSE},
    {"after-end-acknowledged", MAF_CLIENT, "What next? after the Acknowledges, before the SOCKS request",
     .scope = ONLY_01, .on = HEARING, .instr = MAF_INSTR_ACKNOWLEDGE, .after = &what_next},
    {"after-end-oem", MAF_SERVER, "OEM before Acknowledge, which nobody asked for",
     .scope = ONLY_01, .instr = MAF_INSTR_ACKNOWLEDGE, .before = &oem},

    {"reserved-oem", MAF_CLIENT, "RESERVED 000001 in OEM, if either side has --oem",
     .scope = ONLY_01, .instr = MAF_INSTR_OEM, .distort = set_reserved, .value = 1},
    {"reserved-oem", MAF_SERVER, "RESERVED 000001 in OEM, if either side has --oem",
     .scope = ONLY_01, .instr = MAF_INSTR_OEM, .distort = set_reserved, .value = 1},
    {"oem-unanswered", MAF_CLIENT, "What next?, in place of OEM, in answer to the server's, if it has --oem",
     .scope = ONLY_01, .instr = MAF_INSTR_OEM, .alter = say_instead, .value = MAF_INSTR_WHAT_NEXT},
    {"oem-unanswered", MAF_SERVER, "Acknowledge, in place of OEM, in answer to a client's --oem end",
     .scope = ONLY_01, .instr = MAF_INSTR_OEM, .ended = TRUE, .alter = say_instead, .value = MAF_INSTR_ACKNOWLEDGE},

    {"wrong-answer", MAF_CLIENT, "an octet too many in the answer: no rule broken, but a login to be refused",
     .instr = MAF_INSTR_PROCESS, .distort = add_to_data, .value = '!'},
    {"success-ver-00", MAF_SERVER, "VER 00 in Success, as the text of revision 01 has it: no rule broken",
     .scope = ONLY_01, .instr = MAF_INSTR_SUCCESS, .distort = set_ver, .value = MAF_VER_00},
};
/* clang-format on */

const maf_fault_t *
maf_fault_find(maf_side_t side, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        if (faults[i].side == side && strcmp(faults[i].name, name) == 0)
            return &faults[i];
    }
    return NULL;
}

const char *
maf_fault_name(const maf_fault_t *fault)
{
    return fault->name;
}

char *
maf_fault_help(maf_side_t side)
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
has_room(const maf_fault_t *fault, const maf_pdu_t *pdu)
{
    const gboolean inserts = fault->alter == offer || fault->alter == offer_again;
    return pdu->n_offered > 0 && !(inserts && pdu->n_offered >= MAF_NMETHODS_MAX);
}

static gboolean
in_scope(const maf_fault_t *fault, const maf_pdu_t *pdu)
{
    return fault->scope == BOTH || fault->scope == (pdu->ver == MAF_VER_00 ? ONLY_00 : ONLY_01);
}

/* Is this the frame for the fault? */
static gboolean
is_due(const maf_fault_run_t *run, occasion_t on, const maf_pdu_t *pdu)
{
    const maf_fault_t *fault = run->fault;

    if (!fault || run->done || fault->on != on || fault->instr != pdu->instr || !in_scope(fault, pdu))
        return FALSE;
    if (fault->ended && !run->ended)
        return FALSE;
    return pdu->instr != MAF_INSTR_SUPPORTED || (fault->list == run->lists && has_room(fault, pdu));
}

/* What the fault has to know of what this side has said. */
static void
note(maf_fault_run_t *run, const maf_pdu_t *pdu)
{
    if (pdu->instr == MAF_INSTR_SUPPORTED && run->lists++ == 0)
        run->offered = pdu->offered[0];
    run->ended |= pdu->instr == MAF_INSTR_SUCCESS || pdu->instr == MAF_INSTR_FAILURE;
}

static void
append(GByteArray *out, const extra_t *extra, guint8 ver)
{
    if (!extra)
        return;
    if (extra->octets.len > 0) {
        g_byte_array_append(out, (const guint8 *)extra->octets.octets, extra->octets.len);
        return;
    }
    const maf_pdu_t pdu = {.instr = extra->instr, .ver = ver, .method = maf_id_compact(extra->method)};
    maf_pdu_encode(&pdu, out, NULL);
}

/* The frame as the fault makes it. */
static gboolean
misspeak(const maf_fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out, GError **error)
{
    const maf_fault_t *fault = run->fault;
    g_autoptr(GByteArray) octets = g_byte_array_new();
    maf_pdu_t altered = *pdu;

    if (fault->alter)
        fault->alter(&altered, run);
    if (!maf_pdu_encode(&altered, octets, error))
        return FALSE;
    if (fault->distort)
        fault->distort(octets, &altered, fault->value);
    append(out, fault->before, pdu->ver);
    g_byte_array_append(out, octets->data, octets->len);
    append(out, fault->after, pdu->ver);
    return TRUE;
}

gboolean
maf_fault_say(maf_fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out, maf_fault_then_t *then,
              GError **error)
{
    const gboolean due = is_due(run, SAYING, pdu);

    note(run, pdu);
    *then = due ? run->fault->then : MAF_FAULT_GO_ON;
    run->lasts = due ? run->fault->also != 0 : run->lasts && run->fault->also == pdu->instr;
    if (!due && !run->lasts)
        return maf_pdu_encode(pdu, out, error);
    run->done = TRUE;
    return misspeak(run, pdu, out, error);
}

void
maf_fault_hear(maf_fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out)
{
    if (!is_due(run, HEARING, pdu))
        return;
    run->done = TRUE;
    append(out, run->fault->after, pdu->ver);
}

gboolean
maf_fault_slips(maf_fault_run_t *run, maf_slip_t slip)
{
    if (!run->fault || run->done || run->fault->on != DECIDING || run->fault->slip != slip)
        return FALSE;
    run->done = TRUE;
    return TRUE;
}
