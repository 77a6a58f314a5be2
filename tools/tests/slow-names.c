/* slow-names.c
 * For LD_PRELOAD: names that begin with "slow" take a minute to look up, as when a DNS server does not answer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    int (*original)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    *(void **)&original = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strncmp(node, "slow", 4) == 0) {
        sleep(60);
        return EAI_AGAIN;
    }
    return original(node, service, hints, result);
}
