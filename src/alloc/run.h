/*
 * Runs: cached spans that lie side by side, with free ones before or behind them, where no single cached span is
 * large enough for a block.
 *
 * So blocks whose sizes never repeat are served from resident memory as well. Only memory is joined that the same
 * site used last, or that the timer has seen idle: other sites' spans are theirs as long as they are likely to come
 * back for them. All functions are called with the store's lock held.
 */
#ifndef HAK_ALLOC_RUN_H
#define HAK_ALLOC_RUN_H

#include "alloc/span.h"

struct run {
    struct span *first; /* the cached spans start here ... */
    unsigned count;     /* ... and are so many */
    uint32_t granules;  /* of all of them */
    bool down;          /* what they lack is free before the first, else behind the last */
};

/* The run that has most of the request cached, at least half; false: there is none. */
bool run_find(struct bigcache *cache, const struct span_request *request, uint64_t site,
              struct run *run);

/* Makes the run one span, which is in no list any more; `former`: the labels of what it was. */
struct span *run_join(struct bigcache *cache, struct batch *batch,
                      const struct span_request *request, const struct run *run,
                      struct formers *former);

#endif
