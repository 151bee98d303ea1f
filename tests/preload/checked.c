/*
 * checked WHAT BYTES: a program with a mistake that only -Dchecks=full notices, which must end in one clear line.
 *
 *   overrun  a byte written behind all that is usable
 *   under    a byte written before a block, over the end of its neighbour
 *   late     a second free, others in between
 *   after    a byte written to a freed block
 *   none     no mistake: junk in new and freed blocks, zeros of calloc, and it goes on
 */
#include "check.h"

#include <malloc.h>

enum { OTHERS = 2000 };

static void others(size_t bytes)
{
    for (int i = 0; i < OTHERS; i++)
        free(malloc(bytes));
}

static void none(size_t bytes)
{
    for (int i = 0; i < OTHERS; i++) {
        unsigned char *p = calloc(1, bytes);
        CHECK(p != NULL && zero(p, bytes));
        p = realloc(p, 2 * bytes);
        CHECK(p != NULL && zero(p, bytes));
        memset(p, 1, malloc_usable_size(p));
        free(p);
    }
    unsigned char *p = malloc(bytes);
    CHECK(p[0] == 0xA5 && p[bytes - 1] == 0xA5);
    free(p);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    check_allocator();
    char *volatile before = malloc(bytes), *volatile p = malloc(bytes);
    CHECK(before != NULL && p != NULL);
    if (strcmp(what, "overrun") == 0) {
        p[malloc_usable_size(p)] = 1;
        free(p);
    } else if (strcmp(what, "under") == 0) {
        CHECK(p - before == (ptrdiff_t)malloc_usable_size(before) + 16);
        p[-1] = 1;
        free(before);
    } else if (strcmp(what, "late") == 0) {
        free(p);
        others(bytes + 100);
        free(p);
    } else if (strcmp(what, "after") == 0) {
        free(p);
        p[bytes / 2] = 1;
        others(bytes);
    } else {
        none(bytes);
    }
    puts("it went on");
    return 0;
}
