/* bench-messages.c
 * What goes over the wire in many sessions, of any length, for tools/dev/bench to make captures of
 *
 * Prints an IPv4 packet per line, in hexadecimal, for text2pcap -r. The sessions are of MAF, by the codec of
 * the pair, or of another protocol that frames its messages alike.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "pdu.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#define CLIENT_NETWORK     0x0A000000U /* 10.0.0.0 */
#define CLIENT_PORTS_FIRST 10000U
#define CLIENT_PORTS       50000U
#define SERVER             0xC0000201U /* 192.0.2.1 */
#define SEGMENT_MAX        1460

typedef enum { CLIENT, SERVER_SIDE } side_t;

/* Something one side says; without octets, TCP's flags alone. */
typedef struct {
    side_t from;
    guint8 flags;
    GByteArray *octets; /* or NULL */
} step_t;

/* The same for every session. Each a GArray of step_t. */
typedef struct {
    guint16 port;
    GArray *begin;
    GArray *round;
    GArray *end;
} script_t;

typedef struct {
    guint32 client;
    guint16 client_port;
    guint32 seq[2]; /* by side_t */
} session_t;

static void
say(GArray *steps, side_t from, GByteArray *octets)
{
    const step_t step = {.from = from, .flags = TH_PUSH | TH_ACK, .octets = octets};
    g_array_append_val(steps, step);
}

static void
say_flags(GArray *steps, side_t from, guint8 flags)
{
    const step_t step = {.from = from, .flags = flags};
    g_array_append_val(steps, step);
}

static void
say_frame(GArray *steps, side_t from, const maf_pdu_t *pdu)
{
    GByteArray *octets = g_byte_array_new();

    maf_pdu_write(pdu, octets);
    say(steps, from, octets);
}

/* A login at the Internal Test Method with so many octets of DATA each way. */
static void
script_maf(script_t *script, gsize data_len)
{
    static const guint8 methods[] = {MAF_SOCKS_METHOD};
    const socks_message_t request = socks_message_of(SOCKS_CMD_CONNECT, "192.0.2.2", 9);
    const socks_message_t reply = socks_message_of(SOCKS_REP_SUCCEEDED, "192.0.2.1", 9);
    guint8 *data = (guint8 *)g_malloc(data_len);
    method_id_t test = method_id_compact(MAF_METHOD_INTERNAL_TEST);
    maf_pdu_t pdu = {
        .instr = MAF_INSTR_SUPPORTED, .nmethods_len = MAF_NMETHODS_LEN, .n_offered = 1, .offered = &test};
    GByteArray *octets[4];

    for (gsize i = 0; i < G_N_ELEMENTS(octets); i++)
        octets[i] = g_byte_array_new();
    socks_write_start(sizeof methods, methods, octets[0]);
    socks_write_start(MAF_SOCKS_METHOD, NULL, octets[1]);
    socks_write_message(&request, octets[2]);
    socks_write_message(&reply, octets[3]);

    say(script->begin, CLIENT, octets[0]);
    say(script->begin, SERVER_SIDE, octets[1]);
    say_frame(script->begin, CLIENT, &pdu);

    memset(data, 'x', data_len);
    pdu = (maf_pdu_t){.method = test, .data = data, .data_len = (guint32)data_len};
    pdu.instr = MAF_INSTR_DO;
    say_frame(script->round, SERVER_SIDE, &pdu);
    pdu.instr = MAF_INSTR_PROCESS;
    say_frame(script->round, CLIENT, &pdu);
    pdu = (maf_pdu_t){.instr = MAF_INSTR_WHAT_NEXT};
    say_frame(script->round, CLIENT, &pdu);

    pdu = (maf_pdu_t){.instr = MAF_INSTR_SUCCESS, .method = method_id_compact(MAF_METHOD_SUCCESS)};
    say_frame(script->end, SERVER_SIDE, &pdu);
    say(script->end, CLIENT, octets[2]);
    say(script->end, SERVER_SIDE, octets[3]);
    g_free(data);
}

/* Protocols that have a length in front of each message, too; a round of theirs is a question and its answer.
 */
typedef struct {
    const char *octets;
    gsize len;
} message_t;

#define MESSAGE(octets)                                                                                      \
    {                                                                                                        \
        octets, sizeof octets - 1                                                                            \
    }

static const struct other {
    const char *name;
    guint16 port;
    message_t begin[2]; /* by side_t */
    message_t round[2]; /* by side_t */
} others[] = {
    {"modbus",
     502,
     {MESSAGE(""), MESSAGE("")},
     {MESSAGE("\0\0\0\0\0\6\1\3\0\0\0\2"), MESSAGE("\0\0\0\0\0\7\1\3\4\0\x2a\0\x2b")}},
    {"mqtt",
     1883,
     {MESSAGE("\x10\x10\0\4MQTT\4\2\0\x3c\0\4test"), MESSAGE("\x20\2\0\0")},
     {MESSAGE("\x32\x0c\0\3maf\0\1hello"), MESSAGE("\x40\2\0\1")}},
    {"tacplus",
     49,
     {MESSAGE("\xc0\1\1\1\0\0\0\1\0\0\0\x11\1\0\1\1\5\4\0\0alicetty1"),
      MESSAGE("\xc0\1\2\1\0\0\0\1\0\0\0\x10\5\1\0\x0a\0\0Password: ")},
     {MESSAGE("\xc0\1\3\1\0\0\0\1\0\0\0\x0a\0\5\0\0\0hello"),
      MESSAGE("\xc0\1\4\1\0\0\0\1\0\0\0\x0c\3\0\0\6\0\0again?")}},
};

static void
say_messages(GArray *steps, const message_t messages[2])
{
    for (int from = CLIENT; from <= SERVER_SIDE; from++) {
        const message_t *message = &messages[from];

        if (message->len > 0)
            say(steps, (side_t)from,
                g_byte_array_append(g_byte_array_new(), (const guint8 *)message->octets,
                                    (guint)message->len));
    }
}

static gboolean
script_other(script_t *script, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        if (g_str_equal(name, others[i].name)) {
            script->port = others[i].port;
            say_messages(script->begin, others[i].begin);
            say_messages(script->round, others[i].round);
            return TRUE;
        }
    }
    return FALSE;
}

/* Packets */

static void
print_hex(const void *octets, gsize len)
{
    static const char digits[] = "0123456789abcdef";
    const guint8 *octet = (const guint8 *)octets;

    for (gsize i = 0; i < len; i++) {
        putchar_unlocked(digits[octet[i] >> 4]);
        putchar_unlocked(digits[octet[i] & 15]);
    }
}

/* Checksums are 0: Wireshark does not look at them unless asked to. */
static void
print_packet(const session_t *session, guint16 server_port, side_t from, guint8 flags, const guint8 *octets,
             gsize len)
{
    const gboolean by_client = from == CLIENT;
    const struct iphdr ip = {
        .version = 4,
        .ihl = sizeof ip / 4,
        .tot_len = g_htons((guint16)(sizeof ip + sizeof(struct tcphdr) + len)),
        .ttl = 64,
        .protocol = IPPROTO_TCP,
        .saddr = g_htonl(by_client ? session->client : SERVER),
        .daddr = g_htonl(by_client ? SERVER : session->client),
    };
    const struct tcphdr tcp = {
        .th_sport = g_htons(by_client ? session->client_port : server_port),
        .th_dport = g_htons(by_client ? server_port : session->client_port),
        .th_seq = g_htonl(session->seq[from]),
        .th_ack = g_htonl((flags & TH_ACK) ? session->seq[!from] : 0),
        .th_off = sizeof tcp / 4,
        .th_flags = flags,
        .th_win = G_MAXUINT16,
    };

    print_hex(&ip, sizeof ip);
    print_hex(&tcp, sizeof tcp);
    print_hex(octets, len);
    putchar_unlocked('\n');
}

static void
print_step(session_t *session, guint16 server_port, const step_t *step)
{
    guint32 *seq = &session->seq[step->from];

    if (!step->octets) {
        print_packet(session, server_port, step->from, step->flags, NULL, 0);
        *seq += (step->flags & (TH_SYN | TH_FIN)) ? 1 : 0;
        return;
    }
    for (gsize at = 0; at < step->octets->len;) {
        const gsize len = MIN(step->octets->len - at, SEGMENT_MAX);

        print_packet(session, server_port, step->from, step->flags, step->octets->data + at, len);
        *seq += (guint32)len;
        at += len;
    }
}

static void
print_steps(session_t *sessions, int count, const script_t *script, const GArray *steps)
{
    for (guint i = 0; i < steps->len; i++) {
        for (int session = 0; session < count; session++)
            print_step(&sessions[session], script->port, &g_array_index(steps, step_t, i));
    }
}

/* So many sessions, in step with each other. */
static void
print_sessions(session_t *sessions, int count, int rounds, const script_t *script)
{
    print_steps(sessions, count, script, script->begin);
    for (int round = 0; round < rounds; round++)
        print_steps(sessions, count, script, script->round);
    print_steps(sessions, count, script, script->end);
}

int
main(int argc, char **argv)
{
    int count = 1, rounds = 1, data_len = 5;
    gboolean at_once = FALSE;
    char *protocol = NULL;
    const GOptionEntry entries[] = {
        {"sessions", 0, 0, G_OPTION_ARG_INT, &count, "How many sessions", "N"},
        {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "Rounds of each", "N"},
        {"data", 0, 0, G_OPTION_ARG_INT, &data_len, "Octets of DATA in each do and process", "N"},
        {"at-once", 0, 0, G_OPTION_ARG_NONE, &at_once, "All sessions in step, not one after the other", NULL},
        {"protocol", 0, 0, G_OPTION_ARG_STRING, &protocol, "maf, modbus, mqtt or tacplus", "NAME"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    GOptionContext *options = g_option_context_new(NULL);
    script_t script = {
        .port = 1080,
        .begin = g_array_new(FALSE, FALSE, sizeof(step_t)),
        .round = g_array_new(FALSE, FALSE, sizeof(step_t)),
        .end = g_array_new(FALSE, FALSE, sizeof(step_t)),
    };
    session_t *sessions;
    GError *error = NULL;

    g_option_context_add_main_entries(options, entries, NULL);
    if (!g_option_context_parse(options, &argc, &argv, &error))
        g_error("%s", error->message);

    say_flags(script.begin, CLIENT, TH_SYN);
    say_flags(script.begin, SERVER_SIDE, TH_SYN | TH_ACK);
    say_flags(script.begin, CLIENT, TH_ACK);
    if (!protocol || g_str_equal(protocol, "maf"))
        script_maf(&script, (gsize)data_len);
    else if (!script_other(&script, protocol))
        g_error("no such protocol: %s", protocol);
    say_flags(script.end, CLIENT, TH_FIN | TH_ACK);
    say_flags(script.end, SERVER_SIDE, TH_FIN | TH_ACK);
    say_flags(script.end, CLIENT, TH_ACK);

    sessions = g_new0(session_t, count);
    for (int i = 0; i < count; i++) {
        sessions[i].client = CLIENT_NETWORK + 1 + (guint32)i / CLIENT_PORTS;
        sessions[i].client_port = (guint16)(CLIENT_PORTS_FIRST + (guint32)i % CLIENT_PORTS);
    }
    if (at_once)
        print_sessions(sessions, count, rounds, &script);
    for (int i = 0; i < count && !at_once; i++)
        print_sessions(&sessions[i], 1, rounds, &script);
    g_free(sessions);
    return 0;
}
