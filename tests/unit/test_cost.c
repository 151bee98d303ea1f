/*
 * Costs and break-even times, by examples worked out by hand from the prices below.
 */
#include "isolated.h"

#include <errno.h>

#include "fake_os.h"
#include "policy/cost.h"
#include "policy/prior.h"

enum { MIB = 1 << 20, PAGES_2_MIB = 512 };
static const uint64_t MS = 1000000, SECOND = 1000000000, GIB = 1 << 30;

static const struct prices prices = {
    .of = {.base_fault = 1000,
           .huge_fault = 40000,
           .base_populate = 500,
           .huge_populate = 30000,
           .base_drop = 100,
           .huge_drop = 2000,
           .base_lazy = 90,
           .huge_lazy = 900,
           .advise_call = 400},
    .page_bytes = 4096,
    .huge_bytes = 2 * MIB,
    .goal = GOAL_BALANCED,
};

static struct prices for_goal(enum policy_goal goal)
{
    struct prices p = prices;
    p.goal = goal;
    return p;
}

/* A block of 2 MiB, all touched, held for nothing. */
static struct episode whole(void)
{
    return (struct episode){
        .bytes = 2 * MIB, .base_pages = PAGES_2_MIB, .huge_full = 1, .huge_touched = 1};
}

static void holding_a_gib_for_a_second_costs_133_ms(void **state)
{
    assert_int_equal(cost_of_holding_ns(&prices, GIB, SECOND), 133 * MS);
    assert_int_equal(cost_of_holding_ns(&prices, GIB / 2, SECOND), 133 * MS / 2);
    assert_int_equal(cost_of_holding_ns(&prices, 4 * GIB, SECOND / 4), 133 * MS);
    assert_int_equal(cost_of_holding_ns(&prices, 0, SECOND), 0);
    assert_int_equal(cost_of_holding_ns(&prices, GIB, 0), 0);
}

static void the_goals_move_the_price_of_memory_by_16(void **state)
{
    struct prices speed = for_goal(GOAL_SPEED), memory = for_goal(GOAL_MEMORY);
    assert_int_equal(cost_of_holding_ns(&memory, GIB, SECOND), 16 * 133 * MS);
    assert_int_equal(cost_of_holding_ns(&speed, 16 * GIB, SECOND), 133 * MS);
}

static void holding_too_much_for_too_long_does_not_wrap(void **state)
{
    struct prices memory = for_goal(GOAL_MEMORY);
    assert_int_equal(cost_of_holding_ns(&memory, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(cost_of_holding_ns(&prices, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    uint64_t year = 365 * 24 * 3600 * SECOND;
    assert_int_equal(cost_of_holding_ns(&memory, 100 * GIB, year) / SECOND,
                     (uint64_t)365 * 24 * 3600 * 100 * 16 * 133 / 1000);
}

/* Where a hypervisor shadows page tables: populated pages, and those given back lazily, are written to for the first time. */
static void the_first_touch_of_what_is_mapped_is_of_what_a_block_writes_to(void **state)
{
    struct prices p = prices;
    struct episode e = whole();
    p.of.base_touch = 600;
    p.of.huge_touch = 5000;
    assert_int_equal(cost_of_filling_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP, &e), 512 * 1000);
    assert_int_equal(cost_of_filling_ns(&p, ARM_MMAP_BASE_PREFAULT_KEEP, &e), 512 * (500 + 600));
    assert_int_equal(cost_of_filling_ns(&p, ARM_MMAP_HUGE_PREFAULT_KEEP, &e), 30000 + 5000);
    e.touched_pages = 10;
    assert_int_equal(cost_of_filling_ns(&p, ARM_MMAP_BASE_PREFAULT_KEEP, &e), 512 * 500 + 6000);
    assert_int_equal(cost_of_filling_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP, &e), 10 * 1000);

    e.reused = true;
    assert_int_equal(cost_of_episode_ns(&p, ARM_MMAP_BASE_TOUCH_LAZY, &e, 0), 0);
    e.give_back_ns = 7000; /* it waited long enough to be asked for */
    assert_int_equal(cost_of_episode_ns(&p, ARM_MMAP_BASE_TOUCH_LAZY, &e, 0), 7000 + 6000);
    assert_int_equal(cost_of_episode_ns(&p, ARM_MMAP_HUGE_TOUCH_LAZY, &e, 0), 7000 + 5000);
    assert_int_equal(cost_of_episode_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP, &e, 0), 7000);
}

static void filling_costs_the_faults_of_the_arms_pages(void **state)
{
    struct episode e = whole();
    assert_int_equal(cost_of_filling_ns(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &e), 512 * 1000);
    assert_int_equal(cost_of_filling_ns(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e), 40000);
    assert_int_equal(cost_of_filling_ns(&prices, ARM_HEAP_BASE_TOUCH_KEEP, &e), 512 * 1000);
}

/* 512 pages to a huge one: 40000 / 512 ns each, as long as the block is not alone in it. */
static void blocks_that_share_huge_pages_pay_their_share(void **state)
{
    struct episode e = {.bytes = 64 << 10, .base_pages = 16, .huge_touched = 1, .peak = 32};
    assert_int_equal(cost_of_filling_ns(&prices, ARM_HEAP_HUGE_TOUCH_KEEP, &e), 40000 / 32);
    e.peak = 100;
    assert_int_equal(cost_of_filling_ns(&prices, ARM_HEAP_HUGE_TOUCH_KEEP, &e), 40000 / 32);
    e.peak = 4;
    assert_int_equal(cost_of_filling_ns(&prices, ARM_HEAP_HUGE_TOUCH_KEEP, &e), 40000 / 4);
    e.peak = 1;
    assert_int_equal(cost_of_filling_ns(&prices, ARM_HEAP_HUGE_TOUCH_KEEP, &e), 40000);
    e.reused = true;
    e.live_ns = SECOND;
    assert_int_equal(cost_of_episode_ns(&prices, ARM_HEAP_HUGE_TOUCH_KEEP, &e, 0),
                     cost_of_holding_ns(&prices, 2 * MIB, SECOND));
    assert_int_equal(cost_of_episode_ns(&prices, ARM_HEAP_BASE_TOUCH_KEEP, &e, 0),
                     cost_of_holding_ns(&prices, 64 << 10, SECOND));
    e = (struct episode){.peak = 1};
    assert_int_equal(cost_of_filling_ns(&prices, ARM_HEAP_HUGE_TOUCH_KEEP, &e), 0);
}

static void predictions_know_what_the_heaps_arms_retain_and_share(void **state)
{
    uint64_t cost_ns[ARM_COUNT];
    struct episode e = {
        .bytes = 64 << 10, .base_pages = 16, .peak = 32, .reused = true, .malloc_ns = 100};
    cost_predict(&prices, ARM_HEAP_BASE_TOUCH_KEEP, &e, 0, cost_ns);
    assert_true(cost_ns[ARM_HEAP_BASE_TOUCH_KEEP] < cost_ns[ARM_HEAP_BASE_TOUCH_LAZY]);
    assert_true(cost_ns[ARM_HEAP_BASE_TOUCH_LAZY] < cost_ns[ARM_HEAP_BASE_TOUCH_DROP]);
    assert_true(cost_ns[ARM_HEAP_HUGE_TOUCH_DROP] < cost_ns[ARM_HEAP_BASE_TOUCH_DROP]);
    e.peak = 1;
    cost_predict(&prices, ARM_HEAP_BASE_TOUCH_KEEP, &e, 0, cost_ns);
    assert_true(cost_ns[ARM_HEAP_BASE_TOUCH_DROP] < cost_ns[ARM_HEAP_HUGE_TOUCH_DROP]);
}

static void pages_outside_of_whole_huge_ones_are_base_pages(void **state)
{
    struct episode e = whole();
    e.base_pages += 3;
    assert_int_equal(cost_of_filling_ns(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e), 40000 + 3 * 1000);
}

static void prefault_pays_for_the_block_touched_or_not(void **state)
{
    struct episode e = {.bytes = 2 * MIB + 1, .base_pages = 1};
    assert_int_equal(cost_of_filling_ns(&prices, ARM_MMAP_BASE_PREFAULT_KEEP, &e), 513 * 500);
    assert_int_equal(cost_of_filling_ns(&prices, ARM_MMAP_HUGE_PREFAULT_KEEP, &e), 2 * 30000);
}

static void an_episode_costs_its_calls_and_what_it_held(void **state)
{
    struct episode e = whole();
    e.malloc_ns = 100;
    e.free_ns = 20;
    e.give_back_ns = 3;
    e.reused = true;
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e, 0), 123);
    e.live_ns = SECOND;
    e.idle_ns = SECOND;
    uint64_t held = cost_of_holding_ns(&prices, 2 * MIB, SECOND);
    assert_int_equal(held, 133 * MS / 512);
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e, 0), 123 + 2 * held);
}

static void
who_gives_back_pays_for_the_next_faults_and_who_leaves_it_to_the_next_block_does_not(void **state)
{
    struct episode kept = whole(), given = whole();
    kept.reused = true;
    given.given_back = true;
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_BASE_TOUCH_DROP, &given, 0), 512 * 1000);
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &kept, 0), 0);
}

static void a_reused_block_pays_its_share_of_the_first_faults(void **state)
{
    struct episode e = whole();
    e.reused = true;
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &e, 256),
                     512 * 1000 / 4);
    e.reused = false;
    e.given_back = true;
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &e, 256), 512 * 1000);
}

/* 4 KiB for t: 133 ms * t / 2^18; equal to 1100 ns at 2.168 s. 2 MiB: 133 ms * t / 512; 42000 ns at 161.7 ms. */
static void break_even_is_where_holding_has_cost_the_faults_and_the_giving_back(void **state)
{
    assert_in_range(cost_break_even_ns(&prices, PAGES_BASE), 2167 * MS, 2169 * MS);
    assert_in_range(cost_break_even_ns(&prices, PAGES_HUGE), 161 * MS, 162 * MS);
    for (int pages = PAGES_BASE; pages <= PAGES_HUGE; pages++) {
        uint64_t bytes = pages == PAGES_HUGE ? 2 * MIB : 4096;
        uint64_t again = pages == PAGES_HUGE ? 42000 : 1100;
        uint64_t at = cost_break_even_ns(&prices, (enum arm_pages)pages);
        assert_in_range(cost_of_holding_ns(&prices, bytes << 10, at), 1023 * again, 1025 * again);
    }
}

static void goals_move_the_break_even_time_the_other_way(void **state)
{
    struct prices speed = for_goal(GOAL_SPEED), memory = for_goal(GOAL_MEMORY);
    uint64_t balanced_ns = cost_break_even_ns(&prices, PAGES_HUGE);
    assert_in_range(cost_break_even_ns(&speed, PAGES_HUGE), balanced_ns * 16 - MS,
                    balanced_ns * 16 + MS);
    assert_in_range(cost_break_even_ns(&memory, PAGES_HUGE), balanced_ns / 16 - MS,
                    balanced_ns / 16 + MS);
}

static void predictions_know_when_keeping_pays(void **state)
{
    uint64_t cost_ns[ARM_COUNT];
    struct episode soon = whole(), late = whole();
    soon.reused = late.reused = true;
    soon.malloc_ns = soon.free_ns = late.malloc_ns = late.free_ns = 200;
    soon.idle_ns = MS / 100;
    late.idle_ns = 10 * SECOND;
    cost_predict(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &soon, 0, cost_ns);
    assert_true(cost_ns[ARM_MMAP_HUGE_TOUCH_KEEP] < cost_ns[ARM_MMAP_HUGE_TOUCH_DROP]);
    assert_true(cost_ns[ARM_MMAP_BASE_TOUCH_KEEP] < cost_ns[ARM_MMAP_BASE_TOUCH_DROP]);
    cost_predict(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &late, 0, cost_ns);
    assert_true(cost_ns[ARM_MMAP_HUGE_TOUCH_DROP] < cost_ns[ARM_MMAP_HUGE_TOUCH_KEEP]);
    assert_true(cost_ns[ARM_MMAP_HUGE_TOUCH_DROP] < cost_ns[ARM_MMAP_BASE_TOUCH_DROP]);
}

static void pages_beyond_those_that_were_given_are_paid_for(void **state)
{
    struct episode e = {.bytes = 64 * MIB, .base_pages = 300, .reused = true};
    uint64_t without = cost_of_episode_ns(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &e, 0);
    e.grew_pages = 100;
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &e, 0),
                     without + 100 * prices.of.base_fault);
    uint64_t cost_ns[ARM_COUNT];
    cost_predict(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &e, 0, cost_ns);
    e.grew_pages = 0;
    uint64_t cold_ns[ARM_COUNT];
    cost_predict(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &e, 0, cold_ns);
    assert_int_equal(cost_ns[ARM_MMAP_BASE_TOUCH_DROP], cold_ns[ARM_MMAP_BASE_TOUCH_DROP]);
}

/* What is added to a huge page, is added to the base pages it stands for, each its share; unless they were timed. */
static void pages_never_used_before_cost_what_the_machine_adds_to_either_kind(void **state)
{
    struct prices p = prices;
    struct episode e = {.bytes = 64 * MIB, .base_pages = 300, .reused = true};
    uint64_t without = cost_of_episode_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP, &e, 0);
    for (int i = 0; i < 8; i++) /* which count for as much as that nothing is added */
        gaps_note_fault(&p.away[PAGES_HUGE], AWAY_FRESH, 3 * p.of.huge_fault, p.of.huge_fault);
    e.grew_pages = 512;
    assert_in_range(cost_of_episode_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP, &e, 0),
                    without + 512 * p.of.base_fault + p.of.huge_fault * 99 / 100,
                    without + 512 * p.of.base_fault + p.of.huge_fault);
    for (int i = 0; i < 10000; i++)
        gaps_note_fault(&p.away[PAGES_BASE], AWAY_FRESH, 3 * p.of.base_fault, p.of.base_fault);
    assert_in_range(cost_of_episode_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP, &e, 0),
                    without + 512 * 3 * p.of.base_fault * 99 / 100,
                    without + 512 * 3 * p.of.base_fault);
}

/* The same of what was away: how dear it is to have it again, and how long it is therefore kept where no gap is known. */
static void what_huge_pages_cost_that_were_away_base_pages_are_charged_their_share_of(void **state)
{
    struct prices p = prices;
    struct policy_band band = {.gaps = {[9] = 100}};
    const uint16_t dropped[2] = {0, 0};
    uint32_t refill_q10[2][2];
    uint64_t huge_ns = cost_break_even_ns(&p, PAGES_HUGE),
             base_ns = cost_break_even_ns(&p, PAGES_BASE);
    for (int i = 0; i < 100000; i++)
        for (unsigned class = 0; class < GAP_CLASSES; class ++)
            gaps_note_fault(&p.away[PAGES_HUGE], class, 3 * p.of.huge_fault, p.of.huge_fault);
    cost_note_refill(&p, &band, dropped, refill_q10);
    assert_in_range(refill_q10[PAGES_HUGE][REFILL_DROPPED], 3 * 1024 - 4, 3 * 1024);
    uint64_t share_q10 = 2 * 1024 * (uint64_t)p.of.huge_fault / 512 / p.of.base_fault;
    assert_in_range(refill_q10[PAGES_BASE][REFILL_DROPPED], 1024 + share_q10 - 4, 1024 + share_q10);
    assert_in_range(cost_break_even_ns(&p, PAGES_HUGE), huge_ns * 299 / 100, huge_ns * 3);
    assert_true(cost_break_even_ns(&p, PAGES_BASE) > base_ns);
    p.of.base_fault = 1; /* of a file: base pages' share is just over 2^32 */
    p.of.huge_fault = 16909321;
    p.away[PAGES_HUGE].times_q10[9] = UINT64_MAX;
    cost_note_refill(&p, &band, dropped, refill_q10);
    assert_int_equal(refill_q10[PAGES_BASE][REFILL_DROPPED], 128 * 1024);
}

static void predictions_know_a_sparse_block(void **state)
{
    uint64_t cost_ns[ARM_COUNT];
    struct episode sparse = {.bytes = 64 * MIB,
                             .base_pages = 32,
                             .huge_touched = 32,
                             .live_ns = SECOND,
                             .given_back = true};
    cost_predict(&prices, ARM_MMAP_BASE_TOUCH_DROP, &sparse, 1024, cost_ns);
    assert_true(cost_ns[ARM_MMAP_BASE_TOUCH_DROP] < cost_ns[ARM_MMAP_HUGE_TOUCH_DROP]);
    assert_true(cost_ns[ARM_MMAP_BASE_TOUCH_DROP] < cost_ns[ARM_MMAP_BASE_PREFAULT_DROP]);
}

/* On huge pages all is resident, whatever the block wrote to. */
static void predictions_know_what_a_block_on_huge_pages_writes_to(void **state)
{
    uint64_t cost_ns[ARM_COUNT];
    struct episode e = {.bytes = 8 * MIB,
                        .base_pages = 2048,
                        .huge_full = 4,
                        .huge_touched = 4,
                        .live_ns = SECOND / 100,
                        .given_back = true};
    cost_predict(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e, 1024, cost_ns);
    assert_true(cost_ns[ARM_MMAP_BASE_TOUCH_DROP] > cost_ns[ARM_MMAP_HUGE_TOUCH_DROP]);
    e.touched_pages = 32;
    cost_predict(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e, 1024, cost_ns);
    assert_true(cost_ns[ARM_MMAP_BASE_TOUCH_DROP] < cost_ns[ARM_MMAP_HUGE_TOUCH_DROP]);
    assert_true(cost_ns[ARM_MMAP_BASE_PREFAULT_DROP] > cost_ns[ARM_MMAP_BASE_TOUCH_DROP]);
}

/* calloc clears what it is given of pages that others used: all that is resident. */
static void predictions_know_what_calloc_has_to_clear(void **state)
{
    uint64_t plain_ns[ARM_COUNT], zeroed_ns[ARM_COUNT];
    struct episode e = {.bytes = 8 * MIB,
                        .malloc_ns = 1000,
                        .base_pages = 2048,
                        .huge_full = 4,
                        .touched_pages = 32,
                        .reused = true,
                        .cold = true};
    cost_predict(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e, 0, plain_ns);
    e.zeroed = true;
    cost_predict(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e, 0, zeroed_ns);
    uint64_t huge_ns = 4 * prices.of.huge_fault, base_ns = huge_ns * 32 / 2048;
    assert_int_equal(zeroed_ns[ARM_MMAP_HUGE_TOUCH_KEEP],
                     plain_ns[ARM_MMAP_HUGE_TOUCH_KEEP] + huge_ns);
    assert_int_equal(zeroed_ns[ARM_MMAP_BASE_TOUCH_KEEP],
                     plain_ns[ARM_MMAP_BASE_TOUCH_KEEP] + base_ns);
    assert_int_equal(zeroed_ns[ARM_MMAP_HUGE_TOUCH_DROP], plain_ns[ARM_MMAP_HUGE_TOUCH_DROP]);
    e.cold = false;
    e.malloc_ns += huge_ns;
    cost_predict(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e, 0, plain_ns);
    assert_memory_equal(plain_ns, zeroed_ns, sizeof(plain_ns));
}

/* 7 MiB are four huge pages, the last of which nobody else can have. */
static void a_block_that_ends_inside_a_huge_page_holds_all_of_it(void **state)
{
    struct episode e = {
        .base_pages = 7 * 256, .huge_full = 4, .huge_touched = 4, .live_ns = SECOND};
    assert_int_equal(cost_of_filling_ns(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e),
                     4 * prices.of.huge_fault);
    e.reused = true;
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e, 0),
                     cost_of_holding_ns(&prices, 8 * MIB, SECOND));
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &e, 0),
                     cost_of_holding_ns(&prices, 7 * MIB, SECOND));
}

static void the_first_arm_is_on_huge_pages_where_base_pages_are_much_dearer(void **state)
{
    enum arm_id base = ARM_MMAP_BASE_TOUCH_KEEP, huge = ARM_MMAP_HUGE_TOUCH_KEEP;
    arm_set both = ARM_BIT(base) | ARM_BIT(huge);
    struct prices p = prices;
    assert_int_equal(prior_first_arm(&p, both, base, MIB), base);
    p.of.base_fault = 10 * prices.of.base_fault;
    assert_int_equal(prior_first_arm(&p, both, base, MIB), huge);
    assert_int_equal(prior_first_arm(&p, ARM_BIT(base), base, MIB), base);
    assert_int_equal(prior_first_arm(&p, both, base, 64 * MIB), base);
    assert_int_equal(prior_first_arm(&p, both, ARM_HEAP_BASE_TOUCH_KEEP, MIB),
                     ARM_HEAP_BASE_TOUCH_KEEP);
}

static void going_over_to_other_memory_costs_its_filling(void **state)
{
    uint64_t entry_ns[ARM_COUNT];
    struct episode e = {.bytes = 8 * MIB, .base_pages = 100, .huge_touched = 2};
    cost_of_entry_ns(&prices, ARM_MMAP_BASE_TOUCH_KEEP, &e, entry_ns);
    assert_int_equal(entry_ns[ARM_MMAP_BASE_TOUCH_KEEP], 100 * prices.of.base_fault);
    assert_int_equal(entry_ns[ARM_MMAP_HUGE_TOUCH_LAZY], 2 * prices.of.huge_fault);
    assert_int_equal(entry_ns[ARM_MMAP_BASE_PREFAULT_KEEP], 2048 * prices.of.base_populate);
    assert_int_equal(entry_ns[ARM_MMAP_BASE_PREFAULT_DROP], 0);
}

/* The learner writes to all of them, where the block will to few. */
static void going_over_to_populated_memory_costs_the_first_touch_of_all_of_it(void **state)
{
    uint64_t entry_ns[ARM_COUNT];
    struct prices p = prices;
    struct episode e = {
        .bytes = 8 * MIB, .base_pages = 100, .huge_touched = 2, .touched_pages = 100};
    p.of.base_touch = 700;
    cost_of_entry_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP, &e, entry_ns);
    assert_int_equal(entry_ns[ARM_MMAP_BASE_PREFAULT_KEEP], 2048 * (p.of.base_populate + 700));
    assert_int_equal(entry_ns[ARM_MMAP_BASE_PREFAULT_DROP], (2048 - 100) * 700);
}

/* The clock moves by a microsecond a reading: every price is there, and positive. */
ISOLATED(calibration_finds_every_price_and_gives_its_memory_back)
{
    struct calibration found = {0};
    fake_start();
    fake.tick_ns = 1000;
    CHECK(calibrate(&found, &fake.machine) == 0);
#define X(name, least, help)                                                                       \
    CHECK(((least) == 0 || found.name > 0) && found.name <= POLICY_PRICE_MAX_NS);
    CALIBRATION_FIELDS(X)
#undef X
    CHECK(fake.map_bytes == 0);
}

/* Where base pages were, the kernel keeps their table, and what is then touched there are base pages. */
ISOLATED(calibration_times_huge_pages_where_no_base_page_was)
{
    struct calibration found = {0};
    const struct fake_record *base = NULL, *huge = NULL;
    fake_start();
    fake.tick_ns = 1000;
    CHECK(calibrate(&found, &fake.machine) == 0);
    for (unsigned i = 0; i < fake.nr_records; i++) {
        const struct fake_record *r = &fake.record[i];
        if (r->kind == FAKE_ADVISE && r->advice == OS_USE_BASE)
            base = r;
        if (r->kind == FAKE_ADVISE && r->advice == OS_USE_HUGE)
            huge = r;
    }
    CHECK(base != NULL && huge != NULL && huge->address % fake.machine.huge_bytes == 0);
    CHECK(base->address + base->bytes <= huge->address ||
          huge->address + huge->bytes <= base->address);
}

ISOLATED(calibration_without_memory_or_advice_changes_nothing_or_finds_prices_all_the_same)
{
    struct calibration found = {.base_fault = 7};
    fake_start();
    fake.tick_ns = 1000;
    fake_fail(FAKE_MAP, 0, ENOMEM);
    CHECK(calibrate(&found, &fake.machine) == -ENOMEM && found.base_fault == 7);
    fake_fail_always(FAKE_ADVISE, EINVAL);
    CHECK(calibrate(&found, &fake.machine) == 0);
#define X(name, least, help)                                                                       \
    CHECK(((least) == 0 || found.name > 0) && found.name <= POLICY_PRICE_MAX_NS);
    CALIBRATION_FIELDS(X)
#undef X
    CHECK(fake.map_bytes == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holding_a_gib_for_a_second_costs_133_ms),
        cmocka_unit_test(the_goals_move_the_price_of_memory_by_16),
        cmocka_unit_test(holding_too_much_for_too_long_does_not_wrap),
        cmocka_unit_test(filling_costs_the_faults_of_the_arms_pages),
        cmocka_unit_test(the_first_touch_of_what_is_mapped_is_of_what_a_block_writes_to),
        cmocka_unit_test(blocks_that_share_huge_pages_pay_their_share),
        cmocka_unit_test(predictions_know_what_the_heaps_arms_retain_and_share),
        cmocka_unit_test(pages_outside_of_whole_huge_ones_are_base_pages),
        cmocka_unit_test(prefault_pays_for_the_block_touched_or_not),
        cmocka_unit_test(an_episode_costs_its_calls_and_what_it_held),
        cmocka_unit_test(
            who_gives_back_pays_for_the_next_faults_and_who_leaves_it_to_the_next_block_does_not),
        cmocka_unit_test(a_reused_block_pays_its_share_of_the_first_faults),
        cmocka_unit_test(break_even_is_where_holding_has_cost_the_faults_and_the_giving_back),
        cmocka_unit_test(goals_move_the_break_even_time_the_other_way),
        cmocka_unit_test(predictions_know_when_keeping_pays),
        cmocka_unit_test(pages_beyond_those_that_were_given_are_paid_for),
        cmocka_unit_test(pages_never_used_before_cost_what_the_machine_adds_to_either_kind),
        cmocka_unit_test(what_huge_pages_cost_that_were_away_base_pages_are_charged_their_share_of),
        cmocka_unit_test(predictions_know_a_sparse_block),
        cmocka_unit_test(predictions_know_what_a_block_on_huge_pages_writes_to),
        cmocka_unit_test(predictions_know_what_calloc_has_to_clear),
        cmocka_unit_test(a_block_that_ends_inside_a_huge_page_holds_all_of_it),
        cmocka_unit_test(the_first_arm_is_on_huge_pages_where_base_pages_are_much_dearer),
        cmocka_unit_test(going_over_to_other_memory_costs_its_filling),
        cmocka_unit_test(going_over_to_populated_memory_costs_the_first_touch_of_all_of_it),
        cmocka_unit_test(calibration_finds_every_price_and_gives_its_memory_back),
        cmocka_unit_test(calibration_times_huge_pages_where_no_base_page_was),
        cmocka_unit_test(
            calibration_without_memory_or_advice_changes_nothing_or_finds_prices_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
