#include "peers.h"
#include "compare.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const struct peer peers[] = {
    {"mimalloc", "libmimalloc.so.3 libmimalloc.so.2 libmimalloc.so.2.0 libmimalloc.so"},
    {"jemalloc", "libjemalloc.so.2 libjemalloc.so"},
    {"tcmalloc", "libtcmalloc_minimal.so.4 libtcmalloc.so.4 libtcmalloc_minimal.so libtcmalloc.so"},
    {"snmalloc", "libsnmallocshim.so"},
    {"rpmalloc", "librpmalloc.so librpmallocwrap.so"},
    {"tbbmalloc", "libtbbmalloc_proxy.so.2 libtbbmalloc_proxy.so"},
    {NULL, NULL},
};

const struct peer *peer_by_name(const char *name)
{
    for (const struct peer *p = peers; p->name != NULL; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

const char *peer_names(void)
{
    static char names[256];
    size_t n = 0;
    for (const struct peer *p = peers; p->name != NULL; p++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n > 0 ? ", " : "", p->name);
    return names;
}

/* In a process of its own, with that file preloaded: tells what it has mapped. Does not come back. */
static _Noreturn void tell_mappings(const char *file, int to)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0 && dup2(nowhere, STDERR_FILENO) >= 0 && dup2(to, STDOUT_FILENO) >= 0 &&
        setenv("LD_PRELOAD", file, 1) == 0)
        execlp("cat", "cat", "/proc/self/maps", (char *)NULL);
    _exit(1);
}

/* The path in `maps` whose file name begins with `stem`, as it is for every file that a name with a version leads to. */
static char *path_of(const char *maps, const char *stem)
{
    for (const char *line = maps; *line != '\0'; line += strcspn(line, "\n"), line += *line != 0) {
        size_t length = strcspn(line, "\n");
        const char *path = memchr(line, '/', length);
        if (path == NULL)
            continue;
        size_t n = length - (size_t)(path - line);
        const char *name = memrchr(path, '/', n);
        if (strncmp(name + 1, stem, strlen(stem)) == 0)
            return strndup(path, n);
    }
    return NULL;
}

static char *find_file(const char *file)
{
    char stem[128];
    int ends[2];
    if (pipe(ends) != 0)
        return NULL;
    pid_t child = fork();
    if (child == 0)
        tell_mappings(file, ends[1]);
    close(ends[1]);
    char *maps = child > 0 ? compare_read_fd(ends[0]) : NULL;
    close(ends[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    snprintf(stem, sizeof(stem), "%.*s", (int)(strstr(file, ".so") - file), file);
    char *path = maps != NULL ? path_of(maps, stem) : NULL;
    free(maps);
    return path;
}

char *peer_find(const struct peer *peer)
{
    char word[128], *path = NULL;
    const char *at = peer->files;
    for (; path == NULL && *at != '\0'; at += strcspn(at, " "), at += strspn(at, " ")) {
        snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, " "), at);
        path = find_file(word);
    }
    return path;
}
