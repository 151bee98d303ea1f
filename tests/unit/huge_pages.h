/*
 * Huge pages where they are asked for, as far as looks at what is resident go: whether this kernel gives any or not.
 */
#ifndef HAK_TESTS_HUGE_PAGES_H
#define HAK_TESTS_HUGE_PAGES_H

#include <string.h>

#include "alloc/span.h"
#include "fake_os.h"

static const struct os *residency_is;

static int resident_by_huge_pages(const void *p, size_t bytes, unsigned char *vec)
{
    enum { PAGES = 512 };
    int status = residency_is->residency(p, bytes, vec);
    if ((uintptr_t)p < arena.zone[ZONE_HUGE].memory.base || status != 0)
        return status;
    for (size_t i = 0, n; i < bytes / 4096; i += n) {
        n = bytes / 4096 - i < PAGES ? bytes / 4096 - i : PAGES;
        memset(vec + i, memchr(vec + i, 1, n) != NULL, n);
    }
    return 0;
}

static inline void huge_pages_are_given(void)
{
    static struct os with_huge_pages;
    residency_is = os;
    with_huge_pages = *os;
    with_huge_pages.residency = resident_by_huge_pages;
    os = &with_huge_pages;
}

#endif
