/*
 * Episodes: what is measured of a block's life, when it is settled, and what that cost, with a fake clock and with
 * prices that come from the policy.
 */
#include "isolated.h"

#include <pthread.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/episode.h"
#include "alloc/living.h"
#include "alloc/start.h"
#include "alloc/store.h"
#include "fake_os.h"
#include "hakmem/hakmem.h"
#include "huge_pages.h"
#include "policy/cost.h"
#include "policy_directory.h"
#include "stats/stats.h"

enum { MIB = 1 << 20 };
static const uint64_t MS = 1000000;
static const char POLICY[] = "policy.json";
static const struct calibration CALIBRATION = {.base_fault = 1000,
                                               .huge_fault = 40000,
                                               .base_populate = 500,
                                               .huge_populate = 30000,
                                               .base_drop = 100,
                                               .huge_drop = 2000,
                                               .base_lazy = 90,
                                               .huge_lazy = 900,
                                               .advise_call = 400,
                                               .copy = 5000};

static const char *forced; /* HAKMEM_ARM */

/*
 * Learning, on the machine that the policy was calibrated on; the clock only moves when a case moves it. Blocks of
 * 64 KiB and more are served under `arm` until one is settled.
 */
static uint64_t start_with(enum arm_id arm)
{
    fake_start();
    struct policy_doc *doc = policy_doc_new();
    doc->calibration = CALIBRATION;
    strcpy(doc->machine.cpu, "processor of a test");
    strcpy(doc->machine.kernel, "6.1.0-test");
    strcpy(doc->machine.thp, "madvise");
    doc->machine.page_bytes = 4096;
    doc->machine.huge_bytes = 2 * MIB;
    doc->default_arm[0] = (uint8_t)arm;
    CHECK(policy_file_write(POLICY, doc) == 0);
    fake_set("HAKMEM_MODE", "learn");
    fake_set("HAKMEM_POLICY", POLICY);
    if (forced != NULL)
        fake_set("HAKMEM_ARM", forced);
    CHECK(start_now());
    return hak_site("a.c", 7);
}

static uint64_t start(void)
{
    return start_with(ARM_NONE);
}

static char *get(uint64_t site, size_t bytes, size_t touched)
{
    char *p = hak_alloc_at(bytes, site);
    CHECK(p != NULL);
    memset(p, 1, touched);
    return p;
}

static const struct policy_band *saved_band(uint64_t site, unsigned band)
{
    struct policy_error error;
    CHECK(hak_policy_save(NULL) == 0);
    struct policy_doc *doc = policy_file_read(POLICY, false, &error);
    struct policy_site *s = doc != NULL ? policy_doc_site(doc, site, false) : NULL;
    CHECK(s != NULL);
    const struct policy_band *b = policy_site_band(doc, s, band, false);
    CHECK(b != NULL);
    return b;
}

static uint64_t hold_ns(uint64_t bytes, uint64_t ns)
{
    struct prices prices = {.goal = GOAL_BALANCED};
    return cost_of_holding_ns(&prices, bytes, ns);
}

/* 256 pages, held for 1 ms in use and 2 ms idle, given back: 256 faults of 1000 ns, and the holding. */
ISOLATED(a_block_that_is_given_back_costs_its_faults_and_its_holding)
{
    uint64_t site = start();
    char *p = get(site, MIB, MIB);
    fake.now_ns += MS;
    hak_free_block(p);
    fake.now_ns += 2 * MS;
    store_trim();
    const struct policy_band *b = saved_band(site, 20);
    CHECK(b->seen.episodes == 1 && b->seen.reused == 0);
    CHECK(b->seen.live_ns == MS && b->seen.idle_ns == 2 * MS && b->seen.resident_bytes == MIB);
    CHECK(b->cost_sum_ns[ARM_MMAP_BASE_TOUCH_KEEP] ==
          256 * 1000 + hold_ns(MIB, MS) + hold_ns(MIB, 2 * MS));
}

ISOLATED(a_block_whose_memory_is_reused_is_not_charged_the_faults)
{
    uint64_t site = start();
    char *p = get(site, MIB, MIB);
    fake.now_ns += MS;
    hak_free_block(p);
    fake.now_ns += 2 * MS;
    CHECK(stat_get(STAT_episodes) == 0);
    CHECK(get(site, MIB, 0) == p);
    CHECK(stat_get(STAT_episodes) == 1);
    const struct policy_band *b = saved_band(site, 20);
    uint64_t held = hold_ns(MIB, MS) + hold_ns(MIB, 2 * MS);
    CHECK(b->seen.reused == 1 && b->seen.idle_ns == 2 * MS);
    CHECK(b->cost_sum_ns[ARM_MMAP_BASE_TOUCH_KEEP] >= held);
    CHECK(b->cost_sum_ns[ARM_MMAP_BASE_TOUCH_KEEP] < held + 256 * 1000 / 8);
}

/* Blocks that follow one another at once: their memory is not worth keeping for long after the last; then rarely ones. */
ISOLATED(how_long_memory_is_kept_follows_from_the_gaps)
{
    uint64_t site = start();
    for (unsigned i = 0; i < 100; i++) {
        char *p = get(site, MIB, MIB);
        fake.now_ns += MS;
        hak_free_block(p);
        fake.now_ns += MS / 2;
    }
    const struct policy_band *b = saved_band(site, 20);
    CHECK(b->keep_ms == 16 && b->gaps[0] + b->gaps[1] >= 90);
    for (unsigned i = 0; i < 200; i++) {
        hak_free_block(get(site, MIB, MIB));
        fake.now_ns += 100 * MS;
        store_tick(fake.now_ns, 0);
    }
    b = saved_band(site, 20);
    CHECK(b->gaps[7] >= 150 && b->keep_ms >= 128 && b->keep_ms <= 256);
}

/* The CPU time of a first fault on huge pages is noted where the memory had been away, and by how long. */
ISOLATED(what_memory_costs_that_was_away_is_noted_and_saved)
{
    struct policy_error error;
    forced = "mmap/huge/touch/drop";
    uint64_t site = start_with(ARM_NONE);
    fake.tick_ns = 1000;
    fake.cpu_tick_ns = 3 * CALIBRATION.huge_fault;
    for (unsigned i = 0; i < 20; i++) {
        hak_free_block(get(site, 4 * MIB, 4 * MIB));
        store_trim();
        fake.now_ns += 100 * MS;
    }
    CHECK(hak_policy_save(NULL) == 0);
    struct policy_doc *doc = policy_file_read(POLICY, false, &error);
    uint64_t faults = 0, after_100_ms = doc->away[PAGES_HUGE].faults[7];
    for (unsigned i = 0; i < GAP_CLASSES; i++)
        faults += doc->away[PAGES_HUGE].faults[i];
    CHECK(faults >= 3 && faults == after_100_ms);
    CHECK(doc->away[PAGES_HUGE].times_q10[7] == faults * 3 * 1024);
    CHECK(hak_policy_save(NULL) == 0); /* and not twice */
    struct policy_doc *again = policy_file_read(POLICY, false, &error);
    CHECK(again->away[PAGES_HUGE].faults[7] == faults);
}

/* The helper was woken to give it back: that is charged to what it gives back. */
ISOLATED(who_is_given_back_pays_for_the_waking)
{
    uint64_t site = start(), idle_ns = 10000 * MS + 20 * MS;
    hak_free_block(get(site, MIB, MIB));
    store_tick(fake.now_ns, 0);
    fake.now_ns += 10000 * MS;
    store_tick(fake.now_ns, 0); /* into the batch */
    store_tick(fake.now_ns, 0);
    fake.now_ns += 20 * MS;
    CHECK(stat_get(STAT_episodes) == 0);
    store_tick(fake.now_ns, 7000);
    const struct policy_band *b = saved_band(site, 20);
    CHECK(b->cost_sum_ns[ARM_MMAP_BASE_TOUCH_KEEP] == 256 * 1000 + hold_ns(MIB, idle_ns) + 7000);
}

/* The first fills are charged to all blocks; nothing is filled again when the process ends. */
ISOLATED(what_is_retained_at_the_end_is_not_charged_another_fill)
{
    uint64_t site = start();
    hak_free_block(get(site, MIB, MIB));
    fake.now_ns += MS;
    living_settle_all();
    const struct policy_band *b = saved_band(site, 20);
    CHECK(b->seen.episodes == 1 && b->seen.reused == 0);
    CHECK(b->cost_sum_ns[ARM_MMAP_BASE_TOUCH_KEEP] <= hold_ns(MIB, MS) + 256 * 1000 / 32);
}

/* Settled once, as it is after that time; its death is not another episode, but it is not alive any more. */
static void check_settled_while_it_lives(uint64_t site, size_t bytes, enum arm_id arm)
{
    unsigned band = band_of(bytes);
    uint64_t born_ns = fake.now_ns;
    char *p = get(site, bytes, bytes);
    fake.now_ns += 2000 * MS;
    living_settle(born_ns);
    CHECK(stat_get(STAT_episodes) == 0);
    living_settle(born_ns + 1);
    living_settle(born_ns + 1);
    CHECK(stat_get(STAT_episodes) == 1);
    const struct policy_band *b = saved_band(site, band);
    CHECK(b->seen.live_ns == 2000 * MS && b->seen.resident_bytes == bytes);
    CHECK(b->cost_sum_ns[arm] == bytes / 4096 * 1000 + hold_ns(bytes, 2000 * MS));
    hak_free_block(p);
    hak_free_block(get(site, bytes, bytes));
    store_trim();
    living_settle_all();
    CHECK(stat_get(STAT_episodes) == 2 && saved_band(site, band)->seen.cold == 1);
}

ISOLATED(a_block_that_lives_long_is_settled_once)
{
    check_settled_while_it_lives(start(), MIB, ARM_MMAP_BASE_TOUCH_KEEP);
}

ISOLATED(a_block_of_the_heap_that_lives_long_is_settled_once)
{
    check_settled_while_it_lives(start_with(ARM_HEAP_BASE_TOUCH_KEEP), 100 << 10,
                                 ARM_HEAP_BASE_TOUCH_KEEP);
}

/* All on spans, and none passed over. */
static uint64_t start_forced(void)
{
    forced = "mmap/base/touch/keep";
    return start();
}

/* In place, copied and moved. */
ISOLATED(a_block_that_was_settled_while_it_lived_grows_as_any_other)
{
    uint64_t site = start_forced();
    char *p = get(site, 200 << 10, 200 << 10), *kept[20];
    fake.now_ns += MS;
    living_settle(fake.now_ns);
    for (size_t i = 0; i < 20; i++) {
        kept[i] = get(site, 128 << 10, 0);
        p = hak_realloc_at_site(p, (size_t)(300 + 30 * i) << 10, AT_SITE(site));
        CHECK(p != NULL);
    }
    hak_free_block(p);
    for (size_t i = 0; i < 20; i++)
        hak_free_block(kept[i]);
    store_trim();
    CHECK(stat_get(STAT_grows_in_place) > 0 && stat_get(STAT_grows_moved) > 0);
    CHECK(saved_band(site, 17)->seen.episodes == 21 && stat_get(STAT_episodes) == 21);
}

enum { TURNS = 2000 };
static _Atomic bool over;

static void *settle_all_that_lives(void *unused)
{
    (void)unused;
    while (!atomic_load(&over))
        living_settle(UINT64_MAX);
    return NULL;
}

/* Whoever comes first, the thread that frees or the one that looks: each block is settled once. */
ISOLATED(blocks_that_are_freed_and_looked_at_at_once_are_settled_once)
{
    pthread_t thread;
    uint64_t site = start_forced();
    fake.tick_ns = 100;
    CHECK(pthread_create(&thread, NULL, settle_all_that_lives, NULL) == 0);
    for (int i = 0; i < TURNS; i++) {
        char *p = get(site, MIB, 4096);
        if (i % 4 == 0)
            p = hak_realloc_at_site(p, MIB + (size_t)(i / 4) % 4 * (MIB / 4), AT_SITE(site));
        hak_free_block(p);
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    store_trim();
    CHECK(stat_get(STAT_episodes) == TURNS);
}

ISOLATED(only_what_is_touched_is_held_and_faulted)
{
    uint64_t site = start();
    char *p = get(site, MIB, 10 * 4096);
    fake.now_ns += 100 * MS;
    hak_free_block(p);
    store_trim();
    const struct policy_band *b = saved_band(site, 20);
    CHECK(b->seen.resident_bytes == 10 * 4096);
    CHECK(b->cost_sum_ns[ARM_MMAP_BASE_TOUCH_KEEP] == 10 * 1000 + hold_ns(10 * 4096, 100 * MS));
}

ISOLATED(expiry_settles_a_block_at_the_time_it_idled)
{
    uint64_t site = start();
    hak_free_block(get(site, MIB, MIB));
    uint64_t since = fake.now_ns, break_even = policy_break_even_ns(PAGES_BASE);
    store_tick(fake.now_ns, 0);
    store_tick(fake.now_ns += break_even, 0);
    CHECK(stat_get(STAT_episodes) == 0);
    store_tick(fake.now_ns += 10 * MS, 0);
    CHECK(stat_get(STAT_episodes) == 1);
    CHECK(saved_band(site, 20)->seen.idle_ns == fake.now_ns - since);
}

static void *free_it(void *p)
{
    hak_free_block(p);
    return NULL;
}

ISOLATED(a_block_freed_by_another_thread_is_known_as_such)
{
    pthread_t thread;
    uint64_t site = start();
    char *p = get(site, MIB, MIB);
    CHECK(pthread_create(&thread, NULL, free_it, p) == 0);
    pthread_join(thread, NULL);
    store_trim();
    CHECK(saved_band(site, 20)->seen.remote == 1);
}

ISOLATED(a_block_that_was_enlarged_stays_in_the_band_it_was_asked_in)
{
    uint64_t site = start();
    char *p = get(site, 500 << 10, 500 << 10);
    p = hak_realloc_at_site(p, 900 << 10, AT_SITE(site));
    CHECK(p != NULL);
    hak_free_block(p);
    store_trim();
    const struct policy_band *b = saved_band(site, 18);
    CHECK(b->seen.grown == 1 && b->seen.episodes == 1 && b->seen.size_bytes == 900 << 10);
}

/* On huge pages all is resident, and the block's own zeros are what it did not write to. */
ISOLATED(what_a_block_writes_to_is_seen_on_huge_pages)
{
    uint64_t site = start();
    huge_pages_are_given();
    for (unsigned i = 0; i < 12; i++) {
        char *p = get(site, 8 * MIB, 0);
        for (size_t at = 0; at < 8 * MIB; at += 64 * 4096)
            p[at] = 1;
        fake.now_ns += 100 * MS; /* so that it matters what it holds */
        hak_free_block(p);
    }
    const struct policy_band *b = saved_band(site, 23);
    CHECK(b->elo.arm[ARM_MMAP_HUGE_TOUCH_KEEP].plays > 0);
    CHECK(arms[b->champion].pages == PAGES_BASE);
}

ISOLATED(very_large_blocks_are_looked_at_in_a_part)
{
    uint64_t site = start();
    fake.all_resident = true;
    char *p = get(site, (size_t)1 << 30, 0);
    fake_forget();
    hak_free_block(p);
    store_trim();
    const struct policy_band *b = saved_band(site, 30);
    CHECK(b->seen.episodes == 1 && b->seen.resident_bytes == (uint64_t)1 << 30);
}

ISOLATED(the_most_blocks_alive_at_once_are_counted)
{
    char *p[5];
    uint64_t site = start();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++)
            p[i] = get(site, MIB, 4096);
        for (int i = 0; i < 5; i++)
            hak_free_block(p[i]);
    }
    CHECK(saved_band(site, 20)->seen.cold == 5);
}

/* While arms are compared, one that keeps is not to wait for a block of its own. */
ISOLATED(what_a_block_of_the_site_passes_by_would_have_been_reused)
{
    struct formers former;
    uint64_t site = start_with(ARM_MMAP_BASE_TOUCH_KEEP);
    void *p = get(site, MIB, MIB);
    hak_free_block(p);
    struct span *s = store_get(ZONE_BASE, MIB, 1, site + 1, STORE_GET_COLD, &former);
    CHECK(s != NULL && former.count == 0);
    s = store_get(ZONE_BASE, MIB, 1, site, STORE_GET_COLD, &former);
    CHECK(s != NULL && span_address(s) != p && former.count == 1 && former.given == 0);
    episodes_reused(&former);
    CHECK(saved_band(site, 20)->seen.reused == 1);
    CHECK(store_get(ZONE_HUGE, MIB, 1, site, STORE_GET_ANY, &former) != NULL && former.count == 0);
}

/* Three blocks of 25 pages, of which the first two to be freed wait for the third. */
ISOLATED(blocks_of_a_slab_that_is_dropped_are_given_back_with_it)
{
    enum { BYTES = 100 << 10 };
    uint64_t site = start_with(ARM_HEAP_BASE_TOUCH_DROP);
    char *p[3];
    for (int i = 0; i < 3; i++)
        p[i] = get(site, BYTES, BYTES);
    hak_free_block(p[1]);
    hak_free_block(p[0]);
    CHECK(heap_has(p[0]) && stat_get(STAT_episodes) == 0);
    hak_free_block(p[2]);
    CHECK(!heap_has(p[0]) && stat_get(STAT_episodes) == 0);
    store_trim(); /* the batch */
    CHECK(stat_get(STAT_episodes) == 3);
    const struct policy_band *b = saved_band(site, 16);
    CHECK(b->seen.episodes == 3 && b->seen.reused == 0);
    CHECK(b->cost_sum_ns[ARM_HEAP_BASE_TOUCH_DROP] == 3 * 25 * 1000);
}

ISOLATED(blocks_of_a_slab_that_is_kept_wait_for_the_next)
{
    enum { BYTES = 100 << 10 };
    uint64_t site = start_with(ARM_HEAP_BASE_TOUCH_KEEP);
    char *p = get(site, BYTES, BYTES);
    hak_free_block(p);
    CHECK(heap_has(p) && stat_get(STAT_episodes) == 0);
    CHECK(get(site, BYTES + (20 << 10), 0) != p && stat_get(STAT_episodes) == 0); /* elsewhere */
    CHECK(get(site, BYTES, 0) == p && stat_get(STAT_episodes) == 1);
    CHECK(saved_band(site, 16)->seen.reused == 1);
}

ISOLATED(a_block_that_was_kept_is_given_back_with_what_the_heap_clears)
{
    enum { BYTES = 100 << 10 };
    uint64_t site = start_with(ARM_HEAP_BASE_TOUCH_KEEP);
    char *p = get(site, BYTES, BYTES);
    hak_free_block(p);
    heap_trim();
    CHECK(!heap_has(p) && stat_get(STAT_episodes) == 0); /* BigCache has it */
    store_trim();
    CHECK(stat_get(STAT_episodes) == 1);
    const struct policy_band *b = saved_band(site, 16);
    CHECK(b->seen.reused == 0 && b->cost_sum_ns[ARM_HEAP_BASE_TOUCH_KEEP] == 25 * 1000);
}

ISOLATED(a_slab_that_takes_over_what_another_left_has_reused_it)
{
    enum { BYTES = 100 << 10 };
    uint64_t site = start_with(ARM_HEAP_BASE_TOUCH_KEEP);
    hak_free_block(get(site, BYTES, BYTES));
    heap_trim();
    CHECK(get(site, BYTES + (20 << 10), 0) != NULL);
    CHECK(stat_get(STAT_episodes) == 1 && saved_band(site, 16)->seen.reused == 1);
}

ISOLATED(an_arm_that_is_masked_is_not_learned_from)
{
    fake_start();
    struct policy_doc *doc = policy_doc_new();
    doc->default_arm[22 - BAND_FIRST] = ARM_HEAP_BASE_TOUCH_KEEP;
    CHECK(policy_file_write(POLICY, doc) == 0);
    fake_set("HAKMEM_MODE", "learn");
    fake_set("HAKMEM_POLICY", POLICY);
    fake.tick_ns = 100;
    CHECK(start_now());
    char *p = get(hak_site("a.c", 7), 4 * MIB, 0);
    CHECK(arena_has(p) && !heap_has(p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_block_that_is_given_back_costs_its_faults_and_its_holding),
        IN_DIRECTORY(a_block_whose_memory_is_reused_is_not_charged_the_faults),
        IN_DIRECTORY(how_long_memory_is_kept_follows_from_the_gaps),
        IN_DIRECTORY(what_memory_costs_that_was_away_is_noted_and_saved),
        IN_DIRECTORY(who_is_given_back_pays_for_the_waking),
        IN_DIRECTORY(what_is_retained_at_the_end_is_not_charged_another_fill),
        IN_DIRECTORY(a_block_that_lives_long_is_settled_once),
        IN_DIRECTORY(a_block_of_the_heap_that_lives_long_is_settled_once),
        IN_DIRECTORY(a_block_that_was_settled_while_it_lived_grows_as_any_other),
        IN_DIRECTORY(blocks_that_are_freed_and_looked_at_at_once_are_settled_once),
        IN_DIRECTORY(only_what_is_touched_is_held_and_faulted),
        IN_DIRECTORY(expiry_settles_a_block_at_the_time_it_idled),
        IN_DIRECTORY(a_block_freed_by_another_thread_is_known_as_such),
        IN_DIRECTORY(a_block_that_was_enlarged_stays_in_the_band_it_was_asked_in),
        IN_DIRECTORY(what_a_block_writes_to_is_seen_on_huge_pages),
        IN_DIRECTORY(very_large_blocks_are_looked_at_in_a_part),
        IN_DIRECTORY(the_most_blocks_alive_at_once_are_counted),
        IN_DIRECTORY(what_a_block_of_the_site_passes_by_would_have_been_reused),
        IN_DIRECTORY(blocks_of_a_slab_that_is_dropped_are_given_back_with_it),
        IN_DIRECTORY(blocks_of_a_slab_that_is_kept_wait_for_the_next),
        IN_DIRECTORY(a_block_that_was_kept_is_given_back_with_what_the_heap_clears),
        IN_DIRECTORY(a_slab_that_takes_over_what_another_left_has_reused_it),
        IN_DIRECTORY(an_arm_that_is_masked_is_not_learned_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
