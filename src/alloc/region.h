/*
 * A reserved range of address space that is made usable from its start on, as far as it is needed.
 *
 * Nothing is charged or resident before it is used, and the whole stays two mappings (what is usable, what
 * is not yet) however far it grows.
 */
#ifndef HAK_ALLOC_REGION_H
#define HAK_ALLOC_REGION_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct region {
    uintptr_t base;
    size_t bytes;             /* reserved */
    size_t step_bytes;        /* made usable at once, where it can be had */
    _Atomic size_t committed; /* usable; only ever grows */
};

/* The size of a page, by which access is given; before any region is used. */
void region_start(size_t page_bytes);

/* Makes [base, base + need) usable. 0, or -ENOMEM. Any thread, no lock held: it is a system call. */
int region_commit(struct region *r, size_t need_bytes);

static inline size_t region_committed(struct region *r)
{
    return atomic_load_explicit(&r->committed, memory_order_acquire);
}

#endif
