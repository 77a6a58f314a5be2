/* maf-tree.c
 * One message in the packet details, and its phrase in the Info column
 *
 * draft-ietf-aft-socks-maf-00, "Multi-Authentication Framework Method for SOCKS V5"
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-tree.h"

#include <epan/expert.h>
#include <epan/proto_data.h>
#include <epan/strutil.h>
#include <epan/tfs.h>
#include <wsutil/str_util.h>

#include "maf-expert.h"
#include "maf-info.h"
#include "maf-methods.h"
#include "maf-names.h"
#include "maf-protocol.h"

static int proto_maf;

/* The message (draft-00, Subnegotiation) */
static int hf_instr_00 = -1;
static int hf_instr_01 = -1;
static int hf_ver = -1;
static int hf_flags = -1;
static int hf_flags_absolute = -1;
static int hf_nmethods = -1;
static int hf_methods = -1;
static int hf_offered = -1;
static int hf_method = -1;
static int hf_method_name = -1;
static int hf_len = -1;
static int hf_data = -1;
static int hf_data_text = -1;
static int hf_undecoded = -1;

/* What draft-01 adds to it */
static int hf_idlen = -1;
static int hf_group = -1;
static int hf_list_end = -1;
static int hf_offered_uuid = -1;
static int hf_offered_id = -1;
static int hf_mlen = -1;
static int hf_method_uuid = -1;
static int hf_method_id = -1;
static int hf_pad = -1;
static int hf_reserved = -1;
static int hf_oem = -1;
static int hf_oem_uuid = -1;
static int hf_oem_id = -1;

/* The session */
static int hf_from = -1;
static int hf_revision = -1;
static int hf_state = -1;
static int hf_round = -1;
static int hf_round_method = -1;
static int hf_round_duration = -1;
static int hf_do_in = -1;
static int hf_response_in = -1;
static int hf_response_to = -1;
static int hf_response_time = -1;
static int hf_session_rounds = -1;
static int hf_session_duration = -1;

/* The login, on each of its messages */
static int hf_user = -1;
static int hf_session = -1;
static int hf_session_outcome = -1;
static int hf_session_first = -1;
static int hf_session_last = -1;
static int hf_session_closed_by = -1;

static int ett_maf = -1;
static int ett_flags = -1;
static int ett_methods = -1;

static const true_false_string tfs_absolute_relative = {
    "Absolute: start again with the list",
    "Relative: only sub-methods not sent yet",
};

/* The most characters of the DATA of a result that the Info column has room for. */
#define RESULT_TEXT_MAX 60

/* A message being shown */
typedef struct {
    tvbuff_t *tvb;
    packet_info *pinfo;
    proto_tree *parent; /* the packet's tree, for those who dissect DATA */
    proto_tree *tree;   /* the message's */
    const maf_message_t *message;
    maf_verdict_t *verdict;
    maf_login_t *login;
    const char *reason; /* for the next two see maf_info_t */
    const char *note;
    proto_item *parts[MAF_PARTS];
} view_t;

/* A refusal, and the reason that it has in itself. */
static const char *
refusal_of(const maf_message_t *message)
{
    if (message->end != MAF_MESSAGE_WHOLE)
        return NULL;
    if (message->instr == MAF_INSTR_DO && maf_id_is(&message->id, MAF_METHOD_FAILURE))
        return "nothing acceptable";
    return message->instr == MAF_INSTR_FAILURE ? "" : NULL;
}

/* Ids */

/* The fields of an id, by its length. */
typedef struct {
    int *compact;
    int *uuid;
    int *other;
} id_fields_t;

static const id_fields_t offered_fields = {&hf_offered, &hf_offered_uuid, &hf_offered_id};
static const id_fields_t method_fields = {&hf_method, &hf_method_uuid, &hf_method_id};
static const id_fields_t oem_fields = {&hf_oem, &hf_oem_uuid, &hf_oem_id};

static proto_item *
show_id(const view_t *view, proto_tree *tree, const id_fields_t *fields, uint32_t offset, const maf_id_t *id,
        const char *name)
{
    proto_item *item;

    if (id->length == MAF_COMPACT_ID_LEN)
        return proto_tree_add_uint_format_value(tree, *fields->compact, view->tvb, (int)offset, id->length,
                                                id->compact, "%s (0x%08x)", name, id->compact);
    item =
        proto_tree_add_item(tree, id->length == MAF_LONG_ID_LEN ? *fields->uuid : *fields->other, view->tvb,
                            (int)offset, id->length, id->length == MAF_LONG_ID_LEN ? ENC_BIG_ENDIAN : ENC_NA);
    proto_item_append_text(item, " (%s)", name);
    return item;
}

static void
show_method(view_t *view)
{
    const maf_message_t *message = view->message;
    const char *name;
    proto_item *item;

    if (!view->tree)
        return;
    name = maf_method_name(message->revision, &message->id);
    view->parts[MAF_PART_METHOD] =
        show_id(view, view->tree, &method_fields, message->id_offset, &message->id, name);
    item = proto_tree_add_string(view->tree, hf_method_name, view->tvb, (int)message->id_offset,
                                 message->id.length, name);
    proto_item_set_generated(item);
    proto_item_set_hidden(item); /* the line above has the name, too */
}

static void
show_offer(const view_t *view, proto_tree *tree, uint32_t offset, const maf_id_t *id, uint32_t position)
{
    const unsigned revision = view->message->revision;
    const uint32_t *violations = maf_offer_violations_of(view->verdict);
    proto_item *item = show_id(view, tree, &offered_fields, offset, id, maf_method_name(revision, id));

    if (violations && violations[position])
        maf_expert_offer(view->pinfo, item, view->message, view->verdict,
                         view->verdict->is_recorded ? NULL : view->login, id, violations[position]);
}

/* DATA */

/* Is the METHOD the one of the round? Only then is what the round keeps of its payload for the same
 * dissector. */
static bool
runs_method(const view_t *view)
{
    return view->message->instr == MAF_INSTR_DO ||
           (view->message->instr == MAF_INSTR_PROCESS &&
            !(view->verdict->violations & MAF_VIOLATION_METHOD_MISMATCH));
}

static void
show_data(view_t *view)
{
    const maf_message_t *message = view->message;
    const bool is_result = message->instr == MAF_INSTR_SUCCESS || message->instr == MAF_INSTR_FAILURE;
    maf_payload_t payload = {
        .instr = message->instr,
        .revision = message->revision,
        .from = (maf_side_t)view->verdict->from,
        .round = runs_method(view) ? view->verdict->round : NULL,
        .place = view->verdict->place,
        .login = view->verdict->is_recorded ? NULL : view->login,
    };
    tvbuff_t *data;

    if (message->end != MAF_MESSAGE_WHOLE || message->len == 0)
        return;
    if (view->tree)
        proto_tree_add_item(view->tree, hf_data, view->tvb, (int)message->data_offset, (int)message->len,
                            ENC_NA);
    data = tvb_new_subset_length(view->tvb, (int)message->data_offset, (int)message->len);
    if (message->instr != MAF_INSTR_OEM &&
        maf_dissect_data(data, view->pinfo, view->parent, &message->id, &payload)) {
        view->note = payload.note;
        if (payload.user && payload.login)
            maf_login_user(view->login, payload.round, payload.user);
    } else if ((view->tree || is_result || view->reason) && tvb_ascii_isprint(data, 0, -1)) {
        proto_item_set_generated(
            proto_tree_add_item(view->tree, hf_data_text, data, 0, (int)message->len, ENC_ASCII));
        if (is_result || view->reason) {
            const char *text =
                tvb_format_text(view->pinfo->pool, data, 0, MIN((int)message->len, RESULT_TEXT_MAX));

            if (view->reason)
                view->reason = text;
            else
                view->note = text;
        }
    }
}

/* LEN and DATA, with PAD before them if there is any. */
static void
show_len_and_data(view_t *view, uint32_t after)
{
    const maf_message_t *message = view->message;

    if (!message->len_offset)
        return;
    if (view->tree && message->len_offset > after)
        proto_tree_add_item(view->tree, hf_pad, view->tvb, (int)after, (int)(message->len_offset - after),
                            ENC_NA);
    if (view->tree)
        view->parts[MAF_PART_LEN] = proto_tree_add_uint(view->tree, hf_len, view->tvb,
                                                        (int)message->len_offset, MAF_LEN_LEN, message->len);
    show_data(view);
}

/* One function per layout: everything after the header */

typedef void (*layout_fn)(view_t *view);

static void
show_nothing(view_t *view _U_)
{
}

static void
show_list(view_t *view)
{
    const maf_message_t *message = view->message;
    maf_offers_t offers;
    proto_item *item;
    proto_tree *list;
    uint32_t offset;
    maf_id_t id;

    view->parts[MAF_PART_NMETHODS] = proto_tree_add_item(view->tree, hf_nmethods, view->tvb, MAF_HEADER_LEN,
                                                         message->nmethods_width, ENC_BIG_ENDIAN);
    if (!message->list || (!view->tree && !maf_offer_violations_of(view->verdict)))
        return;
    item = proto_tree_add_item(view->tree, hf_methods, view->tvb, (int)message->list_offset,
                               (int)(message->nmethods * MAF_METHOD_LEN), ENC_NA);
    proto_item_append_text(item, " (%u)", message->nmethods);
    list = proto_item_add_subtree(item, ett_methods);
    offers = maf_offers_begin(message);
    while (maf_offers_next(&offers, &id, &offset))
        show_offer(view, list, offset, &id, offers.position - 1);
}

static proto_tree *
show_group(const view_t *view, uint32_t offset, uint8_t count, uint8_t length)
{
    proto_item *item = proto_tree_add_item(view->tree, hf_group, view->tvb, (int)offset,
                                           MAF_GROUP_HEADER_LEN + count * length, ENC_NA);
    proto_tree *group = proto_item_add_subtree(item, ett_methods);

    proto_item_append_text(item, " (%u of %u byte%s each)", count, length, plurality(length, "", "s"));

    proto_tree_add_item(group, hf_nmethods, view->tvb, (int)offset, 1, ENC_BIG_ENDIAN);
    proto_tree_add_item(group, hf_idlen, view->tvb, (int)offset + 1, MAF_IDLEN_LEN, ENC_BIG_ENDIAN);
    return group;
}

static void
show_groups(view_t *view)
{
    const maf_message_t *message = view->message;
    maf_offers_t offers = maf_offers_begin(message);
    proto_tree *group = NULL;
    uint32_t offset;
    maf_id_t id;

    if (!message->list || (!view->tree && !maf_offer_violations_of(view->verdict)))
        return;
    for (bool new_group = true; maf_offers_next(&offers, &id, &offset); new_group = offers.count == 0) {
        if (new_group)
            group = show_group(view, offset - MAF_GROUP_HEADER_LEN, (uint8_t)(offers.count + 1), id.length);
        show_offer(view, group, offset, &id, offers.position - 1);
    }
    view->parts[MAF_PART_NMETHODS] =
        proto_tree_add_item(view->tree, hf_list_end, view->tvb, (int)message->length - 1, 1, ENC_NA);
}

static void
show_method_data(view_t *view)
{
    if (!view->message->id_offset)
        return;
    show_method(view);
    show_len_and_data(view, view->message->id_offset + view->message->id.length);
}

static void
show_id_data(view_t *view)
{
    if (!view->message->id_offset)
        return;
    proto_tree_add_item(view->tree, hf_mlen, view->tvb, MAF_HEADER_LEN, MAF_IDLEN_LEN, ENC_BIG_ENDIAN);
    show_method_data(view);
}

static void
show_oem(view_t *view)
{
    const maf_message_t *message = view->message;

    if (!message->id_offset)
        return;
    view->parts[MAF_PART_RESERVED] = proto_tree_add_item(view->tree, hf_reserved, view->tvb, MAF_HEADER_LEN,
                                                         MAF_RESERVED_LEN, ENC_BIG_ENDIAN);
    proto_tree_add_item(view->tree, hf_idlen, view->tvb, MAF_HEADER_LEN + MAF_RESERVED_LEN, MAF_IDLEN_LEN,
                        ENC_BIG_ENDIAN);
    show_id(view, view->tree, &oem_fields, message->id_offset, &message->id, maf_oem_name(&message->id));
    show_len_and_data(view, message->id_offset + message->id.length);
}

static const layout_fn layout_fns[] = {
    [MAF_LAYOUT_UNKNOWN] = show_nothing, [MAF_LAYOUT_HEADER] = show_nothing,
    [MAF_LAYOUT_LIST] = show_list,       [MAF_LAYOUT_METHOD_DATA] = show_method_data,
    [MAF_LAYOUT_GROUPS] = show_groups,   [MAF_LAYOUT_ID] = show_id_data,
    [MAF_LAYOUT_ID_DATA] = show_id_data, [MAF_LAYOUT_OEM] = show_oem,
};

static void
show_header(view_t *view)
{
    static int *const request_more_flags[] = {&hf_flags_absolute, NULL};

    const maf_message_t *message = view->message;

    view->parts[MAF_PART_INSTR] =
        proto_tree_add_uint(view->tree, message->revision == MAF_VER_00 ? hf_instr_00 : hf_instr_01,
                            view->tvb, 0, 1, message->instr);
    view->parts[MAF_PART_VER] = proto_tree_add_uint(view->tree, hf_ver, view->tvb, 1, 1, message->ver);
    if (message->instr == MAF_INSTR_REQUEST_MORE)
        view->parts[MAF_PART_FLAGS] = proto_tree_add_bitmask(view->tree, view->tvb, 2, hf_flags, ett_flags,
                                                             request_more_flags, ENC_BIG_ENDIAN);
    else
        view->parts[MAF_PART_FLAGS] =
            proto_tree_add_uint(view->tree, hf_flags, view->tvb, 2, 2, message->flags);
}

/* What the session knows of the message */

static void
add_generated_uint(const view_t *view, int hf, uint32_t value)
{
    proto_item_set_generated(proto_tree_add_uint(view->tree, hf, view->tvb, 0, 0, value));
}

static void
add_generated_time(const view_t *view, int hf, const nstime_t *value)
{
    proto_item_set_generated(proto_tree_add_time(view->tree, hf, view->tvb, 0, 0, value));
}

static void
add_generated_string(const view_t *view, int hf, const char *value)
{
    proto_item_set_generated(proto_tree_add_string(view->tree, hf, view->tvb, 0, 0, value));
}

/* What is only known later is shown on a later pass. */
static void
show_login(const view_t *view)
{
    const maf_login_t *login = view->login;
    const bool is_later_pass = view->pinfo->fd->visited;
    const char *user = maf_login_user_of(login, view->verdict, is_later_pass);

    add_generated_uint(view, hf_session, login->number);
    if (user)
        add_generated_string(view, hf_user, user);
    if (is_later_pass || login->outcome != MAF_OUTCOME_UNFINISHED)
        add_generated_uint(view, hf_session_outcome, login->outcome);
    add_generated_uint(view, hf_session_first, login->first);
    if (is_later_pass)
        add_generated_uint(view, hf_session_last, login->last);
    if (is_later_pass && login->closed_by && view->verdict == login->last_message)
        add_generated_string(view, hf_session_closed_by, login->closed_by);
}

/* Only shown where METHOD is another one, or there is none. */
static void
show_round_method(const view_t *view)
{
    const maf_verdict_t *verdict = view->verdict;
    const maf_id_t *method = &verdict->round->method;
    proto_item *item = proto_tree_add_string(view->tree, hf_round_method, view->tvb, 0, 0,
                                             maf_method_name(verdict->revision, method));

    proto_item_set_generated(item);
    if (view->parts[MAF_PART_METHOD] && maf_id_equal(method, &view->message->id))
        proto_item_set_hidden(item);
}

static void
show_session(const view_t *view)
{
    const maf_verdict_t *verdict = view->verdict;
    const maf_ending_t *ending = maf_ending_of(verdict);

    proto_item_set_generated(proto_tree_add_string(view->tree, hf_from, view->tvb, 0, 0,
                                                   verdict->from == MAF_CLIENT ? "Client" : "Server"));
    add_generated_uint(view, hf_revision, verdict->revision);
    if (verdict->state != MAF_STATE_UNKNOWN)
        add_generated_uint(view, hf_state, verdict->state);
    if (verdict->round) {
        add_generated_uint(view, hf_round, verdict->round->number);
        show_round_method(view);
    }
    if (maf_begins_round(view->message, verdict) && verdict->round->decision)
        add_generated_time(view, hf_round_duration, &verdict->round->duration);
    if (verdict->follows_do)
        add_generated_uint(view, hf_do_in, maf_do_in(verdict));
    if (verdict->response_to) {
        const nstime_t response_time = maf_response_time(verdict);

        add_generated_uint(view, hf_response_to, verdict->response_to);
        add_generated_time(view, hf_response_time, &response_time);
    }
    if (verdict->response_in)
        add_generated_uint(view, hf_response_in, verdict->response_in);
    if (ending) {
        add_generated_uint(view, hf_session_rounds, ending->rounds);
        add_generated_time(view, hf_session_duration, &ending->duration);
    }
}

void
maf_tree_message(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, const maf_message_t *message,
                 maf_verdict_t *verdict, maf_login_t *login, bool is_first)
{
    view_t view = {.tvb = tvb,
                   .pinfo = pinfo,
                   .parent = tree,
                   .message = message,
                   .verdict = verdict,
                   .login = login,
                   .reason = refusal_of(message)};
    proto_item *top = NULL;

    if (tree) {
        top = proto_tree_add_item(tree, proto_maf, tvb, 0, (int)message->length, ENC_NA);
        view.parts[MAF_PART_MESSAGE] = top;
        view.tree = proto_item_add_subtree(top, ett_maf);
    }
    if (tree && message->understood >= MAF_HEADER_LEN)
        show_header(&view);
    if (message->understood > MAF_HEADER_LEN)
        layout_fns[message->layout](&view);
    if (message->understood < message->length)
        proto_tree_add_item(view.tree, hf_undecoded, tvb, (int)message->understood, -1, ENC_NA);
    if (tree) {
        show_session(&view);
        show_login(&view);
    }
    maf_expert_message(pinfo, view.parts, message, verdict, verdict->is_recorded ? NULL : login);
    verdict->is_recorded = true;

    if (tree || col_get_writable(pinfo->cinfo, COL_INFO)) {
        const maf_info_t info = {pinfo, message, verdict, login, view.reason, view.note};
        char phrase[MAF_INFO_MAX];

        maf_info_write(&info, phrase);
        if (is_first)
            col_add_str(pinfo->cinfo, COL_INFO, phrase);
        else
            col_append_sep_str(pinfo->cinfo, COL_INFO, ", ", phrase);
        if (tree)
            proto_item_set_text(top, MAF_NAME ", %s", phrase);
    }
}

void
maf_tree_undecoded(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    proto_item *item = proto_tree_add_item(tree, proto_maf, tvb, 0, -1, ENC_NA);

    proto_item_append_text(item, ", Undecoded");
    proto_tree_add_item(proto_item_add_subtree(item, ett_maf), hf_undecoded, tvb, 0, -1, ENC_NA);
    col_set_str(pinfo->cinfo, COL_PROTOCOL, "MAF");
    col_clear(pinfo->cinfo, COL_INFO);
    col_append_str(pinfo->cinfo, COL_INFO, "Undecoded");
}

/* A line of its own, for what is said of a connection and of no message. */
static proto_item *
add_remark(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, const char *title)
{
    proto_item *item = proto_tree_add_item(tree, proto_maf, tvb, 0, 0, ENC_NA);

    pinfo->current_proto = "MAF"; /* else the expert info has the protocol of the packet's last layer */
    proto_item_append_text(item, ", %s", title);
    proto_item_set_generated(item);
    return item;
}

void
maf_tree_early_request(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_login_t *login,
                       maf_state_t state)
{
    maf_expert_request(pinfo, add_remark(tvb, pinfo, tree, "Unexpected SOCKS request"), login, state);
}

void
maf_tree_unoffered_selection(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_login_t *login)
{
    maf_expert_unoffered_selection(pinfo, add_remark(tvb, pinfo, tree, "MAF selected, not offered"), login);
}

void
maf_tree_gap(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_login_t *login, maf_side_t from)
{
    maf_expert_gap(pinfo, add_remark(tvb, pinfo, tree, "Missing segment"), login, from);
}

void
maf_tree_cut(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_login_t *login, maf_side_t from)
{
    proto_item *item = add_remark(tvb, pinfo, tree, "Incomplete message");

    col_append_sep_str(pinfo->cinfo, COL_INFO, " ", "[MAF message incomplete]");
    maf_expert_cut(pinfo, item, login, from);
}

void
maf_tree_register(int proto)
{
    static hf_register_info hf[] = {
        {&hf_instr_00,
         {"Instruction", "maf.instr", FT_UINT8, BASE_DEC, VALS(maf_instr_names_00), 0,
          "What the message requests or reports (INSTR)", HFILL}},
        {&hf_instr_01,
         {"Instruction", "maf.instr", FT_UINT8, BASE_DEC, VALS(maf_instr_names_01), 0,
          "What the message requests or reports (INSTR)", HFILL}},
        {&hf_ver,
         {"Version", "maf.ver", FT_UINT8, BASE_DEC, NULL, 0,
          "Revision of the protocol that the sender uses: 0 or 1 (VER)", HFILL}},
        {&hf_flags,
         {"Flags", "maf.flags", FT_UINT16, BASE_HEX, NULL, 0,
          "0, except bit 0 in Request additional sub-methods (FLAGS)", HFILL}},
        {&hf_flags_absolute,
         {"Method download", "maf.flags.absolute", FT_BOOLEAN, 16, TFS(&tfs_absolute_relative),
          MAF_FLAGS_ABSOLUTE,
          "Whether the client must send its list from the beginning, or only the sub-methods not sent yet",
          HFILL}},
        {&hf_nmethods,
         {"Number of methods", "maf.nmethods", FT_UINT32, BASE_DEC, NULL, 0,
          "Number of sub-methods in the list, or in revision 01 in a group of it (NMETHODS, COUNT)", HFILL}},
        {&hf_methods,
         {"Methods", "maf.methods", FT_NONE, BASE_NONE, NULL, 0,
          "The sub-methods that the client offers in revision 00 (METHODS)", HFILL}},
        {&hf_offered,
         {"Method", "maf.offered", FT_UINT32, BASE_HEX, NULL, 0,
          "A sub-method that the client offers, as a number (METHODS)", HFILL}},
        {&hf_method,
         {"Method", "maf.method", FT_UINT32, BASE_HEX, NULL, 0,
          "The sub-method that is run, as a number; in Success and Failure, the result (METHOD)", HFILL}},
        {&hf_method_name,
         {"Method name", "maf.method.name", FT_STRING, BASE_NONE, NULL, 0,
          "Name of the sub-method or result, or of the range that its number is in; hidden, because Method "
          "shows it as well",
          HFILL}},
        {&hf_len,
         {"Length", "maf.len", FT_UINT32, BASE_DEC, NULL, 0, "Length of DATA in bytes (LEN, DLEN)", HFILL}},
        {&hf_data,
         {"Data", "maf.data", FT_BYTES, BASE_NONE, NULL, 0,
          "What the sub-method exchanges, or what the server adds to the result (DATA)", HFILL}},
        {&hf_data_text,
         {"Data as text", "maf.data.text", FT_STRING, BASE_NONE, NULL, 0,
          "DATA that is printable text and that no other dissector takes", HFILL}},
        {&hf_idlen,
         {"Id length", "maf.idlen", FT_UINT8, BASE_DEC, NULL, 0,
          "Length in bytes of each id of the group, or of the OEM id (IDLEN)", HFILL}},
        {&hf_group,
         {"Methods", "maf.group", FT_NONE, BASE_NONE, NULL, 0,
          "A group of sub-methods whose ids have the same length (COUNT, IDLEN, IDS)", HFILL}},
        {&hf_list_end,
         {"End of list", "maf.list_end", FT_BYTES, BASE_NONE, NULL, 0,
          "The byte 00 that ends a list of groups", HFILL}},
        {&hf_offered_uuid,
         {"Method", "maf.offered.uuid", FT_GUID, BASE_NONE, NULL, 0,
          "A sub-method that the client offers, as a UUID (METHODS)", HFILL}},
        {&hf_offered_id,
         {"Method", "maf.offered.id", FT_BYTES, BASE_NONE, NULL, 0,
          "A sub-method that the client offers, as an id that is neither 4 nor 16 bytes long (METHODS)",
          HFILL}},
        {&hf_mlen,
         {"Method length", "maf.mlen", FT_UINT8, BASE_DEC, NULL, 0, "Length of METHOD in bytes (MLEN)",
          HFILL}},
        {&hf_method_uuid,
         {"Method", "maf.method.uuid", FT_GUID, BASE_NONE, NULL, 0,
          "The sub-method that is run, as a UUID (METHOD)", HFILL}},
        {&hf_method_id,
         {"Method", "maf.method.id", FT_BYTES, BASE_NONE, NULL, 0,
          "The sub-method that is run, as an id that is neither 4 nor 16 bytes long (METHOD)", HFILL}},
        {&hf_pad,
         {"Padding", "maf.pad", FT_BYTES, BASE_NONE, NULL, 0,
          "Fills the message up to a multiple of four bytes before DLEN (PAD)", HFILL}},
        {&hf_reserved,
         {"Reserved", "maf.reserved", FT_UINT24, BASE_HEX, NULL, 0, "0; reserved for later use (RESERVED)",
          HFILL}},
        {&hf_oem,
         {"OEM", "maf.oem", FT_UINT32, BASE_HEX, NULL, 0,
          "Vendor of this extension of the protocol, as a number (OEMID)", HFILL}},
        {&hf_oem_uuid,
         {"OEM", "maf.oem.uuid", FT_GUID, BASE_NONE, NULL, 0,
          "Vendor of this extension of the protocol, as a UUID (OEMID)", HFILL}},
        {&hf_oem_id,
         {"OEM", "maf.oem.id", FT_BYTES, BASE_NONE, NULL, 0,
          "Vendor of this extension of the protocol, as an id that is neither 4 nor 16 bytes long (OEMID)",
          HFILL}},
        {&hf_undecoded,
         {"Undecoded", "maf.undecoded", FT_BYTES, BASE_NONE, NULL, 0,
          "Bytes that are not part of a MAF message", HFILL}},
        {&hf_from,
         {"From", "maf.from", FT_STRING, BASE_NONE, NULL, 0, "Who sent this: client or server", HFILL}},
        {&hf_revision,
         {"Revision", "maf.revision", FT_UINT8, BASE_DEC, NULL, 0,
          "Revision of the draft by which the message is decoded: 0 or 1", HFILL}},
        {&hf_state,
         {"State after this message", "maf.state", FT_UINT8, BASE_DEC, VALS(maf_state_names), 0,
          "State of the session after this message", HFILL}},
        {&hf_round,
         {"Round", "maf.round", FT_UINT32, BASE_DEC, NULL, 0,
          "Number of the round that this message belongs to, from 1; each Do begins a round", HFILL}},
        {&hf_round_method,
         {"Sub-method run", "maf.round.method", FT_STRING, BASE_NONE, NULL, 0,
          "Name of the sub-method that this round runs; in the result, of the last one run; hidden where "
          "Method shows it as well",
          HFILL}},
        {&hf_round_duration,
         {"Round duration", "maf.round.duration", FT_RELATIVE_TIME, BASE_NONE, NULL, 0,
          "Time from the Do of the round to the server's next decision", HFILL}},
        {&hf_do_in,
         {"Do in", "maf.do_in", FT_FRAMENUM, BASE_NONE, NULL, 0,
          "The message with the Do that began this round", HFILL}},
        {&hf_response_in,
         {"Response in", "maf.response_in", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_RESPONSE), 0,
          "The message with which the other side answers this one", HFILL}},
        {&hf_response_to,
         {"Response to", "maf.response_to", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_REQUEST), 0,
          "The message of the other side that this one answers", HFILL}},
        {&hf_response_time,
         {"Response time", "maf.response_time", FT_RELATIVE_TIME, BASE_NONE, NULL, 0,
          "Time between this answer and the message that it answers", HFILL}},
        {&hf_session_rounds,
         {"Rounds", "maf.session.rounds", FT_UINT32, BASE_DEC, NULL, 0,
          "Number of rounds of the login; in the message that ends it", HFILL}},
        {&hf_session_duration,
         {"Duration", "maf.session.duration", FT_RELATIVE_TIME, BASE_NONE, NULL, 0,
          "Time since the first MAF message of the login; in the message that ends it", HFILL}},
        {&hf_session,
         {"Session", "maf.session", FT_UINT32, BASE_DEC, NULL, 0,
          "Number of the login in the capture, from 0", HFILL}},
        {&hf_user,
         {"User", "maf.user", FT_STRING, BASE_NONE, NULL, 0,
          "User who logs in, as named in this round, or else in an earlier one", HFILL}},
        {&hf_session_outcome,
         {"Outcome", "maf.session.outcome", FT_UINT8, BASE_DEC, VALS(maf_outcome_names), 0,
          "How the login ended", HFILL}},
        {&hf_session_first,
         {"First message in", "maf.session.first", FT_FRAMENUM, BASE_NONE, NULL, 0,
          "The frame with the first message of the login", HFILL}},
        {&hf_session_last,
         {"Last message in", "maf.session.last", FT_FRAMENUM, BASE_NONE, NULL, 0,
          "The frame with the last message of the login", HFILL}},
        {&hf_session_closed_by,
         {"Closed by", "maf.session.closed_by", FT_STRING, BASE_NONE, NULL, 0,
          "Who closed the connection of a login that did not succeed; in its last message", HFILL}},
    };
    static int *ett[] = {&ett_maf, &ett_flags, &ett_methods};

    proto_maf = proto;
    proto_register_field_array(proto, hf, G_N_ELEMENTS(hf));
    proto_register_subtree_array(ett, G_N_ELEMENTS(ett));
}
