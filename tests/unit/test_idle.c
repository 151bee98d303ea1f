/*
 * Heaps whose threads sleep: what they have to spare is given back by others, and never while they are at work.
 */
#include "companion.h"
#include "slabs.h"

#include "alloc/idle.h"
#include "alloc/valid.h"

static const uint64_t MS = 1000000;
enum { BLOCKS = 400 };
static char *block[BLOCKS];

/* Every class that has so many blocks in one slab is in use, and what is live is stamped. */
static void take_all(void *argument)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = get_small(block_classes[i % CLASS_COUNT].bytes);
        stamp(block[i], i);
    }
}

static void give_all(void *argument)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        CHECK(is_stamped(block[i], heap_usable_size(block[i]), i));
        heap_free(block[i]);
    }
}

static void take_and_give_all(void *argument)
{
    take_all(NULL);
    give_all(NULL);
}

/* The helper thread's looks, over so many milliseconds. */
static void look_for(unsigned ms)
{
    uint64_t now_ns = os->now_ns();
    for (unsigned passed = 0; passed <= ms; passed += 50)
        idle_tick(now_ns + passed * MS);
}

static void start_with(struct companion *other)
{
    fake_start();
    start(HEAP_ARM);
    companion_start(other);
}

ISOLATED(what_a_sleeping_thread_has_to_spare_is_given_back)
{
    struct companion other;
    start_with(&other);
    companion_does(&other, take_and_give_all, NULL);
    CHECK(slab_spans() > 0);
    look_for(500);
    CHECK(slab_spans() == 0 && slab_granules() == 0);
    companion_does(&other, take_and_give_all, NULL);
    companion_ends(&other);
}

ISOLATED(blocks_of_a_sleeping_thread_stay_as_they_are)
{
    struct companion other;
    start_with(&other);
    companion_does(&other, take_all, NULL);
    look_for(500);
    companion_does(&other, give_all, NULL);
    companion_does(&other, take_all, NULL);
    look_for(500);
    give_all(NULL);
    companion_ends(&other);
    check_nothing_is_left_in_slabs();
}

ISOLATED(what_others_free_of_a_sleeping_thread_is_given_back_every_time)
{
    struct companion other;
    start_with(&other);
    for (unsigned round = 0; round < 3; round++) {
        companion_does(&other, take_all, NULL);
        look_for(500);
        give_all(NULL);
        remote_send(heap_self);
        look_for(500);
        CHECK(slab_spans() == 0);
    }
    companion_ends(&other);
}

ISOLATED(what_a_sleeping_thread_withholds_of_others_is_sent_home)
{
    struct companion other;
    start_with(&other);
    take_all(NULL);
    companion_does(&other, give_all, NULL);
    look_for(500);
    heap_begin(heap_self);
    heap_clear(heap_self, 0);
    heap_end(heap_self);
    CHECK(slab_spans() == 0);
    companion_ends(&other);
}

ISOLATED(a_heap_is_watched_until_it_has_been_idle_and_then_no_more)
{
    struct companion other;
    start_with(&other);
    CHECK(idle_tick(os->now_ns()) == 0 && !idle_is_watching());
    companion_does(&other, take_and_give_all, NULL);
    uint64_t now_ns = os->now_ns(), next_ns = idle_tick(now_ns);
    CHECK(next_ns > 0 && next_ns < 1000 * MS && idle_is_watching());
    unsigned spans = slab_spans();
    CHECK(idle_tick(now_ns + next_ns) > 0 && slab_spans() == spans);
    CHECK(idle_tick(now_ns + 1000 * MS) == 0 && slab_spans() == 0 && !idle_is_watching());
    companion_does(&other, take_all, NULL);
    CHECK(idle_tick(now_ns + 2000 * MS) > 0);
    give_all(NULL);
    companion_ends(&other);
}

static struct heap *others_heap;

static void enters(void *argument)
{
    others_heap = heap_self;
    heap_enter(heap_self);
}

static void leaves(void *argument)
{
    heap_leave(heap_self);
}

ISOLATED(nobody_touches_a_heap_that_its_thread_is_in)
{
    struct companion other;
    start_with(&other);
    companion_does(&other, take_and_give_all, NULL);
    companion_does(&other, enters, NULL);
    unsigned spans = slab_spans();
    look_for(1000);
    CHECK(slab_spans() == spans && idle_is_watching() && heap_is_valid(others_heap));
    companion_does(&other, leaves, NULL);
    look_for(500);
    CHECK(slab_spans() == 0);
    companion_does(&other, take_and_give_all, NULL);
    companion_ends(&other);
}

static int no_barrier(void)
{
    return -ENOSYS;
}

ISOLATED(where_there_is_no_barrier_nobodys_heap_is_touched)
{
    static struct os without;
    struct companion other;
    start_with(&other);
    without = *os;
    without.barrier = no_barrier;
    os = &without;
    companion_does(&other, take_and_give_all, NULL);
    unsigned spans = slab_spans();
    look_for(1000);
    CHECK(slab_spans() == spans);
    companion_does(&other, take_and_give_all, NULL);
    companion_ends(&other);
}

ISOLATED(trimming_reaches_the_heaps_of_other_threads)
{
    struct companion other;
    start_with(&other);
    companion_does(&other, take_and_give_all, NULL);
    heap_trim();
    CHECK(slab_spans() == 0);
    companion_does(&other, take_and_give_all, NULL);
    companion_ends(&other);
}

/* ---- at work meanwhile ---- */

static _Atomic bool stop;

static void *churn(void *argument)
{
    enum { OWN = 64 };
    char *own[OWN] = {0};
    uint64_t random = (uintptr_t)argument;
    for (unsigned i = 0; !stop; i++) {
        char **p = &own[random_below(&random, OWN)];
        CHECK(*p == NULL || is_stamped(*p, heap_usable_size(*p), (unsigned)(uintptr_t)argument));
        heap_free(*p);
        *p = get_small(1 + random_below(&random, 3000));
        stamp(*p, (unsigned)(uintptr_t)argument);
        if (i % 4096 == 0)
            usleep(100);
    }
    for (unsigned i = 0; i < OWN; i++)
        heap_free(own[i]);
    return NULL;
}

ISOLATED(threads_at_work_are_tended_between_their_calls_and_notice_nothing)
{
    enum { THREADS = 3, ROUNDS = 3000 };
    pthread_t thread[THREADS];
    fake_start();
    start(HEAP_ARM);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, churn, (void *)(i + 1)) == 0);
    for (unsigned round = 0; round < ROUNDS; round++)
        idle_tend_all();
    stop = true;
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    check_nothing_is_left_in_slabs();
}

/* ---- fork ---- */

static void in_a_child(void (*body)(void))
{
    int status = isolated_status(body);
    CHECK(status == 0);
}

static void give_all_and_look(void)
{
    unsigned spans = slab_spans();
    give_all(NULL);
    take_all(NULL);
    CHECK(slab_spans() <= spans + 1);
    give_all(NULL);
    check_nothing_is_left_in_slabs();
}

ISOLATED(a_child_has_the_heaps_of_the_threads_that_it_does_not_have)
{
    struct companion other;
    start_with(&other);
    companion_does(&other, take_all, NULL);
    in_a_child(give_all_and_look);
    companion_does(&other, give_all, NULL);
    companion_ends(&other);
    check_nothing_is_left_in_slabs();
}

static void give_all_to_nobody(void)
{
    give_all(NULL);
    look_for(500);
    heap_trim();
    CHECK(slab_spans() > 0);
    take_and_give_all(NULL);
}

ISOLATED(but_for_a_heap_that_its_thread_was_in)
{
    struct companion other;
    start_with(&other);
    companion_does(&other, take_all, NULL);
    companion_does(&other, enters, NULL);
    in_a_child(give_all_to_nobody);
    companion_does(&other, leaves, NULL);
    companion_does(&other, give_all, NULL);
    companion_ends(&other);
    check_nothing_is_left_in_slabs();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_sleeping_thread_has_to_spare_is_given_back),
        cmocka_unit_test(blocks_of_a_sleeping_thread_stay_as_they_are),
        cmocka_unit_test(what_others_free_of_a_sleeping_thread_is_given_back_every_time),
        cmocka_unit_test(what_a_sleeping_thread_withholds_of_others_is_sent_home),
        cmocka_unit_test(a_heap_is_watched_until_it_has_been_idle_and_then_no_more),
        cmocka_unit_test(nobody_touches_a_heap_that_its_thread_is_in),
        cmocka_unit_test(where_there_is_no_barrier_nobodys_heap_is_touched),
        cmocka_unit_test(trimming_reaches_the_heaps_of_other_threads),
        cmocka_unit_test(threads_at_work_are_tended_between_their_calls_and_notice_nothing),
        cmocka_unit_test(a_child_has_the_heaps_of_the_threads_that_it_does_not_have),
        cmocka_unit_test(but_for_a_heap_that_its_thread_was_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
