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
#include <epan/tfs.h>
#include <wsutil/str_util.h>

#include "maf-diagnosis.h"
#include "maf-handoff.h"
#include "maf-methods.h"
#include "maf-protocol.h"

maf_prefs_t maf_prefs = {
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
static int hf_undecoded = -1;

/* The session */
static int hf_revision = -1;
static int hf_state = -1;
static int hf_round = -1;
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
static const value_string instr_names[] = {MAF_INSTRUCTIONS(INSTR_NAME){0, NULL}};
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
maf_instr_name(uint8_t instr)
{
    const char *name = try_val_to_str(instr, instr_names);

    return name ? name : "Unknown instruction";
}

/* Columns, and the top line of the tree */

static void
append_list_summary(wmem_strbuf_t *summary, const maf_frame_t *frame)
{
    const bool more = maf_frame_offer(frame, frame->nmethods - 1) == MAF_METHOD_MORE_AVAILABLE;

    wmem_strbuf_append_printf(summary, ": %u%s", frame->nmethods - (more ? 1 : 0),
                              more ? " (more available)" : "");
}

static void
append_method_summary(wmem_strbuf_t *summary, wmem_allocator_t *pool, const maf_frame_t *frame)
{
    const bool is_result = frame->instr == MAF_INSTR_SUCCESS || frame->instr == MAF_INSTR_FAILURE;

    if (!is_result)
        wmem_strbuf_append_printf(summary, ": %s", maf_method_label(pool, frame->method));
    if (frame->len > 0)
        wmem_strbuf_append_printf(summary, " (%u octet%s)", frame->len, plurality(frame->len, "", "s"));
}

/* One phrase that says what the frame does. */
static const char *
summary_of(wmem_allocator_t *pool, const maf_frame_t *frame)
{
    wmem_strbuf_t *summary;

    if (frame->understood < MAF_HEADER_LEN)
        return "Incomplete frame";
    if (frame->layout == MAF_LAYOUT_UNKNOWN)
        return wmem_strdup_printf(pool, "Unknown instruction 0x%02x", frame->instr);

    summary = wmem_strbuf_new(pool, maf_instr_name(frame->instr));
    if (frame->layout == MAF_LAYOUT_LIST && frame->methods)
        append_list_summary(summary, frame);
    if (frame->layout == MAF_LAYOUT_METHOD_DATA && frame->understood > MAF_HEADER_LEN)
        append_method_summary(summary, pool, frame);
    if (frame->instr == MAF_INSTR_REQUEST_MORE)
        wmem_strbuf_append(summary, frame->flags & MAF_FLAGS_ABSOLUTE ? " (absolute)" : " (relative)");
    if (frame->understood < frame->length)
        wmem_strbuf_append(summary, " [incomplete]");
    return wmem_strbuf_get_str(summary);
}

/* One function per layout: everything after the header */

typedef struct {
    tvbuff_t *tvb;
    packet_info *pinfo;
    proto_tree *tree;
    const maf_frame_t *frame;
    const maf_verdict_t *verdict;
    proto_item *parts[MAF_PARTS];
} view_t;

typedef void (*layout_fn)(view_t *view);

static void
show_nothing(view_t *view _U_)
{
}

static void
show_list(view_t *view)
{
    const maf_frame_t *frame = view->frame;
    proto_tree *list;

    view->parts[MAF_PART_NMETHODS] = proto_tree_add_item(view->tree, hf_nmethods, view->tvb, MAF_HEADER_LEN,
                                                         frame->nmethods_width, ENC_BIG_ENDIAN);
    if (!frame->methods)
        return;

    list = proto_tree_add_subtree_format(view->tree, view->tvb, (int)frame->methods_offset,
                                         (int)(frame->nmethods * MAF_METHOD_LEN), ett_methods, NULL,
                                         "Methods (%u)", frame->nmethods);
    for (uint32_t i = 0; i < frame->nmethods; i++) {
        const int offset = (int)(frame->methods_offset + i * MAF_METHOD_LEN);
        const uint32_t method = tvb_get_ntohl(view->tvb, offset);
        proto_item *item =
            proto_tree_add_uint_format_value(list, hf_offered, view->tvb, offset, MAF_METHOD_LEN, method,
                                             "%s (0x%08x)", maf_method_name(method), method);

        if (view->verdict->offer_faults)
            maf_diagnose_offer(view->pinfo, item, method, view->verdict->offer_faults[i]);
    }
}

static void
show_method_data(view_t *view)
{
    const maf_frame_t *frame = view->frame;
    const char *name = maf_method_name(frame->method);
    proto_item *item;
    int offset = MAF_HEADER_LEN;

    view->parts[MAF_PART_METHOD] =
        proto_tree_add_uint_format_value(view->tree, hf_method, view->tvb, offset, MAF_METHOD_LEN,
                                         frame->method, "%s (0x%08x)", name, frame->method);
    item = proto_tree_add_string(view->tree, hf_method_name, view->tvb, offset, MAF_METHOD_LEN, name);
    proto_item_set_generated(item);
    offset += MAF_METHOD_LEN;

    view->parts[MAF_PART_LEN] =
        proto_tree_add_item(view->tree, hf_len, view->tvb, offset, MAF_LEN_LEN, ENC_BIG_ENDIAN);
    if (frame->understood == frame->length && frame->len > 0)
        proto_tree_add_item(view->tree, hf_data, view->tvb, (int)frame->data_offset, (int)frame->len, ENC_NA);
}

static const layout_fn layout_fns[] = {
    [MAF_LAYOUT_UNKNOWN] = show_nothing,
    [MAF_LAYOUT_HEADER] = show_nothing,
    [MAF_LAYOUT_LIST] = show_list,
    [MAF_LAYOUT_METHOD_DATA] = show_method_data,
};

static void
show_header(view_t *view)
{
    static int *const request_more_flags[] = {&hf_flags_absolute, NULL};

    view->parts[MAF_PART_INSTR] = proto_tree_add_item(view->tree, hf_instr, view->tvb, 0, 1, ENC_BIG_ENDIAN);
    view->parts[MAF_PART_VER] = proto_tree_add_item(view->tree, hf_ver, view->tvb, 1, 1, ENC_BIG_ENDIAN);
    if (view->frame->instr == MAF_INSTR_REQUEST_MORE)
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

    add_generated_uint(view, hf_revision, verdict->revision);
    if (verdict->state != MAF_STATE_UNKNOWN)
        add_generated_uint(view, hf_state, verdict->state);
    if (verdict->round)
        add_generated_uint(view, hf_round, verdict->round);
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

void
maf_show_frame(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, const maf_frame_t *frame,
               const maf_verdict_t *verdict)
{
    view_t view = {.tvb = tvb, .pinfo = pinfo, .frame = frame, .verdict = verdict};
    const char *summary = NULL;

    if (tree || col_get_writable(pinfo->cinfo, COL_INFO))
        summary = summary_of(pinfo->pool, frame);
    col_append_sep_str(pinfo->cinfo, COL_INFO, ", ", summary);

    if (tree) {
        view.parts[MAF_PART_FRAME] = proto_tree_add_item(tree, proto_maf, tvb, 0, (int)frame->length, ENC_NA);
        proto_item_append_text(view.parts[MAF_PART_FRAME], ", %s", summary);
        view.tree = proto_item_add_subtree(view.parts[MAF_PART_FRAME], ett_maf);

        if (frame->understood >= MAF_HEADER_LEN)
            show_header(&view);
        if (frame->understood > MAF_HEADER_LEN)
            layout_fns[frame->layout](&view);
        if (frame->understood < frame->length)
            proto_tree_add_item(view.tree, hf_undecoded, tvb, (int)frame->understood, -1, ENC_NA);
        show_session(&view);
    }
    maf_diagnose_frame(pinfo, view.parts, frame, verdict);
}

void
maf_show_cut(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, maf_side_t from, uint32_t began)
{
    proto_item *item = proto_tree_add_item(tree, proto_maf, tvb, 0, 0, ENC_NA);

    proto_item_append_text(item, ", Incomplete frame");
    proto_item_set_generated(item);
    col_append_sep_str(pinfo->cinfo, COL_INFO, " ", "[MAF frame incomplete]");
    maf_diagnose_cut(pinfo, item, from, began);
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
    module_t *module = prefs_register_protocol(proto_maf, NULL);

    range_convert_str(wmem_epan_scope(), &maf_prefs.socks_methods, G_STRINGIFY(MAF_SOCKS_METHOD), UINT8_MAX);
    prefs_register_range_preference(
        module, "socks_methods", "SOCKS methods",
        "SOCKS 5 METHOD numbers that select MAF. 8 is the one assigned; implementations "
        "older than that use private numbers, 128 to 254",
        &maf_prefs.socks_methods, UINT8_MAX);
    prefs_register_enum_preference(
        module, "nmethods_width", "Width of NMETHODS",
        "How wide NMETHODS is in a list of revision 00, where the draft contradicts itself",
        &maf_prefs.framing.nmethods_width, nmethods_widths, false);
    prefs_register_uint_preference(module, "max_length", "Longest DATA (octets)",
                                   "A LEN greater than this is taken for an error, and nothing is waited for",
                                   10, &maf_prefs.framing.max_length);
    prefs_register_bool_preference(
        module, "desegment", "Reassemble frames that span several TCP segments",
        "To use this, also enable \"Allow subdissectors to reassemble TCP streams\" in the "
        "preferences of TCP",
        &maf_prefs.desegment);
    prefs_register_bool_preference(
        module, "dissect_socks", "Dissect SOCKS after success",
        "Hand the stream back to the SOCKS dissector once the authentication succeeded",
        &maf_prefs.dissect_socks);
}

void
proto_register_maf(void)
{
    static hf_register_info hf[] = {
        {&hf_instr,
         {"Instruction", "maf.instr", FT_UINT8, BASE_DEC, VALS(instr_names), 0, "The operation (INSTR)",
          HFILL}},
        {&hf_ver,
         {"Version", "maf.ver", FT_UINT8, BASE_DEC, NULL, 0, "Version of the framework (VER)", HFILL}},
        {&hf_flags, {"Flags", "maf.flags", FT_UINT16, BASE_HEX, NULL, 0, "FLAGS", HFILL}},
        {&hf_flags_absolute,
         {"Method download", "maf.flags.absolute", FT_BOOLEAN, 16, TFS(&tfs_absolute_relative),
          MAF_FLAGS_ABSOLUTE,
          "Whether the client is to start again with its list, or to send only what it has not sent yet",
          HFILL}},
        {&hf_nmethods,
         {"Number of methods", "maf.nmethods", FT_UINT32, BASE_DEC, NULL, 0,
          "How many sub-methods the list offers (NMETHODS)", HFILL}},
        {&hf_offered,
         {"Method", "maf.offered", FT_UINT32, BASE_HEX, NULL, 0, "A sub-method the client offers (METHODS)",
          HFILL}},
        {&hf_method,
         {"Method", "maf.method", FT_UINT32, BASE_HEX, NULL, 0, "The sub-method, or the result (METHOD)",
          HFILL}},
        {&hf_method_name,
         {"Method name", "maf.method.name", FT_STRING, BASE_NONE, NULL, 0, "Name of METHOD, or of its range",
          HFILL}},
        {&hf_len,
         {"Length", "maf.len", FT_UINT32, BASE_DEC, NULL, 0, "Length of DATA in octets (LEN)", HFILL}},
        {&hf_data,
         {"Data", "maf.data", FT_BYTES, BASE_NONE, NULL, 0, "What the sub-method's modules exchange (DATA)",
          HFILL}},
        {&hf_undecoded,
         {"Undecoded", "maf.undecoded", FT_BYTES, BASE_NONE, NULL, 0, "Octets that no frame could be made of",
          HFILL}},
        {&hf_revision,
         {"Revision", "maf.revision", FT_UINT8, BASE_DEC, NULL, 0,
          "Revision of the draft the frame is read by", HFILL}},
        {&hf_state,
         {"State after this frame", "maf.state", FT_UINT8, BASE_DEC, VALS(state_names), 0,
          "What the session is at once this frame has been received", HFILL}},
        {&hf_round,
         {"Round", "maf.round", FT_UINT32, BASE_DEC, NULL, 0, "Each Do begins a round; the first is 1",
          HFILL}},
        {&hf_do_in,
         {"Do in", "maf.do_in", FT_FRAMENUM, BASE_NONE, NULL, 0, "The frame that began this round", HFILL}},
        {&hf_response_in,
         {"Response in", "maf.response_in", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_RESPONSE), 0,
          "The next frame from the other side", HFILL}},
        {&hf_response_to,
         {"Response to", "maf.response_to", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_REQUEST), 0,
          "The frame from the other side that this one answers", HFILL}},
        {&hf_response_time,
         {"Response time", "maf.response_time", FT_RELATIVE_TIME, BASE_NONE, NULL, 0,
          "Time since the frame that this one answers", HFILL}},
        {&hf_session_rounds,
         {"Rounds", "maf.session.rounds", FT_UINT32, BASE_DEC, NULL, 0, "How many rounds the session took",
          HFILL}},
        {&hf_session_duration,
         {"Duration", "maf.session.duration", FT_RELATIVE_TIME, BASE_NONE, NULL, 0,
          "Time since the first frame of the session", HFILL}},
    };
    static int *ett[] = {&ett_maf, &ett_flags, &ett_methods};

    proto_maf = proto_register_protocol("Multi-Authentication Framework", "MAF", "maf");
    proto_register_field_array(proto_maf, hf, G_N_ELEMENTS(hf));
    proto_register_subtree_array(ett, G_N_ELEMENTS(ett));
    maf_diagnosis_register(proto_maf);
    register_preferences();
    maf_handoff_register(proto_maf);
}

void
proto_reg_handoff_maf(void)
{
    maf_handoff_connect();
}
