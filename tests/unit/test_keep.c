/*
 * How long memory is kept: of a frozen site as its policy says, in the band it says it of; and what of it, when it is cut.
 */
#include "isolated.h"

#include <string.h>

#include "alloc/alloc.h"
#include "alloc/start.h"
#include "alloc/store.h"
#include "fake_os.h"
#include "hakmem/hakmem.h"
#include "policy/doc.h"
#include "policy/site.h"
#include "policy_directory.h"
#include "stats/stats.h"

enum { MIB = 1 << 20 };
static const uint64_t MS = 1000000;
static const char POLICY[] = "policy.json";

static void put_policy_that_keeps(uint64_t id, uint32_t ms)
{
    struct policy_doc *doc = policy_doc_new();
    struct policy_site *site = policy_doc_site(doc, id, true);
    for (unsigned band = 20; band < 22; band++) {
        struct policy_band *b = policy_site_band(doc, site, band, true);
        b->champion = ARM_MMAP_BASE_TOUCH_KEEP;
        b->keep_ms = band == 20 ? ms : 0;
    }
    CHECK(policy_file_write(POLICY, doc) == 0);
    policy_doc_free(doc);
}

/* When it is given back, in ms after it was freed. */
static unsigned kept_ms(uint64_t site, size_t bytes)
{
    char *p = hak_alloc_at(bytes, site);
    memset(p, 1, bytes);
    hak_free_block(p);
    store_tick(fake.now_ns, 0);
    for (unsigned ms = 1; ms < 100; ms++) {
        fake.now_ns += MS;
        store_tick(fake.now_ns, 0);
        if (stat_get(STAT_cache_expiries) != 0)
            return ms;
    }
    return 100;
}

ISOLATED(a_frozen_site_keeps_memory_as_long_as_its_policy_says)
{
    fake_start();
    put_policy_that_keeps(site_add_named("a.c", 7, NULL), 16);
    fake_set("HAKMEM_POLICY", POLICY);
    CHECK(start_now());
    CHECK(kept_ms(hak_site("a.c", 7), 2 * MIB) == 100); /* another band */
    store_trim();
    CHECK(kept_ms(hak_site("a.c", 7), MIB) == 16);
}

/* Waking for 100 us is as dear as holding a MiB for 770 ms, for 25 us 192 ms: no look is sooner, though it is kept for 16. */
ISOLATED(no_look_costs_more_than_holding_until_then)
{
    fake_start();
    put_policy_that_keeps(site_add_named("a.c", 7, NULL), 16);
    fake_set("HAKMEM_POLICY", POLICY);
    CHECK(start_now());
    char *p = hak_alloc_at(MIB, hak_site("a.c", 7));
    hak_free_block(p);
    CHECK(store_wants_look_ns() == 10 * MS); /* what waking takes is not known yet */
    store_tick(fake.now_ns, 100000);
    CHECK(store_wants_look_ns() > 760 * MS && store_wants_look_ns() < 780 * MS);
    store_tick(fake.now_ns, 25000);
    CHECK(store_wants_look_ns() > 190 * MS && store_wants_look_ns() < 195 * MS);
    store_tick(fake.now_ns, 1);
    CHECK(store_wants_look_ns() == 10 * MS);
}

/* A block of 8 MiB is cut: it shares the fate of what is larger. */
static uint64_t episodes_after_cutting(size_t bytes)
{
    uint64_t before = stat_get(STAT_episodes), site = hak_site("a.c", 7);
    hak_free_block(hak_alloc_at(8 * MIB, site));
    void *p = hak_alloc_at(bytes, site);
    uint64_t episodes = stat_get(STAT_episodes) - before;
    hak_free_block(p);
    store_trim();
    CHECK(stat_get(STAT_episodes) == before + 2);
    return episodes;
}

ISOLATED(a_block_whose_memory_is_cut_shares_the_fate_of_the_larger_part)
{
    fake_start();
    fake_set("HAKMEM_MODE", "learn");
    fake_set("HAKMEM_POLICY", POLICY);
    fake_set("HAKMEM_ARM", "mmap/base/touch/keep");
    CHECK(start_now());
    CHECK(episodes_after_cutting(5 * MIB) == 1);
    CHECK(episodes_after_cutting(3 * MIB) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_frozen_site_keeps_memory_as_long_as_its_policy_says),
        IN_DIRECTORY(no_look_costs_more_than_holding_until_then),
        IN_DIRECTORY(a_block_whose_memory_is_cut_shares_the_fate_of_the_larger_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
