/* maf-expert.c
 * Which side broke which rule, in words: the expert infos
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-expert.h"

#include <epan/expert.h>
#include <wsutil/str_util.h>

#include "maf-methods.h"
#include "maf-names.h"
#include "maf-prefs.h"
#include "maf-protocol.h"

static expert_field ei_version = EI_INIT;
static expert_field ei_flags = EI_INIT;
static expert_field ei_instr = EI_INIT;
static expert_field ei_direction = EI_INIT;
static expert_field ei_sequence = EI_INIT;
static expert_field ei_nmethods = EI_INIT;
static expert_field ei_nmethods_width = EI_INIT;
static expert_field ei_duplicate_offer = EI_INIT;
static expert_field ei_reserved_offer = EI_INIT;
static expert_field ei_more_not_last = EI_INIT;
static expert_field ei_not_offered = EI_INIT;
static expert_field ei_not_a_method = EI_INIT;
static expert_field ei_method_mismatch = EI_INIT;
static expert_field ei_result_mismatch = EI_INIT;
static expert_field ei_no_more_available = EI_INIT;
static expert_field ei_success_without_method = EI_INIT;
static expert_field ei_length = EI_INIT;
static expert_field ei_truncated = EI_INIT;
static expert_field ei_after_end = EI_INIT;
static expert_field ei_reserved = EI_INIT;
static expert_field ei_oem_unanswered = EI_INIT;
static expert_field ei_unoffered_selection = EI_INIT;
static expert_field ei_gap = EI_INIT;
static expert_field ei_success = EI_INIT;
static expert_field ei_failure = EI_INIT;

typedef struct {
    wmem_allocator_t *pool;
    const maf_message_t *message;
    const maf_verdict_t *verdict;
    maf_login_t *login;    /* NULL: nothing is recorded */
    const maf_id_t *offer; /* the METHOD of a list that is at fault */
} case_t;

static const char *
sender_of(const case_t *c)
{
    return c->verdict->from == MAF_CLIENT ? "client" : "server";
}

static const char *
instr_of(const case_t *c)
{
    return maf_instr_name(c->message->revision, c->message->instr);
}

static const char *
id_of(wmem_allocator_t *pool, unsigned revision, const maf_id_t *id)
{
    const char *name = maf_method_name(revision, id);

    return id->length == MAF_COMPACT_ID_LEN
               ? wmem_strdup_printf(pool, "%s (X'%08X')", name, id->compact)
               : wmem_strdup_printf(pool, "%s (%s)", name, maf_id_text(pool, id));
}

static const char *
method_of(const case_t *c)
{
    return id_of(c->pool, c->message->revision, &c->message->id);
}

static const char *
running_of(const case_t *c)
{
    const maf_id_t *running = c->verdict->details ? c->verdict->details->running : NULL;

    return running ? id_of(c->pool, c->message->revision, running) : "the sub-method of the Do";
}

/* What the spec's table of states would have allowed. */
static const char *
expected_in(const case_t *c)
{
    const bool is_01 = c->message && c->message->revision == MAF_VER_01;

    switch ((maf_state_t)c->verdict->state_before) {
    case MAF_STATE_AWAITING_LIST:
        return "the client's list of sub-methods";
    case MAF_STATE_AWAITING_DECISION:
        return is_01 ? "the server's Do, Send More Can Do, Success, Failure or OEM"
                     : "the server's Do, Request additional sub-methods, Success or Failure";
    case MAF_STATE_AWAITING_MORE:
        return "the client's next list of sub-methods";
    case MAF_STATE_EXECUTING:
        return c->message ? wmem_strdup_printf(c->pool, "Process for %s, or the client's %s", running_of(c),
                                               maf_instr_name(c->message->revision, MAF_INSTR_WHAT_NEXT))
                          : "Process, or the client's What next?";
    case MAF_STATE_SUCCEEDED:
        return "Acknowledge, or the client's SOCKS request";
    case MAF_STATE_FAILED:
        return "Acknowledge, or the end of the connection";
    case MAF_STATE_UNKNOWN:
        break;
    }
    return "anything";
}

static const char *
say_version(const case_t *c)
{
    return wmem_strdup_printf(c->pool,
                              "The %s sent VER X'%02X'; expected X'%02X', that of this session's revision",
                              sender_of(c), c->message->ver, c->message->revision);
}

static const char *
say_flags(const case_t *c)
{
    return wmem_strdup_printf(c->pool, "The %s sent FLAGS X'%04X'; expected %s", sender_of(c),
                              c->message->flags,
                              c->message->instr == MAF_INSTR_REQUEST_MORE
                                  ? "X'0000' for a relative or X'0001' for an absolute method download"
                                  : "X'0000'");
}

static const char *
say_reserved(const case_t *c)
{
    return wmem_strdup_printf(c->pool, "The %s sent RESERVED X'%06X'; expected X'000000'", sender_of(c),
                              c->message->reserved);
}

static const char *
say_instr(const case_t *c)
{
    return wmem_strdup_printf(
        c->pool,
        "The %s sent INSTR X'%02X'; expected X'00' to X'%02X' or X'FF'. The length of the message is "
        "not known, so the rest of the segment is not decoded",
        sender_of(c), c->message->instr,
        c->message->revision == MAF_VER_00 ? MAF_INSTR_ACKNOWLEDGE : MAF_INSTR_OEM);
}

static const char *
say_direction(const case_t *c)
{
    return wmem_strdup_printf(c->pool, "The %s sent %s; expected it only from the %s", sender_of(c),
                              instr_of(c), c->verdict->from == MAF_CLIENT ? "server" : "client");
}

static const char *
say_sequence(const case_t *c)
{
    return wmem_strdup_printf(c->pool, "The %s's %s is unexpected in state %s; expected %s", sender_of(c),
                              instr_of(c), maf_state_name(c->verdict->state_before), expected_in(c));
}

static const char *
say_nmethods(const case_t *c)
{
    if (c->message->revision != MAF_VER_00)
        return wmem_strdup_printf(
            c->pool,
            "The %s sent a group whose IDLEN is 0; expected 1 to 255. The rest of the segment is "
            "not decoded",
            sender_of(c));
    return wmem_strdup_printf(
        c->pool,
        "The %s sent NMETHODS %u; expected 1 to 255. The length of the list is not known, so the "
        "rest of the segment is not decoded",
        sender_of(c), c->message->nmethods);
}

static const char *
say_nmethods_width(const case_t *c)
{
    return wmem_strdup_printf(
        c->pool,
        "The %s sent NMETHODS as one byte; expected four (the draft's diagram has four, its text one): "
        "a peer that expects four cannot read this list",
        sender_of(c));
}

static const char *
say_not_offered(const case_t *c)
{
    return wmem_strdup_printf(c->pool,
                              "The %s's Do names %s, which the client has not offered; expected one of the "
                              "offered sub-methods, or FAILURE",
                              sender_of(c), method_of(c));
}

static const char *
say_not_a_method(const case_t *c)
{
    return wmem_strdup_printf(
        c->pool,
        "The %s's Do names %s, which cannot be run; expected a sub-method, or FAILURE if none "
        "is acceptable",
        sender_of(c), method_of(c));
}

static const char *
say_method_mismatch(const case_t *c)
{
    return wmem_strdup_printf(c->pool, "The %s's Process is for %s; expected %s, as in the Do", sender_of(c),
                              method_of(c), running_of(c));
}

static const char *
say_result_mismatch(const case_t *c)
{
    return wmem_strdup_printf(
        c->pool, "The %s's %s has METHOD %s; expected %s", sender_of(c), instr_of(c), method_of(c),
        c->message->instr == MAF_INSTR_SUCCESS ? "SUCCESS (X'00000000')" : "FAILURE (X'FFFFFFFF')");
}

static const char *
say_no_more_available(const case_t *c)
{
    return wmem_strdup_printf(c->pool,
                              "The %s requests more sub-methods, but the client's last list does not have "
                              "MORE_METHODS_AVAILABLE; expected Do, Success or Failure",
                              sender_of(c));
}

static const char *
say_success_without_method(const case_t *c)
{
    return wmem_strdup_printf(c->pool,
                              "The %s sent Success although no sub-method has been run, which the draft does "
                              "not forbid; expected at least one Do before",
                              sender_of(c));
}

static const char *
say_length(const case_t *c)
{
    if (c->message->layout == MAF_LAYOUT_GROUPS)
        return wmem_strdup_printf(
            c->pool,
            "The %s's list exceeds the limit of %u bytes; expected its end. The rest of the "
            "segment is not decoded",
            sender_of(c), MAF_LIST_MAX);
    return wmem_strdup_printf(
        c->pool,
        "The %s sent %s %u, which exceeds the limit of %u bytes (maf.max_length). The rest "
        "of the segment is not decoded",
        sender_of(c), c->message->revision == MAF_VER_00 ? "LEN" : "DLEN", c->message->len,
        maf_prefs.framing.max_length);
}

/* "13 bytes of DATA missing", or "LEN missing" if it is not known how much. */
static const char *
missing_text(wmem_allocator_t *pool, const char *part, uint32_t missing)
{
    if (missing == 0)
        return wmem_strdup_printf(pool, "%s missing", part);
    return wmem_strdup_printf(pool, "%u byte%s of %s missing", missing, plurality(missing, "", "s"), part);
}

static const char *
say_truncated(const case_t *c)
{
    const maf_message_t *message = c->message;
    const char *missing = missing_text(c->pool, maf_message_missing_part(message), message->beyond);

    if (message->snapped)
        return wmem_strdup_printf(c->pool, "The capture lacks bytes of the %s's %s (snapshot length): %s",
                                  sender_of(c), instr_of(c), missing);
    return wmem_strdup_printf(c->pool, "The %s closed (FIN) %u byte%s into its %s: %s", sender_of(c),
                              message->length, plurality(message->length, "", "s"), instr_of(c), missing);
}

static const char *
say_after_end(const case_t *c)
{
    return wmem_strdup_printf(
        c->pool, "The %s's %s came after the session had %s; expected %s", sender_of(c), instr_of(c),
        c->verdict->state_before == MAF_STATE_SUCCEEDED ? "succeeded" : "failed", expected_in(c));
}

static const char *
say_oem_unanswered(const case_t *c)
{
    return wmem_strdup_printf(c->pool, "The %s sent %s in answer to an OEM message; expected an OEM message",
                              sender_of(c), instr_of(c));
}

static const char *
say_duplicate_offer(const case_t *c)
{
    return wmem_strdup_printf(c->pool, "The %s offers %s again; expected each sub-method once", sender_of(c),
                              id_of(c->pool, c->message->revision, c->offer));
}

static const char *
say_reserved_offer(const case_t *c)
{
    return wmem_strdup_printf(c->pool, "The %s offers %s, which is a result; expected sub-methods",
                              sender_of(c), id_of(c->pool, c->message->revision, c->offer));
}

static const char *
say_more_not_last(const case_t *c)
{
    return wmem_strdup_printf(
        c->pool,
        "The %s put MORE_METHODS_AVAILABLE before other sub-methods; expected it as the "
        "last METHOD of the list",
        sender_of(c));
}

/* What is said of a fault, where in the message, and where in the draft. */
typedef struct {
    uint32_t violation;
    maf_part_t part;
    expert_field *ei;
    const char *section; /* of draft-00; NULL if it has no such rule */
    const char *(*say)(const case_t *c);
} violation_t;

/* Of a message */
static const violation_t diagnoses[] = {
    {MAF_VIOLATION_VERSION, MAF_PART_VER, &ei_version, "Subnegotiation, VER", say_version},
    {MAF_VIOLATION_FLAGS, MAF_PART_FLAGS, &ei_flags, "Subnegotiation, FLAGS", say_flags},
    {MAF_VIOLATION_RESERVED, MAF_PART_RESERVED, &ei_reserved, "Process OEM specific, RESERVED", say_reserved},
    {MAF_VIOLATION_INSTR, MAF_PART_INSTR, &ei_instr, "Subnegotiation, INSTR", say_instr},
    {MAF_VIOLATION_DIRECTION, MAF_PART_INSTR, &ei_direction, "Subnegotiation", say_direction},
    {MAF_VIOLATION_SEQUENCE, MAF_PART_INSTR, &ei_sequence, "Subnegotiation", say_sequence},
    {MAF_VIOLATION_NMETHODS, MAF_PART_NMETHODS, &ei_nmethods, "Subnegotiation, NMETHODS", say_nmethods},
    {MAF_VIOLATION_NMETHODS_WIDTH, MAF_PART_NMETHODS, &ei_nmethods_width, "Subnegotiation, NMETHODS",
     say_nmethods_width},
    {MAF_VIOLATION_NOT_OFFERED, MAF_PART_METHOD, &ei_not_offered, "Subnegotiation, METHODS", say_not_offered},
    {MAF_VIOLATION_NOT_A_METHOD, MAF_PART_METHOD, &ei_not_a_method, "Current MAF Sub-Methods",
     say_not_a_method},
    {MAF_VIOLATION_METHOD_MISMATCH, MAF_PART_METHOD, &ei_method_mismatch, "Subnegotiation, process",
     say_method_mismatch},
    {MAF_VIOLATION_RESULT_MISMATCH, MAF_PART_METHOD, &ei_result_mismatch,
     "Subnegotiation, success and failure", say_result_mismatch},
    {MAF_VIOLATION_NO_MORE_AVAILABLE, MAF_PART_INSTR, &ei_no_more_available, "Subnegotiation, METHODS",
     say_no_more_available},
    {MAF_VIOLATION_SUCCESS_WITHOUT_METHOD, MAF_PART_INSTR, &ei_success_without_method, NULL,
     say_success_without_method},
    {MAF_VIOLATION_LENGTH, MAF_PART_LEN, &ei_length, NULL, say_length},
    {MAF_VIOLATION_TRUNCATED, MAF_PART_MESSAGE, &ei_truncated, "Subnegotiation, the diagrams", say_truncated},
    {MAF_VIOLATION_AFTER_END, MAF_PART_INSTR, &ei_after_end, "Subnegotiation, success and failure",
     say_after_end},
    {MAF_VIOLATION_OEM_UNANSWERED, MAF_PART_INSTR, &ei_oem_unanswered, "Process OEM specific",
     say_oem_unanswered},
};

/* Of one METHOD in a list: the part is its own item */
static const violation_t offer_diagnoses[] = {
    {MAF_VIOLATION_DUPLICATE_OFFER, MAF_PART_METHOD, &ei_duplicate_offer,
     "Subnegotiation, FLAGS, of a relative method download", say_duplicate_offer},
    {MAF_VIOLATION_RESERVED_OFFER, MAF_PART_METHOD, &ei_reserved_offer, "Current MAF Sub-Methods",
     say_reserved_offer},
    {MAF_VIOLATION_MORE_NOT_LAST, MAF_PART_METHOD, &ei_more_not_last, "Subnegotiation, METHODS",
     say_more_not_last},
};

/* Revision 01 describes each instruction by itself. */
static const char *
section_of(const violation_t *diagnosis, const maf_message_t *message)
{
    if (message->revision == MAF_VER_00 || diagnosis->violation == MAF_VIOLATION_INSTR)
        return diagnosis->section;
    return maf_instr_name(message->revision, diagnosis->violation == MAF_VIOLATION_OEM_UNANSWERED
                                                 ? MAF_INSTR_OEM
                                                 : message->instr);
}

/* What expert infos there are. Not const: Wireshark writes their ids into it. */
static ei_register_info registered[] = {
    {&ei_version,
     {"maf.expert.version", PI_PROTOCOL, PI_WARN, "VER is not the version of this session",
      MAF_EXPFILL("VER differs from the revision by which the session is decoded, and that revision does "
                  "not allow it in this instruction")}},
    {&ei_flags,
     {"maf.expert.flags", PI_PROTOCOL, PI_WARN, "FLAGS is not defined for this instruction",
      MAF_EXPFILL("FLAGS is not 0, or in Request additional sub-methods neither 0 nor 1")}},
    {&ei_instr,
     {"maf.expert.instr", PI_PROTOCOL, PI_ERROR, "INSTR is not defined in this revision",
      MAF_EXPFILL("The length of the message is not known, so the rest of the segment is not decoded")}},
    {&ei_direction,
     {"maf.expert.direction", PI_PROTOCOL, PI_WARN, "Sent by the wrong side",
      MAF_EXPFILL("Only the other side may send this instruction")}},
    {&ei_sequence,
     {"maf.expert.sequence", PI_SEQUENCE, PI_WARN, "Unexpected in this state",
      MAF_EXPFILL("This side may send this instruction, but not in this state of the session")}},
    {&ei_nmethods,
     {"maf.expert.nmethods", PI_MALFORMED, PI_ERROR, "NMETHODS is not 1 to 255",
      MAF_EXPFILL("The number of sub-methods in the list is out of range, or IDLEN of a group is 0; the "
                  "rest of the segment is not decoded")}},
    {&ei_nmethods_width,
     {"maf.expert.nmethods_width", PI_PROTOCOL, PI_NOTE, "NMETHODS is one byte wide",
      MAF_EXPFILL("The draft contradicts itself: its diagram has four bytes, its text one. Peers of "
                  "different widths cannot read each other's lists")}},
    {&ei_duplicate_offer,
     {"maf.expert.duplicate_offer", PI_PROTOCOL, PI_NOTE, "A sub-method is offered again",
      MAF_EXPFILL("Its id is in a list twice, or again in a list that must have only those not sent "
                  "before")}},
    {&ei_reserved_offer,
     {"maf.expert.reserved_offer", PI_PROTOCOL, PI_WARN, "SUCCESS or FAILURE is offered",
      MAF_EXPFILL("The list has an id that means a result, not a sub-method")}},
    {&ei_more_not_last,
     {"maf.expert.more_not_last", PI_PROTOCOL, PI_WARN, "MORE_METHODS_AVAILABLE is not last",
      MAF_EXPFILL("In revision 00 it must end the list; here other sub-methods follow it")}},
    {&ei_not_offered,
     {"maf.expert.not_offered", PI_PROTOCOL, PI_WARN, "Do with a sub-method that was not offered",
      MAF_EXPFILL("The Do names a sub-method that is in none of the client's lists")}},
    {&ei_not_a_method,
     {"maf.expert.not_a_method", PI_PROTOCOL, PI_ERROR, "Do with a METHOD that is not a sub-method",
      MAF_EXPFILL("The Do names SUCCESS or MORE_METHODS_AVAILABLE, which cannot be run")}},
    {&ei_method_mismatch,
     {"maf.expert.method_mismatch", PI_PROTOCOL, PI_WARN, "Process for another sub-method",
      MAF_EXPFILL("METHOD is not that of the last Do")}},
    {&ei_result_mismatch,
     {"maf.expert.result_mismatch", PI_PROTOCOL, PI_WARN, "METHOD does not fit the result",
      MAF_EXPFILL("Success must have METHOD 00000000, Failure FFFFFFFF")}},
    {&ei_no_more_available,
     {"maf.expert.no_more_available", PI_PROTOCOL, PI_WARN, "There are no more sub-methods to request",
      MAF_EXPFILL("The client's last list does not have MORE_METHODS_AVAILABLE")}},
    {&ei_success_without_method,
     {"maf.expert.success_without_method", PI_SECURITY, PI_WARN, "Success without any sub-method",
      MAF_EXPFILL("The server accepts the client although no sub-method has been run")}},
    {&ei_length,
     {"maf.expert.length", PI_MALFORMED, PI_ERROR, "LEN exceeds the limit (maf.max_length)",
      MAF_EXPFILL("LEN exceeds the preference maf.max_length, or a list has no end; the rest of the segment "
                  "is not decoded")}},
    {&ei_truncated,
     {"maf.expert.truncated", PI_MALFORMED, PI_ERROR, "The message is not complete",
      MAF_EXPFILL("The connection is closed, or the capture ends, inside the message. With tshark, the "
                  "end of the capture is reported on the second pass only (-2)")}},
    {&ei_after_end,
     {"maf.expert.after_end", PI_SEQUENCE, PI_WARN, "MAF message after the end",
      MAF_EXPFILL("A message other than Acknowledge or OEM comes after Success or Failure")}},
    {&ei_reserved,
     {"maf.expert.reserved", PI_PROTOCOL, PI_WARN, "RESERVED is not 0",
      MAF_EXPFILL("The reserved bytes of an OEM message are not 0")}},
    {&ei_oem_unanswered,
     {"maf.expert.oem_unanswered", PI_SEQUENCE, PI_WARN,
      "An OEM message was not answered with an OEM message",
      MAF_EXPFILL("In revision 01 the other side must answer each with an OEM message, even if it does "
                  "not recognise the OEM")}},
    {&ei_unoffered_selection,
     {"maf.expert.unoffered_selection", PI_PROTOCOL, PI_WARN,
      "The server selected MAF, which was not offered",
      MAF_EXPFILL("The client's greeting does not offer the SOCKS method of MAF")}},
    {&ei_gap,
     {"maf.expert.gap", PI_SEQUENCE, PI_NOTE, "Missing segment",
      MAF_EXPFILL("The capture lacks bytes of the connection before this packet. Messages in them are not "
                  "counted, and violations that depend on them are not reported")}},
    {&ei_success,
     {"maf.expert.success", PI_RESPONSE_CODE, PI_CHAT, "Authentication succeeded",
      MAF_EXPFILL("How the session ended: the client is accepted")}},
    {&ei_failure,
     {"maf.expert.failure", PI_RESPONSE_CODE, PI_NOTE, "Authentication failed",
      MAF_EXPFILL("How the session ended: the client is refused, which is not a violation")}},
};

void
maf_expert_say(packet_info *pinfo, proto_item *item, maf_login_t *login, maf_side_t from, expert_field *ei,
               maf_severity_t severity, const char *expert, const char *text)
{
    expert_add_info_format(pinfo, item, ei, "%s", text);
    if (login && !pinfo->fd->visited)
        maf_login_violation(login, pinfo->num, &pinfo->abs_ts, from, severity, expert, text);
}

/* An expert info of MAF's own, which knows its severity. */
static void
say(packet_info *pinfo, proto_item *item, maf_login_t *login, maf_side_t from, expert_field *ei,
    const char *text)
{
    const ei_register_info *info = registered;

    while (info->ids != ei)
        info++;
    maf_expert_say(pinfo, item, login, from, ei,
                   info->eiinfo.severity == PI_ERROR  ? MAF_ERROR
                   : info->eiinfo.severity == PI_WARN ? MAF_WARNING
                                                      : MAF_NOTE,
                   info->eiinfo.name, text);
}

static void
diagnose(packet_info *pinfo, proto_item *item, const violation_t *diagnosis, const case_t *c)
{
    const char *text = diagnosis->say(c);

    if (diagnosis->section)
        text = wmem_strdup_printf(pinfo->pool, "%s (%s, %s)", text,
                                  c->message->revision == MAF_VER_00 ? "draft-00" : "draft-01",
                                  section_of(diagnosis, c->message));
    say(pinfo, item, c->login, (maf_side_t)c->verdict->from, diagnosis->ei, text);
}

void
maf_expert_message(packet_info *pinfo, proto_item *const parts[MAF_PARTS], const maf_message_t *message,
                   const maf_verdict_t *verdict, maf_login_t *login)
{
    const case_t c = {.pool = pinfo->pool, .message = message, .verdict = verdict, .login = login};
    const maf_ending_t *ending = maf_ending_of(verdict);

    if (verdict->violations) {
        for (unsigned i = 0; i < G_N_ELEMENTS(diagnoses); i++) {
            proto_item *item = parts[diagnoses[i].part];

            if (verdict->violations & diagnoses[i].violation)
                diagnose(pinfo, item ? item : parts[MAF_PART_MESSAGE], &diagnoses[i], &c);
        }
    }
    if (ending) {
        const bool succeeded = verdict->state == MAF_STATE_SUCCEEDED;

        expert_add_info_format(pinfo, parts[MAF_PART_INSTR] ? parts[MAF_PART_INSTR] : parts[MAF_PART_MESSAGE],
                               succeeded ? &ei_success : &ei_failure, "Authentication %s after %u round%s",
                               succeeded ? "succeeded" : "failed", ending->rounds,
                               plurality(ending->rounds, "", "s"));
    }
}

void
maf_expert_offer(packet_info *pinfo, proto_item *item, const maf_message_t *message,
                 const maf_verdict_t *verdict, maf_login_t *login, const maf_id_t *id, uint32_t violations)
{
    const case_t c = {
        .pool = pinfo->pool, .message = message, .verdict = verdict, .login = login, .offer = id};

    for (unsigned i = 0; i < G_N_ELEMENTS(offer_diagnoses); i++) {
        if (violations & offer_diagnoses[i].violation)
            diagnose(pinfo, item, &offer_diagnoses[i], &c);
    }
}

void
maf_expert_request(packet_info *pinfo, proto_item *item, maf_login_t *login, maf_state_t state)
{
    const maf_verdict_t verdict = {.state_before = (uint8_t)state};
    const case_t c = {.pool = pinfo->pool, .verdict = &verdict};

    say(pinfo, item, login, MAF_CLIENT, state == MAF_STATE_FAILED ? &ei_after_end : &ei_sequence,
        wmem_strdup_printf(pinfo->pool,
                           "The client's SOCKS request is unexpected in state %s; expected %s (draft-00, "
                           "Subnegotiation)",
                           maf_state_name((uint8_t)state), expected_in(&c)));
}

void
maf_expert_unoffered_selection(packet_info *pinfo, proto_item *item, maf_login_t *login)
{
    say(pinfo, item, login, MAF_SERVER, &ei_unoffered_selection,
        "The server selected MAF, which the client's greeting did not offer; expected one of the methods "
        "offered, or "
        "X'FF' (RFC 1928, section 3)");
}

void
maf_expert_gap(packet_info *pinfo, proto_item *item, maf_login_t *login, maf_side_t from)
{
    say(pinfo, item, login, from, &ei_gap,
        wmem_strdup_printf(pinfo->pool,
                           "Missing segment: the capture lacks bytes from the %s before this packet",
                           from == MAF_CLIENT ? "client" : "server"));
}

const char *
maf_expert_cut_text(wmem_allocator_t *pool, const maf_login_t *login, maf_side_t from)
{
    const maf_pending_t *pending = &login->pending[from];
    const char *const sides[] = {"client", "server"};
    const char *message = pending->has_instr ? maf_instr_name(pending->revision, pending->instr) : "message";
    const char *whose = pending->ending && pending->ended_by == from
                            ? "its"
                            : wmem_strdup_printf(pool, "the %s's", sides[from]);
    const char *end = pending->ending
                          ? wmem_strdup_printf(pool, "The %s %s", sides[pending->ended_by], pending->ending)
                          : "The capture ends";

    return wmem_strdup_printf(pool, "%s %u byte%s into %s %s, which begins in frame %u: %s (%s)", end,
                              pending->have, plurality(pending->have, "", "s"), whose, message,
                              pending->packet, missing_text(pool, pending->part, pending->needed),
                              pending->revision == MAF_VER_00 ? "draft-00, Subnegotiation, the diagrams"
                                                              : "draft-01");
}

void
maf_expert_cut(packet_info *pinfo, proto_item *item, maf_login_t *login, maf_side_t from)
{
    maf_pending_t *pending = &login->pending[from];
    const char *text = maf_expert_cut_text(pinfo->pool, login, from);

    say(pinfo, item, login, from, &ei_truncated, text);
    if (!pinfo->fd->visited)
        pending->diagnosis = login->last_diagnosis;
}

void
maf_expert_register(int proto)
{
    expert_register_field_array(expert_register_protocol(proto), registered, G_N_ELEMENTS(registered));
}
