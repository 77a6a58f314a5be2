/* service.h
 * Listening, and a thread for each connection
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SERVICE_H
#define SERVICE_H

#include <glib.h>

/* One connection. */
typedef struct slot slot_t;

/* Serves the connected, blocking socket, in a thread of its own, and leaves it open. */
typedef void (*service_serve_t)(int fd, slot_t *slot, gconstpointer owner);

/* Listens on an address and port (0: any that is free) and prints which. Reading from a connection waits
 * `timeout` seconds. Returns the socket, or logs why not and returns -1. */
int service_listen(const char *host, guint16 port, guint timeout);

/* Is the address that the socket listens on one of the loopback? */
gboolean service_is_local(int listener);

/*
 * Serves until SIGINT or SIGTERM, `most` connections at a time, or as many as there are descriptors for. When
 * there are as many, the oldest that is not logged in is closed for the newcomer; without any such one, the
 * newcomer is. At the end all connections are closed.
 */
void service_run(int listener, guint most, service_serve_t serve, gconstpointer owner);

/* The client's address and port. The caller frees it. */
char *service_peer_name(const slot_t *slot);

/* From now on the connection stays, whoever comes. */
void service_logged_in(slot_t *slot);

/* Has it been closed for a newcomer? */
gboolean service_made_room(const slot_t *slot);

#endif /* SERVICE_H */
