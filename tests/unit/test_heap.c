/*
 * The heap of one thread: blocks in slabs, from the first malloc to the last slab that goes back.
 */
#include "enormous.h"
#include "slabs.h"

/* From 1 byte to CLASS_MAX_BYTES, every order of magnitude as often as another. */
static size_t any_size(uint64_t *random)
{
    return 1 + random_below(random, (size_t)1 << random_below(random, 21));
}

static bool is_zero(const char *p, size_t bytes)
{
    return bytes == 0 || (p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0);
}

/* ---- blocks ---- */

ISOLATED(blocks_are_aligned_distinct_and_whole)
{
    enum { BLOCKS = 1500 };
    static char *p[BLOCKS];
    static size_t bytes[BLOCKS];
    uint64_t random = random_seed();
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < BLOCKS; i++) {
        bytes[i] = any_size(&random);
        p[i] = get_small(bytes[i]);
        CHECK((uintptr_t)p[i] % CLASS_STEP_BYTES == 0 && heap_usable_size(p[i]) >= bytes[i]);
        stamp(p[i], i);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        CHECK(is_stamped(p[i], heap_usable_size(p[i]), i));
    for (unsigned i = 0; i < BLOCKS; i++)
        heap_free(p[i]);
    check_nothing_is_left_in_slabs();
}

ISOLATED(blocks_of_every_class_lie_in_slabs_up_to_the_largest)
{
    fake_start();
    start(HEAP_ARM);
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        size_t bytes = block_classes[class].bytes;
        char *p = get_small(bytes);
        CHECK(heap_usable_size(p) == bytes && !is_a_span(p));
        stamp(p, class);
    }
    char *large = heap_malloc(CLASS_MAX_BYTES + 1);
    CHECK(is_the_c_librarys(large) && heap_usable_size(large) > CLASS_MAX_BYTES);
    heap_free(large);
}

ISOLATED(nothing_is_a_block_of_sixteen_bytes_of_its_own)
{
    fake_start();
    start(HEAP_ARM);
    char *p = get_small(0), *q = heap_calloc(0, 100), *r = heap_calloc(100, 0);
    CHECK(p != q && q != r && p != r && q != NULL && r != NULL);
    CHECK(heap_usable_size(p) == 16 && heap_usable_size(NULL) == 0);
    memset(p, 0xff, 16);
    heap_free(p);
    heap_free(q);
    heap_free(r);
    heap_free(NULL);
}

ISOLATED(a_freed_block_is_the_next_one_of_its_class)
{
    fake_start();
    start(HEAP_ARM);
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        enum { BLOCKS_MAX = 1 << 16 };
        static char *p[BLOCKS_MAX];
        size_t bytes = block_classes[class].bytes, n = block_classes[class].blocks;
        for (size_t i = 0; i < n; i++)
            p[i] = get_small(bytes);
        unsigned spans = slab_spans();
        for (unsigned round = 0; round < 3; round++) {
            for (size_t i = 0; i < n; i++)
                heap_free(p[i]);
            for (size_t i = 0; i < n; i++)
                p[i] = get_small(bytes);
        }
        CHECK(slab_spans() == spans);
        heap_free(p[n / 2]);
        CHECK(get_small(bytes) == p[n / 2]);
    }
}

ISOLATED(what_was_freed_last_is_used_next_while_others_wait)
{
    enum { BLOCKS = 20 };
    static char *p[BLOCKS];
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < BLOCKS; i++)
        p[i] = get_small(100);
    for (unsigned i = 0; i < BLOCKS; i += 2)
        heap_free(p[i]);
    CHECK(get_small(100) == p[BLOCKS - 2]);
    heap_free(p[1]);
    CHECK(get_small(100) == p[1] && get_small(100) == p[BLOCKS - 4]);
}

ISOLATED(the_first_block_of_a_class_touches_a_page_and_no_more)
{
    unsigned char resident[(1 << SLAB_SHIFT_MAX) / 4096];
    fake_start();
    start(HEAP_ARM);
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        char *p = get_small(block_classes[class].bytes);
        size_t slab = (size_t)1 << block_classes[class].slab_shift, pages = 0;
        char *first = (char *)((uintptr_t)p & ~(slab - 1));
        CHECK(os_linux.residency(first, slab, resident) == 0);
        for (size_t i = 0; i < slab / 4096; i++)
            pages += resident[i] & 1;
        CHECK(pages == 1);
    }
}

static bool is_on_huge_pages(const void *p)
{
    return (uintptr_t)p >= arena.zone[ZONE_HUGE].memory.base;
}

ISOLATED(classes_that_have_grown_in_a_heap_that_has_grown_lie_on_huge_pages)
{
    enum { BYTES = 1000, SLABS_BYTES = 8 << 20, OTHER_BYTES = 600 };
    fake_start();
    start(HEAP_ARM);
    while (store_slab_bytes() < SLABS_BYTES)
        CHECK(!is_on_huge_pages(get_small(BYTES)));
    CHECK(!is_on_huge_pages(get_small(OTHER_BYTES)));
    char *last = NULL;
    for (size_t left = SLABS_BYTES / BYTES; left > 0; left--)
        last = get_small(BYTES);
    CHECK(is_on_huge_pages(last) && !is_on_huge_pages(get_small(OTHER_BYTES)));
}

/* ---- calloc ---- */

ISOLATED(calloc_is_zero_in_memory_that_was_used)
{
    fake_start();
    start(HEAP_ARM);
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        size_t bytes = block_classes[class].bytes;
        char *p = get_small(bytes);
        memset(p, 0xff, bytes);
        heap_free(p);
        for (unsigned i = 0; i < block_classes[class].carved; i++) {
            char *q = heap_calloc(1, bytes);
            CHECK(q != NULL && is_zero(q, bytes));
            memset(q, 0xff, bytes);
        }
    }
}

ISOLATED(calloc_is_zero_in_slabs_that_another_class_had)
{
    fake_start();
    start(HEAP_ARM);
    for (size_t bytes = 64; bytes <= CLASS_MAX_BYTES; bytes = bytes * 3 / 2) {
        char *p[8];
        for (unsigned i = 0; i < 8; i++) {
            p[i] = heap_calloc(1, bytes);
            CHECK(p[i] != NULL && is_zero(p[i], bytes));
            memset(p[i], 0xff, bytes);
        }
        for (unsigned i = 0; i < 8; i++)
            heap_free(p[i]);
        heap_trim();
        CHECK(slab_spans() == 0);
    }
}

ISOLATED(calloc_does_not_clear_what_was_never_used)
{
    unsigned char resident[CLASS_MAX_BYTES / 4096];
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < 8; i++) {
        char *p = heap_calloc(1, CLASS_MAX_BYTES);
        size_t pages = 0;
        CHECK(heap_has(p) && os_linux.residency(p, CLASS_MAX_BYTES, resident) == 0);
        for (size_t page = 0; page < CLASS_MAX_BYTES / 4096; page++)
            pages += resident[page] & 1;
        CHECK(pages == 1 && is_zero(p, CLASS_MAX_BYTES));
    }
}

ISOLATED(calloc_of_more_than_there_is_is_null_and_enomem)
{
    fake_start();
    start(HEAP_ARM);
    errno = 0;
    CHECK(heap_calloc(SIZE_MAX / 2, 3) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(heap_calloc((size_t)1 << 32, (size_t)1 << 32) == NULL && errno == ENOMEM);
}

/* ---- alignment ---- */

ISOLATED(blocks_lie_at_multiples_of_every_power_of_two)
{
    enum { EACH = 3 };
    fake_start();
    start(HEAP_ARM);
    for (size_t align = 1; align <= 4 * MIB; align *= 2) {
        size_t sizes[] = {0, 1, align - 1, align, align + 1, align + align / 2, 3 * align, 100000};
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char *p[EACH];
            for (unsigned k = 0; k < EACH; k++) {
                p[k] = heap_memalign(align, sizes[i]);
                CHECK(p[k] != NULL && (uintptr_t)p[k] % align == 0);
                CHECK(heap_usable_size(p[k]) >= sizes[i]);
                CHECK(heap_has(p[k]) == (align <= CLASS_MAX_BYTES && sizes[i] <= CLASS_MAX_BYTES));
                memset(p[k], (int)k, sizes[i]);
            }
            for (unsigned k = 0; k < EACH; k++) {
                CHECK(sizes[i] == 0 ||
                      ((unsigned char)p[k][0] == k && p[k][sizes[i] - 1] == p[k][0]));
                heap_free(p[k]);
            }
        }
    }
    check_nothing_is_left_in_slabs();
}

/* ---- realloc ---- */

ISOLATED(a_block_stays_while_it_fits_and_at_least_half_of_it_is_used)
{
    fake_start();
    start(HEAP_ARM);
    char *p = get_small(1000);
    size_t usable = heap_usable_size(p);
    stamp(p, 7);
    CHECK(heap_realloc(p, usable) == p && heap_realloc(p, usable / 2) == p);
    CHECK(is_stamped(p, usable, 7));
    char *q = heap_realloc(p, usable / 2 - 1);
    CHECK(q != p && heap_usable_size(q) < usable && is_stamped(q, usable / 2 - 1, 7));
    char *r = heap_realloc(q, usable + 1);
    CHECK(r != q && heap_usable_size(r) > usable && is_stamped(r, usable / 2 - 1, 7));
    char *least = get_small(1);
    CHECK(heap_realloc(least, 16) == least && heap_realloc(least, 1) == least);
    heap_free(r);
    heap_free(least);
    check_nothing_is_left_in_slabs();
}

ISOLATED(what_fits_is_kept_through_any_sequence_of_sizes)
{
    uint64_t random = random_seed();
    fake_start();
    start(HEAP_ARM);
    char *p = NULL;
    for (unsigned step = 0; step < 3000; step++) {
        size_t bytes = step % 50 == 49 ? 3 * MIB : any_size(&random);
        size_t kept = p == NULL ? 0 : heap_usable_size(p) < bytes ? heap_usable_size(p) : bytes;
        char *q = p == NULL ? heap_malloc(bytes) : heap_realloc(p, bytes);
        CHECK(q != NULL && heap_usable_size(q) >= bytes && is_stamped(q, kept, step - 1));
        stamp(q, step);
        p = q;
    }
    heap_free(p);
    check_nothing_is_left_in_slabs();
}

ISOLATED(a_small_block_that_keeps_growing_is_not_copied_every_time)
{
    enum { STEPS = 4000 };
    unsigned moved = 0, classes = class_of(16 + STEPS);
    fake_start();
    start(HEAP_ARM);
    char *p = get_small(16);
    for (size_t bytes = 17; bytes < 17 + STEPS; bytes++) {
        char *q = heap_realloc(p, bytes);
        moved += q != p;
        p = q;
    }
    CHECK(moved < classes * 3 / 4);
}

ISOLATED(realloc_to_nothing_gives_the_block_back)
{
    fake_start();
    start(HEAP_ARM);
    char *p = get_small(5000);
    CHECK(heap_realloc(p, 0) == NULL);
    check_nothing_is_left_in_slabs();
}

ISOLATED(what_cannot_grow_stays_as_it_is)
{
    fake_start();
    start(HEAP_ARM);
    char *p = get_small(5000);
    stamp(p, 3);
    errno = 0;
    CHECK(heap_realloc(p, SIZE_MAX - 4096) == NULL && errno == ENOMEM);
    CHECK(is_stamped(p, heap_usable_size(p), 3));
}

/* ---- foreign blocks ---- */

ISOLATED(blocks_from_before_the_start_are_the_c_librarys_until_they_are_freed)
{
    fake_start();
    char *before = malloc(1000), *grown = malloc(1000), *freed = malloc(1000);
    memset(before, 5, 1000);
    memset(grown, 6, 1000);
    start(HEAP_ARM);
    CHECK(!heap_has(before) && heap_usable_size(before) >= 1000);
    grown = heap_realloc(grown, 2000);
    CHECK(!heap_has(grown) && grown[0] == 6 && grown[999] == 6);
    hak_free_block(freed);
    hak_free_block(before);
    hak_free_block(grown);
}

/* ---- slabs ---- */

ISOLATED(slabs_become_free_spans_when_everything_is_freed)
{
    enum { BLOCKS = 20000 };
    static char *p[BLOCKS];
    uint64_t random = random_seed();
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < BLOCKS; i++)
        p[i] = get_small(1 + random_below(&random, i % 20 == 0 ? 30000 : 600));
    unsigned spans = slab_spans();
    CHECK(spans > 60 && slab_granules() >= spans);
    for (unsigned i = BLOCKS - 1; i > 0; i--) {
        unsigned other = (unsigned)random_below(&random, i + 1);
        char *swapped = p[i];
        p[i] = p[other];
        p[other] = swapped;
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        heap_free(p[i]);
    check_nothing_is_left_in_slabs();
    store_trim();
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == 0 && stat_get(STAT_retained_bytes) == 0 &&
          stat_get(STAT_queued_bytes) == 0);
}

ISOLATED(most_slabs_go_back_without_being_asked_for)
{
    enum { BLOCKS = 20000 };
    static char *p[BLOCKS];
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < BLOCKS; i++)
        p[i] = get_small(512);
    CHECK(slab_granules() >= BLOCKS * 512 / GRANULE_BYTES);
    for (unsigned i = 0; i < BLOCKS; i++)
        heap_free(p[i]);
    CHECK(slab_granules() <= 12);
}

ISOLATED(a_slab_with_one_block_stays_and_the_block_is_whole)
{
    enum { BLOCKS = 4000 };
    static char *p[BLOCKS];
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < BLOCKS; i++)
        p[i] = get_small(256);
    stamp(p[BLOCKS / 2], 99);
    for (unsigned i = 0; i < BLOCKS; i++)
        if (i != BLOCKS / 2)
            heap_free(p[i]);
    heap_trim();
    store_trim();
    CHECK(slab_spans() == 1 && is_stamped(p[BLOCKS / 2], 256, 99));
    for (unsigned i = 0; i < 200; i++)
        CHECK(get_small(256) != p[BLOCKS / 2]);
    CHECK(slab_spans() == 1);
}

ISOLATED(another_class_has_the_slab_that_one_gave_back)
{
    fake_start();
    start(HEAP_ARM);
    char *p = get_small(64);
    uintptr_t slab = (uintptr_t)p & ~(uintptr_t)(GRANULE_BYTES - 1);
    heap_free(p);
    heap_trim();
    CHECK(!heap_has(p));
    fake_forget();
    char *q = get_small(200);
    CHECK(((uintptr_t)q & ~(uintptr_t)(GRANULE_BYTES - 1)) == slab && slab_spans() == 1);
    CHECK(heap_usable_size(q) < 240 && fake_calls() == 0);
}

ISOLATED(spans_and_slabs_reuse_each_others_memory)
{
    if (!HAK_LARGE_MMAP)
        return;
    fake_start();
    start("mmap/base/touch/keep");
    char *span = get(8 * MIB);
    memset(span, 0xff, 8 * MIB);
    hak_free_block(span);
    char *p = heap_calloc(1, 100000);
    CHECK(heap_has(p) && p >= span && p < span + 8 * MIB && is_zero(p, 100000));
    heap_free(p);
    heap_trim();
    store_trim();
    CHECK(get(8 * MIB) == span);
}

/* ---- the steady state ---- */

static void churn(uint64_t seed)
{
    enum { SLOTS = 300 };
    char *p[SLOTS] = {NULL};
    size_t bytes[SLOTS] = {0};
    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = (unsigned)random_below(&seed, SLOTS);
        if (p[i] != NULL) {
            CHECK(p[i][0] == (char)i && p[i][bytes[i] - 1] == (char)i);
            heap_free(p[i]);
        }
        bytes[i] = any_size(&seed) / 4 + 1;
        p[i] = get_small(bytes[i]);
        p[i][0] = p[i][bytes[i] - 1] = (char)i;
    }
    for (unsigned i = 0; i < SLOTS; i++)
        heap_free(p[i]);
}

ISOLATED(nothing_is_asked_of_the_system_in_the_steady_state)
{
    uint64_t seed = random_seed();
    fake_start();
    start(HEAP_ARM);
    churn(seed);
    CHECK(fake_calls() > 0);
    fake_forget();
    churn(seed);
    CHECK(fake_calls() == 0);
    check_nothing_is_left_in_slabs();
}

ISOLATED(neither_malloc_nor_free_touches_errno)
{
    fake_start();
    start(HEAP_ARM);
    errno = 123;
    for (size_t bytes = 0; bytes <= CLASS_MAX_BYTES; bytes = bytes * 2 + 1) {
        char *p = heap_malloc(bytes), *q = heap_calloc(1, bytes);
        CHECK(p != NULL && q != NULL && errno == 123);
        heap_free(heap_realloc(p, bytes * 2));
        heap_free(q);
        CHECK(errno == 123);
    }
    heap_trim();
    CHECK(errno == 123);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_distinct_and_whole),
        cmocka_unit_test(blocks_of_every_class_lie_in_slabs_up_to_the_largest),
        cmocka_unit_test(nothing_is_a_block_of_sixteen_bytes_of_its_own),
        cmocka_unit_test(a_freed_block_is_the_next_one_of_its_class),
        cmocka_unit_test(what_was_freed_last_is_used_next_while_others_wait),
        cmocka_unit_test(the_first_block_of_a_class_touches_a_page_and_no_more),
        cmocka_unit_test(classes_that_have_grown_in_a_heap_that_has_grown_lie_on_huge_pages),
        cmocka_unit_test(calloc_is_zero_in_memory_that_was_used),
        cmocka_unit_test(calloc_is_zero_in_slabs_that_another_class_had),
        cmocka_unit_test(calloc_does_not_clear_what_was_never_used),
        cmocka_unit_test(calloc_of_more_than_there_is_is_null_and_enomem),
        cmocka_unit_test(blocks_lie_at_multiples_of_every_power_of_two),
        cmocka_unit_test(a_block_stays_while_it_fits_and_at_least_half_of_it_is_used),
        cmocka_unit_test(what_fits_is_kept_through_any_sequence_of_sizes),
        cmocka_unit_test(a_small_block_that_keeps_growing_is_not_copied_every_time),
        cmocka_unit_test(realloc_to_nothing_gives_the_block_back),
        cmocka_unit_test(what_cannot_grow_stays_as_it_is),
        cmocka_unit_test(blocks_from_before_the_start_are_the_c_librarys_until_they_are_freed),
        cmocka_unit_test(slabs_become_free_spans_when_everything_is_freed),
        cmocka_unit_test(most_slabs_go_back_without_being_asked_for),
        cmocka_unit_test(a_slab_with_one_block_stays_and_the_block_is_whole),
        cmocka_unit_test(another_class_has_the_slab_that_one_gave_back),
        cmocka_unit_test(spans_and_slabs_reuse_each_others_memory),
        cmocka_unit_test(nothing_is_asked_of_the_system_in_the_steady_state),
        cmocka_unit_test(neither_malloc_nor_free_touches_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
