/* maf-json.c
 * Sessions and violations as JSON, an object a line
 *
 * A packet that the filter lets through chooses its login; what is printed is all of the login's record, in
 * the order of the capture.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "stats/maf-json.h"

#include <stdio.h>

#include <epan/stat_tap_ui.h>
#include <epan/tap.h>
#include <epan/to_str.h>
#include <wsutil/json_dumper.h>
#include <wsutil/report_message.h>

#include "maf-expert.h"
#include "maf-methods.h"
#include "maf-protocol.h"
#include "stats/maf-tap.h"

/* The most sub-methods run that are named. */
#define METHODS_MAX 64

/* One listener, which a -z makes. */
typedef struct {
    GHashTable *chosen; /* of maf_login_t */
} listener_t;

/* A line to print; a login's own if there is no diagnosis. */
typedef struct {
    uint32_t packet;
    uint32_t order; /* among those of one packet */
    const maf_login_t *login;
    const maf_diagnosis_t *diagnosis;
} line_t;

static GPtrArray *all_listeners;

/* Values */

static void
add_string(json_dumper *json, const char *key, const char *text)
{
    json_dumper_set_member_name(json, key);
    json_dumper_value_string(json, text);
}

static void
add_uint(json_dumper *json, const char *key, uint32_t number)
{
    json_dumper_set_member_name(json, key);
    json_dumper_value_anyf(json, "%u", number);
}

/* Seconds, with all nine decimals: a double has no room for those of a time since 1970. */
static void
add_time(json_dumper *json, const char *key, const nstime_t *when)
{
    const bool is_negative = when->secs < 0 || when->nsecs < 0;
    int64_t secs = (int64_t)when->secs;
    int nsecs = when->nsecs;

    if (secs < 0 && nsecs > 0) { /* -1 s and 0.3 s are -0.7 s */
        secs++;
        nsecs -= 1000000000;
    }
    json_dumper_set_member_name(json, key);
    json_dumper_value_anyf(json, "%s%" PRId64 ".%09d", is_negative ? "-" : "", secs < 0 ? -secs : secs,
                           ABS(nsecs));
}

static void
add_id(json_dumper *json, wmem_allocator_t *pool, unsigned revision, const maf_id_t *id)
{
    add_string(json, "id", maf_id_text(pool, id));
    add_string(json, "name", maf_method_name(revision, id));
}

/* Lines */

static void
add_offered(json_dumper *json, wmem_allocator_t *pool, const maf_login_t *login)
{
    json_dumper_set_member_name(json, "offered");
    json_dumper_begin_array(json);
    for (uint32_t i = 0; i < MIN(login->offers, MAF_LOGIN_OFFERS_MAX); i++) {
        json_dumper_begin_object(json);
        add_id(json, pool, (unsigned)login->revision, &login->offered[i]);
        json_dumper_end_object(json);
    }
    json_dumper_end_array(json);
}

static void
add_methods(json_dumper *json, wmem_allocator_t *pool, const maf_login_t *login)
{
    const maf_round_t *round = login->first_round;

    json_dumper_set_member_name(json, "methods");
    json_dumper_begin_array(json);
    for (unsigned i = 0; round && i < METHODS_MAX; round = round->next, i++) {
        json_dumper_begin_object(json);
        add_id(json, pool, (unsigned)login->revision, &round->method);
        add_string(json, "outcome", maf_outcome_name(round->outcome));
        if (round->decision)
            add_time(json, "duration", &round->duration);
        else
            add_string(json, "duration", NULL);
        add_string(json, "user", round->names_user ? round->user : NULL);
        json_dumper_end_object(json);
    }
    json_dumper_end_array(json);
}

static void
add_session(json_dumper *json, wmem_allocator_t *pool, const maf_login_t *login)
{
    add_string(json, "type", "session");
    add_uint(json, "session", login->number);
    add_uint(json, "frame", login->first);
    add_uint(json, "last_frame", login->last);
    add_uint(json, "stream", login->tcp_stream);
    add_time(json, "start", &login->begin);
    add_string(json, "client", address_to_str(pool, &login->client));
    add_uint(json, "client_port", login->client_port);
    add_string(json, "server", address_to_str(pool, &login->server));
    add_uint(json, "server_port", login->server_port);
    add_string(json, "user", login->user);
    add_uint(json, "revision", (uint32_t)login->revision);
    add_offered(json, pool, login);
    add_methods(json, pool, login);
    add_uint(json, "rounds", login->last_round ? login->last_round->number : 0);
    add_string(json, "outcome", maf_outcome_name(login->outcome));
    add_string(json, "result", login->result);
    add_time(json, "duration", &login->duration);
    add_string(json, "closed_by", login->closed_by);
    add_string(json, "target", login->target);
    if (login->reply < 0)
        add_string(json, "reply", NULL);
    else
        add_uint(json, "reply", (uint32_t)login->reply);
}

static void
add_diagnosis(json_dumper *json, const maf_login_t *login, const maf_diagnosis_t *diagnosis)
{
    static const char *const severities[] = {"note", "warning", "error"};

    add_string(json, "type", "diagnosis");
    add_uint(json, "session", login->number);
    add_uint(json, "frame", diagnosis->packet);
    add_uint(json, "stream", login->tcp_stream);
    add_time(json, "time", &diagnosis->when);
    add_string(json, "severity", severities[diagnosis->severity]);
    add_string(json, "from", diagnosis->from == MAF_CLIENT ? "client" : "server");
    add_string(json, "expert", diagnosis->expert);
    add_string(json, "message", diagnosis->text);
}

static void
print_line(wmem_allocator_t *pool, const line_t *line)
{
    json_dumper json = {.output_file = stdout};

    json_dumper_begin_object(&json);
    if (line->diagnosis)
        add_diagnosis(&json, line->login, line->diagnosis);
    else
        add_session(&json, pool, line->login);
    json_dumper_end_object(&json);
    json_dumper_finish(&json);
}

/* The listener */

static int
compare_lines(const void *a, const void *b)
{
    const line_t *one = (const line_t *)a;
    const line_t *other = (const line_t *)b;

    if (one->packet != other->packet)
        return one->packet < other->packet ? -1 : 1;
    return one->order < other->order ? -1 : one->order > other->order;
}

/* What the end of the capture cuts is only known now. */
static const maf_diagnosis_t *
diagnosis_of_cut(wmem_allocator_t *pool, const maf_login_t *login, maf_side_t side)
{
    maf_diagnosis_t *diagnosis = wmem_new0(pool, maf_diagnosis_t);

    diagnosis->expert = MAF_EXPERT_TRUNCATED;
    diagnosis->text = maf_expert_cut_text(pool, login, side);
    diagnosis->when = login->pending[side].when;
    diagnosis->packet = login->pending[side].packet;
    diagnosis->from = (uint8_t)side;
    diagnosis->severity = MAF_ERROR;
    return diagnosis;
}

static void
add_line(GArray *lines, uint32_t packet, const maf_login_t *login, const maf_diagnosis_t *diagnosis)
{
    const line_t line = {.packet = packet, .order = lines->len, .login = login, .diagnosis = diagnosis};

    g_array_append_val(lines, line);
}

static void
add_login(GArray *lines, wmem_allocator_t *pool, const maf_login_t *login)
{
    if (login->first_message)
        add_line(lines, login->first, login, NULL);
    for (const maf_diagnosis_t *next = login->first_diagnosis; next; next = next->next) {
        if (!next->is_withdrawn)
            add_line(lines, next->packet, login, next);
    }
    for (int side = MAF_CLIENT; side <= MAF_SERVER; side++) {
        if (maf_login_is_cut(login, (maf_side_t)side))
            add_line(lines, login->pending[side].packet, login,
                     diagnosis_of_cut(pool, login, (maf_side_t)side));
    }
}

static int
compare_logins(const void *a, const void *b)
{
    const maf_login_t *one = *(const maf_login_t *const *)a;
    const maf_login_t *other = *(const maf_login_t *const *)b;

    return one->number < other->number ? -1 : one->number > other->number;
}

static void
json_draw(void *data)
{
    const listener_t *listener = (const listener_t *)data;
    wmem_allocator_t *pool = wmem_allocator_new(WMEM_ALLOCATOR_BLOCK_FAST);
    GArray *lines = g_array_new(FALSE, FALSE, sizeof(line_t));
    unsigned count = g_hash_table_size(listener->chosen);
    void **logins = g_hash_table_get_keys_as_array(listener->chosen, &count);

    qsort(logins, count, sizeof *logins, compare_logins);
    for (unsigned i = 0; i < count; i++)
        add_login(lines, pool, (const maf_login_t *)logins[i]);
    g_array_sort(lines, compare_lines);
    for (unsigned i = 0; i < lines->len; i++)
        print_line(pool, &g_array_index(lines, line_t, i));
    fflush(stdout);

    g_free(logins);
    g_array_free(lines, TRUE);
    wmem_destroy_allocator(pool);
}

static tap_packet_status
json_packet(void *tapdata, packet_info *pinfo _U_, epan_dissect_t *edt _U_, const void *data,
            tap_flags_t flags _U_)
{
    const listener_t *listener = (const listener_t *)tapdata;

    g_hash_table_add(listener->chosen, ((const maf_tap_t *)data)->login);
    return TAP_PACKET_REDRAW;
}

static void
json_reset(void *data)
{
    g_hash_table_remove_all(((listener_t *)data)->chosen);
}

static void
json_finish(void *data)
{
    listener_t *listener = (listener_t *)data;

    g_ptr_array_remove(all_listeners, listener);
    g_hash_table_destroy(listener->chosen);
    g_free(listener);
}

/* The capture is closed, and with it go its logins. */
static void
forget_logins(void)
{
    g_ptr_array_foreach(all_listeners, (GFunc)(void (*)(void))json_reset, NULL);
}

static maf_stat_init_t
json_init(const char *option, void *data _U_)
{
    const char *comma = strchr(option + strlen("maf,"), ',');
    listener_t *listener = g_new0(listener_t, 1);
    GString *problem;

    listener->chosen = g_hash_table_new(g_direct_hash, g_direct_equal);
    g_ptr_array_add(all_listeners, listener);
    problem = register_tap_listener("maf", listener, comma ? comma + 1 : NULL, TL_REQUIRES_NOTHING,
                                    json_reset, json_packet, json_draw, json_finish);
    if (problem) {
        report_failure("-z %s: %s", option, problem->str);
        g_string_free(problem, TRUE);
        return MAF_STAT_INIT_FAILED;
    }
    return MAF_STAT_INIT_DONE;
}

void
maf_json_register(void)
{
    static stat_tap_ui ui = {REGISTER_STAT_GROUP_GENERIC, NULL, "maf,json", json_init, 0, NULL};

    all_listeners = g_ptr_array_new();
    register_cleanup_routine(forget_logins);
    register_stat_tap_ui(&ui, NULL);
}
