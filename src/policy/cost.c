#include "policy/cost.h"

#include <string.h>

#include "base/attr.h"

enum {
    GOAL_SHIFT = 4,          /* the goals speed and memory move the price of memory by 2^4 */
    PRICE_GIB_S_US = 133000, /* holding 1 GiB for 1 s: 133 ms of CPU, as public clouds price them */
    PREDICTED_BATCH = 16,    /* spans that share one flush, for predictions */
    PREDICTED_WAIT_NS = 5000000, /* half the batch's usual deadline */
};

static const uint64_t NS_PER_MS = 1000000, NS_PER_S = 1000000000;

static uint64_t saturate(unsigned __int128 x)
{
    return x > UINT64_MAX ? UINT64_MAX : (uint64_t)x;
}

struct prices cost_prices_of(const struct policy_doc *doc, const struct calibration *otherwise)
{
    struct prices p = {.of = policy_calibration_known(&doc->calibration) ? doc->calibration
                                                                         : *otherwise,
                       .page_bytes = 4096,
                       .huge_bytes = 4096,
                       .goal = doc->goal};
    memcpy(p.away, doc->away, sizeof(p.away));
    if (policy_machine_known(&doc->machine)) {
        p.page_bytes = p.huge_bytes = doc->machine.page_bytes;
        if (doc->machine.huge_bytes != 0)
            p.huge_bytes = doc->machine.huge_bytes;
    }
    return p;
}

uint64_t cost_of_holding_ns(const struct prices *p, uint64_t bytes, uint64_t ns)
{
    /* PRICE_GIB_S_US / 10^6 ns of CPU for a GiB-nanosecond. */
    unsigned __int128 cost = (unsigned __int128)bytes * ns;
    if (p->goal == GOAL_SPEED)
        cost >>= GOAL_SHIFT;
    if (cost >> 100 != 0)
        return UINT64_MAX;
    if (p->goal == GOAL_MEMORY)
        cost <<= GOAL_SHIFT;
    return saturate((cost >> 20) * PRICE_GIB_S_US / 1000000 >> 10);
}

uint64_t cost_holding_byte_ns(const struct prices *p, uint64_t cost_ns)
{
    uint64_t gib_s = cost_of_holding_ns(p, (uint64_t)1 << 30, NS_PER_S);
    return gib_s == 0 ? UINT64_MAX
                      : saturate(((unsigned __int128)cost_ns << 30) * NS_PER_S / gib_s);
}

/* Resident pages that are not part of a whole huge page. */
static uint64_t loose_base_pages(const struct prices *p, const struct episode *e)
{
    uint64_t in_huge = (uint64_t)e->huge_full * (p->huge_bytes / p->page_bytes);
    return e->base_pages > in_huge ? e->base_pages - in_huge : 0;
}

static bool shares_huge_pages(enum arm_id arm)
{
    return arms[arm].backing == BACKING_HEAP && arms[arm].pages == PAGES_HUGE;
}

static uint64_t base_pages_in_huge(const struct prices *p)
{
    return p->huge_bytes / p->page_bytes;
}

/* A block that ends inside a huge page holds it whole; one that shares it, its share of it: alone, all of it. */
static uint64_t pages_held(const struct prices *p, enum arm_id arm, const struct episode *e)
{
    uint64_t least = 0;
    if (shares_huge_pages(arm) && e->base_pages > 0)
        least = base_pages_in_huge(p) / (e->peak > 0 ? e->peak : 1);
    else if (arms[arm].pages == PAGES_HUGE)
        least = (uint64_t)e->huge_full * base_pages_in_huge(p);
    return least > e->base_pages ? least : e->base_pages;
}

/* The base pages that such a block writes to: not those that the blocks before it left it. */
static uint64_t touched_base_pages(const struct episode *e)
{
    bool known = e->touched_pages != 0 && e->touched_pages < e->base_pages;
    return known ? e->touched_pages : e->base_pages;
}

/* Writing to pages that the kernel has mapped, or freed lazily, and nobody has written to since. */
static uint64_t first_touch_ns(const struct prices *p, enum arm_id arm, const struct episode *e)
{
    if (shares_huge_pages(arm))
        return pages_held(p, arm, e) * p->of.huge_touch / base_pages_in_huge(p);
    if (arms[arm].pages == PAGES_HUGE)
        return e->huge_full * p->of.huge_touch + loose_base_pages(p, e) * p->of.base_touch;
    return touched_base_pages(e) * p->of.base_touch;
}

/* What a block grows by is faulted in, and that is nearly always the most of it. */
static bool populates(enum arm_id arm, const struct episode *e)
{
    return arms[arm].backing == BACKING_MMAP && arms[arm].fill == FILL_PREFAULT && !e->grown;
}

/* Pages of its kind, all of the block's. */
static uint64_t populated_pages(const struct prices *p, enum arm_id arm, const struct episode *e)
{
    uint64_t page = arms[arm].pages == PAGES_BASE ? p->page_bytes : p->huge_bytes;
    return (e->bytes + page - 1) / page;
}

static uint64_t fault_ns(const struct prices *p, unsigned pages)
{
    return pages == PAGES_HUGE ? p->of.huge_fault : p->of.base_fault;
}

uint64_t cost_of_filling_ns(const struct prices *p, enum arm_id arm, const struct episode *e)
{
    const struct arm *a = &arms[arm];
    if (populates(arm, e)) {
        uint64_t each = a->pages == PAGES_BASE ? p->of.base_populate : p->of.huge_populate;
        return populated_pages(p, arm, e) * each + first_touch_ns(p, arm, e);
    }
    if (shares_huge_pages(arm))
        return pages_held(p, arm, e) * p->of.huge_fault / base_pages_in_huge(p);
    if (a->pages == PAGES_BASE)
        return touched_base_pages(e) * p->of.base_fault;
    return e->huge_full * p->of.huge_fault + loose_base_pages(p, e) * p->of.base_fault;
}

/* What faults of the pages would take that filling brings in. */
static uint64_t faults_ns(const struct prices *p, enum arm_id arm, const struct episode *e)
{
    return populates(arm, e) ? populated_pages(p, arm, e) * fault_ns(p, arms[arm].pages)
                             : cost_of_filling_ns(p, arm, e);
}

/* Filling where a fault takes so many times its price, in 1/1024: what is added to it is added to populating, too. */
static unsigned __int128 cost_of_filling_at(const struct prices *p, enum arm_id arm,
                                            const struct episode *e, uint64_t times_q10)
{
    unsigned __int128 filling = cost_of_filling_ns(p, arm, e);
    if (times_q10 <= 1024)
        return filling * times_q10 / 1024;
    return filling + (unsigned __int128)faults_ns(p, arm, e) * (times_q10 - 1024) / 1024;
}

/* Filling again what an episode under `arm` gave back, by how long it will be away. */
static unsigned __int128 cost_of_refilling_ns(const struct prices *p, enum arm_id arm,
                                              const struct episode *e)
{
    const struct arm *a = &arms[arm];
    uint32_t times_q10 =
        e->refill_q10[a->pages][a->retain == RETAIN_DROP ? REFILL_DROPPED : REFILL_KEPT];
    return cost_of_filling_at(p, arm, e, times_q10 != 0 ? times_q10 : 1024);
}

/* What caches and a host add to pages that were away, they add to either kind alike: base pages' share of what huge ones show. */
static uint32_t base_times_q10(const struct prices *p, uint64_t huge_q10)
{
    uint64_t more = huge_q10 > 1024 ? huge_q10 - 1024 : 0;
    uint64_t times = 1024 + more * p->of.huge_fault / base_pages_in_huge(p) / p->of.base_fault;
    return times < UINT32_MAX ? (uint32_t)times : UINT32_MAX; /* prices may be of any file */
}

/* How many times the calibrated price, in 1/1024, memory costs that was never used before. */
static uint64_t fresh_q10(const struct prices *p, unsigned pages)
{
    uint64_t huge = gaps_fresh_q10(&p->away[PAGES_HUGE], 1024);
    return pages == PAGES_HUGE ? huge
                               : gaps_fresh_q10(&p->away[PAGES_BASE], base_times_q10(p, huge));
}

/* The same by how long it was away. */
static void times_when_away(const struct prices *p, enum arm_pages pages,
                            uint32_t times_q10[AWAY_CLASSES])
{
    gaps_times_q10(&p->away[PAGES_HUGE], NULL, times_q10);
    if (pages == PAGES_HUGE)
        return;
    uint32_t supposed_q10[AWAY_CLASSES];
    for (unsigned i = 0; i < AWAY_CLASSES; i++)
        supposed_q10[i] = base_times_q10(p, times_q10[i]);
    gaps_times_q10(&p->away[PAGES_BASE], supposed_q10, times_q10);
}

/* Its share of the first fills of all. */
static unsigned __int128 cost_of_first_fills_ns(const struct prices *p, enum arm_id arm,
                                                const struct episode *e, uint32_t cold_q10)
{
    return cost_of_filling_at(p, arm, e, fresh_q10(p, arms[arm].pages)) * cold_q10 / 1024;
}

/* What was given back is; what lives on is charged for its own pages. What is retained when the process ends is not. */
static bool is_filled_again(const struct episode *e)
{
    return e->given_back || e->lives;
}

static uint32_t pages_of(const struct prices *p, const struct episode *e)
{
    return (uint32_t)((e->bytes + p->page_bytes - 1) / p->page_bytes);
}

/* Writing zeros to what is resident of a block: as the kernel does it in a huge page, else as pages are copied. */
static uint64_t clearing_ns(const struct prices *p, enum arm_id arm, const struct episode *e)
{
    uint64_t pages = pages_held(p, arm, e), own = pages_of(p, e);
    pages = pages < own ? pages : own;
    return p->huge_bytes > p->page_bytes ? pages * p->of.huge_fault / base_pages_in_huge(p)
                                         : pages * p->of.copy / (GRANULE_BYTES / p->page_bytes);
}

/* Base pages beyond its own that the next block would touch, of one that began cold and is kept for it. */
static uint64_t next_growth_pages(const struct prices *p, enum arm_id arm, const struct episode *e)
{
    bool huge = arms[arm].pages == PAGES_HUGE;
    uint64_t page = huge ? p->huge_bytes : p->page_bytes;
    uint64_t pages = (e->bytes + page - 1) / page;
    uint64_t own = huge ? e->huge_full : e->base_pages;
    if (arms[arm].backing != BACKING_MMAP || populates(arm, e) || is_filled_again(e) ||
        own >= pages)
        return 0;
    uint64_t touched = huge ? own : touched_base_pages(e);
    uint64_t grows = touched * (pages - own) / pages * e->scatter_q10 / 1024;
    return huge ? grows * base_pages_in_huge(p) : grows;
}

/* Pages that the block touched beyond those it was given: the next one is given them, but touches others again. They were never
 * used before, where what is dropped comes back. */
static unsigned __int128 cost_of_growth_ns(const struct prices *p, enum arm_id arm,
                                           const struct episode *e)
{
    uint64_t pages = e->cold ? next_growth_pages(p, arm, e) : e->grew_pages;
    unsigned __int128 faults = arms[arm].pages == PAGES_BASE
                                   ? pages * p->of.base_fault
                                   : pages * p->of.huge_fault / base_pages_in_huge(p);
    return faults * fresh_q10(p, arms[arm].pages) / 1024;
}

/* The next block gets what one leaves that began cold, and clears of it what that one had not to. */
static uint64_t next_clearing_ns(const struct prices *p, enum arm_id arm, const struct episode *e)
{
    return e->cold && e->zeroed && !is_filled_again(e) ? clearing_ns(p, arm, e) : 0;
}

/* What was given back lazily before the next block got it, is written to anew. */
static uint64_t given_back_ns(const struct prices *p, enum arm_id arm, const struct episode *e)
{
    bool lazily = arms[arm].retain == RETAIN_LAZY && e->reused && e->give_back_ns != 0;
    return e->give_back_ns + (lazily ? first_touch_ns(p, arm, e) : 0);
}

uint64_t cost_of_episode_ns(const struct prices *p, enum arm_id arm, const struct episode *e,
                            uint32_t cold_q10)
{
    uint64_t resident = pages_held(p, arm, e) * p->page_bytes;
    unsigned __int128 cost = e->malloc_ns;

    cost += e->free_ns;
    cost += given_back_ns(p, arm, e);
    cost += cost_of_holding_ns(p, resident, e->live_ns);
    cost += cost_of_holding_ns(p, resident, e->idle_ns);
    cost += is_filled_again(e) ? cost_of_refilling_ns(p, arm, e)
                               : cost_of_first_fills_ns(p, arm, e, cold_q10);
    cost += cost_of_growth_ns(p, arm, e);
    cost += next_clearing_ns(p, arm, e);
    return saturate(cost);
}

/* The idle time at which holding a page has cost what it costs at the calibrated prices to give it back and fault it in again. */
static uint64_t once_ns(const struct prices *p, enum arm_pages pages)
{
    uint64_t bytes = pages == PAGES_HUGE ? p->huge_bytes : p->page_bytes;
    uint64_t again = pages == PAGES_HUGE ? p->of.huge_fault + p->of.huge_drop
                                         : p->of.base_fault + p->of.base_drop;
    return cost_holding_byte_ns(p, again) / bytes;
}

uint64_t cost_break_even_ns(const struct prices *p, enum arm_pages pages)
{
    uint32_t times_q10[AWAY_CLASSES];
    times_when_away(p, pages, times_q10);
    return gaps_break_even_ns(times_q10, once_ns(p, pages));
}

uint32_t cost_keep_ms(const struct prices *p, const struct policy_band *band, enum arm_pages pages)
{
    /* Gaps are those of measured blocks, of which there may be a sample only. */
    const struct policy_seen *seen = &band->seen;
    uint64_t blocks = seen->episodes + band->unmeasured;
    uint64_t never =
        blocks != 0 ? saturate((unsigned __int128)seen->cold * seen->episodes / blocks) : 0;
    uint32_t times_q10[AWAY_CLASSES];
    times_when_away(p, pages, times_q10);
    return gaps_keep_ms(band->gaps, times_q10, never, once_ns(p, pages));
}

void cost_note_refill(const struct prices *p, const struct policy_band *band,
                      const uint16_t keep_ms[2], uint32_t refill_q10[2][2])
{
    for (int pages = PAGES_BASE; pages <= PAGES_HUGE; pages++) {
        uint32_t times_q10[AWAY_CLASSES];
        times_when_away(p, (enum arm_pages)pages, times_q10);
        uint64_t kept_ns = keep_ms[pages] != 0
                               ? keep_ms[pages] * NS_PER_MS
                               : gaps_break_even_ns(times_q10, once_ns(p, (enum arm_pages)pages));
        refill_q10[pages][REFILL_DROPPED] = gaps_refill_q10(band->gaps, times_q10, 0);
        refill_q10[pages][REFILL_KEPT] = gaps_refill_q10(band->gaps, times_q10, kept_ns);
    }
}

void cost_note_fault(struct prices *p, enum arm_id arm, unsigned gap_class, uint64_t took_ns)
{
    const struct arm *a = &arms[arm];
    uint64_t fault = fault_ns(p, a->pages);
    uint64_t price = a->pages == PAGES_HUGE ? p->of.huge_populate + p->of.huge_touch
                                            : p->of.base_populate + p->of.base_touch;
    /* It was written to, too (alloc/fill.c): what a fault would have taken. */
    if (a->fill == FILL_PREFAULT)
        took_ns = took_ns + fault > price ? took_ns + fault - price : 0;
    gaps_note_fault(&p->away[a->pages], gap_class, took_ns, fault);
}

bool cost_copying_pays(const struct prices *p, enum arm_pages pages, size_t copied_bytes,
                       size_t filled_bytes)
{
    uint64_t page = pages == PAGES_HUGE ? p->huge_bytes : p->page_bytes;
    uint64_t fault = pages == PAGES_HUGE ? p->of.huge_fault : p->of.base_fault;
    unsigned __int128 copying = (unsigned __int128)copied_bytes * p->of.copy / GRANULE_BYTES;
    return copying < (unsigned __int128)filled_bytes * fault / page;
}

/* The episode with what would have been resident: of the other kind of pages, and where all of them are populated. */
static struct episode on_pages(const struct prices *p, const struct episode *e, enum arm_id played,
                               enum arm_id arm)
{
    struct episode other = *e;
    enum arm_pages from = (enum arm_pages)arms[played].pages;
    enum arm_pages to = (enum arm_pages)arms[arm].pages;
    if (shares_huge_pages(arm) && from == PAGES_BASE && e->base_pages > 0)
        other.base_pages = pages_of(p, e);
    else if (to == PAGES_BASE && populates(arm, e))
        other.base_pages = pages_of(p, e);
    else if (to == PAGES_BASE && from == PAGES_HUGE && e->touched_pages != 0)
        other.base_pages = e->touched_pages;
    else if (to == PAGES_HUGE && from == PAGES_BASE) {
        other.huge_full = e->huge_touched;
        other.base_pages = e->huge_touched * (uint32_t)(p->huge_bytes / p->page_bytes);
    }
    return other;
}

static uint64_t giving_back_ns(const struct prices *p, enum arm_id arm, const struct episode *e,
                               bool lazily)
{
    const struct calibration *of = &p->of;
    uint64_t base = lazily ? of->base_lazy : of->base_drop;
    uint64_t huge = lazily ? of->huge_lazy : of->huge_drop;
    uint64_t call = of->advise_call / PREDICTED_BATCH;
    if (shares_huge_pages(arm))
        return call + pages_held(p, arm, e) * huge / base_pages_in_huge(p);
    if (arms[arm].pages == PAGES_BASE)
        return call + e->base_pages * base;
    return call + e->huge_full * huge + loose_base_pages(p, e) * base;
}

/* The time in malloc, with as much to clear as there would have been. Where it began cold there was nothing, and what the next
 * block has to clear is charged apart. */
static uint64_t malloc_ns_under(const struct prices *p, enum arm_id played, const struct episode *e,
                                enum arm_id arm, const struct episode *other)
{
    if (!e->zeroed || e->cold)
        return e->malloc_ns;
    uint64_t was_ns = clearing_ns(p, played, e);
    uint64_t without_ns = e->malloc_ns > was_ns ? e->malloc_ns - was_ns : 0;
    return without_ns + (other->given_back ? 0 : clearing_ns(p, arm, other));
}

static struct episode under_arm(const struct prices *p, enum arm_id played, const struct episode *e,
                                enum arm_id arm, const uint64_t break_even_ns[2])
{
    const struct arm *was = &arms[played], *is = &arms[arm];
    struct episode other = on_pages(p, e, played, arm);
    bool kept = is->retain != RETAIN_DROP;
    uint64_t break_even = break_even_ns[is->pages];

    /* A dropped block tells nothing of how soon it would have been reused: suppose it was at once. */
    bool returns = e->reused || was->retain == RETAIN_DROP || !is_filled_again(e);
    other.given_back = !kept || !returns || e->idle_ns > break_even;
    other.reused = !other.given_back;
    other.idle_ns = !kept ? PREDICTED_WAIT_NS : e->idle_ns < break_even ? e->idle_ns : break_even;
    other.malloc_ns = malloc_ns_under(p, played, e, arm, &other);
    if (!kept)
        other.grew_pages = 0; /* it begins cold, and pays for all it touches */
    other.give_back_ns = other.given_back ? giving_back_ns(p, arm, &other, false) : 0;
    if (is->retain == RETAIN_LAZY)
        other.give_back_ns += giving_back_ns(p, arm, &other, true);
    return other;
}

void cost_predict(const struct prices *p, enum arm_id played, const struct episode *e,
                  uint32_t cold_q10, uint64_t cost_ns[ARM_COUNT])
{
    uint64_t break_even_ns[2] = {cost_break_even_ns(p, PAGES_BASE),
                                 cost_break_even_ns(p, PAGES_HUGE)};
    for (int i = 0; i < ARM_COUNT; i++) {
        struct episode other = under_arm(p, played, e, (enum arm_id)i, break_even_ns);
        cost_ns[i] = cost_of_episode_ns(p, (enum arm_id)i, &other, cold_q10);
    }
}

/* Who learns writes to all that was populated (alloc/fill.c): what the block does not. */
static uint64_t touched_by_learner_ns(const struct prices *p, enum arm_id arm,
                                      const struct episode *e)
{
    struct episode all = *e;
    all.touched_pages = 0;
    return populates(arm, e) ? first_touch_ns(p, arm, &all) - first_touch_ns(p, arm, e) : 0;
}

void cost_of_entry_ns(const struct prices *p, enum arm_id played, const struct episode *e,
                      uint64_t entry_ns[ARM_COUNT])
{
    for (int i = 0; i < ARM_COUNT; i++) {
        enum arm_id arm = (enum arm_id)i;
        struct episode other = on_pages(p, e, played, arm);
        entry_ns[i] = touched_by_learner_ns(p, arm, &other);
        if (arms[i].retain != RETAIN_DROP)
            entry_ns[i] = saturate(entry_ns[i] + cost_of_first_fills_ns(p, arm, &other, 1024));
    }
}

bool cost_mean_episode(const struct prices *p, const struct policy_seen *seen, struct episode *mean)
{
    uint64_t n = seen->episodes;
    if (n == 0)
        return false;
    uint64_t pages = seen->resident_bytes / n / p->page_bytes;
    uint64_t stretches = (seen->size_bytes / n + p->huge_bytes - 1) / p->huge_bytes;
    *mean = (struct episode){.bytes = seen->size_bytes / n,
                             .live_ns = seen->live_ns / n,
                             .idle_ns = seen->idle_ns / n,
                             .base_pages = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX,
                             .huge_touched = (uint32_t)(pages < stretches ? pages : stretches),
                             .reused = seen->reused > n / 2};
    mean->given_back = !mean->reused;
    return true;
}
