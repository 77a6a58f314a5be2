/* maf-login.c
 * The record of one login: who, from where, by what, how it ended, and what was wrong
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-login.h"

#include "maf-protocol.h"

void (*maf_login_changed)(const maf_login_t *login);

static uint32_t login_count;

static void
changed(const maf_login_t *login)
{
    if (maf_login_changed)
        maf_login_changed(login);
}

uint32_t
maf_login_count(void)
{
    return login_count;
}

static void
forget_logins(void)
{
    login_count = 0;
}

void
maf_login_register(void)
{
    register_init_routine(forget_logins);
}

maf_login_t *
maf_login_new(wmem_allocator_t *allocator, uint32_t tcp_stream, const address *client, uint32_t client_port,
              const address *server, uint32_t server_port)
{
    maf_login_t *login = wmem_new0(allocator, maf_login_t);

    login->allocator = allocator;
    login->number = login_count++;
    login->tcp_stream = tcp_stream;
    copy_address_wmem(allocator, &login->client, client);
    copy_address_wmem(allocator, &login->server, server);
    login->client_port = client_port;
    login->server_port = server_port;
    login->revision = -1;
    login->reply = -1;
    return login;
}

static char *
valid_utf8(wmem_allocator_t *allocator, const char *text)
{
    char *valid = g_utf8_make_valid(text, -1);
    char *kept = wmem_strdup(allocator, valid);

    g_free(valid);
    return kept;
}

static void
take_offers(maf_login_t *login, const maf_message_t *message)
{
    maf_offers_t offers = maf_offers_begin(message);
    const uint32_t room = MIN(message->nmethods, MAF_LOGIN_OFFERS_MAX);
    uint32_t kept;
    uint32_t offset;
    maf_id_t id;

    if (login->is_absolute)
        login->offers = 0;
    login->is_absolute = false;
    kept = MIN(login->offers, MAF_LOGIN_OFFERS_MAX);
    login->offered = (maf_id_t *)wmem_realloc(login->allocator, login->offered,
                                              MIN(kept + room, MAF_LOGIN_OFFERS_MAX) * sizeof(maf_id_t));
    while (maf_offers_next(&offers, &id, &offset)) {
        if (maf_id_is(&id, MAF_METHOD_MORE_AVAILABLE))
            continue;
        login->offers++;
        if (kept == MAF_LOGIN_OFFERS_MAX)
            continue;
        id.octets = id.length == MAF_COMPACT_ID_LEN
                        ? NULL
                        : (const uint8_t *)wmem_memdup(login->allocator, id.octets, id.length);
        login->offered[kept++] = id;
    }
}

static void
begin_round(maf_login_t *login, maf_round_t *round)
{
    round->user = login->user;
    if (login->last_round)
        login->last_round->next = round;
    else
        login->first_round = round;
    login->last_round = round;
}

/* What the server did next says how the round ended, unless the sub-method itself has said that it refuses.
 */
static void
end_round(maf_round_t *round, const maf_message_t *message)
{
    if (round->refused || message->instr == MAF_INSTR_FAILURE ||
        (message->instr == MAF_INSTR_DO && maf_id_is(&message->id, MAF_METHOD_FAILURE)))
        round->outcome = MAF_OUTCOME_FAILED;
    else
        round->outcome = message->instr == MAF_INSTR_SUCCESS ? MAF_OUTCOME_SUCCEEDED : MAF_OUTCOME_PASSED;
}

/* Printable ASCII as it is, anything else in hexadecimal. */
static const char *
result_text(wmem_allocator_t *allocator, const uint8_t *data, uint32_t length)
{
    const bool is_cut = length > MAF_LOGIN_RESULT_MAX;
    const uint8_t *end = data + (is_cut ? MAF_LOGIN_RESULT_MAX : length);
    wmem_strbuf_t *text = wmem_strbuf_new(allocator, "");
    bool is_text = true;

    for (const uint8_t *byte = data; byte < end; byte++)
        is_text &= g_ascii_isprint(*byte) != 0;
    for (const uint8_t *byte = data; byte < end; byte++)
        wmem_strbuf_append_printf(text, is_text ? "%c" : "%02x", *byte);
    if (is_cut)
        wmem_strbuf_append(text, "…");
    return wmem_strbuf_finalize(text);
}

void
maf_login_message(maf_login_t *login, const maf_message_t *message, const maf_verdict_t *verdict,
                  const nstime_t *when, const uint8_t *data)
{
    maf_round_t *before = login->last_round;

    if (!login->first_message) {
        login->first = verdict->packet;
        login->begin = *when;
        login->revision = verdict->revision;
        login->first_message = verdict;
    }
    login->last_message = verdict;
    login->last = verdict->packet;
    if (login->outcome == MAF_OUTCOME_UNFINISHED)
        nstime_delta(&login->duration, when, &login->begin);

    if (message->list)
        take_offers(login, message);
    if (message->instr == MAF_INSTR_REQUEST_MORE)
        login->is_absolute = message->flags == MAF_FLAGS_ABSOLUTE;
    if (before && before->decision == verdict)
        end_round(before, message);
    if (verdict->round && verdict->round != before)
        begin_round(login, verdict->round);
    if (maf_ending_of(verdict)) {
        login->outcome = verdict->state == MAF_STATE_SUCCEEDED ? MAF_OUTCOME_SUCCEEDED : MAF_OUTCOME_FAILED;
        if (data && message->len > 0)
            login->result = result_text(login->allocator, data, message->len);
        if (login->outcome == MAF_OUTCOME_SUCCEEDED)
            login->closed_by = NULL;
    }
    changed(login);
}

void
maf_login_user(maf_login_t *login, maf_round_t *round, const char *name)
{
    login->user = valid_utf8(login->allocator, name);
    if (!login->first_user)
        login->first_user = login->user;
    if (round) {
        round->user = login->user;
        round->names_user = true;
    }
    changed(login);
}

const char *
maf_login_user_of(const maf_login_t *login, const maf_verdict_t *verdict, bool is_later_pass)
{
    if (verdict->round && verdict->round->user)
        return verdict->round->user;
    return is_later_pass ? login->first_user : login->user;
}

maf_diagnosis_t *
maf_login_violation(maf_login_t *login, uint32_t packet, const nstime_t *when, maf_side_t from,
                    maf_severity_t severity, const char *expert, const char *text)
{
    maf_diagnosis_t *diagnosis = wmem_new0(login->allocator, maf_diagnosis_t);

    diagnosis->expert = expert;
    diagnosis->text = valid_utf8(login->allocator, text);
    diagnosis->when = *when;
    diagnosis->packet = packet;
    diagnosis->from = (uint8_t)from;
    diagnosis->severity = (uint8_t)severity;
    if (login->last_diagnosis)
        login->last_diagnosis->next = diagnosis;
    else
        login->first_diagnosis = diagnosis;
    login->last_diagnosis = diagnosis;
    changed(login);
    return diagnosis;
}

void
maf_login_closed(maf_login_t *login, maf_side_t side, bool is_reset)
{
    login->is_closed = true;
    for (int from = MAF_CLIENT; from <= MAF_SERVER; from++) {
        maf_pending_t *pending = &login->pending[from];

        if (pending->packet && !pending->ending && (is_reset || from == (int)side)) {
            pending->ending = is_reset ? "reset the connection (RST)" : "closed (FIN)";
            pending->ended_by = (uint8_t)side;
        }
    }
    if (login->closed_by || login->outcome == MAF_OUTCOME_SUCCEEDED)
        return;
    if (is_reset)
        login->closed_by = side == MAF_CLIENT ? "client reset" : "server reset";
    else
        login->closed_by = side == MAF_CLIENT ? "client" : "server";
    changed(login);
}

void
maf_login_waits(maf_login_t *login, maf_side_t side, uint32_t packet, const nstime_t *when,
                const maf_message_t *message, uint32_t have, uint32_t missing)
{
    maf_pending_t *pending = &login->pending[side];

    if (!pending->packet) {
        *pending = (maf_pending_t){.packet = packet, .when = *when};
    }
    pending->have = have;
    pending->needed = missing == MAF_MISSING_UNKNOWN ? 0 : missing;
    pending->part = maf_message_missing_part(message);
    pending->has_instr = message->understood > 0;
    pending->instr = message->instr;
    pending->revision = message->revision;
}

void
maf_login_waits_no_more(maf_login_t *login, maf_side_t side)
{
    maf_pending_t *pending = &login->pending[side];

    if (!pending->packet)
        return;
    if (pending->diagnosis) {
        pending->diagnosis->is_withdrawn = true;
        login->withdrawals++;
    }
    *pending = (maf_pending_t){0};
    changed(login);
}

void
maf_login_target(maf_login_t *login, const char *host, uint16_t port)
{
    char *name = valid_utf8(NULL, host);

    login->target = wmem_strdup_printf(login->allocator, strchr(name, ':') ? "[%s]:%u" : "%s:%u", name, port);
    wmem_free(NULL, name);
    changed(login);
}

void
maf_login_reply(maf_login_t *login, uint8_t reply)
{
    login->reply = reply;
    changed(login);
}

const char *
maf_outcome_name(uint8_t outcome)
{
    static const char *const names[] = {"unfinished", "succeeded", "failed", "passed"};

    return names[outcome];
}
