/* maf-stats.c
 * Statistics: how many messages, sub-methods, outcomes and diagnoses, and how long answers take
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "stats/maf-stats.h"

#include <epan/srt_table.h>
#include <epan/stats_tree.h>
#include <epan/tap.h>
#include <epan/to_str.h>

#include "maf-expert.h"
#include "maf-methods.h"
#include "maf-protocol.h"
#include "stats/maf-tap.h"
#include "maf-tree.h"

/* The round that ended with this message, by which the server went on; or NULL. */
static const maf_round_t *
decided_round(const maf_tap_t *record)
{
    const maf_round_t *round = record->verdict->round;

    if (round && round->decision != record->verdict)
        round = round->previous;
    return round && round->decision == record->verdict ? round : NULL;
}

static bool
begins_session(const maf_verdict_t *verdict)
{
    return verdict->response_to == 0 && !verdict->same_side;
}

/* The tree of counts */

static int node_frames;
static int node_methods;
static int node_sessions;
static int node_diagnoses;

static void
tree_init(stats_tree *tree)
{
    node_frames = stats_tree_create_node(tree, "Frames by instruction", 0, STAT_DT_INT, TRUE);
    node_methods = stats_tree_create_node(tree, "Sub-methods run", 0, STAT_DT_INT, TRUE);
    node_sessions = stats_tree_create_node(tree, "Sessions begun", 0, STAT_DT_INT, TRUE);
    node_diagnoses = stats_tree_create_node(tree, "Diagnoses", 0, STAT_DT_INT, TRUE);
}

/* What became of a sub-method is told by what the server did next, or by the sub-method itself. */
static const char *
fate_of(const maf_round_t *round, uint8_t decision)
{
    if (round->refused || decision == MAF_INSTR_FAILURE)
        return "Failed";
    return decision == MAF_INSTR_SUCCESS ? "Succeeded" : "Followed by more";
}

static void
count_message(stats_tree *tree, packet_info *pinfo, const maf_tap_t *record)
{
    const unsigned revision = record->verdict->revision;
    const maf_round_t *decided = decided_round(record);

    tick_stat_node(tree, "Frames by instruction", 0, TRUE);
    tick_stat_node(tree, maf_instr_name(revision, record->message.instr), node_frames, FALSE);
    if (maf_begins_round(&record->message, record->verdict)) {
        tick_stat_node(tree, "Sub-methods run", 0, TRUE);
        tick_stat_node(tree, maf_method_label(pinfo->pool, revision, record->verdict->round->method),
                       node_methods, TRUE);
    }
    if (decided) {
        const char *method = maf_method_label(pinfo->pool, revision, decided->method);
        const bool refused = maf_id_is(&record->message.id, MAF_METHOD_FAILURE);

        tick_stat_node(tree, fate_of(decided, refused ? MAF_INSTR_FAILURE : record->message.instr),
                       stats_tree_manip_node_int(MN_INCREASE, tree, method, node_methods, TRUE, 0), FALSE);
    }
    if (begins_session(record->verdict))
        tick_stat_node(tree, "Sessions begun", 0, TRUE);
    if (record->verdict->ending)
        tick_stat_node(tree, record->verdict->state == MAF_STATE_SUCCEEDED ? "Succeeded" : "Failed",
                       node_sessions, FALSE);
}

static void
count_violations(stats_tree *tree, const maf_tap_t *record)
{
    for (uint32_t violation = 1; violation && violation <= record->violations; violation <<= 1) {
        const char *name = (record->violations & violation) ? maf_expert_name(violation) : NULL;

        if (!name)
            continue;
        tick_stat_node(tree, "Diagnoses", 0, TRUE);
        tick_stat_node(tree, record->from == MAF_CLIENT ? "Client" : "Server",
                       stats_tree_manip_node_int(MN_INCREASE, tree, name, node_diagnoses, TRUE, 1), FALSE);
    }
}

static tap_packet_status
tree_packet(stats_tree *tree, packet_info *pinfo, epan_dissect_t *edt _U_, const void *data,
            tap_flags_t flags _U_)
{
    const maf_tap_t *record = (const maf_tap_t *)data;

    if (record->tvb)
        count_message(tree, pinfo, record);
    count_violations(tree, record);
    return TAP_PACKET_REDRAW;
}

/* Response times */

enum {
    SRT_BY_SERVER, /* rows are the INSTR that is answered */
    SRT_BY_CLIENT,
    SRT_METHODS, /* rows are named, in the order in which they are first seen */
    SRT_SERVERS,
    SRT_TABLES,
};

/* The most rows of a table whose rows are named: what they are named after is the peers' to choose. */
#define NAMED_ROWS 500

static void
add_instruction_table(GArray *tables, const char *name, const char *short_name)
{
    srt_stat_table *table =
        init_srt_table(name, short_name, tables, UINT8_MAX + 1, short_name, "maf.instr", NULL);

    for (int instr = 0; instr <= UINT8_MAX; instr++)
        init_srt_table_row(table, instr, maf_instr_name(MAF_VER_00, (uint8_t)instr));
}

static void
srt_init(register_srt_t *srt _U_, GArray *tables)
{
    add_instruction_table(tables, "MAF: answers of the server", "Answered by server");
    add_instruction_table(tables, "MAF: answers of the client", "Answered by client");
    init_srt_table("MAF: sub-methods, from Do to what the server does next", "Sub-methods", tables, 0,
                   "Sub-method, Do to end", NULL, NULL);
    init_srt_table("MAF: answers of each server", "Servers", tables, 0, "Server", NULL, NULL);
}

/* The row of that name, made if there is none yet; if there are too many already, the last one. */
static int
named_row(srt_stat_table *table, const char *name)
{
    int row;

    for (row = 0; row < table->num_procs; row++) {
        if (!strcmp(table->procedures[row].procedure, name))
            return row;
    }
    if (row >= NAMED_ROWS)
        return NAMED_ROWS - 1;
    init_srt_table_row(table, row, row < NAMED_ROWS - 1 ? name : "Others");
    return row;
}

static srt_stat_table *
table_at(const srt_data_t *srt, unsigned index)
{
    return g_array_index(srt->srt_array, srt_stat_table *, index);
}

static void
time_answer(const srt_data_t *srt, packet_info *pinfo, const maf_tap_t *record)
{
    const bool by_server = record->from == MAF_SERVER;
    nstime_t asked;

    nstime_delta(&asked, &pinfo->abs_ts, &record->verdict->response_time);
    add_srt_table_data(table_at(srt, by_server ? SRT_BY_SERVER : SRT_BY_CLIENT), record->verdict->answers,
                       &asked, pinfo);
    if (by_server) {
        srt_stat_table *servers = table_at(srt, SRT_SERVERS);

        add_srt_table_data(servers,
                           named_row(servers, maf_end_text(pinfo->pool, &pinfo->src, pinfo->srcport)), &asked,
                           pinfo);
    }
}

static tap_packet_status
srt_packet(void *tapdata, packet_info *pinfo, epan_dissect_t *edt _U_, const void *data,
           tap_flags_t flags _U_)
{
    const srt_data_t *srt = (const srt_data_t *)tapdata;
    const maf_tap_t *record = (const maf_tap_t *)data;
    const maf_round_t *decided;

    if (!record->tvb)
        return TAP_PACKET_DONT_REDRAW;
    if (record->verdict->response_to)
        time_answer(srt, pinfo, record);
    decided = decided_round(record);
    if (decided) {
        srt_stat_table *methods = table_at(srt, SRT_METHODS);
        const char *name = maf_method_label(pinfo->pool, record->verdict->revision, decided->method);

        nstime_t begin;

        nstime_delta(&begin, &pinfo->abs_ts, &decided->duration); /* as shifted as the packet's time */
        add_srt_table_data(methods, named_row(methods, name), &begin, pinfo);
    }
    return TAP_PACKET_REDRAW;
}

void
maf_stats_register(int proto)
{
    stats_tree_register_plugin("maf", "maf", "MAF", 0, tree_packet, tree_init, NULL);
    register_srt_table(proto, "maf", SRT_TABLES, srt_packet, srt_init, NULL);
}
