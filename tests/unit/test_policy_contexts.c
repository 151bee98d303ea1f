/*
 * Contexts from end to end: blocks of several kinds behind one wrapper are told apart by the depth of the stack, and
 * what was learned of each is played again.
 */
#include "isolated.h"

#include <pthread.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/start.h"
#include "alloc/store.h"
#include "default_policy.h"
#include "fake_os.h"
#include "hakmem/hakmem.h"
#include "policy/doc.h"
#include "policy_directory.h"
#include "stats/stats.h"

enum { MIB = 1 << 20 };
enum { REUSED_AT = 0x400, SPARSE_AT = 0x500, RARE_AT = 0x600 }; /* frames */

static const uint64_t MS = 1000000;
static const char POLICY[] = "policy.json";

static void start(const char *mode)
{
    fake_set("HAKMEM_MODE", mode);
    fake_set("HAKMEM_POLICY", POLICY);
    CHECK(start_now());
}

static char *get_at(uint64_t site, uintptr_t frame, size_t bytes)
{
    char *p = hak_alloc_at_site(bytes, 1, (struct caller){site, frame});
    CHECK(p != NULL);
    return p;
}

/* ---- learning ---- */

/* A policy of no sites, but with the prices of a real machine: the fake clock would calibrate others. Blocks begin on
 * base pages, on which it is seen what of them is used, whether there are huge ones or not. */
static void put_prices(void)
{
    struct policy_doc *doc = policy_doc_new();
    struct os_names names;
    os->names(&names);
    memcpy(doc->machine.cpu, names.cpu, sizeof(doc->machine.cpu));
    memcpy(doc->machine.kernel, names.kernel, sizeof(doc->machine.kernel));
    memcpy(doc->machine.thp, fake.machine.thp, sizeof(doc->machine.thp));
    doc->machine.page_bytes = fake.machine.page_bytes;
    doc->machine.huge_bytes = fake.machine.huge_bytes;
    doc->calibration = default_calibration;
    doc->default_arm[22 - BAND_FIRST] = ARM_MMAP_BASE_TOUCH_KEEP;
    CHECK(policy_file_write(POLICY, doc) == 0);
    policy_doc_free(doc);
}

/* Three kinds of blocks: filled and freed again and again; a page of it written, held for a second; once in ten. */
static void use(uint64_t wrapper, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        for (unsigned k = 0; k < 4; k++) {
            char *p = get_at(wrapper, REUSED_AT, 4 * MIB);
            memset(p, 1, 4 * MIB);
            fake.now_ns += MS / 100;
            hak_free_block(p);
        }
        char *sparse = get_at(wrapper, SPARSE_AT, 4 * MIB);
        sparse[0] = 1;
        fake.now_ns += 1000 * MS;
        hak_free_block(sparse);
        char *rare = get_at(wrapper, RARE_AT, 4 * MIB);
        memset(rare, 1, 4 * MIB);
        hak_free_block(rare);
        for (unsigned k = 0; k < 10; k++) {
            fake.now_ns += 1000 * MS;
            store_tick(fake.now_ns, 0);
        }
    }
}

static const struct arm *champion_at(uint64_t of, uintptr_t frame)
{
    struct policy_error error;
    struct policy_doc *doc = policy_file_read(POLICY, false, &error);
    const struct policy_site *context = NULL;
    CHECK(doc != NULL);
    for (unsigned i = 0; i < doc->nr_sites; i++)
        if (doc->site[i]->of == of && doc->site[i]->depth == frame >> 4)
            context = doc->site[i];
    CHECK(context != NULL && context->nr_bands == 1 && context->band[0]->champion != ARM_NONE);
    return &arms[context->band[0]->champion];
}

ISOLATED(kinds_of_use_behind_one_wrapper_are_told_apart)
{
    fake_start();
    fake.tick_ns = 100;
    put_prices();
    start("learn");
    uint64_t wrapper = hak_site("wrapper.c", 7);
    use(wrapper, 150);
    CHECK(stat_get(STAT_sites_split) == 1);
    CHECK(hak_policy_save(NULL) == 0);
    CHECK(champion_at(wrapper, REUSED_AT)->retain != RETAIN_DROP);
    CHECK(champion_at(wrapper, SPARSE_AT)->pages == PAGES_BASE);
    CHECK(champion_at(wrapper, RARE_AT)->retain == RETAIN_DROP);
}

ISOLATED(one_kind_of_use_from_many_depths_is_one_site)
{
    fake_start();
    fake.tick_ns = 100;
    start("learn");
    uint64_t wrapper = hak_site("wrapper.c", 7);
    for (unsigned i = 0; i < 400; i++) {
        char *p = get_at(wrapper, 0x100 + 0x10 * (i % 5), MIB);
        memset(p, 1, MIB);
        fake.now_ns += MS;
        hak_free_block(p);
    }
    CHECK(stat_get(STAT_sites_split) == 0 && stat_get(STAT_sites) == 1);
}

/* ---- frozen ---- */

static void fill_nothing(struct site *site)
{
    (void)site;
}

static const struct site_hooks no_hooks = {.recognise = fill_nothing, .fill = fill_nothing};

static uint64_t context_id(uint64_t site, uintptr_t frame)
{
    struct site of = {.key = site, .id = site};
    return site_find_or_add_context(&of, (uint32_t)(frame >> 4), &no_hooks)->id;
}

/* A policy in which the site and one of its contexts have these champions. */
static uint64_t put_policy(uintptr_t frame, enum arm_id of_site, enum arm_id of_context)
{
    CHECK(site_table_start());
    uint64_t site = site_add_named("a.c", 7, &no_hooks);
    struct policy_doc *doc = policy_doc_new();
    struct policy_site *context = policy_doc_site(doc, context_id(site, frame), true);
    policy_site_band(doc, policy_doc_site(doc, site, true), 22, true)->champion = (uint8_t)of_site;
    context->of = site;
    context->depth = (uint32_t)(frame >> 4);
    policy_site_band(doc, context, 22, true)->champion = (uint8_t)of_context;
    CHECK(policy_file_write(POLICY, doc) == 0);
    policy_doc_free(doc);
    return site;
}

static enum arm_id arm_at(uint64_t site, uintptr_t frame)
{
    char *p = get_at(site, frame, 4 * MIB);
    enum arm_id arm = (enum arm_id)span_of(p)->arm;
    hak_free_block(p);
    return arm;
}

ISOLATED(a_frozen_context_plays_its_own_champion_and_the_others_their_sites)
{
    fake_start();
    uint64_t site = put_policy(REUSED_AT, ARM_MMAP_BASE_TOUCH_DROP, ARM_MMAP_HUGE_TOUCH_LAZY);
    start("frozen");
    CHECK(hak_site("a.c", 7) == site);
    uint64_t sites = stat_get(STAT_sites);
    CHECK(arm_at(site, REUSED_AT) == ARM_MMAP_HUGE_TOUCH_LAZY);
    CHECK(arm_at(site, SPARSE_AT) == ARM_MMAP_BASE_TOUCH_DROP);
    CHECK(arm_at(site, 0) == ARM_MMAP_BASE_TOUCH_DROP);
    for (uintptr_t frame = 0x1000; frame < 0x1000 + 64 * 16; frame += 16)
        CHECK(arm_at(site, frame) == ARM_MMAP_BASE_TOUCH_DROP);
    CHECK(stat_get(STAT_sites) == sites + CONTEXTS_MAX);
    CHECK(arm_at(site, REUSED_AT) == ARM_MMAP_HUGE_TOUCH_LAZY);
}

ISOLATED(a_context_that_agrees_with_its_site_is_folded_back)
{
    fake_start();
    uint64_t site = put_policy(REUSED_AT, ARM_MMAP_BASE_TOUCH_DROP, ARM_MMAP_BASE_TOUCH_DROP);
    start("frozen");
    CHECK(hak_site("a.c", 7) == site);
    uint64_t sites = stat_get(STAT_sites);
    CHECK(arm_at(site, REUSED_AT) == ARM_MMAP_BASE_TOUCH_DROP);
    CHECK(stat_get(STAT_sites) == sites);
}

/* A policy that only says that the site is to be split. */
static uint64_t put_split(void)
{
    CHECK(site_table_start());
    uint64_t site = site_add_named("a.c", 7, &no_hooks);
    struct policy_doc *doc = policy_doc_new();
    struct policy_site *of = policy_doc_site(doc, site, true);
    of->to_split = 1;
    policy_site_band(doc, of, 22, true)->champion = ARM_MMAP_BASE_TOUCH_DROP;
    CHECK(policy_file_write(POLICY, doc) == 0);
    policy_doc_free(doc);
    return site;
}

ISOLATED(a_site_to_be_split_is_when_it_is_learned)
{
    fake_start();
    uint64_t site = put_split();
    start("learn");
    CHECK(hak_site("a.c", 7) == site);
    uint64_t sites = stat_get(STAT_sites);
    CHECK(arm_at(site, REUSED_AT) == ARM_MMAP_BASE_TOUCH_DROP);
    CHECK(stat_get(STAT_sites) == sites + 1);
}

ISOLATED(a_site_to_be_split_is_whole_when_frozen)
{
    fake_start();
    uint64_t site = put_split();
    start("frozen");
    CHECK(hak_site("a.c", 7) == site);
    uint64_t sites = stat_get(STAT_sites);
    CHECK(arm_at(site, REUSED_AT) == ARM_MMAP_BASE_TOUCH_DROP);
    CHECK(stat_get(STAT_sites) == sites);
}

/* ---- the depth itself ---- */

static HAK_NOINLINE uint32_t depth_here(void)
{
    return os_linux.depth_of((uintptr_t)__builtin_frame_address(0));
}

/* Of a size the compiler does not know: sanitizers keep what they can away from the stack. */
static HAK_NOINLINE uint32_t depth_below(void)
{
    static volatile size_t bytes = 256;
    volatile char *room = __builtin_alloca(bytes);
    room[0] = 0;
    uint32_t depth = depth_here();
    return depth + (uint32_t)room[0];
}

static void *depth_of_thread(void *unused)
{
    (void)unused;
    return (void *)(uintptr_t)depth_here();
}

static uint32_t depth_in_a_thread(void)
{
    pthread_t thread;
    void *depth;
    CHECK(pthread_create(&thread, NULL, depth_of_thread, NULL) == 0);
    CHECK(pthread_join(thread, &depth) == 0);
    return (uint32_t)(uintptr_t)depth;
}

static void a_path_has_one_depth_and_another_path_another(void **state)
{
    char on_the_heap[64];
    assert_true(depth_here() != 0);
    assert_true(depth_below() >= depth_here() + 256 / POLICY_DEPTH_BYTES);
    assert_true(depth_in_a_thread() != 0);
    assert_int_equal(depth_in_a_thread(), depth_in_a_thread());
    assert_int_equal(os_linux.depth_of((uintptr_t)on_the_heap + ((uintptr_t)1 << 40)), 0);
    assert_int_equal(os_linux.depth_of(4096), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(kinds_of_use_behind_one_wrapper_are_told_apart),
        IN_DIRECTORY(one_kind_of_use_from_many_depths_is_one_site),
        IN_DIRECTORY(a_frozen_context_plays_its_own_champion_and_the_others_their_sites),
        IN_DIRECTORY(a_context_that_agrees_with_its_site_is_folded_back),
        IN_DIRECTORY(a_site_to_be_split_is_when_it_is_learned),
        IN_DIRECTORY(a_site_to_be_split_is_whole_when_frozen),
        cmocka_unit_test(a_path_has_one_depth_and_another_path_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
