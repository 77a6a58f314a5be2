/* service.h
 * Listening, and a thread for each connection
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SERVICE_H
#define SERVICE_H

#include "log.h"

typedef struct connection connection_t;

/* Where to listen, port 0 for any that is free, and what to do there. */
typedef struct service {
    const char *host;
    guint16 port;
    const char *warning;                     /* for an open proxy beyond the loopback, or NULL */
    guint most;                              /* connections at a time, unless there are fewer descriptors */
    void (*serve)(connection_t *connection); /* in a thread of its own; leaves the socket open */
    gconstpointer options;                   /* for `serve` */
    int listener;                            /* the service's own */
} service_t;

/* What it does: it is new, logs in, stays, or has been closed for a newcomer and ends soon. */
typedef enum connection_state { NEW, LOGGING_IN, LOGGED_IN, CLOSED, STATES } connection_state_t;

struct connection {
    const service_t *service;
    int fd;     /* a connected, blocking socket */
    char *name; /* address and port of the peer */

    /* The service's own, under its mutex: the place in the queue of the state */
    GList link;
    connection_state_t state;
};

/* Prints where it listens, and serves until SIGINT or SIGTERM. At the limit, the oldest connection that is
 * not logged in is closed for the newcomer, or else the newcomer. STATUS_NETWORK when it cannot listen, as
 * logged. */
status_t service_run(service_t *service);

/* From now on the connection stays, whoever comes. */
void service_logged_in(connection_t *connection);

/* Has it been closed for a newcomer? */
gboolean service_made_room(const connection_t *connection);

#endif /* SERVICE_H */
