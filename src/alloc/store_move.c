/*
 * Moving a block's pages from one span to another. No lock is held meanwhile: both are LIVE, and nobody's but the caller's.
 */
#include "alloc/store.h"

#include <errno.h>

#include "os/os.h"
#include "stats/stats.h"

/* Spans with a mapping of their own that may live: a part of vm.max_map_count. */
enum { MOVED_MAX = 4096 };

/* Under a limit that was lowered after the start every move would take addresses away. */
static _Atomic bool moving_loses;

int store_move(struct span *from, struct span *to)
{
    if (arena.nr_moved >= MOVED_MAX || moving_loses)
        return -ENOMEM;
    stat_add(STAT_os_mremap, 1);
    stat_add(STAT_tlb_calls, 1);
    int status = os->move(span_address(from), span_address(to), span_bytes(from));
    if (status == 0) {
        span_note_moved(to, true);
        from->dirty = false;
        return 0;
    }
    to->lost = status == -ENOTRECOVERABLE;
    if (to->lost)
        moving_loses = true;
    else /* it may have been mapped anew */
        os->advise(span_address(to), span_bytes(to),
                   to->zone == ZONE_HUGE ? OS_USE_HUGE : OS_USE_BASE);
    return status;
}
