/*
 * What measuring a block costs, and that what is measured of a call is the thread's own time.
 */
#include "isolated.h"

#include "alloc/alloc.h"
#include "alloc/start.h"
#include "fake_os.h"
#include "hakmem/hakmem.h"
#include "policy/doc.h"
#include "policy/sampling.h"
#include "policy_directory.h"

enum { MIB = 1 << 20, CALLS = 20 };
static const uint64_t MS = 1000000;

ISOLATED(readings_of_the_clocks_are_counted_and_taken_off)
{
    struct sampling s = {0};
    fake_start();
    fake.tick_ns = 10;
    fake.cpu_tick_ns = 400;
    sampling_start();
    CHECK(sampling_without_reading(1000) == 600);
    CHECK(sampling_without_reading(399) == 0);
    sampling_note_price(&s, 5000);
    CHECK(s.measuring_ns == 5000 + 7 * 10 + 4 * 400);
}

/* Every reading of the clock in malloc finds 20 ms more gone, as where others are run meanwhile. */
ISOLATED(a_malloc_that_is_interrupted_costs_what_others_cost)
{
    struct policy_error error;
    fake_start();
    fake.cpu_tick_ns = 400;
    fake_set("HAKMEM_MODE", "learn");
    fake_set("HAKMEM_ARM", "mmap/base/touch/keep");
    fake_set("HAKMEM_POLICY", "policy.json");
    CHECK(start_now());
    for (int i = 0; i < CALLS; i++) {
        fake.tick_ns = 20 * MS;
        void *p = hak_alloc_at(MIB, hak_site("a.c", 7));
        fake.tick_ns = 0;
        hak_free_block(p);
    }
    CHECK(hak_policy_save(NULL) == 0);
    struct policy_doc *doc = policy_file_read("policy.json", false, &error);
    CHECK(doc != NULL && doc->nr_sites == 1);
    const struct policy_band *band = doc->site[0]->band[0];
    CHECK(band->seen.episodes >= CALLS / 2);
    CHECK(band->cost_sum_ns[ARM_MMAP_BASE_TOUCH_KEEP] < band->seen.episodes * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readings_of_the_clocks_are_counted_and_taken_off),
        IN_DIRECTORY(a_malloc_that_is_interrupted_costs_what_others_cost),
    };
    return cmocka_run_group_tests_name("sampling", tests, NULL, NULL);
}
