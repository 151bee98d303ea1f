/*
 * What populating costs, by examples worked out by hand from the prices below.
 */
#include "isolated.h"

#include "policy/cost.h"

enum { MIB = 1 << 20 };

static const struct prices prices = {
    .of = {.base_fault = 1000, .base_populate = 500, .huge_fault = 40000, .huge_populate = 30000},
    .page_bytes = 4096,
    .huge_bytes = 2 * MIB,
    .goal = GOAL_BALANCED,
};

static const struct episode whole = {
    .bytes = 2 * MIB, .base_pages = 512, .huge_full = 1, .huge_touched = 1};

/* What the first use of a page costs under an arm that keeps. */
static uint64_t entry_ns(const struct prices *p, enum arm_id arm)
{
    uint64_t each_ns[ARM_COUNT];
    cost_of_entry_ns(p, ARM_MMAP_BASE_TOUCH_KEEP, &whole, each_ns);
    return each_ns[arm] / 512;
}

/* Memory never used before takes faults three times as long, half of which is believed: 1000 ns more a page, which populating it
 * takes more, too. */
static void what_is_added_to_a_fault_is_added_to_populating(void **state)
{
    (void)state;
    struct prices p = prices;
    for (int i = 0; i < 8; i++)
        cost_note_fault(&p, ARM_MMAP_BASE_TOUCH_KEEP, AWAY_FRESH, 3 * 1000);
    assert_int_equal(entry_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP), 1000 + 1000);
    assert_int_equal(entry_ns(&p, ARM_MMAP_BASE_PREFAULT_KEEP), 500 + 1000);
    for (int i = 0; i < 16; i++)
        cost_note_fault(&p, ARM_MMAP_BASE_PREFAULT_KEEP, AWAY_FRESH, 500 + 2000);
    assert_int_equal(entry_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP), 1000 + 1500);
}

/* Who learns writes to what was populated: where a hypervisor shadows page tables that is the most of it, and nothing was added. */
static void writing_to_what_was_populated_is_no_more_than_its_price(void **state)
{
    (void)state;
    struct prices p = prices;
    p.of.base_touch = 4000;
    p.of.huge_touch = 3000;
    for (int i = 0; i < 100; i++)
        cost_note_fault(&p, ARM_MMAP_BASE_PREFAULT_KEEP, AWAY_FRESH, 500 + 4000);
    assert_int_equal(entry_ns(&p, ARM_MMAP_BASE_TOUCH_KEEP), 1000);
    for (int i = 0; i < 100; i++)
        cost_note_fault(&p, ARM_MMAP_HUGE_PREFAULT_KEEP, AWAY_FRESH, 30000 + 3000);
    assert_int_equal(entry_ns(&p, ARM_MMAP_HUGE_TOUCH_KEEP), 40000 / 512);
}

/* A block that grew from a little: all but that was faulted in, and will be again. */
static void what_a_block_grows_by_is_not_populated(void **state)
{
    (void)state;
    struct episode e = whole;
    uint64_t cost_ns[ARM_COUNT];
    e.given_back = e.cold = true;
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_BASE_PREFAULT_DROP, &e, 0), 512 * 500);
    e.grown = true;
    assert_int_equal(cost_of_episode_ns(&prices, ARM_MMAP_BASE_PREFAULT_DROP, &e, 0), 512 * 1000);
    e.base_pages = 100;
    e.huge_full = 0;
    cost_predict(&prices, ARM_MMAP_BASE_TOUCH_DROP, &e, 0, cost_ns);
    assert_int_equal(cost_ns[ARM_MMAP_BASE_PREFAULT_DROP], cost_ns[ARM_MMAP_BASE_TOUCH_DROP]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_to_a_fault_is_added_to_populating),
        cmocka_unit_test(writing_to_what_was_populated_is_no_more_than_its_price),
        cmocka_unit_test(what_a_block_grows_by_is_not_populated),
    };
    return cmocka_run_group_tests_name("populating", tests, NULL, NULL);
}
