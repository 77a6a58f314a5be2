/* maf-stats.c
 * Statistics: how many messages, sub-methods, outcomes and violations, and how long answers take
 *
 * A packet that the filter lets through chooses its login. What is counted is all of the login: once its
 * record is complete (on a later pass) at its first such packet, on the first pass as much as there is at
 * each of them.
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
#include "maf-names.h"
#include "maf-protocol.h"
#include "stats/maf-tap.h"

/* How much of a login a listener has counted; what is NULL has not begun. */
typedef struct {
    const maf_verdict_t *message;
    const maf_diagnosis_t *diagnosis;
    const maf_round_t *begun;   /* the last round that is counted */
    uint8_t outcome;            /* as which it is counted so far */
    const maf_round_t *decided; /* the last round whose duration is counted, or passed over */
    bool is_unfinished;         /* is counted as such so far */
    bool is_ended;
    bool is_cut[2]; /* by maf_side_t: the message that the capture's end cuts is counted */
} progress_t;

static GHashTable *listeners; /* by listener: a table of progress_t by maf_login_t */

/* Begin to count anew. */
static void
listener_begin(void *listener)
{
    g_hash_table_replace(listeners, listener, g_hash_table_new_full(NULL, NULL, NULL, g_free));
}

static progress_t *
progress_of(const void *listener, const maf_login_t *login)
{
    GHashTable *logins = (GHashTable *)g_hash_table_lookup(listeners, listener);
    progress_t *progress = (progress_t *)g_hash_table_lookup(logins, login);

    if (!progress) {
        progress = g_new0(progress_t, 1);
        g_hash_table_insert(logins, (void *)login, progress);
    }
    return progress;
}

/* The capture is closed; what is counted stays. */
static void
forget_logins(void)
{
    GHashTableIter iter;
    void *logins;

    g_hash_table_iter_init(&iter, listeners);
    while (g_hash_table_iter_next(&iter, NULL, &logins))
        g_hash_table_remove_all((GHashTable *)logins);
}

static const maf_verdict_t *
next_message(const maf_login_t *login, progress_t *progress)
{
    const maf_verdict_t *next = progress->message ? progress->message->next : login->first_message;

    if (next)
        progress->message = next;
    return next;
}

/* The next round whose outcome is known. Only the last round can still get one. */
static const maf_round_t *
next_decided(const maf_login_t *login, progress_t *progress)
{
    const maf_round_t *next = progress->decided ? progress->decided->next : login->first_round;

    while (next && next->outcome == MAF_OUTCOME_UNFINISHED && next->next)
        next = next->next;
    if (!next || next->outcome == MAF_OUTCOME_UNFINISHED)
        return NULL;
    progress->decided = next;
    return next;
}

/* An instruction has one name here, whatever the revision. */
static const char *
instr_name(uint8_t instr)
{
    return maf_instr_name(instr == MAF_INSTR_OEM ? MAF_VER_01 : MAF_VER_00, instr);
}

/* The tree of counts */

static int node_messages;
static int node_methods;
static int node_sessions;
static int node_experts;

static void
tree_init(stats_tree *tree)
{
    listener_begin(tree);
    node_messages = stats_tree_create_node(tree, "Messages by instruction", 0, STAT_DT_INT, TRUE);
    node_methods = stats_tree_create_node(tree, "Sub-methods run", 0, STAT_DT_INT, TRUE);
    node_sessions = stats_tree_create_node(tree, "Sessions", 0, STAT_DT_INT, TRUE);
    node_experts = stats_tree_create_node(tree, "Expert info", 0, STAT_DT_INT, TRUE);
}

static const char *
outcome_label(uint8_t outcome)
{
    static const char *const labels[] = {"Unfinished", "Succeeded", "Failed", "Passed (more required)"};

    return labels[outcome];
}

static void
count_round(stats_tree *tree, wmem_allocator_t *pool, const maf_login_t *login, const maf_round_t *round,
            progress_t *progress)
{
    const char *method = maf_method_label(pool, (unsigned)login->revision, &round->method);
    const bool is_new = round != progress->begun;
    const int node = stats_tree_manip_node_int(MN_INCREASE, tree, method, node_methods, TRUE, is_new);

    if (is_new)
        tick_stat_node(tree, "Sub-methods run", 0, TRUE);
    else if (round->outcome == progress->outcome)
        return;
    else
        stats_tree_manip_node_int(MN_INCREASE, tree, outcome_label(progress->outcome), node, FALSE, -1);
    tick_stat_node(tree, outcome_label(round->outcome), node, FALSE);
    progress->begun = round;
    progress->outcome = round->outcome;
}

/* Only the last round can still get an outcome. */
static void
count_rounds(stats_tree *tree, wmem_allocator_t *pool, const maf_login_t *login, progress_t *progress)
{
    const maf_round_t *round = progress->begun ? progress->begun : login->first_round;

    for (; round; round = round->next)
        count_round(tree, pool, login, round, progress);
}

static void
count_outcome(stats_tree *tree, const maf_login_t *login, progress_t *progress)
{
    if (progress->is_ended)
        return;
    if (!progress->is_unfinished)
        tick_stat_node(tree, "Sessions", 0, TRUE);
    if (login->outcome == MAF_OUTCOME_UNFINISHED) {
        if (!progress->is_unfinished)
            tick_stat_node(tree, outcome_label(MAF_OUTCOME_UNFINISHED), node_sessions, FALSE);
        progress->is_unfinished = true;
        return;
    }
    if (progress->is_unfinished)
        stats_tree_manip_node_int(MN_INCREASE, tree, outcome_label(MAF_OUTCOME_UNFINISHED), node_sessions,
                                  FALSE, -1);
    tick_stat_node(tree, outcome_label(login->outcome), node_sessions, FALSE);
    progress->is_ended = true;
}

static void
count_violation(stats_tree *tree, const char *expert, maf_side_t from)
{
    tick_stat_node(tree, "Expert info", 0, TRUE);
    tick_stat_node(tree, from == MAF_CLIENT ? "Client" : "Server",
                   stats_tree_manip_node_int(MN_INCREASE, tree, expert, node_experts, TRUE, 1), FALSE);
}

static void
count_violations(stats_tree *tree, const maf_login_t *login, bool is_later_pass, progress_t *progress)
{
    const maf_diagnosis_t *next = progress->diagnosis ? progress->diagnosis->next : login->first_diagnosis;

    for (; next; next = next->next) {
        if (!next->is_withdrawn)
            count_violation(tree, next->expert, (maf_side_t)next->from);
        progress->diagnosis = next;
    }
    for (int side = MAF_CLIENT; side <= MAF_SERVER; side++) {
        if (is_later_pass && maf_login_is_cut(login, (maf_side_t)side) && !progress->is_cut[side]) {
            count_violation(tree, MAF_EXPERT_TRUNCATED, (maf_side_t)side);
            progress->is_cut[side] = true;
        }
    }
}

static tap_packet_status
tree_packet(stats_tree *tree, packet_info *pinfo, epan_dissect_t *edt _U_, const void *data,
            tap_flags_t flags _U_)
{
    const maf_login_t *login = ((const maf_tap_t *)data)->login;
    progress_t *progress = progress_of(tree, login);
    const maf_verdict_t *message;

    while ((message = next_message(login, progress)) != NULL) {
        tick_stat_node(tree, "Messages by instruction", 0, TRUE);
        tick_stat_node(tree, instr_name(message->instr), node_messages, FALSE);
    }
    if (login->first_message) {
        count_rounds(tree, pinfo->pool, login, progress);
        count_outcome(tree, login, progress);
    }
    count_violations(tree, login, pinfo->fd->visited, progress);
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
        init_srt_table_row(table, instr, instr_name((uint8_t)instr));
}

static void
srt_init(register_srt_t *srt _U_, GArray *tables)
{
    listener_begin(tables);
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

/* That took so long, and ended in that packet. */
static void
add_time(const srt_data_t *srt, unsigned position, int row, const nstime_t *duration, uint32_t packet)
{
    const nstime_t begin = NSTIME_INIT_ZERO;
    packet_info end = {.num = packet, .abs_ts = *duration};

    add_srt_table_data(g_array_index(srt->srt_array, srt_stat_table *, position), row, &begin, &end);
}

static int
row_in(const srt_data_t *srt, unsigned position, const char *name)
{
    return named_row(g_array_index(srt->srt_array, srt_stat_table *, position), name);
}

static tap_packet_status
srt_packet(void *tapdata, packet_info *pinfo, epan_dissect_t *edt _U_, const void *data,
           tap_flags_t flags _U_)
{
    const srt_data_t *srt = (const srt_data_t *)tapdata;
    const maf_login_t *login = ((const maf_tap_t *)data)->login;
    progress_t *progress = progress_of(srt->srt_array, login);
    const char *server = maf_end_text(pinfo->pool, &login->server, login->server_port);
    const maf_verdict_t *message;
    const maf_round_t *round;

    while ((message = next_message(login, progress)) != NULL) {
        const bool by_server = message->from == MAF_SERVER;
        const nstime_t time = maf_response_time(message);

        if (!message->response_to)
            continue;
        add_time(srt, by_server ? SRT_BY_SERVER : SRT_BY_CLIENT, message->answers, &time, message->packet);
        if (by_server)
            add_time(srt, SRT_SERVERS, row_in(srt, SRT_SERVERS, server), &time, message->packet);
    }
    while ((round = next_decided(login, progress)) != NULL) {
        const char *method = maf_method_label(pinfo->pool, (unsigned)login->revision, &round->method);

        add_time(srt, SRT_METHODS, row_in(srt, SRT_METHODS, method), &round->duration,
                 round->decision->packet);
    }
    return TAP_PACKET_REDRAW;
}

void
maf_stats_register(int proto)
{
    listeners = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_hash_table_destroy);
    register_cleanup_routine(forget_logins);
    stats_tree_register_plugin("maf", "maf", "MAF", 0, tree_packet, tree_init, NULL);
    register_srt_table(proto, "maf", SRT_TABLES, srt_packet, srt_init, NULL);
}
