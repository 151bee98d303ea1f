/*
 * What a policy counts of blocks is counted once, whoever has them and whatever becomes of them.
 */
#include "learned.h"

#include "alloc/checks.h"
#include "alloc/heap.h"
#include "alloc/living.h"

enum { KIB = 1024 };

static uint64_t learn_on_the_heap(void)
{
    fake_start();
    fake.tick_ns = 100;
    fake_set("HAKMEM_ARM", "heap/base/touch/keep");
    start("learn");
    return hak_site("a.c", 7);
}

/* ---- realloc ---- */

/* Below the floor a block has no episode: it ends there, as if the block had been freed. */
ISOLATED(a_block_that_shrinks_below_the_floor_is_settled)
{
    uint64_t site = learn_on_the_heap();
    char *small[20];
    for (unsigned i = 0; i < 20; i++) {
        char *p = get_at(site, 100000);
        memset(p, (int)i + 1, 100000);
        fake.now_ns += MS;
        small[i] = hak_realloc_at_site(p, 1000, AT_SITE(site));
        CHECK(small[i] != NULL && small[i][999] == (char)(i + 1));
    }
    CHECK(heap_last_label() < 4);
    fake.now_ns += 1000 * MS;
    living_settle(fake.now_ns);
    for (unsigned i = 0; i < 20; i++)
        hak_free_block(small[i]);
    CHECK(hak_policy_save(NULL) == 0);
    const struct policy_band *band = saved_band(site, 16);
    CHECK(band->seen.episodes >= 19 && band->seen.reused >= 18 && band->seen.cold < 4);
    CHECK(band->seen.live_ns < 40 * MS);
}

/* A small block whose class has room up to the floor is none that is measured. */
ISOLATED(a_small_block_that_grows_within_its_class_stays)
{
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    char *p = get_at(0, 62000), *before = p;
    CHECK(heap_usable_size(p) >= 64 * KIB || CHECKS_FULL);
    for (size_t bytes = 62001; bytes < 62100; bytes++)
        p = hak_realloc_at_site(p, bytes, NO_CALLER);
    CHECK(p == before || CHECKS_FULL);
}

ISOLATED(a_block_that_is_reallocated_to_nothing_is_settled)
{
    uint64_t site = learn_on_the_heap();
    for (unsigned i = 0; i < 20; i++)
        CHECK(hak_realloc_at_site(get_at(site, 100000), 0, AT_SITE(site)) == NULL);
    start_finish();
    const struct policy_band *band = saved_band(site, 16);
    CHECK(band->seen.episodes == 20 && band->seen.cold == 1);
}

/* ---- fork ---- */

/* Its parent's blocks are the parent's: a child that ends, or lives long, does not report them again. */
ISOLATED(a_child_reports_no_block_of_its_parents)
{
    enum { BLOCKS = 8, CHILDREN = 3 };
    int status = -1;
    char *p[BLOCKS];
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    for (unsigned i = 0; i < BLOCKS; i++)
        p[i] = get_at(site, MIB);
    hak_free_block(p[0]); /* retained */
    for (unsigned i = 0; i < CHILDREN; i++) {
        fake.now_ns += MS;
        pid_t pid = fork();
        if (pid == 0) {
            use(site, MIB, 1);
            hak_free_block(p[1]);
            fake.now_ns += 1000 * MS;
            living_settle(fake.now_ns);
            start_finish();
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    start_finish();
    CHECK(saved_band(site, 20)->seen.episodes == BLOCKS + CHILDREN);
}

/* ---- saving ---- */

/* A save finds them all alive: that they were there is in the next one. */
ISOLATED(blocks_that_a_save_finds_alive_are_counted_by_a_later_one)
{
    enum { BLOCKS = 50 };
    char *p[BLOCKS];
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    for (unsigned i = 0; i < BLOCKS; i++)
        p[i] = get_at(site, MIB);
    CHECK(hak_policy_save(NULL) == 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        hak_free_block(p[i]);
    start_finish();
    const struct policy_band *band = saved_band(site, 20);
    CHECK(band->seen.episodes == BLOCKS && band->seen.cold == BLOCKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_block_that_shrinks_below_the_floor_is_settled),
        IN_DIRECTORY(a_small_block_that_grows_within_its_class_stays),
        IN_DIRECTORY(a_block_that_is_reallocated_to_nothing_is_settled),
        IN_DIRECTORY(a_child_reports_no_block_of_its_parents),
        IN_DIRECTORY(blocks_that_a_save_finds_alive_are_counted_by_a_later_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
