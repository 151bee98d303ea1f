/*
 * Decisions and learning from end to end, with a fake clock: which arm a site gets, what is reported, what the
 * saved policy says, and what fork, another mode and another policy change.
 */
#include "learned.h"

#include <errno.h>

/* A policy in which the site's band has this champion. */
static void put_policy(const char *path, uint64_t site, unsigned band, enum arm_id champion)
{
    struct policy_doc *doc = policy_doc_new();
    struct policy_band *b = policy_site_band(doc, policy_doc_site(doc, site, true), band, true);
    b->champion = (uint8_t)champion;
    CHECK(policy_file_write(path, doc) == 0);
    policy_doc_free(doc);
}

static uint64_t site_of(unsigned line)
{
    return site_add_named("a.c", line, NULL);
}

/* ---- frozen ---- */

ISOLATED(a_frozen_site_plays_its_policys_champion_in_its_band_only)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    put_policy(POLICY, site_of(7), 20, ARM_MMAP_BASE_TOUCH_DROP);
    start("frozen");
    char *p = get_at(hak_site("a.c", 7), MIB);
    memset(p, 1, MIB);
    hak_free_block(p);
    CHECK(fake_advised_at(p, OS_GIVE_BACK));
    fake_forget();
    hak_free_block(get_at(hak_site("a.c", 7), MIB / 2));
    hak_free_block(get_at(hak_site("a.c", 8), MIB));
    CHECK(fake_advised(OS_GIVE_BACK) == 0);
}

ISOLATED(flipping_the_champion_changes_the_system_calls)
{
    fake_start();
    put_policy(POLICY, site_of(7), 22, ARM_MMAP_BASE_PREFAULT_KEEP);
    start("frozen");
    uint64_t site = hak_site("a.c", 7);
    char *p = get_at(site, 4 * MIB);
    CHECK(fake_advised_at(p, OS_POPULATE));
    fake_forget();
    put_policy("other.json", site, 22, ARM_HEAP_BASE_TOUCH_KEEP);
    CHECK(hak_policy_load("other.json") == 0);
    CHECK(!arena_has(get_at(site, 4 * MIB)) && fake_advised(OS_POPULATE) == 0);
}

ISOLATED(frozen_reads_no_clock_and_writes_nothing)
{
    fake_start();
    fake_set("HAKMEM_TIMER", "1");
    fake.now_ns = (uint64_t)1 << 60; /* far ahead of the real clock: the thread sleeps until then */
    put_policy(POLICY, site_of(7), 20, ARM_MMAP_BASE_TOUCH_LAZY);
    start("frozen");
    uint64_t site = hak_site("a.c", 7);
    fake.clock_reads = 0;
    for (unsigned i = 0; i < 300; i++) {
        char *p = get_at(site, MIB), *q = get_at(hak_site("a.c", i), 3 * MIB);
        p = hak_realloc_at_site(p, 2 * MIB, AT_SITE(site));
        hak_free_block(p);
        hak_free_block(q);
    }
    CHECK(fake.clock_reads == 0);
    CHECK(!policy_has_unsaved() && hak_policy_save(NULL) == -EPERM);
    CHECK(stat_get(STAT_episodes) == 0);
}

ISOLATED(without_a_policy_the_bands_defaults_are_played)
{
    fake_start();
    fake_set("HAKMEM_MODE", "frozen");
    CHECK(start_now());
    char *small = get_at(0, MIB), *large = get_at(0, 4 * MIB);
    CHECK((uintptr_t)small < arena.zone[ZONE_HUGE].memory.base);
    CHECK((uintptr_t)large >= arena.zone[ZONE_HUGE].memory.base);
    CHECK(site_slots == NULL);
}

ISOLATED(a_policy_that_cannot_be_read_leaves_the_defaults)
{
    fake_start();
    put_file(POLICY, "{\"hakmem_policy\": 1, ");
    start("frozen");
    CHECK(stat_get(STAT_policy_failures) == 1);
    char *p = get_at(hak_site("a.c", 7), MIB);
    CHECK(arena_has(p) && !heap_has(p));
}

ISOLATED(a_refused_load_leaves_the_policy_in_force)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    put_policy(POLICY, site_of(7), 20, ARM_MMAP_BASE_TOUCH_DROP);
    start("frozen");
    put_file("bad.json", "[]");
    CHECK(hak_policy_load("bad.json") == -EBADMSG);
    CHECK(hak_policy_load("missing.json") != 0);
    hak_free_block(get_at(hak_site("a.c", 7), MIB));
    CHECK(fake_advised(OS_GIVE_BACK) == 1);
}

ISOLATED(a_champion_the_machine_cannot_play_becomes_what_it_amounts_to)
{
    fake_start();
    fake.machine.huge_bytes = 0;
    strcpy(fake.machine.thp, "never");
    put_policy(POLICY, site_of(7), 22, ARM_MMAP_HUGE_PREFAULT_KEEP);
    start("frozen");
    char *p = get_at(hak_site("a.c", 7), 4 * MIB);
    CHECK((uintptr_t)p < arena.zone[ZONE_HUGE].memory.base && fake_advised_at(p, OS_POPULATE));
}

/* ---- learning ---- */

ISOLATED(the_default_arm_is_played_until_a_block_is_settled)
{
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    for (unsigned i = 0; i < 5; i++) {
        char *p = get_at(site, 4 * MIB);
        CHECK((uintptr_t)p >= arena.zone[ZONE_HUGE].memory.base);
        CHECK(span_of(p)->arm == ARM_MMAP_HUGE_TOUCH_KEEP);
    }
    CHECK(stat_get(STAT_episodes) == 0);
}

ISOLATED(every_settled_block_is_a_play_in_the_saved_policy)
{
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    use(site, MIB, 200);
    store_trim();
    CHECK(hak_policy_save(NULL) == 0);
    const struct policy_band *band = saved_band(site, 20);
    CHECK(band != NULL && band->champion != ARM_NONE);
    CHECK(band->seen.episodes == stat_get(STAT_episodes));
    CHECK(plays_of(band) == band->seen.episodes && band->seen.episodes > 150);
    CHECK(band->seen.size_bytes == band->seen.episodes * MIB);
    CHECK(band->seen.live_ns >= band->seen.episodes * MS);
}

ISOLATED(several_arms_are_tried)
{
    unsigned played = 0;
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    use(site, MIB, 300);
    CHECK(hak_policy_save(NULL) == 0);
    const struct policy_band *band = saved_band(site, 20);
    for (int i = 0; i < ARM_COUNT; i++)
        played += band->elo.arm[i].plays > 0;
    CHECK(played >= 3);
}

ISOLATED(saving_twice_counts_nothing_twice)
{
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    use(site, MIB, 50);
    CHECK(hak_policy_save(NULL) == 0 && hak_policy_save(NULL) == 0);
    use(site, MIB, 50);
    CHECK(hak_policy_save(NULL) == 0);
    CHECK(plays_of(saved_band(site, 20)) == stat_get(STAT_episodes));
}

ISOLATED(a_save_that_failed_is_made_up_for)
{
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    use(site, MIB, 50);
    CHECK(hak_policy_save("no/such/directory/policy.json") != 0);
    CHECK(policy_has_unsaved());
    CHECK(hak_policy_save(NULL) == 0 && !policy_has_unsaved());
    CHECK(plays_of(saved_band(site, 20)) == stat_get(STAT_episodes));
}

ISOLATED(learning_goes_on_from_the_file)
{
    fake_start();
    fake.tick_ns = 100;
    put_policy(POLICY, site_of(7), 20, ARM_NONE);
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    use(site, MIB, 30);
    CHECK(hak_policy_save(NULL) == 0);
    uint64_t before = plays_of(saved_band(site, 20));
    CHECK(before == stat_get(STAT_episodes));
    CHECK(hak_policy_load(POLICY) == 0);
    use(site, MIB, 30);
    CHECK(hak_policy_save(NULL) == 0);
    CHECK(plays_of(saved_band(site, 20)) == stat_get(STAT_episodes));
}

/* Ratings as they are after some episodes on another machine, all for one arm. */
static void put_other_machines(uint64_t site, enum arm_id champion, unsigned plays)
{
    struct policy_doc *doc = policy_doc_new();
    struct policy_band *b = policy_site_band(doc, policy_doc_site(doc, site, true), 20, true);
    strcpy(doc->machine.cpu, "another processor");
    strcpy(doc->machine.kernel, "6.1.0");
    strcpy(doc->machine.thp, "madvise");
    doc->machine.page_bytes = 4096;
    doc->machine.huge_bytes = 2 * MIB;
    for (unsigned i = 0; i < plays; i++)
        elo_report(&b->elo, (int)champion, 1000);
    b->champion = (uint8_t)champion;
    b->cost_sum_ns[champion] = 1000 * plays;
    b->seen = (struct policy_seen){.episodes = plays,
                                   .size_bytes = plays * (uint64_t)MIB,
                                   .resident_bytes = plays * (uint64_t)MIB,
                                   .live_ns = plays * MS,
                                   .idle_ns = plays * 1000,
                                   .reused = plays};
    CHECK(policy_file_write(POLICY, doc) == 0);
    policy_doc_free(doc);
}

ISOLATED(another_machines_ratings_are_tried_out_anew_and_kept_in_the_file)
{
    unsigned others = 0;
    fake_start();
    fake.tick_ns = 100;
    put_other_machines(site_of(7), ARM_MMAP_BASE_TOUCH_DROP, 500);
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    use(site, MIB, 40);
    CHECK(hak_policy_save(NULL) == 0);
    const struct policy_band *band = saved_band(site, 20);
    CHECK(plays_of(band) == 500 + stat_get(STAT_episodes));
    CHECK(band->seen.episodes == 500 + stat_get(STAT_episodes));
    for (int i = 0; i < ARM_COUNT; i++)
        others += i != ARM_MMAP_BASE_TOUCH_DROP && band->elo.arm[i].plays > 0;
    CHECK(others >= 2);
}

ISOLATED(one_arm_for_all_is_rated_and_no_other_is_played)
{
    fake_start();
    fake.tick_ns = 100;
    fake_set("HAKMEM_ARM", "mmap/base/prefault/lazy");
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    use(site, MIB, 100);
    CHECK(hak_policy_save(NULL) == 0);
    const struct policy_band *band = saved_band(site, 20);
    CHECK(band->elo.arm[ARM_MMAP_BASE_PREFAULT_LAZY].plays == plays_of(band) &&
          plays_of(band) > 90);
}

ISOLATED(blocks_of_the_heap_are_learned_from_too)
{
    fake_start();
    fake.tick_ns = 100;
    fake_set("HAKO_HAKMEM_LARGE_MMAP", "0");
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    use(site, MIB, 40);
    CHECK(hak_policy_save(NULL) == 0);
    const struct policy_band *band = saved_band(site, 20);
    CHECK(band->seen.episodes > 30);
    CHECK(band->elo.arm[ARM_HEAP_BASE_TOUCH_KEEP].plays == band->seen.episodes);
    CHECK(band->champion == ARM_HEAP_BASE_TOUCH_KEEP);
}

ISOLATED(blocks_that_live_on_are_settled_at_the_end)
{
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    for (unsigned i = 0; i < 4; i++)
        memset(get_at(site, MIB), 1, MIB);
    fake.now_ns += 1000 * MS;
    start_finish();
    const struct policy_band *band = saved_band(site, 20);
    CHECK(band->seen.episodes == 4 && band->seen.reused == 0);
    CHECK(band->seen.live_ns >= 4 * 1000 * MS && band->seen.resident_bytes == 4 * MIB);
}

ISOLATED(what_a_block_was_like_is_seen)
{
    fake_start();
    fake.machine.huge_bytes =
        0; /* or the site might begin on huge pages, of which all would be resident */
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    char *p = get_at(site, MIB);
    memset(p, 1, MIB / 4);
    p = hak_realloc_at_site(p, MIB + MIB / 2, AT_SITE(site));
    CHECK(p != NULL);
    fake.now_ns += 5 * MS;
    hak_free_block(p);
    store_trim();
    CHECK(hak_policy_save(NULL) == 0);
    const struct policy_band *band = saved_band(site, 20);
    CHECK(band->seen.episodes == 1 && band->seen.grown == 1 && band->seen.remote == 0);
    CHECK(band->seen.resident_bytes >= MIB / 4 && band->seen.resident_bytes <= MIB);
    CHECK(band->seen.reused == 0 && band->seen.live_ns >= 5 * MS);
}

ISOLATED(a_machine_that_cannot_tell_what_is_resident_learns_all_the_same)
{
    fake_start();
    fake.tick_ns = 100;
    fake.never_resident = true;
    start("learn");
    use(hak_site("a.c", 7), MIB, 50);
    CHECK(hak_policy_save(NULL) == 0);
    CHECK(saved_band(hak_site("a.c", 7), 20)->seen.resident_bytes == 0);
}

static unsigned refused_map;

static void learn_with_one_map_refused(void)
{
    fake_start();
    fake.tick_ns = 100;
    fake_fail(FAKE_MAP, refused_map, ENOMEM);
    start("learn");
    use(hak_site("a.c", 7), MIB, 10);
    hak_policy_save(NULL);
    CHECK(fake_has_failed());
    fake_fail_never();
    use(hak_site("a.c", 7), MIB, 10);
}

/* Tables of sites, of cells, of labels, and what a document needs. */
static void any_memory_of_the_learner_may_be_refused(void **state)
{
    for (refused_map = 0; refused_map < 8; refused_map++)
        assert_int_equal(isolated_status(learn_with_one_map_refused), 0);
}

/* ---- fork ---- */

ISOLATED(parent_and_child_save_what_each_learned)
{
    int status = -1;
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t site = hak_site("a.c", 7);
    use(site, MIB, 100);
    uint64_t before = stat_get(STAT_episodes);
    pid_t pid = fork();
    if (pid == 0) {
        use(site, MIB, 50);
        CHECK(hak_policy_save(NULL) == 0);
        CHECK(plays_of(saved_band(site, 20)) == stat_get(STAT_episodes) - before);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    uint64_t of_child = plays_of(saved_band(site, 20));
    use(site, MIB, 20);
    CHECK(hak_policy_save(NULL) == 0);
    CHECK(of_child >= 45 && plays_of(saved_band(site, 20)) == stat_get(STAT_episodes) + of_child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_frozen_site_plays_its_policys_champion_in_its_band_only),
        IN_DIRECTORY(flipping_the_champion_changes_the_system_calls),
        IN_DIRECTORY(frozen_reads_no_clock_and_writes_nothing),
        IN_DIRECTORY(without_a_policy_the_bands_defaults_are_played),
        IN_DIRECTORY(a_policy_that_cannot_be_read_leaves_the_defaults),
        IN_DIRECTORY(a_refused_load_leaves_the_policy_in_force),
        IN_DIRECTORY(a_champion_the_machine_cannot_play_becomes_what_it_amounts_to),
        IN_DIRECTORY(the_default_arm_is_played_until_a_block_is_settled),
        IN_DIRECTORY(every_settled_block_is_a_play_in_the_saved_policy),
        IN_DIRECTORY(several_arms_are_tried),
        IN_DIRECTORY(saving_twice_counts_nothing_twice),
        IN_DIRECTORY(a_save_that_failed_is_made_up_for),
        IN_DIRECTORY(learning_goes_on_from_the_file),
        IN_DIRECTORY(another_machines_ratings_are_tried_out_anew_and_kept_in_the_file),
        IN_DIRECTORY(one_arm_for_all_is_rated_and_no_other_is_played),
        IN_DIRECTORY(blocks_of_the_heap_are_learned_from_too),
        IN_DIRECTORY(blocks_that_live_on_are_settled_at_the_end),
        IN_DIRECTORY(what_a_block_was_like_is_seen),
        IN_DIRECTORY(a_machine_that_cannot_tell_what_is_resident_learns_all_the_same),
        IN_DIRECTORY(any_memory_of_the_learner_may_be_refused),
        IN_DIRECTORY(parent_and_child_save_what_each_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
