/*
 * Runs: cached spans that lie side by side serve a block that is larger than each, and whose spans may be joined.
 */
#include "blocks.h"

#include "alloc/run.h"
#include "alloc/valid.h"
#include "enormous.h"
#include "hakmem/hakmem.h"
#include "policy_directory.h"

static const char POLICY[] = "policy.json";
static const uint64_t MS = 1000000;

/* Sites are told apart, and all blocks are kept on base pages. */
static void start_with_sites(const char *mode)
{
    fake_start();
    fake.machine.huge_bytes = 0; /* sites begin with the default arm, whatever faults cost */
    fake.tick_ns = 100;
    put_file(POLICY, "{\"hakmem_policy\": 1, \"sites\": [], \"defaults\": ["
                     "{\"band\": 21, \"arm\": \"mmap/base/touch/keep\"},"
                     "{\"band\": 22, \"arm\": \"mmap/base/touch/keep\"}]}");
    fake_set("HAKMEM_POLICY", POLICY);
    fake_set("HAKMEM_MODE", mode);
    CHECK(start_now());
}

static char *get_at(uint64_t site, size_t bytes)
{
    char *p = hak_alloc_at(bytes, site);
    CHECK(p != NULL);
    memset(p, 1, bytes);
    return p;
}

/* Blocks of 1 MiB of one site, side by side, and one behind them that stays. */
static void get_row(uint64_t site, char **block, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        block[i] = get_at(site, MIB);
    for (unsigned i = 1; i < n; i++)
        CHECK(block[i] == block[0] + i * MIB);
    CHECK(get_at(site, MIB) == block[n - 1] + MIB);
}

static void free_row(char *block[], unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        hak_free_block(block[i]);
}

ISOLATED(neighbours_serve_a_block_that_is_larger_than_each)
{
    char *block[4];
    start_with_sites("frozen");
    uint64_t site = hak_site("a.c", 1);
    get_row(site, block, 4);
    free_row(block, 0, 4);
    CHECK(get_at(site, 3 * MIB + MIB / 2) == block[0]);
    CHECK(stat_get(STAT_cache_joins) == 1 && stat_get(STAT_cache_hits) == 1);
    CHECK(store_is_valid());
    memset(block[0], 2, 3 * MIB + MIB / 2);
    hak_free_block(block[0]);
    CHECK(store_is_valid());
}

ISOLATED(what_is_much_more_than_was_asked_for_is_cut_off_again)
{
    char *block[2];
    start_with_sites("frozen");
    uint64_t site = hak_site("a.c", 1);
    get_row(site, block, 2);
    hak_free_block(block[0]);
    hak_free_block(block[1]);
    char *p = get_at(site, MIB + MIB / 4);
    CHECK(p == block[0] && hak_block_bytes(p) == MIB + MIB / 4);
    CHECK(get_at(site, MIB / 2) == p + MIB + MIB / 4);
    CHECK(store_is_valid());
}

ISOLATED(what_was_cut_off_is_still_the_sites)
{
    char *block[3];
    start_with_sites("frozen");
    uint64_t site = hak_site("a.c", 1);
    get_row(site, block, 3);
    free_row(block, 0, 3);
    char *p = get_at(site, 2 * MIB + MIB / 4);
    CHECK(p == block[0]);
    hak_free_block(p);
    CHECK(get_at(site, 3 * MIB) == block[0]);
    CHECK(stat_get(STAT_cache_joins) == 2 && store_is_valid());
}

ISOLATED(half_of_it_may_be_free_memory_beside_them)
{
    char *block[6];
    start_with_sites("frozen");
    uint64_t site = hak_site("a.c", 1);
    get_row(site, block, 6);
    free_row(block, 2, 4);
    store_trim(); /* 2 and 3 are free ones now */
    hak_free_block(block[4]);
    hak_free_block(block[5]);
    CHECK(get_at(site, 4 * MIB) == block[2]);
    CHECK(stat_get(STAT_cache_joins) == 1 && store_is_valid());
}

ISOLATED(not_more_than_half)
{
    char *block[4];
    start_with_sites("frozen");
    uint64_t site = hak_site("a.c", 1);
    get_row(site, block, 4);
    free_row(block, 0, 3);
    store_trim();
    hak_free_block(block[3]);
    CHECK(get_at(site, 4 * MIB) != block[0]);
    CHECK(stat_get(STAT_cache_joins) == 0 && store_is_valid());
}

ISOLATED(another_sites_spans_are_joined_once_the_timer_has_seen_them_idle)
{
    char *block[2];
    start_with_sites("frozen");
    uint64_t theirs = hak_site("a.c", 1), ours = hak_site("a.c", 2);
    get_row(theirs, block, 2);
    hak_free_block(block[0]);
    hak_free_block(block[1]);
    CHECK(get_at(ours, 2 * MIB - MIB / 4) != block[0]);
    store_tick(fake.now_ns, 0);
    CHECK(get_at(ours, 2 * MIB - MIB / 4) == block[0]);
    CHECK(stat_get(STAT_cache_joins) == 1);
}

ISOLATED(a_block_is_at_its_alignment_in_a_run_too)
{
    uint64_t random = random_seed();
    start_with_sites("frozen");
    uint64_t site = hak_site("a.c", 1);
    char *live[24] = {NULL};
    for (unsigned i = 0; i < 2000; i++) {
        unsigned k = (unsigned)random_below(&random, 24);
        size_t align = (size_t)1 << (4 + random_below(&random, 19));
        size_t bytes = FLOOR_BYTES + random_below(&random, 6 * MIB);
        hak_free_block(live[k]);
        live[k] = hak_alloc_at_site(bytes, align, AT_SITE(site));
        CHECK(live[k] != NULL && (uintptr_t)live[k] % align == 0);
        live[k][0] = live[k][bytes - 1] = 1;
        if (i % 64 == 0)
            CHECK(store_is_valid());
    }
    CHECK(stat_get(STAT_cache_joins) > 0);
}

ISOLATED(each_episode_is_settled_when_its_memory_is_joined)
{
    char *block[3];
    start_with_sites("learn");
    uint64_t site = hak_site("a.c", 1);
    for (unsigned i = 0; i < 3;
         i++) /* before one is settled the default arm is played, which keeps them */
        block[i] = get_at(site, MIB);
    free_row(block, 0, 3);
    CHECK(stat_get(STAT_episodes) == 0);
    fake.now_ns += MS;
    CHECK(get_at(hak_site("a.c", 1), 2 * MIB - FLOOR_BYTES) != NULL);
    CHECK(stat_get(STAT_episodes) == 2 && stat_get(STAT_cache_joins) == 1);
}

ISOLATED(a_block_that_will_be_dropped_takes_nothing_that_others_keep)
{
    start_with_sites("frozen");
    put_file(POLICY, "{\"hakmem_policy\": 1, \"sites\": [], \"defaults\": ["
                     "{\"band\": 21, \"arm\": \"mmap/base/touch/drop\"}]}");
    char *kept = get_at(hak_site("a.c", 1), 4 * MIB - MIB / 2);
    hak_free_block(kept);
    CHECK(hak_policy_load(POLICY) == 0);
    char *dropped = hak_calloc_at_site(1, 3 * MIB, AT_SITE(hak_site("a.c", 2)));
    CHECK(dropped != NULL && dropped != kept && !span_of(dropped)->dirty);
    CHECK(stat_get(STAT_cache_hits) == 0 && store_is_valid());
}

ISOLATED(a_size_that_cannot_be_had_takes_nothing)
{
    char *block[2];
    start_with_sites("frozen");
    uint64_t site = hak_site("a.c", 1);
    get_row(site, block, 2);
    hak_free_block(block[0]);
    hak_free_block(block[1]);
    CHECK(hak_alloc_at_site(SIZE_MAX / 2, 1, AT_SITE(site)) == NULL);
    CHECK(store_is_valid());
}

/* Setting up a site, and in a new process the first span, takes longer than malloc does from then on. */
ISOLATED(what_is_set_up_for_a_sites_first_block_is_not_charged_to_its_arm)
{
    start_with_sites("learn");
    uint64_t site = hak_site("a.c", 1);
    char *first = get_at(site, MIB), *second = get_at(site, MIB);
    CHECK(span_of(first)->label.cell != NULL && span_of(first)->label.malloc_ns == 0);
    CHECK(span_of(second)->label.cell != NULL && span_of(second)->label.malloc_ns > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(neighbours_serve_a_block_that_is_larger_than_each),
        IN_DIRECTORY(what_is_much_more_than_was_asked_for_is_cut_off_again),
        IN_DIRECTORY(what_was_cut_off_is_still_the_sites),
        IN_DIRECTORY(half_of_it_may_be_free_memory_beside_them),
        IN_DIRECTORY(not_more_than_half),
        IN_DIRECTORY(another_sites_spans_are_joined_once_the_timer_has_seen_them_idle),
        IN_DIRECTORY(a_block_is_at_its_alignment_in_a_run_too),
        IN_DIRECTORY(each_episode_is_settled_when_its_memory_is_joined),
        IN_DIRECTORY(a_block_that_will_be_dropped_takes_nothing_that_others_keep),
        IN_DIRECTORY(a_size_that_cannot_be_had_takes_nothing),
        IN_DIRECTORY(what_is_set_up_for_a_sites_first_block_is_not_charged_to_its_arm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
