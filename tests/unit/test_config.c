/*
 * Options: what the environment may say, and what is made of what it may not.
 */
#include "isolated.h"

#include <inttypes.h>
#include <string.h>

#include "config/config.h"
#include "fake_os.h"

/* Lines on stderr while the environment is read. */
static unsigned lines_said(void)
{
    int pipes[2], saved = dup(STDERR_FILENO);
    char text[4096];
    unsigned lines = 0;
    CHECK(pipe(pipes) == 0);
    dup2(pipes[1], STDERR_FILENO);
    close(pipes[1]);
    config_read();
    dup2(saved, STDERR_FILENO);
    close(saved);
    long n = read(pipes[0], text, sizeof(text));
    close(pipes[0]);
    for (long i = 0; i < n; i++)
        lines += text[i] == '\n';
    return lines;
}

/* The field of a row, whatever its type. */
static uint64_t value_of(const struct option_row *row)
{
    const char *wanted = row->field;
#define NUMBER(field, env, def, lo, hi, unit, help)                                                \
    if (strcmp(wanted, #field) == 0)                                                               \
        return config.field;
#define CHOICE(field, env, def, words, help) NUMBER(field, env, def, 0, 0, "", help)
#define TEXT(field, env, help)
    OPTION_TABLE(NUMBER, CHOICE, TEXT)
#undef NUMBER
#undef CHOICE
#undef TEXT
    return UINT64_MAX;
}

ISOLATED(without_an_environment_every_option_has_its_default)
{
    fake_start();
    fake_set("HAKMEM_ARENA_GB", NULL);
    fake_set("HAKMEM_TIMER", NULL);
    CHECK(lines_said() == 0);
    for (unsigned i = 0; i < option_row_count; i++)
        if (option_rows[i].kind != OPTION_TEXT)
            CHECK(value_of(&option_rows[i]) == option_rows[i].otherwise);
    CHECK(config.policy == NULL && config.arm == NULL && config.stats == NULL);
}

ISOLATED(numbers_are_taken_from_the_lowest_to_the_highest)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        char lowest[32], highest[32], above[32];
        if (row->kind != OPTION_NUMBER)
            continue;
        fake_start();
        snprintf(lowest, sizeof(lowest), "%" PRIu64, row->lowest);
        fake_set(row->environment, lowest);
        CHECK(lines_said() == 0 && value_of(row) == row->lowest);
        snprintf(highest, sizeof(highest), "%" PRIu64, row->highest);
        fake_set(row->environment, highest);
        CHECK(lines_said() == 0 && value_of(row) == row->highest);
        snprintf(above, sizeof(above), "%" PRIu64, row->highest + 1);
        fake_set(row->environment, above);
        CHECK(lines_said() == 1 && value_of(row) == row->otherwise);
        if (row->lowest == 0)
            continue;
        fake_set(row->environment, "0");
        CHECK(lines_said() == 1 && value_of(row) == row->otherwise);
    }
}

ISOLATED(what_is_no_whole_number_gets_one_line_and_the_default)
{
    static const char *const wrong[] = {"",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1e3",
                                        "0x10",
                                        "64MB",
                                        "1.5",
                                        "nan",
                                        "18446744073709551616",
                                        "99999999999999999999999"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fake_start();
        fake_set("HAKMEM_CACHE_MB", wrong[i]);
        CHECK(lines_said() == 1);
        CHECK(config.cache_mib == 1048576);
    }
}

ISOLATED(choices_are_words_and_nothing_near_them)
{
    static const char *const wrong[] = {"", "lear", "learning", "LEARN", "frozen|learn", "1", "|"};
    fake_start();
    fake_set("HAKMEM_MODE", "learn");
    CHECK(lines_said() == 0 && config.mode == MODE_LEARN);
    fake_set("HAKMEM_MODE", "off");
    CHECK(lines_said() == 0 && config.mode == MODE_OFF);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fake_set("HAKMEM_MODE", wrong[i]);
        CHECK(lines_said() == 1 && config.mode == MODE_FROZEN);
    }
}

ISOLATED(texts_are_copied_because_the_program_may_change_its_environment)
{
    char path[] = "here.json";
    fake_start();
    fake_set("HAKMEM_POLICY", path);
    CHECK(lines_said() == 0);
    path[0] = 't';
    CHECK(strcmp(config.policy, "here.json") == 0);
    fake_set("HAKMEM_POLICY", "");
    CHECK(lines_said() == 0 && config.policy == NULL);
}

ISOLATED(a_text_without_end_is_ignored_with_one_line)
{
    static char text[100001];
    memset(text, 'x', sizeof(text) - 1);
    fake_start();
    fake_set("HAKMEM_POLICY", text);
    CHECK(lines_said() == 1 && config.policy == NULL);
    fake_set("HAKMEM_POLICY", NULL);
    fake_set("HAKMEM_CACHE_MB", text);
    CHECK(lines_said() == 1 && config.cache_mib == 1048576);
}

static void every_row_has_a_name_of_its_own_and_a_default_in_its_range(void **state)
{
    assert_true(option_row_count <= 25);
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(row->environment, option_rows[k].environment);
        assert_true(row->help[0] != '\0');
        if (row->kind == OPTION_NUMBER)
            assert_in_range(row->otherwise, row->lowest, row->highest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_environment_every_option_has_its_default),
        cmocka_unit_test(numbers_are_taken_from_the_lowest_to_the_highest),
        cmocka_unit_test(what_is_no_whole_number_gets_one_line_and_the_default),
        cmocka_unit_test(choices_are_words_and_nothing_near_them),
        cmocka_unit_test(texts_are_copied_because_the_program_may_change_its_environment),
        cmocka_unit_test(a_text_without_end_is_ignored_with_one_line),
        cmocka_unit_test(every_row_has_a_name_of_its_own_and_a_default_in_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
