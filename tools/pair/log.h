/* log.h
 * Lines on standard error
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef LOG_H
#define LOG_H

#include <glib.h>

/*
 * One line on standard error: the program, for a `peer` other than NULL the time and the peer, the message.
 * Characters that control or format show as `?`. Never blocks: a line that standard error does not take at
 * once is lost, and the next one that it takes is preceded by how many were. For any thread.
 */
void log_line(const char *peer, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif /* LOG_H */
