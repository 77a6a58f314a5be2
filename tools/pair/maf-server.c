/* maf-server.c
 * A small SOCKS 5 proxy that authenticates its clients with MAF
 *
 * Reads like the drafts: the greeting and the selection (RFC 1928), the list, { Do, Process ..., What next },
 * Success or Failure (draft-00, Subnegotiation), the request and the reply (RFC 1928).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "log.h"
#include "net.h"
#include "options.h"
#include "service.h"
#include "socks-pdu.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Microseconds after which a refused password is answered: guessing is slow, and its timing shows nothing. */
#define REFUSAL_DELAY G_USEC_PER_SEC

typedef struct client {
    peer_t peer;
    slot_t *slot;
    const server_options_t *options;
    policy_run_t policy;
    char *user;          /* who the client has proved to be, or NULL */
    char *claimed;       /* who it has said to be last, or NULL */
    GString *passed;     /* the sub-methods, by name */
    const char *running; /* the name of the last sub-method, or NULL */
} client_t;

/* The greeting and the selection (RFC 1928, section 3) */

static guint8
choose_socks_method(client_t *client, const guint8 *offered, gsize count)
{
    const server_options_t *options = client->options;

    if (memchr(offered, options->socks_method, count) ||
        fault_decides(&client->peer.fault, FAULT_UNOFFERED_SELECTION))
        return options->socks_method;
    if (options->allow_none && memchr(offered, SOCKS_METHOD_NONE, count))
        return SOCKS_METHOD_NONE;
    return SOCKS_METHOD_UNACCEPTABLE;
}

static gboolean
select_socks_method(client_t *client, guint8 *method)
{
    peer_t *peer = &client->peer;
    guint8 count;

    peer_expect(peer, "a SOCKS 5 greeting");
    const guint8 *offered = socks_read_greeting(&peer->in, &count);
    if (!offered)
        return FALSE;
    *method = choose_socks_method(client, offered, count);
    socks_write_selection(*method, peer->out);
    if (!peer_send(peer))
        return FALSE;
    return *method != SOCKS_METHOD_UNACCEPTABLE ||
           fail(&peer->in.error, STATUS_REFUSED, "METHOD %02X is not among those of the greeting",
                client->options->socks_method);
}

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

/* The sub-method's first bytes go with Do or, where that has no DATA, after it. */
static gboolean
send_do(client_t *client, const method_id_t *id, method_run_t *run)
{
    peer_t *peer = &client->peer;

    method_step(run, NULL, 0, NULL);
    const GByteArray *first = method_answer(run);
    return peer_send_data(peer, MAF_INSTR_DO, id, first) &&
           (!first || maf_pdu_has_data(peer->revision, MAF_INSTR_DO) ||
            peer_send_data(peer, MAF_INSTR_PROCESS, id, first));
}

/* A step, and the answer to it. */
static gboolean
process(client_t *client, const decision_t *decision, method_run_t *run, const maf_pdu_t *pdu, step_t *step)
{
    const gint64 answer_refusal_at = g_get_monotonic_time() + REFUSAL_DELAY;

    *step = method_step(run, pdu->data, pdu->data_len, NULL);
    if (*step == STEP_FAILED && decision->method->need != SECRET_NONE)
        net_wait(client->peer.fd, 0, answer_refusal_at);
    const GByteArray *answer = method_answer(run);
    return !answer || peer_send_data(&client->peer, MAF_INSTR_PROCESS, &decision->id, answer);
}

static gboolean
process_until_what_next(client_t *client, const decision_t *decision, method_run_t *run, step_t *step)
{
    peer_t *peer = &client->peer;
    maf_pdu_t pdu;

    for (*step = STEP_OPEN;;) {
        if (!peer_read_pdu(peer, *step == STEP_OPEN ? "Process or What next?" : "What next?", TRUE, &pdu))
            return FALSE;
        if (pdu.instr == MAF_INSTR_WHAT_NEXT)
            return TRUE;
        if (pdu.instr == MAF_INSTR_PROCESS && *step != STEP_OPEN)
            return fail(&peer->in.error, STATUS_VIOLATION, "got Process after the sub-method's end");
        if (!peer_wants_process(peer, &pdu, &decision->id) || !process(client, decision, run, &pdu, step))
            return FALSE;
    }
}

/* All sub-methods that prove who the client is must prove the same. */
static gboolean
has_passed(client_t *client, const method_run_t *run, step_t step)
{
    const char *user = method_user(run);

    if (user) {
        g_free(client->claimed);
        client->claimed = g_strdup(user);
    }
    if (step != STEP_PASSED)
        return FALSE;
    if (user && !client->user)
        client->user = g_strdup(user);
    return !user || strcmp(user, client->user) == 0;
}

static gboolean
run_method(client_t *client, const decision_t *decision, gboolean *success_now)
{
    method_run_t *run = method_start(decision->method, PAIR_SERVER, &client->options->settings);
    step_t step = STEP_OPEN;

    client->running = decision->method->name;
    gboolean done = send_do(client, &decision->id, run);
    *success_now = done && fault_decides(&client->peer.fault, FAULT_SUCCESS_AFTER_DO);
    if (done && !*success_now) {
        done = process_until_what_next(client, decision, run, &step);
        const gboolean passed = has_passed(client, run, step);
        policy_result(&client->policy, passed);
        if (passed)
            g_string_append_printf(client->passed, "%s%s", client->passed->len ? " + " : "", client->running);
        done = done && peer_exchange_oem(&client->peer, OEM_BEFORE_WHAT_NEXT);
    }
    method_stop(run);
    return done;
}

/* Success or Failure */

/* Either, or Do FAILURE, with the text if there is one. */
static gboolean
send_result(client_t *client, guint8 instr, guint32 method, const char *text)
{
    const maf_pdu_t pdu = {.instr = instr,
                           .method = method_id_compact(method),
                           .data = (const guint8 *)text,
                           .data_len = text ? strlen(text) : 0};
    return peer_send_pdu(&client->peer, &pdu);
}

static gboolean
send_success(client_t *client)
{
    g_autofree char *grade = g_strdup_printf("grade=%u", client->policy.grade);

    return send_result(client, MAF_INSTR_SUCCESS, MAF_METHOD_SUCCESS,
                       client->options->policy.sends_grade ? grade : NULL);
}

static gboolean
acknowledge(client_t *client)
{
    const maf_pdu_t answer = {.instr = MAF_INSTR_ACKNOWLEDGE};
    maf_pdu_t pdu;

    return peer_read_instr(&client->peer, MAF_INSTR_ACKNOWLEDGE, TRUE, &pdu) &&
           peer_send_pdu(&client->peer, &answer);
}

/* A client may acknowledge Success, and is acknowledged. What follows is its request. */
static gboolean
receive_acknowledge(client_t *client)
{
    const guint8 next = peer_peek(&client->peer, "a SOCKS 5 request");

    return (next != MAF_INSTR_ACKNOWLEDGE && next != MAF_INSTR_OEM) || acknowledge(client);
}

/* Sends Do FAILURE or Failure, and waits for what acknowledges it. Returns FALSE. */
static gboolean
refuse(client_t *client, const decision_t *decision)
{
    peer_t *peer = &client->peer;

    if (send_result(client, decision->instr, MAF_METHOD_FAILURE, client->options->policy.failure_text) &&
        peer->revision == MAF_VER_01)
        acknowledge(client);
    g_clear_error(&peer->in.error); /* for this is why the login has failed */
    return fail(&peer->in.error, STATUS_REFUSED, "%s", decision->reason);
}

/* MAF, from the list to Success or Failure (draft-00, Subnegotiation) */
static gboolean
subnegotiate(client_t *client)
{
    peer_t *peer = &client->peer;
    gboolean success_now = FALSE;

    if (!receive_list(client))
        return FALSE;
    while (!success_now) {
        decision_t decision = {.instr = MAF_INSTR_REQUEST_MORE, .flags = MAF_FLAGS_RELATIVE};

        if (client->policy.has_more || !fault_decides(&peer->fault, FAULT_REQUEST_MORE))
            decision = policy_decide(&client->policy);
        if (decision.reason)
            return refuse(client, &decision);
        if (decision.instr == MAF_INSTR_REQUEST_MORE) {
            const maf_pdu_t request = {.instr = decision.instr, .flags = decision.flags};
            if (!peer_send_pdu(peer, &request) || !receive_list(client))
                return FALSE;
        } else if (decision.instr == MAF_INSTR_SUCCESS || fault_decides(&peer->fault, FAULT_SUCCESS_FOR_DO)) {
            success_now = TRUE;
        } else if (!run_method(client, &decision, &success_now)) {
            return FALSE;
        }
    }
    service_logged_in(client->slot);
    return send_success(client);
}

/* The request and the reply (RFC 1928, sections 4 to 6) */

/* Replies, with where the connection to the target comes from: all zero without one (RFC 1928 leaves that
 * open). */
static gboolean
reply(client_t *client, guint8 rep, int target)
{
    guint16 port = 0;
    g_autofree char *host = target < 0 ? g_strdup("0.0.0.0") : net_own_host(target, &port);
    const socks_message_t message = socks_message_of(rep, host, port);

    socks_write_message(&message, client->peer.out);
    return peer_send(&client->peer);
}

/* Replies that it cannot be done. */
static void
decline(client_t *client, guint8 rep, const char *why)
{
    reply(client, rep, -1);
    log_line(client->peer.name, "target not reached, reply %02X (%s): %s", rep, socks_rep_name(rep), why);
}

static guint8
rep_of_errno(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return SOCKS_REP_REFUSED;
    case ENETUNREACH:
        return SOCKS_REP_NETWORK_UNREACHABLE;
    case EHOSTUNREACH:
    case ETIMEDOUT:
        return SOCKS_REP_HOST_UNREACHABLE;
    default:
        return SOCKS_REP_FAILURE;
    }
}

static void
connect_and_relay(client_t *client, const char *host, guint16 port)
{
    peer_t *peer = &client->peer;
    const char *why;

    peer_log_verbose(peer, "connecting to %s, port %u", host, port);
    const int target = net_connect(host, port, net_deadline(client->options->peer.timeout), &why);
    if (target < 0) {
        decline(client, rep_of_errno(errno), why);
        return;
    }
    const relay_end_t end = {.in = target, .out = target, .is_socket = TRUE};
    const gboolean done = reply(client, SOCKS_REP_SUCCEEDED, target) && peer_relay(peer, &end);
    peer_log_verbose(peer, "%s", done ? "closed" : peer->in.error->message);
    close(target);
}

static void
carry_out_request(client_t *client, gboolean maf)
{
    peer_t *peer = &client->peer;
    socks_message_t request = {0};

    if (maf && !receive_acknowledge(client))
        return;
    peer_expect(peer, "a SOCKS 5 request");
    if (!socks_read_message(&peer->in, &request))
        return;
    peer->login_deadline = 0;
    peer->expects = NULL;
    g_autofree char *host = socks_message_host(&request);
    if (request.len == 0)
        decline(client, SOCKS_REP_ATYP_NOT_SUPPORTED, "ATYP is not 01, 03 or 04");
    else if (request.code != SOCKS_CMD_CONNECT)
        decline(client, SOCKS_REP_COMMAND_NOT_SUPPORTED, "CMD is not CONNECT");
    else if (!host)
        decline(client, SOCKS_REP_HOST_UNREACHABLE, "characters that no host name has");
    else
        connect_and_relay(client, host, request.port);
}

/* One client */

static gboolean
log_in(client_t *client, gboolean *maf)
{
    guint8 method;

    if (!select_socks_method(client, &method))
        return FALSE;
    *maf = method != SOCKS_METHOD_NONE;
    if (*maf)
        return subnegotiate(client);
    service_logged_in(client->slot);
    return TRUE;
}

static void
log_login(const client_t *client, gboolean done)
{
    const char *user = client->user ? client->user : client->claimed;
    const char *by = client->passed->len > 0 ? client->passed->str : client->running;
    g_autofree char *why = done ? NULL : peer_explain(&client->peer);
    const char *reason =
        !done && service_made_room(client->slot) ? "closed to make room for another connection" : why;

    log_line(client->peer.name, "login %s: user %s, sub-method %s, grade %u%s%s",
             done ? "succeeded" : "failed", user ? user : "-", by ? by : "-", client->policy.grade,
             reason ? ": " : "", reason ? reason : "");
}

static void
serve(int fd, char *name, slot_t *slot, gconstpointer owner)
{
    const server_options_t *options = owner;
    client_t client = {.slot = slot,
                       .options = options,
                       .policy = {.policy = &options->policy},
                       .passed = g_string_new(NULL)};
    const peer_t *peer = &client.peer;
    gboolean maf = FALSE;

    peer_open(&client.peer, fd, name, &options->peer);
    const gboolean done = log_in(&client, &maf);
    log_login(&client, done);
    if (done)
        carry_out_request(&client, maf);
    if (done && peer->in.error && peer->expects && (!peer->at_end || options->peer.verbose)) {
        g_autofree char *text = peer_explain(peer);
        log_line(peer->name, "%s", text);
    }
    peer_close(&client.peer);
    g_string_free(client.passed, TRUE);
    g_free(client.claimed);
    g_free(client.user);
}

/* The program */

int
main(int argc, char **argv)
{
    server_options_t options;

    server_options_parse(argc, argv, &options);
    const char *warning =
        !options.users || options.allow_none ? "anybody who reaches this address gets through" : NULL;
    const int listener = service_listen(options.host, options.port, warning);
    if (listener >= 0)
        service_run(listener, options.limits.connections, serve, &options);
    server_options_clear(&options);
    return listener >= 0 ? STATUS_OK : STATUS_NETWORK;
}
