/* test-maf-session-table.c
 * The table of sessions: do dialogs that share it, and listeners that are told the same, keep its rows right?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include <epan/stat_tap_ui.h>
#include <epan/wmem_scopes.h>

#include "maf-expert.h"
#include "stats/maf-session-table.h"
#include "stats/maf-tap.h"

enum { SESSIONS = 5 };

static int rows; /* whose text is in memory */

static maf_wmem_bool_t
row_gone(wmem_allocator_t *scope G_GNUC_UNUSED, wmem_cb_event_t event G_GNUC_UNUSED, void *end G_GNUC_UNUSED)
{
    rows--;
    return 0;
}

/* In place of that of maf-tap.c; a row asks for two ends, and the client's is the one with a port here. */
const char *
maf_end_text(wmem_allocator_t *pool, const address *address G_GNUC_UNUSED, uint32_t port)
{
    if (port) {
        rows++;
        wmem_register_callback(pool, row_gone, NULL);
    }
    return "";
}

/* In place of that of maf-expert.c. */
const char *
maf_expert_name(uint32_t violation G_GNUC_UNUSED)
{
    return "fault";
}

static stat_tap_table_ui *
table_ui(void)
{
    return stat_tap_by_name("maf,sessions");
}

static unsigned
shown(void)
{
    return g_array_index(table_ui()->tables, stat_tap_table *, 0)->num_elements;
}

static void
tell(stat_data_t *listener)
{
    packet_info pinfo = {.srcport = 1};

    for (uint32_t session = 1; session <= SESSIONS; session++) {
        const maf_tap_t record = {.session = session, .violations = 1};

        table_ui()->packet_func(listener, &pinfo, NULL, &record, 0);
    }
}

/* What Apply does in Wireshark's SimpleStatisticsDialog. */
static void
apply(void *dialog, bool any_matches)
{
    stat_data_t listener = {.stat_tap_data = table_ui(), .user_data = dialog};

    table_ui()->stat_tap_init_cb(table_ui());
    reset_stat_table(table_ui());
    if (any_matches)
        tell(&listener);
}

static void
open_dialog(void *dialog)
{
    table_ui()->refcount++;
    apply(dialog, true);
}

static void
close_dialog(void)
{
    if (--table_ui()->refcount == 0)
        free_stat_tables(table_ui());
}

static void
test_dialogs(void)
{
    int one = 1, other = 2;

    open_dialog(&one);
    open_dialog(&other);
    g_assert_cmpint(rows, ==, 2 * SESSIONS);
    for (unsigned times = 0; times < 10; times++) {
        apply(&one, true);
        apply(&other, true);
        g_assert_cmpuint(shown(), ==, SESSIONS);
        g_assert_cmpint(rows, ==, 2 * SESSIONS);
    }
    close_dialog();
    close_dialog();
    g_assert_cmpint(rows, ==, 0);
}

static void
test_last_shows_nothing(void)
{
    int one = 1, other = 2;

    open_dialog(&one);
    open_dialog(&other);
    apply(&other, false);
    g_assert_cmpuint(shown(), ==, 0);
    close_dialog();
    close_dialog();
    g_assert_cmpint(rows, ==, 0);
    open_dialog(&one);
    g_assert_cmpint(rows, ==, SESSIONS);
    close_dialog();
    g_assert_cmpint(rows, ==, 0);
}

/* Its rows stay while it is being filled, though another asks for the table meanwhile. */
static void
test_asked_for_while_filling(void)
{
    int one = 1;
    stat_data_t listener = {.stat_tap_data = table_ui(), .user_data = &one};

    table_ui()->refcount = 2;
    table_ui()->stat_tap_init_cb(table_ui());
    reset_stat_table(table_ui());
    tell(&listener);
    table_ui()->stat_tap_init_cb(table_ui());
    tell(&listener);
    g_assert_cmpint(rows, ==, 2 * SESSIONS);
    reset_stat_table(table_ui());
    close_dialog();
    close_dialog();
    g_assert_cmpint(rows, ==, 0);
}

/* As sharkd has, that is asked for the table twice in a request: what is wrong is counted once. */
static void
test_two_listeners(void)
{
    stat_data_t one = {.stat_tap_data = table_ui()}, other = one;
    const stat_tap_table_item_type *cells;
    unsigned column = 0;

    table_ui()->stat_tap_init_cb(table_ui());
    table_ui()->stat_tap_init_cb(table_ui());
    tell(&one);
    tell(&other);
    g_assert_cmpuint(shown(), ==, SESSIONS);
    while (strcmp(table_ui()->fields[column].column_name, "Diagnoses") != 0)
        column++;
    cells = g_array_index(table_ui()->tables, stat_tap_table *, 0)->elements[0];
    g_assert_cmpstr(cells[column].value.string_value, ==, "fault");
    free_stat_tables(table_ui());
    free_stat_tables(table_ui());
    g_assert_cmpint(rows, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    wmem_init_scopes();
    maf_session_table_register();
    g_test_add_func("/session-table/dialogs", test_dialogs);
    g_test_add_func("/session-table/last-shows-nothing", test_last_shows_nothing);
    g_test_add_func("/session-table/asked-for-while-filling", test_asked_for_while_filling);
    g_test_add_func("/session-table/two-listeners", test_two_listeners);
    return g_test_run();
}
