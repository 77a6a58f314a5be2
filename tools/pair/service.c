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
#define PAUSE           10000 /* microseconds between looks at whether threads have ended */
#define END_PAUSES      200   /* that connections have to end in at the end */

/* Where a connection is: it logs in, it stays, or it has been closed for a newcomer and ends soon. */
typedef enum state { LOGGING_IN, LOGGED_IN, CLOSED, STATES } state_t;

/*
 * What threads share: this, under its mutex; the log's own (log.c); the configuration, the users and GNU
 * SASL's handle, which nobody changes any more. Everything else belongs to the thread of its connection.
 */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static GQueue slots[STATES]; /* the oldest first */

struct slot {
    GList link; /* in the queue of its state */
    state_t state;
    int fd;
    struct sockaddr_in6 peer; /* or sockaddr_in */
    service_serve_t serve;
    gconstpointer owner;
};

static volatile sig_atomic_t stopping;
static int listening;

/* Has accept4() return, also if it is called only now. */
static void
stop(int signal G_GNUC_UNUSED)
{
    stopping = 1;
    shutdown(listening, SHUT_RDWR);
}

static int
open_listener(const struct addrinfo *address)
{
    const int on = 1;
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

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
    const struct sigaction stopper = {.sa_handler = stop};
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    g_autofree char *service = g_strdup_printf("%u", port);
    struct addrinfo *address = NULL;

    const int status = getaddrinfo(host, service, &hints, &address);
    const int fd = status == 0 ? open_listener(address) : -1;
    if (address)
        freeaddrinfo(address);
    if (fd < 0) {
        log_line(NULL, "cannot listen on %s, port %u: %s", host, port,
                 status == 0 ? g_strerror(errno) : gai_strerror(status));
        return -1;
    }
    net_set_nodelay(fd); /* and so for what it accepts */
    listening = fd;
    sigaction(SIGINT, &stopper, NULL); /* before anybody knows that it runs */
    sigaction(SIGTERM, &stopper, NULL);
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
    g_queue_push_tail_link(&slots[state], &slot->link);
}

static void
leave(slot_t *slot)
{
    g_queue_unlink(&slots[slot->state], &slot->link);
}

void
service_logged_in(slot_t *slot)
{
    pthread_mutex_lock(&mutex);
    if (slot->state == LOGGING_IN) {
        leave(slot);
        enter(slot, LOGGED_IN);
    }
    pthread_mutex_unlock(&mutex);
}

gboolean
service_made_room(const slot_t *slot)
{
    pthread_mutex_lock(&mutex);
    const gboolean closed = slot->state == CLOSED;
    pthread_mutex_unlock(&mutex);
    return closed;
}

static gpointer
serve_one(gpointer data)
{
    slot_t *slot = data;

    slot->serve(slot->fd, net_name(&slot->peer), slot, slot->owner);
    pthread_mutex_lock(&mutex);
    leave(slot);
    close(slot->fd); /* not before nobody can find the slot: its number may go to the next one */
    pthread_mutex_unlock(&mutex);
    g_free(slot);
    return NULL;
}

/* Only the first thread takes signals. */
static gboolean
start_thread(slot_t *slot)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setsigmask_np(&attributes, &all);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    const int error = pthread_create(&thread, &attributes, serve_one, slot);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

/* Closes the oldest connection that is not logged in; under the mutex. Its thread finds out. */
static gboolean
make_room(void)
{
    slot_t *slot = g_queue_peek_head(&slots[LOGGING_IN]);

    if (!slot)
        return FALSE;
    leave(slot);
    enter(slot, CLOSED);
    shutdown(slot->fd, SHUT_RDWR);
    return TRUE;
}

/* Finds a place for the newcomer, once enough of the threads of closed connections, maybe at a password, have
 * ended. */
static gboolean
find_place(slot_t *slot, guint most)
{
    pthread_mutex_lock(&mutex);
    while (slots[CLOSED].length > 0 && slots[CLOSED].length + slots[LOGGED_IN].length > most && !stopping) {
        pthread_mutex_unlock(&mutex);
        g_usleep(PAUSE);
        pthread_mutex_lock(&mutex);
    }
    const gboolean found = slots[LOGGING_IN].length + slots[LOGGED_IN].length < most || make_room();
    if (found)
        enter(slot, LOGGING_IN);
    pthread_mutex_unlock(&mutex);
    return found;
}

static void
take_in(int fd, const struct sockaddr_in6 *peer, guint most, service_serve_t serve, gconstpointer owner)
{
    slot_t *slot = g_new(slot_t, 1);

    *slot = (slot_t){.link = {.data = slot}, .fd = fd, .peer = *peer, .serve = serve, .owner = owner};
    const gboolean found = find_place(slot, most);
    if (found && start_thread(slot))
        return;
    g_autofree char *name = net_name(peer);
    if (found) {
        log_line(name, "closed: no thread can be started");
        pthread_mutex_lock(&mutex);
        leave(slot);
        pthread_mutex_unlock(&mutex);
    } else {
        log_line(name, "closed: all %u connections are logged in", most);
    }
    g_free(slot);
    close(fd);
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
        pthread_mutex_lock(&mutex);
        threads = 0;
        for (state_t state = LOGGING_IN; state < STATES; state++) {
            threads += slots[state].length;
            for (GList *link = slots[state].head; link; link = link->next)
                shutdown(((slot_t *)link->data)->fd, SHUT_RDWR);
        }
        pthread_mutex_unlock(&mutex);
        if (threads > 0)
            g_usleep(PAUSE);
    }
}

void
service_run(int listener, guint most, service_serve_t serve, gconstpointer owner)
{
    most = descriptors_for(most);
    while (!stopping) {
        struct sockaddr_in6 peer = {.sin6_family = AF_UNSPEC};
        socklen_t len = sizeof peer;
        const int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
        if (fd >= 0) {
            take_in(fd, &peer, most, serve, owner);
        } else if (errno != ECONNABORTED && errno != EINTR && !stopping) {
            log_line(NULL, "cannot accept: %s", g_strerror(errno));
            g_usleep(10 * PAUSE);
        }
    }
    close(listener);
    close_all();
}
