/* net.h
 * TCP: listening, with a thread for each connection; connecting; writing
 *
 * Sockets are file descriptors, owned by whoever got them; those that are connected block. Times are
 * monotonic, in microseconds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NET_H
#define NET_H

#include "log.h"

#include <netinet/in.h>

/* The time `seconds` from now. */
gint64 net_deadline(guint seconds);

/* Waits for `events` (poll(2)) until the deadline. FALSE when it has passed. */
gboolean net_wait(int fd, short events, gint64 deadline);

/* A socket that is connected to the host, or -1 with *why in words and errno: EHOSTUNREACH for an unknown
 * name, ETIMEDOUT after the deadline. */
int net_connect(const char *host, guint16 port, gint64 deadline, const char **why);

/* Has the close to come reset the connection. */
void net_prepare_reset(int fd);

/* The host and port of this end of a socket. To be freed. */
char *net_own_host(int fd, guint16 *port);

/* HOST:PORT, an IPv6 address in brackets. To be freed. */
char *net_host_port(const char *host, guint16 port);

/* Writes what `fd`, a blocking socket or anything else, takes at once, or at most `size` bytes unless that is
 * 0, and then pauses if that was not all. -1 with errno: EAGAIN when it takes nothing. */
gssize net_write(int fd, const void *bytes, gsize len, gsize size);

/* Listening */

/* What it does: it logs in, stays, or has been closed for a newcomer and ends soon. */
typedef enum connection_state { LOGGING_IN, LOGGED_IN, CLOSED, STATES } connection_state_t;

typedef struct connection {
    int fd;     /* a connected, blocking socket, which stays open */
    char *name; /* address and port of the peer */

    /* Under the mutex of net.c: the place in the queue of the state */
    GList link;
    connection_state_t state;
} connection_t;

/* Serves one connection, in a thread of its own, with the options of service_run(). */
typedef void (*service_serve_t)(connection_t *connection, gconstpointer options);

/* Prints where it listens, and serves until SIGINT or SIGTERM. At the limit, the oldest connection that is
 * not logged in is closed for the newcomer, or else the newcomer. STATUS_NETWORK when it cannot listen, as
 * logged. */
status_t service_run(const char *host, guint16 port, guint most, service_serve_t serve, gconstpointer options,
                     const char *warning);

/* From now on the connection stays, whoever comes. */
void service_logged_in(connection_t *connection);

/* Has it been closed for a newcomer? */
gboolean service_made_room(const connection_t *connection);

#endif /* NET_H */
