/*
 * Cases that run in a child of their own, because hakmem starts once a process. In the child a failed CHECK says
 * where and ends it; the case fails with it. Random cases print their seed, and TEST_SEED repeats one.
 */
#ifndef HAK_TESTS_ISOLATED_H
#define HAK_TESTS_ISOLATED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(STDERR_FILENO, "%s:%d: false: %s\n", __FILE__, __LINE__, #condition);          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

__attribute__((unused)) static bool all_zero(const char *p, size_t bytes)
{
    return p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0;
}

/* The wait status of a child that ran `body`; 0 when it came to its end. */
__attribute__((unused)) static int isolated_status(void (*body)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

/* ISOLATED(behaviour) { ... }: a cmocka case whose body runs in a child. */
#define ISOLATED(name)                                                                             \
    static void name##_body(void);                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        assert_int_equal(isolated_status(name##_body), 0);                                         \
    }                                                                                              \
    static void name##_body(void)

__attribute__((unused)) static uint64_t random_seed(void)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) | 1 : UINT64_C(0x9E3779B97F4A7C15);
    fprintf(stderr, "TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* xorshift64; *state is not 0. */
__attribute__((unused)) static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Below `n`. */
__attribute__((unused)) static uint64_t random_below(uint64_t *state, uint64_t n)
{
    return (random_next(state) >> 11) % n;
}

#endif
