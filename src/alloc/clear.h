/*
 * Zeros for calloc in memory that was used before.
 *
 * A block that was kept need not have all its pages. Writing zeros to those it lacks would fault them in, which costs
 * more than anything else an allocation does, and would hold them from then on though nobody may ever read them. So
 * what is resident is written, and what is not is given back, for it may lie in swap and hold what it held; either
 * way it reads as zeros afterwards.
 */
#ifndef HAK_ALLOC_CLEAR_H
#define HAK_ALLOC_CLEAR_H

#include <stddef.h>

/* Makes `bytes` at `p` read as zeros. Page-aligned, and the whole of the last page is free to be cleared. */
void clear_used(char *p, size_t bytes);

#endif
