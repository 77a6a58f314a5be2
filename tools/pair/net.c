/* net.c
 * TCP: connecting, relaying, resetting
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE 32768

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

/* Linux has the time limit for sending limit connect(2), too. */
static int
connect_to(const struct addrinfo *address, gint64 left)
{
    const struct timeval limit = {.tv_sec = left / G_USEC_PER_SEC, .tv_usec = left % G_USEC_PER_SEC};
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
        net_set_nodelay(fd);
        return fd;
    }
    const int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(fd);
    errno = error;
    return -1;
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
    errno = status == 0 ? ETIMEDOUT : EHOSTUNREACH;
    *why = status == 0 ? g_strerror(errno) : gai_strerror(status);
    for (const struct addrinfo *address = addresses; address && fd < 0; address = address->ai_next) {
        const gint64 left = deadline - g_get_monotonic_time();
        if (left <= 0)
            break;
        /* An address that does not answer leaves time for the next one. */
        fd = connect_to(address, address->ai_next ? left / 2 : left);
        if (fd < 0)
            *why = g_strerror(errno);
    }
    const int error = errno;
    if (addresses)
        freeaddrinfo(addresses);
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

/* The end of the one side becomes that of the other. */
static void
half_close(pump_t *pump)
{
    pump->over = TRUE;
    if (pump->to->is_socket)
        shutdown(pump->to->out, SHUT_WR);
    else
        close(pump->to->out);
}

static gssize
pump_read(pump_t *pump)
{
    const relay_end_t *from = pump->from;

    if (!pump->buffer)
        pump->buffer = g_malloc(BUFFER_SIZE);
    return from->is_socket ? recv(from->in, pump->buffer, BUFFER_SIZE, MSG_DONTWAIT)
                           : read(from->in, pump->buffer, BUFFER_SIZE);
}

/* Of a pipe, poll(2) promises no more than room for PIPE_BUF bytes. */
static gssize
pump_write(pump_t *pump)
{
    const relay_end_t *to = pump->to;
    const guint8 *next = pump->buffer + pump->at;
    const gsize left = pump->len - pump->at;

    if (to->is_socket)
        return send(to->out, next, to->write_size ? MIN(to->write_size, left) : left,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    return write(to->out, next, MIN(left, PIPE_BUF));
}

/* Does what poll() says it can. FALSE when the connection broke off. */
static gboolean
pump_go(pump_t *pump)
{
    const gboolean was_empty = pump->at == pump->len;
    gssize count = 0;

    if (was_empty) {
        count = pump_read(pump);
        pump->at = 0;
        pump->len = (gsize)MAX(count, 0);
        if (count == 0)
            half_close(pump);
    }
    /* What has just been read is tried at once, if that cannot block. */
    if (pump->at < pump->len && (!was_empty || pump->to->is_socket)) {
        count = pump_write(pump);
        pump->at += (gsize)MAX(count, 0);
    }
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
