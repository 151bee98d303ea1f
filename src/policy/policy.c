#include "policy/policy.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/lock.h"
#include "config/config.h"
#include "default_policy.h"
#include "policy/abilities.h"
#include "policy/cell.h"
#include "policy/cost.h"
#include "policy/doc.h"
#include "policy/pool.h"
#include "policy/prior.h"
#include "policy/rebuilt.h"
#include "stats/stats.h"

/* 64 KiB base pages have 512 MiB huge ones: too coarse for a block */
enum { HUGE_BYTES_MAX = 32 << 20 };

/*
 * The policy in force. Constant after the start but for what is atomic, which policy_load() changes.
 */
static struct {
    _Atomic bool looks_up; /* blocks are told apart by site */
    bool learns;
    _Atomic(struct policy_doc *) doc; /* what was loaded; NULL: nothing */
    _Atomic bool elsewhere;           /* it was learned on another machine */
    struct prices prices;
    struct policy_away saved_away[2]; /* of the prices', what the file has */
    struct policy_machine machine;
    uint64_t break_even_ns[2]; /* by enum arm_pages */
    arm_set playable[BAND_COUNT];
    uint8_t played_as[BAND_COUNT][ARM_COUNT];
    _Atomic uint8_t default_arm[BAND_COUNT];
    enum arm_id forced;
} policy;

static struct lock save_lock = LOCK_INIT(LOCK_RANK_SAVE);

/* ---- what this machine can do ---- */

/* The arm that stands for `arm` in this band; the heap where its backing is not to be had. */
static uint8_t playable_arm(unsigned index, uint8_t arm)
{
    uint8_t played = arm < ARM_COUNT ? policy.played_as[index][arm] : (uint8_t)ARM_NONE;
    return played != ARM_NONE ? played : (uint8_t)ARM_HEAP_BASE_TOUCH_KEEP;
}

/* Whether all blocks of the band can lie in slabs. Where there are no spans, the C library's heap has the larger ones. */
static bool heap_holds(unsigned band, bool have_arena)
{
    return !have_arena || ((uint64_t)2 << band) - 1 <= HEAP_MAX_BYTES;
}

static void find_arms(const struct os_machine *machine, bool have_arena)
{
    struct arm_abilities can;
    abilities_find(machine, have_arena, &can);
    size_t huge = machine->huge_bytes <= HUGE_BYTES_MAX ? machine->huge_bytes : 0;
    can.heap_huge_pages = huge != 0 && huge <= HEAP_HUGE_PAGE_BYTES;
    for (unsigned i = 0; i < BAND_COUNT; i++) {
        can.heap = heap_holds(i + BAND_FIRST, have_arena);
        /* A block smaller than half a huge page would waste most of it, or share it and could not give it back. */
        can.huge_pages = huge != 0 && (uint64_t)2 << (i + BAND_FIRST) >= huge;
        policy.playable[i] = arm_pool(&can, policy.played_as[i]);
        policy.default_arm[i] = playable_arm(i, prior_default_arm(default_arms[i], i, huge));
    }
    if (config.arm == NULL)
        return;
    policy.forced = arm_by_name(config.arm);
    if (policy.forced == ARM_NONE)
        os_say("HAKMEM_ARM=\"%.60s\": expected an arm's name such as mmap/huge/touch/keep; ignored",
               config.arm);
}

/* ---- sites ---- */

/* What the policy has of a site; NULL: nothing. */
static struct policy_site *known_site(const struct site *site)
{
    struct policy_doc *doc = policy.doc;
    uint64_t id = atomic_load_explicit(&site->known_as, memory_order_relaxed);
    return doc != NULL && id != 0 ? policy_doc_site(doc, id, false) : NULL;
}

static void recognise_site(struct site *site)
{
    rebuilt_recognise(policy.doc, site);
}

static void count_known(const struct site *site)
{
    static const enum stat_id by[KNOWN_HOWS] = {
        [KNOWN_NOT] = STAT_sites_not_known,
        [KNOWN_BY_ID] = STAT_sites_by_id,
        [KNOWN_BY_SYMBOL] = STAT_sites_by_symbol,
        [KNOWN_BY_CALL] = STAT_sites_by_call,
    };
    if (policy.doc != NULL && site->of == NULL)
        stat_add(by[atomic_load_explicit(&site->known_how, memory_order_relaxed)], 1);
}

static void fill_band(struct site *site, unsigned index, uint8_t arm, uint32_t keep_ms)
{
    atomic_store_explicit(&site->arm[index], arm, memory_order_relaxed);
    atomic_store_explicit(&site->keep_ms[index], (uint16_t)keep_ms, memory_order_relaxed);
}

/* Where contexts differ; learning, also where they were found to be worth a look, until all that are there agree. */
static bool is_to_be_split(const struct policy_site *known)
{
    bool open = !known->has_contexts || known->contexts_undecided;
    return known->split || (policy.learns && known->to_split && open);
}

/* Sets a site's arms from the policy; called with the site table's lock held. */
static void fill_site(struct site *site)
{
    const struct policy_site *known = known_site(site);
    const _Atomic uint8_t *arm = site->of != NULL ? site->of->arm : policy.default_arm;

    for (unsigned i = 0; i < BAND_COUNT; i++)
        fill_band(site, i, atomic_load_explicit(&arm[i], memory_order_relaxed), 0);
    atomic_store_explicit(&site->split, known != NULL && is_to_be_split(known),
                          memory_order_relaxed);
    for (unsigned b = 0; known != NULL && b < known->nr_bands; b++) {
        unsigned i = known->band[b]->band - BAND_FIRST;
        if (known->band[b]->champion != ARM_NONE)
            fill_band(site, i, playable_arm(i, known->band[b]->champion), known->band[b]->keep_ms);
    }
    count_known(site);
}

static const struct site_hooks hooks = {.recognise = recognise_site, .fill = fill_site};

uint64_t policy_name_site(const char *file, unsigned line)
{
    return site_add_named(file, line, &hooks);
}

static const struct policy_band *known_band(const struct site *site, unsigned band)
{
    struct policy_site *known = known_site(site);
    return known != NULL ? policy_site_band(policy.doc, known, band, false) : NULL;
}

/* `otherwise`: where there is no room to learn; or what is forced. */
static struct decision learn(struct site *site, uint32_t depth, size_t bytes,
                             struct decision otherwise)
{
    unsigned band = band_of(bytes);
    struct policy_cell *cell =
        atomic_load_explicit(&site->cell[band - BAND_FIRST], memory_order_acquire);
    if (HAK_UNLIKELY(cell == NULL))
        cell = cell_find_or_add(site, band, known_band(site, band));
    otherwise.site = site->id;
    if (cell == NULL)
        return otherwise;
    struct decision decision = {cell, site->id, ARM_NONE, 0, depth, false};
    if (cell_passes_over(cell, &decision))
        decision.cell = NULL;
    else if (policy.forced != ARM_NONE)
        cell_choose_forced(cell, otherwise.arm, &decision);
    else
        cell_choose(cell, bytes, depth, &decision);
    return decision;
}

static bool is_split(const struct site *site)
{
    return atomic_load_explicit(&site->split, memory_order_relaxed);
}

static struct decision as_decided(const struct site *site, size_t bytes)
{
    unsigned index = band_of(bytes) - BAND_FIRST;
    return (struct decision){
        .site = site->id,
        .arm = (enum arm_id)atomic_load_explicit(&site->arm[index], memory_order_relaxed),
        .keep_ms = atomic_load_explicit(&site->keep_ms[index], memory_order_relaxed)};
}

HAK_HOT static HAK_NOINLINE struct decision choose_rarely(struct caller caller, size_t bytes)
{
    unsigned index = band_of(bytes) - BAND_FIRST;
    struct decision by_default = {.arm = (enum arm_id)policy.default_arm[index]};

    if (policy.forced != ARM_NONE)
        by_default.arm = (enum arm_id)playable_arm(index, (uint8_t)policy.forced);
    if (!policy.looks_up || caller.site == 0)
        return by_default;
    struct site *site = site_find_or_add(caller.site, &hooks);
    if (site == NULL)
        return by_default;
    uint32_t depth = caller.frame != 0 ? os->depth_of(caller.frame) : 0;
    if (is_split(site) && depth != 0)
        site = site_find_or_add_context(site, depth, &hooks);
    return policy.learns ? learn(site, depth, bytes, by_default) : as_decided(site, bytes);
}

HAK_HOT struct decision policy_choose(struct caller caller, size_t bytes)
{
    if (HAK_LIKELY(atomic_load_explicit(&policy.looks_up, memory_order_relaxed) &&
                   !policy.learns)) {
        struct site *site = site_find(caller.site);
        if (HAK_LIKELY(site != NULL && !is_split(site)))
            return as_decided(site, bytes);
    }
    return choose_rarely(caller, bytes);
}

bool policy_learns(void)
{
    return policy.learns;
}

uint64_t policy_break_even_ns(enum arm_pages pages)
{
    return policy.learns ? cost_break_even_ns(&policy.prices, pages) : policy.break_even_ns[pages];
}

uint64_t policy_holding_byte_ns(uint64_t cost_ns)
{
    return cost_holding_byte_ns(&policy.prices, cost_ns);
}

bool policy_copying_pays(enum arm_pages pages, size_t copied_bytes, size_t filled_bytes)
{
    return cost_copying_pays(&policy.prices, pages, copied_bytes, filled_bytes);
}

/* ---- start ---- */

static void name_machine(const struct os_machine *machine)
{
    struct os_names names;
    os->names(&names);
    memcpy(policy.machine.cpu, names.cpu, sizeof(policy.machine.cpu));
    memcpy(policy.machine.kernel, names.kernel, sizeof(policy.machine.kernel));
    memcpy(policy.machine.thp, machine->thp, sizeof(policy.machine.thp));
    policy.machine.page_bytes = machine->page_bytes;
    policy.machine.huge_bytes = machine->huge_bytes;
}

static bool is_calibrated(const struct policy_doc *doc)
{
    return doc != NULL && doc->calibration.base_fault != 0;
}

static bool is_this_machine(const struct policy_machine *m)
{
    return strcmp(m->cpu, policy.machine.cpu) == 0 &&
           strcmp(m->kernel, policy.machine.kernel) == 0 &&
           strcmp(m->thp, policy.machine.thp) == 0 && m->page_bytes == policy.machine.page_bytes;
}

static bool is_elsewhere(const struct policy_doc *doc)
{
    return doc != NULL && policy_machine_known(&doc->machine) && !is_this_machine(&doc->machine);
}

/* The policy's costs are of its goal. Whoever asked for another is told, and whoever adds to them. */
static enum policy_goal goal_of(const struct policy_doc *doc)
{
    if (doc == NULL || doc->nr_sites == 0 || doc->goal == (enum policy_goal)config.goal)
        return (enum policy_goal)config.goal;
    if (policy.learns || os->getenv("HAKMEM_GOAL") != NULL)
        os_say("HAKMEM_GOAL: expected %s, for which %s was learned; going on with that",
               policy_goal_names[doc->goal], config.policy);
    return doc->goal;
}

/* Prices come from the policy; a learning process takes its own where the policy's are another machine's. */
static void set_prices(const struct os_machine *machine)
{
    struct prices *p = &policy.prices;
    const struct policy_doc *doc = policy.doc;
    p->page_bytes = machine->page_bytes;
    p->huge_bytes = machine->huge_bytes != 0 ? machine->huge_bytes : machine->page_bytes;
    p->goal = goal_of(doc);
    p->of = default_calibration;
    if (is_calibrated(doc)) {
        p->of = doc->calibration;
        memcpy(p->away, doc->away, sizeof(p->away));
    }
    if (!policy.learns)
        return;
    name_machine(machine);
    policy.elsewhere = is_elsewhere(doc);
    bool as_before = is_calibrated(doc) && is_this_machine(&doc->machine);
    if (!as_before) {
        memset(p->away, 0, sizeof(p->away));
        calibrate(&p->of, machine);
    }
    memcpy(policy.saved_away, p->away, sizeof(p->away));
}

static void set_break_even(void)
{
    policy.break_even_ns[PAGES_BASE] = cost_break_even_ns(&policy.prices, PAGES_BASE);
    policy.break_even_ns[PAGES_HUGE] = cost_break_even_ns(&policy.prices, PAGES_HUGE);
}

/* The named policy, or NULL: none is named, or it is refused and the line that says why is printed. */
static struct policy_doc *read_policy(const char *path, bool missing_ok)
{
    struct policy_error error;
    struct policy_doc *doc = policy_file_read(path, missing_ok, &error);
    if (doc != NULL) {
        policy_doc_mark_split(doc);
        rebuilt_index(doc, path);
        return doc;
    }
    stat_add(STAT_policy_failures, 1);
    os_say("%s", error.text);
    return NULL;
}

static void start_learning(void)
{
    struct cell_context context = {.prices = &policy.prices,
                                   .playable = policy.playable,
                                   .played_as = policy.played_as,
                                   .default_arm = policy.default_arm,
                                   .elsewhere = &policy.elsewhere,
                                   .seed = config.seed};
    policy.learns = cells_start(&context);
    if (policy.learns)
        policy_spare_keep();
}

/* Defaults by band that the policy itself brings. */
static void take_defaults(void)
{
    const struct policy_doc *doc = policy.doc;
    for (unsigned i = 0; doc != NULL && i < BAND_COUNT; i++)
        if (doc->default_arm[i] != ARM_NONE)
            policy.default_arm[i] = playable_arm(i, doc->default_arm[i]);
}

void policy_start(const struct os_machine *machine, bool have_arena)
{
    static char path[4096];
    policy.forced = ARM_NONE;
    find_arms(machine, have_arena);
    policy.learns = config.mode == MODE_LEARN;
    if (config.policy != NULL && os->absolute(config.policy, path, sizeof(path)) == 0)
        config.policy = path; /* the program may change its directory before it is saved */
    if (config.policy != NULL && config.mode != MODE_OFF)
        policy.doc = read_policy(config.policy, policy.learns);
    take_defaults();
    set_prices(machine);
    set_break_even();
    policy.looks_up =
        (policy.learns || (policy.doc != NULL && policy.forced == ARM_NONE)) && site_table_start();
    policy.learns = policy.learns && policy.looks_up;
    if (policy.learns)
        start_learning();
    if (policy.learns && config.policy == NULL)
        os_say("HAKMEM_MODE=learn: expected HAKMEM_POLICY, a file to learn into; what is learned "
               "is lost unless the program saves it");
}

/* ---- loading and saving ---- */

static void adopt(struct site *site)
{
    fill_site(site);
    for (unsigned i = 0; policy.learns && i < BAND_COUNT; i++) {
        struct policy_cell *cell = atomic_load_explicit(&site->cell[i], memory_order_acquire);
        if (cell != NULL)
            cell_reset(cell, known_band(site, i + BAND_FIRST));
    }
}

int policy_load(const char *path)
{
    struct policy_doc *doc = read_policy(path, false);
    if (doc == NULL)
        return -errno;
    if (policy.forced != ARM_NONE ||
        (!policy.looks_up && site_slots == NULL && !site_table_start())) {
        policy_doc_free(doc);
        return policy.forced != ARM_NONE ? -EPERM : -ENOMEM;
    }
    lock_acquire(&save_lock);
    /* The former document stays mapped: a thread may be reading it to make a site. Sites that are made from here on
     * are made of the new one. */
    policy.doc = doc;
    policy.elsewhere = policy.learns && is_elsewhere(doc);
    unsigned sites = site_count();
    for (unsigned i = 0; i < sites; i++)
        recognise_site(site_at(i));
    site_fork_prepare();
    take_defaults();
    for (unsigned i = 0; i < site_count(); i++)
        adopt(site_at(i));
    policy.looks_up = true;
    site_fork_done();
    lock_release(&save_lock);
    return 0;
}

bool policy_has_unsaved(void)
{
    return policy.learns && cells_have_unsaved();
}

/* What was learned of faults since it was saved; now it is, or `taken` is not. */
static void collect_away(struct policy_away out[2])
{
    for (int pages = PAGES_BASE; pages <= PAGES_HUGE; pages++)
        gaps_away_since(&policy.prices.away[pages], &policy.saved_away[pages], &out[pages]);
}

static void away_is_saved(const struct policy_away taken[2])
{
    for (int pages = PAGES_BASE; pages <= PAGES_HUGE; pages++)
        gaps_away_add(&policy.saved_away[pages], &taken[pages]);
}

static int save_into(const char *path, struct policy_doc *delta, struct policy_error *error)
{
    delta->machine = policy.machine;
    delta->calibration = policy.prices.of;
    collect_away(delta->away);
    delta->goal = policy.prices.goal;
    int status = cells_collect(delta);
    if (status == 0)
        status = policy_file_merge(path, delta, error);
    cells_collected(status == 0 ? delta : NULL);
    if (status == 0)
        away_is_saved(delta->away);
    return status;
}

int policy_save(const char *path)
{
    struct policy_error error = {"no memory for a copy of what was learned"};
    if (path == NULL)
        path = config.policy;
    if (!policy.learns || path == NULL)
        return policy.learns ? -EINVAL : -EPERM;

    lock_acquire(&save_lock);
    policy_spare_use();
    struct policy_doc *delta = policy_doc_new();
    int status = delta != NULL ? save_into(path, delta, &error) : -ENOMEM;
    policy_doc_free(delta);
    policy_spare_keep();
    lock_release(&save_lock);

    stat_add(status == 0 ? STAT_policy_saves : STAT_policy_failures, 1);
    if (status != 0 || error.text[0] != '\0') /* a file that was no policy, and where it is kept */
        os_say("%s", error.text);
    return status;
}

/* ---- fork ---- */

void policy_fork_prepare_save(void)
{
    lock_acquire(&save_lock);
}

void policy_fork_done_save(void)
{
    lock_release(&save_lock);
}

void policy_fork_prepare(void)
{
    site_fork_prepare();
    cells_fork_prepare();
}

void policy_fork_parent(void)
{
    cells_fork_done();
    site_fork_done();
}

/* The parent will save what was learned up to now; the child saves what it learns from here on. */
void policy_fork_child(void)
{
    if (policy.learns) {
        struct policy_away parents[2];
        cells_mark_saved();
        collect_away(parents);
        away_is_saved(parents);
    }
    policy_fork_parent();
}
