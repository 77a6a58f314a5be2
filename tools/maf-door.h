/* maf-door.h
 * Whom the server takes in: connections, within bounds
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_DOOR_H
#define MAF_DOOR_H

#include <gio/gio.h>

/* What clients may take of the server. */
typedef struct maf_limits {
    guint connections;             /* at a time */
    guint connections_per_address; /* at a time, from one IPv4 address or IPv6 /64 */
    guint login_time;              /* seconds from the connection to the end of the SOCKS request */
    guint message_size;            /* octets of one message until then */
} maf_limits_t;

typedef struct maf_door maf_door_t;

/*
 * A connection was taken in, which is not owned. It counts until maf_door_leave() with the same address: what
 * clients are told apart by, octets that are empty for one that has already gone.
 */
typedef void (*maf_arrived_t)(gpointer owner, GSocketConnection *connection, GBytes *address);

/*
 * Listens on `address`. Connections beyond the limits, which must outlive the door, are closed with a line in
 * the log, ten lines a second at most and one that counts the others; those beyond the process's file
 * descriptors, whose soft limit is raised as far as it is needed and may be, wait. NULL with an error of
 * GIO's when it cannot listen.
 */
maf_door_t *maf_door_open(GSocketAddress *address, const maf_limits_t *limits, maf_arrived_t arrived,
                          gpointer owner, GError **error);

/* Listens no more. Not to be followed by another turn of the main loop. NULL is fine. */
void maf_door_free(maf_door_t *door);

/* Where it listens. Belongs to the door. */
GSocketAddress *maf_door_address(const maf_door_t *door);

/* A connection that was taken in has ended. */
void maf_door_leave(maf_door_t *door, GBytes *address);

#endif /* MAF_DOOR_H */
