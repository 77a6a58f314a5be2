/* plugin.c
 * The entry points that Wireshark looks for in a plugin
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include <epan/packet.h>
#include <epan/proto.h>

#include "maf-login.h"
#include "packet-maf-sasl.h"
#include "packet-maf.h"
#include "socks/maf-attach.h"
#include "stats/maf-json.h"
#include "stats/maf-session-table.h"
#include "stats/maf-stats.h"
#include "stats/maf-tap.h"

WS_DLL_PUBLIC_DEF
const char plugin_version[] = MAF_VERSION;
WS_DLL_PUBLIC_DEF
const int plugin_want_major = WIRESHARK_VERSION_MAJOR;
WS_DLL_PUBLIC_DEF
const int plugin_want_minor = WIRESHARK_VERSION_MINOR;

WS_DLL_PUBLIC
void plugin_register(void);
WS_DLL_PUBLIC
uint32_t plugin_describe(void);

static void
register_all(void)
{
    const int proto = proto_register_maf();

    proto_register_maf_sasl();
    maf_login_register();
    maf_tap_register();
    maf_stats_register(proto);
    maf_session_table_register();
    maf_json_register();
    maf_attach_register(proto);
}

/* Once all dissectors are registered */
static void
handoff_all(void)
{
    proto_reg_handoff_maf_sasl();
    maf_attach_connect();
}

void
plugin_register(void)
{
    static const proto_plugin maf = {register_all, handoff_all};

    proto_register_plugin(&maf);
}

uint32_t
plugin_describe(void)
{
    return MAF_PLUGIN_DESCRIPTION;
}
