/* service.c
 * Listening, and a thread for each connection
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "service.h"

#include "log.h"
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
#define IDLE_MAX        8     /* threads that stay for connections to come */
#define PAUSE           10000 /* microseconds between looks at whether threads have ended */
#define END_PAUSES      200   /* that connections have to end in at the end */

/* Where a connection is: it logs in, it stays, or it has been closed for a newcomer and ends soon. */
typedef enum state { LOGGING_IN, LOGGED_IN, CLOSED, STATES } state_t;

struct slot {
    GList link; /* in the queue of its state */
    state_t state;
    int fd;
};

typedef struct service {
    int listener;
    guint most;
    service_serve_t serve;
    gconstpointer owner;
} service_t;

/*
 * What threads share: this, under its mutex; the log's own (log.c); the service, the configuration, the users
 * and GNU SASL's handle, which nobody changes any more. Everything else belongs to the thread of its
 * connection.
 */
static struct {
    pthread_mutex_t mutex;
    GQueue slots[STATES]; /* the oldest first */
    guint idle;           /* threads that wait for a connection */
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void
set_of_stop_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
}

static int
open_listener(const struct addrinfo *address)
{
    const int on = 1;
    const int fd = address ? socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int
service_listen(const char *host, guint16 port, const char *warning)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    g_autofree char *service = g_strdup_printf("%u", port);
    struct addrinfo *address = NULL;
    sigset_t signals;

    const int status = getaddrinfo(host, service, &hints, &address);
    const int fd = open_listener(address);
    if (address)
        freeaddrinfo(address);
    if (fd < 0) {
        log_line(NULL, "cannot listen on %s, port %u: %s", host, port,
                 status == 0 ? g_strerror(errno) : gai_strerror(status));
        return -1;
    }
    net_set_nodelay(fd); /* and so for what it accepts */
    set_of_stop_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* until service_run(); before anybody knows that it runs */
    g_autofree char *own = net_own_host(fd, &port);
    g_autofree char *name = net_host_port(own, port);
    g_print("listening on %s\n", name);
    fflush(stdout);
    if (warning && !g_str_has_prefix(own, "127.") && strcmp(own, "::1") != 0)
        log_line(NULL, "warning: an open proxy: %s", warning);
    return fd;
}

/* Both under the mutex. */
static void
enter(slot_t *slot, state_t state)
{
    slot->state = state;
    g_queue_push_tail_link(&shared.slots[state], &slot->link);
}

static void
leave(slot_t *slot)
{
    g_queue_unlink(&shared.slots[slot->state], &slot->link);
}

void
service_logged_in(slot_t *slot)
{
    pthread_mutex_lock(&shared.mutex);
    if (slot->state == LOGGING_IN) {
        leave(slot);
        enter(slot, LOGGED_IN);
    }
    pthread_mutex_unlock(&shared.mutex);
}

gboolean
service_made_room(const slot_t *slot)
{
    pthread_mutex_lock(&shared.mutex);
    const gboolean closed = slot->state == CLOSED;
    pthread_mutex_unlock(&shared.mutex);
    return closed;
}

/* Closes the oldest connection that is not logged in; under the mutex. Its thread finds out. */
static gboolean
make_room(void)
{
    slot_t *slot = g_queue_peek_head(&shared.slots[LOGGING_IN]);

    if (!slot)
        return FALSE;
    leave(slot);
    enter(slot, CLOSED);
    shutdown(slot->fd, SHUT_RDWR);
    return TRUE;
}

/* Finds a place for the newcomer, once enough of the threads of closed connections, maybe at a password, are
 * done; under the mutex. */
static gboolean
find_place(slot_t *slot, guint most)
{
    const GQueue *slots = shared.slots;

    while (slots[CLOSED].length > 0 && slots[CLOSED].length + slots[LOGGED_IN].length > most) {
        pthread_mutex_unlock(&shared.mutex);
        g_usleep(PAUSE);
        pthread_mutex_lock(&shared.mutex);
    }
    const gboolean found = slots[LOGGING_IN].length + slots[LOGGED_IN].length < most || make_room();
    if (found)
        enter(slot, LOGGING_IN);
    return found;
}

static void *work(void *data);

/* One more thread that waits for a connection, or else the one of the oldest that is not logged in; under the
 * mutex. */
static void
start_thread(const service_t *service)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (pthread_create(&thread, &attributes, work, (void *)service) == 0) {
        shared.idle++;
    } else {
        log_line(NULL, "no thread can be started");
        make_room();
    }
    pthread_attr_destroy(&attributes);
}

/* Serves a connection. Meanwhile another thread waits for the next one. */
static void
take_in(const service_t *service, int fd, const struct sockaddr_in6 *peer)
{
    slot_t slot = {.link = {.data = &slot}, .fd = fd};
    char *name = net_name(peer);

    pthread_mutex_lock(&shared.mutex);
    shared.idle--;
    const gboolean found = find_place(&slot, service->most);
    if (shared.idle == 0)
        start_thread(service);
    pthread_mutex_unlock(&shared.mutex);
    if (found) {
        service->serve(fd, name, &slot, service->owner);
    } else {
        log_line(name, "closed: all %u connections are logged in", service->most);
        g_free(name);
    }
    pthread_mutex_lock(&shared.mutex);
    if (found)
        leave(&slot);
    close(fd); /* not before nobody can find the slot: its number may go to the next one */
    shared.idle++;
    pthread_mutex_unlock(&shared.mutex);
}

/* A thread: one connection after the other, until there are threads enough without it or the listener is
 * closed. */
static void *
work(void *data)
{
    const service_t *service = data;
    gboolean stays = TRUE;

    while (stays) {
        struct sockaddr_in6 peer = {.sin6_family = AF_UNSPEC};
        socklen_t len = sizeof peer;
        const int fd = accept4(service->listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
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
    guint threads = 1;

    for (guint i = 0; i < END_PAUSES && threads > 0; i++) {
        pthread_mutex_lock(&shared.mutex);
        threads = shared.idle;
        for (state_t state = LOGGING_IN; state < STATES; state++) {
            threads += shared.slots[state].length;
            for (GList *link = shared.slots[state].head; link; link = link->next)
                shutdown(((slot_t *)link->data)->fd, SHUT_RDWR);
        }
        pthread_mutex_unlock(&shared.mutex);
        if (threads > 0)
            g_usleep(PAUSE);
    }
}

void
service_run(int listener, guint most, service_serve_t serve, gconstpointer owner)
{
    const service_t service = {
        .listener = listener, .most = descriptors_for(most), .serve = serve, .owner = owner};
    sigset_t signals;
    int signal;

    pthread_mutex_lock(&shared.mutex);
    start_thread(&service);
    pthread_mutex_unlock(&shared.mutex);
    set_of_stop_signals(&signals);
    sigwait(&signals, &signal);
    shutdown(listener, SHUT_RDWR); /* all accept4() return */
    close_all();
    close(listener);
}
