/*
 * Kinds of slabs: on which pages the heap's arms lead, and what becomes of a slab of which nobody has a block.
 */
#include "slabs.h"

#include "alloc/valid.h"

static const uint64_t MS = 1000000;
static const char *const heap_arms[KIND_COUNT] = {"heap/base/touch/keep", "heap/base/touch/lazy",
                                                  "heap/base/touch/drop", "heap/huge/touch/keep",
                                                  "heap/huge/touch/lazy", "heap/huge/touch/drop"};

/* The arm that a case is about. */
static enum slab_kind kind;

static void for_every_kind(void (*body)(void))
{
    for (unsigned k = 0; k < KIND_COUNT; k++) {
        kind = (enum slab_kind)k;
        int status = isolated_status(body);
        if (status != 0)
            fail_msg("%s: status %x", heap_arms[k], (unsigned)status);
    }
}

static void start_kind(void)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start(heap_arms[kind]);
}

static bool is_huge(void)
{
    return kind >= KIND_HUGE_KEEP;
}

static enum arm_retain retain(void)
{
    return (enum arm_retain)block_classes[class_of_kind(LARGE_CLASS_FIRST, kind)].retain;
}

static enum slab_kind kind_of_block(const void *p)
{
    CHECK(heap_has(p));
    return kind_of_class(slab_place(p)->class);
}

/* ---- where blocks lie ---- */

static void lie_where_the_arm_says(void)
{
    start_kind();
    for (size_t bytes = FLOOR_BYTES; bytes < MIB; bytes += 50000) {
        char *p = get(bytes), *zeroed = hak_calloc_at_site(1, bytes, NO_CALLER);
        char *aligned = hak_alloc_at_site(bytes, 4096, NO_CALLER);
        CHECK(kind_of_block(p) == kind && zone_of(p) == (is_huge() ? ZONE_HUGE : ZONE_BASE));
        CHECK(kind_of_block(zeroed) == kind && kind_of_block(aligned) == kind);
        CHECK((uintptr_t)aligned % 4096 == 0 && hak_block_bytes(aligned) >= bytes);
    }
    CHECK(kind_of_block(get(100)) == KIND_BASE_KEEP);
    CHECK(kind_of_block(get(FLOOR_BYTES - 1)) == KIND_BASE_KEEP);
}

static void blocks_lie_in_slabs_of_their_arms_kind(void **state)
{
    for_every_kind(lie_where_the_arm_says);
}

static void keep_their_kind_when_resized(void)
{
    start_kind();
    char *p = get(100000);
    fill(p, 100000);
    p = resize(p, 300000);
    CHECK(kind_of_block(p) == kind && holds(p, 100000));
    fill(p, 300000);
    p = resize(p, 70000);
    CHECK(kind_of_block(p) == kind && holds(p, 70000));
    p = resize(p, 5000);
    CHECK(kind_of_block(p) == KIND_BASE_KEEP && holds(p, 5000));
    p = resize(p, 500000);
    CHECK(kind_of_block(p) == kind && holds(p, 5000));
}

static void blocks_keep_their_kind_when_they_are_resized(void **state)
{
    for_every_kind(keep_their_kind_when_resized);
}

static void go_to_the_c_library_above(void)
{
    start_kind();
    char *p = get(3 * MIB);
    CHECK(is_the_c_librarys(p));
    fill(p, 3 * MIB);
    p = resize(p, 5 * MIB);
    CHECK(is_the_c_librarys(p) && holds(p, 3 * MIB));
    hak_free_block(p);
    CHECK(stat_get(STAT_mmap_allocs) == 0);
}

static void
an_arm_that_is_asked_for_is_the_c_librarys_heap_where_slabs_cannot_hold_the_block(void **state)
{
    for_every_kind(go_to_the_c_library_above);
}

/* ---- what becomes of an empty slab ---- */

static void one_block_is_freed(void)
{
    start_kind();
    char *p = get(200000);
    memset(p, 1, 200000);
    fake_forget();
    hak_free_block(p);
    CHECK(heap_has(p) == (retain() == RETAIN_KEEP));
    CHECK(fake_advised_at(p, OS_GIVE_BACK) == (retain() == RETAIN_DROP));
    CHECK(fake_advised_at(p, OS_GIVE_LAZILY) == (retain() == RETAIN_LAZY));
    CHECK(store_retained_bytes() == 0 || retain() == RETAIN_LAZY);
    char *again = hak_calloc_at_site(1, 200000, NO_CALLER);
    CHECK(kind_of_block(again) == kind && again[0] == 0 && memcmp(again, again + 1, 199999) == 0);
    CHECK(again == p || retain() == RETAIN_DROP);
}

static void an_empty_slab_goes_where_its_arm_says(void **state)
{
    for_every_kind(one_block_is_freed);
}

static void the_last_block_is_freed(void)
{
    enum { BLOCKS = 40 };
    char *p[BLOCKS];
    start_kind();
    for (unsigned i = 0; i < BLOCKS; i++)
        fill(p[i] = get(FLOOR_BYTES), FLOOR_BYTES);
    unsigned spans = slab_spans();
    fake_forget();
    for (unsigned i = 0; i < BLOCKS; i += 2)
        hak_free_block(p[i]);
    CHECK(slab_spans() == spans && fake_calls() == 0);
    for (unsigned i = 1; i < BLOCKS; i += 2) {
        CHECK(holds(p[i], FLOOR_BYTES));
        hak_free_block(p[i]);
    }
    CHECK((slab_spans() == 0) == (retain() != RETAIN_KEEP));
    CHECK((fake_advised(OS_GIVE_BACK) > 0) == (retain() == RETAIN_DROP));
    CHECK((fake_advised(OS_GIVE_LAZILY) > 0) == (retain() == RETAIN_LAZY));
}

static void a_slab_stays_until_its_last_block_is_freed(void **state)
{
    for_every_kind(the_last_block_is_freed);
}

ISOLATED(a_lazy_slab_is_retained_no_longer_than_another)
{
    kind = KIND_BASE_LAZY;
    start_kind();
    hak_free_block(get(200000));
    CHECK(store_retained_bytes() > 0);
    uint64_t now_ns = 1000 * MS;
    store_tick(now_ns, 0);
    store_tick(now_ns += 499 * MS, 0);
    CHECK(store_retained_bytes() > 0);
    store_tick(now_ns + MS, 0);
    CHECK(store_retained_bytes() == 0);
}

ISOLATED(drops_are_given_back_together)
{
    enum { BLOCKS = 40 };
    char *p[BLOCKS];
    kind = KIND_BASE_DROP;
    fake_start();
    start(heap_arms[kind]);
    for (unsigned i = 0; i < BLOCKS; i++)
        p[i] = get(FLOOR_BYTES);
    fake_forget();
    for (unsigned i = 0; i < BLOCKS; i++)
        hak_free_block(p[i]);
    CHECK(slab_spans() == 0 && fake_calls() == 0 && store_wants_look_ns() != 0);
    store_trim();
    CHECK(fake_calls() == 1 && fake_advised_at(p[0], OS_GIVE_BACK));
}

static void *free_all(void *blocks)
{
    for (char **p = blocks; *p != NULL; p++) {
        CHECK(holds(*p, 100000));
        hak_free_block(*p);
    }
    return NULL;
}

static void another_thread_frees(void)
{
    static char *p[41];
    start_kind();
    for (unsigned i = 0; i < 40; i++)
        fill(p[i] = get(100000), 100000);
    in_a_thread(free_all, p);
    char *mine = get(100000); /* what came home is taken in */
    CHECK(kind_of_block(mine) == kind && heap_is_valid(heap_self));
    hak_free_block(mine);
    CHECK((slab_spans() == 0) == (retain() != RETAIN_KEEP));
    check_nothing_is_left_in_slabs();
}

static void what_other_threads_free_comes_home(void **state)
{
    for_every_kind(another_thread_frees);
}

/* ---- machines ---- */

ISOLATED(without_huge_pages_huge_arms_of_the_heap_are_base_arms)
{
    fake_start();
    fake.machine.huge_bytes = 0;
    strcpy(fake.machine.thp, "never");
    start("heap/huge/touch/drop");
    CHECK(kind_of_block(get(FLOOR_BYTES)) == KIND_BASE_DROP);
}

ISOLATED(the_kill_switch_leaves_one_heap_arm)
{
    fake_start();
    fake_set("HAKO_HAKMEM_LARGE_MMAP", "0");
    start("heap/huge/touch/drop");
    CHECK(kind_of_block(get(FLOOR_BYTES)) == KIND_BASE_KEEP && is_the_c_librarys(get(4 * MIB)));
}

ISOLATED(where_free_is_refused_lazy_arms_of_the_heap_drop)
{
    fake_start();
    fake.refused[OS_GIVE_LAZILY] = EINVAL;
    start("heap/base/touch/lazy");
    CHECK(kind_of_block(get(FLOOR_BYTES)) == KIND_BASE_DROP);
}

/* ---- blocks ---- */

static void churn(void)
{
    enum { SLOTS = 60, STEPS = 6000 };
    static char *p[SLOTS];
    static size_t bytes[SLOTS];
    uint64_t seed = random_seed();
    start_kind();
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)random_below(&seed, SLOTS);
        size_t size = FLOOR_BYTES + random_below(&seed, (size_t)1 << random_below(&seed, 20));
        CHECK(p[i] == NULL || holds(p[i], bytes[i]));
        if (p[i] != NULL && random_below(&seed, 4) == 0) {
            p[i] = resize(p[i], size);
            CHECK(holds(p[i], size < bytes[i] ? size : bytes[i]));
        } else {
            hak_free_block(p[i]);
            p[i] = get(size);
        }
        bytes[i] = size;
        fill(p[i], size);
        CHECK(step % 500 != 0 || heap_is_valid(heap_self));
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        CHECK(p[i] == NULL || holds(p[i], bytes[i]));
        hak_free_block(p[i]);
    }
    check_nothing_is_left_in_slabs();
}

static void blocks_of_every_kind_are_whole(void **state)
{
    for_every_kind(churn);
}

/* ---- populating ---- */

/* So many granules of blocks of 64 bytes; how many times something was populated for them. */
static unsigned populated_of(unsigned granules)
{
    fake_forget();
    for (unsigned i = 0; i < granules * (GRANULE_BYTES / 64); i++)
        get_small(64);
    return fake_advised(OS_POPULATE);
}

/* Of the first granule its second half, 8 KiB at a time, then twice as much at a time as often as the class has doubled. */
ISOLATED(a_class_is_populated_ahead_by_a_quarter_of_what_it_has)
{
    fake_start();
    start(HEAP_ARM);
    errno = 0;
    CHECK(populated_of(1) == 4);
    CHECK(populated_of(1) == 4);
    CHECK(populated_of(2) == 4);
    CHECK(populated_of(10) == 10 && errno == 0);
    fake_forget();
    for (unsigned i = 0; i < 64; i++)
        get_small(32 << 10); /* of those, pages may never be touched */
    CHECK(fake_advised(OS_POPULATE) == 0);
}

ISOLATED(a_kernel_that_cannot_populate_is_asked_once)
{
    fake_start();
    start(HEAP_ARM);
    fake.refused[OS_POPULATE] = EINVAL;
    CHECK(populated_of(30) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_lie_in_slabs_of_their_arms_kind),
        cmocka_unit_test(blocks_keep_their_kind_when_they_are_resized),
        cmocka_unit_test(
            an_arm_that_is_asked_for_is_the_c_librarys_heap_where_slabs_cannot_hold_the_block),
        cmocka_unit_test(an_empty_slab_goes_where_its_arm_says),
        cmocka_unit_test(a_slab_stays_until_its_last_block_is_freed),
        cmocka_unit_test(a_lazy_slab_is_retained_no_longer_than_another),
        cmocka_unit_test(drops_are_given_back_together),
        cmocka_unit_test(what_other_threads_free_comes_home),
        cmocka_unit_test(without_huge_pages_huge_arms_of_the_heap_are_base_arms),
        cmocka_unit_test(the_kill_switch_leaves_one_heap_arm),
        cmocka_unit_test(where_free_is_refused_lazy_arms_of_the_heap_drop),
        cmocka_unit_test(blocks_of_every_kind_are_whole),
        cmocka_unit_test(a_class_is_populated_ahead_by_a_quarter_of_what_it_has),
        cmocka_unit_test(a_kernel_that_cannot_populate_is_asked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
