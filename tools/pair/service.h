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

/* Serves the connected, blocking socket, in a thread of its own, and leaves it open. Takes `name`, its
 * peer's. */
typedef void (*service_serve_t)(int fd, char *name, slot_t *slot, gconstpointer owner);

/* Listens on an address and port (0: any that is free) and prints which; with a warning for an open proxy,
 * unless NULL, beyond the loopback. Returns the socket, or logs why not and returns -1. */
int service_listen(const char *host, guint16 port, const char *warning);

/*
 * Serves until SIGINT or SIGTERM, `most` connections at a time, or as many as there are descriptors for. When
 * there are as many, the oldest that is not logged in is closed for the newcomer; without any such one, the
 * newcomer is. At the end all connections are closed, and so is the listener.
 */
void service_run(int listener, guint most, service_serve_t serve, gconstpointer owner);

/* From now on the connection stays, whoever comes. */
void service_logged_in(slot_t *slot);

/* Has it been closed for a newcomer? */
gboolean service_made_room(const slot_t *slot);

#endif /* SERVICE_H */
