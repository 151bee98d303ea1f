/*
 * Validators, for tests: whether everything that is said of a slab, a heap and the spans in their headers is so. The
 * first thing that is not is told on stderr.
 */
#ifndef HAK_ALLOC_VALID_H
#define HAK_ALLOC_VALID_H

#include "alloc/heap.h"

/* This thread's own slab, or one of a heap that nobody is at work in. */
bool slab_is_valid(const struct slab *s);

/* This thread's own heap, or one that nobody is at work in. */
bool heap_is_valid(struct heap *h);

/* The spans of both zones; with the store's lock held. */
bool spans_are_valid(void);

/* The same, taking the lock (alloc/store.c). */
bool store_is_valid(void);

#endif
