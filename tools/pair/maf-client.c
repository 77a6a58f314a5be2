/* maf-client.c
 * Logs in at a SOCKS 5 proxy with MAF and connects standard input and output, or other programs, to a target
 * behind it
 *
 * Reads like the drafts: the greeting and the selection (RFC 1928), the list, { Do, Process ..., What next },
 * Success or Failure (draft-00, Subnegotiation), the request and the reply (RFC 1928).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "client-options.h"
#include "log.h"
#include "net.h"
#include "service.h"
#include "socks-pdu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS  1000 /* of --listen */
#define MESSAGES_MAX 1000 /* lists and sub-methods of one login */

/* A login. */
typedef struct session {
    peer_t peer;
    const client_options_t *options;
    gsize offered;           /* so many of the offer have been sent, */
    gboolean more_available; /* and said to be not all */
    gboolean list_sent;
    guint messages;     /* lists and sub-methods */
    gboolean satisfied; /* one of those required has completed */
} session_t;

static gboolean G_GNUC_PRINTF(2, 3) refused(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (error)
        *error = g_error_new_valist(PAIR_ERROR, PAIR_ERROR_REFUSED, format, args);
    va_end(args);
    return FALSE;
}

/* The list (draft-00, Subnegotiation) */

/* The next block of the offer; MORE_METHODS_AVAILABLE closes each but the last. */
static gboolean
send_list(session_t *session, GError **error)
{
    const client_options_t *options = session->options;
    const gsize left = options->offer->len - session->offered;
    method_id_t ids[MAF_NMETHODS_MAX];
    maf_pdu_t pdu = {.instr = MAF_INSTR_SUPPORTED, .nmethods_len = options->nmethods_len, .offered = ids};

    session->more_available = left > (options->block ? options->block : MAF_NMETHODS_MAX);
    const gsize block = options->block ? options->block : MAF_NMETHODS_MAX - 1;
    const gsize count = session->more_available ? block : left;
    for (gsize i = 0; i < count; i++)
        ids[pdu.n_offered++] = g_array_index(options->offer, method_id_t, session->offered++);
    if (session->more_available) {
        /* cppcheck-suppress unreadVariable */
        ids[count] = method_id_compact(MAF_METHOD_MORE_AVAILABLE);
        pdu.n_offered++;
    }
    session->list_sent = TRUE;
    return peer_send_pdu(&session->peer, &pdu, error);
}

static gboolean
send_more(session_t *session, guint16 flags, GError **error)
{
    if (flags == MAF_FLAGS_ABSOLUTE)
        session->offered = 0;
    else if (!session->more_available)
        return violation(error, "got a request for more sub-methods, when no more were available");
    return peer_exchange_oem(&session->peer, OEM_BEFORE_LIST, error) && send_list(session, error);
}

/* The greeting and the selection (RFC 1928, section 3) */

/* TRUE with *maf: has the server selected MAF, or no authentication? */
static gboolean
greet(session_t *session, gboolean *maf, GError **error)
{
    const GByteArray *methods = session->options->socks_methods;
    const guint8 none = SOCKS_METHOD_NONE;
    const gboolean unoffered = fault_decides(&session->peer.fault, FAULT_UNOFFERED_SELECTION);
    const socks_greeting_t greeting = {.methods = unoffered ? &none : methods->data,
                                       .n_methods = unoffered ? 1 : (guint8)methods->len};
    g_autoptr(GByteArray) message = g_byte_array_new();
    const peer_options_t *options = session->peer.options;
    guint8 method;

    socks_write_greeting(&greeting, message);
    if (!peer_send(&session->peer, message, error))
        return FALSE;
    if (options->coalesce && options->oem_place != OEM_BEFORE_LIST &&
        greeting.methods[0] != SOCKS_METHOD_NONE && !send_list(session, error))
        return FALSE;
    peer_expect(&session->peer, "a METHOD selection");
    if (!socks_read_selection(&session->peer.reader, &method, error))
        return FALSE;
    if (method == SOCKS_METHOD_UNACCEPTABLE)
        return refused(error, "the server accepts no METHOD of the greeting");
    if (!socks_greeting_offers(&greeting, method) && !(unoffered && method == methods->data[0]))
        return violation(error, "got METHOD %02X, which was not offered", method);
    *maf = method != SOCKS_METHOD_NONE;
    return TRUE;
}

/* { Do, Process ..., What next } */

static gboolean
is_offered(const session_t *session, const method_id_t *id)
{
    for (gsize i = 0; i < session->offered; i++) {
        if (method_id_equal(&g_array_index(session->options->offer, method_id_t, i), id))
            return TRUE;
    }
    return FALSE;
}

/* Steps of the sub-method, from the DATA of Do on, until it has ended. */
static gboolean
process(session_t *session, method_run_t *run, const maf_pdu_t *first, step_t *step, GError **error)
{
    static const char expects[] = "Process";
    maf_pdu_t pdu = *first;

    for (;;) {
        GByteArray *answer;
        *step = method_step(run, pdu.data, pdu.data_len, &answer, error);
        const maf_pdu_t message = {.instr = MAF_INSTR_PROCESS,
                                   .method = first->method,
                                   .data = answer ? answer->data : NULL,
                                   .data_len = answer ? answer->len : 0};
        const gboolean sent =
            *step != STEP_BROKEN && (!answer || peer_send_pdu(&session->peer, &message, error));
        wipe_and_unref(answer);
        if (!sent || *step != STEP_OPEN)
            return sent;
        if (!peer_read_pdu(&session->peer, expects, FALSE, &pdu, error))
            return FALSE;
        g_free(pdu.offered);
        if (pdu.instr == MAF_INSTR_FAILURE)
            return refused(error, "the server sent Failure");
        if (pdu.instr != MAF_INSTR_PROCESS)
            return violation(error, "got %s", maf_instr_name(pdu.instr));
        if (!method_id_equal(&pdu.method, &first->method)) {
            g_autofree char *other = method_id_describe(&pdu.method);
            return violation(error, "got Process for %s", other);
        }
    }
}

static gboolean
run_method(session_t *session, const maf_pdu_t *pdu, GError **error)
{
    g_autofree char *name = method_id_describe(&pdu->method);
    const method_t *method = method_find(&pdu->method);
    step_t step = STEP_FAILED;

    if (!is_offered(session, &pdu->method))
        return violation(error, "got Do for %s, which was not offered", name);
    method_run_t *run = method ? method_start(method, PAIR_CLIENT, &session->options->settings) : NULL;
    if (!run)
        log_line(session->peer.name, "offered %s, but cannot run it", name);
    const gboolean done = !run || process(session, run, pdu, &step, error);
    session->satisfied |= step == STEP_PASSED && g_ptr_array_find(session->options->required, method, NULL);
    method_stop(run);
    return done && peer_exchange_oem(&session->peer, OEM_BEFORE_WHAT_NEXT, error) &&
           peer_send_header(&session->peer, MAF_INSTR_WHAT_NEXT, MAF_FLAGS_NONE, error);
}

/* Success or Failure */

static gboolean
acknowledge(session_t *session, GError **error)
{
    return !peer_acknowledges(&session->peer) ||
           (peer_exchange_oem(&session->peer, OEM_AT_END, error) &&
            peer_send_header(&session->peer, MAF_INSTR_ACKNOWLEDGE, MAF_FLAGS_NONE, error) &&
            peer_read_instr(&session->peer, MAF_INSTR_ACKNOWLEDGE, FALSE, error));
}

/* Success counts only if the server has run what was required of it. */
static gboolean
accept_success(session_t *session, const maf_pdu_t *pdu, GError **error)
{
    const GPtrArray *required = session->options->required;

    if (!method_id_is(&pdu->method, MAF_METHOD_SUCCESS))
        return violation(error, "got Success whose METHOD is not SUCCESS");
    if (required->len > 0 && !session->satisfied)
        return violation(error, "got Success, although %s%s has not completed: the server proved nothing",
                         ((const method_t *)required->pdata[0])->name,
                         required->len > 1 ? " or another required" : "");
    return acknowledge(session, error);
}

/* What the server adds to a refusal is for the user to read. */
static gboolean
accept_failure(session_t *session, const char *how, const maf_pdu_t *pdu, GError **error)
{
    const char *data = pdu->data ? (const char *)pdu->data : "";
    g_autofree char *text = g_utf8_make_valid(data, (gssize)MIN(pdu->data_len, 200));

    acknowledge(session, NULL);
    return refused(error, "%s%s%s", how, *text ? ": " : "", text);
}

/* MAF, from the list to Success or Failure (draft-00, Subnegotiation) */
static gboolean
subnegotiate(session_t *session, GError **error)
{
    static const char expects[] = "Do, Request additional sub-methods, Success or Failure";
    maf_pdu_t pdu;

    if (!session->list_sent &&
        !(peer_exchange_oem(&session->peer, OEM_BEFORE_LIST, error) && send_list(session, error)))
        return FALSE;
    while (session->messages++ < MESSAGES_MAX) {
        if (!peer_read_pdu(&session->peer, expects, TRUE, &pdu, error))
            return FALSE;
        g_free(pdu.offered);
        switch (pdu.instr) {
        case MAF_INSTR_DO:
            if (method_id_is(&pdu.method, MAF_METHOD_FAILURE))
                return accept_failure(session, "no sub-method offered is acceptable", &pdu, error);
            if (!run_method(session, &pdu, error))
                return FALSE;
            break;
        case MAF_INSTR_REQUEST_MORE:
            if (!send_more(session, pdu.flags, error))
                return FALSE;
            break;
        case MAF_INSTR_SUCCESS:
            return accept_success(session, &pdu, error);
        case MAF_INSTR_FAILURE:
            return accept_failure(session, "the server sent Failure", &pdu, error);
        default:
            return violation(error, "got %s", maf_instr_name(pdu.instr));
        }
    }
    return violation(error, "more lists and sub-methods than the limit of %d", MESSAGES_MAX);
}

/* The request and the reply (RFC 1928, sections 4 to 6) */
static gboolean
request(session_t *session, const socks_address_t *target, socks_message_t *reply, GError **error)
{
    const socks_message_t message = {.code = SOCKS_CMD_CONNECT, .address = *target};
    g_autoptr(GByteArray) out = g_byte_array_new();

    socks_write_message(&message, out);
    if (!peer_send(&session->peer, out, error))
        return FALSE;
    peer_expect(&session->peer, "a SOCKS 5 reply");
    if (!socks_read_message(&session->peer.reader, reply, error))
        return FALSE;
    session->peer.login_deadline = 0;
    if (reply->address.len == 0)
        return violation(error, "ATYP is %02X, not 01, 03 or 04", reply->address.atyp);
    if (reply->code == SOCKS_REP_SUCCEEDED)
        return TRUE;
    session->peer.expects = NULL;
    g_set_error(error, PAIR_ERROR, PAIR_ERROR_NETWORK, "target not reached: reply %02X (%s)", reply->code,
                socks_rep_name(reply->code));
    return FALSE;
}

/* A login at the server, and the way to the target through it. Sets *reply to the server's, if it came so
 * far. */
static gboolean
reach_target(session_t *session, const socks_address_t *target, socks_message_t *reply, GError **error)
{
    const client_options_t *options = session->options;
    gboolean maf = FALSE;
    const char *why;

    const int fd = net_connect(options->server_host, options->server_port,
                               net_deadline((guint)options->peer.timeout), -1, &why);
    if (fd < 0) {
        g_set_error(error, PAIR_ERROR, PAIR_ERROR_NETWORK, "cannot reach the server %s, port %u: %s",
                    options->server_host, options->server_port, why);
        return FALSE;
    }
    peer_open(&session->peer, fd, g_strdup_printf("%s:%u", options->server_host, options->server_port),
              &options->peer);
    return greet(session, &maf, error) && (!maf || subnegotiate(session, error)) &&
           request(session, target, reply, error);
}

static void
leave(session_t *session)
{
    if (!session->peer.name)
        return;
    if (session->peer.options->fault && !session->peer.fault.done)
        log_line(session->peer.name, "--fault %s did not apply", fault_name(session->peer.options->fault));
    peer_close(&session->peer);
    close(session->peer.fd);
}

/* A line about what went wrong, and the exit status that it is. */
static int
report(const session_t *session, const GError *error)
{
    if (!error)
        return EXIT_OK;
    g_autofree char *text = peer_explain(&session->peer, error);
    log_line(session->peer.name, "%s%s", error->code == PAIR_ERROR_REFUSED ? "authentication refused: " : "",
             text);
    return error->code == PAIR_ERROR_REFUSED     ? EXIT_REFUSED
           : error->code == PAIR_ERROR_VIOLATION ? EXIT_VIOLATION
                                                 : EXIT_NETWORK;
}

/* Standard input and output */

/*
 * Opened anew, the other end of a pipe or a terminal can be made not to block without making it so for the
 * other programs that have it. What cannot be is written in pieces that a pipe takes once it polls as
 * writable.
 */
static int
open_anew(int fd, int flags)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    const int anew = lseek(fd, 0, SEEK_CUR) < 0 ? open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY) : -1;

    if (anew >= 0)
        close(fd);
    return anew;
}

static relay_end_t
standard_streams(void)
{
    relay_end_t end = {.last = isatty(STDIN_FILENO) == 1};

    end.in = open_anew(STDIN_FILENO, O_RDONLY);
    end.out = open_anew(STDOUT_FILENO, O_WRONLY);
    end.most = end.out < 0 ? PIPE_BUF : 0;
    end.in = end.in < 0 ? STDIN_FILENO : end.in;
    end.out = end.out < 0 ? STDOUT_FILENO : end.out;
    return end;
}

static int
connect_standard_streams(const client_options_t *options)
{
    const socks_address_t target = socks_address_of(options->target_host, options->target_port);
    session_t session = {.options = options};
    g_autoptr(GError) error = NULL;
    socks_message_t reply;

    if (reach_target(&session, &target, &reply, &error)) {
        const relay_end_t end = standard_streams();
        peer_relay(&session.peer, &end, NULL, &error);
    }
    const int status = report(&session, error);
    leave(&session);
    return status;
}

/* --listen: a SOCKS 5 proxy for programs of this machine that know nothing of MAF */

static gboolean
receive_request(peer_t *program, socks_message_t *message, GError **error)
{
    g_autoptr(GByteArray) selection = g_byte_array_new();
    socks_greeting_t greeting;

    peer_expect(program, "a SOCKS 5 greeting");
    if (!socks_read_greeting(&program->reader, &greeting, error))
        return FALSE;
    const gboolean offered = socks_greeting_offers(&greeting, SOCKS_METHOD_NONE);
    socks_write_selection(offered ? SOCKS_METHOD_NONE : SOCKS_METHOD_UNACCEPTABLE, selection);
    if (!peer_send(program, selection, error))
        return FALSE;
    if (!offered)
        return violation(error, "expected METHOD 00, no authentication, in the greeting");
    peer_expect(program, "a SOCKS 5 request");
    return socks_read_message(&program->reader, message, error);
}

/* Logs in for the program. Sets *reply to the server's, or to what stands for its refusal. */
static gboolean
carry_out_request(session_t *session, const socks_message_t *message, socks_message_t *reply, GError **error)
{
    *reply = (socks_message_t){.code = SOCKS_REP_FAILURE, .address = {.atyp = SOCKS_ATYP_IPV4, .len = 4}};
    if (message->address.len == 0 || message->code != SOCKS_CMD_CONNECT) {
        reply->code =
            message->address.len == 0 ? SOCKS_REP_ATYP_NOT_SUPPORTED : SOCKS_REP_COMMAND_NOT_SUPPORTED;
        return violation(error, "got a request that is not CONNECT to an IPv4 or IPv6 address or a name");
    }
    const gboolean reached = reach_target(session, &message->address, reply, error);
    if (!reached && (*error)->code == PAIR_ERROR_REFUSED)
        reply->code = SOCKS_REP_NOT_ALLOWED;
    return reached;
}

static void
serve(int fd, slot_t *slot, gconstpointer owner)
{
    const client_options_t *options = owner;
    const relay_end_t end = {.in = fd, .out = fd, .is_socket = TRUE};
    session_t session = {.options = options};
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    socks_message_t message = {0}, reply;
    peer_t program;

    peer_open(&program, fd, service_peer_name(slot), &options->program);
    if (receive_request(&program, &message, &error)) {
        service_logged_in(slot);
        const gboolean reached = carry_out_request(&session, &message, &reply, &error);
        socks_write_message(&reply, out);
        if (peer_send(&program, out, NULL) && reached) {
            peer_expect(&program, NULL);
            program.reset = !peer_relay(&session.peer, &end, program.reader.in, &error);
        }
    }
    report(&session, error);
    leave(&session);
    peer_close(&program);
}

static int
listen_for_programs(const client_options_t *options)
{
    const char *why;
    const int listener = service_listen(options->listen_host, options->listen_port, &why);

    if (listener < 0) {
        log_line(NULL, "cannot listen on %s, port %u: %s", options->listen_host, options->listen_port, why);
        return EXIT_NETWORK;
    }
    if (!service_is_local(listener))
        log_line(NULL, "warning: an open proxy: anybody who reaches this address gets through, as you");
    service_run(listener, CONNECTIONS, serve, options);
    return EXIT_OK;
}

int
main(int argc, char **argv)
{
    client_options_t options;

    options_prepare_process("maf-client");
    client_options_parse(argc, argv, &options);
    const int status =
        options.listen_host ? listen_for_programs(&options) : connect_standard_streams(&options);
    client_options_clear(&options);
    return status;
}
