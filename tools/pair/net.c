/* net.c
 * TCP: listening, with a thread for each connection; connecting; relaying
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
#include <unistd.h>

#define BUFFER_SIZE     32768
#define BACKLOG         4096
#define DESCRIPTORS_OWN 16 /* of the process, besides those of connections */
#define STACK_SIZE      (256 * 1024)
#define IDLE_MAX        8     /* threads that stay for connections to come */
#define PAUSE           10000 /* microseconds between looks at whether threads have ended */
#define END_PAUSES      200   /* of them at the end */

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
    int count;

    do {
        const gint64 left = (deadline - g_get_monotonic_time() + 999) / 1000;
        count = poll(&poll_fd, 1, (int)CLAMP(left, 0, G_MAXINT));
    } while (count < 0 && errno == EINTR);
    return count > 0;
}

/* Connecting */

void
net_set_nodelay(int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

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
    int error = status == 0 ? ETIMEDOUT : EHOSTUNREACH;
    gint64 left = deadline - g_get_monotonic_time();
    for (const struct addrinfo *next = addresses; next && left > 0; next = next->ai_next) {
        /* Linux has the time limit for sending limit connect(2), too. Some of it is for the next address. */
        const gint64 time = next->ai_next ? left / 2 : left;
        const struct timeval limit = {.tv_sec = time / G_USEC_PER_SEC, .tv_usec = time % G_USEC_PER_SEC};
        fd = socket(next->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
            connect(fd, next->ai_addr, next->ai_addrlen) == 0)
            break;
        error = errno == EINPROGRESS ? ETIMEDOUT : errno;
        left = deadline - g_get_monotonic_time();
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    *why = status == 0 ? g_strerror(error) : gai_strerror(status);
    if (addresses)
        freeaddrinfo(addresses);
    if (fd >= 0)
        net_set_nodelay(fd);
    errno = error;
    return fd;
}

char *
net_host(const struct sockaddr_in6 *address, guint16 *port)
{
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)(const void *)address;
    const gboolean is_ipv6 = address->sin6_family == AF_INET6;
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop(address->sin6_family, is_ipv6 ? (const void *)&address->sin6_addr : &ipv4->sin_addr, text,
              sizeof text);
    *port = ntohs(address->sin6_port); /* at the same place in both */
    return g_strdup(text);
}

char *
net_own_host(int fd, guint16 *port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_UNSPEC};

    getsockname(fd, (struct sockaddr *)&address, &(socklen_t){sizeof address});
    return net_host(&address, port);
}

char *
net_host_port(const char *host, guint16 port)
{
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

/* Relaying */

/* One direction. It has bytes to write, or it waits for more. */
typedef struct pump {
    const relay_end_t *from, *to;
    guint8 *buffer; /* none while there are no bytes: an idle tunnel needs none */
    gsize at, len;
    gboolean over;
} pump_t;

/* Nothing to read is the end, which becomes that of the other side. */
static gssize
pump_read(pump_t *pump)
{
    const relay_end_t *from = pump->from, *to = pump->to;

    if (!pump->buffer)
        pump->buffer = g_malloc(BUFFER_SIZE);
    const gssize count = from->is_socket ? recv(from->in, pump->buffer, BUFFER_SIZE, MSG_DONTWAIT)
                                         : read(from->in, pump->buffer, BUFFER_SIZE);
    pump->at = 0;
    pump->len = (gsize)MAX(count, 0);
    pump->over = count == 0;
    if (pump->over && to->is_socket)
        shutdown(to->out, SHUT_WR);
    else if (pump->over)
        close(to->out);
    return count;
}

/* Of a pipe, poll(2) promises no more than room for PIPE_BUF bytes. */
static gssize
pump_write(pump_t *pump)
{
    const relay_end_t *to = pump->to;
    const gsize left = pump->len - pump->at, size = to->write_size ? MIN(to->write_size, left) : left;
    const guint8 *next = pump->buffer + pump->at;
    const gssize count = to->is_socket ? send(to->out, next, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                                       : write(to->out, next, MIN(left, PIPE_BUF));

    pump->at += (gsize)MAX(count, 0);
    return count;
}

/* Does what poll() says it can. FALSE when the connection broke off. */
static gboolean
pump_go(pump_t *pump)
{
    const gboolean was_empty = pump->at == pump->len;
    gssize count = was_empty ? pump_read(pump) : 0;

    /* What has just been read is tried at once, if that cannot block. */
    if (pump->at < pump->len && (!was_empty || pump->to->is_socket))
        count = pump_write(pump);
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        return FALSE;
    if (pump->at == pump->len)
        g_clear_pointer(&pump->buffer, g_free);
    else if (pump->to->write_size)
        g_usleep(WRITE_PAUSE);
    return TRUE;
}

static gboolean
relay(pump_t *pumps)
{
    while (!(pumps[0].over && (pumps[1].over || pumps[0].to->last)) &&
           !(pumps[1].over && pumps[1].to->last)) {
        struct pollfd fds[] = {{.fd = -1}, {.fd = -1}};
        for (gsize i = 0; i < 2; i++) {
            const pump_t *pump = &pumps[i];
            const gboolean writes = pump->at < pump->len;
            fds[i].fd = pump->over ? -1 : writes ? pump->to->out : pump->from->in;
            fds[i].events = writes ? POLLOUT : POLLIN;
        }
        if (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR)
            return FALSE;
        for (gsize i = 0; i < 2; i++) {
            if (fds[i].revents && !pump_go(&pumps[i]))
                return FALSE;
        }
    }
    return TRUE;
}

gboolean
net_relay(const relay_end_t *a, const GByteArray *sent, const relay_end_t *b)
{
    pump_t pumps[] = {{.from = a, .to = b, .len = sent->len}, {.from = b, .to = a}};

    if (sent->len > 0)
        pumps[0].buffer = memcpy(g_malloc(sent->len), sent->data, sent->len);
    const gboolean ended = relay(pumps);
    const int error = errno;
    for (gsize i = 0; i < 2; i++) {
        if (!ended && pumps[i].from->is_socket)
            net_prepare_reset(pumps[i].from->in);
        g_free(pumps[i].buffer);
    }
    errno = error;
    return ended;
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
    guint idle;            /* threads that wait for a connection */

    /* Which nobody changes any more: */
    int listener;
    guint most;
    service_serve_t serve;
    gconstpointer options;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static gboolean
start_listening(const char *host, guint16 port, const char *warning)
{
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string(host, port);
    const int fd = socket(g_socket_address_get_family(address), SOCK_STREAM | SOCK_CLOEXEC, 0);
    const socklen_t len = (socklen_t)g_socket_address_get_native_size(address);
    struct sockaddr_in6 native;

    g_socket_address_to_native(address, &native, sizeof native, NULL);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0 ||
        bind(fd, (struct sockaddr *)&native, len) != 0 || listen(fd, BACKLOG) != 0) {
        log_line(NULL, "cannot listen on %s, port %u: %s", host, port, g_strerror(errno));
        return FALSE;
    }
    net_set_nodelay(fd); /* and so for what it accepts */
    shared.listener = fd;
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

/* Finds a place for the newcomer, once enough of the threads of closed connections, maybe at a password, are
 * done; under the mutex. */
static gboolean
find_place(connection_t *connection)
{
    const GQueue *queues = shared.queues;

    g_queue_push_tail_link(&shared.queues[NEW], &connection->link);
    while (queues[CLOSED].length > 0 && queues[CLOSED].length + queues[LOGGED_IN].length > shared.most) {
        pthread_mutex_unlock(&shared.mutex);
        g_usleep(PAUSE);
        pthread_mutex_lock(&shared.mutex);
    }
    if (queues[LOGGING_IN].length + queues[LOGGED_IN].length >= shared.most && !make_room())
        return FALSE;
    move(connection, LOGGING_IN);
    return TRUE;
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
    if (pthread_create(&thread, &attributes, work, NULL) == 0) {
        shared.idle++;
    } else {
        log_line(NULL, "no thread can be started");
        make_room();
    }
    pthread_attr_destroy(&attributes);
}

/* Serves a connection. Meanwhile another thread waits for the next one. */
static void
take_in(int fd, const struct sockaddr_in6 *address)
{
    connection_t connection = {.fd = fd, .link = {.data = &connection}};
    guint16 port;
    g_autofree char *host = net_host(address, &port);
    g_autofree char *name = connection.name = net_host_port(host, port);

    pthread_mutex_lock(&shared.mutex);
    shared.idle--;
    const gboolean found = find_place(&connection);
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
    shared.idle++;
    pthread_mutex_unlock(&shared.mutex);
}

/* A thread: one connection after the other, until there are threads enough without it. */
static void *
work(void *unused G_GNUC_UNUSED)
{
    gboolean stays = TRUE;

    while (stays) {
        struct sockaddr_in6 peer = {.sin6_family = AF_UNSPEC};
        const int fd =
            accept4(shared.listener, (struct sockaddr *)&peer, &(socklen_t){sizeof peer}, SOCK_CLOEXEC);
        if (fd >= 0) {
            take_in(fd, &peer);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            log_line(NULL, "cannot accept: %s", g_strerror(errno));
            g_usleep(10 * PAUSE);
        }
        pthread_mutex_lock(&shared.mutex);
        stays = shared.idle <= IDLE_MAX;
        shared.idle -= stays ? 0 : 1;
        pthread_mutex_unlock(&shared.mutex);
    }
    return NULL;
}

/* Has all connections end, and log what they must, within two seconds. */
static void
close_all(void)
{
    guint left = 1;

    for (guint i = 0; i < END_PAUSES && left > 0; i++, g_usleep(PAUSE)) {
        pthread_mutex_lock(&shared.mutex);
        left = 0;
        for (connection_state_t state = LOGGING_IN; state < STATES; state++) {
            left += shared.queues[state].length;
            for (const GList *link = shared.queues[state].head; link; link = link->next)
                shutdown(((const connection_t *)link->data)->fd, SHUT_RDWR);
        }
        pthread_mutex_unlock(&shared.mutex);
    }
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
