/* maf-server.c
 * A small SOCKS 5 proxy that authenticates its clients with MAF
 *
 * Reads like the drafts: the greeting and the selection (RFC 1928), the list, { Do, Process ..., What next },
 * Success or Failure (draft-00, Subnegotiation), the request and the reply (RFC 1928).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "options.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Microseconds after which a refused password is answered: guessing is slow, and its timing shows nothing. */
#define REFUSAL_DELAY G_USEC_PER_SEC

typedef struct client {
    peer_t peer;
    connection_t *connection;
    const options_t *options;
    policy_run_t policy;
    char *user; /* who the client has proved to be, or said last, or NULL */
    gboolean proved;
    GString *passed;  /* the sub-methods, by name */
    gboolean success; /* is to be sent */
} client_t;

/* The list (draft-00, Subnegotiation) */

static gboolean
receive_list(client_t *client)
{
    maf_pdu_t pdu;

    if (!peer_read_instr(&client->peer, MAF_INSTR_SUPPORTED, TRUE, &pdu))
        return FALSE;
    policy_offer(&client->policy, pdu.offered, pdu.n_offered);
    return peer_exchange_oem(&client->peer, OEM_BEFORE_LIST);
}

/* { Do, Process ..., What next } */

/* Do, and steps of the sub-method until What next. The first bytes go with Do, or in revision 01 after it. */
static gboolean
process(client_t *client, method_run_t *run, step_t *step)
{
    const method_id_t *id = &client->policy.id;
    peer_t *peer = &client->peer;
    maf_pdu_t pdu;

    *step = method_step(run, NULL, 0);
    if (!peer_send_data(peer, MAF_INSTR_DO, id, run->answer) ||
        (peer->revision == MAF_VER_01 && run->answer &&
         !peer_send_data(peer, MAF_INSTR_PROCESS, id, run->answer)))
        return FALSE;
    client->success = fault_decides(&peer->fault, "sequence-success");
    while (!client->success) {
        if (!peer_read_pdu(peer, *step == STEP_OPEN ? "Process or What next?" : "What next?", TRUE, &pdu))
            return FALSE;
        if (pdu.instr == MAF_INSTR_WHAT_NEXT)
            return TRUE;
        if (pdu.instr == MAF_INSTR_PROCESS && *step != STEP_OPEN)
            return fail(&peer->in.error, STATUS_VIOLATION, "got Process after the sub-method's end");
        if (!peer_wants_process(peer, &pdu, id))
            return FALSE;
        const gint64 answer_refusal_at = g_get_monotonic_time() + REFUSAL_DELAY;
        *step = method_step(run, pdu.data, pdu.data_len);
        if (*step == STEP_FAILED && run->method->need != SECRET_NONE)
            net_wait(peer->fd, 0, answer_refusal_at);
        if (run->answer && !peer_send_data(peer, MAF_INSTR_PROCESS, id, run->answer))
            return FALSE;
    }
    return TRUE;
}

/* All sub-methods that prove who the client is must prove the same. */
static gboolean
run_method(client_t *client)
{
    const method_t *method = client->policy.method;
    method_run_t run;
    step_t step = STEP_OPEN;

    const gboolean done =
        method_start(&run, method, PAIR_SERVER, &client->options->settings, &client->peer.in.error)
            ? process(client, &run, &step)
            : fail(&client->peer.in.error, STATUS_REFUSED, "%s cannot be run", method->name);
    const char *user = run.user ? run.user->name : NULL;
    const gboolean passed =
        step == STEP_PASSED && (!user || !client->proved || strcmp(user, client->user) == 0);
    if (passed)
        g_string_append_printf(client->passed, "%s%s", client->passed->len ? " + " : "", method->name);
    if (user && !client->proved) {
        g_free(client->user);
        client->user = g_strdup(user);
        client->proved = passed;
    }
    method_stop(&run);
    policy_result(&client->policy, passed);
    return done && (client->success || peer_exchange_oem(&client->peer, OEM_BEFORE_WHAT_NEXT));
}

/* Success or Failure */

/* Either, or Do FAILURE, with the text if there is one. */
static gboolean
send_result(client_t *client, guint8 instr, guint32 method, const char *text)
{
    return peer_send_pdu(&client->peer, (maf_pdu_t){.instr = instr,
                                                    .method = method_id_compact(method),
                                                    .data = (const guint8 *)text,
                                                    .data_len = text ? (guint32)strlen(text) : 0});
}

static gboolean
acknowledge(peer_t *peer)
{
    maf_pdu_t pdu;

    return peer_read_instr(peer, MAF_INSTR_ACKNOWLEDGE, TRUE, &pdu) &&
           peer_send_pdu(peer, (maf_pdu_t){.instr = MAF_INSTR_ACKNOWLEDGE});
}

/* Sends Do FAILURE or Failure, and waits for what acknowledges it. Returns FALSE. */
static gboolean
refuse(client_t *client, guint8 instr)
{
    peer_t *peer = &client->peer;

    if (send_result(client, instr, MAF_METHOD_FAILURE, client->options->policy.failure_text) &&
        peer->revision == MAF_VER_01)
        acknowledge(peer);
    g_clear_error(&peer->in.error); /* for this is why the login has failed */
    return fail(&peer->in.error, STATUS_REFUSED, "%s", client->policy.reason);
}

/* MAF, from the list to Success or Failure (draft-00, Subnegotiation) */
static gboolean
subnegotiate(client_t *client)
{
    peer_t *peer = &client->peer;
    policy_run_t *policy = &client->policy;
    g_autofree char *grade = NULL;

    for (gboolean more = receive_list(client); !client->success;) {
        if (!more)
            return FALSE;
        const gboolean needless = !policy->has_more && fault_decides(&peer->fault, "no-more-available");
        const guint8 instr = needless ? MAF_INSTR_REQUEST_MORE : policy_decide(policy);
        if (policy->reason)
            return refuse(client, instr);
        if (instr == MAF_INSTR_REQUEST_MORE)
            more = peer_send_pdu(peer, (maf_pdu_t){.instr = instr,
                                                   .flags = needless ? MAF_FLAGS_RELATIVE : policy->flags}) &&
                   receive_list(client);
        else if (instr == MAF_INSTR_DO && !fault_decides(&peer->fault, "success-without-method"))
            more = run_method(client);
        else
            client->success = TRUE;
    }
    service_logged_in(client->connection); /* from now on the client may rely on it */
    if (client->options->policy.sends_grade)
        grade = g_strdup_printf("grade=%u", policy->grade);
    return send_result(client, MAF_INSTR_SUCCESS, MAF_METHOD_SUCCESS, grade);
}

/* The request and the reply (RFC 1928, sections 4 to 6) */

/* A client may acknowledge Success before it, and is acknowledged. */
static gboolean
receive_request(client_t *client, gboolean maf, socks_message_t *request)
{
    peer_t *peer = &client->peer;

    peer_expect(peer, "a SOCKS 5 request");
    const guint8 *next = reader_take(&peer->in, 1);
    peer->in.at = 0;
    if (maf && next && (*next == MAF_INSTR_ACKNOWLEDGE || *next == MAF_INSTR_OEM) && !acknowledge(peer))
        return FALSE;
    return peer_read_message(peer, request);
}

/* Connects to the target. Returns REP, and why in *why. */
static guint8
carry_out(const client_t *client, const socks_message_t *request, int *target, const char **why)
{
    g_autofree char *host = socks_message_host(request);

    *why = "CMD is not 01";
    if (request->code != SOCKS_CMD_CONNECT)
        return SOCKS_REP_COMMAND_NOT_SUPPORTED;
    *why = "characters that no host name has";
    if (!host)
        return SOCKS_REP_HOST_UNREACHABLE;
    if (client->options->peer.verbose)
        log_line(client->peer.name, "connecting to %s, port %u", host, request->port);
    *target = net_connect(host, (guint16)request->port, net_deadline(client->options->peer.timeout), why);
    return *target >= 0                                  ? SOCKS_REP_SUCCEEDED
           : errno == EHOSTUNREACH || errno == ETIMEDOUT ? SOCKS_REP_HOST_UNREACHABLE
           : errno == ECONNREFUSED                       ? SOCKS_REP_REFUSED
           : errno == ENETUNREACH                        ? SOCKS_REP_NETWORK_UNREACHABLE
                                                         : SOCKS_REP_FAILURE;
}

/* The reply says where the connection to the target comes from: all zero without one (RFC 1928 leaves that
 * open). */
static void
reply_and_relay(client_t *client, const socks_message_t *request)
{
    peer_t *peer = &client->peer;
    guint16 port = 0;
    int target = -1;
    const char *why;

    const guint8 rep = carry_out(client, request, &target, &why);
    g_autofree char *host = target < 0 ? g_strdup("0.0.0.0") : net_own_host(target, &port);
    const socks_message_t reply = socks_message_of(rep, host, port);
    socks_write_message(&reply, peer->out);
    const gboolean sent = peer_send(peer);
    if (target < 0) {
        log_line(peer->name, "target not reached, reply %02X (%s): %s", rep, socks_rep_name(rep), why);
        return;
    }
    const gboolean done = sent && peer_relay(peer, target, target);
    if (client->options->peer.verbose)
        log_line(peer->name, "%s", done ? "closed" : peer->in.error->message);
    if (peer->reset)
        net_prepare_reset(target);
    close(target);
}

/* One client */

static void
log_login(const client_t *client, gboolean done)
{
    const policy_run_t *policy = &client->policy;
    const char *running = policy->method ? policy->method->name : "-";
    g_autofree char *why = done ? NULL : peer_explain(&client->peer);
    const char *reason =
        !done && service_made_room(client->connection) ? "closed to make room for another connection" : why;

    log_line(client->peer.name, "login %s: user %s, sub-method %s, grade %u%s%s",
             done ? "succeeded" : "failed", client->user ? client->user : "-",
             client->passed->len > 0 ? client->passed->str : running, policy->grade, reason ? ": " : "",
             reason ? reason : "");
}

static void
serve(connection_t *connection, gconstpointer data)
{
    const options_t *options = data;
    client_t client = {.connection = connection,
                       .options = options,
                       .policy = {.policy = &options->policy},
                       .passed = g_string_new(NULL)};
    peer_t *peer = &client.peer;
    socks_message_t request = {0};
    guint8 method = SOCKS_METHOD_UNACCEPTABLE;

    peer_open(peer, connection->fd, connection->name, &options->peer);
    const gboolean done = peer_select(peer, (guint8)options->socks_method, options->allow_none, &method) &&
                          (method == SOCKS_METHOD_NONE || subnegotiate(&client));
    if (method == SOCKS_METHOD_NONE)
        service_logged_in(connection);
    log_login(&client, done);
    if (done && receive_request(&client, method != SOCKS_METHOD_NONE, &request)) {
        reply_and_relay(&client, &request);
    } else if (done && (!peer->at_end || options->peer.verbose)) {
        g_autofree char *text = peer_explain(peer);
        log_line(peer->name, "%s", text);
    }
    peer_close(peer);
    g_string_free(client.passed, TRUE);
    g_free(client.user);
}

int
main(int argc, char **argv)
{
    const options_t *options = server_options_parse(argc, argv);
    const gboolean open = !options->settings.users || options->allow_none;

    return (int)service_run(options->listen_host, options->listen_port, options->connections, serve, options,
                            open ? "anybody who reaches this address gets through" : NULL);
}
