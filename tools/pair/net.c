/* net.c
 * TCP: listening, with a thread for each connection; connecting; writing
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG         4096
#define DESCRIPTORS_OWN 16 /* of the process, besides those of connections */
#define STACK_SIZE      (256 * 1024)
#define IDLE_MAX        8      /* threads that wait for connections */
#define WRITE_PAUSE     1000   /* microseconds between the writes of --write-size */
#define ACCEPT_PAUSE    100000 /* microseconds after accept(2) has failed */
#define END_TIME        2      /* seconds */

/* Time */

gint64
net_deadline(guint seconds)
{
    return g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
}

gboolean
net_wait(int fd, short events, gint64 deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    gint64 left;

    while ((left = deadline - g_get_monotonic_time()) > 0) {
        if (poll(&poll_fd, 1, (int)MIN((left + 999) / 1000, G_MAXINT)) > 0)
            return TRUE;
    }
    return FALSE;
}

/* Connecting */

void
net_prepare_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

int
net_connect(const char *host, guint16 port, gint64 deadline, const char **why)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    g_autofree char *service = g_strdup_printf("%u", port);
    struct addrinfo *addresses = NULL;
    int fd = -1;

    /* Without a name it is the loopback: localhost is not for DNS to answer (RFC 6761, section 6.3). */
    const char *node = g_ascii_strcasecmp(host, "localhost") == 0 ? NULL : host;
    const int status = getaddrinfo(node, service, &hints, &addresses);
    int error = EHOSTUNREACH;
    for (const struct addrinfo *next = addresses; next; next = next->ai_next) {
        /* Linux has the time limit for sending limit connect(2), too. Some of it is for the next address. */
        const gint64 left = deadline - g_get_monotonic_time(), time = MAX(next->ai_next ? left / 2 : left, 1);
        const struct timeval limit = {.tv_sec = time / G_USEC_PER_SEC, .tv_usec = time % G_USEC_PER_SEC};
        fd = socket(next->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
            connect(fd, next->ai_addr, next->ai_addrlen) == 0)
            break;
        error = errno == EINPROGRESS ? ETIMEDOUT : errno;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    *why = status == 0 ? g_strerror(error) : gai_strerror(status);
    if (addresses)
        freeaddrinfo(addresses);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    errno = error;
    return fd;
}

static char *
host_of(const struct sockaddr_in6 *address, guint16 *port)
{
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)(const void *)address;
    const void *bytes =
        address->sin6_family == AF_INET6 ? (const void *)&address->sin6_addr : &ipv4->sin_addr;
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop(address->sin6_family, bytes, text, sizeof text);
    *port = ntohs(address->sin6_port); /* at the same place in both */
    return g_strdup(text);
}

char *
net_own_host(int fd, guint16 *port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_UNSPEC};

    getsockname(fd, (struct sockaddr *)&address, &(socklen_t){sizeof address});
    return host_of(&address, port);
}

char *
net_host_port(const char *host, guint16 port)
{
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

/* Writing */

gssize
net_write(int fd, const void *bytes, gsize len, gsize size)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    const gsize most = size > 0 && size < len ? size : len;
    gssize count = send(fd, bytes, most, MSG_DONTWAIT);

    if (count < 0 && errno == ENOTSOCK) {
        errno = EAGAIN;
        count = poll(&poll_fd, 1, 0) == 1 ? write(fd, bytes, MIN(most, PIPE_BUF)) : -1;
    }
    if (count > 0 && most < len)
        g_usleep(WRITE_PAUSE);
    return count;
}

/* Listening */

/*
 * What threads share: this, under its mutex; the log's own (log.c); the configuration, the users
 * and GNU SASL's handle, which nobody changes any more. Everything else belongs to the thread of its
 * connection.
 */
static struct {
    pthread_mutex_t mutex;
    GQueue queues[STATES]; /* of connections, the oldest first */
    pthread_cond_t one_ended;
    gboolean ends; /* the program: it takes in nobody */
    guint idle;    /* threads that wait for a connection */

    /* Which nobody changes any more: */
    int listener;
    guint most;
    service_serve_t serve;
    gconstpointer options;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER, .one_ended = PTHREAD_COND_INITIALIZER};

static gboolean
start_listening(const char *host, guint16 port, const char *warning)
{
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string(host, port);
    struct sockaddr_in6 native;

    g_socket_address_to_native(address, &native, sizeof native, NULL);
    const int fd = shared.listener = socket(native.sin6_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0 || /* for what it accepts */
        bind(fd, (struct sockaddr *)&native, sizeof native) != 0 || listen(fd, BACKLOG) != 0) {
        log_line(NULL, "cannot listen on %s, port %u: %s", host, port, g_strerror(errno));
        return FALSE;
    }
    g_autofree char *own = net_own_host(fd, &port);
    g_autofree char *name = net_host_port(own, port);
    g_print("listening on %s\n", name);
    fflush(stdout);
    if (warning && !g_str_has_prefix(own, "127.") && strcmp(own, "::1") != 0)
        log_line(NULL, "warning: an open proxy: %s", warning);
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

/* Is there a place for a newcomer, once enough of the threads of closed connections, maybe at a password, are
 * done? Under the mutex. */
static gboolean
find_place(void)
{
    const GQueue *queues = shared.queues;

    while (shared.ends ||
           (queues[CLOSED].length > 0 && queues[CLOSED].length + queues[LOGGED_IN].length > shared.most))
        pthread_cond_wait(&shared.one_ended, &shared.mutex);
    return queues[LOGGING_IN].length + queues[LOGGED_IN].length < shared.most || make_room();
}

static void *work(void *unused);

/* One more thread that waits for a connection, or else the one of the oldest that is not logged in; under the
 * mutex. */
static void
start_thread(void)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (pthread_create(&thread, &attributes, work, NULL) != 0) {
        log_line(NULL, "no thread can be started");
        make_room();
    }
    pthread_attr_destroy(&attributes);
}

/* Serves a connection, while another thread waits for the next one. Called and left under the mutex. */
static void
take_in(int fd, const struct sockaddr_in6 *address)
{
    guint16 port;
    g_autofree char *host = host_of(address, &port);
    g_autofree char *name = net_host_port(host, port);
    connection_t connection = {.fd = fd, .name = name, .link = {.data = &connection}};

    const gboolean found = find_place();
    connection.state = found ? LOGGING_IN : CLOSED;
    g_queue_push_tail_link(&shared.queues[connection.state], &connection.link);
    if (shared.idle == 0)
        start_thread();
    pthread_mutex_unlock(&shared.mutex);
    if (found)
        shared.serve(&connection, shared.options);
    else
        log_line(name, "closed: all %u connections are logged in", shared.most);
    pthread_mutex_lock(&shared.mutex);
    g_queue_unlink(&shared.queues[connection.state], &connection.link);
    close(fd); /* not before nobody can find the connection: the number may go to the next one */
    pthread_cond_broadcast(&shared.one_ended);
}

/* A thread: one connection after the other, until enough other threads wait. */
static void *
work(void *unused G_GNUC_UNUSED)
{
    pthread_mutex_lock(&shared.mutex);
    while (shared.idle < IDLE_MAX) {
        struct sockaddr_in6 peer = {.sin6_family = AF_UNSPEC};
        shared.idle++;
        pthread_mutex_unlock(&shared.mutex);
        const int fd =
            accept4(shared.listener, (struct sockaddr *)&peer, &(socklen_t){sizeof peer}, SOCK_CLOEXEC);
        if (fd < 0) {
            log_line(NULL, "cannot accept: %s", g_strerror(errno));
            g_usleep(ACCEPT_PAUSE);
        }
        pthread_mutex_lock(&shared.mutex);
        shared.idle--;
        if (fd >= 0)
            take_in(fd, &peer);
    }
    pthread_mutex_unlock(&shared.mutex);
    return NULL;
}

/* Has all connections end, and log what they must, within two seconds. */
static void
close_all(void)
{
    const GQueue *queues = shared.queues;
    struct timespec deadline;
    gboolean in_time = TRUE;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += END_TIME;
    pthread_mutex_lock(&shared.mutex);
    shared.ends = TRUE;
    for (gsize state = 0; state < STATES; state++) {
        for (const GList *link = queues[state].head; link; link = link->next)
            shutdown(((const connection_t *)link->data)->fd, SHUT_RDWR);
    }
    while (in_time && queues[LOGGING_IN].length + queues[LOGGED_IN].length + queues[CLOSED].length > 0)
        in_time = pthread_cond_timedwait(&shared.one_ended, &shared.mutex, &deadline) == 0;
    pthread_mutex_unlock(&shared.mutex);
}

/* How many connections there are descriptors for: each takes two. */
static guint
descriptors_for(guint most)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (guint)MIN(most, (MAX(limit.rlim_cur, DESCRIPTORS_OWN + 2) - DESCRIPTORS_OWN) / 2);
}

status_t
service_run(const char *host, guint16 port, guint most, service_serve_t serve, gconstpointer options,
            const char *warning)
{
    sigset_t signals;
    int signal;

    shared.most = descriptors_for(most);
    shared.serve = serve;
    shared.options = options;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before anybody knows that it runs */
    if (!start_listening(host, port, warning))
        return STATUS_NETWORK;
    pthread_mutex_lock(&shared.mutex);
    start_thread();
    pthread_mutex_unlock(&shared.mutex);
    sigwait(&signals, &signal);
    close_all();
    return STATUS_OK;
}
