/* maf-session-table.c
 * The table of sessions: who logged in where, by what, with which outcome
 *
 * A packet that the table's filter lets through chooses its login; the row then has all of the login's
 * record. Text in a row is the row's own, so that a dialog outlives its capture.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "stats/maf-session-table.h"

#include <epan/stat_tap_ui.h>
#include <epan/tap.h>

#include "maf-expert.h"
#include "maf-methods.h"
#include "maf-protocol.h"
#include "stats/maf-tap.h"

/* The most sub-methods that a cell names. */
#define LIST_MAX 64

/* What is short comes first: a dialog opens wide enough for that. */
enum {
    COLUMN_FRAME,
    COLUMN_STREAM,
    COLUMN_USER,
    COLUMN_OUTCOME,
    COLUMN_DURATION,
    COLUMN_ROUNDS,
    COLUMN_CLOSED_BY,
    COLUMN_CLIENT,
    COLUMN_SERVER,
    COLUMN_RUN,
    COLUMN_RESULT,
    COLUMN_EXPERT,
    COLUMN_START,
    COLUMN_TARGET,
    COLUMN_REPLY,
    COLUMN_REVISION,
    COLUMN_OFFERED,
    COLUMNS,
};

static stat_tap_table_item columns[COLUMNS] = {
    [COLUMN_FRAME] = {TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Frame", "%u"},
    [COLUMN_STREAM] = {TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Stream", "%u"},
    [COLUMN_USER] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "User", "%s"},
    [COLUMN_OUTCOME] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Outcome", "%s"},
    [COLUMN_DURATION] = {TABLE_ITEM_FLOAT, TAP_ALIGN_RIGHT, "Duration", "%.9f"},
    [COLUMN_ROUNDS] = {TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Rounds", "%u"},
    [COLUMN_CLOSED_BY] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Closed by", "%s"},
    [COLUMN_CLIENT] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Client", "%s"},
    [COLUMN_SERVER] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Server", "%s"},
    [COLUMN_RUN] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Sub-methods run", "%s"},
    [COLUMN_RESULT] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Result", "%s"},
    [COLUMN_EXPERT] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Expert info", "%s"},
    [COLUMN_START] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Start (UTC)", "%s"},
    [COLUMN_TARGET] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Target", "%s"},
    [COLUMN_REPLY] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Reply", "%s"},
    [COLUMN_REVISION] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Revision", "%s"},
    [COLUMN_OFFERED] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Offered", "%s"},
};

/* Of one expert info, how often. */
typedef struct {
    const char *expert;
    unsigned times;
} kind_t;

/* More kinds than there are expert infos. */
#define KINDS_MAX 40

/* What the text in a row was made from: what grows is added to, other text is made anew when that has
 * changed. */
typedef struct {
    wmem_allocator_t *scope; /* of all text in the row */
    bool is_begun;
    const maf_id_t *offered;
    uint32_t offers;
    const char *user;
    const char *target;
    uint8_t outcome;
    int reply;

    wmem_strbuf_t *run;
    const maf_round_t *last_round; /* in it */
    size_t fixed;                  /* length of what stays as it is, whatever follows */
    unsigned named;                /* sub-methods in it */
    unsigned repeats;              /* of the last one named */

    kind_t kinds[KINDS_MAX];
    const maf_diagnosis_t *last_diagnosis; /* in them */
    uint32_t withdrawals;
} row_t;

static stat_tap_table_ui ui;
static GPtrArray
    *old_rows; /* cells of rows that are in the table no more, but that a dialog may still show */
static GHashTable *row_indices; /* by maf_login_t: position of the row, and one */

/* Rows */

static stat_tap_table_item_type *
cell(const stat_tap_table *table, unsigned position, unsigned column)
{
    return stat_tap_get_field_data(table, position, column);
}

static void
set_text(const stat_tap_table *table, unsigned position, unsigned column, const char *text)
{
    cell(table, position, column)->value.string_value = text;
}

/* The same with text that belongs to the row, in the place of such text. */
static void
set_own_text(const stat_tap_table *table, unsigned position, unsigned column, const row_t *row, char *text)
{
    stat_tap_table_item_type *item = cell(table, position, column);

    wmem_free(row->scope, item->user_data.ptr_value);
    item->user_data.ptr_value = text;
    item->value.string_value = text;
}

static void
row_free(row_t *row)
{
    wmem_destroy_allocator(row->scope);
    g_free(row);
}

static void
cells_free(void *data)
{
    stat_tap_table_item_type *cells = (stat_tap_table_item_type *)data;

    row_free((row_t *)cells[COLUMN_FRAME].user_data.ptr_value);
    g_free(cells);
}

/* Sorts as text, and has all of the capture's precision. Beyond the year 9999: seconds since 1970. */
static char *
time_text(wmem_allocator_t *scope, const nstime_t *when)
{
    GDateTime *seconds = g_date_time_new_from_unix_utc(when->secs);
    char *text = seconds ? g_date_time_format(seconds, "%Y-%m-%d %H:%M:%S") : NULL;
    char *result = text ? wmem_strdup_printf(scope, "%s.%09d", text, when->nsecs)
                        : wmem_strdup_printf(scope, "%.9f", nstime_to_sec(when));

    g_free(text);
    if (seconds)
        g_date_time_unref(seconds);
    return result;
}

static unsigned
row_new(stat_tap_table *table, const maf_login_t *login)
{
    const unsigned position = table->num_elements;
    stat_tap_table_item_type cells[COLUMNS] = {0};
    row_t *row = g_new0(row_t, 1);

    row->scope = wmem_allocator_new(WMEM_ALLOCATOR_STRICT); /* a simple one begins with 64 KiB */
    row->reply = -1;
    row->run = wmem_strbuf_new(row->scope, "");
    for (unsigned column = 0; column < COLUMNS; column++) {
        cells[column].type = columns[column].type;
        if (columns[column].type == TABLE_ITEM_STRING)
            cells[column].value.string_value = "";
    }
    cells[COLUMN_FRAME].user_data.ptr_value = row;
    cells[COLUMN_STREAM].value.uint_value = login->tcp_stream;
    cells[COLUMN_CLIENT].value.string_value = maf_end_text(row->scope, &login->client, login->client_port);
    cells[COLUMN_SERVER].value.string_value = maf_end_text(row->scope, &login->server, login->server_port);
    stat_tap_init_table_row(table, position, COLUMNS, cells);
    g_hash_table_insert(row_indices, (void *)login, GUINT_TO_POINTER(position + 1));
    return position;
}

/* Cells */

/* Text of others, with what ends a cell or a row in tshark's output made harmless. */
static void
append_foreign(wmem_strbuf_t *text, const char *foreign)
{
    for (; *foreign; foreign++) {
        if (*foreign == '|' || g_ascii_iscntrl(*foreign))
            wmem_strbuf_append_printf(text, "\\x%02x", *foreign);
        else
            wmem_strbuf_append_c(text, *foreign);
    }
}

static char *
foreign_text(wmem_allocator_t *scope, const char *foreign)
{
    wmem_strbuf_t *text = wmem_strbuf_new(scope, "");

    if (foreign)
        append_foreign(text, foreign);
    return wmem_strbuf_finalize(text);
}

static void
append_method(wmem_strbuf_t *text, wmem_allocator_t *scope, unsigned revision, const maf_id_t *id)
{
    if (wmem_strbuf_get_len(text))
        wmem_strbuf_append(text, ", ");
    append_foreign(text, maf_method_name(revision, id));
    wmem_strbuf_append_printf(text, " (%s)", maf_id_text(scope, id));
}

static char *
offered_text(wmem_allocator_t *scope, const maf_login_t *login)
{
    wmem_strbuf_t *text = wmem_strbuf_new(scope, "");

    for (uint32_t i = 0; i < MIN(login->offers, MAF_LOGIN_OFFERS_MAX); i++)
        append_method(text, scope, (unsigned)login->revision, &login->offered[i]);
    if (login->offers > MAF_LOGIN_OFFERS_MAX)
        wmem_strbuf_append_printf(text, " and %u more", login->offers - MAF_LOGIN_OFFERS_MAX);
    return wmem_strbuf_finalize(text);
}

static void
add_run(row_t *row, const maf_login_t *login, const maf_round_t *round)
{
    const bool again = row->last_round && maf_id_equal(&round->method, &row->last_round->method);

    row->last_round = round;
    if (again && row->named <= LIST_MAX) {
        wmem_strbuf_truncate(row->run, row->fixed);
        wmem_strbuf_append_printf(row->run, " %u times", ++row->repeats);
        return;
    }
    if (++row->named > LIST_MAX) {
        if (row->named == LIST_MAX + 1)
            row->fixed = wmem_strbuf_get_len(row->run);
        wmem_strbuf_truncate(row->run, row->fixed);
        wmem_strbuf_append_printf(row->run, " and %u more", row->named - LIST_MAX);
        return;
    }
    append_method(row->run, row->scope, (unsigned)login->revision, &round->method);
    row->fixed = wmem_strbuf_get_len(row->run);
    row->repeats = 1;
}

static void
add_expert(row_t *row, const char *expert)
{
    kind_t *kind = row->kinds;

    while (kind->expert && strcmp(kind->expert, expert) != 0 && kind < row->kinds + KINDS_MAX - 1)
        kind++;
    kind->expert = expert;
    kind->times++;
}

static char *
expert_text(const row_t *row)
{
    wmem_strbuf_t *text = wmem_strbuf_new(row->scope, "");

    for (unsigned i = 0; i < KINDS_MAX && row->kinds[i].expert; i++) {
        wmem_strbuf_append_printf(text, "%s%s", i > 0 ? ", " : "", row->kinds[i].expert);
        if (row->kinds[i].times > 1)
            wmem_strbuf_append_printf(text, " %u times", row->kinds[i].times);
    }
    return wmem_strbuf_finalize(text);
}

static void
refresh_experts(const stat_tap_table *table, unsigned position, const maf_login_t *login, row_t *row,
                bool is_later_pass)
{
    const maf_diagnosis_t *next;
    bool has_new = false;

    if (row->withdrawals != login->withdrawals) {
        row->withdrawals = login->withdrawals;
        memset(row->kinds, 0, sizeof row->kinds);
        row->last_diagnosis = NULL;
        has_new = true;
    }
    next = row->last_diagnosis ? row->last_diagnosis->next : login->first_diagnosis;
    for (; next; next = next->next) {
        row->last_diagnosis = next;
        has_new |= !next->is_withdrawn;
        if (!next->is_withdrawn)
            add_expert(row, next->expert);
    }
    for (int side = MAF_CLIENT; side <= MAF_SERVER; side++) {
        if (is_later_pass && maf_login_is_cut(login, (maf_side_t)side)) {
            add_expert(row, MAF_EXPERT_TRUNCATED);
            has_new = true;
        }
    }
    if (has_new)
        set_own_text(table, position, COLUMN_EXPERT, row, expert_text(row));
}

static void
refresh_texts(const stat_tap_table *table, unsigned position, const maf_login_t *login, row_t *row)
{
    const maf_round_t *next = row->last_round ? row->last_round->next : login->first_round;

    for (; next; next = next->next)
        add_run(row, login, next);
    set_text(table, position, COLUMN_RUN, wmem_strbuf_get_str(row->run));
    if (login->user != row->user)
        set_own_text(table, position, COLUMN_USER, row, foreign_text(row->scope, login->user));
    if (login->offered != row->offered || login->offers != row->offers)
        set_own_text(table, position, COLUMN_OFFERED, row, offered_text(row->scope, login));
    if (login->outcome != row->outcome)
        set_own_text(table, position, COLUMN_RESULT, row, foreign_text(row->scope, login->result));
    if (login->target != row->target)
        set_own_text(table, position, COLUMN_TARGET, row, foreign_text(row->scope, login->target));
    if (login->reply != row->reply)
        set_own_text(table, position, COLUMN_REPLY, row, wmem_strdup_printf(row->scope, "%d", login->reply));
    row->user = login->user;
    row->offered = login->offered;
    row->offers = login->offers;
    row->outcome = login->outcome;
    row->target = login->target;
    row->reply = login->reply;
}

static void
refresh(const stat_tap_table *table, unsigned position, const maf_login_t *login, bool is_later_pass)
{
    row_t *row = (row_t *)cell(table, position, COLUMN_FRAME)->user_data.ptr_value;

    if (!row->is_begun && login->first_message) {
        row->is_begun = true;
        cell(table, position, COLUMN_FRAME)->value.uint_value = login->first;
        set_own_text(table, position, COLUMN_START, row, time_text(row->scope, &login->begin));
        set_text(table, position, COLUMN_REVISION, login->revision == MAF_VER_00 ? "00" : "01");
    }
    cell(table, position, COLUMN_DURATION)->value.float_value = nstime_to_sec(&login->duration);
    cell(table, position, COLUMN_ROUNDS)->value.uint_value =
        login->last_round ? login->last_round->number : 0;
    set_text(table, position, COLUMN_OUTCOME, maf_outcome_name(login->outcome));
    set_text(table, position, COLUMN_CLOSED_BY, login->closed_by ? login->closed_by : "");
    refresh_texts(table, position, login, row);
    refresh_experts(table, position, login, row, is_later_pass);
}

/* The table */

static const stat_tap_table *
the_table(void)
{
    return ui.tables && ui.tables->len > 0 ? g_array_index(ui.tables, stat_tap_table *, 0) : NULL;
}

/* On the first pass a row follows its login, whatever the filter says of the packets to come. */
static void
login_changed(const maf_login_t *login)
{
    const unsigned known = GPOINTER_TO_UINT(g_hash_table_lookup(row_indices, login));

    if (known && the_table())
        refresh(the_table(), known - 1, login, false);
}

static tap_packet_status
table_packet(void *tapdata, packet_info *pinfo, epan_dissect_t *edt _U_, const void *data,
             tap_flags_t flags _U_)
{
    const stat_data_t *shown = (const stat_data_t *)tapdata;
    const maf_login_t *login = ((const maf_tap_t *)data)->login;
    stat_tap_table *table = g_array_index(shown->stat_tap_data->tables, stat_tap_table *, 0);

    if (g_hash_table_contains(row_indices, login))
        return TAP_PACKET_DONT_REDRAW;
    refresh(table, row_new(table, login), login, pinfo->fd->visited);
    return TAP_PACKET_REDRAW;
}

/* A dialog may still show the rows: what all dialogs have is one table. */
static void
table_reset(stat_tap_table *table)
{
    for (unsigned position = 0; position < table->num_elements; position++)
        g_ptr_array_add(old_rows, table->elements[position]);
    table->num_elements = 0;
    g_hash_table_remove_all(row_indices);
}

/* The last dialog has closed. */
static void
table_gone(void *table _U_)
{
    g_ptr_array_set_size(old_rows, 0);
    g_hash_table_remove_all(row_indices);
    maf_login_changed = NULL;
}

static void
table_free_cell(stat_tap_table *table _U_, unsigned position _U_, unsigned column,
                stat_tap_table_item_type *item)
{
    if (column == COLUMN_FRAME)
        row_free((row_t *)item->user_data.ptr_value);
}

static void
table_init(stat_tap_table_ui *this_ui)
{
    stat_tap_table *table = stat_tap_find_table(this_ui, this_ui->title);

    if (!table) {
        table = stat_tap_init_table(this_ui->title, COLUMNS, 0, NULL);
        stat_tap_add_table(this_ui, table);
        g_array_set_clear_func(this_ui->tables, table_gone);
    }
    table_reset(table);
    maf_login_changed = login_changed;
}

/* The capture is closed; what the rows say stays. */
static void
forget_logins(void)
{
    g_hash_table_remove_all(row_indices);
}

/* tshark asks for each -z; all of them would be shown the one table. */
static void
check_option(const char *option, const char **filter _U_, char **error)
{
    if (ui.tables && ui.tables->len > 0)
        *error = ws_strdup_printf("-z %s: only one -z %s can be given", option, ui.cli_string);
}

void
maf_session_table_register(void)
{
    ui = (stat_tap_table_ui){
        .group = REGISTER_PACKET_STAT_GROUP_UNSORTED,
        .title = "MAF Sessions",
        .tap_name = "maf",
        .cli_string = "maf,sessions",
        .stat_tap_init_cb = table_init,
        .packet_func = table_packet,
        .stat_tap_reset_table_cb = table_reset,
        .stat_tap_free_table_item_cb = table_free_cell,
        .stat_filter_check_cb = check_option,
        .nfields = COLUMNS,
        .fields = columns,
    };

    row_indices = g_hash_table_new(g_direct_hash, g_direct_equal);
    old_rows = g_ptr_array_new_with_free_func(cells_free);
    register_cleanup_routine(forget_logins);
    register_stat_tap_table_ui(&ui);
}
