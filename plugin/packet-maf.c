/* packet-maf.c
 * The Multi-Authentication Framework: the protocol and its preferences
 *
 * draft-ietf-aft-socks-maf-00, "Multi-Authentication Framework Method for SOCKS V5"
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "packet-maf.h"

#include <epan/prefs.h>

#include "maf-expert.h"
#include "maf-methods.h"
#include "maf-names.h"
#include "maf-prefs.h"
#include "maf-protocol.h"
#include "maf-tree.h"

maf_prefs_t maf_prefs = {
    .revision = MAF_REVISION_BY_LIST,
    .framing = {.nmethods_width = MAF_NMETHODS_AUTO, .max_length = 1024 * 1024},
    .desegment = true,
    .dissect_socks = true,
};

static void
register_preferences(int proto)
{
    static const enum_val_t nmethods_widths[] = {
        {"auto", "By its first byte", MAF_NMETHODS_AUTO},
        {"1", "One byte (the text of draft-00)", MAF_NMETHODS_1},
        {"4", "Four bytes (the diagram of draft-00)", MAF_NMETHODS_4},
        {NULL, NULL, 0},
    };
    static const enum_val_t revisions[] = {
        {"auto", "By the client's first list", MAF_REVISION_BY_LIST},
        {"00", "00 (March 1998)", MAF_VER_00},
        {"01", "01 (August 1999)", MAF_VER_01},
        {NULL, NULL, 0},
    };
    module_t *module = prefs_register_protocol(proto, NULL);

    range_convert_str(wmem_epan_scope(), &maf_prefs.socks_methods, G_STRINGIFY(MAF_SOCKS_METHOD), UINT8_MAX);
    prefs_register_range_preference(module, "socks_methods", "SOCKS methods",
                                    "SOCKS 5 METHOD numbers that select MAF. 8 is the assigned number; older "
                                    "implementations use private numbers, 128 to 254",
                                    &maf_prefs.socks_methods, UINT8_MAX);
    prefs_register_enum_preference(
        module, "revision", "Revision of the draft",
        "Revision by which messages are decoded: auto, that of the client's first list; 00; or 01",
        &maf_prefs.revision, revisions, false);
    prefs_register_enum_preference(module, "nmethods_width", "Width of NMETHODS",
                                   "Width of NMETHODS in a list of revision 00, where the draft "
                                   "contradicts itself: auto, by its first byte; 1 or 4 bytes",
                                   &maf_prefs.framing.nmethods_width, nmethods_widths, false);
    prefs_register_uint_preference(module, "max_length", "Longest DATA (bytes)",
                                   "A LEN greater than this is an error, and the message is not reassembled",
                                   10, &maf_prefs.framing.max_length);
    prefs_register_bool_preference(module, "desegment", "Reassemble messages that span several TCP segments",
                                   "Reassemble messages that span several TCP segments. To use this, also "
                                   "enable \"Allow subdissectors to reassemble TCP streams\" in the "
                                   "preferences of TCP",
                                   &maf_prefs.desegment);
    prefs_register_bool_preference(
        module, "dissect_socks", "Dissect SOCKS after success",
        "Hand the stream back to the SOCKS dissector after the authentication succeeds",
        &maf_prefs.dissect_socks);
    maf_methods_register(proto, module);
}

int
proto_register_maf(void)
{
    const int proto = proto_register_protocol(MAF_NAME, "MAF", "maf");

    maf_tree_register(proto);
    maf_expert_register(proto);
    register_preferences(proto);
    return proto;
}
