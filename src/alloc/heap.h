/*
 * The seam to the heap: blocks carved from memory that other blocks share. Everything under the floor, and
 * the `heap` backing of the arms.
 *
 * Contracts are those of the C library's functions, errno included. A foreign pointer (from the C library
 * before hakmem was there, say) is the heap's to free.
 */
#ifndef HAK_ALLOC_HEAP_H
#define HAK_ALLOC_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "alloc/label.h"

void *heap_malloc(size_t size);
void *heap_calloc(size_t count, size_t size);
void *heap_memalign(size_t align, size_t size); /* align: a power of two */
void *heap_realloc(void *p, size_t size);
void heap_free(void *p);
size_t heap_usable_size(const void *p); /* 0 for NULL */
int heap_trim(size_t pad);

/*
 * Labels of heap blocks, in a table of a fixed size, for learning processes only. A block that finds no room
 * goes without: nothing is learned from it.
 */
void heap_labels_start(void);
void heap_label(const void *p, const struct label *label);
bool heap_unlabel(const void *p, struct label *label); /* false: it has none */

/* The labels of freed blocks wait for the next block of their cell to reuse the memory. */
void heap_label_wait(const struct label *label);
bool heap_label_next(const struct policy_cell *cell, struct label *label);

void heap_fork_prepare(void);
void heap_fork_done(void);

#endif
