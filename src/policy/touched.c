#include "policy/touched.h"

enum { ALL_Q10 = 1024 };

void touched_start(struct touched *t, bool wanted)
{
    atomic_store_explicit(&t->share_q10, 0, memory_order_relaxed);
    atomic_store_explicit(&t->wanted, wanted, memory_order_relaxed);
}

bool touched_wants(struct touched *t)
{
    return atomic_load_explicit(&t->wanted, memory_order_relaxed) &&
           atomic_exchange_explicit(&t->wanted, false, memory_order_relaxed);
}

static uint32_t share_of(uint64_t part, uint64_t all)
{
    uint64_t share_q10 = part * ALL_Q10 / all;
    return share_q10 > ALL_Q10 ? ALL_Q10 : share_q10 > 0 ? (uint32_t)share_q10 : 1;
}

void touched_note(struct touched *t, uint32_t written, uint32_t looked_at)
{
    atomic_store_explicit(&t->share_q10, share_of(written, looked_at), memory_order_relaxed);
}

void touched_note_episode(struct touched *t, const struct prices *prices, enum arm_id arm,
                          const struct episode *e)
{
    uint64_t pages = e->bytes / prices->page_bytes;
    uint32_t known = atomic_load_explicit(&t->share_q10, memory_order_relaxed);
    bool shows = e->cold && !e->grown && arms[arm].pages == PAGES_BASE &&
                 arms[arm].fill == FILL_TOUCH && pages > 0;
    if (!shows || known == 0)
        return;
    uint32_t shown = share_of(e->base_pages, pages);
    if (shown > known)
        atomic_store_explicit(&t->share_q10, shown, memory_order_relaxed);
}

uint32_t touched_pages(const struct touched *t, const struct prices *prices, size_t bytes)
{
    uint64_t share_q10 = atomic_load_explicit(&t->share_q10, memory_order_relaxed);
    return (uint32_t)((share_q10 * (bytes / prices->page_bytes) + ALL_Q10 - 1) / ALL_Q10);
}
