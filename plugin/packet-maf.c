/* packet-maf.c
 * Fields, trees and columns of the Multi-Authentication Framework
 *
 * draft-ietf-aft-socks-maf-00, "Multi-Authentication Framework Method for SOCKS V5"
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "packet-maf.h"

#include <epan/expert.h>
#include <epan/prefs.h>
#include <epan/proto_data.h>
#include <epan/tfs.h>
#include <wsutil/str_util.h>

#include "maf-diagnosis.h"
#include "maf-handoff.h"
#include "maf-methods.h"
#include "maf-protocol.h"
#include "maf-session-table.h"
#include "maf-stats.h"
#include "maf-tap.h"

maf_prefs_t maf_prefs = {
    .revision = MAF_REVISION_BY_LIST,
    .framing = {.nmethods_width = MAF_NMETHODS_AUTO, .max_length = 1024 * 1024},
    .desegment = true,
    .dissect_socks = true,
};

static int proto_maf = -1;

/* The frame (draft-00, Subnegotiation) */
static int hf_instr = -1;
static int hf_ver = -1;
static int hf_flags = -1;
static int hf_flags_absolute = -1;
static int hf_nmethods = -1;
static int hf_offered = -1;
static int hf_method = -1;
static int hf_method_name = -1;
static int hf_len = -1;
static int hf_data = -1;
static int hf_data_text = -1;
static int hf_undecoded = -1;

/* What draft-01 adds to it */
static int hf_idlen = -1;
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
static int hf_round_duration = -1;
static int hf_do_in = -1;
static int hf_response_in = -1;
static int hf_response_to = -1;
static int hf_response_time = -1;
static int hf_session_rounds = -1;
static int hf_session_duration = -1;

static int ett_maf = -1;
static int ett_flags = -1;
static int ett_methods = -1;

#define INSTR_NAME(constant, value, name_00, name_01) {value, name_00},
static const value_string instr_names_00[] = {MAF_INSTRUCTIONS(INSTR_NAME){0, NULL}};
#undef INSTR_NAME

#define INSTR_NAME(constant, value, name_00, name_01) {value, name_01},
static const value_string instr_names_01[] = {MAF_INSTRUCTIONS(INSTR_NAME){0, NULL}};
#undef INSTR_NAME

static const value_string state_names[] = {
    {MAF_STATE_AWAITING_LIST, "Awaiting list"},
    {MAF_STATE_AWAITING_DECISION, "Awaiting decision"},
    {MAF_STATE_AWAITING_MORE, "Awaiting more"},
    {MAF_STATE_EXECUTING, "Executing"},
    {MAF_STATE_SUCCEEDED, "Succeeded"},
    {MAF_STATE_FAILED, "Failed"},
    {0, NULL},
};

static const true_false_string tfs_absolute_relative = {
    "Absolute: start again with the list",
    "Relative: only sub-methods not sent yet",
};

const char *
maf_instr_name(unsigned revision, uint8_t instr)
{
    const char *name = try_val_to_str(instr, revision == MAF_VER_00 ? instr_names_00 : instr_names_01);

    return name ? name : "Unknown instruction";
}

/* The most characters of the DATA of a result that the Info column has room for. */
#define RESULT_TEXT_MAX 60

/* Room for what most summaries are, in characters: to let one grow costs as much as to write it. */
#define SUMMARY_USUAL 80

/* A frame being shown */
typedef struct {
    tvbuff_t *tvb;
    packet_info *pinfo;
    proto_tree *parent; /* the packet's tree, for those who dissect DATA */
    proto_tree *tree;   /* the frame's */
    const maf_frame_t *frame;
    const maf_verdict_t *verdict;
    const char *note; /* what the payload dissector has to say, or NULL */
    proto_item *parts[MAF_PARTS];
} view_t;

/* Columns, and the top line of the tree */

static void
append_list_summary(wmem_strbuf_t *summary, const maf_frame_t *frame)
{
    maf_offers_t offers = maf_offers_begin(frame);
    uint32_t methods = 0;
    uint32_t offset;
    maf_id_t id;

    while (maf_offers_next(&offers, &id, &offset)) {
        if (!maf_id_is(&id, MAF_METHOD_MORE_AVAILABLE))
            methods++;
    }
    wmem_strbuf_append_printf(summary, ": %u%s", methods,
                              methods < frame->nmethods ? " (more available)" : "");
}

static const char *
oem_name(const maf_id_t *id)
{
    if (maf_id_is(id, MAF_OEM_NOT_RECOGNISED))
        return "Not recognised";
    if (id->length != MAF_COMPACT_ID_LEN)
        return "OEM";
    if (id->compact <= MAF_OEM_TEST_LAST)
        return "Internal test";
    if (id->compact == MAF_OEM_RESERVED)
        return "Reserved OEM";
    return id->compact < MAF_OEM_GENERAL_FIRST ? "Proprietary OEM" : "General OEM";
}

/* For what most frames have: a printf would take longer than all else that the plugin does for one. */
static void
append_with(wmem_strbuf_t *summary, const char *separator, const char *text)
{
    wmem_strbuf_append(summary, separator);
    wmem_strbuf_append(summary, text);
}

static void
append_id_summary(wmem_strbuf_t *summary, const view_t *view)
{
    const maf_frame_t *frame = view->frame;
    wmem_allocator_t *pool = view->pinfo->pool;

    if (frame->instr == MAF_INSTR_OEM)
        wmem_strbuf_append_printf(summary, ": %s %s", oem_name(&frame->id), maf_id_text(pool, &frame->id));
    else if (frame->instr == MAF_INSTR_DO || frame->instr == MAF_INSTR_PROCESS)
        append_with(summary, ": ", maf_method_label(pool, frame->revision, &frame->id));
    if (frame->len > 0)
        wmem_strbuf_append_printf(summary, " (%u octet%s)", frame->len, plurality(frame->len, "", "s"));
    if (view->note)
        append_with(summary, ", ", view->note);
}

/* One phrase that says what the frame does. */
static const char *
summary_of(const view_t *view)
{
    const maf_frame_t *frame = view->frame;
    wmem_strbuf_t *summary;

    if (frame->understood < MAF_HEADER_LEN)
        return "Incomplete frame";
    if (frame->layout == MAF_LAYOUT_UNKNOWN)
        return wmem_strdup_printf(view->pinfo->pool, "Unknown instruction 0x%02x", frame->instr);

    summary = wmem_strbuf_new_sized(view->pinfo->pool, SUMMARY_USUAL);
    wmem_strbuf_append(summary, maf_instr_name(frame->revision, frame->instr));
    if (frame->list)
        append_list_summary(summary, frame);
    if (frame->id_offset)
        append_id_summary(summary, view);
    if (frame->instr == MAF_INSTR_REQUEST_MORE)
        wmem_strbuf_append(summary, frame->flags & MAF_FLAGS_ABSOLUTE ? " (absolute)" : " (relative)");
    if (frame->understood < frame->length)
        wmem_strbuf_append(summary, " [incomplete]");
    return wmem_strbuf_get_str(summary);
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
    const maf_frame_t *frame = view->frame;
    const char *name = maf_method_name(frame->revision, &frame->id);
    proto_item *item;

    if (!view->tree)
        return;
    view->parts[MAF_PART_METHOD] =
        show_id(view, view->tree, &method_fields, frame->id_offset, &frame->id, name);
    item = proto_tree_add_string(view->tree, hf_method_name, view->tvb, (int)frame->id_offset,
                                 frame->id.length, name);
    proto_item_set_generated(item);
}

static void
show_offer(const view_t *view, proto_tree *tree, uint32_t offset, const maf_id_t *id, uint32_t index)
{
    const unsigned revision = view->frame->revision;
    proto_item *item = show_id(view, tree, &offered_fields, offset, id, maf_method_name(revision, id));

    if (view->verdict->offer_faults && view->verdict->offer_faults[index])
        maf_diagnose_offer(view->pinfo, item, view->frame, view->verdict, id,
                           view->verdict->offer_faults[index]);
}

/* DATA */

/* Is the METHOD the one of the round? Only then is what the round keeps of its payload for the same
 * dissector. */
static bool
runs_method(const view_t *view)
{
    return view->frame->instr == MAF_INSTR_DO ||
           (view->frame->instr == MAF_INSTR_PROCESS && !(view->verdict->faults & MAF_FAULT_METHOD_MISMATCH));
}

static void
show_data(view_t *view)
{
    const maf_frame_t *frame = view->frame;
    const bool is_result = frame->instr == MAF_INSTR_SUCCESS || frame->instr == MAF_INSTR_FAILURE;
    maf_payload_t payload = {
        .instr = frame->instr,
        .revision = frame->revision,
        .from = (maf_side_t)view->verdict->from,
        .round = runs_method(view) ? view->verdict->round : NULL,
        .place = view->verdict->place,
    };
    tvbuff_t *data;

    if (frame->end != MAF_FRAME_WHOLE || frame->len == 0)
        return;
    proto_tree_add_item(view->tree, hf_data, view->tvb, (int)frame->data_offset, (int)frame->len, ENC_NA);
    data = tvb_new_subset_length(view->tvb, (int)frame->data_offset, (int)frame->len);
    if (frame->instr != MAF_INSTR_OEM &&
        maf_dissect_data(data, view->pinfo, view->parent, &frame->id, &payload)) {
        view->note = payload.note;
    } else if ((view->tree || is_result) && tvb_ascii_isprint(data, 0, -1)) {
        proto_item_set_generated(
            proto_tree_add_item(view->tree, hf_data_text, data, 0, (int)frame->len, ENC_ASCII));
        if (is_result)
            view->note = tvb_format_text(view->pinfo->pool, data, 0, MIN((int)frame->len, RESULT_TEXT_MAX));
    }
}

/* LEN and DATA, with PAD before them if there is any. */
static void
show_len_and_data(view_t *view, uint32_t after)
{
    const maf_frame_t *frame = view->frame;

    if (!frame->len_offset)
        return;
    if (frame->len_offset > after)
        proto_tree_add_item(view->tree, hf_pad, view->tvb, (int)after, (int)(frame->len_offset - after),
                            ENC_NA);
    view->parts[MAF_PART_LEN] = proto_tree_add_item(view->tree, hf_len, view->tvb, (int)frame->len_offset,
                                                    MAF_LEN_LEN, ENC_BIG_ENDIAN);
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
    const maf_frame_t *frame = view->frame;
    maf_offers_t offers;
    proto_tree *list;
    uint32_t offset;
    maf_id_t id;

    view->parts[MAF_PART_NMETHODS] = proto_tree_add_item(view->tree, hf_nmethods, view->tvb, MAF_HEADER_LEN,
                                                         frame->nmethods_width, ENC_BIG_ENDIAN);
    if (!frame->list || (!view->tree && !view->verdict->offer_faults))
        return;
    list = proto_tree_add_subtree_format(view->tree, view->tvb, (int)frame->list_offset,
                                         (int)(frame->nmethods * MAF_METHOD_LEN), ett_methods, NULL,
                                         "Methods (%u)", frame->nmethods);
    offers = maf_offers_begin(frame);
    while (maf_offers_next(&offers, &id, &offset))
        show_offer(view, list, offset, &id, offers.index - 1);
}

static proto_tree *
show_group(const view_t *view, uint32_t offset, uint8_t count, uint8_t length)
{
    proto_tree *group = proto_tree_add_subtree_format(
        view->tree, view->tvb, (int)offset, MAF_GROUP_HEADER_LEN + count * length, ett_methods, NULL,
        "Methods (%u of %u octet%s each)", count, length, plurality(length, "", "s"));

    proto_tree_add_item(group, hf_nmethods, view->tvb, (int)offset, 1, ENC_BIG_ENDIAN);
    proto_tree_add_item(group, hf_idlen, view->tvb, (int)offset + 1, MAF_IDLEN_LEN, ENC_BIG_ENDIAN);
    return group;
}

static void
show_groups(view_t *view)
{
    const maf_frame_t *frame = view->frame;
    maf_offers_t offers = maf_offers_begin(frame);
    proto_tree *group = NULL;
    uint32_t offset;
    maf_id_t id;

    if (!frame->list || (!view->tree && !view->verdict->offer_faults))
        return;
    for (bool new_group = true; maf_offers_next(&offers, &id, &offset); new_group = offers.count == 0) {
        if (new_group)
            group = show_group(view, offset - MAF_GROUP_HEADER_LEN, (uint8_t)(offers.count + 1), id.length);
        show_offer(view, group, offset, &id, offers.index - 1);
    }
    view->parts[MAF_PART_NMETHODS] =
        proto_tree_add_item(view->tree, hf_list_end, view->tvb, (int)frame->length - 1, 1, ENC_NA);
}

static void
show_method_data(view_t *view)
{
    if (!view->frame->id_offset)
        return;
    show_method(view);
    show_len_and_data(view, view->frame->id_offset + view->frame->id.length);
}

static void
show_id_data(view_t *view)
{
    if (!view->frame->id_offset)
        return;
    proto_tree_add_item(view->tree, hf_mlen, view->tvb, MAF_HEADER_LEN, MAF_IDLEN_LEN, ENC_BIG_ENDIAN);
    show_method_data(view);
}

static void
show_oem(view_t *view)
{
    const maf_frame_t *frame = view->frame;

    if (!frame->id_offset)
        return;
    view->parts[MAF_PART_RESERVED] = proto_tree_add_item(view->tree, hf_reserved, view->tvb, MAF_HEADER_LEN,
                                                         MAF_RESERVED_LEN, ENC_BIG_ENDIAN);
    proto_tree_add_item(view->tree, hf_idlen, view->tvb, MAF_HEADER_LEN + MAF_RESERVED_LEN, MAF_IDLEN_LEN,
                        ENC_BIG_ENDIAN);
    show_id(view, view->tree, &oem_fields, frame->id_offset, &frame->id, oem_name(&frame->id));
    show_len_and_data(view, frame->id_offset + frame->id.length);
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

    const maf_frame_t *frame = view->frame;

    view->parts[MAF_PART_INSTR] =
        proto_tree_add_uint_format_value(view->tree, hf_instr, view->tvb, 0, 1, frame->instr, "%s (%u)",
                                         maf_instr_name(frame->revision, frame->instr), frame->instr);
    view->parts[MAF_PART_VER] = proto_tree_add_item(view->tree, hf_ver, view->tvb, 1, 1, ENC_BIG_ENDIAN);
    if (frame->instr == MAF_INSTR_REQUEST_MORE)
        view->parts[MAF_PART_FLAGS] = proto_tree_add_bitmask(view->tree, view->tvb, 2, hf_flags, ett_flags,
                                                             request_more_flags, ENC_BIG_ENDIAN);
    else
        view->parts[MAF_PART_FLAGS] =
            proto_tree_add_item(view->tree, hf_flags, view->tvb, 2, 2, ENC_BIG_ENDIAN);
}

/* What the session knows of the frame */

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
show_session(const view_t *view)
{
    const maf_verdict_t *verdict = view->verdict;

    proto_item_set_generated(proto_tree_add_string(view->tree, hf_from, view->tvb, 0, 0,
                                                   verdict->from == MAF_CLIENT ? "Client" : "Server"));
    add_generated_uint(view, hf_revision, verdict->revision);
    if (verdict->state != MAF_STATE_UNKNOWN)
        add_generated_uint(view, hf_state, verdict->state);
    if (verdict->round)
        add_generated_uint(view, hf_round, verdict->round->number);
    if (maf_begins_round(view->frame, verdict) && verdict->round->decision)
        add_generated_time(view, hf_round_duration, &verdict->round->duration);
    if (verdict->do_in)
        add_generated_uint(view, hf_do_in, verdict->do_in);
    if (verdict->response_to) {
        add_generated_uint(view, hf_response_to, verdict->response_to);
        add_generated_time(view, hf_response_time, &verdict->response_time);
    }
    if (verdict->response_in)
        add_generated_uint(view, hf_response_in, verdict->response_in);
    if (verdict->ending) {
        add_generated_uint(view, hf_session_rounds, verdict->ending->rounds);
        add_generated_time(view, hf_session_duration, &verdict->ending->duration);
    }
}

/* Add a phrase to the Info column, after those of the frames before it in the packet. */
static void
add_info(packet_info *pinfo, const char *phrase)
{
    enum { HAS_INFO_KEY = 1 };
    const bool has_info = p_get_proto_data(pinfo->pool, pinfo, proto_maf, HAS_INFO_KEY) != NULL;

    col_append_sep_str(pinfo->cinfo, COL_INFO, has_info ? ", " : "", phrase);
    if (!has_info)
        p_add_proto_data(pinfo->pool, pinfo, proto_maf, HAS_INFO_KEY, pinfo);
}

void
maf_show_frame(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, const maf_frame_t *frame,
               const maf_verdict_t *verdict)
{
    view_t view = {.tvb = tvb, .pinfo = pinfo, .parent = tree, .frame = frame, .verdict = verdict};
    proto_item *top = proto_tree_add_item(tree, proto_maf, tvb, 0, (int)frame->length, ENC_NA);

    view.parts[MAF_PART_FRAME] = top;
    view.tree = proto_item_add_subtree(top, ett_maf);
    if (tree && frame->understood >= MAF_HEADER_LEN)
        show_header(&view);
    if (frame->understood > MAF_HEADER_LEN)
        layout_fns[frame->layout](&view);
    if (frame->understood < frame->length)
        proto_tree_add_item(view.tree, hf_undecoded, tvb, (int)frame->understood, -1, ENC_NA);
    if (tree)
        show_session(&view);
    maf_diagnose_frame(pinfo, view.parts, frame, verdict);

    if (tree || col_get_writable(pinfo->cinfo, COL_INFO)) {
        const char *summary = summary_of(&view);

        add_info(pinfo, summary);
        proto_item_append_text(top, ", %s", summary);
    }
}

void
maf_show_undecoded(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    proto_item *item = proto_tree_add_item(tree, proto_maf, tvb, 0, -1, ENC_NA);

    proto_item_append_text(item, ", Undecoded");
    proto_tree_add_item(proto_item_add_subtree(item, ett_maf), hf_undecoded, tvb, 0, -1, ENC_NA);
    col_set_str(pinfo->cinfo, COL_PROTOCOL, "MAF");
    col_clear(pinfo->cinfo, COL_INFO);
    add_info(pinfo, "Undecoded");
}

void
maf_show_early_request(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_state_t state)
{
    proto_item *item = proto_tree_add_item(tree, proto_maf, tvb, 0, 0, ENC_NA);

    proto_item_append_text(item, ", SOCKS request out of turn");
    proto_item_set_generated(item);
    maf_diagnose_request(pinfo, item, state);
}

void
maf_show_cut(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_side_t from, unsigned revision,
             uint32_t began, bool closed)
{
    proto_item *item = proto_tree_add_item(tree, proto_maf, tvb, 0, 0, ENC_NA);

    pinfo->current_proto = "MAF"; /* else the expert info goes by the protocol of the frame's last layer */
    proto_item_append_text(item, ", Incomplete frame");
    proto_item_set_generated(item);
    col_append_sep_str(pinfo->cinfo, COL_INFO, " ", "[MAF frame incomplete]");
    maf_diagnose_cut(pinfo, item, from, revision, began, closed);
}

/* Registration */

static void
register_preferences(void)
{
    static const enum_val_t nmethods_widths[] = {
        {"auto", "As its first octet says", MAF_NMETHODS_AUTO},
        {"1", "One octet (the text of draft-00)", MAF_NMETHODS_1},
        {"4", "Four octets (the diagram of draft-00)", MAF_NMETHODS_4},
        {NULL, NULL, 0},
    };
    static const enum_val_t revisions[] = {
        {"auto", "As the client's first list says", MAF_REVISION_BY_LIST},
        {"00", "00 (March 1998)", MAF_VER_00},
        {"01", "01 (August 1999)", MAF_VER_01},
        {NULL, NULL, 0},
    };
    module_t *module = prefs_register_protocol(proto_maf, NULL);

    range_convert_str(wmem_epan_scope(), &maf_prefs.socks_methods, G_STRINGIFY(MAF_SOCKS_METHOD), UINT8_MAX);
    prefs_register_range_preference(
        module, "socks_methods", "SOCKS methods",
        "SOCKS 5 METHOD numbers that select MAF. 8 is the one assigned; implementations "
        "older than that use private numbers, 128 to 254",
        &maf_prefs.socks_methods, UINT8_MAX);
    prefs_register_enum_preference(
        module, "revision", "Revision of the draft",
        "The draft that frames are read by: auto, the one that the client's first list tells; 00; or 01",
        &maf_prefs.revision, revisions, false);
    prefs_register_enum_preference(module, "nmethods_width", "Width of NMETHODS",
                                   "How wide NMETHODS is in a list of revision 00, where the draft "
                                   "contradicts itself: auto, as its first octet says; 1 or 4 octets",
                                   &maf_prefs.framing.nmethods_width, nmethods_widths, false);
    prefs_register_uint_preference(module, "max_length", "Longest DATA (octets)",
                                   "A LEN greater than this is taken for an error, and nothing is waited for",
                                   10, &maf_prefs.framing.max_length);
    prefs_register_bool_preference(module, "desegment", "Reassemble frames that span several TCP segments",
                                   "Put frames together that span several TCP segments. To use this, also "
                                   "enable \"Allow subdissectors to reassemble TCP streams\" in the "
                                   "preferences of TCP",
                                   &maf_prefs.desegment);
    prefs_register_bool_preference(
        module, "dissect_socks", "Dissect SOCKS after success",
        "Hand the stream back to the SOCKS dissector once the authentication succeeded",
        &maf_prefs.dissect_socks);
    maf_methods_register(proto_maf, module);
}

void
proto_register_maf(void)
{
    static hf_register_info hf[] = {
        {&hf_instr,
         {"Instruction", "maf.instr", FT_UINT8, BASE_DEC, VALS(instr_names_00), 0,
          "What the frame asks for or tells (INSTR)", HFILL}},
        {&hf_ver,
         {"Version", "maf.ver", FT_UINT8, BASE_DEC, NULL, 0,
          "Revision of the protocol that the sender speaks: 0 or 1 (VER)", HFILL}},
        {&hf_flags,
         {"Flags", "maf.flags", FT_UINT16, BASE_HEX, NULL, 0,
          "0, except in Request additional sub-methods, of which see bit 0 (FLAGS)", HFILL}},
        {&hf_flags_absolute,
         {"Method download", "maf.flags.absolute", FT_BOOLEAN, 16, TFS(&tfs_absolute_relative),
          MAF_FLAGS_ABSOLUTE,
          "Whether the client is to start again with its list, or to send only what it has not sent yet",
          HFILL}},
        {&hf_nmethods,
         {"Number of methods", "maf.nmethods", FT_UINT32, BASE_DEC, NULL, 0,
          "How many sub-methods the list offers, or in revision 01 a group of it (NMETHODS, COUNT)", HFILL}},
        {&hf_offered,
         {"Method", "maf.offered", FT_UINT32, BASE_HEX, NULL, 0,
          "A sub-method that the client offers to log in by, as a number (METHODS)", HFILL}},
        {&hf_method,
         {"Method", "maf.method", FT_UINT32, BASE_HEX, NULL, 0,
          "The sub-method that is run, as a number; in Success and Failure, the result (METHOD)", HFILL}},
        {&hf_method_name,
         {"Method name", "maf.method.name", FT_STRING, BASE_NONE, NULL, 0,
          "Name of the sub-method or result, or else of the range its number is from", HFILL}},
        {&hf_len,
         {"Length", "maf.len", FT_UINT32, BASE_DEC, NULL, 0, "Length of DATA in octets (LEN, DLEN)", HFILL}},
        {&hf_data,
         {"Data", "maf.data", FT_BYTES, BASE_NONE, NULL, 0,
          "What the two ends of the sub-method tell each other, or the server about the result (DATA)",
          HFILL}},
        {&hf_data_text,
         {"Data as text", "maf.data.text", FT_STRING, BASE_NONE, NULL, 0,
          "DATA that is printable text, and that no other dissector knew", HFILL}},
        {&hf_idlen,
         {"Id length", "maf.idlen", FT_UINT8, BASE_DEC, NULL, 0,
          "Length in octets of each id of the group, or of the OEM id (IDLEN)", HFILL}},
        {&hf_list_end,
         {"End of list", "maf.list_end", FT_BYTES, BASE_NONE, NULL, 0,
          "The octet 00 by which a list of groups ends", HFILL}},
        {&hf_offered_uuid,
         {"Method", "maf.offered.uuid", FT_GUID, BASE_NONE, NULL, 0,
          "A sub-method that the client offers to log in by, as a UUID (METHODS)", HFILL}},
        {&hf_offered_id,
         {"Method", "maf.offered.id", FT_BYTES, BASE_NONE, NULL, 0,
          "A sub-method that the client offers, by an id that is neither 4 nor 16 octets long (METHODS)",
          HFILL}},
        {&hf_mlen,
         {"Method length", "maf.mlen", FT_UINT8, BASE_DEC, NULL, 0, "Length of METHOD in octets (MLEN)",
          HFILL}},
        {&hf_method_uuid,
         {"Method", "maf.method.uuid", FT_GUID, BASE_NONE, NULL, 0,
          "The sub-method that is run, as a UUID (METHOD)", HFILL}},
        {&hf_method_id,
         {"Method", "maf.method.id", FT_BYTES, BASE_NONE, NULL, 0,
          "The sub-method that is run, by an id that is neither 4 nor 16 octets long (METHOD)", HFILL}},
        {&hf_pad,
         {"Padding", "maf.pad", FT_BYTES, BASE_NONE, NULL, 0,
          "Fills up to a multiple of four octets before DLEN (PAD)", HFILL}},
        {&hf_reserved,
         {"Reserved", "maf.reserved", FT_UINT24, BASE_HEX, NULL, 0, "0; kept for later use (RESERVED)",
          HFILL}},
        {&hf_oem,
         {"OEM", "maf.oem", FT_UINT32, BASE_HEX, NULL, 0,
          "Whose extension of the protocol this is, as a number (OEMID)", HFILL}},
        {&hf_oem_uuid,
         {"OEM", "maf.oem.uuid", FT_GUID, BASE_NONE, NULL, 0,
          "Whose extension of the protocol this is, as a UUID (OEMID)", HFILL}},
        {&hf_oem_id,
         {"OEM", "maf.oem.id", FT_BYTES, BASE_NONE, NULL, 0,
          "Whose extension of the protocol this is, by an id that is neither 4 nor 16 octets long (OEMID)",
          HFILL}},
        {&hf_undecoded,
         {"Undecoded", "maf.undecoded", FT_BYTES, BASE_NONE, NULL, 0,
          "Octets of which no MAF frame could be made", HFILL}},
        {&hf_from,
         {"From", "maf.from", FT_STRING, BASE_NONE, NULL, 0, "Who sent this: client or server", HFILL}},
        {&hf_revision,
         {"Revision", "maf.revision", FT_UINT8, BASE_DEC, NULL, 0,
          "Revision of the draft that the frame is read by: 0 or 1", HFILL}},
        {&hf_state,
         {"State after this frame", "maf.state", FT_UINT8, BASE_DEC, VALS(state_names), 0,
          "How far the login has come with this frame", HFILL}},
        {&hf_round,
         {"Round", "maf.round", FT_UINT32, BASE_DEC, NULL, 0,
          "Which run of a sub-method this frame belongs to: each Do begins a round, the first is 1", HFILL}},
        {&hf_round_duration,
         {"Round duration", "maf.round.duration", FT_RELATIVE_TIME, BASE_NONE, NULL, 0,
          "How long the round took: from its Do to the server's next decision", HFILL}},
        {&hf_do_in,
         {"Do in", "maf.do_in", FT_FRAMENUM, BASE_NONE, NULL, 0,
          "The frame with the Do that began this round", HFILL}},
        {&hf_response_in,
         {"Response in", "maf.response_in", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_RESPONSE), 0,
          "The frame by which the other side answers this one", HFILL}},
        {&hf_response_to,
         {"Response to", "maf.response_to", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_REQUEST), 0,
          "The frame of the other side that this one answers", HFILL}},
        {&hf_response_time,
         {"Response time", "maf.response_time", FT_RELATIVE_TIME, BASE_NONE, NULL, 0,
          "How long this answer took: the time since the frame that it answers", HFILL}},
        {&hf_session_rounds,
         {"Rounds", "maf.session.rounds", FT_UINT32, BASE_DEC, NULL, 0,
          "How many rounds the login took; on the frame that ended it", HFILL}},
        {&hf_session_duration,
         {"Duration", "maf.session.duration", FT_RELATIVE_TIME, BASE_NONE, NULL, 0,
          "How long the login took, from its first MAF frame on; on the frame that ended it", HFILL}},
    };
    static int *ett[] = {&ett_maf, &ett_flags, &ett_methods};

    proto_maf = proto_register_protocol("Multi-Authentication Framework", "MAF", "maf");
    proto_register_field_array(proto_maf, hf, G_N_ELEMENTS(hf));
    proto_register_subtree_array(ett, G_N_ELEMENTS(ett));
    maf_diagnosis_register(proto_maf);
    register_preferences();
    maf_handoff_register(proto_maf);
    maf_tap_register();
    maf_stats_register(proto_maf);
    maf_session_table_register();
}

void
proto_reg_handoff_maf(void)
{
    maf_handoff_connect();
}
