/*
 * The heaps of several threads: blocks that go home, heaps that change hands, and the ends of threads.
 */
#include "companion.h"
#include "slabs.h"

enum { PARCELS_BYTES = 128 * KIB };

struct blocks {
    char **p;
    unsigned n;
    size_t bytes;
};

static void *take_all(void *argument)
{
    struct blocks *b = argument;
    for (unsigned i = 0; i < b->n; i++) {
        b->p[i] = get_small(b->bytes);
        stamp(b->p[i], i);
    }
    return NULL;
}

static void *give_all(void *argument)
{
    struct blocks *b = argument;
    for (unsigned i = 0; i < b->n; i++) {
        CHECK(is_stamped(b->p[i], heap_usable_size(b->p[i]), i));
        heap_free(b->p[i]);
    }
    return NULL;
}

static void *take_and_give_all(void *argument)
{
    take_all(argument);
    return give_all(argument);
}

static void takes(void *argument)
{
    take_all(argument);
}

static void gives(void *argument)
{
    give_all(argument);
}

static void trims(void *argument)
{
    heap_trim();
}

/* As heap_trim(), but for the heaps of other threads. */
static void clears(void *argument)
{
    heap_begin(heap_self);
    heap_clear(heap_self, 0);
    heap_end(heap_self);
}

/* ---- home ---- */

static const size_t sizes[] = {8, 100, 2000, 5000, 40000, 200000};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), BLOCKS = 3000 };
static char *block[BLOCKS];

ISOLATED(what_another_thread_freed_is_used_again)
{
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < SIZES; i++) {
        struct blocks b = {block, (unsigned)(4 * MIB / sizes[i]), sizes[i]};
        b.n = b.n > BLOCKS ? BLOCKS : b.n;
        take_all(&b);
        unsigned spans = slab_spans();
        for (unsigned round = 0; round < 3; round++) {
            in_a_thread(give_all, &b);
            take_all(&b);
            CHECK(slab_spans() == spans);
        }
        give_all(&b);
    }
    check_nothing_is_left_in_slabs();
}

ISOLATED(it_comes_home_while_the_other_thread_lives_on)
{
    struct companion other;
    struct blocks b = {block, BLOCKS, 1000};
    fake_start();
    start(HEAP_ARM);
    companion_start(&other);
    take_all(&b);
    unsigned spans = slab_spans();
    for (unsigned round = 0; round < 5; round++) {
        companion_does(&other, gives, &b);
        take_all(&b);
        CHECK(slab_spans() <= spans + (PARCELS_BYTES + GRANULE_BYTES) / GRANULE_BYTES);
    }
    companion_ends(&other);
    give_all(&b);
    check_nothing_is_left_in_slabs();
}

static size_t withheld(void)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < PARCELS; i++)
        if (heap_self->parcel[i].slab != NULL)
            bytes += heap_self->parcel[i].count * heap_usable_size(heap_self->parcel[i].tail);
    return bytes;
}

static void give_and_look_what_is_withheld(void *argument)
{
    struct blocks *b = argument;
    size_t most = 0;
    for (unsigned i = 0; i < b->n; i++) {
        heap_free(b->p[i]);
        most = withheld() > most ? withheld() : most;
        CHECK(withheld() <= PARCELS_BYTES);
    }
    CHECK(b->bytes > PARCELS_BYTES / 2 || most > PARCELS_BYTES / 2);
    remote_send(heap_self);
    CHECK(withheld() == 0);
}

ISOLATED(no_thread_withholds_more_than_128_kib)
{
    struct companion other;
    fake_start();
    start(HEAP_ARM);
    companion_start(&other);
    for (unsigned i = 1; i < SIZES; i++) {
        struct blocks b = {block, (unsigned)(2 * MIB / sizes[i]), sizes[i]};
        b.n = b.n > BLOCKS ? BLOCKS : b.n;
        take_all(&b);
        companion_does(&other, give_and_look_what_is_withheld, &b);
    }
    companion_ends(&other);
    check_nothing_is_left_in_slabs();
}

ISOLATED(blocks_of_more_slabs_than_there_are_parcels_come_home)
{
    enum { SLABS = 3 * PARCELS };
    static char *p[SLABS];
    struct blocks b = {p, SLABS, 4096}; /* a slab holds some, so that neighbours share a parcel */
    fake_start();
    start(HEAP_ARM);
    for (unsigned round = 0; round < 3; round++) {
        take_all(&b);
        for (unsigned i = 0; i < SLABS / 2; i++) { /* in an order that changes the slab each time */
            char *swapped = p[i];
            p[i] = p[SLABS - 1 - i];
            p[SLABS - 1 - i] = swapped;
        }
        for (unsigned i = 0; i < SLABS; i++)
            stamp(p[i], i);
        in_a_thread(give_all, &b);
    }
    check_nothing_is_left_in_slabs();
}

/* ---- heaps that change hands ---- */

static void *whose_heap(void *argument)
{
    heap_free(get_small(100));
    *(struct heap **)argument = heap_self;
    return NULL;
}

ISOLATED(a_thread_that_ends_returns_what_it_held_and_the_next_one_has_its_heap)
{
    struct heap *first, *second;
    struct blocks b = {block, BLOCKS, 1000};
    fake_start();
    start(HEAP_ARM);
    get_small(1);
    in_a_thread(take_and_give_all, &b);
    CHECK(slab_spans() == 1);
    in_a_thread(whose_heap, &first);
    in_a_thread(whose_heap, &second);
    CHECK(first == second && first != heap_self && first != HEAP_NONE);
    CHECK(first->state == HEAP_ORPHAN && slab_spans() == 1);
}

ISOLATED(threads_at_the_same_time_have_heaps_of_their_own)
{
    struct companion other;
    struct blocks mine = {block, 500, 100}, its = {block + 500, 500, 100};
    fake_start();
    start(HEAP_ARM);
    companion_start(&other);
    take_all(&mine);
    companion_does(&other, takes, &its);
    for (unsigned i = 0; i < 500; i++)
        CHECK(owner_of_block(mine.p[i]) == heap_self && owner_of_block(its.p[i]) != heap_self);
    give_all(&its);
    companion_does(&other, gives, &mine);
    companion_ends(&other);
    check_nothing_is_left_in_slabs();
}

ISOLATED(what_is_freed_to_an_orphan_goes_back_though_no_thread_comes)
{
    struct blocks b = {block, BLOCKS, 1000};
    fake_start();
    start(HEAP_ARM);
    char *p = get_small(1); /* else the orphan would be ours */
    in_a_thread(take_all, &b);
    CHECK(slab_granules() > 40 && owner_of_block(block[0])->state == HEAP_ORPHAN);
    give_all(&b);
    CHECK(slab_spans() <= 2 + PARCELS_BYTES / GRANULE_BYTES);
    heap_free(p);
    check_nothing_is_left_in_slabs();
}

ISOLATED(a_slab_of_an_orphan_is_adopted_by_who_needs_one_of_its_class)
{
    struct blocks b = {block, 100, 64};
    fake_start();
    start(HEAP_ARM);
    char *first = get_small(500);
    in_a_thread(take_all, &b);
    struct heap *orphan = owner_of_block(block[0]);
    CHECK(slab_spans() == 2 && orphan != heap_self && orphan->state == HEAP_ORPHAN);
    char *p = get_small(64);
    CHECK(slab_spans() == 2 && owner_of_block(p) == heap_self);
    CHECK(owner_of_block(block[0]) == heap_self);
    for (unsigned i = 0; i < 100; i++)
        CHECK(is_stamped(block[i], 64, i) && block[i] != p);
    give_all(&b);
    heap_free(p);
    heap_free(first);
    check_nothing_is_left_in_slabs();
}

/* What heaps_adopt_slab() does between the looks of those who send: here the heap still has an owner. */
static void adopt_from(struct heap *from, unsigned class)
{
    CHECK(!list_empty(&from->available[class]) && heap_self->active[class] == NULL);
    struct slab *s = CONTAINER_OF(list_pop_front(&from->available[class]), struct slab, link);
    slab_set_owner(s, heap_self);
    list_push_front(&heap_self->available[class], &s->link);
}

ISOLATED(what_was_on_its_way_to_a_slab_that_was_adopted_meanwhile_is_sent_on)
{
    struct companion other;
    struct blocks all = {block, 100, 64}, some = {block, 60, 64}, rest = {block + 60, 40, 64};
    fake_start();
    start(HEAP_ARM);
    get_small(500);
    companion_start(&other);
    companion_does(&other, takes, &all);
    companion_does(&other, trims, NULL); /* so that the slab is in its list */
    struct heap *from = owner_of_block(block[0]);
    give_all(&some);
    remote_send(heap_self);
    CHECK(from->inbox != 0 && heap_self->inbox == 0);
    adopt_from(from, class_of(64));
    companion_does(&other, clears, NULL);
    CHECK(from->inbox == 0 && heap_self->inbox != 0);
    for (unsigned i = 0; i < 40; i++)
        stamp(rest.p[i], i);
    give_all(&rest);
    heap_trim();
    CHECK(slab_spans() == 1);
    companion_ends(&other);
}

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

/* ---- all of it at once ---- */

enum { WORKERS = 4, TABLE = 256, GENERATIONS = 6, STEPS = 4000 };
static struct slot {
    pthread_mutex_t mutex;
    char *p;
    size_t bytes;
    unsigned key;
} table[TABLE];

static void *work(void *argument)
{
    uint64_t random = *(uint64_t *)argument;
    for (unsigned step = 0; step < STEPS; step++) {
        struct slot *slot = &table[random_below(&random, TABLE)];
        size_t bytes = 1 + random_below(&random, (size_t)1 << random_below(&random, 15));
        unsigned key = (unsigned)random_next(&random);
        char *p = heap_malloc(bytes);
        CHECK(p != NULL);
        stamp(p, key);
        pthread_mutex_lock(&slot->mutex);
        struct slot old = *slot;
        slot->p = p;
        slot->bytes = bytes;
        slot->key = key;
        pthread_mutex_unlock(&slot->mutex);
        CHECK(old.p == NULL || is_stamped(old.p, heap_usable_size(old.p), old.key));
        heap_free(old.p);
    }
    return NULL;
}

ISOLATED(generations_of_threads_that_pass_blocks_to_each_other_leave_nothing)
{
    uint64_t seed = random_seed(), seeds[WORKERS];
    pthread_t thread[WORKERS];
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < TABLE; i++)
        pthread_mutex_init(&table[i].mutex, NULL);
    for (unsigned generation = 0; generation < GENERATIONS; generation++) {
        for (unsigned i = 0; i < WORKERS; i++) {
            seeds[i] = random_next(&seed);
            CHECK(pthread_create(&thread[i], NULL, work, &seeds[i]) == 0);
        }
        for (unsigned i = 0; i < WORKERS; i++)
            CHECK(pthread_join(thread[i], NULL) == 0);
    }
    for (unsigned i = 0; i < TABLE; i++)
        heap_free(table[i].p);
    check_nothing_is_left_in_slabs();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_thread_freed_is_used_again),
        cmocka_unit_test(it_comes_home_while_the_other_thread_lives_on),
        cmocka_unit_test(no_thread_withholds_more_than_128_kib),
        cmocka_unit_test(blocks_of_more_slabs_than_there_are_parcels_come_home),
        cmocka_unit_test(a_thread_that_ends_returns_what_it_held_and_the_next_one_has_its_heap),
        cmocka_unit_test(threads_at_the_same_time_have_heaps_of_their_own),
        cmocka_unit_test(what_is_freed_to_an_orphan_goes_back_though_no_thread_comes),
        cmocka_unit_test(a_slab_of_an_orphan_is_adopted_by_who_needs_one_of_its_class),
        cmocka_unit_test(what_was_on_its_way_to_a_slab_that_was_adopted_meanwhile_is_sent_on),
        cmocka_unit_test(threads_beyond_the_last_heap_still_get_memory),
        cmocka_unit_test(destructors_that_run_after_ours_are_served),
        cmocka_unit_test(a_thread_may_have_its_first_block_in_a_destructor),
        cmocka_unit_test(generations_of_threads_that_pass_blocks_to_each_other_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
