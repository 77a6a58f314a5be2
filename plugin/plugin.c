/* plugin.c
 * The entry points that Wireshark looks for in a plugin
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include <epan/packet.h>
#include <epan/proto.h>

#include "packet-maf-sasl.h"
#include "packet-maf.h"

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

void
plugin_register(void)
{
    static const proto_plugin maf = {proto_register_maf, proto_reg_handoff_maf};
    static const proto_plugin sasl = {proto_register_maf_sasl, proto_reg_handoff_maf_sasl};

    proto_register_plugin(&maf);
    proto_register_plugin(&sasl);
}

uint32_t
plugin_describe(void)
{
    return MAF_PLUGIN_DESCRIPTION;
}
