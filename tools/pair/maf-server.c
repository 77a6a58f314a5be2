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
#include "server-options.h"
#include "service.h"
#include "socks-pdu.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Microseconds after which a refused password is answered: guessing is slow, and its timing shows nothing. */
#define REFUSAL_DELAY G_USEC_PER_SEC

typedef struct client {
    peer_t peer;
    slot_t *slot;
    const server_t *server;
    policy_run_t policy;
    char *user;          /* who the client has proved to be, or NULL */
    char *claimed;       /* who it has said to be last, or NULL */
    GString *passed;     /* the sub-methods, by name */
    const char *running; /* the name of the last sub-method, or NULL */
} client_t;

static gboolean G_GNUC_PRINTF(2, 3) refused(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    *error = g_error_new_valist(PAIR_ERROR, PAIR_ERROR_REFUSED, format, args);
    va_end(args);
    return FALSE;
}

/* The greeting and the selection (RFC 1928, section 3) */

static guint8
choose_socks_method(client_t *client, const socks_greeting_t *greeting)
{
    const server_t *server = client->server;

    if (socks_greeting_offers(greeting, server->socks_method) ||
        fault_decides(&client->peer.fault, FAULT_UNOFFERED_SELECTION))
        return server->socks_method;
    if (server->allow_none && socks_greeting_offers(greeting, SOCKS_METHOD_NONE))
        return SOCKS_METHOD_NONE;
    return SOCKS_METHOD_UNACCEPTABLE;
}

static gboolean
select_socks_method(client_t *client, guint8 *method, GError **error)
{
    g_autoptr(GByteArray) selection = g_byte_array_new();
    socks_greeting_t greeting;

    peer_expect(&client->peer, "a SOCKS 5 greeting");
    if (!socks_read_greeting(&client->peer.reader, &greeting, error))
        return FALSE;
    *method = choose_socks_method(client, &greeting);
    socks_write_selection(*method, selection);
    if (!peer_send(&client->peer, selection, error))
        return FALSE;
    return *method != SOCKS_METHOD_UNACCEPTABLE ||
           refused(error, "METHOD %02X is not among those of the greeting", client->server->socks_method);
}

/* The list (draft-00, Subnegotiation) */

static gboolean
receive_list(client_t *client, GError **error)
{
    maf_pdu_t pdu;

    if (!peer_read_pdu(&client->peer, "a list of MAF sub-methods", TRUE, &pdu, error))
        return FALSE;
    if (pdu.instr != MAF_INSTR_SUPPORTED)
        return violation(error, "got %s", maf_instr_name(pdu.instr));
    policy_offer(&client->policy, pdu.offered, pdu.n_offered);
    g_free(pdu.offered);
    return peer_exchange_oem(&client->peer, OEM_BEFORE_LIST, error);
}

/* { Do, Process ..., What next } */

static gboolean
send_with_data(client_t *client, guint8 instr, const method_id_t *method, const GByteArray *data,
               GError **error)
{
    const maf_pdu_t pdu = {.instr = instr,
                           .method = *method,
                           .data = data ? data->data : NULL,
                           .data_len = data ? data->len : 0};
    return peer_send_pdu(&client->peer, &pdu, error);
}

/* The sub-method's first bytes go with Do or, where that has no DATA, after it. */
static gboolean
send_do(client_t *client, const method_id_t *id, method_run_t *run, GError **error)
{
    GByteArray *first;

    method_step(run, NULL, 0, &first, NULL);
    gboolean sent = send_with_data(client, MAF_INSTR_DO, id, first, error);
    if (sent && first && !maf_pdu_has_data(client->peer.revision, MAF_INSTR_DO))
        sent = send_with_data(client, MAF_INSTR_PROCESS, id, first, error);
    wipe_and_unref(first);
    return sent;
}

/* A step, and the answer to it. */
static gboolean
process(client_t *client, const decision_t *decision, method_run_t *run, const maf_pdu_t *pdu, step_t *step,
        GError **error)
{
    const gint64 answer_refusal_at = g_get_monotonic_time() + REFUSAL_DELAY;
    GByteArray *answer;

    *step = method_step(run, pdu->data, pdu->data_len, &answer, NULL);
    if (*step == STEP_FAILED && decision->method->need != SECRET_NONE)
        net_wait(client->peer.fd, 0, answer_refusal_at);
    const gboolean sent = !answer || send_with_data(client, MAF_INSTR_PROCESS, &decision->id, answer, error);
    wipe_and_unref(answer);
    return sent;
}

static gboolean
process_until_what_next(client_t *client, const decision_t *decision, method_run_t *run, step_t *step,
                        GError **error)
{
    maf_pdu_t pdu;

    for (*step = STEP_OPEN;;) {
        if (!peer_read_pdu(&client->peer, *step == STEP_OPEN ? "Process or What next?" : "What next?", TRUE,
                           &pdu, error))
            return FALSE;
        g_free(pdu.offered);
        if (pdu.instr == MAF_INSTR_WHAT_NEXT)
            return TRUE;
        if (pdu.instr != MAF_INSTR_PROCESS)
            return violation(error, "got %s", maf_instr_name(pdu.instr));
        if (*step != STEP_OPEN)
            return violation(error, "got Process after the sub-method's end");
        if (!method_id_equal(&pdu.method, &decision->id)) {
            g_autofree char *other = method_id_describe(&pdu.method);
            return violation(error, "got Process for %s", other);
        }
        if (!process(client, decision, run, &pdu, step, error))
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
run_method(client_t *client, const decision_t *decision, gboolean *success_now, GError **error)
{
    method_run_t *run = method_start(decision->method, PAIR_SERVER, &client->server->settings);
    step_t step = STEP_OPEN;

    client->running = decision->method->name;
    gboolean done = send_do(client, &decision->id, run, error);
    *success_now = done && fault_decides(&client->peer.fault, FAULT_SUCCESS_AFTER_DO);
    if (done && !*success_now) {
        done = process_until_what_next(client, decision, run, &step, error);
        const gboolean passed = has_passed(client, run, step);
        policy_result(&client->policy, passed);
        if (passed)
            g_string_append_printf(client->passed, "%s%s", client->passed->len ? " + " : "", client->running);
        done = done && peer_exchange_oem(&client->peer, OEM_BEFORE_WHAT_NEXT, error);
    }
    method_stop(run);
    return done;
}

/* Success or Failure */

static gboolean
send_success(client_t *client, GError **error)
{
    g_autofree char *text = client->server->policy->sends_grade
                                ? g_strdup_printf("grade=%u", client->policy.grade)
                                : g_strdup("");
    const maf_pdu_t pdu = {.instr = MAF_INSTR_SUCCESS,
                           .method = method_id_compact(MAF_METHOD_SUCCESS),
                           .data = (const guint8 *)text,
                           .data_len = strlen(text)};

    return peer_send_pdu(&client->peer, &pdu, error);
}

/* A client may acknowledge Success, and is acknowledged. What follows is its request. */
static gboolean
receive_acknowledge(client_t *client, GError **error)
{
    guint8 next;

    return peer_answer_oems(&client->peer, "a SOCKS 5 request", &next, error) &&
           (next != MAF_INSTR_ACKNOWLEDGE ||
            (peer_read_instr(&client->peer, MAF_INSTR_ACKNOWLEDGE, FALSE, error) &&
             peer_send_header(&client->peer, MAF_INSTR_ACKNOWLEDGE, MAF_FLAGS_NONE, error)));
}

/* Sends Do FAILURE or Failure, and waits for what acknowledges it. Returns FALSE. */
static gboolean
refuse(client_t *client, const decision_t *decision, GError **error)
{
    const char *text = client->server->policy->failure_text;
    const maf_pdu_t pdu = {.instr = decision->instr,
                           .method = method_id_compact(MAF_METHOD_FAILURE),
                           .data = (const guint8 *)text,
                           .data_len = text ? strlen(text) : 0};

    if (peer_send_pdu(&client->peer, &pdu, NULL) && peer_acknowledges(&client->peer) &&
        peer_read_instr(&client->peer, MAF_INSTR_ACKNOWLEDGE, TRUE, NULL))
        peer_send_header(&client->peer, MAF_INSTR_ACKNOWLEDGE, MAF_FLAGS_NONE, NULL);
    return refused(error, "%s", decision->reason);
}

/* MAF, from the list to Success or Failure (draft-00, Subnegotiation) */
static gboolean
subnegotiate(client_t *client, GError **error)
{
    gboolean success_now = FALSE;

    if (!receive_list(client, error))
        return FALSE;
    while (!success_now) {
        decision_t decision = {.instr = MAF_INSTR_REQUEST_MORE, .flags = MAF_FLAGS_RELATIVE};

        if (client->policy.has_more || !fault_decides(&client->peer.fault, FAULT_REQUEST_MORE))
            decision = policy_decide(&client->policy);
        if (decision.reason)
            return refuse(client, &decision, error);
        if (decision.instr == MAF_INSTR_REQUEST_MORE) {
            if (!peer_send_header(&client->peer, decision.instr, decision.flags, error) ||
                !receive_list(client, error))
                return FALSE;
        } else if (decision.instr == MAF_INSTR_SUCCESS ||
                   fault_decides(&client->peer.fault, FAULT_SUCCESS_FOR_DO)) {
            success_now = TRUE;
        } else if (!run_method(client, &decision, &success_now, error)) {
            return FALSE;
        }
    }
    service_logged_in(client->slot);
    return send_success(client, error);
}

/* The request and the reply (RFC 1928, sections 4 to 6) */

/* Where the connection to the target comes from; all zero without one, which RFC 1928 leaves open. */
static socks_address_t
bound_address(int target)
{
    socks_address_t bound = {.atyp = SOCKS_ATYP_IPV4, .len = 4};
    struct sockaddr_in6 address = {.sin6_family = AF_UNSPEC};
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)(const void *)&address;
    socklen_t len = sizeof address;

    if (target >= 0)
        getsockname(target, (struct sockaddr *)&address, &len);
    bound.port = ntohs(address.sin6_port); /* at the same place in both */
    if (address.sin6_family == AF_INET6) {
        bound.atyp = SOCKS_ATYP_IPV6;
        bound.len = sizeof address.sin6_addr;
        memcpy(bound.bytes, &address.sin6_addr, bound.len);
    } else {
        memcpy(bound.bytes, &ipv4->sin_addr, bound.len);
    }
    return bound;
}

static gboolean
reply(client_t *client, guint8 rep, int target, GError **error)
{
    const socks_message_t message = {.code = rep, .address = bound_address(target)};
    g_autoptr(GByteArray) out = g_byte_array_new();

    socks_write_message(&message, out);
    return peer_send(&client->peer, out, error);
}

/* Replies that it cannot be done. */
static void
decline(client_t *client, guint8 rep, const char *why)
{
    reply(client, rep, -1, NULL);
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
    g_autoptr(GError) error = NULL;
    const char *why;

    peer_log_verbose(&client->peer, "connecting to %s, port %u", host, port);
    const int target =
        net_connect(host, port, net_deadline((guint)client->server->peer.timeout), client->peer.fd, &why);
    if (target < 0) {
        decline(client, rep_of_errno(errno), why);
        return;
    }
    const relay_end_t end = {.in = target, .out = target, .is_socket = TRUE};
    if (!reply(client, SOCKS_REP_SUCCEEDED, target, &error) || !peer_relay(&client->peer, &end, NULL, &error))
        peer_log_verbose(&client->peer, "%s", error->message);
    else
        peer_log_verbose(&client->peer, "closed");
    close(target);
}

static gboolean
receive_request(client_t *client, gboolean maf, socks_message_t *request, GError **error)
{
    if (maf && !receive_acknowledge(client, error))
        return FALSE;
    peer_expect(&client->peer, "a SOCKS 5 request");
    return socks_read_message(&client->peer.reader, request, error);
}

static void
carry_out_request(client_t *client, gboolean maf)
{
    g_autoptr(GError) error = NULL;
    socks_message_t request;

    if (!receive_request(client, maf, &request, &error)) {
        g_autofree char *text = peer_explain(&client->peer, error);
        if (!client->peer.at_end || client->server->peer.verbose)
            log_line(client->peer.name, "%s", text);
        return;
    }
    client->peer.login_deadline = 0;
    g_autofree char *host = request.address.len > 0 ? socks_address_host(&request.address) : NULL;
    if (request.address.len == 0)
        decline(client, SOCKS_REP_ATYP_NOT_SUPPORTED, "ATYP is not 01, 03 or 04");
    else if (request.code != SOCKS_CMD_CONNECT)
        decline(client, SOCKS_REP_COMMAND_NOT_SUPPORTED, "CMD is not CONNECT");
    else if (!host)
        decline(client, SOCKS_REP_HOST_UNREACHABLE, "characters that no host name has");
    else
        connect_and_relay(client, host, request.address.port);
}

/* One client */

static gboolean
log_in(client_t *client, gboolean *maf, GError **error)
{
    guint8 method;

    if (!select_socks_method(client, &method, error))
        return FALSE;
    *maf = method != SOCKS_METHOD_NONE;
    if (*maf)
        return subnegotiate(client, error);
    service_logged_in(client->slot);
    return TRUE;
}

static void
log_login(const client_t *client, const GError *error)
{
    const char *user = client->user ? client->user : client->claimed;
    const char *by = client->passed->len > 0 ? client->passed->str : client->running;
    g_autofree char *why = !error ? NULL
                           : service_made_room(client->slot)
                               ? g_strdup("closed to make room for another connection")
                               : peer_explain(&client->peer, error);

    log_line(client->peer.name, "login %s: user %s, sub-method %s, grade %u%s%s",
             why ? "failed" : "succeeded", user ? user : "-", by ? by : "-", client->policy.grade,
             why ? ": " : "", why ? why : "");
}

static void
serve(int fd, slot_t *slot, gconstpointer owner)
{
    const server_t *server = owner;
    client_t client = {.slot = slot, .server = server, .passed = g_string_new(NULL)};
    g_autoptr(GError) error = NULL;
    gboolean maf = FALSE;

    peer_open(&client.peer, fd, service_peer_name(slot), &server->peer);
    policy_start(&client.policy, server->policy);
    const gboolean done = log_in(&client, &maf, &error);
    log_login(&client, error);
    if (done)
        carry_out_request(&client, maf);
    if (server->peer.fault && !client.peer.fault.done)
        log_line(client.peer.name, "--fault %s did not apply", fault_name(server->peer.fault));
    peer_close(&client.peer);
    policy_stop(&client.policy);
    g_string_free(client.passed, TRUE);
    g_free(client.claimed);
    g_free(client.user);
}

/* The program */

int
main(int argc, char **argv)
{
    server_t server;
    const char *why;

    options_prepare_process("maf-server");
    server_options_parse(argc, argv, &server);
    const int listener = service_listen(server.host, server.port, &why);
    if (listener < 0) {
        log_line(NULL, "cannot listen on %s, port %u: %s", server.host, server.port, why);
        server_options_clear(&server);
        return EXIT_NETWORK;
    }
    if (!service_is_local(listener) && (!server.users || server.allow_none))
        log_line(NULL, "warning: an open proxy: anybody who reaches this address gets through");
    service_run(listener, server.limits.connections, serve, &server);
    server_options_clear(&server);
    return EXIT_OK;
}
