/* maf-session-table.c
 * The table of sessions: who logged in where, by what, with which outcome
 *
 * A row is made from the messages that the listener is shown, so the table's display filter applies to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "stats/maf-session-table.h"

#include <epan/stat_tap_ui.h>
#include <epan/tap.h>
#include <wsutil/utf8_entities.h>

#include "maf-expert.h"
#include "maf-methods.h"
#include "maf-protocol.h"
#include "stats/maf-tap.h"

/* The most bytes of a result's DATA that a cell has room for. */
#define RESULT_MAX 60
/* The most sub-methods that a cell names. */
#define LIST_MAX 64
#define FAULTS   32 /* bits of maf_tap_t.faults */

enum {
    COLUMN_FRAME,
    COLUMN_STREAM,
    COLUMN_START,
    COLUMN_CLIENT,
    COLUMN_SERVER,
    COLUMN_OUTCOME,
    COLUMN_RESULT,
    COLUMN_DURATION,
    COLUMN_ROUNDS,
    COLUMN_RUN,
    COLUMN_DIAGNOSES,
    COLUMN_REVISION,
    COLUMN_OFFERED,
    COLUMNS,
};

static stat_tap_table_item columns[COLUMNS] = {
    [COLUMN_FRAME] = {TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Frame", "%u"},
    [COLUMN_STREAM] = {TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "TCP stream", "%u"},
    [COLUMN_START] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Start (UTC)", "%s"},
    [COLUMN_CLIENT] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Client", "%s"},
    [COLUMN_SERVER] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Server", "%s"},
    [COLUMN_OUTCOME] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Outcome", "%s"},
    [COLUMN_RESULT] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Result", "%s"},
    [COLUMN_DURATION] = {TABLE_ITEM_FLOAT, TAP_ALIGN_RIGHT, "Duration", "%.9f"},
    [COLUMN_ROUNDS] = {TABLE_ITEM_UINT, TAP_ALIGN_RIGHT, "Rounds", "%u"},
    [COLUMN_RUN] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Run", "%s"},
    [COLUMN_DIAGNOSES] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Diagnoses", "%s"},
    [COLUMN_REVISION] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Revision", "%s"},
    [COLUMN_OFFERED] = {TABLE_ITEM_STRING, TAP_ALIGN_LEFT, "Offered", "%s"},
};

/* Names in a cell, which has room for LIST_MAX of them. */
typedef struct {
    wmem_strbuf_t *text;
    size_t fixed; /* length of what stays as it is, whatever follows */
    uint32_t count;
    uint32_t repeats; /* of the last name */
} list_t;

/* What a row has been told so far, beside what stands in its cells. */
typedef struct {
    wmem_allocator_t *scope; /* of all text in the row */
    const void *dialog;      /* that shows the row */
    nstime_t begin;
    list_t offered;
    list_t run;
    const maf_id_t *last_run;
    wmem_strbuf_t *diagnoses;
    uint32_t violations[FAULTS];
    bool begins_anew; /* the next list takes the place of those before it */
} row_t;

static const char UNFINISHED[] = "unfinished";

static stat_tap_table_ui ui;
static const stat_data_t *filler; /* who alone makes rows; NULL: the next listener that is told something */
static bool let_go;             /* the dialogs that are being filled have let go of what they showed before */
static GPtrArray *old_rows;     /* cells of rows that are in the table no more */
static GHashTable *row_indices; /* by maf_tap_t.session: index of the row, and one */

/* Rows */

static stat_tap_table_item_type *
cell(const stat_tap_table *table, unsigned index, unsigned column)
{
    return stat_tap_get_field_data(table, index, column);
}

static void
set_text(const stat_tap_table *table, unsigned index, unsigned column, const char *text)
{
    cell(table, index, column)->value.string_value = text;
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

static row_t *
row_of(const stat_tap_table *table, unsigned index)
{
    return (row_t *)cell(table, index, COLUMN_FRAME)->user_data.ptr_value;
}

/* Sorts as text, and has all of the capture's precision. Beyond the year 9999: seconds since 1970. */
static const char *
time_text(wmem_allocator_t *scope, const nstime_t *when)
{
    GDateTime *seconds = g_date_time_new_from_unix_utc(when->secs);
    char *text = seconds ? g_date_time_format(seconds, "%Y-%m-%d %H:%M:%S") : NULL;
    const char *result = text ? wmem_strdup_printf(scope, "%s.%09d", text, when->nsecs)
                              : wmem_strdup_printf(scope, "%.9f", nstime_to_sec(when));

    g_free(text);
    if (seconds)
        g_date_time_unref(seconds);
    return result;
}

static unsigned
row_new(stat_tap_table *table, const packet_info *pinfo, const maf_tap_t *record)
{
    const unsigned index = table->num_elements;
    stat_tap_table_item_type cells[COLUMNS] = {0};
    row_t *row = g_new0(row_t, 1);

    row->scope = wmem_allocator_new(WMEM_ALLOCATOR_SIMPLE);
    row->dialog = filler->user_data;
    row->begin = pinfo->abs_ts;
    row->offered.text = wmem_strbuf_new(row->scope, "");
    row->run.text = wmem_strbuf_new(row->scope, "");
    row->diagnoses = wmem_strbuf_new(row->scope, "");
    for (unsigned column = 0; column < COLUMNS; column++) {
        cells[column].type = columns[column].type;
        if (columns[column].type == TABLE_ITEM_STRING)
            cells[column].value.string_value = "";
    }
    cells[COLUMN_FRAME].value.uint_value = pinfo->num;
    cells[COLUMN_FRAME].user_data.ptr_value = row;
    cells[COLUMN_STREAM].value.uint_value = record->stream;
    cells[COLUMN_START].value.string_value = time_text(row->scope, &pinfo->abs_ts);
    cells[record->by_client ? COLUMN_CLIENT : COLUMN_SERVER].value.string_value =
        maf_end_text(row->scope, &pinfo->src, pinfo->srcport);
    cells[record->by_client ? COLUMN_SERVER : COLUMN_CLIENT].value.string_value =
        maf_end_text(row->scope, &pinfo->dst, pinfo->destport);
    cells[COLUMN_OUTCOME].value.string_value = UNFINISHED;
    stat_tap_init_table_row(table, index, COLUMNS, cells);
    g_hash_table_insert(row_indices, GUINT_TO_POINTER(record->session), GUINT_TO_POINTER(index + 1));
    return index;
}

static unsigned
row_for(stat_tap_table *table, const packet_info *pinfo, const maf_tap_t *record)
{
    const unsigned known =
        GPOINTER_TO_UINT(g_hash_table_lookup(row_indices, GUINT_TO_POINTER(record->session)));

    return known ? known - 1 : row_new(table, pinfo, record);
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

static void
list_add(list_t *list, const char *name, const char *id, bool again)
{
    if (again && list->count > 0 && list->count <= LIST_MAX) {
        wmem_strbuf_truncate(list->text, list->fixed);
        wmem_strbuf_append_printf(list->text, " %u times", ++list->repeats);
        return;
    }
    if (++list->count > LIST_MAX) {
        if (list->count == LIST_MAX + 1)
            list->fixed = wmem_strbuf_get_len(list->text);
        wmem_strbuf_truncate(list->text, list->fixed);
        wmem_strbuf_append_printf(list->text, " and %u more", list->count - LIST_MAX);
        return;
    }
    if (list->count > 1)
        wmem_strbuf_append(list->text, ", ");
    append_foreign(list->text, name);
    wmem_strbuf_append_printf(list->text, " (%s)", id);
    list->fixed = wmem_strbuf_get_len(list->text);
    list->repeats = 1;
}

static void
list_clear(list_t *list)
{
    wmem_strbuf_truncate(list->text, 0);
    list->count = 0;
}

static void
note_offers(const stat_tap_table *table, unsigned index, const packet_info *pinfo,
            const maf_message_t *message)
{
    row_t *row = row_of(table, index);
    maf_offers_t offers = maf_offers_begin(message);
    uint32_t offset;
    maf_id_t id;

    if (row->begins_anew)
        list_clear(&row->offered);
    row->begins_anew = false;
    while (maf_offers_next(&offers, &id, &offset)) {
        if (!maf_id_is(&id, MAF_METHOD_MORE_AVAILABLE))
            list_add(&row->offered, maf_method_name(message->revision, &id), maf_id_text(pinfo->pool, &id),
                     false);
    }
    set_text(table, index, COLUMN_OFFERED, wmem_strbuf_get_str(row->offered.text));
}

static void
note_run(const stat_tap_table *table, unsigned index, const packet_info *pinfo, unsigned revision,
         const maf_round_t *round)
{
    row_t *row = row_of(table, index);

    list_add(&row->run, maf_method_name(revision, round->method), maf_id_text(pinfo->pool, round->method),
             row->last_run && maf_id_equal(round->method, row->last_run));
    row->last_run = round->method;
    set_text(table, index, COLUMN_RUN, wmem_strbuf_get_str(row->run.text));
}

static void
note_ending(const stat_tap_table *table, unsigned index, const maf_tap_t *record)
{
    const maf_message_t *message = &record->message;
    row_t *row = row_of(table, index);

    set_text(table, index, COLUMN_OUTCOME,
             record->verdict->state == MAF_STATE_SUCCEEDED ? "succeeded" : "failed");
    if (message->end == MAF_MESSAGE_WHOLE && message->len > 0) {
        tvbuff_t *data =
            tvb_new_subset_length(record->tvb, (int)message->data_offset, (int)MIN(message->len, RESULT_MAX));
        wmem_strbuf_t *result = wmem_strbuf_new(row->scope, "");

        if (tvb_ascii_isprint(data, 0, -1))
            append_foreign(result, tvb_format_text(row->scope, data, 0, (int)tvb_captured_length(data)));
        else
            wmem_strbuf_append(result, tvb_bytes_to_str(row->scope, data, 0, (int)tvb_captured_length(data)));
        if (message->len > RESULT_MAX)
            wmem_strbuf_append(result, UTF8_HORIZONTAL_ELLIPSIS);
        set_text(table, index, COLUMN_RESULT, wmem_strbuf_get_str(result));
    }
}

static void
note_violations(const stat_tap_table *table, unsigned index, uint32_t violations)
{
    row_t *row = row_of(table, index);

    if (!violations)
        return;
    wmem_strbuf_truncate(row->diagnoses, 0);
    for (unsigned bit = 0; bit < FAULTS; bit++) {
        row->violations[bit] += violations >> bit & 1;
        if (!row->violations[bit])
            continue;
        wmem_strbuf_append_printf(row->diagnoses, "%s%s", wmem_strbuf_get_len(row->diagnoses) ? ", " : "",
                                  maf_expert_name(1U << bit));
        if (row->violations[bit] > 1)
            wmem_strbuf_append_printf(row->diagnoses, " %u times", row->violations[bit]);
    }
    set_text(table, index, COLUMN_DIAGNOSES, wmem_strbuf_get_str(row->diagnoses));
}

static void
note_message(const stat_tap_table *table, unsigned index, const packet_info *pinfo, const maf_tap_t *record)
{
    const maf_message_t *message = &record->message;
    const maf_verdict_t *verdict = record->verdict;
    row_t *row = row_of(table, index);
    nstime_t duration;

    if (!*cell(table, index, COLUMN_REVISION)->value.string_value)
        set_text(table, index, COLUMN_REVISION, verdict->revision == MAF_VER_00 ? "00" : "01");
    if (verdict->round)
        cell(table, index, COLUMN_ROUNDS)->value.uint_value = verdict->round->number;
    if (message->list)
        note_offers(table, index, pinfo, message);
    if (message->instr == MAF_INSTR_REQUEST_MORE)
        row->begins_anew = message->flags == MAF_FLAGS_ABSOLUTE;
    if (maf_begins_round(message, verdict))
        note_run(table, index, pinfo, verdict->revision, verdict->round);
    nstime_delta(&duration, &pinfo->abs_ts, &row->begin);
    if (cell(table, index, COLUMN_OUTCOME)->value.string_value == UNFINISHED)
        cell(table, index, COLUMN_DURATION)->value.float_value = nstime_to_sec(&duration);
    if (verdict->ending)
        note_ending(table, index, record);
}

/* The table */

static void
begin_filling(const stat_data_t *stat)
{
    filler = stat;
    for (unsigned i = let_go ? old_rows->len : 0; i-- > 0;) {
        const stat_tap_table_item_type *cells = (const stat_tap_table_item_type *)old_rows->pdata[i];

        if (((const row_t *)cells[COLUMN_FRAME].user_data.ptr_value)->dialog == stat->user_data)
            g_ptr_array_remove_index_fast(old_rows, i);
    }
}

static tap_packet_status
table_packet(void *tapdata, packet_info *pinfo, epan_dissect_t *edt _U_, const void *data,
             tap_flags_t flags _U_)
{
    const stat_data_t *stat = (const stat_data_t *)tapdata;
    const maf_tap_t *record = (const maf_tap_t *)data;
    stat_tap_table *table = g_array_index(stat->stat_tap_data->tables, stat_tap_table *, 0);
    unsigned index;

    if (!filler)
        begin_filling(stat);
    if (stat != filler)
        return TAP_PACKET_DONT_REDRAW;
    index = row_for(table, pinfo, record);
    if (record->tvb)
        note_message(table, index, pinfo, record);
    note_violations(table, index, record->violations);
    return TAP_PACKET_REDRAW;
}

/* Another dialog may still show the rows: what all dialogs have is one table. */
static void
table_reset(stat_tap_table *table)
{
    for (unsigned index = 0; index < table->num_elements; index++)
        g_ptr_array_add(old_rows, table->elements[index]);
    table->num_elements = 0;
    g_hash_table_remove_all(row_indices);
    let_go = true;
}

/* The last dialog has closed. */
static void
table_gone(void *table _U_)
{
    g_ptr_array_set_size(old_rows, 0);
}

static void
table_free_cell(stat_tap_table *table _U_, unsigned index _U_, unsigned column,
                stat_tap_table_item_type *item)
{
    if (column == COLUMN_FRAME)
        row_free((row_t *)item->user_data.ptr_value);
}

static void
table_init(stat_tap_table_ui *this_ui)
{
    stat_tap_table *table = stat_tap_find_table(this_ui, this_ui->title);

    if (!row_indices) {
        row_indices = g_hash_table_new(g_direct_hash, g_direct_equal);
        old_rows = g_ptr_array_new_with_free_func(cells_free);
    }
    if (!table) {
        table = stat_tap_init_table(this_ui->title, COLUMNS, 0, NULL);
        stat_tap_add_table(this_ui, table);
        g_array_set_clear_func(this_ui->tables, table_gone);
    }
    table_reset(table);
    filler = NULL;
    let_go = false;
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

    register_stat_tap_table_ui(&ui);
}
