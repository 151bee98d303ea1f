#include "policy/cell.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/lock.h"
#include "policy/prior.h"
#include "policy/sampling.h"
#include "policy/spread.h"
#include "policy/touched.h"
#include "stats/stats.h"

enum {
    CELL_MAX = 16384,
    STEP_BYTES = 256 << 10, /* of the cells' memory: what is usable counts against limits */
    STRIPES = 16,
    DRAW_SHARE = 64, /* what is so small a part of measuring a block is not worth finding out */
    EPISODES_PER_RECKONING =
        64, /* of how long memory is worth keeping and what other arms cost to try; and at powers of two */
};

struct policy_cell {
    struct site *site;
    uint8_t band;          /* BAND_FIRST.. */
    _Atomic uint32_t live; /* blocks handed out now */
    uint32_t peak;         /* most at once, in this process */
    uint8_t first_arm;     /* played until the first block is settled */
    bool begun;            /* the first block has been chosen for */
    struct sampling sampling;
    struct touched touched;
    _Atomic uint16_t keep_ms[2]; /* by enum arm_pages */
    uint32_t refill_q10[2][2];   /* as in an episode */
    struct gaps gaps;
    struct spread spread;
    struct policy_band now;   /* what is known */
    struct policy_band saved; /* what of it the file holds */
    bool on_files_scale;      /* its ratings have the zero of those in the file */
    struct policy_band taken; /* what the last collection took; its band is 0: nothing */
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
    sampling_start();
    for (int i = 0; i < STRIPES; i++)
        stripes[i] = (struct lock)LOCK_INIT(LOCK_RANK_LEARN);
    if (cells == NULL) {
        cells = os->reserve(align_up(CELL_MAX * sizeof(*cells), STEP_BYTES));
        stat_add(STAT_os_mmap, 1);
    }
    spread_start();
    return cells != NULL;
}

/* The arm a cell begins with shows what the site is like: the band's default or its twin on huge pages; or of a context, that it is
 * like no other is known already, what of its pages it touches. */
static uint8_t arm_to_begin_with(const struct policy_cell *cell)
{
    unsigned index = cell->band - BAND_FIRST;
    bool sees = (context.playable[index] & ARM_BIT(SPREAD_SCOUTS_ARM)) != 0;
    if (cell->site->of != NULL && sees)
        return SPREAD_SCOUTS_ARM;
    return (uint8_t)prior_first_arm(context.prices, context.playable[index],
                                    (enum arm_id)context.default_arm[index],
                                    (size_t)1 << cell->band);
}

/* How long memory is worth keeping, by the gaps that were seen up to now. */
static void reckon_keep(struct policy_cell *cell)
{
    uint16_t ms[2];
    for (int pages = PAGES_BASE; pages <= PAGES_HUGE; pages++) {
        ms[pages] = (uint16_t)cost_keep_ms(context.prices, &cell->now, (enum arm_pages)pages);
        atomic_store_explicit(&cell->keep_ms[pages], ms[pages], memory_order_relaxed);
    }
    cost_note_refill(context.prices, &cell->now, ms, cell->refill_q10);
}

static uint16_t keep_ms(const struct policy_cell *cell, enum arm_id arm)
{
    return atomic_load_explicit(&cell->keep_ms[arms[arm].pages], memory_order_relaxed);
}

/* A band as it is before anything is known, or as the file has it. */
static void start_band(struct policy_cell *cell, const struct policy_band *known)
{
    unsigned index = cell->band - BAND_FIRST;
    uint64_t seed =
        cell->site->id ^ (uint64_t)cell->band << 56 ^ context.seed * UINT64_C(0x9E3779B97F4A7C15);
    struct policy_band *band = &cell->now;
    bool elsewhere = known != NULL && atomic_load_explicit(context.elsewhere, memory_order_relaxed);

    if (known != NULL) {
        *band = *known;
    } else {
        memset(band, 0, sizeof(*band));
        band->band = cell->band;
        band->champion = ARM_NONE;
        elo_init(&band->elo, context.playable[index], seed);
    }
    memcpy(band->played_as, context.played_as[index], sizeof(band->played_as));
    prior_derive_entry(context.prices, band);
    elo_set_playable(&band->elo, context.playable[index], seed);
    if (elsewhere)
        prior_derive(context.prices, band, context.playable[index], seed);
    reckon_keep(cell);
    cell->begun = false;
    touched_start(&cell->touched, band->elo.episodes == 0);
    cell->saved = *band;
    if (known == NULL || elsewhere) /* its ratings have a scale of their own */
        memset(&cell->saved.elo, 0, sizeof(cell->saved.elo));
    cell->on_files_scale = known != NULL && !elsewhere;
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
        cell->first_arm = arm_to_begin_with(cell);
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

static enum arm_id next_arm(struct policy_cell *cell)
{
    arm_set playable = context.playable[cell->band - BAND_FIRST];
    if (cell->now.elo.episodes == 0 && (playable & ARM_BIT(cell->first_arm)) != 0)
        return (enum arm_id)cell->first_arm;
    return (enum arm_id)elo_pick(&cell->now.elo);
}

static void count_block(struct policy_cell *cell)
{
    uint32_t live = atomic_fetch_add_explicit(&cell->live, 1, memory_order_relaxed) + 1;
    if (live > cell->peak) {
        cell->now.seen.cold += live - cell->peak;
        cell->peak = live;
    }
}

void cell_choose_forced(struct policy_cell *cell, enum arm_id arm, struct decision *out)
{
    lock_acquire(lock_of(cell));
    count_block(cell);
    lock_release(lock_of(cell));
    out->arm = arm;
    out->keep_ms = keep_ms(cell, arm);
}

/* Of what is decided a sample is enough. */
bool cell_passes_over(struct policy_cell *cell, struct decision *out)
{
    if (!sampling_passes_over(&cell->sampling, &out->arm))
        return false;
    out->keep_ms = keep_ms(cell, out->arm);
    return true;
}

/* Whether it is the first block of a cell that nothing is known of: where it is seen which pages it writes to. */
static bool begins(struct policy_cell *cell)
{
    bool first = !cell->begun && cell->now.elo.episodes == 0;
    cell->begun = true;
    return first;
}

void cell_choose(struct policy_cell *cell, size_t bytes, uint32_t depth, struct decision *out)
{
    lock_acquire(lock_of(cell));
    bool scout = spread_wants_scout(&cell->spread, cell->site, bytes, depth,
                                    context.playable[cell->band - BAND_FIRST]);
    out->arm = scout ? SPREAD_SCOUTS_ARM : next_arm(cell);
    out->cold = scout || begins(cell);
    out->keep_ms = keep_ms(cell, out->arm);
    count_block(cell);
    cell->now.unmeasured += sampling_plan(&cell->sampling, cell->now.elo.steady);
    lock_release(lock_of(cell));
}

void policy_freed(struct policy_cell *cell)
{
    atomic_fetch_sub_explicit(&cell->live, 1, memory_order_relaxed);
}

struct touched *policy_touched(struct policy_cell *cell)
{
    return &cell->touched;
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

static bool is_to_reckon(uint64_t episodes)
{
    return episodes % EPISODES_PER_RECKONING == 0 || (episodes & (episodes - 1)) == 0;
}

void policy_reward(struct policy_cell *cell, enum arm_id arm, const struct episode *measured)
{
    struct policy_band *band = &cell->now;
    struct prices *prices = context.prices;
    struct episode copy = *measured, *e = &copy;
    uint64_t since_ns = os->now_ns();

    lock_acquire(lock_of(cell));
    e->peak = cell->peak;
    e->malloc_ns = sampling_without_reading(e->malloc_ns);
    touched_note_episode(&cell->touched, prices, arm, e);
    e->touched_pages = touched_pages(&cell->touched, prices, e->bytes);
    e->scatter_q10 = touched_scatter_q10(&cell->touched);
    memcpy(e->refill_q10, cell->refill_q10, sizeof(e->refill_q10));
    add_seen(&band->seen, e, prices);
    uint32_t cold_q10 = prior_cold_share_q10(&band->seen);
    uint64_t cost = cost_of_episode_ns(prices, arm, e, cold_q10);
    bool first = band->elo.episodes == 0;
    if (band->cost_sum_ns[arm] <= UINT64_MAX - cost)
        band->cost_sum_ns[arm] += cost;
    elo_report(&band->elo, (int)arm, cost);
    if (band->elo.steady < 0) /* there is something to find out */
        band->unmeasured += sampling_stop(&cell->sampling);
    bool reckons = is_to_reckon(band->seen.episodes);
    if (reckons || band->elo.apart == 0)
        prior_set_entry(prices, &band->elo, arm, e);
    if (first)
        prior_set(prices, &band->elo, arm, e, cold_q10);
    if (cell->sampling.passed_over != 0) /* which of its blocks had that memory is not known */
        cell->gaps.nr_away = 0;
    int ended = gaps_note(&cell->gaps, band->gaps, e, since_ns);
    if (e->fault_ns != 0)
        cost_note_fault(prices, arm, ended >= 0 ? (unsigned)ended : AWAY_FRESH, e->fault_ns);
    if (reckons) {
        reckon_keep(cell);
        elo_set_draw(&band->elo, cell->sampling.measuring_ns / DRAW_SHARE);
    }
    spread_note(&cell->spread, cell->site, prices, arm, e, cold_q10,
                context.playable[cell->band - BAND_FIRST]);
    sampling_note_price(&cell->sampling, e->looking_ns + os->now_ns() - since_ns);
    lock_release(lock_of(cell));
    stat_add(STAT_episodes, 1);
    atomic_store_explicit(&unsaved, true, memory_order_relaxed);
}

/* ---- saving ---- */

bool cells_have_unsaved(void)
{
    return atomic_load_explicit(&unsaved, memory_order_relaxed);
}

static void describe(struct policy_site *to, struct site *from)
{
    struct site *place = from->of != NULL ? from->of : from;
    uint64_t known_as = atomic_load_explicit(&from->known_as, memory_order_relaxed);
    to->moved_from = known_as != from->id ? known_as : 0;
    to->offset = from->offset;
    site_module_name(from, to->module, sizeof(to->module));
    memcpy(to->build_id, from->build_id, sizeof(to->build_id));
    to->of = from->of != NULL ? from->of->id : 0;
    to->depth = from->depth;
    to->to_split = atomic_load_explicit(&from->split, memory_order_relaxed);
    site_look_up_symbol(place);
    memcpy(to->symbol, place->symbol.text, sizeof(to->symbol));
    to->call = place->symbol.call;
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
    for (unsigned i = 0; i < GAP_CLASSES; i++)
        out->gaps[i] = now->gaps[i] - saved->gaps[i];
    out->unmeasured = now->unmeasured - saved->unmeasured;
    elo_delta(&out->elo, &now->elo, &saved->elo);
    if (!cell->on_files_scale) /* of a parent's, which had not been saved */
        out->elo.is_delta = out->elo.replaces = 0;
    int champion = elo_champion(&now->elo);
    out->champion = champion < 0 ? ARM_NONE : (uint8_t)champion;
    out->keep_ms = champion < 0 ? 0 : keep_ms(cell, (enum arm_id)champion);
}

/* The site of a context that comes from another build must have moved before the context, or the file would have it
 * under a site that is not there. */
static int collect_moved(struct policy_doc *doc, struct site *of)
{
    uint64_t known_as = of != NULL ? atomic_load_explicit(&of->known_as, memory_order_relaxed) : 0;
    if (known_as == 0 || known_as == of->id)
        return 0;
    struct policy_site *site = policy_doc_site(doc, of->id, true);
    if (site == NULL)
        return -ENOMEM;
    describe(site, of);
    return 0;
}

static int collect_cell(struct policy_doc *doc, struct policy_cell *cell)
{
    lock_acquire(lock_of(cell));
    cell->now.unmeasured += sampling_count(&cell->sampling);
    spread_look(&cell->spread, cell->site, context.playable[cell->band - BAND_FIRST]);
    cell->taken = cell->now;
    lock_release(lock_of(cell));
    if (cell->taken.seen.episodes == cell->saved.seen.episodes || cell->site->id == 0) {
        cell->taken.band = 0; /* nothing of it is: what else was counted waits */
        return 0;
    }

    struct policy_site *site = policy_doc_site(doc, cell->site->id, true);
    struct policy_band *band = site != NULL ? policy_site_band(doc, site, cell->band, true) : NULL;
    if (band == NULL)
        return -ENOMEM;
    describe(site, cell->site);
    difference(band, cell);
    return collect_moved(doc, cell->site->of);
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

static void note_saved(struct policy_cell *cell, struct policy_doc *doc)
{
    struct policy_site *site = policy_doc_site(doc, cell->site->id, false);
    struct policy_band *band = site != NULL ? policy_site_band(doc, site, cell->band, false) : NULL;
    if (band == NULL || band->left_out)
        return;
    lock_acquire(lock_of(cell));
    elo_move(&cell->now.elo, band->moved_q20);
    elo_move(&cell->taken.elo, band->moved_q20);
    cell->saved = cell->taken;
    cell->on_files_scale = true;
    lock_release(lock_of(cell));
}

void cells_collected(struct policy_doc *saved)
{
    unsigned n = atomic_load_explicit(&nr_cells, memory_order_acquire);
    if (saved == NULL)
        atomic_store_explicit(&unsaved, true, memory_order_relaxed);
    for (unsigned i = 0; saved != NULL && i < n; i++)
        if (cells[i].taken.band != 0)
            note_saved(&cells[i], saved);
}

void cells_mark_saved(void)
{
    unsigned n = atomic_load_explicit(&nr_cells, memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        cells[i].now.unmeasured += sampling_count(&cells[i].sampling);
        cells[i].saved = cells[i].now;
    }
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
