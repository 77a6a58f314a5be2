/* net.c
 * TCP: connecting, relaying, resetting
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

/* What is left until the deadline, in milliseconds for poll(). */
static int
time_left(gint64 deadline)
{
    const gint64 left = (deadline - g_get_monotonic_time() + 999) / 1000;
    return (int)CLAMP(left, 0, G_MAXINT);
}

gboolean
net_wait(int fd, short events, gint64 deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int count;

    do
        count = poll(&poll_fd, 1, time_left(deadline));
    while (count < 0 && errno == EINTR);
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

/* Until the deadline; 0, or why not as errno. */
static int
finish_connecting(int fd, gint64 deadline, int watched)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLOUT}, {.fd = watched, .events = 0}};
    int count, error = 0;
    socklen_t len = sizeof error;

    do
        count = poll(fds, G_N_ELEMENTS(fds), time_left(deadline));
    while (count < 0 && errno == EINTR);
    if (count <= 0)
        return ETIMEDOUT;
    if (!fds[0].revents)
        return ECANCELED;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

static int
connect_to(const struct addrinfo *address, gint64 deadline, int watched)
{
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0)
        return -1;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0)
        error = errno == EINPROGRESS ? finish_connecting(fd, deadline, watched) : errno;
    if (error == 0) {
        net_set_nodelay(fd);
        fcntl(fd, F_SETFL, 0);
        return fd;
    }
    close(fd);
    errno = error;
    return -1;
}

int
net_connect(const char *host, guint16 port, gint64 deadline, int watched, const char **why)
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
    for (const struct addrinfo *address = addresses; address && fd < 0 && errno != ECANCELED;
         address = address->ai_next) {
        const gint64 left = deadline - g_get_monotonic_time();
        if (left <= 0)
            break;
        /* An address that does not answer leaves time for the next one. */
        fd = connect_to(address, address->ai_next ? deadline - left / 2 : deadline, watched);
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
net_name(const struct sockaddr_in6 *address)
{
    guint16 port;
    g_autofree char *host = net_host(address, &port);

    return g_strdup_printf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

char *
net_own_host(int fd, guint16 *port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_UNSPEC};
    socklen_t len = sizeof address;

    getsockname(fd, (struct sockaddr *)&address, &len);
    return net_host(&address, port);
}

/* Relaying */

/* One direction, with what it has read and not written yet. */
typedef struct pump {
    const relay_end_t *from, *to;
    guint8 *buffer;
    gsize at, len;
    gboolean at_end, over;
} pump_t;

static gboolean
would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Reads once. FALSE when the connection broke off. */
static gboolean
pump_read(pump_t *pump)
{
    if (!pump->buffer)
        pump->buffer = g_malloc(BUFFER_SIZE);
    const gssize count = pump->from->is_socket ? recv(pump->from->in, pump->buffer, BUFFER_SIZE, MSG_DONTWAIT)
                                               : read(pump->from->in, pump->buffer, BUFFER_SIZE);

    if (count < 0)
        return would_block();
    pump->at = 0;
    pump->len = (gsize)count;
    pump->at_end = count == 0;
    return TRUE;
}

/* Writes as much as is taken. FALSE when the connection broke off. */
static gboolean
pump_write(pump_t *pump)
{
    const relay_end_t *to = pump->to;

    while (pump->at < pump->len) {
        const gsize left = pump->len - pump->at;
        const gsize size = to->write_size ? to->write_size : to->most ? to->most : left;
        const guint8 *next = pump->buffer + pump->at;
        const gssize count = to->is_socket ? send(to->out, next, MIN(size, left), MSG_DONTWAIT | MSG_NOSIGNAL)
                                           : write(to->out, next, MIN(size, left));
        if (count < 0)
            return would_block();
        pump->at += (gsize)count;
        if (to->write_size && pump->at < pump->len)
            g_usleep(WRITE_PAUSE);
        else if (to->most)
            break;
    }
    return TRUE;
}

static void
half_close(pump_t *pump)
{
    pump->over = TRUE;
    if (pump->to->is_socket)
        shutdown(pump->to->out, SHUT_WR);
    else
        close(pump->to->out);
}

/* What poll() says the direction can do. FALSE when the connection broke off. */
static gboolean
pump_go(pump_t *pump, short can_read, short can_write)
{
    if (can_read && !pump_read(pump))
        return FALSE;
    /* What has just been read is tried at once, if that cannot block. */
    if (pump->at < pump->len && (can_write || !pump->to->most) && !pump_write(pump))
        return FALSE;
    if (pump->at_end && pump->at == pump->len && !pump->over)
        half_close(pump);
    if (pump->at == pump->len)
        g_clear_pointer(&pump->buffer, g_free); /* an idle tunnel needs none */
    return TRUE;
}

static gboolean
relay(pump_t pumps[2])
{
    while (!(pumps[0].over && pumps[1].over) && !(pumps[0].over && pumps[0].to->last) &&
           !(pumps[1].over && pumps[1].to->last)) {
        struct pollfd fds[4];
        for (gsize i = 0; i < 2; i++) {
            const gboolean full = pumps[i].at < pumps[i].len;
            fds[2 * i] =
                (struct pollfd){.fd = full || pumps[i].at_end ? -1 : pumps[i].from->in, .events = POLLIN};
            fds[2 * i + 1] = (struct pollfd){.fd = full ? pumps[i].to->out : -1, .events = POLLOUT};
        }
        if (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR)
            return FALSE;
        for (gsize i = 0; i < 2; i++) {
            if (!pump_go(&pumps[i], fds[2 * i].revents, fds[2 * i + 1].revents))
                return FALSE;
        }
    }
    return TRUE;
}

static void
pump_open(pump_t *pump, const relay_end_t *from, const GByteArray *sent, const relay_end_t *to)
{
    *pump = (pump_t){.from = from, .to = to, .len = sent ? sent->len : 0};
    if (pump->len > 0) {
        pump->buffer = g_malloc(MAX(pump->len, BUFFER_SIZE));
        memcpy(pump->buffer, sent->data, pump->len);
    }
}

gboolean
net_relay(const relay_end_t *a, const GByteArray *sent_by_a, const relay_end_t *b,
          const GByteArray *sent_by_b)
{
    pump_t pumps[2];

    pump_open(&pumps[0], a, sent_by_a, b);
    pump_open(&pumps[1], b, sent_by_b, a);
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
