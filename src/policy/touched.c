#include "policy/touched.h"

enum {
    ALL_Q10 = 1024,
    BLANK_MAX = 4,   /* blocks that hold nothing but zeros, and no more are looked at */
    WHOLE_FROM = 4,  /* so many one after another, and the next are taken to be whole */
    WHOLE_EVERY = 8, /* but for one in so many */
    /* Of those that say where blocks write to: older ones count less and less. */
    BLOCKS_RECALLED = 16,
};

void touched_start(struct touched *t, bool wanted)
{
    atomic_store_explicit(&t->share_q10, 0, memory_order_relaxed);
    atomic_store_explicit(&t->wanted, wanted, memory_order_relaxed);
    atomic_store_explicit(&t->blank, 0, memory_order_relaxed);
    t->beyond_q10 = t->if_any_q10 = 0;
    for (int pages = PAGES_BASE; pages <= PAGES_HUGE; pages++)
        for (int fill = FILL_TOUCH; fill <= FILL_PREFAULT; fill++)
            atomic_store_explicit(&t->whole[pages][fill], 0, memory_order_relaxed);
}

bool touched_wants(struct touched *t)
{
    return atomic_load_explicit(&t->wanted, memory_order_relaxed) &&
           atomic_exchange_explicit(&t->wanted, false, memory_order_relaxed);
}

static _Atomic uint8_t *whole_of(struct touched *t, enum arm_id arm)
{
    return &t->whole[arms[arm].pages][arms[arm].fill];
}

/* Where threads meet here a block is counted once for two, which does no harm. */
static uint8_t count_whole(_Atomic uint8_t *whole)
{
    uint8_t n = atomic_load_explicit(whole, memory_order_relaxed);
    bool last = n == WHOLE_FROM + WHOLE_EVERY - 1;
    atomic_store_explicit(whole, last ? WHOLE_FROM : n + 1, memory_order_relaxed);
    return n;
}

bool touched_wants_look(struct touched *t, enum arm_id arm)
{
    _Atomic uint8_t *whole = whole_of(t, arm);
    return atomic_load_explicit(whole, memory_order_relaxed) < WHOLE_FROM ||
           count_whole(whole) == WHOLE_FROM;
}

void touched_note_look(struct touched *t, enum arm_id arm, bool all)
{
    _Atomic uint8_t *whole = whole_of(t, arm);
    if (!all)
        atomic_store_explicit(whole, 0, memory_order_relaxed);
    else if (atomic_load_explicit(whole, memory_order_relaxed) < WHOLE_FROM)
        count_whole(whole);
}

static uint32_t share_of(uint64_t part, uint64_t all)
{
    uint64_t share_q10 = part * ALL_Q10 / all;
    return share_q10 > ALL_Q10 ? ALL_Q10 : share_q10 > 0 ? (uint32_t)share_q10 : 1;
}

void touched_note(struct touched *t, uint32_t written, uint32_t looked_at)
{
    if (written > 0)
        atomic_store_explicit(&t->share_q10, share_of(written, looked_at), memory_order_relaxed);
    else if (atomic_fetch_add_explicit(&t->blank, 1, memory_order_relaxed) + 1 < BLANK_MAX)
        atomic_store_explicit(&t->wanted, true, memory_order_relaxed);
}

/* A block that was given pages of others. */
static void note_beyond(struct touched *t, uint32_t known_q10, uint64_t pages,
                        const struct episode *e)
{
    uint64_t given = e->base_pages - e->grew_pages, writes = pages * known_q10 / ALL_Q10;
    if (given >= pages || writes == 0)
        return;
    t->beyond_q10 += share_of(e->grew_pages, writes);
    t->if_any_q10 += share_of(pages - given, pages);
    if (t->if_any_q10 > BLOCKS_RECALLED * ALL_Q10) {
        t->beyond_q10 /= 2;
        t->if_any_q10 /= 2;
    }
}

uint32_t touched_scatter_q10(const struct touched *t)
{
    uint32_t beyond_q10 = t->beyond_q10 < t->if_any_q10 ? t->beyond_q10 : t->if_any_q10;
    return (beyond_q10 + ALL_Q10 / 2) * ALL_Q10 / (t->if_any_q10 + ALL_Q10);
}

void touched_note_episode(struct touched *t, const struct prices *prices, enum arm_id arm,
                          const struct episode *e)
{
    uint64_t pages = e->bytes / prices->page_bytes;
    uint32_t known = atomic_load_explicit(&t->share_q10, memory_order_relaxed);
    bool shows = !e->grown && arms[arm].backing == BACKING_MMAP && arms[arm].pages == PAGES_BASE &&
                 arms[arm].fill == FILL_TOUCH && pages > 0;
    if (!shows || known == 0)
        return;
    uint32_t shown = share_of(e->base_pages, pages);
    if (!e->cold)
        note_beyond(t, known, pages, e);
    else if (shown > known)
        atomic_store_explicit(&t->share_q10, shown, memory_order_relaxed);
}

uint32_t touched_pages(const struct touched *t, const struct prices *prices, size_t bytes)
{
    uint64_t share_q10 = atomic_load_explicit(&t->share_q10, memory_order_relaxed);
    return (uint32_t)((share_q10 * (bytes / prices->page_bytes) + ALL_Q10 - 1) / ALL_Q10);
}
