#include "policy/spread.h"

#include "base/bits.h"
#include "stats/stats.h"

enum {
    SPREADS_MAX = 512,      /* cells of which the contexts are told apart */
    STEP_BYTES = 256 << 10, /* a multiple of every page size there is */
    NOTED_BETWEEN_LOOKS = 8,
    SCOUT_MAX_BYTES = 64 << 20,
};

static struct contexts *all; /* SPREADS_MAX of them; NULL: no memory */
static _Atomic unsigned nr_used;

void spread_start(void)
{
    if (all != NULL)
        return;
    all = os->map(align_up(SPREADS_MAX * sizeof(*all), STEP_BYTES));
    stat_add(STAT_os_mmap, 1);
}

static struct contexts *take_contexts(void)
{
    if (all == NULL || atomic_load_explicit(&nr_used, memory_order_relaxed) >= SPREADS_MAX)
        return NULL;
    unsigned n = atomic_fetch_add_explicit(&nr_used, 1, memory_order_relaxed);
    return n < SPREADS_MAX ? &all[n] : NULL;
}

/* Whether blocks are noted: from the second depth on, until the site is split. */
static bool is_noted(struct spread *s, const struct site *site, uint32_t depth)
{
    if (depth == 0 || site->of != NULL || atomic_load_explicit(&site->split, memory_order_relaxed))
        return false;
    if (s->contexts == NULL && s->depth != 0 && s->depth != depth)
        s->contexts = take_contexts();
    s->depth = depth;
    return s->contexts != NULL;
}

bool spread_wants_scout(struct spread *s, const struct site *site, size_t bytes, uint32_t depth,
                        arm_set playable)
{
    return bytes <= SCOUT_MAX_BYTES && (playable & ARM_BIT(SPREAD_SCOUTS_ARM)) != 0 &&
           is_noted(s, site, depth) && contexts_wants_scout(s->contexts, depth);
}

/* The episode as it would be on base pages, of which only what the block touches is resident. */
static struct episode as_touched(const struct contexts *c, uint32_t place, const struct episode *e,
                                 uint64_t pages)
{
    struct episode own = *e;
    own.base_pages = (uint32_t)contexts_touched(c, place, e->base_pages, pages);
    if (own.huge_touched > own.base_pages)
        own.huge_touched = own.base_pages;
    return own;
}

void spread_look(const struct spread *s, struct site *site, arm_set playable)
{
    if (s->contexts == NULL || atomic_load_explicit(&site->split, memory_order_relaxed) ||
        !contexts_disagree(s->contexts, playable))
        return;
    atomic_store_explicit(&site->split, true, memory_order_relaxed);
    stat_add(STAT_sites_split, 1);
}

void spread_note(struct spread *s, struct site *site, const struct prices *prices, enum arm_id arm,
                 const struct episode *e, uint32_t cold_q10, arm_set playable)
{
    if (!is_noted(s, site, e->depth))
        return;
    uint64_t pages = (e->bytes + prices->page_bytes - 1) / prices->page_bytes;
    uint64_t cost_ns[ARM_COUNT];
    uint32_t place = contexts_place(s->contexts, e->depth);
    if (place == CONTEXTS_MAX)
        return;
    if (e->cold && arms[arm].pages == PAGES_BASE)
        contexts_add_cold(s->contexts, place, e->base_pages, pages);
    unsigned stands_for = contexts_count(s->contexts, place);
    if (stands_for == 0)
        return;
    struct episode own = as_touched(s->contexts, place, e, pages);
    cost_predict(prices, arm_on_pages(arm, PAGES_BASE), &own, cold_q10, cost_ns);
    contexts_add(s->contexts, place, stands_for, cost_ns);
    if (++s->noted % NOTED_BETWEEN_LOOKS == 0)
        spread_look(s, site, playable);
}
