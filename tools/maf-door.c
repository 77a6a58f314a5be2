/* maf-door.c
 * Whom the server takes in: connections, within bounds
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "maf-door.h"

#include "tool.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* File descriptors of a connection, its target's included, and those that this process keeps for itself. */
#define DESCRIPTORS_EACH 2
#define DESCRIPTORS_KEPT 32

/* Milliseconds without accepting after that has failed, as it would go on to for a while. */
#define PAUSE_MS 250

#define LINES_PER_SECOND 10

/* Of an IPv6 address, which one client has at least 2^64 of. */
#define IPV6_PREFIX_LEN 8

struct maf_door {
    const maf_limits_t *limits;
    maf_arrived_t arrived;
    gpointer owner;
    GSocketListener *listener;
    GSocketAddress *address;

    guint inside, room;     /* room by file descriptors */
    GHashTable *by_address; /* GBytes to how many are inside */
    gboolean accepting;
    guint pause;
    guint turned_away, second; /* how many in this second, which ends with the source */
};

static void accept_next(maf_door_t *door);

/* Counting */

static GBytes *
key_of(GSocketConnection *connection)
{
    static const guint8 mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    g_autoptr(GSocketAddress) address = g_socket_connection_get_remote_address(connection, NULL);

    if (!address || !G_IS_INET_SOCKET_ADDRESS(address))
        return g_bytes_new(NULL, 0);
    GInetAddress *inet = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address));
    const guint8 *octets = g_inet_address_to_bytes(inet);
    const gsize len = g_inet_address_get_native_size(inet);
    if (g_inet_address_get_family(inet) == G_SOCKET_FAMILY_IPV4)
        return g_bytes_new(octets, len);
    if (memcmp(octets, mapped, sizeof mapped) == 0)
        return g_bytes_new(octets + sizeof mapped, len - sizeof mapped);
    return g_bytes_new(octets, IPV6_PREFIX_LEN);
}

static guint
count_from(const maf_door_t *door, GBytes *address)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(door->by_address, address));
}

static void
enter(maf_door_t *door, GBytes *address)
{
    const guint count = count_from(door, address) + 1;

    door->inside++;
    g_hash_table_replace(door->by_address, g_bytes_ref(address), GUINT_TO_POINTER(count));
}

void
maf_door_leave(maf_door_t *door, GBytes *address)
{
    const guint count = count_from(door, address) - 1;

    door->inside--;
    if (count > 0)
        g_hash_table_replace(door->by_address, g_bytes_ref(address), GUINT_TO_POINTER(count));
    else
        g_hash_table_remove(door->by_address, address);
    accept_next(door);
}

/* Turning away */

static gboolean
second_over(gpointer user_data)
{
    maf_door_t *door = user_data;

    if (door->turned_away > LINES_PER_SECOND)
        tool_say(NULL, "%u more connections closed at once", door->turned_away - LINES_PER_SECOND);
    door->turned_away = 0;
    door->second = 0;
    return G_SOURCE_REMOVE;
}

static void G_GNUC_PRINTF(3, 4)
    turn_away(maf_door_t *door, GSocketConnection *connection, const char *format, ...)
{
    if (door->second == 0)
        door->second = g_timeout_add_seconds(1, second_over, door);
    if (++door->turned_away <= LINES_PER_SECOND) {
        va_list args;
        va_start(args, format);
        g_autofree char *reason = g_strdup_vprintf(format, args);
        va_end(args);
        g_autofree char *peer = tool_describe_peer(connection);
        tool_say(peer, "closed at once: %s", reason);
    }
    g_io_stream_close(G_IO_STREAM(connection), NULL, NULL);
}

/* Accepting */

static void
receive_guest(maf_door_t *door, GSocketConnection *connection)
{
    g_autoptr(GBytes) address = key_of(connection);

    if (door->inside >= door->limits->connections) {
        turn_away(door, connection, "there are %u connections", door->inside);
    } else if (count_from(door, address) >= door->limits->connections_per_address) {
        turn_away(door, connection, "there are %u connections from this address", count_from(door, address));
    } else {
        enter(door, address);
        door->arrived(door->owner, connection, address);
    }
}

static gboolean
pause_over(gpointer user_data)
{
    maf_door_t *door = user_data;

    door->pause = 0;
    accept_next(door);
    return G_SOURCE_REMOVE;
}

static void
accepted(GObject *source, GAsyncResult *result, gpointer user_data)
{
    maf_door_t *door = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) connection =
        g_socket_listener_accept_finish(G_SOCKET_LISTENER(source), result, NULL, &error);

    door->accepting = FALSE;
    if (connection) {
        receive_guest(door, connection);
    } else {
        tool_say(NULL, "%s", error->message);
        door->pause = g_timeout_add(PAUSE_MS, pause_over, door);
    }
    accept_next(door);
}

static void
accept_next(maf_door_t *door)
{
    if (door->accepting || door->pause != 0 || door->inside >= door->room)
        return;
    door->accepting = TRUE;
    g_socket_listener_accept_async(door->listener, NULL, accepted, door);
}

/* Opening and closing */

static guint
make_room(guint connections)
{
    const rlim_t wanted = DESCRIPTORS_KEPT + DESCRIPTORS_EACH * (rlim_t)connections;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    if (limit.rlim_cur < wanted) {
        const struct rlimit raised = {.rlim_cur = MIN(wanted, limit.rlim_max), .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    if (limit.rlim_cur >= wanted)
        return connections + 1; /* so that the one too many is told so */
    if (limit.rlim_cur < DESCRIPTORS_KEPT + DESCRIPTORS_EACH)
        return 1;
    return (guint)((limit.rlim_cur - DESCRIPTORS_KEPT) / DESCRIPTORS_EACH);
}

maf_door_t *
maf_door_open(GSocketAddress *address, const maf_limits_t *limits, maf_arrived_t arrived, gpointer owner,
              GError **error)
{
    maf_door_t *door = g_new0(maf_door_t, 1);

    door->limits = limits;
    door->arrived = arrived;
    door->owner = owner;
    door->room = make_room(limits->connections);
    door->by_address =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    door->listener = g_socket_listener_new();
    g_socket_listener_set_backlog(door->listener, SOMAXCONN);
    if (!g_socket_listener_add_address(door->listener, address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP,
                                       NULL, &door->address, error)) {
        maf_door_free(door);
        return NULL;
    }
    accept_next(door);
    return door;
}

void
maf_door_free(maf_door_t *door)
{
    if (!door)
        return;
    g_clear_handle_id(&door->pause, g_source_remove);
    g_clear_handle_id(&door->second, g_source_remove);
    g_socket_listener_close(door->listener);
    g_object_unref(door->listener);
    g_clear_object(&door->address);
    g_hash_table_unref(door->by_address);
    g_free(door);
}

GSocketAddress *
maf_door_address(const maf_door_t *door)
{
    return door->address;
}
