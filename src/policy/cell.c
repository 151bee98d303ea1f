#include "policy/cell.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/lock.h"
#include "stats/stats.h"

enum {
    CELL_MAX = 16384,
    STEP_BYTES = 256 << 10, /* of the cells' memory: what is usable counts against limits */
    STRIPES = 16,
    COLD_PRIOR = 31,
    PRIOR_DEVIATION_Q10 = 768, /* how far the cost model may be off, in octaves: 0.75 */
};

struct policy_cell {
    struct site *site;
    uint8_t band;             /* BAND_FIRST.. */
    _Atomic uint32_t live;    /* blocks handed out now */
    uint32_t peak;            /* most at once, in this process */
    struct policy_band now;   /* what is known */
    struct policy_band saved; /* what of it the file holds */
    struct policy_band taken; /* what the last collection took */
};

static struct cell_context context;
static struct policy_cell *cells; /* CELL_MAX of them, of which usable_bytes are usable */
static size_t usable_bytes;
static _Atomic unsigned nr_cells;
static _Atomic bool unsaved;
static struct lock add_lock = LOCK_INIT(LOCK_RANK_SITES);
static struct lock stripes[STRIPES];

static struct lock *lock_of(const struct policy_cell *cell)
{
    return &stripes[(size_t)(cell - cells) % STRIPES];
}

bool cells_start(const struct cell_context *in_force)
{
    context = *in_force;
    for (int i = 0; i < STRIPES; i++)
        stripes[i] = (struct lock)LOCK_INIT(LOCK_RANK_LEARN);
    if (cells == NULL) {
        cells = os->reserve(align_up(CELL_MAX * sizeof(*cells), STEP_BYTES));
        stat_add(STAT_os_mmap, 1);
    }
    return cells != NULL;
}

/* A band as it is before anything is known, or as the file has it. */
static void start_band(struct policy_cell *cell, const struct policy_band *known)
{
    unsigned index = cell->band - BAND_FIRST;
    uint64_t seed =
        cell->site->id ^ (uint64_t)cell->band << 56 ^ context.seed * UINT64_C(0x9E3779B97F4A7C15);
    struct policy_band *band = &cell->now;

    if (known != NULL) {
        *band = *known;
    } else {
        memset(band, 0, sizeof(*band));
        band->band = cell->band;
        band->champion = ARM_NONE;
        elo_init(&band->elo, context.playable[index], seed);
    }
    memcpy(band->played_as, context.played_as[index], sizeof(band->played_as));
    elo_set_playable(&band->elo, context.playable[index], seed);
    cell->saved = *band;
    if (known == NULL)
        memset(&cell->saved.elo, 0, sizeof(cell->saved.elo));
}

/* Makes memory usable for `n` cells. */
static bool have_room(unsigned n)
{
    while (n * sizeof(*cells) > usable_bytes) {
        stat_add(STAT_os_mprotect, 1);
        if (os->commit((char *)cells + usable_bytes, STEP_BYTES) != 0)
            return false;
        usable_bytes += STEP_BYTES;
    }
    return true;
}

struct policy_cell *cell_find_or_add(struct site *site, unsigned band,
                                     const struct policy_band *known)
{
    _Atomic(struct policy_cell *) *place = &site->cell[band - BAND_FIRST];
    struct policy_cell *cell = atomic_load_explicit(place, memory_order_acquire);
    if (HAK_LIKELY(cell != NULL))
        return cell;

    lock_acquire(&add_lock);
    cell = atomic_load_explicit(place, memory_order_relaxed);
    unsigned n = atomic_load_explicit(&nr_cells, memory_order_relaxed);
    bool wanted = cell == NULL && n < CELL_MAX && context.playable[band - BAND_FIRST] != 0;
    if (wanted && have_room(n + 1)) {
        cell = &cells[n];
        cell->site = site;
        cell->band = (uint8_t)band;
        start_band(cell, known);
        atomic_store_explicit(&nr_cells, n + 1, memory_order_release);
        atomic_store_explicit(place, cell, memory_order_release);
    }
    lock_release(&add_lock);
    return cell;
}

void cell_reset(struct policy_cell *cell, const struct policy_band *known)
{
    lock_acquire(lock_of(cell));
    start_band(cell, known);
    lock_release(lock_of(cell));
}

/* Until the first block is settled the band's default is played: it shows what the site is like. */
static enum arm_id next_arm(struct policy_cell *cell)
{
    unsigned index = cell->band - BAND_FIRST;
    uint8_t by_default = context.default_arm[index];
    if (cell->now.elo.episodes == 0 && (context.playable[index] & ARM_BIT(by_default)) != 0)
        return (enum arm_id)by_default;
    return (enum arm_id)elo_pick(&cell->now.elo);
}

enum arm_id cell_choose(struct policy_cell *cell)
{
    lock_acquire(lock_of(cell));
    enum arm_id arm = next_arm(cell);
    uint32_t live = atomic_fetch_add_explicit(&cell->live, 1, memory_order_relaxed) + 1;
    if (live > cell->peak) {
        cell->now.seen.cold += live - cell->peak;
        cell->peak = live;
    }
    lock_release(lock_of(cell));
    return arm;
}

void policy_freed(struct policy_cell *cell)
{
    atomic_fetch_sub_explicit(&cell->live, 1, memory_order_relaxed);
}

/*
 * The share (of 1024) of such blocks that start on memory never used before. COLD_PRIOR blocks are supposed to
 * follow, or the first ones would look dear under whatever arm was played first.
 */
static uint32_t cold_share_q10(const struct policy_seen *seen)
{
    uint64_t share = seen->cold * 1024 / (seen->episodes + COLD_PRIOR);
    return share < 1024 ? (uint32_t)share : 1024;
}

static void add_seen(struct policy_seen *seen, const struct episode *e, const struct prices *prices)
{
    seen->episodes++;
    seen->size_bytes += e->bytes;
    seen->resident_bytes += (uint64_t)e->base_pages * prices->page_bytes;
    seen->live_ns += e->live_ns;
    seen->idle_ns += e->idle_ns;
    seen->reused += e->reused;
    seen->grown += e->grown;
    seen->remote += e->remote;
}

void policy_reward(struct policy_cell *cell, enum arm_id arm, const struct episode *measured)
{
    struct policy_band *band = &cell->now;
    const struct prices *prices = context.prices;
    struct episode copy = *measured, *e = &copy;

    lock_acquire(lock_of(cell));
    e->peak = cell->peak;
    add_seen(&band->seen, e, prices);
    uint32_t cold_q10 = cold_share_q10(&band->seen);
    uint64_t cost = cost_of_episode_ns(prices, arm, e, cold_q10);
    bool first = band->elo.episodes == 0;
    if (band->cost_sum_ns[arm] <= UINT64_MAX - cost)
        band->cost_sum_ns[arm] += cost;
    elo_report(&band->elo, (int)arm, cost);
    if (first) {
        int32_t predicted[ARM_COUNT];
        cost_predict(prices, arm, e, cold_q10, predicted);
        elo_set_prior(&band->elo, predicted, PRIOR_DEVIATION_Q10);
    }
    lock_release(lock_of(cell));
    stat_add(STAT_episodes, 1);
    atomic_store_explicit(&unsaved, true, memory_order_relaxed);
}

/* ---- saving ---- */

bool cells_have_unsaved(void)
{
    return atomic_load_explicit(&unsaved, memory_order_relaxed);
}

static void describe(struct policy_site *to, const struct site *from)
{
    to->offset = from->offset;
    site_module_name(from, to->module, sizeof(to->module));
    memcpy(to->build_id, from->build_id, sizeof(to->build_id));
    if ((from->key & SITE_NAMED) == 0)
        os->symbol_of((uintptr_t)from->key, to->symbol, sizeof(to->symbol));
}

/* What the cell learned since it was saved, as a band of its own. */
static void difference(struct policy_band *out, const struct policy_cell *cell)
{
    const struct policy_band *now = &cell->taken, *saved = &cell->saved;
    *out = *now;
    for (int i = 0; i < ARM_COUNT; i++)
        out->cost_sum_ns[i] = now->cost_sum_ns[i] - saved->cost_sum_ns[i];
#define X(name, help) out->seen.name = now->seen.name - saved->seen.name;
    POLICY_SEEN_FIELDS(X)
#undef X
    elo_delta(&out->elo, &now->elo, &saved->elo);
    int champion = elo_champion(&now->elo);
    out->champion = champion < 0 ? ARM_NONE : (uint8_t)champion;
}

static int collect_cell(struct policy_doc *doc, struct policy_cell *cell)
{
    lock_acquire(lock_of(cell));
    cell->taken = cell->now;
    lock_release(lock_of(cell));
    if (cell->taken.seen.episodes == cell->saved.seen.episodes || cell->site->id == 0)
        return 0;

    struct policy_site *site = policy_doc_site(doc, cell->site->id, true);
    struct policy_band *band = site != NULL ? policy_site_band(doc, site, cell->band, true) : NULL;
    if (band == NULL)
        return -ENOMEM;
    describe(site, cell->site);
    difference(band, cell);
    return 0;
}

int cells_collect(struct policy_doc *doc)
{
    unsigned n = atomic_load_explicit(&nr_cells, memory_order_acquire);
    atomic_store_explicit(&unsaved, false, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++) {
        int status = collect_cell(doc, &cells[i]);
        if (status != 0)
            return status;
    }
    return 0;
}

void cells_collected(bool saved)
{
    unsigned n = atomic_load_explicit(&nr_cells, memory_order_acquire);
    if (!saved) {
        atomic_store_explicit(&unsaved, true, memory_order_relaxed);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        if (cells[i].taken.band != 0)
            cells[i].saved = cells[i].taken;
}

void cells_mark_saved(void)
{
    unsigned n = atomic_load_explicit(&nr_cells, memory_order_acquire);
    for (unsigned i = 0; i < n; i++)
        cells[i].saved = cells[i].now;
    atomic_store_explicit(&unsaved, false, memory_order_relaxed);
}

void cells_fork_prepare(void)
{
    lock_acquire(&add_lock);
    for (int i = 0; i < STRIPES; i++)
        if (cells != NULL)
            lock_acquire(&stripes[i]);
}

void cells_fork_done(void)
{
    for (int i = STRIPES; i-- > 0;)
        if (cells != NULL)
            lock_release(&stripes[i]);
    lock_release(&add_lock);
}
