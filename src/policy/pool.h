/*
 * Memory of one policy document: pieces are carved from mapped chunks and all go at once.
 *
 * Documents are read and written inside malloc, so their memory cannot come from it. Nothing is freed
 * alone; a document lives for one load or one save. The caller serialises access.
 */
#ifndef HAK_POLICY_POOL_H
#define HAK_POLICY_POOL_H

#include <stddef.h>

struct policy_pool;

/* An empty pool; NULL + errno. */
struct policy_pool *policy_pool_new(void);
void policy_pool_free(struct policy_pool *pool); /* NULL is allowed */

/* Zeroed bytes, aligned to 16; NULL + errno. */
void *policy_pool_alloc(struct policy_pool *pool, size_t bytes);

/* Scratch memory that is released alone: whole mappings. NULL + errno. */
void *policy_scratch_map(size_t bytes);
void policy_scratch_release(void *p, size_t bytes); /* NULL is allowed */

/*
 * Some memory is kept aside for saving, untouched, and let go just before: a program that has used up what its limits allow
 * would else lose what was learned of it. The caller serialises.
 */
void policy_spare_keep(void);
void policy_spare_use(void);

#endif
