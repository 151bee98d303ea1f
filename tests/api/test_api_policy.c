/*
 * hak_policy_load and hak_policy_save. Which policy is in use shows in which backing serves a block: one of these
 * policies has the heap for every band, the other spans. Run frozen, and once in learn mode (argument "learn").
 */
#include "api.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BAND_FIRST = 16, BAND_LAST = 30, BYTES = 300000 };

static char directory[] = "/tmp/hakmem-api-XXXXXX";
static bool learns;

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static const char *write_file(const char *name, const char *text)
{
    const char *path = path_of(name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

/* A policy that only has defaults: `arm` for each band. */
static const char *write_policy(const char *name, const char *arm)
{
    char text[4096], *end = text;
    end +=
        sprintf(end, "{\n  \"hakmem_policy\": 1,\n  \"goal\": \"balanced\",\n  \"defaults\": [\n");
    for (int band = BAND_FIRST; band <= BAND_LAST; band++)
        end += sprintf(end, "    {\"band\": %d, \"arm\": \"%s\"}%s\n", band, arm,
                       band < BAND_LAST ? "," : "");
    sprintf(end, "  ],\n  \"sites\": []\n}\n");
    return write_file(name, text);
}

static bool spans_serve(void)
{
    uint64_t before = stat_now("mmap_allocs");
    hak_free(hak_malloc(BYTES));
    return stat_now("mmap_allocs") > before;
}

static int make_directory(void **state)
{
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_directory(void **state)
{
    char command[300];
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

static void a_policy_takes_effect(void **state)
{
    if (learns)
        return; /* a learner plays other arms than the default's, too */
    assert_int_equal(hak_policy_load(write_policy("spans.json", "mmap/base/touch/keep")), 0);
    assert_int_equal(spans_serve(), HAK_LARGE_MMAP);
    assert_int_equal(hak_policy_load(write_policy("heap.json", "heap/base/touch/keep")), 0);
    assert_false(spans_serve());
    assert_int_equal(hak_policy_load(write_policy("spans.json", "mmap/base/touch/keep")), 0);
    assert_int_equal(spans_serve(), HAK_LARGE_MMAP);
}

static void a_bad_policy_leaves_the_one_in_use(void **state)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "{\"hakmem_policy\": 2}",
                                      "null",
                                      "{\"hakmem_policy\": 1, \"defaults\": [{\"band\": 16}]}",
                                      "{\"hakmem_policy\": 1, \"goal\": \"none\"}",
                                      "{\"hakmem_policy\": 1,}"};
    int kept = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    assert_int_equal(hak_policy_load(write_policy("heap.json", "heap/base/touch/keep")), 0);
    assert_int_equal(hak_policy_load(write_policy("spans.json", "mmap/base/touch/keep")), 0);
    bool spans = spans_serve();
    uint64_t failures = stat_now("policy_failures");
    dup2(nowhere, STDERR_FILENO);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(hak_policy_load(write_file("bad.json", bad[i])), -EBADMSG);
    assert_int_equal(hak_policy_load(path_of("absent.json")), -ENOENT);
    assert_true(hak_policy_load(directory) < 0);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(nowhere);
    assert_true(stat_now("policy_failures") > failures);
    if (!learns)
        assert_int_equal(spans_serve(), spans);
}

static void saving_is_for_learners(void **state)
{
    char path[256];
    struct stat file;
    snprintf(path, sizeof(path), "%s", path_of("saved.json"));
    if (!learns) {
        assert_int_equal(hak_policy_save(path), -EPERM);
        assert_int_equal(hak_policy_save(NULL), -EPERM);
        assert_int_equal(stat(path, &file), -1);
        return;
    }
    for (int i = 0; i < 200; i++) {
        char *p = HAK_ALLOC(BYTES);
        memset(p, 1, BYTES);
        hak_free(p);
    }
    assert_int_equal(hak_policy_save(path), 0);
    assert_int_equal(stat(path, &file), 0);
    assert_true(file.st_size > 100);
    assert_true(stat_now("policy_saves") >= 1);
    assert_int_equal(hak_policy_load(path), 0);
    assert_true(hak_policy_save("/nonexistent/directory/policy.json") < 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_takes_effect),
        cmocka_unit_test(a_bad_policy_leaves_the_one_in_use),
        cmocka_unit_test(saving_is_for_learners),
    };
    learns = argc > 1 && strcmp(argv[1], "learn") == 0;
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
