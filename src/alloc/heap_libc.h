/*
 * The C library's own allocator, under names that nobody interposes: for pointers that came from it, for blocks that
 * are asked for before hakmem is started, and for what the arena has no room for.
 */
#ifndef HAK_ALLOC_HEAP_LIBC_H
#define HAK_ALLOC_HEAP_LIBC_H

#include <stdbool.h>
#include <stddef.h>

void *libc_malloc(size_t size);
void *libc_calloc(size_t count, size_t size);
void *libc_memalign(size_t align, size_t size);           /* align: a power of two */
void *libc_alloc(size_t size, size_t align, bool zeroed); /* whichever of them it takes */
void *libc_realloc(void *p, size_t size);
void libc_free(void *p);
size_t libc_usable_size(const void *p); /* 0 for NULL */
int libc_trim(size_t pad);

/* Starts it, as its first block does. Before a fork: no other thread may be in the midst of that. */
void libc_make_ready(void);

#endif
