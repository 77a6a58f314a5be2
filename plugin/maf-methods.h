/* maf-methods.h
 * What is known of a METHOD: its name
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_METHODS_H
#define MAF_METHODS_H

#include <stdint.h>

#include <wsutil/wmem/wmem.h>

/*
 * The name of a METHOD, or that of its range if it has none of its own (draft-00, Current MAF Sub-Methods).
 * Static; never NULL.
 */
const char *maf_method_name(uint32_t method);

/*
 * The same for a line of text, with the number where the name is only that of a range:
 * "Internal Test Method", "Proprietary method 0x00000101". Static, or belongs to pool; never NULL.
 */
const char *maf_method_label(wmem_allocator_t *pool, uint32_t method);

#endif /* MAF_METHODS_H */
