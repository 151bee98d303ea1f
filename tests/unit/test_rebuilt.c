/*
 * Policies survive rebuilds: a site of another build is known by its function and the offset in it, or by the number of
 * its call; what is learned then moves to the new build; and what is not certain is left alone.
 */
#include "isolated.h"

#include <fcntl.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/start.h"
#include "alloc/store.h"
#include "base/attr.h"
#include "fake_os.h"
#include "hakmem/hakmem.h"
#include "policy/doc.h"
#include "policy/policy.h"
#include "policy_directory.h"
#include "stats/stats.h"

enum { MIB = 1 << 20, BAND_OF_MIB = 20, BASE = 0x100000, FUNCTION_BYTES = 0x100 };
enum { FRAME = 0x400, OLD = 0x1001, OTHER = 0x1002 };
enum { CHAMPION = ARM_MMAP_BASE_TOUCH_DROP, ANOTHER = ARM_MMAP_BASE_PREFAULT_KEEP };

static const uint64_t MS = 1000000;
static const char POLICY[] = "policy.json";
static const char OLD_BUILD[] = "6f6c64", NEW_BUILD[] = "6e6577";

/* ---- what is on the machine, and in the policy ---- */

/* libfoo.so, of the build "new". */
static void load_module(void)
{
    struct os_module is = {.base = BASE, .path = "/lib/libfoo.so", .build_id_bytes = 3};
    memcpy(is.build_id, "new", 3);
    fake.module[0] = (struct fake_module){BASE, BASE + MIB, is};
    fake.nr_modules = 1;
    fake.tick_ns = 100;
}

/* A call in the module: its return address. The function is the n-th, of FUNCTION_BYTES. */
static uintptr_t call_at(unsigned function, const char *name, unsigned offset, int32_t call)
{
    struct fake_symbol *s = &fake.symbol[fake.nr_symbols++];
    s->is = (struct os_symbol){
        .call = call, .start = BASE + 0x1000 + function * FUNCTION_BYTES, .bytes = FUNCTION_BYTES};
    snprintf(s->is.text, sizeof(s->is.text), "%s+0x%x", name, offset);
    s->pc = s->is.start + offset;
    return s->pc;
}

static struct policy_doc *doc;

/* A record of the build "old", which played its champion ten times. */
static struct policy_site *record(uint64_t id, const char *symbol, int32_t call, int champion)
{
    if (doc == NULL)
        doc = policy_doc_new();
    struct policy_site *s = policy_doc_site(doc, id, true);
    struct policy_band *b = policy_site_band(doc, s, BAND_OF_MIB, true);
    strcpy(s->module, "libfoo.so");
    strcpy(s->build_id, OLD_BUILD);
    strcpy(s->symbol, symbol);
    s->offset = 0x1234;
    s->call = call;
    for (unsigned i = 0; i < 10; i++)
        elo_report(&b->elo, champion, 1000);
    b->champion = (uint8_t)champion;
    b->seen.episodes = 10;
    b->seen.size_bytes = 10 * MIB;
    return s;
}

static struct policy_site *context_of(uint64_t of, int champion)
{
    struct policy_site *s =
        record(policy_context_id(of, FRAME >> 4), "grow+0x1f", 0, champion);
    s->of = of;
    s->depth = FRAME >> 4;
    return s;
}

static void start(const char *mode)
{
    CHECK(policy_file_write(POLICY, doc) == 0);
    fake_set("HAKMEM_MODE", mode);
    fake_set("HAKMEM_POLICY", POLICY);
    CHECK(start_now());
}

static int arm_at(uintptr_t pc, uintptr_t frame)
{
    char *p = hak_alloc_at_site(MIB, 1, (struct caller){pc, frame});
    CHECK(p != NULL);
    int arm = span_of(p)->arm;
    hak_free_block(p);
    return arm;
}

static void use(uintptr_t pc, uintptr_t frame, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        char *p = hak_alloc_at_site(MIB, 1, (struct caller){pc, frame});
        CHECK(p != NULL);
        memset(p, 1, MIB);
        fake.now_ns += MS;
        hak_free_block(p);
    }
}

static struct policy_doc *saved(void)
{
    struct policy_error error;
    struct policy_doc *file = policy_file_read(POLICY, false, &error);
    CHECK(file != NULL);
    return file;
}

static uint64_t id_at(uintptr_t pc)
{
    const struct site *site = site_find(pc);
    CHECK(site != NULL && site->id != 0);
    return site->id;
}

/* How the only site that was met is known. */
static void check_known(enum stat_id how)
{
    static const enum stat_id all[] = {STAT_sites_by_id, STAT_sites_by_symbol, STAT_sites_by_call,
                                       STAT_sites_not_known};
    for (unsigned i = 0; i < 4; i++)
        CHECK(stat_get(all[i]) == (all[i] == how));
}

/* ---- frozen ---- */

ISOLATED(a_call_at_the_same_offset_of_its_function_is_the_same_site)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_symbol);
    CHECK(arm_at(pc, 0) == CHAMPION && fake.symbol_looks == 1);
}

ISOLATED(a_call_of_the_same_number_is_the_same_site)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 1, CHAMPION);
    record(OTHER, "grow+0x0f", 0, ANOTHER);
    uintptr_t pc = call_at(3, "grow", 0x42, 1);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_call);
}

ISOLATED(another_call_at_the_offset_is_another_site)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(OTHER, "grow+0x42", 1, ANOTHER);
    uintptr_t pc = call_at(3, "grow", 0x42, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_call);
}

ISOLATED(a_policy_without_numbers_goes_by_the_offset_alone)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", -1, CHAMPION);
    uintptr_t same = call_at(3, "grow", 0x1f, 2), moved = call_at(3, "grow", 0x42, 0);
    start("frozen");
    CHECK(arm_at(same, 0) == CHAMPION && arm_at(moved, 0) != CHAMPION);
    CHECK(stat_get(STAT_sites_by_symbol) == 1 && stat_get(STAT_sites_not_known) == 1);
}

ISOLATED(the_same_offset_of_another_function_is_not_the_site)
{
    fake_start();
    load_module();
    struct policy_site *old = record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "shrink", 0x1f, 0);
    old->offset = pc - BASE;
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    check_known(STAT_sites_not_known);
}

ISOLATED(another_module_is_not_looked_into)
{
    fake_start();
    load_module();
    strcpy(record(OLD, "grow+0x1f", 0, CHAMPION)->module, "libbar.so");
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    check_known(STAT_sites_not_known);
    CHECK(fake.symbol_looks == 0);
}

ISOLATED(the_same_build_is_not_looked_into)
{
    fake_start();
    load_module();
    strcpy(record(OLD, "grow+0x1f", 0, CHAMPION)->build_id, NEW_BUILD);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    CHECK(fake.symbol_looks == 0);
}

ISOLATED(two_records_that_fit_are_none)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    strcpy(record(OTHER, "grow+0x1f", 0, CHAMPION)->build_id, "0123");
    uintptr_t pc = call_at(3, "grow", 0x1f, 0), moved = call_at(3, "grow", 0x42, 1);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION && arm_at(moved, 0) != CHAMPION);
    CHECK(stat_get(STAT_sites_not_known) == 2);
}

ISOLATED(two_calls_of_one_number_to_other_targets_are_none)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(OTHER, "grow+0x2f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x42, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
}

/* malloc stands where it stood; what is new is the first call to calloc. */
ISOLATED(a_record_whose_call_is_where_it_was_is_not_given_to_another_call)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t old = call_at(3, "grow", 0x1f, 0), new = call_at(3, "grow", 0x42, 0);
    start("frozen");
    CHECK(arm_at(new, 0) != CHAMPION && arm_at(old, 0) == CHAMPION);
}

/* Code was added before the call, and it is a call to a function of the module that is where the other was. */
ISOLATED(a_call_that_is_no_allocation_does_not_stand_for_one)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x42, 0);
    call_at(3, "grow", 0x1f, 0);
    call_at(4, "helper", 0x10, 0);
    fake.symbol[1].goes_to = fake.symbol[2].is.start;
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_call);
}

ISOLATED(an_allocator_inside_the_module_may_be_what_is_called)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t new = call_at(3, "grow", 0x42, 0);
    call_at(3, "grow", 0x1f, 0);
    call_at(4, "alloc", 0x10, -1);
    call_at(5, "alloc_zeros", 0x10, -1);
    fake.symbol[0].goes_to = fake.symbol[3].is.start;
    fake.symbol[1].goes_to = fake.symbol[2].is.start;
    start("frozen");
    CHECK(arm_at(new, 0) != CHAMPION);
}

ISOLATED(of_functions_that_are_in_no_policy_no_file_is_read)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    arm_at(pc, 0);
    for (unsigned i = 0; i < 100; i++)
        arm_at(BASE + 0x10000 + i, 0);
    CHECK(fake.symbol_looks == 1 && stat_get(STAT_sites_not_known) == 100);
}

ISOLATED(one_of_two_functions_of_a_name_is_none)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    fake.symbol[0].is.shared = true;
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    check_known(STAT_sites_not_known);
}

ISOLATED(contexts_follow_their_site)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    context_of(OLD, ANOTHER);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION && arm_at(pc, FRAME) == ANOTHER);
    CHECK(arm_at(pc, 2 * FRAME) == CHAMPION);
    check_known(STAT_sites_by_symbol);
}

ISOLATED(a_policy_that_is_loaded_later_knows_the_sites_that_are_there)
{
    fake_start();
    load_module();
    record(OLD, "other+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0), later = call_at(3, "grow", 0x2f, 1);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    check_known(STAT_sites_not_known);
    doc = NULL;
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(OTHER, "grow+0x8f", 1, ANOTHER);
    CHECK(policy_file_write("other.json", doc) == 0 && hak_policy_load("other.json") == 0);
    CHECK(arm_at(pc, 0) == CHAMPION && arm_at(later, 0) == ANOTHER);
    CHECK(stat_get(STAT_sites_by_symbol) == 1 && stat_get(STAT_sites_by_call) == 1);
}

/* With the real modules, of which the test itself is one. */
static HAK_NOINLINE uintptr_t here(void)
{
    return (uintptr_t)__builtin_return_address(0);
}

ISOLATED(the_main_program_is_found_by_its_name)
{
    struct os_symbol symbol;
    fake_start();
    uintptr_t pc = here();
    CHECK(os_linux.symbol_of(pc, &symbol));
    struct policy_site *old = record(OLD, symbol.text, symbol.call, CHAMPION);
    site_main_program(old->module, sizeof(old->module));
    CHECK(strstr(old->module, "test_rebuilt") != NULL);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_symbol);
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

/* ---- what is said ---- */

/* What comes on stderr while `body` runs. */
static const char *said_by(void (*body)(void))
{
    int before = dup(STDERR_FILENO), to = open("said", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(before >= 0 && to >= 0 && dup2(to, STDERR_FILENO) >= 0);
    body();
    CHECK(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    close(to);
    return get_file("said");
}

static uintptr_t calls[FAKE_SYMBOLS];

static void meet_all(void)
{
    for (unsigned i = 0; i < fake.nr_symbols; i++)
        arm_at(calls[i], 0);
}

ISOLATED(how_much_can_be_matched_is_said_once)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(OTHER, "grow+0x2f", 1, CHAMPION);
    record(0x1003, "shrink+0x1f", 0, CHAMPION);
    record(0x1004, "gone+0x1f", 0, CHAMPION);
    record(0x1005, "", -1, CHAMPION);
    context_of(OLD, CHAMPION);
    calls[0] = call_at(3, "grow", 0x1f, 0);
    calls[1] = call_at(3, "grow", 0x3f, 1);
    calls[2] = call_at(4, "shrink", 0x1f, 0);
    calls[3] = call_at(5, "new", 0x1f, 0);
    start("frozen");
    const char *said = said_by(meet_all);
    CHECK(strstr(said, "policy.json: libfoo.so was rebuilt since: matched 3 of its 5 sites, 66 % of "
                       "bytes; 2 by symbol, 1 by call\n") != NULL);
    CHECK(strchr(said, '\n')[1] == '\0');
    CHECK(stat_get(STAT_sites_by_symbol) == 2 && stat_get(STAT_sites_by_call) == 1 &&
          stat_get(STAT_sites_not_known) == 1);
}

ISOLATED(nothing_is_said_of_a_build_the_policy_knows)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    strcpy(record(OTHER, "shrink+0x1f", 0, CHAMPION)->build_id, NEW_BUILD);
    calls[0] = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(said_by(meet_all)[0] == '\0');
    check_known(STAT_sites_by_symbol);
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
        IN_DIRECTORY(a_call_at_the_same_offset_of_its_function_is_the_same_site),
        IN_DIRECTORY(a_call_of_the_same_number_is_the_same_site),
        IN_DIRECTORY(another_call_at_the_offset_is_another_site),
        IN_DIRECTORY(a_policy_without_numbers_goes_by_the_offset_alone),
        IN_DIRECTORY(the_same_offset_of_another_function_is_not_the_site),
        IN_DIRECTORY(another_module_is_not_looked_into),
        IN_DIRECTORY(the_same_build_is_not_looked_into),
        IN_DIRECTORY(two_records_that_fit_are_none),
        IN_DIRECTORY(two_calls_of_one_number_to_other_targets_are_none),
        IN_DIRECTORY(a_record_whose_call_is_where_it_was_is_not_given_to_another_call),
        IN_DIRECTORY(a_call_that_is_no_allocation_does_not_stand_for_one),
        IN_DIRECTORY(an_allocator_inside_the_module_may_be_what_is_called),
        IN_DIRECTORY(of_functions_that_are_in_no_policy_no_file_is_read),
        IN_DIRECTORY(one_of_two_functions_of_a_name_is_none),
        IN_DIRECTORY(the_main_program_is_found_by_its_name),
        IN_DIRECTORY(where_the_file_has_both_both_stay),
        IN_DIRECTORY(one_record_moves_to_one_site),
        IN_DIRECTORY(moving_keeps_the_order_and_every_play),
        IN_DIRECTORY(contexts_follow_their_site),
        IN_DIRECTORY(a_policy_that_is_loaded_later_knows_the_sites_that_are_there),
        IN_DIRECTORY(how_much_can_be_matched_is_said_once),
        IN_DIRECTORY(nothing_is_said_of_a_build_the_policy_knows),
        IN_DIRECTORY(what_is_learned_moves_to_the_new_build),
        IN_DIRECTORY(a_site_that_is_only_met_stays_where_it_is),
        IN_DIRECTORY(contexts_move_with_their_site),
        IN_DIRECTORY(contexts_that_are_not_met_move_too),
        IN_DIRECTORY(two_processes_lose_nothing_and_count_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
