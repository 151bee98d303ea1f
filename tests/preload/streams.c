/*
 * fork while one thread flushes all streams and another reads lines, which allocates while it holds a stream. No lock of the program's
 * own is in it.
 */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>

enum { FORKS = 400, LINES = 500, LONGEST = 3000 };

static FILE *stream;
static atomic_bool stop;

static void *flush_all(void *unused)
{
    while (!atomic_load(&stop))
        fflush(NULL);
    return unused;
}

static void *read_lines(void *unused)
{
    while (!atomic_load(&stop)) {
        char *line = NULL;
        size_t room = 0;
        rewind(stream);
        while (getline(&line, &room, stream) > 0) {
            free(line);
            line = NULL;
            room = 0;
        }
        free(line);
    }
    return unused;
}

int main(void)
{
    pthread_t threads[2];
    check_allocator();
    CHECK((stream = tmpfile()) != NULL);
    for (int i = 0; i < LINES; i++)
        fprintf(stream, "%*d\n", 120 + i * 37 % LONGEST, i);
    fflush(stream);
    CHECK(pthread_create(&threads[0], NULL, flush_all, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, read_lines, NULL) == 0);
    for (int i = 0; i < FORKS; i++) {
        alarm(30);
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            alarm(30);
            fclose(fopen("/dev/null", "r"));
            free(malloc(hide(100000)));
            _exit(0);
        }
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d forks\n", FORKS);
    return 0;
}
