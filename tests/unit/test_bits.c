/*
 * The base: size classes, bands, lists, and the ranks of locks.
 */
#include "isolated.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/bits.h"
#include "base/list.h"
#include "base/lock.h"

static void classes_begin_one_by_one_and_go_on_four_to_a_doubling(void **state)
{
    static const unsigned lowest[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32};
    for (unsigned class = 0; class < sizeof(lowest) / sizeof(lowest[0]); class ++) {
        assert_int_equal(granule_class(lowest[class]), class);
        if (lowest[class] > 0)
            assert_true(granule_class(lowest[class] - 1) < class);
    }
    for (uint64_t g = 4; g < (uint64_t)1 << 27; g += 1 + g / 7)
        assert_int_equal(granule_class(2 * g), granule_class(g) + 4);
}

static void classes_never_fall_and_skip_none(void **state)
{
    for (uint64_t g = 1; g < 1 << 20; g++) {
        unsigned step = granule_class(g) - granule_class(g - 1);
        assert_true(step <= 1);
    }
}

static void every_size_has_a_class(void **state)
{
    assert_int_equal(granule_class(((uint64_t)1 << 29) - 1), GRANULE_CLASSES - 1);
    assert_int_equal(granule_class((uint64_t)1 << 29), GRANULE_CLASSES - 1);
    assert_int_equal(granule_class(UINT64_MAX), GRANULE_CLASSES - 1);
}

static void a_band_is_the_floor_of_the_logarithm(void **state)
{
    assert_int_equal(band_of(FLOOR_BYTES), BAND_FIRST);
    for (unsigned band = BAND_FIRST + 1; band <= BAND_LAST; band++) {
        assert_int_equal(band_of((size_t)1 << band), band);
        assert_int_equal(band_of(((size_t)1 << band) - 1), band - 1);
    }
    assert_int_equal(band_of(SIZE_MAX), BAND_LAST);
}

static void alignment_rounds_up_and_down(void **state)
{
    assert_int_equal(align_up(0, 4096), 0);
    assert_int_equal(align_up(1, 4096), 4096);
    assert_int_equal(align_up(4096, 4096), 4096);
    assert_int_equal(align_down(4095, 4096), 0);
    assert_int_equal(align_down(8191, 4096), 4096);
    assert_false(is_pow2(0));
    assert_true(is_pow2(1));
    assert_false(is_pow2(3));
    assert_true(is_pow2((size_t)1 << 63));
}

static void a_list_keeps_its_order(void **state)
{
    struct list head, n[4];
    list_init(&head);
    for (int i = 0; i < 4; i++)
        list_init(&n[i]);
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    list_push_back(&head, &n[1]);
    list_push_back(&head, &n[2]);
    list_push_front(&head, &n[0]);
    assert_ptr_equal(list_pop_front(&head), &n[0]);
    assert_ptr_equal(list_pop_front(&head), &n[1]);
    assert_ptr_equal(list_pop_front(&head), &n[2]);
    assert_true(list_empty(&head));
}

static void a_node_knows_whether_it_is_in_a_list_and_may_leave_twice(void **state)
{
    struct list head, a, b;
    list_init(&head);
    list_init(&a);
    list_init(&b);
    assert_false(list_in(&a));
    list_push_back(&head, &a);
    list_push_back(&head, &b);
    assert_true(list_in(&a));
    list_remove(&a);
    list_remove(&a);
    assert_false(list_in(&a));
    assert_true(list_in(&b));
    assert_ptr_equal(list_pop_front(&head), &b);
}

static void take_in_rising_order(void)
{
    struct lock save = LOCK_INIT(LOCK_RANK_SAVE), store = LOCK_INIT(LOCK_RANK_STORE);
    for (int i = 0; i < 2; i++) {
        lock_acquire(&save);
        lock_acquire(&store);
        lock_release(&store);
        lock_release(&save);
    }
    lock_acquire(&store);
    lock_release(&store);
    lock_acquire(&save);
    lock_release(&save);
}

static void take_in_falling_order(void)
{
    struct rlimit none = {0, 0};
    struct lock save = LOCK_INIT(LOCK_RANK_SAVE), store = LOCK_INIT(LOCK_RANK_STORE);
    setrlimit(RLIMIT_CORE, &none);
    lock_acquire(&store);
    lock_acquire(&save);
}

static void locks_may_be_taken_in_rising_order_of_their_ranks(void **state)
{
    assert_int_equal(isolated_status(take_in_rising_order), 0);
}

static void a_lock_taken_against_its_rank_ends_the_program_where_that_is_checked(void **state)
{
#ifdef HAK_LOCK_CHECKS
    int status = isolated_status(take_in_falling_order);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#else
    assert_int_equal(isolated_status(take_in_falling_order), 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_begin_one_by_one_and_go_on_four_to_a_doubling),
        cmocka_unit_test(classes_never_fall_and_skip_none),
        cmocka_unit_test(every_size_has_a_class),
        cmocka_unit_test(a_band_is_the_floor_of_the_logarithm),
        cmocka_unit_test(alignment_rounds_up_and_down),
        cmocka_unit_test(a_list_keeps_its_order),
        cmocka_unit_test(a_node_knows_whether_it_is_in_a_list_and_may_leave_twice),
        cmocka_unit_test(locks_may_be_taken_in_rising_order_of_their_ranks),
        cmocka_unit_test(a_lock_taken_against_its_rank_ends_the_program_where_that_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
