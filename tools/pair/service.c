/* service.c
 * Listening, and a thread for each connection
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "service.h"

#include "net.h"

#include <errno.h>
#include <gio/gio.h>
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
#define IDLE_MAX        8     /* threads that stay for connections to come */
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
    guint idle;            /* threads that wait for a connection */
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Returns the socket, or -1 after a line in the log. */
static int
start_listening(const service_t *service)
{
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string(service->host, service->port);
    const int fd = socket(g_socket_address_get_family(address), SOCK_STREAM | SOCK_CLOEXEC, 0);
    const socklen_t len = (socklen_t)g_socket_address_get_native_size(address);
    struct sockaddr_in6 native;
    guint16 port;

    g_socket_address_to_native(address, &native, sizeof native, NULL);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0 ||
        bind(fd, (struct sockaddr *)&native, len) != 0 || listen(fd, BACKLOG) != 0) {
        log_line(NULL, "cannot listen on %s, port %u: %s", service->host, service->port, g_strerror(errno));
        return -1;
    }
    net_set_nodelay(fd); /* and so for what it accepts */
    g_autofree char *own = net_own_host(fd, &port);
    g_autofree char *name = net_host_port(own, port);
    g_print("listening on %s\n", name);
    fflush(stdout);
    if (service->warning && !g_str_has_prefix(own, "127.") && strcmp(own, "::1") != 0)
        log_line(NULL, "warning: an open proxy: %s", service->warning);
    return fd;
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

/* Finds a place for the newcomer, once enough of the threads of closed connections, maybe at a password, are
 * done; under the mutex. */
static gboolean
find_place(connection_t *connection, guint most)
{
    const GQueue *queues = shared.queues;

    g_queue_push_tail_link(&shared.queues[NEW], &connection->link);
    while (queues[CLOSED].length > 0 && queues[CLOSED].length + queues[LOGGED_IN].length > most) {
        pthread_mutex_unlock(&shared.mutex);
        g_usleep(PAUSE);
        pthread_mutex_lock(&shared.mutex);
    }
    if (queues[LOGGING_IN].length + queues[LOGGED_IN].length >= most && !make_room())
        return FALSE;
    move(connection, LOGGING_IN);
    return TRUE;
}

static void *work(void *data);

/* One more thread that waits for a connection, or else the one of the oldest that is not logged in; under the
 * mutex. */
static void
start_thread(service_t *service)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (pthread_create(&thread, &attributes, work, service) == 0) {
        shared.idle++;
    } else {
        log_line(NULL, "no thread can be started");
        make_room();
    }
    pthread_attr_destroy(&attributes);
}

/* Serves a connection. Meanwhile another thread waits for the next one. */
static void
take_in(service_t *service, int fd, const struct sockaddr_in6 *address)
{
    connection_t connection = {.service = service, .fd = fd, .link = {.data = &connection}};
    guint16 port;
    g_autofree char *host = net_host(address, &port);
    g_autofree char *name = connection.name = net_host_port(host, port);

    pthread_mutex_lock(&shared.mutex);
    shared.idle--;
    const gboolean found = find_place(&connection, service->most);
    if (shared.idle == 0)
        start_thread(service);
    pthread_mutex_unlock(&shared.mutex);
    if (found)
        service->serve(&connection);
    else
        log_line(name, "closed: all %u connections are logged in", service->most);
    pthread_mutex_lock(&shared.mutex);
    g_queue_unlink(&shared.queues[connection.state], &connection.link);
    close(fd); /* not before nobody can find the connection: the number may go to the next one */
    shared.idle++;
    pthread_mutex_unlock(&shared.mutex);
}

/* A thread: one connection after the other, until there are threads enough without it or the end. */
static void *
work(void *data)
{
    service_t *service = data;
    gboolean stays = TRUE;

    while (stays) {
        struct sockaddr_in6 peer = {.sin6_family = AF_UNSPEC};
        const int fd =
            accept4(service->listener, (struct sockaddr *)&peer, &(socklen_t){sizeof peer}, SOCK_CLOEXEC);
        const gboolean closed = fd < 0 && errno == EINVAL;
        if (fd >= 0) {
            take_in(service, fd, &peer);
        } else if (!closed && errno != ECONNABORTED && errno != EINTR) {
            log_line(NULL, "cannot accept: %s", g_strerror(errno));
            g_usleep(10 * PAUSE);
        }
        pthread_mutex_lock(&shared.mutex);
        stays = !closed && shared.idle <= IDLE_MAX;
        shared.idle -= stays ? 0 : 1;
        pthread_mutex_unlock(&shared.mutex);
    }
    return NULL;
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
        left = shared.idle;
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
service_run(service_t *service)
{
    sigset_t signals;
    int signal;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before anybody knows that it runs */
    service->listener = start_listening(service);
    if (service->listener < 0)
        return STATUS_NETWORK;
    service->most = descriptors_for(service->most);
    pthread_mutex_lock(&shared.mutex);
    start_thread(service);
    pthread_mutex_unlock(&shared.mutex);
    sigwait(&signals, &signal);
    shutdown(service->listener, SHUT_RDWR); /* all accept4() return */
    close_all();
    close(service->listener);
    return STATUS_OK;
}
