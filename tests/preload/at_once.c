/*
 * Threads that are the first to want a block of the C library's heap, all at once: again and again, each time in a process of its
 * own. Its heap is started once, and they all end well.
 */
#include "check.h"

#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

extern char **environ;

enum {
    PROCESSES = 15,
    THREADS = 2,
    BYTES = 9000000
}; /* larger than what hakmem's own heap serves */

static atomic_int ready;

static void *work(void *key)
{
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < THREADS)
        ;
    unsigned char *p = malloc(hide(BYTES));
    CHECK(p != NULL);
    fill(p, BYTES, (uintptr_t)key);
    CHECK(holds(p, BYTES, BYTES, (uintptr_t)key));
    free(p);
    return NULL;
}

static int in_threads(void)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}

int main(int argc, char **argv)
{
    char *const arguments[] = {argv[0], "in threads", NULL};

    check_allocator();
    if (argc > 1)
        return in_threads();
    setenv("HAKO_HAKMEM_LARGE_MMAP", "0", 1);
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid;
        int status;
        CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ) == 0);
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    puts("all started once");
    return 0;
}
