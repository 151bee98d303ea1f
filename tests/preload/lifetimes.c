/*
 * Blocks used before main and after it: before any constructor, in constructors, in a thread's TLS
 * destructors, in atexit handlers and destructors; and stdio buffers set to blocks that are flushed last of all.
 */
#include "check.h"

#include <pthread.h>

enum { BYTES = 300000 };

static unsigned char *first, *early, *late;
static pthread_key_t key;

/* Before the constructors of any library, and so before the allocator's own. */
static void before_constructors(void)
{
    first = malloc(BYTES);
    CHECK(first != NULL);
    fill(first, BYTES, 8);
    free(calloc(1, BYTES));
    free(malloc(100));
}

__attribute__((section(".preinit_array"),
               used)) static void (*const preinit)(void) = before_constructors;

__attribute__((constructor(101))) static void before_all(void)
{
    early = malloc(BYTES);
    CHECK(early != NULL);
    fill(early, BYTES, 1);
    free(malloc(BYTES));
}

__attribute__((constructor)) static void before_main(void)
{
    CHECK(holds(early, BYTES, BYTES, 1));
    early = realloc(early, 2 * BYTES);
    CHECK(early != NULL && holds(early, BYTES, BYTES, 1));
}

__attribute__((destructor)) static void after_main(void)
{
    CHECK(holds(late, BYTES, BYTES, 3));
    free(late);
    late = calloc(1, 2 * BYTES);
    CHECK(late != NULL && zero(late, 2 * BYTES));
    free(late);
    dprintf(STDOUT_FILENO, "destructor\n");
}

__attribute__((destructor(101))) static void after_all(void)
{
    void *p = malloc(BYTES);
    CHECK(p != NULL);
    free(p);
    dprintf(STDOUT_FILENO, "last destructor\n");
}

static void at_exit(void)
{
    void *p = realloc(malloc(100), BYTES);
    CHECK(p != NULL);
    free(p);
    dprintf(STDOUT_FILENO, "atexit\n");
}

static void tls_destructor(void *block)
{
    CHECK(holds(block, BYTES, BYTES, 2));
    free(block);
    void *p = malloc(2 * BYTES);
    CHECK(p != NULL);
    fill(p, 2 * BYTES, 4);
    free(p);
    dprintf(STDOUT_FILENO, "TLS destructor\n");
}

static void *thread(void *unused)
{
    void *block = malloc(BYTES);
    fill(block, BYTES, 2);
    pthread_setspecific(key, block);
    return malloc(BYTES);
}

int main(void)
{
    pthread_t t;
    void *of_thread;

    check_allocator();
    CHECK(holds(first, BYTES, BYTES, 8));
    free(first);
    free(early);
    CHECK(atexit(at_exit) == 0);
    CHECK(pthread_key_create(&key, tls_destructor) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&t, NULL, thread, NULL) == 0 && pthread_join(t, &of_thread) == 0);
        fill(of_thread, BYTES, 5);
        free(of_thread);
    }
    late = malloc(BYTES);
    fill(late, BYTES, 3);
    setvbuf(stdout, malloc(1 << 20), _IOFBF, 1 << 20);
    puts("main");
    fflush(stdout);
    puts("flushed after everything else");
    return 0;
}
