/*
 * The giving back: spans that the store has taken out of everything are advised, without any lock, in as few
 * system calls as the kernel allows. Called by the store; the vector by calloc too.
 */
#ifndef HAK_ALLOC_FLUSH_H
#define HAK_ALLOC_FLUSH_H

#include <stdint.h>

#include "alloc/span.h"

enum { FLUSH_MAX = 128 }; /* spans advised in one call; bounds what free() needs of the stack */

struct flush {
    size_t nr_spans, nr_drop, nr_lazy; /* moved spans that are dropped are in neither vector */
    uint64_t bytes;
    uint64_t waking_ns; /* what it took that somebody was there to do it; learning only */
    struct span *span[FLUSH_MAX];
    struct iovec drop[FLUSH_MAX], lazy[FLUSH_MAX];
};

/*
 * Advises all of `v`, which it sorts and whose neighbours it joins: `count` is how many there are then. One call where the
 * kernel can do that, else one for each. 0, or the -errno of one that was refused.
 */
int flush_vector(struct iovec *v, size_t *count, enum os_advice advice);

/* Takes up to FLUSH_MAX spans from a list linked by their `batch.link`. */
void flush_collect(struct flush *f, struct list *due);

/* Advises them, and settles the episodes of those that are dropped. */
void flush_advise(struct flush *f);

#endif
