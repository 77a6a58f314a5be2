/* maf-methods.c
 * What is known of a METHOD: its name
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-compat.h"

#include "maf-methods.h"


#include "maf-protocol.h"

#define METHOD_NAME(value, name) {value, name},
static const value_string method_names[] = {MAF_METHODS(METHOD_NAME){0, NULL}};
#undef METHOD_NAME

static const char *
range_name(uint32_t method)
{
    return method < MAF_METHOD_GENERAL_FIRST ? "Proprietary method" : "General authentication method";
}

const char *
maf_method_name(uint32_t method)
{
    const char *name = try_val_to_str(method, method_names);

    return name ? name : range_name(method);
}

const char *
maf_method_label(wmem_allocator_t *pool, uint32_t method)
{
    const char *name = try_val_to_str(method, method_names);

    return name ? name : wmem_strdup_printf(pool, "%s 0x%08x", range_name(method), method);
}
