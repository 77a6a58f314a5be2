/* maf-info.c
 * The phrase that the Info column has for a message; maf-tree.c puts it there
 *
 * Written for every message of every capture, so without printf: that would take longer than all else that is
 * done for one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-info.h"

#include <string.h>

#include <epan/strutil.h>

#include "maf-methods.h"
#include "maf-names.h"
#include "maf-protocol.h"

/* The most names of a list */
#define OFFERS_SHOWN 3

/* The most digits of a number */
#define DIGITS 10

typedef struct {
    char *text;
    size_t length; /* in bytes, without the zero at the end */
} phrase_t;

static void
append(phrase_t *phrase, const char *text)
{
    const size_t length = MIN(strlen(text), MAF_INFO_MAX - 1 - phrase->length);

    memcpy(phrase->text + phrase->length, text, length);
    phrase->length += length;
    phrase->text[phrase->length] = '\0';
}

static void
append_number(phrase_t *phrase, uint32_t number)
{
    char text[DIGITS + 1];
    char *first = text + DIGITS;

    *first = '\0';
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    append(phrase, first);
}

/* "SASL SCRAM-SHA-256, SASL PLAIN, Internal Test Method and 252 more (more available)" */
static void
append_list(phrase_t *phrase, const maf_info_t *info)
{
    maf_offers_t offers = maf_offers_begin(info->message);
    uint32_t methods = 0;
    bool more_available = false;
    uint32_t offset;
    maf_id_t id;

    while (maf_offers_next(&offers, &id, &offset)) {
        if (maf_id_is(&id, MAF_METHOD_MORE_AVAILABLE)) {
            more_available = true;
        } else if (methods++ < OFFERS_SHOWN) {
            append(phrase, methods == 1 ? ": " : ", ");
            append(phrase, maf_method_label(info->pinfo->pool, info->message->revision, &id));
        }
    }
    if (methods == 0)
        append(phrase, ": none");
    if (methods > OFFERS_SHOWN) {
        append(phrase, " and ");
        append_number(phrase, methods - OFFERS_SHOWN);
        append(phrase, " more");
    }
    if (more_available)
        append(phrase, " (more available)");
}

const char *
maf_oem_name(const maf_id_t *id)
{
    if (maf_id_is(id, MAF_OEM_NOT_RECOGNISED))
        return "Not recognised";
    if (id->length != MAF_COMPACT_ID_LEN)
        return "OEM";
    if (id->compact <= MAF_OEM_TEST_LAST)
        return "Internal test";
    if (id->compact == MAF_OEM_RESERVED)
        return "Reserved OEM";
    return id->compact < MAF_OEM_GENERAL_FIRST ? "Proprietary OEM" : "General OEM";
}

/* Why the server refuses, and whom: "Do: FAILURE (nothing acceptable)", "Failure, user alice: Ask the help
 * desk." */
static void
append_reason(phrase_t *phrase, const maf_info_t *info)
{
    const char *user = maf_login_user_of(info->login, info->verdict, info->pinfo->fd->visited);
    const void *text = user; /* format_text() takes unsigned char in some versions, char in others */

    if (info->message->instr != MAF_INSTR_FAILURE) {
        append(phrase, " (");
        append(phrase, info->reason);
        append(phrase, ")");
        return;
    }
    if (user) {
        append(phrase, ", user ");
        append(phrase, format_text(info->pinfo->pool, text, strlen(user)));
    }
    if (*info->reason) {
        append(phrase, ": ");
        append(phrase, info->reason);
    }
}

static void
append_id(phrase_t *phrase, const maf_info_t *info)
{
    const maf_message_t *message = info->message;
    wmem_allocator_t *pool = info->pinfo->pool;

    if (message->instr == MAF_INSTR_OEM) {
        append(phrase, ": ");
        append(phrase, maf_oem_name(&message->id));
        append(phrase, " ");
        append(phrase, maf_id_text(pool, &message->id));
    } else if (message->instr == MAF_INSTR_DO || message->instr == MAF_INSTR_PROCESS) {
        append(phrase, ": ");
        append(phrase, maf_method_label(pool, message->revision, &message->id));
    }
    if (info->reason) {
        append_reason(phrase, info);
        return;
    }
    if (message->len > 0) {
        append(phrase, " (");
        append_number(phrase, message->len);
        append(phrase, message->len == 1 ? " byte)" : " bytes)");
    }
    if (info->note) {
        append(phrase, ", ");
        append(phrase, info->note);
    }
}

static void
append_unknown(phrase_t *phrase, uint8_t instr)
{
    static const char digits[] = "0123456789abcdef";
    const char text[] = {digits[instr >> 4], digits[instr & 0x0F], '\0'};

    append(phrase, "Unknown instruction 0x");
    append(phrase, text);
}

void
maf_info_write(const maf_info_t *info, char text[MAF_INFO_MAX])
{
    const maf_message_t *message = info->message;
    phrase_t phrase = {text, 0};

    if (message->understood < MAF_HEADER_LEN) {
        append(&phrase, "Incomplete message");
        return;
    }
    if (message->layout == MAF_LAYOUT_UNKNOWN) {
        append_unknown(&phrase, message->instr);
        return;
    }
    append(&phrase, maf_instr_name(message->revision, message->instr));
    if (message->list)
        append_list(&phrase, info);
    if (message->id_offset)
        append_id(&phrase, info);
    if (message->instr == MAF_INSTR_REQUEST_MORE)
        append(&phrase, message->flags & MAF_FLAGS_ABSOLUTE ? " (absolute)" : " (relative)");
    if (message->understood < message->length)
        append(&phrase, " [incomplete]");
}
