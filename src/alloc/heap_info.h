/*
 * What the heap holds, counted by going through its slabs: nothing is counted on the way of a block.
 *
 * Slabs of other threads are read while these are at work, so their figures are of about now; blocks in other threads'
 * fast lists, at most a page or a slab of each class, count as handed out. In a program with one thread all is exact.
 */
#ifndef HAK_ALLOC_HEAP_INFO_H
#define HAK_ALLOC_HEAP_INFO_H

#include "alloc/heap.h"

struct heap_class_info {
    size_t slabs;
    size_t slab_bytes; /* of address space */
    size_t used;       /* blocks handed out */
    size_t free;       /* blocks that were used before */
};

struct heap_info {
    struct heap_class_info class[CLASS_COUNT]; /* by size, of all kinds */
    size_t slabs, slab_bytes;
    size_t used, used_bytes; /* blocks handed out, by the sizes of their classes */
    size_t free, free_bytes; /* blocks that were used before */
};

void heap_info_read(struct heap_info *info);

#endif
