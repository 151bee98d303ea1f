/*
 * The heaps of several threads: blocks that go home, and heaps that change hands.
 */
#include "companion.h"
#include "passed.h"

enum { PARCELS_BYTES = 128 * KIB };

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

/* Blocks of two slabs whose parcels are in different places, another of each, and a large one. */
static void tries_on_top(void *argument)
{
    char **p = ((struct blocks *)argument)->p;
    char local;
    CHECK(!remote_free_on_top(p[0])); /* no heap, no parcel */
    heap_free(get_small(8));
    CHECK(!remote_free_on_top(p[0]) && !remote_free_on_top(p[2]));
    heap_free(p[0]);
    CHECK(!remote_free_on_top(p[0])); /* free already, for the longer path to tell */
    CHECK(!remote_free_on_top(p[1] + 16) && !remote_free_on_top(p[2]));
    CHECK(!remote_free_on_top(&local));
    if (!CHECKS_FULL)
        CHECK(remote_free_on_top(p[1]) && withheld() == 2 * heap_usable_size(p[1]));
    heap_free(p[2]);
    CHECK(!remote_free_on_top(p[3])); /* large: measured, perhaps */
    heap_free(p[3]);
}

ISOLATED(only_a_small_block_of_a_slab_whose_parcel_is_open_goes_on_top)
{
    struct companion other;
    fake_start();
    start(HEAP_ARM);
    char *p[] = {get_small(100), get_small(100), get_small(FLOOR_BYTES), get_small(FLOOR_BYTES)};
    struct blocks b = {p, 4, 0};
    companion_start(&other);
    companion_does(&other, tries_on_top, &b);
    companion_ends(&other);
    check_nothing_is_left_in_slabs();
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
    from->nr_slabs[class]--;
    heap_self->nr_slabs[class]++;
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
        cmocka_unit_test(only_a_small_block_of_a_slab_whose_parcel_is_open_goes_on_top),
        cmocka_unit_test(no_thread_withholds_more_than_128_kib),
        cmocka_unit_test(blocks_of_more_slabs_than_there_are_parcels_come_home),
        cmocka_unit_test(a_thread_that_ends_returns_what_it_held_and_the_next_one_has_its_heap),
        cmocka_unit_test(threads_at_the_same_time_have_heaps_of_their_own),
        cmocka_unit_test(what_is_freed_to_an_orphan_goes_back_though_no_thread_comes),
        cmocka_unit_test(a_slab_of_an_orphan_is_adopted_by_who_needs_one_of_its_class),
        cmocka_unit_test(what_was_on_its_way_to_a_slab_that_was_adopted_meanwhile_is_sent_on),
        cmocka_unit_test(generations_of_threads_that_pass_blocks_to_each_other_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
