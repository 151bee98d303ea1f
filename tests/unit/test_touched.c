/*
 * Which share of their pages blocks write to, and when that may be looked at.
 */
#include "isolated.h"

#include <string.h>
#include <sys/mman.h>

#include "alloc/alloc.h"
#include "alloc/living.h"
#include "alloc/start.h"
#include "fake_os.h"
#include "hakmem/hakmem.h"
#include "policy/touched.h"
#include "policy_directory.h"
#include "stats/stats.h"

enum { MIB = 1 << 20 };

static const struct prices prices = {.page_bytes = 4096, .huge_bytes = 2 * MIB};

static void one_block_is_looked_at(void **state)
{
    (void)state;
    struct touched t;
    touched_start(&t, true);
    assert_true(touched_wants(&t));
    assert_false(touched_wants(&t));
    assert_int_equal(touched_pages(&t, &prices, 8 * MIB), 0);
    touched_note(&t, 16, 1024);
    assert_int_equal(touched_pages(&t, &prices, 8 * MIB), 32);
    touched_start(&t, false);
    assert_false(touched_wants(&t));
    assert_int_equal(touched_pages(&t, &prices, 8 * MIB), 0);
}

/* A buffer that was filled with zeros looks as one that was not written to. */
static void blocks_of_zeros_show_nothing_and_others_are_looked_at(void **state)
{
    (void)state;
    struct touched t;
    touched_start(&t, true);
    for (int i = 0; i < 3; i++) {
        assert_true(touched_wants(&t));
        touched_note(&t, 0, 1024);
        assert_int_equal(touched_pages(&t, &prices, 8 * MIB), 0);
    }
    assert_true(touched_wants(&t));
    touched_note(&t, 1, 1024);
    assert_int_equal(touched_pages(&t, &prices, 8 * MIB), 2);
    assert_false(touched_wants(&t));

    touched_start(&t, true);
    for (int i = 0; i < 4; i++) {
        assert_true(touched_wants(&t));
        touched_note(&t, 0, 1024);
    }
    assert_false(touched_wants(&t)); /* they all do */
}

static void blocks_on_base_pages_put_right_what_the_first_one_showed(void **state)
{
    (void)state;
    struct touched t;
    struct episode e = {.bytes = 8 * MIB, .base_pages = 1024, .cold = true};
    touched_start(&t, true);
    touched_note_episode(&t, &prices, ARM_MMAP_BASE_TOUCH_KEEP, &e);
    assert_int_equal(touched_pages(&t, &prices, 8 * MIB), 0); /* nobody has looked yet */
    touched_note(&t, 16, 1024);
    touched_note_episode(&t, &prices, ARM_MMAP_HUGE_TOUCH_KEEP, &e);
    touched_note_episode(&t, &prices, ARM_MMAP_BASE_PREFAULT_KEEP, &e);
    assert_int_equal(touched_pages(&t, &prices, 8 * MIB), 32);
    touched_note_episode(&t, &prices, ARM_MMAP_BASE_TOUCH_KEEP, &e);
    assert_int_equal(touched_pages(&t, &prices, 8 * MIB), 1024);
    e.base_pages = 100; /* less than others */
    touched_note_episode(&t, &prices, ARM_MMAP_BASE_TOUCH_KEEP, &e);
    assert_int_equal(touched_pages(&t, &prices, 8 * MIB), 1024);
}

/* Of 100 pages that it writes to, so many are beyond those that it was given, which are as many. */
static void note_given(struct touched *t, enum arm_id arm, uint32_t grew_pages)
{
    struct episode e = {
        .bytes = 4 * MIB, .base_pages = 100 + grew_pages, .grew_pages = grew_pages, .reused = true};
    touched_note_episode(t, &prices, arm, &e);
}

static void blocks_show_whether_they_write_to_the_pages_that_others_did(void **state)
{
    (void)state;
    struct touched t;
    enum arm_id base = ARM_MMAP_BASE_TOUCH_KEEP;
    touched_start(&t, true);
    note_given(&t, base, 90);
    assert_int_equal(touched_scatter_q10(&t), 512); /* how many pages they write to is not known */
    touched_note(&t, 100, 1024);
    note_given(&t, ARM_MMAP_HUGE_TOUCH_KEEP, 90);
    note_given(&t, ARM_MMAP_BASE_PREFAULT_KEEP, 90);
    note_given(&t, ARM_HEAP_BASE_TOUCH_KEEP, 90);
    assert_int_equal(touched_scatter_q10(&t), 512); /* others say nothing of it */
    note_given(&t, base, 90);
    assert_in_range(touched_scatter_q10(&t), 740, 780);
    for (int i = 0; i < 100; i++)
        note_given(&t, base, 90);
    assert_in_range(touched_scatter_q10(&t), 960, 1024);
    for (int i = 0; i < 100; i++)
        note_given(&t, base, 0);
    assert_in_range(touched_scatter_q10(&t), 0, 64);
}

static void a_block_that_was_given_all_its_pages_shows_nothing_of_that(void **state)
{
    (void)state;
    struct touched t;
    struct episode e = {.bytes = 4 * MIB, .base_pages = 1024, .reused = true};
    touched_start(&t, true);
    touched_note(&t, 100, 1024);
    for (int i = 0; i < 100; i++) /* each would move it by little */
        touched_note_episode(&t, &prices, ARM_MMAP_BASE_TOUCH_KEEP, &e);
    assert_int_equal(touched_scatter_q10(&t), 512);
}

/* A program may forbid itself to read a block, as a guard. */
ISOLATED(a_block_that_is_in_use_is_not_read)
{
    fake_start();
    fake_set("HAKMEM_MODE", "learn");
    fake_set("HAKMEM_POLICY", "policy.json");
    CHECK(start_now());
    char *p = hak_alloc_at(8 * MIB, hak_site("a.c", 7));
    memset(p, 1, 8 * MIB);
    CHECK(mprotect(p, 8 * MIB, PROT_NONE) == 0);
    fake.now_ns += UINT64_C(2000000000);
    living_settle(fake.now_ns);
    CHECK(stat_get(STAT_episodes) == 1);
    CHECK(mprotect(p, 8 * MIB, PROT_READ | PROT_WRITE) == 0);
    hak_free_block(p);
}

/* Of 84 blocks four and then every eighth are looked at; one that has not all its pages, and all are again. */
static void of_blocks_that_all_have_all_their_pages_some_are_looked_at(void **state)
{
    (void)state;
    struct touched t;
    enum arm_id huge = ARM_MMAP_HUGE_TOUCH_KEEP, base = ARM_MMAP_BASE_TOUCH_KEEP;
    unsigned looks = 0;
    touched_start(&t, true);
    for (int i = 0; i < 84; i++) {
        bool look = touched_wants_look(&t, huge);
        looks += look;
        if (look)
            touched_note_look(&t, huge, true);
    }
    assert_int_equal(looks, 4 + 80 / 8);
    assert_true(touched_wants_look(&t, base));
    while (!touched_wants_look(&t, huge))
        ;
    touched_note_look(&t, huge, false);
    for (int i = 0; i < 8; i++) {
        assert_true(touched_wants_look(&t, huge));
        touched_note_look(&t, huge, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_block_is_looked_at),
        cmocka_unit_test(blocks_of_zeros_show_nothing_and_others_are_looked_at),
        cmocka_unit_test(blocks_on_base_pages_put_right_what_the_first_one_showed),
        cmocka_unit_test(blocks_show_whether_they_write_to_the_pages_that_others_did),
        cmocka_unit_test(a_block_that_was_given_all_its_pages_shows_nothing_of_that),
        cmocka_unit_test(of_blocks_that_all_have_all_their_pages_some_are_looked_at),
        IN_DIRECTORY(a_block_that_is_in_use_is_not_read),
    };
    return cmocka_run_group_tests_name("touched", tests, NULL, NULL);
}
