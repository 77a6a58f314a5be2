/* log.h
 * What goes wrong: errors, and lines on standard error
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef LOG_H
#define LOG_H

#include <glib.h>

/* How a program ends, and the code of each error. */
typedef enum status {
    STATUS_OK,
    STATUS_REFUSED,   /* the authentication was refused */
    STATUS_USAGE,     /* the command line or a configuration is wrong */
    STATUS_VIOLATION, /* the peer broke the protocol, or did not prove what it had to */
    STATUS_NETWORK,   /* the peer or the target was not reached, or was lost */
} status_t;

/* Sets the error unless there is one already, and returns FALSE. */
gboolean fail(GError **error, status_t status, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The program, the time and the peer unless that is NULL, the message; what does not print as `?`. For any
 * thread. Never blocks: lines that standard error does not take at once are lost, and counted. */
void log_line(const char *peer, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif /* LOG_H */
