/*
 * The table of arms, and which of them are one where a machine cannot do everything.
 */
#include "isolated.h"

#include <string.h>

#include "policy/arms.h"

static struct arm_abilities abilities(unsigned bits)
{
    return (struct arm_abilities){.huge_pages = bits & 1,
                                  .heap = bits >> 1 & 1,
                                  .heap_pages = bits >> 2 & 1,
                                  .mmap = bits >> 3 & 1,
                                  .lazy = bits >> 4 & 1,
                                  .prefault = bits >> 5 & 1,
                                  .heap_huge_pages = bits >> 6 & 1};
}

enum { EVERYTHING = 127, MACHINES = EVERYTHING + 1 };

static void each_of_the_24_arms_is_found_by_its_name(void **state)
{
    assert_int_equal(ARM_COUNT, 24);
    for (int i = 0; i < ARM_COUNT; i++)
        assert_int_equal(arm_by_name(arms[i].name), i);
    assert_string_equal(arms[ARM_MMAP_HUGE_TOUCH_KEEP].name, "mmap/huge/touch/keep");
    assert_int_equal(arm_by_name(""), ARM_NONE);
    assert_int_equal(arm_by_name("mmap/huge/touch"), ARM_NONE);
    assert_int_equal(arm_by_name("MMAP/huge/touch/keep"), ARM_NONE);
}

static void an_arm_is_what_its_name_says(void **state)
{
    static const char *const backing[] = {"heap", "mmap"}, *const pages[] = {"base", "huge"},
                             *const fill[] = {"touch", "prefault"},
                             *const retain[] = {"keep", "lazy", "drop"};
    for (int i = 0; i < ARM_COUNT; i++) {
        char name[40];
        snprintf(name, sizeof(name), "%s/%s/%s/%s", backing[arms[i].backing], pages[arms[i].pages],
                 fill[arms[i].fill], retain[arms[i].retain]);
        assert_string_equal(arms[i].name, name);
    }
}

/* The heap has nothing to prefault: its memory is other blocks' too. */
static void
a_machine_that_can_do_everything_has_every_arm_but_those_that_prefault_the_heap(void **state)
{
    uint8_t played_as[ARM_COUNT];
    struct arm_abilities all = abilities(EVERYTHING);
    arm_set own = arm_pool(&all, played_as);
    for (int i = 0; i < ARM_COUNT; i++)
        assert_int_equal((own & ARM_BIT(i)) != 0,
                         arms[i].backing == BACKING_MMAP || arms[i].fill == FILL_TOUCH);
    assert_int_equal(played_as[ARM_HEAP_BASE_PREFAULT_KEEP], ARM_HEAP_BASE_TOUCH_KEEP);
    assert_int_equal(played_as[ARM_HEAP_HUGE_PREFAULT_DROP], ARM_HEAP_HUGE_TOUCH_DROP);
}

static void blocks_of_the_heap_share_huge_pages_that_are_too_large_for_one(void **state)
{
    uint8_t played_as[ARM_COUNT];
    struct arm_abilities can = abilities(EVERYTHING);
    can.huge_pages = 0;
    arm_pool(&can, played_as);
    assert_int_equal(played_as[ARM_HEAP_HUGE_TOUCH_LAZY], ARM_HEAP_HUGE_TOUCH_LAZY);
    assert_int_equal(played_as[ARM_MMAP_HUGE_TOUCH_LAZY], ARM_MMAP_BASE_TOUCH_LAZY);
    can.heap_huge_pages = 0;
    arm_pool(&can, played_as);
    assert_int_equal(played_as[ARM_HEAP_HUGE_TOUCH_LAZY], ARM_HEAP_BASE_TOUCH_LAZY);
}

static void a_heap_that_cannot_hold_the_size_has_no_arm(void **state)
{
    uint8_t played_as[ARM_COUNT];
    struct arm_abilities can = abilities(EVERYTHING);
    can.heap = 0;
    assert_int_equal(__builtin_popcount(arm_pool(&can, played_as)), 12);
    for (int i = 0; i < ARM_COUNT; i++)
        if (arms[i].backing == BACKING_HEAP)
            assert_int_equal(played_as[i], ARM_NONE);
}

static void a_heap_without_pages_of_its_own_is_one_arm(void **state)
{
    uint8_t played_as[ARM_COUNT];
    struct arm_abilities can = abilities(EVERYTHING & ~4u);
    arm_set own = arm_pool(&can, played_as);
    assert_int_equal(__builtin_popcount(own), 13);
    for (int i = 0; i < ARM_COUNT; i++)
        if (arms[i].backing == BACKING_HEAP)
            assert_int_equal(played_as[i], ARM_HEAP_BASE_TOUCH_KEEP);
}

/* Over all machines: who stands for another stands for himself, and asks for nothing that is not there. */
static void an_arm_is_only_pooled_with_one_that_can_be_played(void **state)
{
    for (unsigned bits = 0; bits < MACHINES; bits++) {
        uint8_t played_as[ARM_COUNT];
        struct arm_abilities can = abilities(bits);
        arm_set own = arm_pool(&can, played_as);
        assert_int_equal(own != 0, can.heap || can.mmap);
        for (int i = 0; i < ARM_COUNT; i++) {
            bool possible = arms[i].backing == BACKING_MMAP ? can.mmap : can.heap;
            assert_int_equal(played_as[i] != ARM_NONE, possible);
            assert_int_equal((own & ARM_BIT(i)) != 0, played_as[i] == i);
            if (!possible)
                continue;
            const struct arm *as = &arms[played_as[i]];
            assert_true((own & ARM_BIT(played_as[i])) != 0);
            assert_int_equal(as->backing, arms[i].backing);
            bool heap = arms[i].backing == BACKING_HEAP;
            assert_true((heap ? can.heap_huge_pages : can.huge_pages) || as->pages == PAGES_BASE);
            assert_true((!heap && can.prefault) || as->fill == FILL_TOUCH);
            assert_true(can.lazy || as->retain != RETAIN_LAZY);
        }
    }
}

static void lazy_becomes_drop_where_the_kernel_cannot(void **state)
{
    uint8_t played_as[ARM_COUNT];
    struct arm_abilities can = abilities(EVERYTHING & ~16u);
    arm_pool(&can, played_as);
    assert_int_equal(played_as[ARM_MMAP_HUGE_TOUCH_LAZY], ARM_MMAP_HUGE_TOUCH_DROP);
    assert_int_equal(played_as[ARM_HEAP_HUGE_TOUCH_LAZY], ARM_HEAP_HUGE_TOUCH_DROP);
    assert_int_equal(played_as[ARM_MMAP_HUGE_TOUCH_KEEP], ARM_MMAP_HUGE_TOUCH_KEEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_the_24_arms_is_found_by_its_name),
        cmocka_unit_test(an_arm_is_what_its_name_says),
        cmocka_unit_test(
            a_machine_that_can_do_everything_has_every_arm_but_those_that_prefault_the_heap),
        cmocka_unit_test(blocks_of_the_heap_share_huge_pages_that_are_too_large_for_one),
        cmocka_unit_test(a_heap_that_cannot_hold_the_size_has_no_arm),
        cmocka_unit_test(a_heap_without_pages_of_its_own_is_one_arm),
        cmocka_unit_test(an_arm_is_only_pooled_with_one_that_can_be_played),
        cmocka_unit_test(lazy_becomes_drop_where_the_kernel_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
