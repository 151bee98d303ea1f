/*
 * Serving, growing and shrinking: what an arm leads to, that contents survive, and what happens when the
 * system refuses.
 */
#include "isolated.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "alloc/alloc.h"
#include "alloc/store.h"
#include "config/config.h"
#include "fake_os.h"
#include "stats/stats.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

static void start(const char *arm)
{
    fake_set("HAKMEM_ARM", arm);
    CHECK(start_now());
    fake_forget();
}

static char *get(size_t bytes)
{
    char *p = hak_alloc_at_site(bytes, 1, 0);
    CHECK(p != NULL);
    return p;
}

static char *resize(char *p, size_t bytes)
{
    char *q = hak_realloc_at_site(p, bytes, 0);
    CHECK(q != NULL);
    return q;
}

static void fill(char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 512)
        p[i] = (char)(1 + i / 512 % 127);
}

static bool holds(const char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 512)
        if (p[i] != (char)(1 + i / 512 % 127))
            return false;
    return true;
}

static enum zone_id zone_of(const void *p)
{
    return (uintptr_t)p >= arena.zone[ZONE_HUGE].memory.base ? ZONE_HUGE : ZONE_BASE;
}

/* ---- the arm decides, before the block is there ---- */

ISOLATED(small_blocks_start_nothing)
{
    fake_start();
    char *p = get(FLOOR_BYTES - 1);
    CHECK(!arena_has(p));
    hak_free_block(resize(p, 100));
    hak_free_block(NULL);
    CHECK(start_state == START_NOT && fake_calls() == 0 && fake.clock_reads == 0);
    CHECK(arena_has(get(FLOOR_BYTES)) && start_state == START_DONE);
}

ISOLATED(pages_decide_the_zone)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(4 * MIB);
    CHECK(arena_has(p) && zone_of(p) == ZONE_BASE);
}

ISOLATED(huge_pages_lie_in_the_other_zone)
{
    fake_start();
    start("mmap/huge/touch/keep");
    char *p = get(4 * MIB);
    CHECK(arena_has(p) && zone_of(p) == ZONE_HUGE && (uintptr_t)p % (2 * MIB) == 0);
}

ISOLATED(blocks_smaller_than_a_huge_page_are_on_base_pages_whatever_the_arm)
{
    fake_start();
    start("mmap/huge/touch/keep");
    CHECK(zone_of(get(MIB)) == ZONE_BASE);
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

ISOLATED(the_heap_arm_makes_no_call_of_ours)
{
    fake_start();
    start("heap/base/touch/keep");
    char *p = get(MIB);
    CHECK(!arena_has(p));
    hak_free_block(resize(p, 4 * MIB));
    CHECK(fake_calls() == 0);
    CHECK(stat_get(STAT_heap_allocs) == 1 && stat_get(STAT_mmap_allocs) == 0);
}

ISOLATED(off_sends_everything_to_the_heap)
{
    fake_start();
    fake_set("HAKMEM_MODE", "off");
    CHECK(start_now());
    CHECK(arena.base == 0 && !arena_has(get(MIB)));
    CHECK(fake_count(FAKE_RESERVE) == 0);
}

ISOLATED(the_kill_switch_leaves_no_mmap_arm)
{
    fake_start();
    fake_set("HAKO_HAKMEM_LARGE_MMAP", "0");
    start("mmap/huge/touch/keep");
    CHECK(!arena_has(get(4 * MIB)) && !arena_has(get(FLOOR_BYTES)));
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

ISOLATED(machines_with_larger_pages_are_served)
{
    static const size_t pages[] = {16 * KIB, 64 * KIB};
    size_t page = pages[getpid() % 2];
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    fake.machine.page_bytes = page;
    fake.machine.huge_bytes = page * (page / 8);
    start("mmap/huge/prefault/drop");
    for (size_t bytes = FLOOR_BYTES; bytes < 64 * MIB; bytes = bytes * 3 / 2) {
        char *p = hak_calloc_at_site(1, bytes, 0);
        CHECK(p != NULL);
        p[0] = p[bytes - 1] = 1;
        p = resize(p, bytes + bytes / 2);
        CHECK(p[0] == 1 && p[bytes - 1] == 1);
        hak_free_block(p);
    }
}

ISOLATED(without_an_arena_the_heap_serves)
{
    fake_start();
    fake_fail_always(FAKE_RESERVE, ENOMEM);
    fake_set("HAKMEM_ARM", "mmap/base/touch/keep");
    char *p = get(MIB);
    CHECK(arena.base == 0 && stat_get(STAT_heap_allocs) == 1);
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
    CHECK(arena_has(get(MIB)) && arena.bytes <= 256 * MIB);
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
    CHECK(hak_alloc_at_site(SIZE_MAX - 4096, 1, 0) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(hak_calloc_at_site(SIZE_MAX / 2, 3, 0) == NULL && errno == ENOMEM);
    char *p = get(MIB);
    fill(p, MIB);
    errno = 0;
    CHECK(hak_realloc_at_site(p, SIZE_MAX - 4096, 0) == NULL && errno == ENOMEM);
    CHECK(holds(p, MIB));
}

ISOLATED(blocks_are_at_multiples_of_what_is_asked_for)
{
    fake_start();
    start("mmap/huge/touch/keep");
    for (size_t align = 1; align <= 64 * MIB; align *= 2)
        for (size_t bytes = 1; bytes <= 8 * MIB; bytes *= 8) {
            char *p = hak_alloc_at_site(bytes, align, 0);
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
        char *p = hak_calloc_at_site(1, bytes, 0);
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

/* ---- growing and shrinking ---- */

ISOLATED(a_block_grows_in_place_while_there_is_room)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(MIB);
    fill(p, MIB);
    CHECK(resize(p, 16 * MIB) == p || zone_of(p) == ZONE_BASE);
    CHECK(holds(p, MIB) && stat_get(STAT_grows_in_place) == 1);
    CHECK(fake_count(FAKE_MOVE) == 0);
}

ISOLATED(a_block_without_room_is_moved_with_its_contents)
{
    fake_start();
    start("mmap/base/touch/drop");
    char *p = get(4 * MIB), *wall = get(4 * MIB);
    fill(p, 4 * MIB);
    fill(wall, 4 * MIB);
    fake_forget();
    char *q = resize(p, 8 * MIB);
    const struct fake_record *move = fake_last(FAKE_MOVE);
    CHECK(q != p && move != NULL && move->status == 0);
    CHECK(move->address == (uintptr_t)p && move->to == (uintptr_t)q && move->bytes == 4 * MIB);
    CHECK(holds(q, 4 * MIB) && stat_get(STAT_grows_moved) == 1 && stat_get(STAT_grows_copied) == 0);
    CHECK(holds(wall, 4 * MIB));
}

ISOLATED(a_refused_move_copies)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get(4 * MIB);
    get(MIB);
    fill(p, 4 * MIB);
    fake_fail_always(FAKE_MOVE, EINVAL);
    char *q = resize(p, 8 * MIB);
    CHECK(fake_has_failed() && holds(q, 4 * MIB));
    CHECK(stat_get(STAT_grows_copied) == 1 && stat_get(STAT_grows_moved) == 0);
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == 9 * MIB);
}

/* One that is kept is copied the first time, so that both spans can be kept; moved when it goes on growing. */
ISOLATED(a_kept_block_that_keeps_growing_is_moved_the_second_time)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(4 * MIB);
    get(MIB);
    fill(p, 4 * MIB);
    p = resize(p, 8 * MIB);
    CHECK(holds(p, 4 * MIB) && stat_get(STAT_grows_copied) == 1 && fake_count(FAKE_MOVE) == 0);
    fill(p, 8 * MIB);
    get(MIB);
    p = resize(p, 16 * MIB);
    CHECK(holds(p, 8 * MIB));
    CHECK(stat_get(STAT_grows_moved) + stat_get(STAT_grows_in_place) == 1);
    for (size_t bytes = 17 * MIB; bytes < 24 * MIB; bytes += MIB)
        p = resize(p, bytes);
    CHECK(holds(p, 8 * MIB) && stat_get(STAT_grows_copied) == 1);
}

ISOLATED(shrinking_gives_the_tail_back)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/keep");
    char *p = get(4 * MIB);
    fill(p, 4 * MIB);
    CHECK(resize(p, MIB) == p && holds(p, MIB));
    CHECK(fake_advised_at(p + MIB, OS_GIVE_BACK) && fake_advised_at(p + 4 * MIB - 1, OS_GIVE_BACK));
    CHECK(!fake_advised_at(p + MIB - 1, OS_GIVE_BACK));
    CHECK(hak_block_bytes(p) == MIB);
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == MIB);
}

ISOLATED(a_block_crosses_the_floor_both_ways)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(40 * KIB);
    CHECK(!arena_has(p));
    fill(p, 40 * KIB);
    p = resize(p, 300 * KIB);
    CHECK(arena_has(p) && holds(p, 40 * KIB));
    fill(p, 300 * KIB);
    p = resize(p, 20 * KIB);
    CHECK(!arena_has(p) && holds(p, 20 * KIB));
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == 0);
    hak_free_block(p);
}

ISOLATED(realloc_to_nothing_frees)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(MIB);
    CHECK(hak_realloc_at_site(p, 0, 0) == NULL);
    CHECK(hak_realloc_at_site(NULL, MIB, 0) == p);
}

ISOLATED(a_block_that_grows_to_the_size_of_a_huge_page_is_decided_anew)
{
    fake_start();
    start("mmap/huge/touch/keep");
    char *p = get(MIB);
    fill(p, MIB);
    CHECK(zone_of(p) == ZONE_BASE);
    p = resize(p, 3 * MIB);
    CHECK(zone_of(p) == ZONE_HUGE && holds(p, MIB));
}

/* A program may use all that malloc_usable_size() says. */
static void grow_blocks_that_are_used_to_the_last_byte(const char *arm)
{
    static const size_t grown[] = {2 * MIB, 3 * MIB, 9 * MIB};
    fake_start();
    start(arm);
    for (size_t bytes = FLOOR_BYTES + 1; bytes < 2 * MIB; bytes += 100 * KIB) {
        for (unsigned i = 0; i < 3; i++) {
            char *p = get(bytes), *wall = get(bytes);
            size_t usable = hak_block_bytes(p);
            p[usable - 1] = 0x77;
            p = resize(p, grown[i]);
            CHECK(p[usable - 1] == 0x77);
            hak_free_block(wall);
            hak_free_block(p);
        }
    }
}

ISOLATED(every_usable_byte_survives_growing_of_kept_blocks)
{
    grow_blocks_that_are_used_to_the_last_byte("mmap/huge/touch/keep");
}

ISOLATED(every_usable_byte_survives_growing_of_dropped_blocks)
{
    grow_blocks_that_are_used_to_the_last_byte("mmap/huge/touch/drop");
}

ISOLATED(contents_survive_any_sequence_of_sizes)
{
    static uint64_t random = 88172645463325252u;
    fake_start();
    start("mmap/huge/touch/keep");
    char *p[8] = {NULL};
    size_t bytes[8] = {0};
    for (int step = 0; step < 1500; step++) {
        unsigned i = (unsigned)random_below(&random, 8);
        size_t to = 1 + random_below(&random, (size_t)1 << (10 + random_below(&random, 13)));
        size_t kept = bytes[i] < to ? bytes[i] : to;
        if (random_below(&random, 5) == 0) {
            hak_free_block(p[i]);
            p[i] = NULL;
            kept = 0;
        }
        p[i] = resize(p[i], to);
        CHECK(holds(p[i], kept));
        fill(p[i], to);
        bytes[i] = to;
    }
}

/* ---- what must end the program, and what must not ---- */

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

/* What a program does: allocate, grow, shrink, clear, free. Any of it may be refused, and then nothing is lost. */
static void work(void)
{
    char *p[6];
    for (int i = 0; i < 6; i++) {
        size_t bytes = (size_t)(i + 1) * 900 * KIB;
        p[i] = i % 2 ? hak_calloc_at_site(1, bytes, 0) : hak_alloc_at_site(bytes, 1, 0);
        CHECK(p[i] != NULL || errno == ENOMEM);
        if (p[i] != NULL && i % 2)
            CHECK(p[i][0] == 0 && memcmp(p[i], p[i] + 1, bytes - 1) == 0);
        if (p[i] != NULL)
            fill(p[i], bytes);
    }
    for (int i = 0; i < 6; i++) {
        size_t was = (size_t)(i + 1) * 900 * KIB, to = i % 3 ? was * 3 : was / 3;
        char *q = p[i] != NULL ? hak_realloc_at_site(p[i], to, 0) : NULL;
        CHECK(p[i] == NULL || holds(q != NULL ? q : p[i], q != NULL && to < was ? to : was));
        p[i] = q != NULL ? q : p[i];
    }
    for (int i = 0; i < 6; i++)
        hak_free_block(p[i]);
    store_tick(fake.now_ns += 1000000000);
    store_tick(fake.now_ns += 20000000);
}

static const char *faulty_arm;
static unsigned faulty_call;
enum { NOT_REACHED = 77 };

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
    store_trim();
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == 0 && stat_get(STAT_queued_bytes) == 0);
    if (!reached)
        _exit(NOT_REACHED);
}

static void any_call_of_an_arm_may_be_refused(const char *arm)
{
    int status = 0;
    faulty_arm = arm;
    for (faulty_call = 0; status == 0 && faulty_call < 2000; faulty_call++)
        status = isolated_status(work_with_one_refusal);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != NOT_REACHED)
        fail_msg("%s: call %u refused: status %x", arm, faulty_call - 1, status);
    assert_true(faulty_call > 12);
}

static void any_system_call_may_be_refused_once(void **state)
{
    any_call_of_an_arm_may_be_refused("mmap/base/touch/keep");
    any_call_of_an_arm_may_be_refused("mmap/huge/prefault/lazy");
    any_call_of_an_arm_may_be_refused("mmap/base/prefault/drop");
}

ISOLATED(all_advice_may_be_refused_for_ever)
{
    fake_start();
    fake_set("HAKMEM_ARM", "mmap/huge/prefault/lazy");
    CHECK(start_now());
    fake_fail_always(FAKE_ADVISE, EINVAL);
    fake.vector_refused = true;
    work();
    work();
}

ISOLATED(nothing_may_be_had_any_more)
{
    fake_start();
    fake_set("HAKMEM_ARM", "mmap/base/touch/drop");
    CHECK(start_now());
    fake_fail_always(FAKE_COMMIT, ENOMEM);
    work();
    CHECK(stat_get(STAT_heap_allocs) > 0);
    fake_fail_never();
    work();
    CHECK(stat_get(STAT_mmap_allocs) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_blocks_start_nothing),
        cmocka_unit_test(pages_decide_the_zone),
        cmocka_unit_test(huge_pages_lie_in_the_other_zone),
        cmocka_unit_test(blocks_smaller_than_a_huge_page_are_on_base_pages_whatever_the_arm),
        cmocka_unit_test(zones_are_advised_once_and_for_all),
        cmocka_unit_test(prefault_populates_a_cold_block_before_it_is_returned),
        cmocka_unit_test(touch_populates_nothing),
        cmocka_unit_test(the_heap_arm_makes_no_call_of_ours),
        cmocka_unit_test(off_sends_everything_to_the_heap),
        cmocka_unit_test(the_kill_switch_leaves_no_mmap_arm),
        cmocka_unit_test(without_huge_pages_huge_arms_are_base_arms),
        cmocka_unit_test(where_free_is_refused_lazy_arms_drop),
        cmocka_unit_test(where_populating_is_refused_prefault_arms_touch),
        cmocka_unit_test(machines_with_larger_pages_are_served),
        cmocka_unit_test(without_an_arena_the_heap_serves),
        cmocka_unit_test(a_limit_on_address_space_leaves_a_smaller_arena),
        cmocka_unit_test(what_cannot_be_had_is_null_and_enomem),
        cmocka_unit_test(blocks_are_at_multiples_of_what_is_asked_for),
        cmocka_unit_test(calloc_is_zero_whatever_lay_there_before),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(a_block_grows_in_place_while_there_is_room),
        cmocka_unit_test(a_block_without_room_is_moved_with_its_contents),
        cmocka_unit_test(a_refused_move_copies),
        cmocka_unit_test(a_kept_block_that_keeps_growing_is_moved_the_second_time),
        cmocka_unit_test(shrinking_gives_the_tail_back),
        cmocka_unit_test(a_block_crosses_the_floor_both_ways),
        cmocka_unit_test(realloc_to_nothing_frees),
        cmocka_unit_test(a_block_that_grows_to_the_size_of_a_huge_page_is_decided_anew),
        cmocka_unit_test(every_usable_byte_survives_growing_of_kept_blocks),
        cmocka_unit_test(every_usable_byte_survives_growing_of_dropped_blocks),
        cmocka_unit_test(contents_survive_any_sequence_of_sizes),
        cmocka_unit_test(freeing_what_is_no_block_ends_the_program),
        cmocka_unit_test(any_system_call_may_be_refused_once),
        cmocka_unit_test(all_advice_may_be_refused_for_ever),
        cmocka_unit_test(nothing_may_be_had_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
