/*
 * Whether the blocks of one site are of several kinds: arms for each depth of the stack against one for all.
 */
#include "isolated.h"

#include "policy/contexts.h"

static const arm_set ALL = ARM_BIT(ARM_COUNT) - 1;

/* Under every arm the block costs `cost_ns`, but for one that is `cheaper` times better. */
static void add(struct contexts *c, uint32_t depth, int best, uint64_t cost_ns, unsigned cheaper)
{
    uint64_t cost[ARM_COUNT];
    for (int i = 0; i < ARM_COUNT; i++)
        cost[i] = cost_ns;
    cost[best] = cost_ns / cheaper;
    contexts_add(c, contexts_place(c, depth), 1, cost);
}

static void depths_that_want_the_same_arm_agree(void **state)
{
    struct contexts c = {0};
    for (uint32_t i = 0; i < 200; i++)
        add(&c, 1 + i % 4, 3, 1000 * (1 + i % 4), 4);
    assert_int_equal(c.count, 4);
    assert_false(contexts_disagree(&c, ALL));
}

static void depths_that_want_different_arms_disagree(void **state)
{
    struct contexts c = {0};
    for (uint32_t i = 0; i < 32; i++)
        add(&c, 1 + i % 2, (int)(i % 2), 1000, 2);
    assert_true(contexts_disagree(&c, ALL));
}

static void what_cannot_be_played_is_no_reason_to_split(void **state)
{
    struct contexts c = {0};
    for (uint32_t i = 0; i < 32; i++)
        add(&c, 1 + i % 2, (int)(i % 2), 1000, 2);
    assert_false(contexts_disagree(&c, ALL & ~ARM_BIT(0) & ~ARM_BIT(1)));
    assert_false(contexts_disagree(&c, 0));
}

static void one_depth_has_nobody_to_disagree_with(void **state)
{
    struct contexts c = {0};
    for (uint32_t i = 0; i < 100; i++)
        add(&c, 7, (int)(i % 5), 1000, 3);
    assert_false(contexts_disagree(&c, ALL));
}

static void a_few_blocks_of_a_depth_say_nothing(void **state)
{
    struct contexts c = {0};
    for (uint32_t i = 0; i < 100; i++)
        add(&c, 1, 0, 1000, 2);
    for (uint32_t i = 0; i < 7; i++)
        add(&c, 2, 1, 1000, 10);
    assert_false(contexts_disagree(&c, ALL));
}

static void savings_of_a_tenth_are_not_worth_it(void **state)
{
    struct contexts c = {0};
    for (uint32_t i = 0; i < 64; i++) {
        uint64_t cost[ARM_COUNT];
        for (int arm = 0; arm < ARM_COUNT; arm++)
            cost[arm] = arm == (int)(i % 2) ? 900 : 1000;
        contexts_add(&c, contexts_place(&c, 1 + i % 2), 1, cost);
    }
    assert_false(contexts_disagree(&c, ALL));
}

/* Until the first cold block of a depth, what its blocks touch was not known. */
static void what_was_noted_before_it_was_known_what_is_touched_is_forgotten(void **state)
{
    struct contexts c = {0};
    for (uint32_t i = 0; i < 64; i++)
        add(&c, 1 + i % 2, 0, 1000, 2);
    contexts_add_cold(&c, contexts_place(&c, 2), 1, 500);
    for (uint32_t i = 0; i < 16; i++)
        add(&c, 2, 1, 1000, 2);
    assert_true(contexts_disagree(&c, ALL));
    contexts_add_cold(&c, contexts_place(&c, 2), 1, 500); /* more of them: nothing new */
    assert_true(contexts_disagree(&c, ALL));
}

/* All depths are the same, and every arm's cost is noise: the best by chance of one half is not the best of the other. */
static void noise_splits_nothing(void **state)
{
    uint64_t random = random_seed();
    unsigned split = 0;
    for (unsigned run = 0; run < 200; run++) {
        struct contexts c = {0};
        for (uint32_t i = 0; i < 256; i++) {
            uint64_t cost[ARM_COUNT];
            for (int arm = 0; arm < ARM_COUNT; arm++)
                cost[arm] =
                    500 + random_below(&random, 1000) * (random_below(&random, 20) == 0 ? 10 : 1);
            contexts_add(&c, contexts_place(&c, 1 + (uint32_t)random_below(&random, 8)), 1, cost);
        }
        split += contexts_disagree(&c, ALL);
    }
    assert_in_range(split, 0, 10);
}

static void more_depths_than_there_are_places_are_not_noted(void **state)
{
    struct contexts c = {0};
    for (uint32_t i = 0; i < CONTEXTS_MAX; i++)
        assert_int_equal(contexts_place(&c, 1 + i), i);
    assert_int_equal(contexts_place(&c, 1 + CONTEXTS_MAX), CONTEXTS_MAX);
    assert_int_equal(contexts_place(&c, 1), 0);
    assert_int_equal(c.count, CONTEXTS_MAX);
}

static void one_in_sixteen_stands_for_all_later_ones(void **state)
{
    struct contexts c = {0};
    uint32_t place = contexts_place(&c, 7), noted = 0, stand_for = 0;
    for (unsigned i = 0; i < 64 + 160; i++) {
        unsigned n = contexts_count(&c, place);
        noted += n != 0;
        stand_for += n;
    }
    assert_int_equal(noted, 64 + 10);
    assert_int_equal(stand_for, 64 + 160);
}

static void one_block_of_each_depth_is_a_scout(void **state)
{
    struct contexts c = {0};
    contexts_place(&c, 7);
    assert_true(contexts_wants_scout(&c, 7));
    assert_false(contexts_wants_scout(&c, 7));
    assert_true(contexts_wants_scout(&c, 8));
}

static void what_blocks_touch_is_known_from_those_that_began_cold(void **state)
{
    struct contexts c = {0};
    uint32_t place = contexts_place(&c, 7);
    assert_int_equal(contexts_touched(&c, place, 1024, 1024), 1024);
    contexts_add_cold(&c, place, 1, 1000);
    contexts_add_cold(&c, place, 199, 1000);
    assert_int_equal(contexts_touched(&c, place, 1000, 1000), 100);
    assert_int_equal(contexts_touched(&c, place, 50, 1000), 50);
}

static void sums_stay_at_the_top(void **state)
{
    struct contexts c = {0};
    for (uint32_t i = 0; i < 64; i++)
        add(&c, 1 + i % 2, 0, UINT64_MAX, 1);
    assert_false(contexts_disagree(&c, ALL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depths_that_want_the_same_arm_agree),
        cmocka_unit_test(depths_that_want_different_arms_disagree),
        cmocka_unit_test(what_cannot_be_played_is_no_reason_to_split),
        cmocka_unit_test(one_depth_has_nobody_to_disagree_with),
        cmocka_unit_test(a_few_blocks_of_a_depth_say_nothing),
        cmocka_unit_test(savings_of_a_tenth_are_not_worth_it),
        cmocka_unit_test(what_was_noted_before_it_was_known_what_is_touched_is_forgotten),
        cmocka_unit_test(noise_splits_nothing),
        cmocka_unit_test(more_depths_than_there_are_places_are_not_noted),
        cmocka_unit_test(one_in_sixteen_stands_for_all_later_ones),
        cmocka_unit_test(one_block_of_each_depth_is_a_scout),
        cmocka_unit_test(what_blocks_touch_is_known_from_those_that_began_cold),
        cmocka_unit_test(sums_stay_at_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
