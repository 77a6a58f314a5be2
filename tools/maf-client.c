/* maf-client.c
 * Authenticates to a SOCKS 5 proxy with MAF and connects standard input and output to a target behind it
 *
 * The states below are those of draft-00 (Subnegotiation) between the ones of RFC 1928.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-config.h"
#include "maf-stream.h"
#include "socks-pdu.h"
#include "tool.h"

#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct session {
    maf_manners_t manners;
    maf_settings_t settings;
    maf_credentials_t credentials;
    char *server_host, *target_host;
    guint16 server_port, target_port;
    GByteArray *socks_methods;
    GArray *offer; /* of maf_id_t */
    gsize nmethods_len;
    gsize block; /* the most ids of the offer in one list, or 0 for as many as a list can have */

    GMainLoop *loop;
    maf_stream_t *stream;
    int status;

    /* The block of the offer sent last: where it ended, and whether it said that there are more. */
    gboolean list_sent;
    gsize offered;
    gboolean more_available;

    /* The running sub-method; no run when this program does not have it. */
    maf_id_t method_id;
    const maf_method_t *method;
    gpointer run;
    maf_verdict_t verdict;

    GError *refusal; /* what the server's Failure said, once there was one */

    GInputStream *input;
    GOutputStream *output;
} session_t;

static const maf_state_t awaiting_selection, awaiting_decision, executing, awaiting_acknowledge,
    awaiting_reply;

/* The end of the session */

static int
status_of(const GError *error)
{
    if (!error)
        return TOOL_EXIT_OK;
    if (g_error_matches(error, MAF_ERROR, MAF_ERROR_REFUSED))
        return TOOL_EXIT_REFUSED;
    if (g_error_matches(error, MAF_ERROR, MAF_ERROR_VIOLATION))
        return TOOL_EXIT_VIOLATION;
    return TOOL_EXIT_NETWORK;
}

static void
session_ended(gpointer side, const GError *error)
{
    session_t *session = side;

    if (session->refusal) /* which is how it ended, whatever the server said then */
        error = session->refusal;
    if (error)
        tool_say(maf_stream_peer(session->stream), "%s", error->message);
    session->status = status_of(error);
    g_main_loop_quit(session->loop);
}

static void
refused(session_t *session, const char *how)
{
    maf_stream_end(session->stream,
                   g_error_new(MAF_ERROR, MAF_ERROR_REFUSED, "authentication refused: %s", how));
}

/* What the client says in MAF (draft-00, Subnegotiation) */

static void
send_header(session_t *session, guint8 instr)
{
    const maf_pdu_t pdu = {.instr = instr};
    maf_stream_send_pdu(session->stream, &pdu);
}

static void
send_what_next(gpointer side)
{
    session_t *session = side;

    send_header(session, MAF_INSTR_WHAT_NEXT);
    maf_stream_expect(session->stream, &awaiting_decision);
}

static void
ask_what_next(session_t *session)
{
    maf_stream_exchange_oem(session->stream, MAF_OEM_WHAT_NEXT, send_what_next);
}

/* The next block of the offer; MORE_METHODS_AVAILABLE closes each but the last. */
static void
send_list(session_t *session)
{
    maf_pdu_t pdu = {.instr = MAF_INSTR_SUPPORTED, .nmethods_len = session->nmethods_len};
    const gsize left = session->offer->len - session->offered;

    session->more_available = left > (session->block ? session->block : MAF_NMETHODS_MAX);
    const gsize block = session->block ? session->block : MAF_NMETHODS_MAX - 1;
    const gsize count = session->more_available ? block : left;
    for (gsize i = 0; i < count; i++)
        pdu.offered[pdu.n_offered++] = g_array_index(session->offer, maf_id_t, session->offered++);
    if (session->more_available)
        pdu.offered[pdu.n_offered++] = maf_id_compact(MAF_METHOD_MORE_AVAILABLE);
    session->list_sent = TRUE;
    maf_stream_send_pdu(session->stream, &pdu);
}

static void
send_next_list(gpointer side)
{
    session_t *session = side;

    send_list(session);
    maf_stream_expect(session->stream, &awaiting_decision);
}

static gboolean
is_offered(const session_t *session, const maf_id_t *id)
{
    for (gsize i = 0; i < session->offered; i++) {
        if (maf_id_equal(&g_array_index(session->offer, maf_id_t, i), id))
            return TRUE;
    }
    return FALSE;
}

static void
stop_method(session_t *session)
{
    if (session->run)
        session->method->stop(session->run);
    session->run = NULL;
}

/* Lets the running sub-method answer; once it is done, whichever way, the server has the next word. */
static frame_status_t
step(session_t *session, const guint8 *in, gsize in_len, GError **error)
{
    g_autoptr(GBytes) out = NULL;

    session->verdict = session->method->step(session->run, in, in_len, &out, error);
    if (session->verdict == MAF_VERDICT_BROKEN)
        return FRAME_BAD;
    if (out) {
        maf_pdu_t pdu = {.instr = MAF_INSTR_PROCESS, .method = session->method_id};
        pdu.data = g_bytes_get_data(out, &pdu.data_len);
        maf_stream_send_pdu(session->stream, &pdu);
    }
    if (session->verdict == MAF_VERDICT_OPEN)
        maf_stream_expect(session->stream, &executing);
    else
        ask_what_next(session);
    return FRAME_COMPLETE;
}

/* After the end: the request, or nothing */

static void send_request(session_t *session);

static void
go_on(session_t *session)
{
    if (session->refusal)
        maf_stream_end(session->stream, NULL);
    else
        send_request(session);
}

static void
acknowledge(gpointer side)
{
    session_t *session = side;

    send_header(session, MAF_INSTR_ACKNOWLEDGE);
    maf_stream_expect(session->stream, &awaiting_acknowledge);
}

/* Success or Failure has come. */
static void
conclude(session_t *session)
{
    stop_method(session);
    maf_credentials_clear(&session->credentials);
    if (maf_stream_acknowledges(session->stream))
        maf_stream_exchange_oem(session->stream, MAF_OEM_END, acknowledge);
    else
        go_on(session);
}

/* What the server adds to a refusal is for the user to read. */
static void
refused_with(session_t *session, const char *how, const maf_pdu_t *pdu)
{
    const char *data = pdu->data ? (const char *)pdu->data : "";
    g_autofree char *text = g_utf8_make_valid(data, (gssize)MIN(pdu->data_len, 200));

    session->refusal = g_error_new(MAF_ERROR, MAF_ERROR_REFUSED, "authentication refused: %s%s%s", how,
                                   *text ? ": " : "", text);
    conclude(session);
}

/* What the server says in MAF */

static frame_status_t
receive_do(session_t *session, const maf_pdu_t *pdu, GError **error)
{
    if (maf_id_is(&pdu->method, MAF_METHOD_FAILURE)) {
        refused_with(session, "no sub-method offered is acceptable", pdu);
        return FRAME_COMPLETE;
    }
    if (!is_offered(session, &pdu->method)) {
        g_autofree char *id = maf_id_to_string(&pdu->method);
        return frame_bad(error, "got Do for METHOD %s, which was not offered", id);
    }
    stop_method(session);
    session->method_id = pdu->method;
    session->method = maf_method_find(&pdu->method);
    if (session->method)
        session->run = session->method->start(MAF_CLIENT, &session->settings);
    if (!session->run) {
        g_autofree char *id = maf_id_to_string(&pdu->method);
        tool_say(maf_stream_peer(session->stream), "offered METHOD %s, but cannot run it", id);
        ask_what_next(session);
        return FRAME_COMPLETE;
    }
    return step(session, pdu->data, pdu->data_len, error);
}

static frame_status_t
receive_request_more(session_t *session, const maf_pdu_t *pdu, GError **error)
{
    if (pdu->flags == MAF_FLAGS_ABSOLUTE)
        session->offered = 0;
    else if (!session->more_available)
        return frame_bad(error, "got a request for more sub-methods, when no more were available");
    maf_stream_exchange_oem(session->stream, MAF_OEM_LIST, send_next_list);
    return FRAME_COMPLETE;
}

static void
send_request(session_t *session)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();
    g_autoptr(GInetAddress) inet = g_inet_address_new_from_string(session->target_host);
    socks_message_t request = {.code = SOCKS_CMD_CONNECT, .address = {.port = session->target_port}};

    if (inet) {
        request.address.atyp =
            g_inet_address_get_family(inet) == G_SOCKET_FAMILY_IPV6 ? SOCKS_ATYP_IPV6 : SOCKS_ATYP_IPV4;
        request.address.len = (guint8)g_inet_address_get_native_size(inet);
        memcpy(request.address.octets, g_inet_address_to_bytes(inet), request.address.len);
    } else {
        request.address.atyp = SOCKS_ATYP_DOMAIN;
        request.address.len = (guint8)strlen(session->target_host);
        memcpy(request.address.octets, session->target_host, request.address.len);
    }
    socks_message_encode(&request, octets);
    maf_stream_send(session->stream, octets);
    maf_stream_expect(session->stream, &awaiting_reply);
}

static frame_status_t
receive_decision(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    session_t *session = side;
    maf_pdu_t pdu;

    const frame_status_t status = maf_stream_read_pdu(session->stream, octets, len, &pdu, length, error);
    if (status != FRAME_COMPLETE)
        return status;

    switch (pdu.instr) {
    case MAF_INSTR_DO:
        return receive_do(session, &pdu, error);
    case MAF_INSTR_REQUEST_MORE:
        return receive_request_more(session, &pdu, error);
    case MAF_INSTR_FAILURE:
        refused_with(session, "the server sent Failure", &pdu);
        return FRAME_COMPLETE;
    case MAF_INSTR_SUCCESS:
        if (!maf_id_is(&pdu.method, MAF_METHOD_SUCCESS))
            return frame_bad(error, "got Success whose METHOD is not SUCCESS");
        conclude(session);
        return FRAME_COMPLETE;
    default:
        return frame_bad(error, "got %s", maf_instr_name(pdu.instr));
    }
}

static frame_status_t
receive_while_executing(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    session_t *session = side;
    maf_pdu_t pdu;

    const frame_status_t status = maf_stream_read_pdu(session->stream, octets, len, &pdu, length, error);
    if (status != FRAME_COMPLETE)
        return status;
    if (pdu.instr == MAF_INSTR_FAILURE) {
        refused_with(session, "the server sent Failure", &pdu);
        return FRAME_COMPLETE;
    }
    if (pdu.instr != MAF_INSTR_PROCESS)
        return frame_bad(error, "got %s", maf_instr_name(pdu.instr));
    if (!maf_id_equal(&pdu.method, &session->method_id)) {
        g_autofree char *id = maf_id_to_string(&pdu.method);
        return frame_bad(error, "got Process for METHOD %s", id);
    }
    return step(session, pdu.data, pdu.data_len, error);
}

static frame_status_t
receive_acknowledge(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    session_t *session = side;
    maf_pdu_t pdu;

    const frame_status_t status = maf_stream_read_pdu(session->stream, octets, len, &pdu, length, error);
    if (status != FRAME_COMPLETE)
        return status;
    if (pdu.instr != MAF_INSTR_ACKNOWLEDGE)
        return frame_bad(error, "got %s", maf_instr_name(pdu.instr));
    go_on(session);
    return FRAME_COMPLETE;
}

/* SOCKS around it (RFC 1928, sections 3 to 6) */

static gboolean
offers_socks_method(const session_t *session, guint8 method)
{
    const GByteArray *methods = session->socks_methods;
    return methods->len > 0 && memchr(methods->data, method, methods->len);
}

static frame_status_t
receive_selection(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    session_t *session = side;
    guint8 method;

    const frame_status_t status = socks_selection_decode(octets, len, &method, length, error);
    if (status != FRAME_COMPLETE)
        return status;
    if (method == SOCKS_METHOD_UNACCEPTABLE) {
        refused(session, "the server accepts no METHOD of the greeting");
        return FRAME_COMPLETE;
    }
    if (!offers_socks_method(session, method))
        return frame_bad(error, "got METHOD %02X, which was not offered", method);
    if (method == SOCKS_METHOD_NONE) {
        send_request(session);
        return FRAME_COMPLETE;
    }
    if (session->list_sent)
        maf_stream_expect(session->stream, &awaiting_decision);
    else
        maf_stream_exchange_oem(session->stream, MAF_OEM_LIST, send_next_list);
    return FRAME_COMPLETE;
}

static frame_status_t
receive_reply(gpointer side, const guint8 *octets, gsize len, gsize *length, GError **error)
{
    session_t *session = side;
    socks_message_t reply;

    const frame_status_t status = socks_reply_decode(octets, len, &reply, length, error);
    if (status != FRAME_COMPLETE)
        return status;
    if (reply.code != SOCKS_REP_SUCCEEDED) {
        maf_stream_end(session->stream,
                       g_error_new(MAF_ERROR, MAF_ERROR_TARGET, "target not reached: reply %02X (%s)",
                                   reply.code, socks_rep_name(reply.code)));
        return FRAME_COMPLETE;
    }
    /*
     * A pipe that polls as writable takes PIPE_BUF octets without blocking, and blocking would stop the other
     * direction. A person at a terminal has no end of input to give; a pipe may go on after the target has
     * said all it had to.
     */
    const relay_end_t stdio = {.in = session->input,
                               .out = session->output,
                               .take = PIPE_BUF,
                               .last_out = isatty(STDIN_FILENO) == 1};
    maf_stream_bridge(session->stream, &stdio);
    return FRAME_COMPLETE;
}

/* clang-format off */
static const maf_state_t
    awaiting_selection   = {"a METHOD selection", receive_selection, FALSE},
    awaiting_decision    = {"Do, Request additional sub-methods, Success or Failure", receive_decision, TRUE},
    executing            = {"Process", receive_while_executing, FALSE},
    awaiting_acknowledge = {"Acknowledge", receive_acknowledge, FALSE},
    awaiting_reply       = {"a SOCKS 5 reply", receive_reply, FALSE};
/* clang-format on */

static void
server_connected(GObject *source, GAsyncResult *result, gpointer user_data)
{
    session_t *session = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_to_host_finish(G_SOCKET_CLIENT(source), result, &error);

    if (!connection) {
        tool_say(NULL, "cannot reach the proxy %s, port %u: %s", session->server_host, session->server_port,
                 error->message);
        session->status = TOOL_EXIT_NETWORK;
        g_main_loop_quit(session->loop);
        return;
    }
    g_socket_set_timeout(g_socket_connection_get_socket(connection), 0);

    g_autoptr(GByteArray) octets = g_byte_array_new();
    const socks_greeting_t greeting = {.methods = session->socks_methods->data,
                                       .n_methods = (guint8)session->socks_methods->len};
    socks_greeting_encode(&greeting, octets);
    session->stream = maf_stream_new(connection, &session->manners, session_ended, session);
    maf_stream_send(session->stream, octets);
    if (session->manners.glue && session->manners.oem.place != MAF_OEM_LIST &&
        session->socks_methods->data[0] != SOCKS_METHOD_NONE)
        send_list(session);
    maf_stream_expect(session->stream, &awaiting_selection);
}

/* The program */

static void
parse_socks_methods(session_t *session, char **texts, gboolean no_maf)
{
    const guint8 default_method = no_maf ? SOCKS_METHOD_NONE : MAF_SOCKS_METHOD;
    GError *error = NULL;

    if (no_maf && texts)
        tool_usage_error("--no-maf and --socks-method exclude each other");
    for (char **text = texts; text && *text; text++) {
        g_auto(GStrv) numbers = g_strsplit(*text, ",", -1);
        for (char **item = numbers; *item; item++) {
            guint number;
            if (!tool_parse_number(*item, 1, SOCKS_METHOD_UNACCEPTABLE - 1, &number, &error))
                tool_usage_error("--socks-method: %s", error->message);
            const guint8 method = (guint8)number;
            if (!offers_socks_method(session, method))
                g_byte_array_append(session->socks_methods, &method, 1);
        }
    }
    if (session->socks_methods->len == 0)
        g_byte_array_append(session->socks_methods, &default_method, 1);
}

static void
find_credentials(session_t *session, const char *file)
{
    g_autoptr(GError) error = NULL;

    if (!maf_credentials_take_from_environment(&session->credentials, &error) && !file) {
        tool_say(NULL, "%s", error->message);
        exit(TOOL_EXIT_USAGE);
    }
    g_clear_error(&error);
    if (file) {
        maf_credentials_clear(&session->credentials);
        if (!maf_credentials_load(file, &session->credentials, &error)) {
            tool_say(NULL, "%s", error->message);
            exit(TOOL_EXIT_USAGE);
        }
    }
    if (session->credentials.user)
        session->settings.credentials = &session->credentials;
}

/* All that this client can do, the strongest first. */
static void
offer_everything(session_t *session)
{
    static const char *const words[] = {"SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "internal-test"};

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        const maf_method_t *method = maf_method_find_word(words[i]);
        const maf_id_t id = maf_id_compact(method->id);
        if (session->settings.credentials || method->need == MAF_SECRET_NONE)
            g_array_append_val(session->offer, id);
    }
}

/* The ids of the sub-methods to offer that are compact, or the UUIDs that they are or that stand for them. */
static void
append_ids(GArray *ids, const GArray *offer, gboolean uuids)
{
    for (guint i = 0; i < offer->len; i++) {
        maf_id_t id = g_array_index(offer, maf_id_t, i);
        const gboolean is_uuid = id.len == MAF_LONG_ID_LEN;
        if (is_uuid == uuids || (uuids && maf_method_uuid(&id, &id)))
            g_array_append_val(ids, id);
    }
}

/* Has the offer made of the kinds of ids that are asked for, in their order. */
static void
choose_ids(session_t *session, const char *name)
{
    static const struct {
        const char *name;
        gsize kinds;
        gboolean uuids[2];
    } choices[] = {
        {"none", 0, {FALSE}},       {"compact", 1, {FALSE}},          {"uuid", 1, {TRUE}},
        {"both", 2, {FALSE, TRUE}}, {"uuid-first", 2, {TRUE, FALSE}},
    };
    gsize kinds = 0;
    const gboolean *uuids = NULL;

    for (gsize i = 0; !uuids && i < G_N_ELEMENTS(choices); i++) {
        if (strcmp(name, choices[i].name) == 0) {
            kinds = choices[i].kinds;
            uuids = choices[i].uuids;
        }
    }
    if (!uuids)
        tool_usage_error("--ids is compact, uuid, both, uuid-first or none");
    g_autoptr(GArray) offer = session->offer;
    session->offer = g_array_new(FALSE, FALSE, sizeof(maf_id_t));
    for (gsize kind = 0; kind < kinds; kind++)
        append_ids(session->offer, offer, uuids[kind]);
    if (session->offer->len == 0 && kinds > 0)
        tool_usage_error("--ids %s leaves nothing of the offer", name);
}

/* Revision 00 has neither UUIDs nor empty lists. */
static void
check_revision_00(const session_t *session)
{
    gboolean compact = session->offer->len > 0;

    for (guint i = 0; i < session->offer->len; i++)
        compact = compact && g_array_index(session->offer, maf_id_t, i).len == MAF_METHOD_LEN;
    if (!compact || session->manners.oem.place != MAF_OEM_NOWHERE)
        tool_usage_error("UUIDs, empty lists and OEM frames take --revision 1");
}

static void
parse_options(int argc, char **argv, session_t *session)
{
    g_autofree char *server = NULL, *offer = NULL, *ids = NULL, *credentials = NULL;
    g_auto(GStrv) methods = NULL;
    gboolean no_maf = FALSE;
    int nmethods_width = MAF_NMETHODS_LEN, block = 0;
    const GOptionEntry entries[] = {
        {"server", 0, 0, G_OPTION_ARG_STRING, &server, "The proxy (127.0.0.1:1080)", "HOST:PORT"},
        {"socks-method", 0, 0, G_OPTION_ARG_STRING_ARRAY, &methods,
         "SOCKS METHOD to offer as MAF (8; 0x80 is fine too); repeat it or separate by commas for more",
         "NUMBER"},
        {"no-maf", 0, 0, G_OPTION_ARG_NONE, &no_maf, "Offer METHOD 00, no authentication, and not MAF", NULL},
        {"offer", 0, 0, G_OPTION_ARG_STRING, &offer,
         "Sub-methods to offer, in hexadecimal, such as 00000001,00010000-000100FD, instead of all there are "
         "(--revision 1: also UUIDs)",
         "LIST"},
        {"ids", 0, 0, G_OPTION_ARG_STRING, &ids,
         "In revision 1, offer compact ids, UUIDs, both (UUIDs last, or first), or no sub-method at all",
         "compact|uuid|both|uuid-first|none"},
        {"block", 0, 0, G_OPTION_ARG_INT, &block,
         "Offer so many sub-methods at a time, and the next when asked for more (254)", "N"},
        {"credentials", 0, 0, G_OPTION_ARG_FILENAME, &credentials,
         "Who you are: see maf-client(1). Without it, MAF_USER and MAF_PASSWORD of the environment", "FILE"},
        {"nmethods-width", 0, 0, G_OPTION_ARG_INT, &nmethods_width, "Octets of NMETHODS, 1 or 4 (4)", "1|4"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    GError *error = NULL;

    tool_parse(&argc, &argv, "HOST:PORT",
               "Authenticates to a SOCKS 5 proxy with MAF (draft-ietf-aft-socks-maf) and connects\n"
               "standard input and output to HOST:PORT behind it, such as example.org:80 or [::1]:22.\n\n"
               "Exit status: 0 the target was reached, 1 authentication refused, 2 usage,\n"
               "3 the proxy broke the protocol or hung up, 4 proxy or target not reached, or lost.",
               entries, &session->manners);
    if (argc != 2)
        tool_usage_error("expected one HOST:PORT");
    if (nmethods_width != MAF_NMETHODS_LEN && nmethods_width != MAF_NMETHODS_LEN_BYTE)
        tool_usage_error("--nmethods-width is 1 or 4");
    session->nmethods_len = (gsize)nmethods_width;
    if (block < 0 || block >= MAF_NMETHODS_MAX)
        tool_usage_error("--block is 1 to %d", MAF_NMETHODS_MAX - 1);
    session->block = (gsize)block;
    parse_socks_methods(session, methods, no_maf);
    if (!tool_parse_host_port(argv[1], &session->target_host, &session->target_port, &error))
        tool_usage_error("HOST:PORT: %s", error->message);
    if (!tool_parse_host_port(server ? server : "127.0.0.1:1080", &session->server_host,
                              &session->server_port, &error))
        tool_usage_error("--server: %s", error->message);
    if (offer && !tool_parse_ids(offer, session->offer, &error))
        tool_usage_error("--offer: %s", error->message);
    find_credentials(session, credentials);
    if (!offer)
        offer_everything(session);
    if (ids)
        choose_ids(session, ids);
    if (session->manners.revision == MAF_VER_00)
        check_revision_00(session);
}

static void
session_clear(session_t *session)
{
    stop_method(session);
    maf_credentials_clear(&session->credentials);
    maf_stream_free(session->stream);
    g_object_unref(session->input);
    g_object_unref(session->output);
    g_byte_array_unref(session->socks_methods);
    g_array_unref(session->offer);
    g_clear_error(&session->refusal);
    g_main_loop_unref(session->loop);
    g_free(session->server_host);
    g_free(session->target_host);
}

int
main(int argc, char **argv)
{
    tool_open_standard_streams();
    session_t session = {.manners = {.timeout = 30, .side = MAF_CLIENT},
                         .socks_methods = g_byte_array_new(),
                         .offer = g_array_new(FALSE, FALSE, sizeof(maf_id_t)),
                         .loop = g_main_loop_new(NULL, FALSE),
                         .input = g_unix_input_stream_new(STDIN_FILENO, FALSE),
                         .output = g_unix_output_stream_new(STDOUT_FILENO, TRUE)};
    g_autoptr(GSocketClient) connector = g_socket_client_new();

    g_set_prgname("maf-client");
    parse_options(argc, argv, &session);
    g_socket_client_set_enable_proxy(connector, FALSE);
    g_socket_client_set_timeout(connector, (guint)session.manners.timeout);
    g_socket_client_connect_to_host_async(connector, session.server_host, session.server_port, NULL,
                                          server_connected, &session);
    g_main_loop_run(session.loop);
    session_clear(&session);
    return session.status;
}
