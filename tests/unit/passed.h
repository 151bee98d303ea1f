/*
 * Blocks that threads pass to each other.
 */
#ifndef HAK_TESTS_PASSED_H
#define HAK_TESTS_PASSED_H

#include "slabs.h"

struct blocks {
    char **p;
    unsigned n;
    size_t bytes;
};

__attribute__((unused)) static void *take_all(void *argument)
{
    struct blocks *b = argument;
    for (unsigned i = 0; i < b->n; i++) {
        b->p[i] = get_small(b->bytes);
        stamp(b->p[i], i);
    }
    return NULL;
}

__attribute__((unused)) static void *give_all(void *argument)
{
    struct blocks *b = argument;
    for (unsigned i = 0; i < b->n; i++) {
        CHECK(is_stamped(b->p[i], heap_usable_size(b->p[i]), i));
        if (i % 2 == 0 || !remote_free_on_top(b->p[i]))
            heap_free(b->p[i]);
    }
    return NULL;
}

__attribute__((unused)) static void *take_and_give_all(void *argument)
{
    take_all(argument);
    return give_all(argument);
}

__attribute__((unused)) static const size_t sizes[] = {8, 100, 2000, 5000, 40000, 200000};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), BLOCKS = 3000 };
__attribute__((unused)) static char *block[BLOCKS];

#endif
