/* hak_stats, hak_stat and hak_trim. Run with HAKMEM_ARM=mmap/base/touch/keep, so that BigCache holds something. */
#define JSMN_STATIC
#include "api.h"

#include <jsmn.h>

#include "hakmem/stats_table.h"

enum { ROWS_MAX = 128, ROOM = 8192 };

static const char *const names[] = {
#define X(name, unit, kind, help) #name,
    HAK_STATS_TABLE(X)
#undef X
};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

/* The number under `key` of the one object in `text`. */
static uint64_t number_in(const char *text, const char *key)
{
    jsmntok_t tokens[2 * ROWS_MAX];
    jsmn_parser parser;
    jsmn_init(&parser);
    int n = jsmn_parse(&parser, text, strlen(text), tokens, 2 * ROWS_MAX);
    assert_true(n > 0 && tokens[0].type == JSMN_OBJECT);
    for (int i = 1; i + 1 < n; i += 2) {
        assert_int_equal(tokens[i].type, JSMN_STRING);
        size_t length = (size_t)(tokens[i].end - tokens[i].start);
        if (strlen(key) == length && memcmp(text + tokens[i].start, key, length) == 0)
            return strtoull(text + tokens[i + 1].start, NULL, 10);
    }
    fail_msg("no %s in %s", key, text);
    return 0;
}

static void text_is_one_object_with_every_row(void **state)
{
    char text[ROOM];
    size_t needed = hak_stats(text, sizeof(text));
    assert_int_equal(needed, strlen(text));
    for (unsigned i = 0; i < NAMES; i++)
        number_in(text, names[i]);
}

static void text_is_cut_as_by_snprintf(void **state)
{
    char text[ROOM], cut[100];
    hak_stats(text, sizeof(text));
    assert_true(hak_stats(NULL, 0) > sizeof(cut));
    memset(cut, 'x', sizeof(cut));
    assert_true(hak_stats(cut, 50) > 50);
    assert_int_equal(strlen(cut), 49);
    assert_int_equal(cut[50], 'x');
    assert_memory_equal(cut, text, 10);
}

static void every_row_is_had_by_name(void **state)
{
    uint64_t value = 7;
    for (unsigned i = 0; i < NAMES; i++)
        assert_int_equal(hak_stat(names[i], &value), 0);
    value = 7;
    assert_int_equal(hak_stat("no_such_row", &value), -ENOENT);
    assert_int_equal(value, 7);
    assert_int_equal(hak_stat("", &value), -ENOENT);
}

static void blocks_are_counted(void **state)
{
    uint64_t allocs = stat_now("mmap_allocs"), bytes = stat_now("mmap_bytes"),
             frees = stat_now("mmap_frees");
    uint64_t live = stat_now("live_bytes");
    void *p = hak_malloc(300000);
    if (!HAK_LARGE_MMAP) {
        assert_int_equal(stat_now("mmap_allocs"), allocs);
        hak_free(p);
        return;
    }
    assert_int_equal(stat_now("mmap_allocs"), allocs + 1);
    assert_int_equal(stat_now("mmap_bytes"), bytes + 300000);
    assert_true(stat_now("live_bytes") >= live + 300000);
    hak_free(p);
    assert_int_equal(stat_now("mmap_frees"), frees + 1);
    assert_int_equal(stat_now("live_bytes"), live);
}

static void small_blocks_are_not(void **state)
{
    uint64_t mmap = stat_now("mmap_allocs"), heap = stat_now("heap_allocs");
    for (int i = 0; i < 100; i++)
        hak_free(hak_malloc(64 * KIB - 1));
    assert_int_equal(stat_now("mmap_allocs"), mmap);
    assert_int_equal(stat_now("heap_allocs"), heap);
}

static void trim_empties_cache_and_batch(void **state)
{
    void *p[20];
    for (int i = 0; i < 20; i++) {
        p[i] = hak_malloc(300000);
        memset(p[i], 1, 300000);
    }
    for (int i = 0; i < 20; i++)
        hak_free(p[i]);
    uint64_t held = stat_now("retained_bytes") + stat_now("queued_bytes");
    assert_true(!HAK_LARGE_MMAP || held >= 20 * 300000);
    assert_true(hak_trim() >= held);
    assert_int_equal(stat_now("retained_bytes"), 0);
    assert_int_equal(stat_now("queued_bytes"), 0);
    assert_int_equal(hak_trim(), 0);
}

static void gauges_are_of_now(void **state)
{
    uint64_t resident = stat_now("resident_bytes"), faults = stat_now("minor_faults");
    char *p = hak_malloc(64 * MIB);
    memset(p, 1, 64 * MIB);
    assert_true(stat_now("resident_bytes") >= resident + 60 * MIB);
    assert_true(stat_now("minor_faults") > faults);
    assert_true(stat_now("minor_faults_start") <= stat_now("minor_faults"));
    hak_free(p);
    assert_true(stat_now("mappings") <= 40);
}

static void version_is_named(void **state)
{
    assert_string_equal(hak_version(), "hakmem " HAKMEM_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_one_object_with_every_row),
        cmocka_unit_test(text_is_cut_as_by_snprintf),
        cmocka_unit_test(every_row_is_had_by_name),
        cmocka_unit_test(blocks_are_counted),
        cmocka_unit_test(small_blocks_are_not),
        cmocka_unit_test(trim_empties_cache_and_batch),
        cmocka_unit_test(gauges_are_of_now),
        cmocka_unit_test(version_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
