/*
 * The kill switch: no mmap arm is played, neither where it is set nor in a build without them.
 */
#include "blocks.h"

static void use_every_size(void)
{
    uint64_t random = 20240607;
    for (int i = 0; i < 60; i++) {
        size_t bytes = FLOOR_BYTES + random_below(&random, 8 * MIB);
        char *p = resize(get(bytes), bytes * 2);
        CHECK(!is_a_span(p));
        hak_free_block(p);
    }
}

ISOLATED(the_switch_takes_every_mmap_arm_out)
{
    fake_start();
    fake_set("HAKO_HAKMEM_LARGE_MMAP", "0");
    use_every_size();
    CHECK(stat_get(STAT_mmap_allocs) == 0 && stat_get(STAT_heap_allocs) >= 60);
}

ISOLATED(the_switch_is_stronger_than_an_arm_that_is_asked_for)
{
    fake_start();
    fake_set("HAKO_HAKMEM_LARGE_MMAP", "0");
    start("mmap/huge/touch/keep");
    use_every_size();
    CHECK(stat_get(STAT_mmap_allocs) == 0);
}

ISOLATED(a_build_without_mmap_arms_plays_none)
{
    fake_start();
    if (HAK_LARGE_MMAP)
        CHECK(is_a_span(get(MIB)) && stat_get(STAT_mmap_allocs) == 1);
    else
        use_every_size();
    CHECK(HAK_LARGE_MMAP || stat_get(STAT_mmap_allocs) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_switch_takes_every_mmap_arm_out),
        cmocka_unit_test(the_switch_is_stronger_than_an_arm_that_is_asked_for),
        cmocka_unit_test(a_build_without_mmap_arms_plays_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
