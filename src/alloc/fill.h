/*
 * The first pages of a cold span: populated at once, or left to the block's own faults, as its arm says.
 */
#ifndef HAK_ALLOC_FILL_H
#define HAK_ALLOC_FILL_H

#include "alloc/span.h"
#include "policy/policy.h"

/* The CPU time that filling a cold span took, which is a fault's price and not malloc's: all of it, and of a page. */
struct filled {
    uint64_t ns, page_ns;
};

/* 0 where nothing was timed. */
struct filled fill_cold(const struct span *s, size_t bytes, const struct decision *decision);

#endif
