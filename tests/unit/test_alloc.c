/*
 * Serving: what an arm leads to, and what machines and limits make of it.
 */
#include "blocks.h"
#include "enormous.h"

#include <signal.h>
#include <sys/resource.h>

/* ---- the arm decides, before the block is there ---- */

ISOLATED(the_first_block_starts_hakmem_whatever_its_size)
{
    fake_start();
    hak_free_block(NULL);
    CHECK(hak_block_bytes(NULL) == 0);
    CHECK(start_state == START_NOT && fake_calls() == 0);
    char *p = get(1);
    CHECK(start_state == START_DONE && heap_has(p));
    CHECK(is_a_span(get(FLOOR_BYTES)));
}

ISOLATED(small_blocks_ask_nobody_for_a_decision)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(FLOOR_BYTES - 1);
    CHECK(heap_has(p));
    hak_free_block(resize(p, 100));
    fake_forget();
    unsigned clock_reads = fake.clock_reads; /* a new slab may have been a reason to look around */
    p = get(FLOOR_BYTES - 1);
    hak_free_block(resize(p, 100));
    hak_free_block(NULL);
    CHECK(fake_calls() == 0 && fake.clock_reads == clock_reads);
    CHECK(stat_get(STAT_mmap_allocs) == 0 && stat_get(STAT_heap_allocs) == 0);
}

ISOLATED(pages_decide_the_zone)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(4 * MIB);
    CHECK(is_a_span(p) && zone_of(p) == ZONE_BASE);
}

ISOLATED(huge_pages_lie_in_the_other_zone)
{
    fake_start();
    start("mmap/huge/touch/keep");
    char *p = get(4 * MIB);
    CHECK(is_a_span(p) && zone_of(p) == ZONE_HUGE && (uintptr_t)p % (2 * MIB) == 0);
}

ISOLATED(blocks_smaller_than_half_a_huge_page_are_on_base_pages_whatever_the_arm)
{
    fake_start();
    start("mmap/huge/touch/keep");
    CHECK(zone_of(get(MIB - 1)) == ZONE_BASE);
    CHECK(zone_of(get(MIB)) == ZONE_HUGE);
}

ISOLATED(zones_are_advised_once_and_for_all)
{
    fake_start();
    fake_set("HAKMEM_ARM", "mmap/huge/touch/keep");
    CHECK(start_now());
    CHECK(fake_advised_at((void *)arena.zone[ZONE_BASE].memory.base, OS_USE_BASE));
    CHECK(fake_advised_at((void *)arena.zone[ZONE_HUGE].memory.base, OS_USE_HUGE));
    fake_forget();
    for (int i = 0; i < 20; i++)
        get(2 * MIB);
    CHECK(fake_advised(OS_USE_BASE) == 0 && fake_advised(OS_USE_HUGE) == 0);
}

ISOLATED(prefault_populates_a_cold_block_before_it_is_returned)
{
    fake_start();
    start("mmap/base/prefault/keep");
    char *p = get(MIB + 1);
    const struct fake_record *call = fake_last(FAKE_ADVISE);
    CHECK(call != NULL && call->advice == OS_POPULATE && call->address == (uintptr_t)p);
    CHECK(call->bytes == MIB + 4096 && fake_advised(OS_POPULATE) == 1);
    hak_free_block(p);
    CHECK(get(MIB + 1) == p && fake_advised(OS_POPULATE) == 1);
}

ISOLATED(touch_populates_nothing)
{
    fake_start();
    start("mmap/base/touch/keep");
    get(MIB);
    CHECK(fake_advised(OS_POPULATE) == 0);
}

ISOLATED(the_heap_arm_cuts_no_spans)
{
    fake_start();
    start("heap/base/touch/keep");
    for (unsigned round = 1; round <= 3; round++) {
        char *p = get(MIB);
        CHECK(heap_has(p));
        p = resize(p, 4 * MIB);
        CHECK(is_the_c_librarys(p));
        hak_free_block(p);
        CHECK(round == 1 || fake_calls() == 0);
        CHECK(stat_get(STAT_heap_allocs) == 2 * round && stat_get(STAT_mmap_allocs) == 0);
        fake_forget();
    }
}

ISOLATED(off_sends_everything_to_the_heap)
{
    fake_start();
    fake_set("HAKMEM_MODE", "off");
    CHECK(start_now());
    CHECK(heap_has(get(1)) && heap_has(get(MIB)) && is_the_c_librarys(get(MIB + 1)));
    CHECK(stat_get(STAT_mmap_allocs) == 0 && stat_get(STAT_heap_allocs) == 2);
}

ISOLATED(the_kill_switch_leaves_no_mmap_arm)
{
    fake_start();
    fake_set("HAKO_HAKMEM_LARGE_MMAP", "0");
    start("mmap/huge/touch/keep");
    CHECK(is_the_c_librarys(get(4 * MIB)) && heap_has(get(FLOOR_BYTES)));
    CHECK(stat_get(STAT_mmap_allocs) == 0 && stat_get(STAT_heap_allocs) == 2);
}

/* ---- what the machine cannot do ---- */

ISOLATED(without_huge_pages_huge_arms_are_base_arms)
{
    fake_start();
    fake.machine.huge_bytes = 0;
    strcpy(fake.machine.thp, "never");
    start("mmap/huge/touch/keep");
    CHECK(zone_of(get(4 * MIB)) == ZONE_BASE);
}

ISOLATED(where_free_is_refused_lazy_arms_drop)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    fake.refused[OS_GIVE_LAZILY] = EINVAL;
    start("mmap/base/touch/lazy");
    char *p = get(MIB);
    memset(p, 1, MIB);
    hak_free_block(p);
    CHECK(fake_advised_at(p, OS_GIVE_BACK) && fake_advised(OS_GIVE_LAZILY) == 0);
}

ISOLATED(where_populating_is_refused_prefault_arms_touch)
{
    fake_start();
    fake.refused[OS_POPULATE] = EINVAL;
    start("mmap/base/prefault/keep");
    char *p = get(MIB);
    memset(p, 1, MIB);
    CHECK(fake_advised(OS_POPULATE) == 0);
}

static void serve_with_pages_of(size_t page)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    fake.machine.page_bytes = page;
    fake.machine.huge_bytes = page * (page / 8);
    start("mmap/huge/prefault/drop");
    for (size_t bytes = FLOOR_BYTES; bytes < 64 * MIB; bytes = bytes * 3 / 2) {
        char *p = hak_calloc_at_site(1, bytes, NO_CALLER);
        CHECK(p != NULL);
        p[0] = p[bytes - 1] = 1;
        p = resize(p, bytes + bytes / 2);
        CHECK(p[0] == 1 && p[bytes - 1] == 1);
        hak_free_block(p);
    }
}

ISOLATED(machines_with_pages_of_16_kib_are_served)
{
    serve_with_pages_of(16 * KIB);
}

ISOLATED(machines_with_pages_of_64_kib_are_served)
{
    serve_with_pages_of(64 * KIB);
}

ISOLATED(without_an_arena_the_heap_serves)
{
    fake_start();
    fake_fail_always(FAKE_RESERVE, ENOMEM);
    fake_set("HAKMEM_ARM", "mmap/base/touch/keep");
    char *p = get(MIB);
    CHECK(arena.base == 0 && is_the_c_librarys(p) && is_the_c_librarys(get(1)));
    CHECK(stat_get(STAT_heap_allocs) == 1);
    fill(p, MIB);
    p = resize(p, 3 * MIB);
    CHECK(holds(p, MIB));
    hak_free_block(p);
}

ISOLATED(a_limit_on_address_space_leaves_a_smaller_arena)
{
    fake_start();
    fake.machine.address_limit_bytes = (uint64_t)1 << 30;
    start("mmap/base/touch/keep");
    CHECK(is_a_span(get(MIB)) && heap_has(get(100)) && arena.bytes <= 256 * MIB);
    for (int i = 0; i < 64; i++) {
        char *p = get(8 * MIB); /* the heap helps out when the arena is full */
        p[0] = 1;
    }
    CHECK(stat_get(STAT_heap_allocs) > 0 && stat_get(STAT_mmap_allocs) > 8);
}

/* ---- sizes and alignments ---- */

ISOLATED(what_cannot_be_had_is_null_and_enomem)
{
    fake_start();
    start("mmap/base/touch/keep");
    errno = 0;
    CHECK(hak_alloc_at_site(SIZE_MAX - 4096, 1, NO_CALLER) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(hak_calloc_at_site(SIZE_MAX / 2, 3, NO_CALLER) == NULL && errno == ENOMEM);
    char *p = get(MIB);
    fill(p, MIB);
    errno = 0;
    CHECK(hak_realloc_at_site(p, SIZE_MAX - 4096, NO_CALLER) == NULL && errno == ENOMEM);
    CHECK(holds(p, MIB));
}

ISOLATED(blocks_are_at_multiples_of_what_is_asked_for)
{
    fake_start();
    start("mmap/huge/touch/keep");
    for (size_t align = 1; align <= 64 * MIB; align *= 2)
        for (size_t bytes = 1; bytes <= 8 * MIB; bytes *= 8) {
            char *p = hak_alloc_at_site(bytes, align, NO_CALLER);
            CHECK(p != NULL && (uintptr_t)p % align == 0);
            p[bytes - 1] = 1;
            hak_free_block(p);
        }
}

ISOLATED(calloc_is_zero_whatever_lay_there_before)
{
    fake_start();
    start("mmap/base/touch/keep");
    for (size_t bytes = FLOOR_BYTES; bytes <= 4 * MIB; bytes += 300 * KIB) {
        char *dirty = get(bytes);
        memset(dirty, 0xff, hak_block_bytes(dirty));
        hak_free_block(dirty);
        char *p = hak_calloc_at_site(1, bytes, NO_CALLER);
        CHECK(p != NULL && p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0);
        memset(p, 0xff, bytes);
        hak_free_block(p);
    }
}

ISOLATED(free_keeps_errno)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get(MIB);
    fake_fail_always(FAKE_ADVISE, EIO);
    errno = 123;
    hak_free_block(p);
    CHECK(errno == 123);
}

/* ---- what must end the program ---- */

static void without_a_core(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    fake_start();
    start("mmap/base/touch/keep");
}

static void free_twice(void)
{
    without_a_core();
    char *p = get(MIB);
    hak_free_block(p);
    hak_free_block(p);
}

static void free_inside(void)
{
    without_a_core();
    hak_free_block(get(MIB) + FLOOR_BYTES);
}

static void free_beside(void)
{
    without_a_core();
    hak_free_block(get(MIB) + 16);
}

static void freeing_what_is_no_block_ends_the_program(void **state)
{
    void (*const wrong[])(void) = {free_twice, free_inside, free_beside};
    for (unsigned i = 0; i < 3; i++) {
        int status = isolated_status(wrong[i]);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_block_starts_hakmem_whatever_its_size),
        cmocka_unit_test(small_blocks_ask_nobody_for_a_decision),
        cmocka_unit_test(pages_decide_the_zone),
        cmocka_unit_test(huge_pages_lie_in_the_other_zone),
        cmocka_unit_test(blocks_smaller_than_half_a_huge_page_are_on_base_pages_whatever_the_arm),
        cmocka_unit_test(zones_are_advised_once_and_for_all),
        cmocka_unit_test(prefault_populates_a_cold_block_before_it_is_returned),
        cmocka_unit_test(touch_populates_nothing),
        cmocka_unit_test(the_heap_arm_cuts_no_spans),
        cmocka_unit_test(off_sends_everything_to_the_heap),
        cmocka_unit_test(the_kill_switch_leaves_no_mmap_arm),
        cmocka_unit_test(without_huge_pages_huge_arms_are_base_arms),
        cmocka_unit_test(where_free_is_refused_lazy_arms_drop),
        cmocka_unit_test(where_populating_is_refused_prefault_arms_touch),
        cmocka_unit_test(machines_with_pages_of_16_kib_are_served),
        cmocka_unit_test(machines_with_pages_of_64_kib_are_served),
        cmocka_unit_test(without_an_arena_the_heap_serves),
        cmocka_unit_test(a_limit_on_address_space_leaves_a_smaller_arena),
        cmocka_unit_test(what_cannot_be_had_is_null_and_enomem),
        cmocka_unit_test(blocks_are_at_multiples_of_what_is_asked_for),
        cmocka_unit_test(calloc_is_zero_whatever_lay_there_before),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(freeing_what_is_no_block_ends_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
