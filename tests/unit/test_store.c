/*
 * Taking back: which system calls an arm's `retain` leads to, when, and how many; with a fake OS and a fake clock.
 */
#include "isolated.h"

#include <errno.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/store.h"
#include "fake_os.h"
#include "policy/policy.h"
#include "stats/stats.h"

enum { KIB = 1 << 10, MIB = 1 << 20, MANY = 128 };

static const uint64_t MS = 1000000;

static void start(const char *arm)
{
    fake_set("HAKMEM_ARM", arm);
    CHECK(start_now());
}

static char *get(size_t bytes)
{
    char *p = hak_alloc_at_site(bytes, 1, NO_CALLER);
    CHECK(p != NULL && arena_has(p) && !heap_has(p));
    return p;
}

static char *get_touched(size_t bytes)
{
    char *p = get(bytes);
    memset(p, 0xa5, bytes);
    return p;
}

static void get_many(char *p[], unsigned n, size_t bytes)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = get_touched(bytes);
    fake_forget();
}

static uint64_t gauge(enum stat_id id)
{
    store_set_gauges();
    return stat_get(id);
}

/* ---- what each way to retain does ---- */

ISOLATED(keep_makes_no_call_and_serves_the_same_memory_again)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get_touched(MIB);
    fake_forget();
    hak_free_block(p);
    CHECK(get(MIB) == p);
    CHECK(fake_calls() == 0);
    CHECK((unsigned char)p[MIB - 1] == 0xa5);
    CHECK(stat_get(STAT_cache_hits) == 1);
}

ISOLATED(lazy_frees_lazily_and_serves_the_same_memory_again)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/lazy");
    char *p = get_touched(MIB);
    fake_forget();
    hak_free_block(p);
    CHECK(fake_advised_at(p, OS_GIVE_LAZILY) && fake_advised_at(p + MIB - 1, OS_GIVE_LAZILY));
    CHECK(fake_advised(OS_GIVE_LAZILY) == 1 && fake_advised(OS_GIVE_BACK) == 0);
    CHECK(get(MIB) == p);
}

/* However much of it there is: it is retained in any case. */
ISOLATED(lazy_asks_for_what_has_waited_only)
{
    fake_start();
    start("mmap/base/touch/lazy");
    uint64_t t = 1000;
    char *p = get_touched(40 * MIB), *q = get_touched(MIB);
    fake_forget();
    hak_free_block(p);
    for (int i = 0; i < 3; i++, t += 10 * MS)
        CHECK(store_tick(t, 0) == 10 * MS && fake_advised(OS_GIVE_LAZILY) == 0);
    hak_free_block(q);
    store_tick(t, 0);
    CHECK(fake_advised_at(p, OS_GIVE_LAZILY) && !fake_advised_at(q, OS_GIVE_LAZILY));
    CHECK(get(MIB) == q && get(40 * MIB) == p);
    CHECK(fake_advised(OS_GIVE_BACK) == 0 && stat_get(STAT_batch_spans) == 1);
}

ISOLATED(drop_gives_back_at_once_without_a_batch)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get_touched(MIB);
    fake_forget();
    hak_free_block(p);
    CHECK(fake_advised_at(p, OS_GIVE_BACK) && fake_advised_at(p + MIB - 1, OS_GIVE_BACK));
    CHECK(fake_calls() == 1);
    CHECK(stat_get(STAT_immediate_spans) == 1 && stat_get(STAT_batch_flushes) == 0);
}

ISOLATED(what_was_dropped_comes_back_as_zeros)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get_touched(MIB);
    hak_free_block(p);
    char *again = hak_calloc_at_site(1, MIB, NO_CALLER);
    CHECK(again == p && all_zero(again, MIB));
}

ISOLATED(what_could_not_be_dropped_is_cleared_for_calloc)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get_touched(MIB);
    fake.refused[OS_GIVE_BACK] = EINVAL;
    hak_free_block(p);
    char *again = hak_calloc_at_site(1, MIB, NO_CALLER);
    CHECK(again == p && all_zero(again, MIB));
}

ISOLATED(what_was_kept_is_cleared_for_calloc)
{
    fake_start();
    start("mmap/huge/touch/keep");
    char *p = get_touched(4 * MIB);
    hak_free_block(p);
    char *again = hak_calloc_at_site(4, MIB, NO_CALLER);
    CHECK(again == p && all_zero(again, 4 * MIB));
}

/* ---- the batch ---- */

ISOLATED(sixty_four_spans_are_given_back_in_one_call)
{
    char *p[MANY];
    fake_start();
    start("mmap/base/touch/drop");
    get_many(p, MANY, 256 * KIB);
    for (unsigned i = 0; i < MANY - 2; i += 2)
        hak_free_block(p[i]);
    CHECK(fake_calls() == 0);
    hak_free_block(p[MANY - 2]);
    const struct fake_record *call = fake_last(FAKE_ADVISE_MANY);
    CHECK(fake_calls() == 1 && call != NULL && call->advice == OS_GIVE_BACK);
    CHECK(call->pieces == 64 && call->bytes == 64 * 256 * KIB);
    for (unsigned i = 0; i < MANY; i++)
        CHECK(fake_advised_at(p[i], OS_GIVE_BACK) == (i % 2 == 0));
    CHECK(stat_get(STAT_batch_flushes) == 1 && stat_get(STAT_batch_spans) == 64);
}

ISOLATED(neighbours_are_advised_as_one_piece)
{
    char *p[MANY];
    fake_start();
    start("mmap/base/touch/drop");
    get_many(p, 64, 256 * KIB);
    for (unsigned i = 0; i < 64; i++)
        hak_free_block(p[(i * 37) % 64]);
    CHECK(fake_calls() == 1 && fake.record[0].kind == FAKE_ADVISE);
    CHECK(fake.record[0].bytes == 64 * 256 * KIB);
}

ISOLATED(where_the_vector_is_refused_every_run_of_neighbours_is_one_call)
{
    char *p[MANY];
    fake_start();
    fake.vector_refused = true;
    start("mmap/base/touch/drop");
    for (int round = 0; round < 2; round++) {
        get_many(p, 96, 256 * KIB);
        for (unsigned i = 0; i < 96; i++)
            if (i % 3 != 0)
                hak_free_block(p[i]);
        CHECK(fake_count(FAKE_ADVISE_MANY) == (round == 0));
        CHECK(fake_count(FAKE_ADVISE) >= 32 && fake_count(FAKE_ADVISE) <= 33);
        for (unsigned i = 0; i < 96; i++)
            CHECK(fake_advised_at(p[i], OS_GIVE_BACK) == (i % 3 != 0));
        for (unsigned i = 0; i < 96; i += 3)
            hak_free_block(p[i]);
        store_trim();
    }
}

ISOLATED(the_batch_is_flushed_at_its_bytes)
{
    char *p[8];
    fake_start();
    fake_set("HAKMEM_BATCH_MB", "1");
    start("mmap/base/touch/drop");
    get_many(p, 8, 256 * KIB);
    for (unsigned i = 0; i < 6; i += 2)
        hak_free_block(p[i]);
    CHECK(fake_calls() == 0 && gauge(STAT_queued_bytes) == 768 * KIB);
    hak_free_block(p[6]);
    CHECK(fake_count(FAKE_ADVISE_MANY) == 1 && gauge(STAT_queued_bytes) == 0);
}

ISOLATED(spans_under_the_minimum_do_not_wait)
{
    fake_start();
    fake_set("HAKMEM_BATCH_MIN_KB", "512");
    start("mmap/base/touch/drop");
    char *small = get_touched(256 * KIB), *large = get_touched(512 * KIB);
    fake_forget();
    hak_free_block(large);
    CHECK(fake_calls() == 0);
    hak_free_block(small);
    CHECK(fake_calls() == 1 && fake_advised_at(small, OS_GIVE_BACK));
}

ISOLATED(a_block_that_is_queued_to_be_freed_lazily_and_reused_keeps_what_is_written)
{
    char *p[MANY];
    fake_start();
    start("mmap/base/touch/lazy");
    get_many(p, MANY, 256 * KIB);
    hak_free_block(p[0]);
    CHECK(get(256 * KIB) == p[0]);
    memset(p[0], 0x3c, 256 * KIB);
    for (unsigned i = 1; i < MANY; i++)
        hak_free_block(p[i]);
    store_trim();
    CHECK(fake_advised(OS_GIVE_LAZILY) + fake_advised(OS_GIVE_BACK) > 0);
    CHECK(!fake_advised_at(p[0], OS_GIVE_LAZILY) && !fake_advised_at(p[0], OS_GIVE_BACK));
    CHECK(p[0][0] == 0x3c && memcmp(p[0], p[0] + 1, 256 * KIB - 1) == 0);
}

/* ---- time ---- */

ISOLATED(what_idles_is_given_back_at_its_break_even_time_and_the_batchs_deadline)
{
    fake_start();
    start("mmap/base/touch/keep");
    uint64_t t = fake.now_ns = 1000, break_even = policy_break_even_ns(PAGES_BASE);
    char *p = get_touched(MIB);
    CHECK(store_tick(t, 0) == 0);
    hak_free_block(p);
    fake_forget();
    CHECK(store_tick(t, 0) > 0 && store_tick(t, 0) <= break_even);
    CHECK(store_tick(t + break_even - 1, 0) > 0);
    CHECK(stat_get(STAT_cache_expiries) == 0 && gauge(STAT_retained_bytes) == MIB);
    CHECK(store_tick(t + break_even, 0) == 10 * MS);
    CHECK(stat_get(STAT_cache_expiries) == 1 && gauge(STAT_retained_bytes) == 0);
    CHECK(store_tick(t + break_even + 10 * MS - 1, 0) > 0 && fake_calls() == 0);
    CHECK(store_tick(t + break_even + 10 * MS, 0) == 0);
    CHECK(fake_calls() == 1 && fake_advised_at(p, OS_GIVE_BACK));
}

ISOLATED(huge_pages_have_a_break_even_time_of_their_own)
{
    fake_start();
    start("mmap/huge/touch/keep");
    uint64_t break_even = policy_break_even_ns(PAGES_HUGE);
    CHECK(break_even < policy_break_even_ns(PAGES_BASE));
    fake.now_ns = 1000;
    hak_free_block(get_touched(4 * MIB));
    store_tick(1000, 0);
    store_tick(1000 + break_even - 1, 0);
    CHECK(stat_get(STAT_cache_expiries) == 0);
    store_tick(1000 + break_even, 0);
    CHECK(stat_get(STAT_cache_expiries) == 1);
}

ISOLATED(the_timer_looks_no_later_than_the_deadline_of_what_is_queued)
{
    fake_start();
    start("mmap/base/touch/drop");
    hak_free_block(get_touched(MIB));
    CHECK(store_wants_look_ns() == 10 * MS);
    CHECK(store_tick(5000, 0) == 10 * MS);
    CHECK(store_tick(5000 + 10 * MS, 0) == 0);
    CHECK(store_wants_look_ns() == 0);
}

/* ---- caps ---- */

ISOLATED(bigcache_takes_no_more_than_a_quarter_of_the_cgroups_limit)
{
    char *p[32];
    fake_start();
    fake.machine.cgroup_limit_bytes = 64 * MIB;
    start("mmap/base/touch/keep");
    get_many(p, 32, MIB);
    for (unsigned i = 0; i < 32; i++)
        hak_free_block(p[i]);
    CHECK(gauge(STAT_retained_bytes) == 16 * MIB);
    CHECK(stat_get(STAT_cache_evictions) == 16);
    store_trim();
    for (unsigned i = 0; i < 32; i++)
        CHECK(fake_advised_at(p[i], OS_GIVE_BACK));
}

/* 320 MiB that lived at once, of which it is known how soon they are wanted again, or not. */
static size_t retained_of_forty(uint16_t keep_ms)
{
    char *p[40];
    for (unsigned i = 0; i < 40; i++) {
        p[i] = get(8 * MIB);
        span_of(p[i])->keep_ms = keep_ms;
    }
    for (unsigned i = 0; i < 40; i++)
        hak_free_block(p[i]);
    return gauge(STAT_retained_bytes);
}

ISOLATED(as_much_is_kept_as_lived_where_it_is_known_how_soon_it_is_wanted)
{
    fake_start();
    start("mmap/base/touch/keep");
    CHECK(retained_of_forty(0) == 128 * MIB);
    store_trim();
    CHECK(retained_of_forty(100) == 320 * MIB);
}

/* By the built-in prices: 40 MiB of base pages outlast 320 MiB of huge ones that came after them, and are warm for the next blocks. */
ISOLATED(over_the_cap_base_pages_outlast_huge_ones)
{
    char *p[40];
    fake_start();
    CHECK(start_now());
    get_many(p, 40, MIB);
    for (unsigned i = 0; i < 40; i++)
        hak_free_block(p[i]);
    CHECK(retained_of_forty(0) == 128 * MIB);
    uint64_t hits = stat_get(STAT_cache_hits);
    get_many(p, 40, MIB);
    CHECK(stat_get(STAT_cache_hits) == hits + 40);
}

ISOLATED(no_more_is_kept_than_the_option_says)
{
    fake_start();
    fake_set("HAKMEM_CACHE_MB", "64");
    start("mmap/base/touch/keep");
    CHECK(retained_of_forty(100) == 64 * MIB);
}

ISOLATED(trimming_gives_back_everything_and_says_how_much)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get_touched(MIB), *q = get_touched(3 * MIB);
    hak_free_block(p);
    hak_free_block(q);
    fake_forget();
    CHECK(store_trim() == 4 * MIB);
    CHECK(fake_advised_at(p, OS_GIVE_BACK) && fake_advised_at(q, OS_GIVE_BACK));
    CHECK(gauge(STAT_retained_bytes) == 0 && gauge(STAT_queued_bytes) == 0 &&
          gauge(STAT_live_bytes) == 0);
    CHECK(store_trim() == 0);
}

ISOLATED(a_larger_cached_span_is_split_once_it_has_idled)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get_touched(8 * MIB);
    hak_free_block(p);
    store_tick(1000, 0);
    char *q = get(MIB);
    CHECK(q == p && hak_block_bytes(q) == MIB);
    CHECK(stat_get(STAT_cache_splits) == 1);
    CHECK(gauge(STAT_retained_bytes) == 7 * MIB && gauge(STAT_live_bytes) == MIB);
}

/* ---- moved pages ---- */

/* A live block in front of a neighbour, so that growing has to move it. */
static char *grow_by_moving(size_t bytes, size_t to)
{
    char *p = get_touched(bytes);
    for (unsigned i = 0; i < 4; i++)
        get(bytes);
    char *q = hak_realloc_at_site(p, to, NO_CALLER);
    CHECK(q != NULL);
    return q;
}

ISOLATED(a_span_whose_pages_were_moved_gets_a_fresh_mapping_when_it_is_given_back)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    fake_forget();
    char *p = grow_by_moving(MIB, 2 * MIB);
    CHECK(stat_get(STAT_grows_moved) == 1 && fake_count(FAKE_MOVE) == 1);
    fake_forget();
    hak_free_block(p);
    const struct fake_record *renewed = fake_last(FAKE_RENEW);
    CHECK(renewed != NULL && renewed->address == (uintptr_t)p);
    CHECK(fake_advised_at(p, OS_USE_BASE));
}

ISOLATED(moving_leaves_a_handful_of_mappings)
{
    char *p[200];
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    for (unsigned i = 0; i < 200; i++)
        p[i] = grow_by_moving(256 * KIB, 512 * KIB);
    for (unsigned i = 0; i < 200; i++)
        hak_free_block(p[i]);
    CHECK(stat_get(STAT_grows_moved) == 200);
    CHECK(gauge(STAT_mappings) > 0 && gauge(STAT_mappings) <= 10);
}

ISOLATED(a_mapping_that_cannot_be_renewed_is_cleared_for_calloc)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = grow_by_moving(MIB, 2 * MIB);
    fake_fail_always(FAKE_RENEW, ENOMEM);
    hak_free_block(p);
    fake_fail_never();
    for (unsigned i = 0; i < 8; i++) {
        char *q = hak_calloc_at_site(1, 2 * MIB, NO_CALLER);
        CHECK(q != NULL && all_zero(q, 2 * MIB));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_makes_no_call_and_serves_the_same_memory_again),
        cmocka_unit_test(lazy_frees_lazily_and_serves_the_same_memory_again),
        cmocka_unit_test(lazy_asks_for_what_has_waited_only),
        cmocka_unit_test(drop_gives_back_at_once_without_a_batch),
        cmocka_unit_test(what_was_dropped_comes_back_as_zeros),
        cmocka_unit_test(what_could_not_be_dropped_is_cleared_for_calloc),
        cmocka_unit_test(what_was_kept_is_cleared_for_calloc),
        cmocka_unit_test(sixty_four_spans_are_given_back_in_one_call),
        cmocka_unit_test(neighbours_are_advised_as_one_piece),
        cmocka_unit_test(where_the_vector_is_refused_every_run_of_neighbours_is_one_call),
        cmocka_unit_test(the_batch_is_flushed_at_its_bytes),
        cmocka_unit_test(spans_under_the_minimum_do_not_wait),
        cmocka_unit_test(
            a_block_that_is_queued_to_be_freed_lazily_and_reused_keeps_what_is_written),
        cmocka_unit_test(what_idles_is_given_back_at_its_break_even_time_and_the_batchs_deadline),
        cmocka_unit_test(huge_pages_have_a_break_even_time_of_their_own),
        cmocka_unit_test(the_timer_looks_no_later_than_the_deadline_of_what_is_queued),
        cmocka_unit_test(bigcache_takes_no_more_than_a_quarter_of_the_cgroups_limit),
        cmocka_unit_test(as_much_is_kept_as_lived_where_it_is_known_how_soon_it_is_wanted),
        cmocka_unit_test(over_the_cap_base_pages_outlast_huge_ones),
        cmocka_unit_test(no_more_is_kept_than_the_option_says),
        cmocka_unit_test(trimming_gives_back_everything_and_says_how_much),
        cmocka_unit_test(a_larger_cached_span_is_split_once_it_has_idled),
        cmocka_unit_test(a_span_whose_pages_were_moved_gets_a_fresh_mapping_when_it_is_given_back),
        cmocka_unit_test(moving_leaves_a_handful_of_mappings),
        cmocka_unit_test(a_mapping_that_cannot_be_renewed_is_cleared_for_calloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
