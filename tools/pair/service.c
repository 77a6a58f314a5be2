/* service.c
 * Listening, and a thread for each connection
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "service.h"

#include "net.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG         4096
#define DESCRIPTORS_OWN 16 /* of the process, besides those of connections */
#define STACK_SIZE      (256 * 1024)
#define PAUSE           10000 /* microseconds between looks at whether threads have ended */
#define END_PAUSES      200   /* that connections have to end in at the end */

/*
 * What threads share: this, under its mutex; the log's own (log.c); the service, the configuration, the users
 * and GNU SASL's handle, which nobody changes any more. Everything else belongs to the thread of its
 * connection.
 */
static struct {
    pthread_mutex_t mutex;
    GQueue queues[STATES]; /* of connections, the oldest first */
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int listener = -1;

/* Has accept4() return, now and from now on. */
static void
stop(int signal G_GNUC_UNUSED)
{
    const int error = errno;

    shutdown(listener, SHUT_RDWR);
    errno = error;
}

static gboolean
open_listener(const struct addrinfo *address)
{
    const int on = 1;

    listener = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    net_set_nodelay(listener); /* and so for what it accepts */
    return listener >= 0 && setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           bind(listener, address->ai_addr, address->ai_addrlen) == 0 && listen(listener, BACKLOG) == 0;
}

static gboolean
start_listening(const service_t *service)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    g_autofree char *port = g_strdup_printf("%u", service->port);
    struct addrinfo *address = NULL;
    guint16 own_port;

    const int status = getaddrinfo(service->host, port, &hints, &address);
    if (status != 0 || !open_listener(address)) {
        log_line(NULL, "cannot listen on %s, port %s: %s", service->host, port,
                 status == 0 ? g_strerror(errno) : gai_strerror(status));
        return FALSE;
    }
    freeaddrinfo(address);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    g_autofree char *own = net_own_host(listener, &own_port);
    g_autofree char *name = net_host_port(own, own_port);
    g_print("listening on %s\n", name);
    fflush(stdout);
    if (service->warning && !g_str_has_prefix(own, "127.") && strcmp(own, "::1") != 0)
        log_line(NULL, "warning: an open proxy: %s", service->warning);
    return TRUE;
}

/* Under the mutex. */
static void
move(connection_t *connection, connection_state_t state)
{
    g_queue_unlink(&shared.queues[connection->state], &connection->link);
    g_queue_push_tail_link(&shared.queues[state], &connection->link);
    connection->state = state;
}

void
service_logged_in(connection_t *connection)
{
    pthread_mutex_lock(&shared.mutex);
    if (connection->state == LOGGING_IN)
        move(connection, LOGGED_IN);
    pthread_mutex_unlock(&shared.mutex);
}

gboolean
service_made_room(const connection_t *connection)
{
    pthread_mutex_lock(&shared.mutex);
    const gboolean closed = connection->state == CLOSED;
    pthread_mutex_unlock(&shared.mutex);
    return closed;
}

/* Closes the oldest connection that is not logged in; under the mutex. Its thread finds out. */
static gboolean
make_room(void)
{
    connection_t *oldest = g_queue_peek_head(&shared.queues[LOGGING_IN]);

    if (!oldest)
        return FALSE;
    move(oldest, CLOSED);
    shutdown(oldest->fd, SHUT_RDWR);
    return TRUE;
}

/* Finds a place for the newcomer, once enough threads of closed connections, maybe at a password, are done.
 */
static gboolean
find_place(connection_t *connection, guint most)
{
    const GQueue *queues = shared.queues;

    pthread_mutex_lock(&shared.mutex);
    g_queue_push_tail_link(&shared.queues[NEW], &connection->link);
    while (queues[CLOSED].length > 0 && queues[CLOSED].length + queues[LOGGED_IN].length > most) {
        pthread_mutex_unlock(&shared.mutex);
        g_usleep(PAUSE);
        pthread_mutex_lock(&shared.mutex);
    }
    const gboolean found = queues[LOGGING_IN].length + queues[LOGGED_IN].length < most || make_room();
    if (found)
        move(connection, LOGGING_IN);
    pthread_mutex_unlock(&shared.mutex);
    return found;
}

/* The socket's number may go to the next connection only when nobody can find this one any more. */
static void
end_connection(connection_t *connection)
{
    pthread_mutex_lock(&shared.mutex);
    g_queue_unlink(&shared.queues[connection->state], &connection->link);
    close(connection->fd);
    pthread_mutex_unlock(&shared.mutex);
    g_free(connection->name);
    g_free(connection);
}

static void *
work(void *connection)
{
    ((connection_t *)connection)->service->serve(connection);
    end_connection(connection);
    return NULL;
}

static void
take_in(const service_t *service, guint most, const pthread_attr_t *attributes, int fd,
        const struct sockaddr_in6 *address)
{
    connection_t *connection = g_new0(connection_t, 1);
    guint16 port;
    pthread_t thread;

    g_autofree char *host = net_host(address, &port);
    *connection = (connection_t){service, fd, net_host_port(host, port), .link = {.data = connection}};
    const gboolean found = find_place(connection, most);
    if (found && pthread_create(&thread, attributes, work, connection) == 0)
        return;
    if (found)
        log_line(connection->name, "closed: no thread can be started");
    else
        log_line(connection->name, "closed: all %u connections are logged in", most);
    end_connection(connection);
}

static void
accept_all(const service_t *service, guint most)
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    for (;;) {
        struct sockaddr_in6 peer = {.sin6_family = AF_UNSPEC};
        const int fd = accept4(listener, (struct sockaddr *)&peer, &(socklen_t){sizeof peer}, SOCK_CLOEXEC);
        if (fd >= 0) {
            take_in(service, most, &attributes, fd, &peer);
        } else if (errno == EINVAL) {
            break;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            log_line(NULL, "cannot accept: %s", g_strerror(errno));
            g_usleep(10 * PAUSE);
        }
    }
    pthread_attr_destroy(&attributes);
}

/* How many connections there are descriptors for: each takes two. */
static guint
descriptors_for(guint most)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return most;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t enough = limit.rlim_cur > DESCRIPTORS_OWN ? (limit.rlim_cur - DESCRIPTORS_OWN) / 2 : 1;
    return (guint)MIN(most, MAX(enough, 1));
}

/* Until all threads have ended, or some time has passed. */
static void
close_all(void)
{
    guint left = 1;

    for (guint i = 0; i < END_PAUSES && left > 0; i++) {
        pthread_mutex_lock(&shared.mutex);
        left = 0;
        for (connection_state_t state = NEW; state < STATES; state++) {
            left += shared.queues[state].length;
            for (GList *link = shared.queues[state].head; link; link = link->next)
                shutdown(((connection_t *)link->data)->fd, SHUT_RDWR);
        }
        pthread_mutex_unlock(&shared.mutex);
        if (left > 0)
            g_usleep(PAUSE);
    }
}

status_t
service_run(const service_t *service)
{
    if (!start_listening(service))
        return STATUS_NETWORK;
    accept_all(service, descriptors_for(service->most));
    close_all();
    close(listener);
    return STATUS_OK;
}
