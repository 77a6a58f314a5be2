/* bench-seed.c
 * The same seed for Wireshark's hash tables in every run, so that tools/dev/bench can compare two runs
 *
 * To be preloaded. Wireshark multiplies by it, so it is a number that spreads keys well.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <glib.h>

__attribute__((visibility("default"))) guint32
g_random_int(void)
{
    return 0x9E3779B1;
}
