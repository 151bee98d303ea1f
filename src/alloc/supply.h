/*
 * Where a heap's fast lists have their blocks from: its slabs, those of threads that have ended, and new ones. The other
 * way round, what becomes of slabs when blocks of them are freed.
 *
 * All of it is done in the heap (heap_begin), or by who holds it (idle.h).
 */
#ifndef HAK_ALLOC_SUPPLY_H
#define HAK_ALLOC_SUPPLY_H

#include "alloc/heap.h"

/* Blocks for the class's fast list, which is empty; NULL: no memory. Sets *fresh where they were never used. */
void *supply_blocks(struct heap *h, unsigned class, bool *fresh);

/* What follows a block in a fast list; heap_no_block: nothing. */
void *supply_next(const void *p);

#endif
