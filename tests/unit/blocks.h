/*
 * For tests that allocate under one arm: blocks with a pattern in them.
 */
#ifndef HAK_TESTS_BLOCKS_H
#define HAK_TESTS_BLOCKS_H

#include "isolated.h"

#include <errno.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/store.h"
#include "fake_os.h"
#include "stats/stats.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

/* fake_start() comes first. */
__attribute__((unused)) static void start(const char *arm)
{
    fake_set("HAKMEM_ARM", arm);
    CHECK(start_now());
    fake_forget();
}

__attribute__((unused)) static char *get(size_t bytes)
{
    char *p = hak_alloc_at_site(bytes, 1, NO_CALLER);
    CHECK(p != NULL);
    return p;
}

__attribute__((unused)) static char *resize(char *p, size_t bytes)
{
    char *q = hak_realloc_at_site(p, bytes, NO_CALLER);
    CHECK(q != NULL);
    return q;
}

__attribute__((unused)) static void fill(char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 512)
        p[i] = (char)(1 + i / 512 % 127);
}

__attribute__((unused)) static bool holds(const char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 512)
        if (p[i] != (char)(1 + i / 512 % 127))
            return false;
    return true;
}

/* A block is a span of its own, or in a slab, or the C library's. */
__attribute__((unused)) static bool is_a_span(const void *p)
{
    return arena_has(p) && !heap_has(p);
}

__attribute__((unused)) static bool is_the_c_librarys(const void *p)
{
    return !arena_has(p);
}

__attribute__((unused)) static enum zone_id zone_of(const void *p)
{
    return (uintptr_t)p >= arena.zone[ZONE_HUGE].memory.base ? ZONE_HUGE : ZONE_BASE;
}

#endif
