/*
 * Blocks used to the last byte that malloc_usable_size() grants, as redis does with its strings: realloc must
 * keep those bytes too, however it makes the block larger or smaller.
 */
#include "check.h"

#include <malloc.h>

#define MIB ((size_t)1 << 20)

/* Grows by realloc to 12 MiB in steps of `percent`, shrinks again, and fills every block to its end. */
static void grow(size_t from, unsigned percent)
{
    unsigned char *p = malloc(from);
    size_t bytes = malloc_usable_size(p);
    CHECK(p != NULL && bytes >= from);
    fill(p, bytes, percent);
    while (bytes < 12 * MIB) {
        size_t more = bytes + bytes * percent / 100 + 64;
        p = realloc(p, more);
        CHECK(p != NULL && malloc_usable_size(p) >= more);
        CHECK(holds(p, bytes, bytes, percent));
        bytes = malloc_usable_size(p);
        fill(p, bytes, percent);
    }
    for (size_t less = bytes; less > 1000; less -= less * percent / 200 + 64) {
        size_t least = less < bytes ? less : bytes;
        p = realloc(p, less);
        CHECK(p != NULL && holds(p, least, bytes, percent));
        bytes = malloc_usable_size(p);
        fill(p, bytes, percent);
    }
    free(p);
}

/* One place that asks for small and large, so that a block may get more room than it asked for. */
static void one_site(void)
{
    static const size_t sizes[] = {700012, 1048600, 700012, 2500100, 70000, 1748600, 90000, 300000};
    for (unsigned round = 0; round < 200; round++) {
        size_t from = sizes[round % 8], to = sizes[(round * 5 + round / 8) % 8];
        unsigned char *p = malloc(hide(from));
        size_t usable = malloc_usable_size(p), least;
        CHECK(p != NULL);
        fill(p, usable, round);
        p = realloc(p, to);
        least = usable < to ? usable : to;
        CHECK(p != NULL && holds(p, least, usable, round));
        fill(p, malloc_usable_size(p), round);
        free(p);
    }
}

int main(void)
{
    check_allocator();
    for (unsigned percent = 3; percent < 150; percent = percent * 2 + 1) {
        grow(1, percent);
        grow(70000, percent);
        grow(3 * MIB, percent);
    }
    one_site();
    puts("every usable byte is kept");
    return 0;
}
