/* maf-server.c
 * A small SOCKS 5 proxy that authenticates its clients with MAF
 *
 * Each client goes through the states below, which are those of draft-00 (Subnegotiation) between the ones of
 * RFC 1928.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-config.h"
#include "maf-stream.h"
#include "maf-turns.h"
#include "socks-pdu.h"
#include "tool.h"

#include <errno.h>
#include <glib-unix.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is larger, as the buffers of a tunnel are, goes back to the system as soon as it is freed. */
#define MAPPED_ALONE 16384

/* Rounds that --rounds may ask for. */
#define ROUNDS_MAX 10000

typedef struct server {
    maf_manners_t manners;
    maf_settings_t settings;
    guint8 socks_method;
    gboolean allow_none;
    maf_policy_t *policy;
    maf_users_t *users;
    maf_limits_t limits;
    GSocketAddress *address;

    maf_door_t *door;
    maf_turns_t *turns;
    GSocketClient *connector;
} server_t;

/* A reference is held for the stream, for the turn of a step, and for the way to the target. */
typedef struct client {
    server_t *server;
    GBytes *address;
    maf_stream_t *stream; /* NULL once it has ended */
    guint login_deadline;
    maf_policy_run_t policy;
    char *user;      /* who the client has proved to be, or NULL */
    GError *refusal; /* why the client is refused, and is to acknowledge */

    /* The running sub-method */
    maf_id_t method_id;
    const maf_method_t *method;
    gpointer run;
    maf_verdict_t verdict;

    /* Its step in a thread, if one is under way; its message and the answer */
    maf_turn_t *turn;
    GByteArray *in;
    GBytes *out;

    GCancellable *connecting;
    GSocketConnection *target;
} client_t;

static const maf_state_t awaiting_greeting, awaiting_list, executing, succeeded, refused, awaiting_request;

/* Life and death of a client */

static void
stop_method(client_t *client)
{
    if (client->run)
        client->method->stop(client->run);
    client->run = NULL;
}

static void
client_clear(gpointer data)
{
    client_t *client = data;

    stop_method(client);
    maf_policy_stop(&client->policy);
    g_free(client->user);
    g_clear_error(&client->refusal);
    g_object_unref(client->connecting);
    g_bytes_unref(client->address);
}

static void
client_unref(client_t *client)
{
    g_rc_box_release_full(client, client_clear);
}

static void
client_ended(gpointer side, const GError *error)
{
    client_t *client = side;
    server_t *server = client->server;

    if (client->refusal) /* which is how it ended, whatever the client made of it */
        error = client->refusal;
    if (error)
        tool_say(maf_stream_peer(client->stream), "%s", error->message);
    else if (server->manners.verbose)
        tool_say(maf_stream_peer(client->stream), "closed");
    g_clear_pointer(&client->stream, maf_stream_free);
    g_clear_handle_id(&client->login_deadline, g_source_remove);
    if (client->turn)
        maf_turn_give_up(client->turn);
    g_cancellable_cancel(client->connecting);
    if (client->target) {
        g_io_stream_close(G_IO_STREAM(client->target), NULL, NULL);
        g_object_unref(client->target);
    }
    maf_door_leave(server->door, client->address);
    client_unref(client);
}

static gboolean
login_deadline_passed(gpointer user_data)
{
    client_t *client = user_data;

    client->login_deadline = 0;
    maf_stream_give_up(client->stream,
                       g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "not logged in within %u s",
                                   client->server->limits.login_time));
    return G_SOURCE_REMOVE;
}

static void
client_arrived(gpointer owner, GSocketConnection *connection, GBytes *address)
{
    server_t *server = owner;
    client_t *client = g_rc_box_new0(client_t);

    client->server = server;
    client->address = g_bytes_ref(address);
    client->connecting = g_cancellable_new();
    maf_policy_start(&client->policy, server->policy);
    client->stream = maf_stream_new(connection, &server->manners, client_ended, client);
    client->login_deadline = g_timeout_add_seconds(server->limits.login_time, login_deadline_passed, client);
    maf_stream_expect(client->stream, &awaiting_greeting);
}

/* The greeting and the selection (RFC 1928, section 3) */

static guint8
select_socks_method(const server_t *server, const socks_greeting_t *greeting)
{
    if (memchr(greeting->methods, server->socks_method, greeting->n_methods))
        return server->socks_method;
    if (server->allow_none && memchr(greeting->methods, SOCKS_METHOD_NONE, greeting->n_methods))
        return SOCKS_METHOD_NONE;
    return SOCKS_METHOD_UNACCEPTABLE;
}

static frame_status_t
receive_greeting(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    client_t *client = side;
    socks_greeting_t greeting;

    const frame_status_t status = socks_greeting_decode(octets, len, &greeting, length, error);
    if (status != FRAME_COMPLETE)
        return status;

    g_autoptr(GByteArray) answer = g_byte_array_new();
    const guint8 method = select_socks_method(client->server, &greeting);
    socks_selection_encode(method, answer);
    maf_stream_send(client->stream, answer);
    if (method == SOCKS_METHOD_UNACCEPTABLE)
        maf_stream_end(client->stream, g_error_new(MAF_ERROR, MAF_ERROR_REFUSED,
                                                   "refused: METHOD %02X is not among those of the greeting",
                                                   client->server->socks_method));
    else
        maf_stream_expect(client->stream, method == SOCKS_METHOD_NONE ? &awaiting_request : &awaiting_list);
    return FRAME_COMPLETE;
}

/* The server's decisions (draft-00, Subnegotiation) */

static void
send_header(client_t *client, guint8 instr, guint16 flags)
{
    const maf_pdu_t pdu = {.instr = instr, .flags = flags};
    maf_stream_send_pdu(client->stream, &pdu);
}

static void
send_with_data(client_t *client, guint8 instr, const maf_id_t *method, GBytes *data)
{
    maf_pdu_t pdu = {.instr = instr, .method = *method};
    if (data)
        pdu.data = g_bytes_get_data(data, &pdu.data_len);
    maf_stream_send_pdu(client->stream, &pdu);
}

/* Lets the running sub-method take a step. The caller unrefs what it says, if anything. */
static GBytes *
step(client_t *client, const guint8 *in, gsize in_len)
{
    GBytes *out = NULL;
    client->verdict = client->method->step(client->run, in, in_len, &out, NULL);
    return out;
}

static void
send_answer(client_t *client, GBytes *out)
{
    if (out)
        send_with_data(client, MAF_INSTR_PROCESS, &client->method_id, out);
}

/* Until step_done() nobody else touches the run. */
static void
step_in_thread(gpointer data)
{
    client_t *client = data;
    client->out = step(client, client->in->data, client->in->len);
}

static void
step_done(gpointer data)
{
    client_t *client = data;

    client->turn = NULL;
    g_clear_pointer(&client->in, maf_wipe_and_unref);
    if (client->stream) {
        send_answer(client, client->out);
        maf_stream_expect(client->stream, &executing);
    }
    g_clear_pointer(&client->out, g_bytes_unref);
    client_unref(client);
}

/*
 * Has the step taken in a thread, when it is the client's turn. Nothing is read before it is done. The array
 * has room even for nothing, whose place would be NULL, as at the first step.
 */
static void
step_in_turn(client_t *client, const guint8 *in, gsize in_len)
{
    client->in = g_byte_array_sized_new((guint)in_len + 1);
    g_byte_array_append(client->in, in, (guint)in_len);
    maf_stream_expect(client->stream, NULL);
    client->turn = maf_turns_wait(client->server->turns, client->address, step_in_thread, step_done,
                                  g_rc_box_acquire(client));
}

/* The sub-method's first octets go with Do, or, where that has no DATA, after it. */
static void
send_do(client_t *client)
{
    g_autoptr(GBytes) first = step(client, NULL, 0);

    send_with_data(client, MAF_INSTR_DO, &client->method_id, first);
    if (first && !maf_stream_has_data(client->stream, MAF_INSTR_DO))
        send_with_data(client, MAF_INSTR_PROCESS, &client->method_id, first);
}

static void
succeed(client_t *client)
{
    g_autofree char *text = client->server->policy->tells_grade
                                ? g_strdup_printf("grade=%u", client->policy.grade)
                                : g_strdup("");
    g_autoptr(GBytes) data = g_bytes_new(text, strlen(text));
    const maf_id_t id = maf_id_compact(MAF_METHOD_SUCCESS);

    stop_method(client);
    if (client->server->manners.verbose)
        tool_say(maf_stream_peer(client->stream), "authenticated%s%s%s%s", client->user ? " as " : "",
                 client->user ? client->user : "", *text ? ", " : "", text);
    send_with_data(client, MAF_INSTR_SUCCESS, &id, data);
    maf_stream_expect(client->stream, &succeeded);
}

/* Says no with `instr` and ends the session, once that is acknowledged if it has to be. */
static void
refuse(client_t *client, guint8 instr, const char *reason)
{
    const char *text = client->server->policy->failure_text;
    g_autoptr(GBytes) data = text ? g_bytes_new(text, strlen(text)) : NULL;
    const maf_id_t id = maf_id_compact(MAF_METHOD_FAILURE);

    client->refusal = g_error_new(MAF_ERROR, MAF_ERROR_REFUSED, "refused: %s", reason);
    send_with_data(client, instr, &id, data);
    if (maf_stream_acknowledges(client->stream))
        maf_stream_expect(client->stream, &refused);
    else
        maf_stream_end(client->stream, NULL);
}

static void
request_more(client_t *client, guint16 flags)
{
    send_header(client, MAF_INSTR_REQUEST_MORE, flags);
    maf_stream_expect(client->stream, &awaiting_list);
}

/* FALSE when the sub-method cannot be run. */
static gboolean
start_round(client_t *client, const maf_decision_t *decision)
{
    stop_method(client);
    client->method_id = decision->id;
    client->method = decision->method;
    client->run = client->method->start(MAF_SERVER, &client->server->settings);
    if (!client->run)
        return FALSE;
    maf_stream_expect(client->stream, &executing);
    send_do(client);
    return TRUE;
}

/* Does what the policy decides. */
static void
decide(gpointer side)
{
    client_t *client = side;

    if (!client->policy.has_more && maf_stream_slips(client->stream, MAF_SLIP_REQUEST_MORE)) {
        request_more(client, MAF_FLAGS_RELATIVE);
        return;
    }
    maf_decision_t decision = maf_policy_decide(&client->policy);
    if (decision.method && maf_stream_slips(client->stream, MAF_SLIP_SUCCESS_FOR_DO)) {
        succeed(client);
        return;
    }
    while (decision.method && !start_round(client, &decision)) {
        maf_policy_result(&client->policy, FALSE);
        decision = maf_policy_decide(&client->policy);
    }
    if (decision.reason)
        refuse(client, decision.instr, decision.reason);
    else if (decision.instr == MAF_INSTR_REQUEST_MORE)
        request_more(client, decision.flags);
    else if (decision.instr == MAF_INSTR_SUCCESS ||
             maf_stream_slips(client->stream, MAF_SLIP_SUCCESS_AFTER_DO))
        succeed(client);
}

static frame_status_t
receive_list(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    client_t *client = side;
    maf_pdu_t pdu;

    const frame_status_t status = maf_stream_read_pdu(client->stream, octets, len, &pdu, length, error);
    if (status != FRAME_COMPLETE)
        return status;
    if (pdu.instr != MAF_INSTR_SUPPORTED)
        return frame_bad(error, "got %s", maf_instr_name(pdu.instr));

    maf_policy_offer(&client->policy, pdu.offered, pdu.n_offered);
    maf_stream_exchange_oem(client->stream, MAF_OEM_LIST, decide);
    return FRAME_COMPLETE;
}

/* All sub-methods that tell who the client is must tell the same. */
static gboolean
has_passed(client_t *client)
{
    if (client->verdict != MAF_VERDICT_SUCCEEDED)
        return FALSE;
    const char *user = client->method->user(client->run);
    if (user && !client->user)
        client->user = g_strdup(user);
    return !user || strcmp(user, client->user) == 0;
}

static void
decide_next(client_t *client)
{
    const gboolean passed = has_passed(client);

    if (client->server->manners.verbose)
        tool_say(maf_stream_peer(client->stream), "%s %s", client->method->name,
                 passed ? "passed" : "failed");
    maf_policy_result(&client->policy, passed);
    maf_stream_exchange_oem(client->stream, MAF_OEM_WHAT_NEXT, decide);
}

static frame_status_t
receive_while_executing(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    client_t *client = side;
    maf_pdu_t pdu;

    const frame_status_t status = maf_stream_read_pdu(client->stream, octets, len, &pdu, length, error);
    if (status != FRAME_COMPLETE)
        return status;

    if (pdu.instr == MAF_INSTR_WHAT_NEXT) {
        decide_next(client);
        return FRAME_COMPLETE;
    }
    if (pdu.instr != MAF_INSTR_PROCESS)
        return frame_bad(error, "got %s", maf_instr_name(pdu.instr));
    if (client->verdict != MAF_VERDICT_OPEN)
        return frame_bad(error, "got Process after the sub-method's end");
    if (!maf_id_equal(&pdu.method, &client->method_id)) {
        g_autofree char *other = maf_id_to_string(&pdu.method);
        return frame_bad(error, "got Process for METHOD %s", other);
    }
    if (client->method->slow) {
        step_in_turn(client, pdu.data, pdu.data_len);
        return FRAME_COMPLETE;
    }
    g_autoptr(GBytes) out = step(client, pdu.data, pdu.data_len);
    send_answer(client, out);
    return FRAME_COMPLETE;
}

/* After success a client may acknowledge, and is acknowledged; what it says else is its request. */
static frame_status_t
receive_after_success(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    client_t *client = side;

    if (len == 0)
        return FRAME_PARTIAL;
    if (octets[0] == MAF_INSTR_ACKNOWLEDGE) {
        maf_pdu_t pdu;
        const frame_status_t status = maf_stream_read_pdu(client->stream, octets, len, &pdu, length, error);
        if (status != FRAME_COMPLETE)
            return status;
        send_header(client, MAF_INSTR_ACKNOWLEDGE, MAF_FLAGS_NONE);
    } else {
        *length = 0;
    }
    maf_stream_expect(client->stream, &awaiting_request);
    return FRAME_COMPLETE;
}

static frame_status_t
receive_after_refusal(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    client_t *client = side;
    maf_pdu_t pdu;

    const frame_status_t status = maf_stream_read_pdu(client->stream, octets, len, &pdu, length, error);
    if (status != FRAME_COMPLETE)
        return status;
    if (pdu.instr != MAF_INSTR_ACKNOWLEDGE)
        return frame_bad(error, "got %s", maf_instr_name(pdu.instr));
    send_header(client, MAF_INSTR_ACKNOWLEDGE, MAF_FLAGS_NONE);
    maf_stream_end(client->stream, NULL);
    return FRAME_COMPLETE;
}

/* The request and the reply (RFC 1928, sections 4 to 6) */

/* The address as ATYP, ADDR and PORT; all zero for NULL, which RFC 1928 leaves open for failures. */
static socks_address_t
socks_address_from(GSocketAddress *from)
{
    socks_address_t address = {.atyp = SOCKS_ATYP_IPV4, .len = 4};

    if (from && G_IS_INET_SOCKET_ADDRESS(from)) {
        GInetAddress *inet = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(from));
        const gboolean ipv6 = g_inet_address_get_family(inet) == G_SOCKET_FAMILY_IPV6;
        address.atyp = ipv6 ? SOCKS_ATYP_IPV6 : SOCKS_ATYP_IPV4;
        address.len = (guint8)g_inet_address_get_native_size(inet);
        memcpy(address.octets, g_inet_address_to_bytes(inet), address.len);
        address.port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(from));
    }
    return address;
}

static void
send_reply(client_t *client, guint8 rep, GSocketAddress *bound)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();
    const socks_message_t reply = {.code = rep, .address = socks_address_from(bound)};
    socks_message_encode(&reply, octets);
    maf_stream_send(client->stream, octets);
}

/* Replies that it cannot be done, and ends the session. */
static void
decline(client_t *client, guint8 rep, const char *reason)
{
    send_reply(client, rep, NULL);
    maf_stream_end(client->stream, g_error_new(MAF_ERROR, MAF_ERROR_TARGET, "replied %02X (%s): %s", rep,
                                               socks_rep_name(rep), reason));
}

/* Where the client wants to go, or NULL for a name that cannot be one. */
static GSocketConnectable *
target_of(const socks_address_t *address)
{
    if (address->atyp != SOCKS_ATYP_DOMAIN) {
        g_autoptr(GInetAddress) inet = g_inet_address_new_from_bytes(
            address->octets, address->atyp == SOCKS_ATYP_IPV6 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4);
        return G_SOCKET_CONNECTABLE(g_inet_socket_address_new(inet, address->port));
    }
    for (gsize i = 0; i < address->len; i++) {
        if (!g_ascii_isgraph((char)address->octets[i]))
            return NULL;
    }
    g_autofree char *name = g_strndup((const char *)address->octets, address->len);
    return g_network_address_new(name, address->port);
}

static guint8
rep_of(const GError *error)
{
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
        return SOCKS_REP_REFUSED;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NETWORK_UNREACHABLE))
        return SOCKS_REP_NETWORK_UNREACHABLE;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE) ||
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) || error->domain == G_RESOLVER_ERROR)
        return SOCKS_REP_HOST_UNREACHABLE;
    return SOCKS_REP_FAILURE;
}

/* Relays between the client and its target from now on. */
static void
join(client_t *client, GSocketConnection *target_connection)
{
    GSocket *socket = g_socket_connection_get_socket(target_connection);

    client->target = g_object_ref(target_connection);
    g_socket_set_timeout(socket, 0);
    relay_tune(socket);
    g_autoptr(GSocketAddress) bound = g_socket_connection_get_local_address(client->target, NULL);
    const relay_end_t target = {.in = g_io_stream_get_input_stream(G_IO_STREAM(client->target)),
                                .out = g_io_stream_get_output_stream(G_IO_STREAM(client->target)),
                                .socket = socket};
    send_reply(client, SOCKS_REP_SUCCEEDED, bound);
    maf_stream_bridge(client->stream, &target);
}

static void
target_connected(GObject *source, GAsyncResult *result, gpointer user_data)
{
    client_t *client = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) target =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(source), result, &error);

    if (client->stream && target)
        join(client, target);
    else if (client->stream)
        decline(client, rep_of(error), error->message);
    client_unref(client);
}

static frame_status_t
receive_request(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    client_t *client = side;
    socks_message_t request;

    const frame_status_t status = socks_request_decode(octets, len, &request, length, error);
    if (status != FRAME_COMPLETE)
        return status;
    maf_stream_expect(client->stream, NULL);
    if (request.address.len == 0) {
        decline(client, SOCKS_REP_ATYP_NOT_SUPPORTED, "ATYP is not 01, 03 or 04");
        return FRAME_COMPLETE;
    }
    if (request.code != SOCKS_CMD_CONNECT) {
        decline(client, SOCKS_REP_COMMAND_NOT_SUPPORTED, "CMD is not CONNECT");
        return FRAME_COMPLETE;
    }
    g_autoptr(GSocketConnectable) target = target_of(&request.address);
    if (!target) {
        decline(client, SOCKS_REP_HOST_UNREACHABLE, "the domain name has octets that no name has");
        return FRAME_COMPLETE;
    }
    if (client->server->manners.verbose) {
        g_autofree char *text = g_socket_connectable_to_string(target);
        tool_say(maf_stream_peer(client->stream), "connecting to %s", text);
    }
    g_clear_handle_id(&client->login_deadline, g_source_remove);
    g_socket_client_connect_async(client->server->connector, target, client->connecting, target_connected,
                                  g_rc_box_acquire(client));
    return FRAME_COMPLETE;
}

/* clang-format off */
static const maf_state_t
    awaiting_greeting = {"a SOCKS 5 greeting", receive_greeting, FALSE},
    awaiting_list     = {"a list of MAF sub-methods", receive_list, TRUE},
    executing         = {"Process or What next?", receive_while_executing, TRUE},
    succeeded         = {"a SOCKS 5 request", receive_after_success, TRUE},
    refused           = {"Acknowledge", receive_after_refusal, TRUE},
    awaiting_request  = {"a SOCKS 5 request", receive_request, FALSE};
/* clang-format on */

/* The program */

static gboolean
listen_on(server_t *server, GError **error)
{
    server->door = maf_door_open(server->address, &server->limits, client_arrived, server, error);
    if (!server->door)
        return FALSE;
    g_autofree char *text =
        g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(maf_door_address(server->door)));
    g_print("listening on %s\n", text);
    fflush(stdout);
    return TRUE;
}

static gboolean
quit(gpointer user_data)
{
    g_main_loop_quit(user_data);
    return G_SOURCE_CONTINUE;
}

/* What the server asks for when it has no configuration. */
static maf_policy_t *
test_policy(int rounds)
{
    maf_policy_t *policy = maf_policy_new();

    while (rounds--) {
        GPtrArray *methods = g_ptr_array_new();
        g_ptr_array_add(methods, (gpointer)maf_method_find_word("internal-test"));
        maf_policy_add(policy, methods, 0, FALSE);
    }
    return policy;
}

/* So many octets of text that repeats. */
static GBytes *
make_test_data(gsize size)
{
    char *octets = g_malloc(size + 1);

    for (gsize i = 0; i < size; i++)
        octets[i] = (char)('a' + i % 26);
    return g_bytes_new_take(octets, size);
}

static int
make_user(const char *name)
{
    g_autoptr(GError) error = NULL;
    char *password = tool_read_password();
    g_autofree char *group = maf_users_make(name, password ? password : "", &error);

    maf_wipe_and_free(password);
    if (!group) {
        tool_say(NULL, "--make-user: %s", error->message);
        return TOOL_EXIT_USAGE;
    }
    if (fputs(group, stdout) < 0 || fflush(stdout) != 0) {
        tool_say(NULL, "--make-user: %s", g_strerror(errno));
        return TOOL_EXIT_USAGE;
    }
    return TOOL_EXIT_OK;
}

/* Of an option that was given, unless it is NULL. */
static void
take_number(const char *option, const char *given, guint min, guint max, guint *number)
{
    GError *error = NULL;

    if (given && !tool_parse_number(given, min, max, number, &error))
        tool_usage_error("--%s: %s", option, error->message);
}

static void
parse_options(int argc, char **argv, server_t *server)
{
    g_autofree char *listen = NULL, *port_text = NULL, *method_text = NULL, *test_data = NULL, *config = NULL;
    g_autofree char *new_user = NULL, *connections = NULL, *per_address = NULL, *login_time = NULL;
    g_autofree char *message_size = NULL;
    int rounds = 1, test_data_size = -1;
    const GOptionEntry entries[] = {
        {"listen", 0, 0, G_OPTION_ARG_STRING, &listen, "Listen on this IP address (127.0.0.1)", "ADDRESS"},
        {"port", 0, 0, G_OPTION_ARG_STRING, &port_text, "Listen on this port (1080), 0 for any that is free",
         "PORT"},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &config, "Whom to let in, and how: see maf-server(1)",
         "FILE"},
        {"make-user", 0, 0, G_OPTION_ARG_STRING, &new_user,
         "Read a password, print what the configuration needs to know of this user, and exit", "NAME"},
        {"socks-method", 0, 0, G_OPTION_ARG_STRING, &method_text,
         "The SOCKS METHOD that is MAF (8; 0x80 is fine too)", "NUMBER"},
        {"allow-none", 0, 0, G_OPTION_ARG_NONE, &server->allow_none,
         "Let clients in that offer METHOD 00, no authentication, and not MAF", NULL},
        {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds,
         "Without --config, run the Internal Test Method N times before success (1)", "N"},
        {"test-data", 0, 0, G_OPTION_ARG_STRING, &test_data, "What the Internal Test Method sends (hello)",
         "TEXT"},
        {"test-data-size", 0, 0, G_OPTION_ARG_INT, &test_data_size,
         "The same, as so many octets of a text that repeats", "N"},
        {"connections", 0, 0, G_OPTION_ARG_STRING, &connections,
         "Close connections beyond N at a time (2000)", "N"},
        {"connections-per-address", 0, 0, G_OPTION_ARG_STRING, &per_address,
         "Close connections beyond N at a time from one address (200)", "N"},
        {"login-time", 0, 0, G_OPTION_ARG_STRING, &login_time,
         "Close connections that are not logged in by then (60)", "SECONDS"},
        {"message-size", 0, 0, G_OPTION_ARG_STRING, &message_size,
         "Close connections that send a message of more than N octets to log in (65536)", "N"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    GError *error = NULL;
    guint port = 1080, socks_method = server->socks_method;

    tool_parse(&argc, &argv, NULL,
               "A SOCKS 5 proxy that authenticates its clients with MAF (draft-ietf-aft-socks-maf).\n"
               "Without --config it lets in whoever passes the Internal Test Method.",
               entries, &server->manners);
    if (argc > 1)
        tool_usage_error("'%s' is one argument too many", argv[1]);
    if (new_user)
        exit(make_user(new_user));
    take_number("port", port_text, 0, G_MAXUINT16, &port);
    server->address = g_inet_socket_address_new_from_string(listen ? listen : "127.0.0.1", port);
    if (!server->address)
        tool_usage_error("--listen: '%s' is not an IP address", listen);
    take_number("socks-method", method_text, 1, SOCKS_METHOD_UNACCEPTABLE - 1, &socks_method);
    server->socks_method = (guint8)socks_method;
    if (config && rounds != 1)
        tool_usage_error("--config and --rounds exclude each other");
    if (rounds < 1 || rounds > ROUNDS_MAX)
        tool_usage_error("--rounds is 1 to %d", ROUNDS_MAX);
    if (test_data_size != -1 && (test_data || test_data_size < 0 || test_data_size > MAF_PDU_DATA_MAX))
        tool_usage_error("--test-data-size is 0 to %d, and excludes --test-data", MAF_PDU_DATA_MAX);
    server->settings.test_data = test_data_size != -1 ? make_test_data((gsize)test_data_size)
                                 : test_data          ? g_bytes_new(test_data, strlen(test_data))
                                                      : g_bytes_new_static("hello", strlen("hello"));
    if (!config) {
        server->policy = test_policy(rounds);
    } else if (!maf_config_load(config, &server->users, &server->policy, &server->limits, &error)) {
        tool_say(NULL, "%s", error->message);
        exit(TOOL_EXIT_USAGE);
    }
    server->settings.users = server->users;
    maf_limits_t *limits = &server->limits;
    take_number("connections", connections, 1, MAF_CONNECTIONS_MAX, &limits->connections);
    take_number("connections-per-address", per_address, 1, MAF_CONNECTIONS_MAX,
                &limits->connections_per_address);
    take_number("login-time", login_time, 1, MAF_LOGIN_TIME_MAX, &limits->login_time);
    take_number("message-size", message_size, MAF_MESSAGE_SIZE_MIN, MAF_MESSAGE_SIZE_MAX,
                &limits->message_size);
    server->manners.message_size =
        MAX(limits->message_size, (guint)g_bytes_get_size(server->settings.test_data) + MAF_MESSAGE_SIZE_MIN);
}

int
main(int argc, char **argv)
{
    server_t server = {
        .manners = {.timeout = 30, .linger = 1000, .side = MAF_SERVER, .revision = MAF_REVISION_BY_VER},
        .socks_method = MAF_SOCKS_METHOD,
        .limits = {
            .connections = 2000, .connections_per_address = 200, .login_time = 60, .message_size = 65536}};
    g_autoptr(GError) error = NULL;

    tool_open_standard_streams();
    mallopt(M_MMAP_THRESHOLD, MAPPED_ALONE);
    g_set_prgname("maf-server");
    parse_options(argc, argv, &server);

    server.turns = maf_turns_new();
    server.connector = g_socket_client_new();
    g_socket_client_set_enable_proxy(server.connector, FALSE);
    g_socket_client_set_timeout(server.connector, (guint)server.manners.timeout);
    if (!listen_on(&server, &error)) {
        g_autofree char *text = g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(server.address));
        tool_say(NULL, "cannot listen on %s: %s", text, error->message);
        return TOOL_EXIT_NETWORK;
    }

    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGINT, quit, loop);
    g_unix_signal_add(SIGTERM, quit, loop);
    g_main_loop_run(loop);

    maf_door_free(server.door);
    maf_turns_free(server.turns);
    g_object_unref(server.connector);
    g_object_unref(server.address);
    g_bytes_unref(server.settings.test_data);
    maf_policy_free(server.policy);
    maf_users_free(server.users);
    return TOOL_EXIT_OK;
}
