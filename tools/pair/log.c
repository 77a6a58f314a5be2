/* log.c
 * What goes wrong: errors, and lines on standard error
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "log.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define LENGTH_MAX (PIPE_BUF - 100) /* of a line; the rest is for the count of those before it */

gboolean
fail(GError **error, status_t status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (!*error)
        *error = g_error_new_valist(g_quark_from_static_string("maf"), (int)status, format, args);
    va_end(args);
    return FALSE;
}

static gboolean
is_shown(gunichar c)
{
    return g_unichar_isprint(c) && g_unichar_type(c) != G_UNICODE_LINE_SEPARATOR &&
           g_unichar_type(c) != G_UNICODE_PARAGRAPH_SEPARATOR;
}

void
log_line(const char *peer, const char *format, ...)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static guint lost; /* lines, under the mutex */
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    const time_t now = time(NULL);
    char stamp[sizeof "2026-11-25T12:00:00Z"];
    g_autoptr(GString) line = g_string_new(NULL);
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *valid = g_utf8_make_valid(message, -1);
    g_string_printf(line, "%s: ", g_get_prgname());
    if (peer && strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &(struct tm){0})) > 0)
        g_string_append_printf(line, "%s %s: ", stamp, peer);
    for (const char *at = valid; *at && line->len < LENGTH_MAX; at = g_utf8_next_char(at))
        g_string_append_unichar(line, is_shown(g_utf8_get_char(at)) ? g_utf8_get_char(at) : '?');
    g_string_append_c(line, '\n');

    pthread_mutex_lock(&mutex);
    if (lost > 0) {
        g_autofree char *count =
            g_strdup_printf("%s: %u lines of this log were lost\n", g_get_prgname(), lost);
        g_string_prepend(line, count);
    }
    /* What polls as writable takes PIPE_BUF bytes without blocking, be it a pipe, a terminal or a file. */
    const gboolean written = poll(&out, 1, 0) == 1 && write(STDERR_FILENO, line->str, line->len) > 0;
    lost = written ? 0 : lost + 1;
    pthread_mutex_unlock(&mutex);
}
