/*
 * For small programs that are run plain and under hakmem, and must print the same.
 *
 * A failed check says where and ends the program with status 1, without the stdio that the failure may
 * have broken. Sizes and pointers go through hide(), so that no compiler computes a result beforehand.
 */
#ifndef TESTS_PRELOAD_CHECK_H
#define TESTS_PRELOAD_CHECK_H

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            check_failed(__FILE__, __LINE__, #condition);                                          \
    } while (0)

__attribute__((unused, noreturn)) static void check_failed(const char *file, int line,
                                                           const char *condition)
{
    dprintf(STDOUT_FILENO, "%s:%d: false: %s (errno %d)\n", file, line, condition, errno);
    _exit(1);
}

/* The runner says when the library must be there; a test of the wrong allocator is no test. */
__attribute__((unused)) static void check_allocator(void)
{
    if (getenv("TEST_EXPECT_HAKMEM") != NULL)
        CHECK(dlsym(RTLD_DEFAULT, "hak_version") != NULL);
}

__attribute__((unused)) static size_t hide(size_t n)
{
    volatile size_t hidden = n;
    return hidden;
}

/* Whether an allocation failed, as the allocator has it and not as the compiler knows it must be. */
__attribute__((unused)) static int is_null(void *p)
{
    void *volatile hidden = p;
    return hidden == NULL;
}

/* Bytes that depend on the block and the place, so that a wrong block or a shifted one is seen. */
static inline unsigned char pattern(uint64_t key, size_t i)
{
    return (unsigned char)((key * 0x9e3779b97f4a7c15u >> 56) + i * 31 + (i >> 12));
}

/* Every page's first and last byte, and the block's ends, are enough to see a wrong mapping. */
__attribute__((unused)) static void fill(void *block, size_t bytes, uint64_t key)
{
    unsigned char *p = (unsigned char *)block;
    for (size_t i = 0; i < bytes; i += 4096) {
        p[i] = pattern(key, i);
        if (i > 0)
            p[i - 1] = pattern(key, i - 1);
    }
    if (bytes > 0)
        p[bytes - 1] = pattern(key, bytes - 1);
}

/* Checks what fill() wrote, in the first `bytes` of a block that was filled with `filled`. */
__attribute__((unused)) static int holds(const void *block, size_t bytes, size_t filled,
                                         uint64_t key)
{
    const unsigned char *p = (const unsigned char *)block;
    for (size_t i = 0; i < bytes; i += 4096) {
        if (p[i] != pattern(key, i))
            return 0;
        if (i > 0 && p[i - 1] != pattern(key, i - 1))
            return 0;
    }
    return bytes == 0 || bytes < filled || p[bytes - 1] == pattern(key, bytes - 1);
}

__attribute__((unused)) static int zero(const void *block, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)block;
    return bytes == 0 || (p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0);
}

static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
