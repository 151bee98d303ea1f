/*
 * Statistics: names, counters, and their text.
 */
#include "isolated.h"

#include <string.h>

#include "stats/stats.h"

static const char *const names[] = {
#define X(name, unit, kind, help) #name,
    HAK_STATS_TABLE(X)
#undef X
};

static void every_statistic_is_found_by_its_name(void **state)
{
    for (int i = 0; i < STAT_COUNT; i++)
        assert_int_equal(stats_by_name(names[i]), i);
    assert_int_equal(stats_by_name(""), -1);
    assert_int_equal(stats_by_name("heap_alloc"), -1);
}

static void counters_add_and_gauges_are_set(void **state)
{
    uint64_t before = stat_get(STAT_cache_hits);
    stat_add(STAT_cache_hits, 2);
    stat_add(STAT_cache_hits, 3);
    assert_int_equal(stat_get(STAT_cache_hits), before + 5);
    stat_set(STAT_live_bytes, 7);
    stat_set(STAT_live_bytes, 6);
    assert_int_equal(stat_get(STAT_live_bytes), 6);
}

static void the_text_has_every_statistic_once(void **state)
{
    char text[8192], key[64];
    for (int i = 0; i < STAT_COUNT; i++)
        stat_set((enum stat_id)i, UINT64_MAX - (uint64_t)i);
    size_t n = stats_print(text, sizeof(text));
    assert_true(n < sizeof(text));
    assert_int_equal(strlen(text), n);
    for (int i = 0; i < STAT_COUNT; i++) {
        snprintf(key, sizeof(key), "\"%s\": %llu", names[i],
                 (unsigned long long)(UINT64_MAX - (uint64_t)i));
        const char *at = strstr(text, key);
        assert_non_null(at);
        assert_null(strstr(at + 1, key));
    }
}

static void a_text_that_does_not_fit_is_cut_and_its_length_known(void **state)
{
    char whole[8192], cut[8192];
    size_t n = stats_print(whole, sizeof(whole));
    assert_int_equal(stats_print(NULL, 0), n);
    for (size_t cap = 1; cap <= n + 1; cap += cap < 200 ? 1 : 97) {
        memset(cut, 'x', sizeof(cut));
        assert_int_equal(stats_print(cut, cap), n);
        assert_int_equal(cut[cap - 1], '\0');
        assert_int_equal(cut[cap], 'x');
        assert_memory_equal(cut, whole, strlen(cut));
        assert_int_equal(strlen(cut), cap - 1 < n ? cap - 1 : n);
    }
}

static void what_the_process_uses_is_read_when_asked_for(void **state)
{
    stats_start();
    stats_read_usage();
    assert_true(stat_get(STAT_minor_faults_start) > 0);
    assert_true(stat_get(STAT_minor_faults) >= stat_get(STAT_minor_faults_start));
    assert_true(stat_get(STAT_resident_bytes) > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_statistic_is_found_by_its_name),
        cmocka_unit_test(counters_add_and_gauges_are_set),
        cmocka_unit_test(the_text_has_every_statistic_once),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut_and_its_length_known),
        cmocka_unit_test(what_the_process_uses_is_read_when_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
