/* maf-fault.c
 * Rules broken on purpose, one at a time, to see what the other side makes of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-fault.h"

#include <string.h>

/* A sub-method that nobody offers. */
#define METHOD_UNHEARD_OF 0x7FFFFFFFU

/* Frames, or parts of them */
typedef struct octets {
    const char *octets;
    guint len;
} octets_t;

/* clang-format off */
#define OCTETS(literal) {(literal), sizeof(literal) - 1}
#define SUCCESS         OCTETS("\x00\x00\x00\x00" "\x00\x00\x00\x00" "\x00\x00\x00\x00")
#define DO              OCTETS("\x03\x00\x00\x00" "\x00\x00\x00\x01" "\x00\x00\x00\x00")
#define WHAT_NEXT       OCTETS("\x04\x00\x00\x00")
#define PROCESS         OCTETS("\x05\x00\x00\x00" "\x00\x00\x00\x01" "\x00\x00\x00\x00")
#define OEM             OCTETS("\x07\x00\x00\x00" "\x00\x00\x00\x04" "\x00\x00\x00\x01" "\x00\x00\x00\x00")
#define UNKNOWN         OCTETS("\x08\x00\x00\x00")
/* clang-format on */

/* When a rule is broken: as this side says a frame, once it has heard one, or where it decides. */
typedef enum occasion { SAYING, HEARING, DECIDING } occasion_t;

struct maf_fault {
    const char *name; /* begins with that of the expert info, maf.expert.*, that the plugin has for it */
    maf_side_t side;
    const char *what;

    occasion_t on;
    guint8 instr;    /* of the frame */
    guint list;      /* of lists, which: 0 is the first */
    maf_slip_t slip; /* the decision */

    /* Said with it, in the same write */
    octets_t before, after;

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

/* The faults, in the order of the expert infos */

/* clang-format off */
static const maf_fault_t faults[] = {
    {"version-list", MAF_CLIENT, "VER 02 in the list",
     .instr = MAF_INSTR_SUPPORTED, .distort = set_ver, .value = 2},
    {"version-what-next", MAF_CLIENT, "VER 02 in What next?",
     .instr = MAF_INSTR_WHAT_NEXT, .distort = set_ver, .value = 2},
    {"version-do", MAF_SERVER, "VER 02 in Do",
     .instr = MAF_INSTR_DO, .distort = set_ver, .value = 2},

    {"flags-what-next", MAF_CLIENT, "FLAGS 0001 in What next?",
     .instr = MAF_INSTR_WHAT_NEXT, .distort = set_flags, .value = 0x0001},
    {"flags-do", MAF_SERVER, "FLAGS 8000 in Do",
     .instr = MAF_INSTR_DO, .distort = set_flags, .value = 0x8000},
    {"flags-request-more", MAF_SERVER, "FLAGS 0002 in Request additional, once a client has more",
     .instr = MAF_INSTR_REQUEST_MORE, .distort = set_flags, .value = 0x0002},

    {"instr-unknown", MAF_CLIENT, "INSTR 08, four octets, right after Process",
     .instr = MAF_INSTR_PROCESS, .after = UNKNOWN},
    {"instr-oem", MAF_CLIENT, "INSTR 07, the next revision's OEM, right after Process",
     .instr = MAF_INSTR_PROCESS, .after = OEM},
    {"instr-unknown", MAF_SERVER, "INSTR 08, four octets, right after Do",
     .instr = MAF_INSTR_DO, .after = UNKNOWN},

    {"direction-do", MAF_CLIENT, "Do, a server's, before What next?",
     .instr = MAF_INSTR_WHAT_NEXT, .before = DO},
    {"direction-what-next", MAF_SERVER, "What next?, a client's, before Do",
     .instr = MAF_INSTR_DO, .before = WHAT_NEXT},

    {"sequence-process", MAF_CLIENT, "Process before the list",
     .instr = MAF_INSTR_SUPPORTED, .before = PROCESS},
    {"sequence-what-next", MAF_CLIENT, "What next? right after the list, before Do",
     .instr = MAF_INSTR_SUPPORTED, .after = WHAT_NEXT},
    {"sequence-process", MAF_SERVER, "Process before Do",
     .instr = MAF_INSTR_DO, .before = PROCESS},
    {"sequence-success", MAF_SERVER, "Success right after Do, while the sub-method runs",
     .on = DECIDING, .slip = MAF_SLIP_SUCCESS_AFTER_DO},

    {"nmethods-0", MAF_CLIENT, "NMETHODS 0 and no METHODS",
     .instr = MAF_INSTR_SUPPORTED, .distort = set_nmethods, .value = 0},
    {"nmethods-256", MAF_CLIENT, "NMETHODS 256 and as many METHODS",
     .instr = MAF_INSTR_SUPPORTED, .distort = set_nmethods, .value = MAF_NMETHODS_MAX + 1},
    {"nmethods-width", MAF_CLIENT, "NMETHODS in one octet, as --nmethods-width 1, but in the first list only",
     .instr = MAF_INSTR_SUPPORTED, .alter = set_nmethods_len, .value = MAF_NMETHODS_LEN_BYTE},

    {"duplicate-offer", MAF_CLIENT, "the first sub-method twice in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer_again},
    {"duplicate-offer-later", MAF_CLIENT, "a sub-method again in the second list, if a server requests one",
     .instr = MAF_INSTR_SUPPORTED, .list = 1, .alter = offer_again},
    {"reserved-offer-success", MAF_CLIENT, "SUCCESS in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer, .value = MAF_METHOD_SUCCESS},
    {"reserved-offer-failure", MAF_CLIENT, "FAILURE in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer, .value = MAF_METHOD_FAILURE},
    {"more-not-last", MAF_CLIENT, "MORE_METHODS_AVAILABLE first in the list",
     .instr = MAF_INSTR_SUPPORTED, .alter = offer, .value = MAF_METHOD_MORE_AVAILABLE},

    {"not-offered", MAF_SERVER, "Do for a sub-method that was not offered, 7FFFFFFF",
     .instr = MAF_INSTR_DO, .alter = set_method, .value = METHOD_UNHEARD_OF},
    {"not-a-method-success", MAF_SERVER, "Do for SUCCESS",
     .instr = MAF_INSTR_DO, .alter = set_method, .value = MAF_METHOD_SUCCESS},
    {"not-a-method-more", MAF_SERVER, "Do for MORE_METHODS_AVAILABLE",
     .instr = MAF_INSTR_DO, .alter = set_method, .value = MAF_METHOD_MORE_AVAILABLE},
    {"method-mismatch", MAF_CLIENT, "Process for another sub-method than the running one, 7FFFFFFF",
     .instr = MAF_INSTR_PROCESS, .alter = set_method, .value = METHOD_UNHEARD_OF},
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
     .instr = MAF_INSTR_DO, .distort = set_len, .value = G_MAXUINT32},
    {"length-limit", MAF_SERVER, "LEN 1048577 in Do, one beyond 1 MiB, and far less DATA",
     .instr = MAF_INSTR_DO, .distort = set_len, .value = MAF_PDU_DATA_MAX + 1},
    {"truncated-fin", MAF_CLIENT, "half of Process, and the connection is closed",
     .instr = MAF_INSTR_PROCESS, .distort = cut, .then = MAF_FAULT_CLOSE},
    {"truncated-rst", MAF_CLIENT, "half of Process, and the connection is reset",
     .instr = MAF_INSTR_PROCESS, .distort = cut, .then = MAF_FAULT_RESET},
    {"truncated-fin", MAF_SERVER, "half of Do, and the connection is closed",
     .instr = MAF_INSTR_DO, .distort = cut, .then = MAF_FAULT_CLOSE},
    {"truncated-rst", MAF_SERVER, "half of Do, and the connection is reset",
     .instr = MAF_INSTR_DO, .distort = cut, .then = MAF_FAULT_RESET},

    {"after-end-what-next", MAF_CLIENT, "What next? after Success, before the SOCKS request",
     .on = HEARING, .instr = MAF_INSTR_SUCCESS, .after = WHAT_NEXT},
    {"after-end-success", MAF_SERVER, "Success twice",
     .instr = MAF_INSTR_SUCCESS, .after = SUCCESS},
    {"after-end-failure", MAF_SERVER, "Failure, in place of Success, and then Success",
     .instr = MAF_INSTR_SUCCESS, .alter = say_failure, .value = MAF_METHOD_FAILURE, .after = SUCCESS,
     .then = MAF_FAULT_CLOSE},

    {"wrong-answer", MAF_CLIENT, "an octet too many in the answer: no rule broken, but a login to be refused",
     .instr = MAF_INSTR_PROCESS, .distort = add_to_data, .value = '!'},
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
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        if (faults[i].side == side)
            g_string_append_printf(text, "%-24s %s\n", faults[i].name, faults[i].what);
    }
    return g_string_free(text, FALSE);
}

/* A full list cannot take what a fault would insert. */
static gboolean
has_room(const maf_fault_t *fault, const maf_pdu_t *pdu)
{
    const gboolean inserts = fault->alter == offer || fault->alter == offer_again;
    return !inserts || pdu->n_offered < MAF_NMETHODS_MAX;
}

/* Is this the frame for the fault? */
static gboolean
is_due(const maf_fault_run_t *run, occasion_t on, const maf_pdu_t *pdu)
{
    const maf_fault_t *fault = run->fault;

    if (!fault || run->done || fault->on != on || fault->instr != pdu->instr)
        return FALSE;
    return pdu->instr != MAF_INSTR_SUPPORTED || (fault->list == run->lists && has_room(fault, pdu));
}

static void
note_list(maf_fault_run_t *run, const maf_pdu_t *pdu)
{
    if (pdu->instr == MAF_INSTR_SUPPORTED && run->lists++ == 0)
        run->offered = pdu->offered[0];
}

static void
append(GByteArray *out, const octets_t *octets)
{
    g_byte_array_append(out, (const guint8 *)octets->octets, octets->len);
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
    append(out, &fault->before);
    g_byte_array_append(out, octets->data, octets->len);
    append(out, &fault->after);
    return TRUE;
}

gboolean
maf_fault_say(maf_fault_run_t *run, const maf_pdu_t *pdu, GByteArray *out, maf_fault_then_t *then,
              GError **error)
{
    const gboolean due = is_due(run, SAYING, pdu);

    note_list(run, pdu);
    *then = due ? run->fault->then : MAF_FAULT_GO_ON;
    if (!due)
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
    append(out, &run->fault->after);
}

gboolean
maf_fault_slips(maf_fault_run_t *run, maf_slip_t slip)
{
    if (!run->fault || run->done || run->fault->on != DECIDING || run->fault->slip != slip)
        return FALSE;
    run->done = TRUE;
    return TRUE;
}
