/*
 * Threads that end, and threads beyond the last heap.
 */
#include "passed.h"

/* ---- more threads than heaps ---- */

enum { CROWD = 100 };
static pthread_barrier_t crowd_barrier;
static _Atomic unsigned without_heap;

static void *one_of_the_crowd(void *argument)
{
    char *p[SIZES], *q[SIZES];
    for (unsigned i = 0; i < SIZES; i++) {
        p[i] = heap_malloc(sizes[i]);
        CHECK(p[i] != NULL);
        stamp(p[i], i);
    }
    without_heap += heap_self == HEAP_NONE;
    pthread_barrier_wait(&crowd_barrier);
    for (unsigned i = 0; i < SIZES; i++) {
        q[i] = heap_calloc(1, sizes[i]);
        CHECK(q[i] != NULL && q[i][0] == 0 && memcmp(q[i], q[i] + 1, sizes[i] - 1) == 0);
        CHECK(is_stamped(p[i], heap_usable_size(p[i]), i));
        heap_free(p[i]);
    }
    ((char **)argument)[0] = q[0]; /* freed by somebody else, who may have no heap either */
    pthread_barrier_wait(&crowd_barrier);
    for (unsigned i = 1; i < SIZES; i++)
        heap_free(q[i]);
    heap_free(((char **)argument)[1]);
    return NULL;
}

ISOLATED(threads_beyond_the_last_heap_still_get_memory)
{
    static char *left[CROWD + 1];
    pthread_t thread[CROWD];
    fake_start();
    fake_set("HAKMEM_ARENA_GB", "1"); /* 64 heaps */
    start(HEAP_ARM);
    left[CROWD] = get_small(8);
    for (unsigned round = 0; round < 2; round++) {
        without_heap = 0;
        pthread_barrier_init(&crowd_barrier, NULL, CROWD);
        for (unsigned i = 0; i < CROWD; i++)
            CHECK(pthread_create(&thread[i], NULL, one_of_the_crowd, &left[i]) == 0);
        for (unsigned i = 0; i < CROWD; i++)
            CHECK(pthread_join(thread[i], NULL) == 0);
        CHECK(without_heap > 0 && without_heap < CROWD);
        heap_free(left[0]);
        left[CROWD] = get_small(8);
    }
    heap_free(left[CROWD]);
    check_nothing_is_left_in_slabs();
}

/* ---- the last moments of a thread ---- */

#ifdef __SANITIZE_THREAD__
enum {
    FAREWELLS = 2
}; /* in the last round, which must not be ours either, ThreadSanitizer is gone */
#else
enum { FAREWELLS = 4 }; /* PTHREAD_DESTRUCTOR_ITERATIONS */
#endif
static pthread_key_t farewell;
static unsigned farewells;
static char *last_words[FAREWELLS];
static struct blocks given_at_last;

/* Runs after our own destructor, whose key is older, and again as long as it asks to. */
static void say_farewell(void *argument)
{
    char *p[SIZES];
    for (unsigned i = 0; i < SIZES; i++) {
        p[i] = heap_malloc(sizes[i]);
        CHECK(p[i] != NULL);
        stamp(p[i], i);
    }
    for (unsigned i = 0; i < SIZES; i++) {
        CHECK(is_stamped(p[i], heap_usable_size(p[i]), i));
        heap_free(p[i]);
    }
    for (unsigned i = farewells; i < given_at_last.n; i += FAREWELLS)
        heap_free(given_at_last.p[i]);
    last_words[farewells] = heap_malloc(100);
    stamp(last_words[farewells], farewells);
    if (++farewells < FAREWELLS)
        pthread_setspecific(farewell, argument);
}

static void *use_the_key(void *argument)
{
    take_and_give_all(argument);
    CHECK(pthread_setspecific(farewell, argument) == 0);
    return NULL;
}

ISOLATED(destructors_that_run_after_ours_are_served)
{
    struct blocks b = {block, 1000, 100};
    fake_start();
    start(HEAP_ARM);
    given_at_last = (struct blocks){block + 1000, 1000, 300};
    CHECK(pthread_key_create(&farewell, say_farewell) == 0);
    take_all(&given_at_last);
    in_a_thread(use_the_key, &b);
    CHECK(farewells == FAREWELLS);
    for (unsigned i = 0; i < FAREWELLS; i++) {
        CHECK(is_stamped(last_words[i], 100, i));
        heap_free(last_words[i]);
    }
    check_nothing_is_left_in_slabs();
}

static void *use_the_key_only(void *argument)
{
    CHECK(pthread_setspecific(farewell, argument) == 0);
    return NULL;
}

ISOLATED(a_thread_may_have_its_first_block_in_a_destructor)
{
    fake_start();
    start(HEAP_ARM);
    CHECK(pthread_key_create(&farewell, say_farewell) == 0);
    in_a_thread(use_the_key_only, &farewell);
    CHECK(farewells == FAREWELLS);
    for (unsigned i = 0; i < FAREWELLS; i++)
        heap_free(last_words[i]);
    check_nothing_is_left_in_slabs();
}

/* What is freed when nobody will tell any more that the thread ends, as by the C library, takes no heap that nobody would leave. */
static void free_at_last(void *p)
{
    heap_free(p);
    CHECK(heap_self == HEAP_NONE);
}

static void *leave_a_block(void *unused)
{
    (void)unused;
    CHECK(pthread_setspecific(farewell, heap_malloc(100)) == 0);
    return NULL;
}

ISOLATED(a_thread_that_left_its_heap_frees_without)
{
    fake_start();
    start(HEAP_ARM);
    heap_free(get_small(100));
    CHECK(pthread_key_create(&farewell, free_at_last) == 0);
    in_a_thread(leave_a_block, NULL);
    check_nothing_is_left_in_slabs();
}

enum { FEW = 8 };

/* Such a thread may never have had one: all that it frees is what it had no part in. */
static void *free_a_few(void *blocks)
{
    for (unsigned i = 0; i < FEW; i++)
        heap_free(((char **)blocks)[i]);
    CHECK(heap_self == HEAP_NONE);
    return NULL;
}

ISOLATED(a_thread_that_frees_a_few_blocks_needs_no_heap)
{
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < FEW; i++)
        block[i] = get_small(100);
    in_a_thread(free_a_few, block);
    check_nothing_is_left_in_slabs();
}

/* ---- what a thread leaves behind ---- */

enum { LEFT = 200, LEFT_BYTES = 3000 };

static void *leave_written_blocks(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < LEFT; i++)
        memset(block[i] = get_small(LEFT_BYTES), 0xEE, LEFT_BYTES);
    for (unsigned i = 0; i < LEFT; i++)
        if (i % 8 != 0)
            heap_free(block[i]);
    return NULL;
}

/* It is another slab's blocks that are fresh when the last of the own slab's is taken. */
ISOLATED(what_another_thread_left_is_cleared_for_calloc)
{
    fake_start();
    start(HEAP_ARM);
    get_small(10);
    in_a_thread(leave_written_blocks, NULL);
    for (unsigned i = 0; i < 2 * LEFT; i++) {
        char *p = heap_calloc(1, LEFT_BYTES);
        CHECK(p != NULL && all_zero(p, LEFT_BYTES));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_beyond_the_last_heap_still_get_memory),
        cmocka_unit_test(destructors_that_run_after_ours_are_served),
        cmocka_unit_test(a_thread_may_have_its_first_block_in_a_destructor),
        cmocka_unit_test(a_thread_that_left_its_heap_frees_without),
        cmocka_unit_test(a_thread_that_frees_a_few_blocks_needs_no_heap),
        cmocka_unit_test(what_another_thread_left_is_cleared_for_calloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
