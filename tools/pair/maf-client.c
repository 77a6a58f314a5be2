/* maf-client.c
 * Logs in at a SOCKS 5 proxy with MAF and connects standard input and output, or other programs, to a target
 * behind it
 *
 * Reads like the drafts: the greeting and the selection (RFC 1928), the list, { Do, Process ..., What next },
 * Success or Failure (draft-00, Subnegotiation), the request and the reply (RFC 1928).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "options.h"

#include <string.h>
#include <unistd.h>

#define CONNECTIONS  1000 /* of --listen */
#define MESSAGES_MAX 1000 /* lists and sub-methods of one login */

/* A login. */
typedef struct session {
    peer_t peer;
    const options_t *options;
    gsize offered; /* so many of the offer have been sent */
    gboolean list_sent;
    guint completed; /* a bit for each sub-method */
} session_t;

/* The list (draft-00, Subnegotiation) */

/* The first block of the offer, or the next one; MORE_METHODS_AVAILABLE closes each but the last. */
static gboolean
send_list(session_t *session, guint32 flags)
{
    const options_t *options = session->options;
    peer_t *peer = &session->peer;
    method_id_t ids[MAF_NMETHODS_MAX];
    maf_pdu_t pdu = {.instr = MAF_INSTR_SUPPORTED, .nmethods_len = options->nmethods_len, .offered = ids};

    if (flags == MAF_FLAGS_ABSOLUTE)
        session->offered = 0;
    else if (session->list_sent && session->offered == options->offer->len)
        return fail(&peer->in.error, STATUS_VIOLATION,
                    "got a request for more sub-methods, when no more were available");
    session->list_sent = TRUE;
    const gsize left = options->offer->len - session->offered;
    const gboolean has_more = left > options->block;
    while (pdu.n_offered < (has_more ? MIN(options->block, MAF_NMETHODS_MAX - 1) : left))
        ids[pdu.n_offered++] = g_array_index(options->offer, method_id_t, session->offered++);
    if (has_more) {
        /* cppcheck-suppress unreadVariable */
        ids[pdu.n_offered++] = method_id_compact(MAF_METHOD_MORE_AVAILABLE);
    }
    return peer_exchange_oem(peer, OEM_BEFORE_LIST) && peer_send_pdu(peer, pdu);
}

/* The greeting and the selection (RFC 1928, section 3) */

/* TRUE with *maf: has the server selected MAF, or no authentication? */
static gboolean
greet(session_t *session, gboolean *maf)
{
    peer_t *peer = &session->peer;
    const guint8 wanted =
        session->options->no_maf ? SOCKS_METHOD_NONE : (guint8)session->options->socks_method;
    const gboolean unoffered = fault_decides(&peer->fault, "unoffered-selection");
    const guint8 offered = unoffered ? SOCKS_METHOD_NONE : wanted;
    guint method;

    socks_write_start(1, &offered, peer->out);
    if (!peer_send(peer))
        return FALSE;
    if (peer->options->coalesce && peer->options->oem_place != OEM_BEFORE_LIST &&
        offered != SOCKS_METHOD_NONE && !send_list(session, MAF_FLAGS_RELATIVE))
        return FALSE;
    peer_expect(peer, "a METHOD selection");
    if (!socks_read_selection(&peer->in, &method))
        return FALSE;
    if (method == SOCKS_METHOD_UNACCEPTABLE)
        return fail(&peer->in.error, STATUS_REFUSED, "the server accepts no METHOD of the greeting");
    if (method != offered && !(unoffered && method == wanted))
        return fail(&peer->in.error, STATUS_VIOLATION, "got METHOD %02X, which was not offered", method);
    *maf = method != SOCKS_METHOD_NONE;
    return TRUE;
}

/* { Do, Process ..., What next } */

/* Steps of the sub-method, from the DATA of Do on, until it has ended. */
static gboolean
process(session_t *session, method_run_t *run, const maf_pdu_t *first, step_t *step)
{
    peer_t *peer = &session->peer;
    maf_pdu_t pdu = *first;

    for (;;) {
        *step = method_step(run, pdu.data, pdu.data_len);
        if (*step == STEP_BROKEN ||
            (run->answer && !peer_send_data(peer, MAF_INSTR_PROCESS, &first->method, run->answer)))
            return FALSE;
        if (*step != STEP_OPEN)
            return TRUE;
        if (!peer_read_pdu(peer, "Process", FALSE, &pdu))
            return FALSE;
        if (pdu.instr == MAF_INSTR_FAILURE)
            return fail(&peer->in.error, STATUS_REFUSED, "the server sent Failure");
        if (!peer_wants_process(peer, &pdu, &first->method))
            return FALSE;
    }
}

static gboolean
run_method(session_t *session, const maf_pdu_t *pdu)
{
    const GArray *offer = session->options->offer;
    peer_t *peer = &session->peer;
    g_autofree char *name = method_id_describe(&pdu->method);
    const method_t *method = method_find(&pdu->method);
    gboolean offered = FALSE, done = TRUE;
    method_run_t run = {0};
    step_t step = STEP_FAILED;

    for (guint i = 0; i < session->offered; i++)
        offered |= method_id_equal(&pdu->method, &g_array_index(offer, method_id_t, i));
    if (!offered)
        return fail(&peer->in.error, STATUS_VIOLATION, "got Do for %s, which was not offered", name);
    if (method && method_start(&run, method, PAIR_CLIENT, &session->options->settings, &peer->in.error))
        done = process(session, &run, pdu, &step);
    else
        log_line(peer->name, "offered %s, but cannot run it", name);
    method_stop(&run);
    session->completed |= step == STEP_PASSED ? 1U << method->index : 0;
    return done && peer_exchange_oem(peer, OEM_BEFORE_WHAT_NEXT) &&
           peer_send_pdu(peer, (maf_pdu_t){.instr = MAF_INSTR_WHAT_NEXT});
}

/* Success or Failure */

/* Both are acknowledged in revision 01. */
static gboolean
acknowledge(peer_t *peer)
{
    maf_pdu_t answer;

    return peer->revision != MAF_VER_01 ||
           (peer_exchange_oem(peer, OEM_AT_END) &&
            peer_send_pdu(peer, (maf_pdu_t){.instr = MAF_INSTR_ACKNOWLEDGE}) &&
            peer_read_instr(peer, MAF_INSTR_ACKNOWLEDGE, FALSE, &answer));
}

/* Success counts only if the server has run what was required of it. */
static gboolean
accept_success(session_t *session, const maf_pdu_t *pdu)
{
    const guint required = session->options->required;
    GError **error = &session->peer.in.error;

    if (!method_id_is(&pdu->method, MAF_METHOD_SUCCESS))
        return fail(error, STATUS_VIOLATION, "got Success whose METHOD is not SUCCESS");
    if (required && !(required & session->completed))
        return fail(
            error, STATUS_VIOLATION,
            "got Success, although a required sub-method has not completed: the server proved nothing");
    return acknowledge(&session->peer);
}

/* What the server adds to a refusal is for the user to read. */
static gboolean
accept_failure(peer_t *peer, const maf_pdu_t *pdu)
{
    const char *how =
        pdu->instr == MAF_INSTR_DO ? "no sub-method offered is acceptable" : "the server sent Failure";
    g_autofree char *text =
        g_utf8_make_valid(pdu->data ? (const char *)pdu->data : "", MIN(pdu->data_len, 200));

    acknowledge(peer);
    g_clear_error(&peer->in.error); /* for this is why the login has failed */
    return fail(&peer->in.error, STATUS_REFUSED, "%s%s%s", how, *text ? ": " : "", text);
}

/* MAF, from the list to Success or Failure (draft-00, Subnegotiation) */
static gboolean
subnegotiate(session_t *session)
{
    static const char expects[] = "Do, Request additional sub-methods, Success or Failure";
    peer_t *peer = &session->peer;
    gboolean go_on = session->list_sent || send_list(session, MAF_FLAGS_RELATIVE);
    maf_pdu_t pdu;

    for (guint messages = 0; go_on && messages < MESSAGES_MAX; messages++) {
        if (!peer_read_pdu(peer, expects, TRUE, &pdu))
            return FALSE;
        if (pdu.instr == MAF_INSTR_FAILURE ||
            (pdu.instr == MAF_INSTR_DO && method_id_is(&pdu.method, MAF_METHOD_FAILURE)))
            return accept_failure(peer, &pdu);
        if (pdu.instr == MAF_INSTR_SUCCESS)
            return accept_success(session, &pdu);
        if (pdu.instr == MAF_INSTR_DO)
            go_on = run_method(session, &pdu);
        else if (pdu.instr == MAF_INSTR_REQUEST_MORE)
            go_on = send_list(session, pdu.flags);
        else
            go_on = peer_refuse(peer, &pdu);
    }
    return fail(&peer->in.error, STATUS_VIOLATION, "more lists and sub-methods than the limit of %d",
                MESSAGES_MAX);
}

/* The request and the reply (RFC 1928, sections 4 to 6) */
static gboolean
request(session_t *session, const socks_message_t *message, socks_message_t *reply)
{
    peer_t *peer = &session->peer;
    socks_message_t received = {0};

    socks_write_message(message, peer->out);
    if (!peer_send(peer) || !peer_read_message(peer, &received))
        return FALSE;
    *reply = received;
    peer->expects = NULL;
    return reply->code == SOCKS_REP_SUCCEEDED ||
           fail(&peer->in.error, STATUS_NETWORK, "target not reached: reply %02X (%s)", reply->code,
                socks_rep_name(reply->code));
}

/* A login at the server, and the way to the target through it. Sets *reply to the server's if that comes. */
static gboolean
reach_target(session_t *session, const socks_message_t *message, socks_message_t *reply)
{
    const options_t *options = session->options;
    const char *why;
    gboolean maf = FALSE;

    const int fd =
        net_connect(options->server_host, options->server_port, net_deadline(options->peer.timeout), &why);
    peer_open(&session->peer, fd, options->server_name, &options->peer);
    if (fd < 0)
        return fail(&session->peer.in.error, STATUS_NETWORK, "cannot reach the server: %s", why);
    return greet(session, &maf) && (!maf || subnegotiate(session)) && request(session, message, reply);
}

/* Logs what went wrong and closes the connection. Returns the exit status. */
static status_t
leave(peer_t *peer)
{
    const status_t status = peer->in.error ? (status_t)peer->in.error->code : STATUS_OK;

    if (status != STATUS_OK) {
        g_autofree char *text = peer_explain(peer);
        log_line(peer->name, "%s%s", status == STATUS_REFUSED ? "authentication refused: " : "", text);
    }
    peer_close(peer);
    close(peer->fd);
    return status;
}

/* --listen: a SOCKS 5 proxy for programs of this machine that know nothing of MAF */

/* The reply is the server's, or stands for its refusal. */
static void
serve(connection_t *connection, gconstpointer data)
{
    const options_t *options = data;
    session_t session = {.options = options};
    socks_message_t message = {0}, reply = socks_message_of(SOCKS_REP_FAILURE, "0.0.0.0", 0);
    guint8 method;
    peer_t program;

    peer_open(&program, connection->fd, connection->name, &options->program);
    if (peer_select(&program, SOCKS_METHOD_NONE, FALSE, &method) && peer_read_message(&program, &message)) {
        service_logged_in(connection);
        const gboolean reached = reach_target(&session, &message, &reply);
        if (!reached && session.peer.in.error->code == STATUS_REFUSED)
            reply.code = SOCKS_REP_NOT_ALLOWED;
        socks_write_message(&reply, program.out);
        if (peer_send(&program) && reached) {
            peer_expect(&program, NULL);
            g_byte_array_append(session.peer.out, program.in.bytes->data, program.in.bytes->len);
            program.reset = !peer_relay(&session.peer, program.fd, program.fd);
        }
        leave(&session.peer);
    } else {
        g_autofree char *text = peer_explain(&program);
        log_line(program.name, "%s", text);
    }
    peer_close(&program);
}

int
main(int argc, char **argv)
{
    const options_t *options = client_options_parse(argc, argv);
    session_t session = {.options = options};

    if (options->listen_host)
        return (int)service_run(options->listen_host, options->listen_port, CONNECTIONS, serve, options,
                                "anybody who reaches this address gets through, as you");
    socks_message_t reply,
        message = socks_message_of(SOCKS_CMD_CONNECT, options->target_host, options->target_port);
    if (reach_target(&session, &message, &reply))
        peer_relay(&session.peer, STDIN_FILENO, STDOUT_FILENO);
    return (int)leave(&session.peer);
}
