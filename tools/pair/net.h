/* net.h
 * TCP: listening, with a thread for each connection; connecting; relaying
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

#define WRITE_PAUSE 1000 /* microseconds between the writes of --write-size */

/* The time `seconds` from now. */
gint64 net_deadline(guint seconds);

/* Waits for `events` (poll(2)) until the deadline. FALSE when it passes first. */
gboolean net_wait(int fd, short events, gint64 deadline);

/* A socket that is connected to the host, or -1 with *why in words and errno: EHOSTUNREACH for an unknown
 * name, ETIMEDOUT after the deadline. */
int net_connect(const char *host, guint16 port, gint64 deadline, const char **why);

/* Small writes go out at once. */
void net_set_nodelay(int fd);

/* Has the close to come reset the connection. */
void net_prepare_reset(int fd);

/* The host and port of an IPv6 or IPv4 address, and of this end of a socket. To be freed. */
char *net_host(const struct sockaddr_in6 *address, guint16 *port);
char *net_own_host(int fd, guint16 *port);

/* HOST:PORT, an IPv6 address in brackets. To be freed. */
char *net_host_port(const char *host, guint16 port);

/* One end of a relay: a socket twice, or two pipes, files or a terminal. */
typedef struct relay_end {
    int in, out;
    gboolean is_socket;
    gsize write_size; /* bytes in one write, a millisecond apart; 0: as many as there are */
    gboolean last;    /* the relay ends once the other end has ended: a terminal */
} relay_end_t;

/* Bytes both ways, after those that the first has sent already, until both ends have ended, each of which
 * half-closes the other. A connection that breaks off resets the other one: FALSE with errno set. */
gboolean net_relay(const relay_end_t *a, const GByteArray *sent, const relay_end_t *b);

/* Listening */

/* What it does: it is new, logs in, stays, or has been closed for a newcomer and ends soon. */
typedef enum connection_state { NEW, LOGGING_IN, LOGGED_IN, CLOSED, STATES } connection_state_t;

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
