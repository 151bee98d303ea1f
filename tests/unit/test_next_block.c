/*
 * What a block that began cold leaves for the next to pay for, by examples worked out by hand from the prices below.
 */
#include "isolated.h"

#include "policy/cost.h"

enum { MIB = 1 << 20, PAGES = 64 * MIB / 4096, ALL_Q10 = 1024 };

static const struct prices prices = {
    .of = {.base_fault = 1000, .huge_fault = 40960},
    .page_bytes = 4096,
    .huge_bytes = 2 * MIB,
    .goal = GOAL_BALANCED,
};

/* 64 MiB of which 128 pages are written to in 24 of 32 places, with nothing before it. */
static struct episode sparse(uint32_t scatter_q10)
{
    return (struct episode){.bytes = 64 * MIB,
                            .base_pages = 128,
                            .huge_touched = 24,
                            .scatter_q10 = scatter_q10,
                            .reused = true,
                            .cold = true};
}

static uint64_t cost_of(enum arm_id arm, const struct episode *e)
{
    return cost_of_episode_ns(&prices, arm, e, 0);
}

static void pages_that_the_next_block_writes_to_and_this_one_did_not(void **state)
{
    (void)state;
    struct episode same = sparse(0), half = sparse(ALL_Q10 / 2), any = sparse(ALL_Q10);
    enum arm_id keep = ARM_MMAP_BASE_TOUCH_KEEP;
    uint64_t without_ns = cost_of(keep, &same);
    assert_int_equal(cost_of(keep, &any), without_ns + 127 * 1000); /* it meets one of its pages */
    assert_int_equal(cost_of(keep, &half), without_ns + 63 * 1000);
    assert_int_equal(cost_of(ARM_MMAP_BASE_TOUCH_LAZY, &any), without_ns + 127 * 1000);
    any.cold = false; /* what it was given and what it added to that were seen */
    assert_int_equal(cost_of(keep, &any), without_ns);
    any.grew_pages = 99;
    assert_int_equal(cost_of(keep, &any), without_ns + 99 * 1000);
}

static void nothing_is_left_to_fault_in_where_all_is_there_or_all_goes_back(void **state)
{
    (void)state;
    struct episode same = sparse(0), any = sparse(ALL_Q10);
    any.base_pages = same.base_pages = PAGES;
    assert_int_equal(cost_of(ARM_MMAP_BASE_TOUCH_KEEP, &any),
                     cost_of(ARM_MMAP_BASE_TOUCH_KEEP, &same));
    same = sparse(0), any = sparse(ALL_Q10);
    assert_int_equal(cost_of(ARM_MMAP_BASE_PREFAULT_KEEP, &any),
                     cost_of(ARM_MMAP_BASE_PREFAULT_KEEP, &same));
    any.given_back = same.given_back = true;
    assert_int_equal(cost_of(ARM_MMAP_BASE_TOUCH_DROP, &any),
                     cost_of(ARM_MMAP_BASE_TOUCH_DROP, &same));
    any.given_back = same.given_back = false;
    any.lives = same.lives = true; /* charged for its own pages */
    assert_int_equal(cost_of(ARM_MMAP_BASE_TOUCH_KEEP, &any),
                     cost_of(ARM_MMAP_BASE_TOUCH_KEEP, &same));
}

static void huge_pages_leave_less(void **state)
{
    (void)state;
    struct episode same = sparse(0), any = sparse(ALL_Q10);
    same.huge_full = any.huge_full = 24;
    same.base_pages = any.base_pages = 24 * 512;
    /* of 24 that it writes to 8 in 32 are new */
    assert_int_equal(cost_of(ARM_MMAP_HUGE_TOUCH_KEEP, &any),
                     cost_of(ARM_MMAP_HUGE_TOUCH_KEEP, &same) + 6 * 40960);
}

static void arms_that_keep_are_predicted_to_leave_it(void **state)
{
    (void)state;
    uint64_t same_ns[ARM_COUNT], any_ns[ARM_COUNT];
    struct episode same = sparse(0), any = sparse(ALL_Q10);
    same.reused = any.reused = false;
    same.given_back = any.given_back = true;
    cost_predict(&prices, ARM_MMAP_BASE_TOUCH_DROP, &same, 0, same_ns);
    cost_predict(&prices, ARM_MMAP_BASE_TOUCH_DROP, &any, 0, any_ns);
    assert_int_equal(any_ns[ARM_MMAP_BASE_TOUCH_DROP], same_ns[ARM_MMAP_BASE_TOUCH_DROP]);
    assert_int_equal(any_ns[ARM_MMAP_BASE_TOUCH_KEEP],
                     same_ns[ARM_MMAP_BASE_TOUCH_KEEP] + 127 * 1000);
    assert_int_equal(any_ns[ARM_MMAP_HUGE_TOUCH_KEEP],
                     same_ns[ARM_MMAP_HUGE_TOUCH_KEEP] + 6 * 40960);
}

/* calloc: memory that begins cold is zero, and the next block's is not. */
static void what_is_kept_of_calloc_is_cleared_for_the_next_one(void **state)
{
    (void)state;
    struct episode plain = {.bytes = 8 * MIB,
                            .base_pages = 4 * 512,
                            .huge_full = 4,
                            .huge_touched = 4,
                            .touched_pages = 32,
                            .reused = true,
                            .cold = true};
    struct episode zeroed = plain;
    zeroed.zeroed = true;
    enum arm_id huge = ARM_MMAP_HUGE_TOUCH_KEEP, base = ARM_MMAP_BASE_TOUCH_KEEP;
    assert_int_equal(cost_of(huge, &zeroed), cost_of(huge, &plain) + 4 * 40960);
    uint64_t plain_ns[ARM_COUNT], zeroed_ns[ARM_COUNT];
    cost_predict(&prices, huge, &plain, 0, plain_ns);
    cost_predict(&prices, huge, &zeroed, 0, zeroed_ns);
    assert_int_equal(zeroed_ns[huge], plain_ns[huge] + 4 * 40960);
    assert_int_equal(zeroed_ns[base], plain_ns[base] + 32 * 80);
    assert_int_equal(zeroed_ns[ARM_MMAP_HUGE_TOUCH_DROP], plain_ns[ARM_MMAP_HUGE_TOUCH_DROP]);
    zeroed.cold = false; /* then that was done, and measured */
    plain.cold = false;
    assert_int_equal(cost_of(huge, &zeroed), cost_of(huge, &plain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_that_the_next_block_writes_to_and_this_one_did_not),
        cmocka_unit_test(nothing_is_left_to_fault_in_where_all_is_there_or_all_goes_back),
        cmocka_unit_test(huge_pages_leave_less),
        cmocka_unit_test(arms_that_keep_are_predicted_to_leave_it),
        cmocka_unit_test(what_is_kept_of_calloc_is_cleared_for_the_next_one),
    };
    return cmocka_run_group_tests_name("next_block", tests, NULL, NULL);
}
