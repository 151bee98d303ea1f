/*
 * For tests of the heap: what lies in slabs, as the arena's own books have it.
 */
#ifndef HAK_TESTS_SLABS_H
#define HAK_TESTS_SLABS_H

#include "blocks.h"

#include <pthread.h>

#include "alloc/heaps.h"
#include "alloc/remote.h"

static const char HEAP_ARM[] = "heap/base/touch/keep";

/* Spans that some heap has, spare ones too. No other thread is at work. */
__attribute__((unused)) static unsigned slab_spans(void)
{
    const struct span *s = (const struct span *)arena.spans.base;
    unsigned n = 0;
    for (uint32_t i = 1; i < arena.nr_spans; i++)
        n += s[i].state == SPAN_SLAB;
    return n;
}

/* Granules of which the map says that they are in a slab. */
__attribute__((unused)) static size_t slab_granules(void)
{
    size_t n = 0;
    for (size_t offset = 0; offset < arena.bytes; offset += GRANULE_BYTES)
        n += heap_has((const void *)(arena.base + offset));
    return n;
}

__attribute__((unused)) static struct heap *owner_of_block(const void *p)
{
    return place_heap(slab_place(p));
}

/* Nobody holds a block any more: after heap_trim() no heap has a slab. */
__attribute__((unused)) static void check_nothing_is_left_in_slabs(void)
{
    heap_trim();
    CHECK(slab_spans() == 0 && slab_granules() == 0);
}

__attribute__((unused)) static char *get_small(size_t bytes)
{
    char *p = heap_malloc(bytes);
    CHECK(p != NULL && heap_has(p));
    return p;
}

/* Blocks that say which one they are in every byte they may use. */
__attribute__((unused)) static void stamp(char *p, unsigned key)
{
    memset(p, (int)(key % 251), heap_usable_size(p));
    if (heap_usable_size(p) >= sizeof(key))
        memcpy(p, &key, sizeof(key));
}

__attribute__((unused)) static bool is_stamped(const char *p, size_t bytes, unsigned key)
{
    if (bytes >= sizeof(key) && memcmp(p, &key, sizeof(key)) != 0)
        return false;
    for (size_t i = sizeof(key); i < bytes; i++)
        if ((unsigned char)p[i] != key % 251)
            return false;
    return true;
}

/* A thread's life from its first line to after its last destructor. */
__attribute__((unused)) static void in_a_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    void *result;
    CHECK(pthread_create(&thread, NULL, body, argument) == 0);
    CHECK(pthread_join(thread, &result) == 0);
}

#endif
