/*
 * The heap where the system refuses: malloc of any size gives a block, or NULL and ENOMEM; nothing that is held is
 * lost, and when the system gives again, work goes on.
 */
#include "refuse.h"
#include "slabs.h"

#include <sys/resource.h>

#include "alloc/heap_libc.h"

/* ---- what a program does ---- */

enum { UNTOUCHED = 77 }; /* errno before a call that may not change it */

static bool is_had(const void *p)
{
    CHECK(p != NULL ? errno == UNTOUCHED : errno == ENOMEM);
    errno = UNTOUCHED;
    return p != NULL;
}

static char *take(unsigned i, size_t bytes)
{
    errno = UNTOUCHED;
    char *p = i % 3 == 0   ? hak_alloc_at_site(bytes, 1, NO_CALLER)
              : i % 3 == 1 ? hak_calloc_at_site(1, bytes, NO_CALLER)
                           : hak_alloc_at_site(bytes, (size_t)16 << i % 8, NO_CALLER);
    if (!is_had(p))
        return NULL;
    CHECK(i % 3 != 1 || bytes == 0 || (p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0));
    CHECK(i % 3 != 2 || (uintptr_t)p % ((size_t)16 << i % 8) == 0);
    CHECK(hak_block_bytes(p) >= bytes);
    memset(p, (int)i, bytes);
    return p;
}

static bool is_whole(const char *p, size_t bytes, unsigned i)
{
    return bytes == 0 || ((unsigned char)p[0] == i && memcmp(p, p + 1, bytes - 1) == 0);
}

enum { BLOCKS = 60 };
static char *held[BLOCKS];

/* 0 bytes to 3 MB, each order of magnitude as often. */
static size_t bytes_of(unsigned i)
{
    return i == 0 ? 0 : (size_t)1 << i * 20 / (BLOCKS - 1) << (i % 7 == 0) | i;
}

static void *take_some_and_free_what_is_held(void *argument)
{
    char *own[12];
    for (unsigned i = 0; i < 12; i++)
        own[i] = take(i, (size_t)10 << i);
    for (unsigned i = 0; i < BLOCKS; i++) {
        CHECK(held[i] == NULL || is_whole(held[i], bytes_of(i), i));
        hak_free_block(held[i]);
    }
    for (unsigned i = 0; i < 12; i++) {
        CHECK(own[i] == NULL || is_whole(own[i], (size_t)10 << i, i));
        hak_free_block(own[i]);
    }
    CHECK(errno == UNTOUCHED);
    return NULL;
}

static void work(void)
{
    for (unsigned i = 0; i < BLOCKS; i++)
        held[i] = take(i, bytes_of(i));
    for (unsigned i = 0; i < BLOCKS; i += 2) {
        size_t to = i % 4 == 0 ? bytes_of(i) / 3 + 1 : bytes_of(i) * 2 + 1, was = bytes_of(i);
        char *q = held[i] != NULL ? hak_realloc_at_site(held[i], to, NO_CALLER) : NULL;
        CHECK(held[i] == NULL || is_had(q) || is_whole(held[i], was, i));
        if (q == NULL)
            continue;
        CHECK(is_whole(q, to < was ? to : was, i));
        hak_free_block(q);
        held[i] = NULL;
    }
    in_a_thread(take_some_and_free_what_is_held, NULL);
    heap_trim();
    store_tick(fake.now_ns += 1000000000, 0);
    store_tick(fake.now_ns += 20000000, 0);
}

static void check_nothing_is_lost(void)
{
    check_nothing_is_left_in_slabs();
    store_trim();
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == 0 && stat_get(STAT_retained_bytes) == 0 &&
          stat_get(STAT_queued_bytes) == 0);
}

/* ---- once ---- */

static void work_with_one_refusal(void)
{
    fake_start();
    fake_set("HAKMEM_BATCH_COUNT", "2");
    fake_set("HAKMEM_ARM", faulty_arm);
    fake_fail_any(faulty_call, ENOMEM);
    work();
    bool reached = fake_has_failed();
    fake_fail_never();
    work();
    check_nothing_is_lost();
    if (!reached)
        _exit(NOT_REACHED);
}

static void any_system_call_may_be_refused_once(void **state)
{
    refuse_each_call(HEAP_ARM, work_with_one_refusal, 16);
    refuse_each_call("mmap/base/touch/drop", work_with_one_refusal, 16);
    refuse_each_call("mmap/huge/prefault/keep", work_with_one_refusal, 16);
}

/* ---- for ever ---- */

static const enum fake_kind kinds[] = {FAKE_RESERVE, FAKE_RESERVE_ZEROS, FAKE_COMMIT,
                                       FAKE_MAP,     FAKE_ADVISE,        FAKE_ADVISE_MANY,
                                       FAKE_RENEW,   FAKE_MOVE,          FAKE_RESIDENCY};
static enum fake_kind faulty_kind;

static void refuse_from_the_first_call_on(void)
{
    fake_start();
    fake_set("HAKMEM_ARM", faulty_arm);
    fake_fail_always(faulty_kind, ENOMEM);
    work();
    work();
    fake_fail_never();
    work();
    check_nothing_is_lost();
}

static void refuse_after_a_while(void)
{
    fake_start();
    start(faulty_arm);
    work();
    fake_fail_always(faulty_kind, ENOMEM);
    work();
    work();
    fake_fail_never();
    work();
    check_nothing_is_lost();
    CHECK(heap_has(get(100)) && heap_has(get(20000)));
}

static void refuse_each_kind(void (*body)(void))
{
    static const char *const arms_tried[] = {HEAP_ARM, "mmap/base/touch/drop"};
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]) * 2; i++) {
        faulty_kind = kinds[i / 2];
        faulty_arm = arms_tried[i % 2];
        int status = isolated_status(body);
        if (status != 0)
            fail_msg("kind %d, %s: status %x", (int)faulty_kind, faulty_arm, status);
    }
}

static void any_kind_of_call_may_be_refused_from_the_start(void **state)
{
    refuse_each_kind(refuse_from_the_first_call_on);
}

static void any_kind_of_call_may_be_refused_after_a_while(void **state)
{
    refuse_each_kind(refuse_after_a_while);
}

/* ---- who helps out ---- */

ISOLATED(without_the_tables_of_slabs_the_c_library_has_the_small_blocks)
{
    fake_start();
    fake_fail_always(FAKE_RESERVE_ZEROS, ENOMEM);
    start("mmap/base/touch/keep");
    CHECK(is_the_c_librarys(get(1)) && is_the_c_librarys(get(FLOOR_BYTES - 1)));
    CHECK(is_a_span(get(FLOOR_BYTES)));
    work();
}

ISOLATED(a_heap_that_has_no_memory_for_a_slab_is_helped_out_by_the_c_library)
{
    fake_start();
    start(HEAP_ARM);
    fake_fail_always(FAKE_COMMIT, ENOMEM);
    char *p = get(100), *q = get(CLASS_MAX_BYTES);
    CHECK(is_the_c_librarys(p) && is_the_c_librarys(q) && fake_has_failed());
    fake_fail_never();
    CHECK(heap_has(get(100)) && heap_has(get(CLASS_MAX_BYTES)));
    hak_free_block(p);
    hak_free_block(q);
}

ISOLATED(a_span_that_the_tables_have_no_row_for_is_put_back)
{
    char *p[10];
    fake_start();
    start("mmap/base/touch/drop");
    char *small = get(100);
    for (unsigned i = 0; i < 10; i++)
        p[i] = get(60 * MIB); /* what is usable behind them lies far behind the rows that are */
    fake_fail_always(FAKE_COMMIT, ENOMEM);
    char *q = get(1000);
    CHECK(is_the_c_librarys(q) && fake_has_failed());
    fake_fail_never();
    hak_free_block(q);
    q = get(1000);
    CHECK(heap_has(q));
    stamp(q, 5);
    CHECK(is_stamped(q, 1000, 5));
    hak_free_block(q);
    hak_free_block(small);
    for (unsigned i = 0; i < 10; i++)
        hak_free_block(p[i]);
    check_nothing_is_lost();
}

ISOLATED(what_a_heap_has_is_enough_where_no_more_is_to_be_had)
{
    char *p[100];
    fake_start();
    start(HEAP_ARM);
    for (unsigned i = 0; i < 100; i++)
        p[i] = get(1000);
    for (unsigned i = 0; i < 100; i++)
        hak_free_block(p[i]);
    fake_fail_always(FAKE_COMMIT, ENOMEM);
    for (unsigned i = 0; i < 100; i++)
        CHECK(heap_has(get(1000)));
}

#if HAK_ADDRESS_SANITIZER || HAK_THREAD_SANITIZER
enum { CAN_STARVE = 0 }; /* a sanitizer would starve with it */
#else
enum { CAN_STARVE = 1 };
#endif

/* The C library's own memory is used up, and it gets no more. */
static void starve_the_c_library(void)
{
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    for (size_t bytes = MIB; bytes > 8; bytes /= 2)
        while (libc_malloc(bytes) != NULL)
            ;
}

ISOLATED(where_neither_heap_nor_c_library_has_memory_a_span_helps_out)
{
    fake_start();
    fake_fail_always(FAKE_RESERVE_ZEROS, ENOMEM);
    start("mmap/base/touch/keep");
    hak_free_block(get(4 * MIB));
    if (!CAN_STARVE)
        return;
    starve_the_c_library();
    errno = UNTOUCHED;
    char *p = hak_alloc_at_site(100, 1, NO_CALLER), *q = hak_calloc_at_site(10, 10, NO_CALLER);
    CHECK(p != NULL && q != NULL && is_a_span(p) && is_a_span(q));
    CHECK(q[0] == 0 && q[99] == 0);
    CHECK(errno == UNTOUCHED);
    hak_free_block(p);
    hak_free_block(q);
}

/* ---- machines ---- */

ISOLATED(a_machine_that_charges_what_is_usable_is_served)
{
    fake_start();
    fake.machine.strict_commit = true;
    start(HEAP_ARM);
    work();
    CHECK(heap_has(get(100)) && heap_has(get(CLASS_MAX_BYTES)));
}

/* Blocks of 5000 bytes until the arena is full, and half as much again. */
static void fill_the_arena(void)
{
    enum { BYTES = 5000 };
    unsigned n = (unsigned)(arena.bytes / 2 * 3 / BYTES), in_slabs = 0;
    char **p = malloc(n * sizeof(*p));
    CHECK(p != NULL);
    for (unsigned i = 0; i < n; i++) {
        p[i] = get(BYTES);
        memcpy(p[i], &i, sizeof(i));
        in_slabs += heap_has(p[i]);
    }
    CHECK(in_slabs < n && (size_t)in_slabs * BYTES > arena.bytes / 3);
    for (unsigned i = 0; i < n; i++) {
        CHECK(memcmp(p[i], &i, sizeof(i)) == 0);
        hak_free_block(p[i]);
    }
    check_nothing_is_lost();
    work();
    CHECK(heap_has(get(BYTES)));
}

ISOLATED(a_limit_of_500_mb_leaves_an_arena_that_slabs_fill)
{
    fake_start();
    fake.machine.address_limit_bytes = 500000000;
    start(HEAP_ARM);
    CHECK(arena.bytes > 0 && arena.bytes <= 125000000);
    fill_the_arena();
}

ISOLATED(a_limit_of_300_mib_leaves_an_arena_that_slabs_fill)
{
    fake_start();
    fake.machine.address_limit_bytes = (uint64_t)300 * MIB;
    start("mmap/base/touch/keep");
    CHECK(arena.bytes > 0 && arena.bytes <= 75 * MIB);
    fill_the_arena();
}

static size_t machine_page, machine_huge;

static void work_with_pages(void)
{
    fake_start();
    fake.machine.page_bytes = machine_page;
    fake.machine.huge_bytes = machine_huge;
    start(HEAP_ARM);
    work();
    for (unsigned i = 0; i < 3; i++)
        get(60 * MIB); /* the C library's */
    for (unsigned i = 0; i < 100; i++)
        CHECK(heap_has(get(CLASS_MAX_BYTES)));
    in_a_thread(take_some_and_free_what_is_held, memset(held, 0, sizeof(held)));
}

static void work_with_pages_and_a_limit(void)
{
    fake_start();
    fake.machine.page_bytes = machine_page;
    fake.machine.address_limit_bytes = 500000000;
    fake.machine.huge_bytes = 0;
    start(HEAP_ARM);
    fill_the_arena();
}

static void machines_with_pages_of_4_to_64_kib_are_served(void **state)
{
    for (machine_page = 4 * KIB; machine_page <= 64 * KIB; machine_page *= 4)
        for (unsigned huge = 0; huge < 2; huge++) {
            machine_huge = huge * machine_page * (machine_page / 8);
            int status = isolated_status(work_with_pages);
            if (status == 0)
                status = isolated_status(work_with_pages_and_a_limit);
            if (status != 0)
                fail_msg("pages of %zu and %zu: status %x", machine_page, machine_huge, status);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_system_call_may_be_refused_once),
        cmocka_unit_test(any_kind_of_call_may_be_refused_from_the_start),
        cmocka_unit_test(any_kind_of_call_may_be_refused_after_a_while),
        cmocka_unit_test(without_the_tables_of_slabs_the_c_library_has_the_small_blocks),
        cmocka_unit_test(a_heap_that_has_no_memory_for_a_slab_is_helped_out_by_the_c_library),
        cmocka_unit_test(a_span_that_the_tables_have_no_row_for_is_put_back),
        cmocka_unit_test(what_a_heap_has_is_enough_where_no_more_is_to_be_had),
        cmocka_unit_test(where_neither_heap_nor_c_library_has_memory_a_span_helps_out),
        cmocka_unit_test(a_machine_that_charges_what_is_usable_is_served),
        cmocka_unit_test(a_limit_of_500_mb_leaves_an_arena_that_slabs_fill),
        cmocka_unit_test(a_limit_of_300_mib_leaves_an_arena_that_slabs_fill),
        cmocka_unit_test(machines_with_pages_of_4_to_64_kib_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
