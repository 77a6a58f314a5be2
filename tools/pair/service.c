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
#include <netinet/in.h>
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
#define END_TIME        2 /* seconds that connections have to end in at the end */

/*
 * What threads share: this, under its mutex; the log's own (log.c); the configuration, the users and GNU
 * SASL's handle, which nobody changes any more. Everything else belongs to the thread of its connection.
 */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t ended; /* a thread has, while somebody is waiting for that */
    gboolean waiting;
    GQueue logging_in; /* of slot_t, the oldest first */
    GQueue logged_in;
    guint threads; /* also of connections that have been closed for newcomers and end soon */
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER,
            .ended = PTHREAD_COND_INITIALIZER,
            .logging_in = G_QUEUE_INIT,
            .logged_in = G_QUEUE_INIT};

struct slot {
    GList link; /* in one of the queues, or in none once closed for a newcomer */
    GQueue *queue;
    int fd;
    struct sockaddr_in6 peer; /* or sockaddr_in */
    gint made_room;
    service_serve_t serve;
    gconstpointer owner;
};

static volatile sig_atomic_t stopping;
static int listening;
static sigset_t stop_signals; /* which only the first thread takes */

/* Has accept4() return, also if it is called only now. */
static void
stop(int signal G_GNUC_UNUSED)
{
    stopping = 1;
    shutdown(listening, SHUT_RDWR);
}

static void
take_stop_signals(void)
{
    const struct sigaction action = {.sa_handler = stop};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGINT);
    sigaddset(&stop_signals, SIGTERM);
}

int
service_listen(const char *host, guint16 port, guint timeout)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    g_autofree char *service = g_strdup_printf("%u", port);
    struct addrinfo *address = NULL;
    const struct timeval time = {.tv_sec = timeout};
    const int on = 1;
    int fd = -1;

    const int status = getaddrinfo(host, service, &hints, &address);
    if (status == 0)
        fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) /* what it accepts has it, too: from the first connection on */
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        log_line(NULL, "cannot listen on %s, port %u: %s", host, port,
                 status == 0 ? g_strerror(errno) : gai_strerror(status));
        g_clear_pointer(&address, freeaddrinfo);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    freeaddrinfo(address);
    net_set_nodelay(fd); /* and so for what it accepts */
    listening = fd;
    take_stop_signals(); /* before anybody knows that it runs */
    g_autofree char *own = net_own_host(fd, &port);
    g_print(strchr(own, ':') ? "listening on [%s]:%u\n" : "listening on %s:%u\n", own, port);
    fflush(stdout);
    return fd;
}

gboolean
service_is_local(int listener)
{
    guint16 port;
    g_autofree char *host = net_own_host(listener, &port);
    return g_str_has_prefix(host, "127.") || strcmp(host, "::1") == 0;
}

char *
service_peer_name(const slot_t *slot)
{
    return net_name(&slot->peer);
}

void
service_logged_in(slot_t *slot)
{
    pthread_mutex_lock(&shared.mutex);
    if (slot->queue) {
        g_queue_unlink(slot->queue, &slot->link);
        slot->queue = &shared.logged_in;
        g_queue_push_tail_link(slot->queue, &slot->link);
    }
    pthread_mutex_unlock(&shared.mutex);
}

gboolean
service_made_room(const slot_t *slot)
{
    return g_atomic_int_get(&slot->made_room);
}

/* Closes the oldest connection that is not logged in; under the mutex. Its thread finds out. */
static gboolean
make_room(void)
{
    GList *link = g_queue_pop_head_link(&shared.logging_in);
    slot_t *slot = link ? link->data : NULL;

    if (!slot)
        return FALSE;
    slot->queue = NULL;
    g_atomic_int_set(&slot->made_room, TRUE);
    shutdown(slot->fd, SHUT_RDWR);
    return TRUE;
}

/* Takes the slot out of its queue, with its thread; under the mutex. */
static void
forget(slot_t *slot)
{
    if (slot->queue)
        g_queue_unlink(slot->queue, &slot->link);
    shared.threads--;
}

static gpointer
serve_one(gpointer data)
{
    slot_t *slot = data;

    slot->serve(slot->fd, slot, slot->owner);
    pthread_mutex_lock(&shared.mutex);
    forget(slot);
    close(slot->fd); /* not before nobody can find the slot: its number may go to the next one */
    if (shared.waiting)
        pthread_cond_signal(&shared.ended);
    pthread_mutex_unlock(&shared.mutex);
    g_free(slot);
    return NULL;
}

static gboolean
start_thread(slot_t *slot)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setsigmask_np(&attributes, &stop_signals);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    const int error = pthread_create(&thread, &attributes, serve_one, slot);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

/* Finds a place for the newcomer; under the mutex. */
static gboolean
enter(slot_t *slot, guint most)
{
    if (shared.logging_in.length + shared.logged_in.length >= most && !make_room())
        return FALSE;
    slot->queue = &shared.logging_in;
    g_queue_push_tail_link(slot->queue, &slot->link);
    shared.threads++;
    return TRUE;
}

/* Until there are no more threads than that, for so many seconds at most; under the mutex. */
static void
wait_for_threads(guint most, time_t seconds)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    shared.waiting = TRUE;
    while (shared.threads > most) {
        if (pthread_cond_timedwait(&shared.ended, &shared.mutex, &until) != 0)
            break;
    }
    shared.waiting = FALSE;
}

static void
take_in(int fd, const struct sockaddr_in6 *peer, guint most, service_serve_t serve, gconstpointer owner)
{
    slot_t *slot = g_new(slot_t, 1);

    *slot = (slot_t){.link = {.data = slot}, .fd = fd, .peer = *peer, .serve = serve, .owner = owner};
    pthread_mutex_lock(&shared.mutex);
    /* Threads whose connection is closed already may still be at a password: they end first. */
    while (shared.threads > 2 * most && !stopping)
        wait_for_threads(2 * most, END_TIME);
    const gboolean entered = enter(slot, most);
    pthread_mutex_unlock(&shared.mutex);
    if (entered && start_thread(slot)) /* without the mutex, which the thread may want at once */
        return;
    g_autofree char *name = net_name(peer);
    if (entered) {
        log_line(name, "closed: no thread can be started");
        pthread_mutex_lock(&shared.mutex);
        forget(slot);
        pthread_mutex_unlock(&shared.mutex);
    } else {
        log_line(name, "closed: all %u connections are logged in", most);
    }
    g_free(slot);
    close(fd);
}

/* No descriptors, or no memory, for what would come: whoever is not logged in goes. */
static void
shed(void)
{
    log_line(NULL, "cannot accept: %s", g_strerror(errno));
    pthread_mutex_lock(&shared.mutex);
    make_room();
    wait_for_threads(shared.threads > 0 ? shared.threads - 1 : 0, 1);
    pthread_mutex_unlock(&shared.mutex);
}

static void
close_all(GQueue *queue)
{
    for (GList *link = queue->head; link; link = link->next)
        shutdown(((slot_t *)link->data)->fd, SHUT_RDWR);
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

void
service_run(int listener, guint most, service_serve_t serve, gconstpointer owner)
{
    most = descriptors_for(most);
    while (!stopping) {
        struct sockaddr_in6 peer = {.sin6_family = AF_UNSPEC};
        socklen_t len = sizeof peer;
        const int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
        if (fd >= 0)
            take_in(fd, &peer, most, serve, owner);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            shed();
    }
    close(listener);

    pthread_mutex_lock(&shared.mutex);
    close_all(&shared.logging_in);
    close_all(&shared.logged_in);
    wait_for_threads(0, END_TIME);
    pthread_mutex_unlock(&shared.mutex);
}
