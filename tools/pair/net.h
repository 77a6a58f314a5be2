/* net.h
 * TCP: connecting, relaying, resetting
 *
 * Sockets are file descriptors, owned by whoever got them; those that are connected block. Times are
 * monotonic, in microseconds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NET_H
#define NET_H

#include <glib.h>
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

#endif /* NET_H */
