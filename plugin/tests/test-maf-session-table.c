/* test-maf-session-table.c
 * The table of sessions: do its rows follow their logins, and outlive the capture for dialogs that share the
 * table?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include <epan/stat_tap_ui.h>
#include <epan/wmem_scopes.h>

#include "maf-login.h"
#include "maf-protocol.h"
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

static stat_tap_table_ui *
table_ui(void)
{
    return stat_tap_by_name("maf,sessions");
}

static const stat_tap_table *
table(void)
{
    return g_array_index(table_ui()->tables, stat_tap_table *, 0);
}

static const stat_tap_table_item_type *
cell_of(unsigned row, const char *name)
{
    unsigned column = 0;

    while (strcmp(table_ui()->fields[column].column_name, name) != 0)
        column++;
    return &table()->elements[row][column];
}

static maf_login_t *
login_new(wmem_allocator_t *scope)
{
    const address none = ADDRESS_INIT_NONE;

    return maf_login_new(scope, 7, &none, 1, &none, 0);
}

static void
show(stat_data_t *listener, maf_login_t *login, bool is_later_pass)
{
    frame_data frame = {.visited = is_later_pass};
    packet_info pinfo = {.fd = &frame};
    const maf_tap_t record = {.login = login};

    table_ui()->packet_func(listener, &pinfo, NULL, &record, 0);
}

/* What Apply does in Wireshark's SimpleStatisticsDialog. */
static void
apply(maf_login_t *const logins[SESSIONS], bool any_matches)
{
    stat_data_t listener = {.stat_tap_data = table_ui()};

    table_ui()->stat_tap_init_cb(table_ui());
    reset_stat_table(table_ui());
    for (unsigned i = 0; any_matches && i < SESSIONS; i++)
        show(&listener, logins[i], true);
}

static void
open_dialog(maf_login_t *const logins[SESSIONS])
{
    table_ui()->refcount++;
    apply(logins, true);
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
    wmem_allocator_t *capture = wmem_allocator_new(WMEM_ALLOCATOR_STRICT);
    maf_login_t *logins[SESSIONS];
    const stat_tap_table_item_type *shown;

    for (unsigned i = 0; i < SESSIONS; i++) {
        logins[i] = login_new(capture);
        maf_login_user(logins[i], NULL, "alice");
    }
    open_dialog(logins);
    shown = cell_of(0, "User");
    open_dialog(logins);
    apply(logins, true);
    g_assert_cmpuint(table()->num_elements, ==, SESSIONS);
    apply(logins, false);
    g_assert_cmpuint(table()->num_elements, ==, 0);
    g_assert_cmpint(rows, ==, 3 * SESSIONS);
    wmem_destroy_allocator(capture); /* the first dialog still shows its rows */
    g_assert_cmpstr(shown->value.string_value, ==, "alice");
    close_dialog();
    close_dialog();
    g_assert_cmpint(rows, ==, 0);
}

/* As sharkd has, that is asked for the table twice in a request: a login has one row. */
static void
test_two_listeners(void)
{
    wmem_allocator_t *capture = wmem_allocator_new(WMEM_ALLOCATOR_STRICT);
    stat_data_t one = {.stat_tap_data = table_ui()}, other = one;
    maf_login_t *login = login_new(capture);

    table_ui()->stat_tap_init_cb(table_ui());
    table_ui()->stat_tap_init_cb(table_ui());
    show(&one, login, false);
    show(&other, login, false);
    g_assert_cmpuint(table()->num_elements, ==, 1);
    free_stat_tables(table_ui());
    wmem_destroy_allocator(capture);
    g_assert_cmpint(rows, ==, 0);
}

/* The filter lets one packet of the first pass through: the row has what comes later as well. */
static void
test_row_follows_login(void)
{
    wmem_allocator_t *capture = wmem_allocator_new(WMEM_ALLOCATOR_STRICT);
    stat_data_t listener = {.stat_tap_data = table_ui()};
    const nstime_t when = NSTIME_INIT_ZERO;
    maf_login_t *login = login_new(capture);
    maf_login_t *other = login_new(capture);

    table_ui()->stat_tap_init_cb(table_ui());
    show(&listener, login, false);
    g_assert_cmpstr(cell_of(0, "User")->value.string_value, ==, "");
    maf_login_user(login, NULL, "a|b");
    maf_login_user(other, NULL, "bob");
    maf_login_violation(login, 3, &when, MAF_CLIENT, MAF_NOTE, "one", "text");
    maf_login_violation(login, 4, &when, MAF_CLIENT, MAF_NOTE, "two", "text");
    maf_login_violation(login, 5, &when, MAF_CLIENT, MAF_NOTE, "one", "text");
    maf_login_closed(login, MAF_SERVER, false);
    g_assert_cmpuint(table()->num_elements, ==, 1);
    g_assert_cmpstr(cell_of(0, "User")->value.string_value, ==, "a\\x7cb");
    g_assert_cmpstr(cell_of(0, "Expert info")->value.string_value, ==, "one 2 times, two");
    g_assert_cmpstr(cell_of(0, "Closed by")->value.string_value, ==, "server");
    g_assert_cmpuint(cell_of(0, "Stream")->value.uint_value, ==, 7);
    free_stat_tables(table_ui());
    maf_login_user(login, NULL, "nobody shows this");
    wmem_destroy_allocator(capture);
    g_assert_cmpint(rows, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    wmem_init_scopes();
    maf_session_table_register();
    g_test_add_func("/session-table/dialogs", test_dialogs);
    g_test_add_func("/session-table/two-listeners", test_two_listeners);
    g_test_add_func("/session-table/row-follows-login", test_row_follows_login);
    return g_test_run();
}
