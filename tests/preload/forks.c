/*
 * fork while other threads allocate and free: the child allocates, frees the parent's blocks, starts a thread,
 * and forks again. A lock left held by a thread that the child does not have would hang it; the alarm ends that. The program holds a
 * lock of its own over fork.
 */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>

enum { FORKS = 12, BLOCKS = 8, BYTES = 400000 };

static atomic_bool stop;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* the program's own, held over fork */
static unsigned char *blocks[BLOCKS];

static void *churn(void *seed)
{
    uint64_t state = (uintptr_t)seed;
    while (!atomic_load(&stop)) {
        size_t bytes = 70000 + next_random(&state) % 3000000;
        bool locks = next_random(&state) % 2 == 0;
        if (locks)
            pthread_mutex_lock(&mutex);
        unsigned char *p = malloc(bytes);
        CHECK(p != NULL);
        p[0] = p[bytes - 1] = 1;
        free(p);
        if (locks)
            pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void *one_round(void *unused)
{
    void *p = calloc(1, BYTES);
    CHECK(p != NULL && zero(p, BYTES));
    return p;
}

static void use_everything(void)
{
    pthread_t t;
    void *p;
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(holds(blocks[i], BYTES, BYTES, (uint64_t)i));
        blocks[i] = realloc(blocks[i], 2 * BYTES);
        CHECK(blocks[i] != NULL && holds(blocks[i], BYTES, BYTES, (uint64_t)i));
    }
    for (int i = 0; i < BLOCKS / 2; i++)
        free(blocks[i]);
    CHECK(pthread_create(&t, NULL, one_round, NULL) == 0);
    CHECK(pthread_join(t, &p) == 0);
    free(p);
}

static void wait_for(pid_t child)
{
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* As any allocator's, its own handlers come first: they wait for threads that may be in malloc, and allocate. */
static void before_fork(void)
{
    pthread_mutex_lock(&mutex);
    free(one_round(NULL));
}

static void after_fork(void)
{
    free(one_round(NULL));
    pthread_mutex_unlock(&mutex);
}

static void child(int turn)
{
    alarm(20);
    use_everything();
    pid_t grandchild = fork();
    if (grandchild == 0) {
        alarm(20);
        for (int i = BLOCKS / 2; i < BLOCKS; i++) {
            CHECK(holds(blocks[i], BYTES, BYTES, (uint64_t)i));
            free(blocks[i]);
        }
        free(one_round(NULL));
        /* Some leave by exit(), with its handlers, and some without. */
        turn % 2 ? exit(0) : _exit(0);
    }
    wait_for(grandchild);
    turn % 3 ? exit(0) : _exit(0);
}

int main(void)
{
    pthread_t threads[2];
    alarm(60);
    CHECK(pthread_atfork(before_fork, after_fork, after_fork) == 0);
    check_allocator();
    for (uintptr_t i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i + 11)) == 0);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BYTES);
        fill(blocks[i], BYTES, (uint64_t)i);
    }
    for (int turn = 0; turn < FORKS; turn++) {
        pid_t pid = fork();
        if (pid == 0)
            child(turn);
        wait_for(pid);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(holds(blocks[i], BYTES, BYTES, (uint64_t)i));
        free(blocks[i]);
    }
    printf("%d forks\n", FORKS);
    return 0;
}
