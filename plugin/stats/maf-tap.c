/* maf-tap.c
 * What statistics and exports get of each MAF message
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "stats/maf-tap.h"

#include <epan/exported_pdu.h>
#include <epan/tap.h>
#include <epan/to_str.h>
#include <wsutil/exported_pdu_tlvs.h>

static int message_tap;
static int export_tap;

static void
export_pdu(packet_info *pinfo, tvbuff_t *tvb)
{
    exp_pdu_data_t *pdu = export_pdu_create_common_tags(pinfo, "maf", EXP_PDU_TAG_DISSECTOR_NAME);

    pdu->tvb_captured_length = tvb_captured_length(tvb);
    pdu->tvb_reported_length = tvb_reported_length(tvb);
    pdu->pdu_tvb = tvb;
    tap_queue_packet(export_tap, pinfo, pdu);
}

bool
maf_tap_wanted(void)
{
    return have_tap_listener(message_tap) || have_tap_listener(export_tap);
}

void
maf_tap_queue(packet_info *pinfo, maf_login_t *login, tvbuff_t *tvb)
{
    if (have_tap_listener(message_tap)) {
        maf_tap_t *record = wmem_new(pinfo->pool, maf_tap_t);

        record->login = login;
        tap_queue_packet(message_tap, pinfo, record);
    }
    if (tvb && have_tap_listener(export_tap))
        export_pdu(pinfo, tvb);
}

const char *
maf_end_text(wmem_allocator_t *pool, const address *address, uint32_t port)
{
    return wmem_strdup_printf(pool, address->type == AT_IPv6 ? "[%s]:%u" : "%s:%u",
                              address_to_str(pool, address), port);
}

void
maf_tap_register(void)
{
    message_tap = register_tap("maf");
    export_tap = register_export_pdu_tap("MAF");
}
