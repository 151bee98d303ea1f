/*
 * What is learned with another build of a module moves to the build that learns: nothing is lost, nothing is counted
 * twice, and the file does not grow.
 */
#include "isolated.h"

#include <string.h>

#include "alloc/alloc.h"
#include "hakmem/hakmem.h"
#include "policy_directory.h"
#include "rebuilt_module.h"
#include "stats/stats.h"

static uint64_t id_at(uintptr_t pc)
{
    const struct site *site = site_find(pc);
    CHECK(site != NULL && site->id != 0);
    return site->id;
}

/* ---- moving in a document ---- */

static struct policy_doc *delta_from(uint64_t id, uint64_t moved_from)
{
    struct policy_doc *delta = sample_delta(id, BAND_OF_MIB, CHAMPION, 5, 1000);
    struct policy_site *s = policy_doc_site(delta, id, false);
    strcpy(s->module, "libfoo.so");
    strcpy(s->build_id, NEW_BUILD);
    s->moved_from = moved_from;
    return delta;
}

static void merge(struct policy_doc *delta)
{
    struct policy_error error;
    CHECK(policy_doc_merge(doc, delta, &error) == 0);
}

ISOLATED(where_the_file_has_both_both_stay)
{
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(7, "grow+0x1f", 0, CHAMPION);
    merge(delta_from(7, OLD));
    CHECK(doc->nr_sites == 2 && sample_plays(doc) == 25);
    CHECK(strcmp(policy_doc_site(doc, OLD, false)->build_id, OLD_BUILD) == 0);
}

ISOLATED(one_record_moves_to_one_site)
{
    record(OLD, "grow+0x1f", 0, CHAMPION);
    struct policy_doc *delta = delta_from(7, OLD);
    policy_site_band(delta, policy_doc_site(delta, 8, true), BAND_OF_MIB, true);
    policy_doc_site(delta, 8, false)->moved_from = OLD;
    merge(delta);
    CHECK(doc->nr_sites == 2 && sample_plays(doc) == 15);
    CHECK(policy_doc_site(doc, 7, false)->band[0]->seen.episodes == 15);
    CHECK(policy_doc_site(doc, 8, false)->band[0]->seen.episodes == 0);
}

ISOLATED(moving_keeps_the_order_and_every_play)
{
    uint64_t random = random_seed(), plays = 0;
    struct policy_doc *delta = policy_doc_new();
    for (unsigned i = 1; i <= 200; i++) {
        record(i * 1000, "grow+0x1f", 0, CHAMPION);
        plays += 10;
        struct policy_site *s = policy_doc_site(delta, random_next(&random) | 1, true);
        if (random_below(&random, 3) > 0)
            s->moved_from = i * 1000;
    }
    merge(delta);
    CHECK(sample_plays(doc) == plays);
    for (unsigned i = 1; i < doc->nr_sites; i++)
        CHECK(doc->site[i - 1]->id < doc->site[i]->id && doc->site[i]->moves_to == 0);
    for (unsigned i = 0; i < delta->nr_sites; i++) {
        const struct policy_site *s = delta->site[i];
        const struct policy_site *moved = policy_doc_site(doc, s->id, false);
        CHECK(moved != NULL && (moved->nr_bands == 1) == (s->moved_from != 0));
        CHECK(s->moved_from == 0 || policy_doc_site(doc, s->moved_from, false) == NULL);
    }
}

/* ---- learning ---- */

ISOLATED(what_is_learned_moves_to_the_new_build)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(OTHER, "gone+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x2f, 0);
    start("learn");
    use(pc, 0, 20);
    CHECK(hak_policy_save(NULL) == 0);
    use(pc, 0, 20);
    CHECK(hak_policy_save(NULL) == 0);
    struct policy_doc *file = saved();
    const struct policy_site *s = policy_doc_site(file, id_at(pc), false);
    CHECK(file->nr_sites == 2 && s != NULL && policy_doc_site(file, OLD, false) == NULL);
    CHECK(sample_plays(file) == 20 + stat_get(STAT_episodes));
    CHECK(strcmp(s->build_id, NEW_BUILD) == 0 && strcmp(s->symbol, "grow+0x2f") == 0);
    CHECK(s->offset == pc - BASE && s->call == 0);
    CHECK(stat_get(STAT_episodes) > 10);
}

ISOLATED(a_site_that_is_only_met_stays_where_it_is)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("learn");
    CHECK(hak_alloc_at_site(MIB, 1, (struct caller){pc, 0}) != NULL);
    CHECK(hak_policy_save(NULL) == 0);
    CHECK(policy_doc_site(saved(), OLD, false) != NULL);
}

ISOLATED(contexts_move_with_their_site)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    context_of(OLD, ANOTHER);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("learn");
    use(pc, FRAME, 20);
    CHECK(hak_policy_save(NULL) == 0);
    struct policy_doc *file = saved();
    uint64_t id = id_at(pc);
    const struct policy_site *context =
        policy_doc_site(file, policy_context_id(id, FRAME >> 4), false);
    CHECK(file->nr_sites == 2 && policy_doc_site(file, id, false) != NULL);
    CHECK(context != NULL && context->of == id && context->depth == FRAME >> 4);
    CHECK(strcmp(context->build_id, NEW_BUILD) == 0);
    CHECK(sample_plays(file) == 20 + stat_get(STAT_episodes));
}

ISOLATED(contexts_that_are_not_met_move_too)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    context_of(OLD, ANOTHER);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("learn");
    use(pc, 0, 20);
    CHECK(hak_policy_save(NULL) == 0);
    struct policy_doc *file = saved();
    uint64_t id = id_at(pc);
    const struct policy_site *context =
        policy_doc_site(file, policy_context_id(id, FRAME >> 4), false);
    CHECK(file->nr_sites == 2 && context != NULL && context->of == id);
    CHECK(strcmp(context->build_id, NEW_BUILD) == 0);
}

/* One that starts, waits until both have, and learns. Its episodes come back in the pipe. */
static void learn_beside_another(uintptr_t pc, int ready, int go, int episodes)
{
    char byte = 0;
    start("learn");
    CHECK(write(ready, &byte, 1) == 1 && read(go, &byte, 1) == 1);
    use(pc, 0, 20);
    CHECK(hak_policy_save(NULL) == 0);
    use(pc, 0, 10);
    CHECK(hak_policy_save(NULL) == 0);
    uint64_t n = stat_get(STAT_episodes);
    CHECK(write(episodes, &n, sizeof(n)) == sizeof(n));
    CHECK(policy_doc_site(saved(), id_at(pc), false) != NULL);
}

ISOLATED(two_processes_lose_nothing_and_count_nothing_twice)
{
    int ready[2], go[2], episodes[2], status;
    uint64_t n, sum = 10;
    char bytes[2];
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    CHECK(pipe(ready) == 0 && pipe(go) == 0 && pipe(episodes) == 0);
    for (unsigned i = 0; i < 2; i++) {
        if (fork() != 0)
            continue;
        learn_beside_another(pc, ready[1], go[0], episodes[1]);
        _exit(0);
    }
    CHECK(read(ready[0], bytes, 1) == 1 && read(ready[0], bytes, 1) == 1);
    CHECK(write(go[1], bytes, 2) == 2);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(wait(&status) > 0 && status == 0);
        CHECK(read(episodes[0], &n, sizeof(n)) == sizeof(n));
        sum += n;
    }
    struct policy_doc *file = saved();
    CHECK(file->nr_sites == 1 && policy_doc_site(file, OLD, false) == NULL);
    CHECK(sample_plays(file) == sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(where_the_file_has_both_both_stay),
        IN_DIRECTORY(one_record_moves_to_one_site),
        IN_DIRECTORY(moving_keeps_the_order_and_every_play),
        IN_DIRECTORY(what_is_learned_moves_to_the_new_build),
        IN_DIRECTORY(a_site_that_is_only_met_stays_where_it_is),
        IN_DIRECTORY(contexts_move_with_their_site),
        IN_DIRECTORY(contexts_that_are_not_met_move_too),
        IN_DIRECTORY(two_processes_lose_nothing_and_count_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
