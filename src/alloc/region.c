#include "alloc/region.h"

#include <errno.h>

#include "base/bits.h"
#include "os/os.h"
#include "stats/stats.h"

static size_t page_bytes = 4096;

void region_start(size_t bytes)
{
    page_bytes = bytes;
}

/* Whole pages; a page that two neighbouring regions share is made usable by either. */
static int commit_range(struct region *r, size_t from, size_t to)
{
    uintptr_t start = align_down(r->base + from, page_bytes);
    stat_add(STAT_os_mprotect, 1);
    return os->commit((void *)start, align_up(r->base + to, page_bytes) - start);
}

/* Two threads may commit overlapping ranges: that is harmless, and the furthest end is kept. */
static void publish(struct region *r, size_t to)
{
    size_t seen = region_committed(r);
    while (seen < to && !atomic_compare_exchange_weak_explicit(
                            &r->committed, &seen, to, memory_order_acq_rel, memory_order_acquire))
        ;
}

int region_commit(struct region *r, size_t need_bytes)
{
    size_t from = region_committed(r);
    if (need_bytes <= from)
        return 0;
    if (need_bytes > r->bytes)
        return -ENOMEM;
    size_t to = align_up(need_bytes, r->step_bytes);
    if (to > r->bytes)
        to = r->bytes;
    if (commit_range(r, from, to) != 0) {
        /* The step was a convenience; what is needed may still be had. */
        to = need_bytes;
        if (commit_range(r, from, to) != 0)
            return -ENOMEM;
    }
    publish(r, to);
    return 0;
}
