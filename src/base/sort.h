/*
 * Sorting in place: no recursion, no memory, n log n on any input. qsort may call malloc.
 */
#ifndef HAK_BASE_SORT_H
#define HAK_BASE_SORT_H

#include <stdbool.h>
#include <stddef.h>

/* n elements of `bytes` each; of equal ones either may come first. */
void sort_in_place(void *elements, size_t n, size_t bytes,
                   bool (*is_before)(const void *a, const void *b));

#endif
