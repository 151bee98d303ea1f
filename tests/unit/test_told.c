/*
 * What a process is told on stderr when it starts: of options that do not do what was meant by them.
 */
#include "learned.h"

/* What is said while hakmem starts. */
static const char *told(const char *mode, const char *policy)
{
    static char text[4096];
    int pipes[2], saved = dup(STDERR_FILENO);

    fake_set("HAKMEM_MODE", mode);
    fake_set("HAKMEM_POLICY", policy);
    CHECK(pipe(pipes) == 0);
    dup2(pipes[1], STDERR_FILENO);
    close(pipes[1]);
    bool started = start_now();
    dup2(saved, STDERR_FILENO);
    close(saved);
    CHECK(started);
    long n = read(pipes[0], text, sizeof(text) - 1);
    close(pipes[0]);
    CHECK(n >= 0);
    text[n] = '\0';
    return text;
}

ISOLATED(learning_for_nobody_is_told)
{
    fake_start();
    CHECK(strcmp(told("learn", NULL),
                 "hakmem: HAKMEM_MODE=learn: expected HAKMEM_POLICY, a file to learn into; what is "
                 "learned is lost unless the program saves it\n") == 0);
}

ISOLATED(learning_into_a_file_is_not)
{
    fake_start();
    CHECK(told("learn", POLICY)[0] == '\0');
}

ISOLATED(without_a_policy_only_learning_is)
{
    fake_start();
    CHECK(told("frozen", NULL)[0] == '\0');
}

/* A policy of one site, learned for this goal. */
static void put_policy_for(enum policy_goal goal)
{
    struct policy_doc *doc = policy_doc_new();
    struct policy_band *b = policy_site_band(doc, policy_doc_site(doc, 7, true), 20, true);
    b->champion = ARM_MMAP_BASE_TOUCH_KEEP;
    doc->goal = goal;
    CHECK(policy_file_write(POLICY, doc) == 0);
    policy_doc_free(doc);
}

static const char *told_of_goal(enum policy_goal policys, const char *mode, const char *asked_for)
{
    fake_start();
    fake_set("HAKMEM_GOAL", asked_for);
    put_policy_for(policys);
    return told(mode, POLICY);
}

static bool is_one_line_of_goal(const char *text, const char *goal)
{
    char expected[60];
    snprintf(expected, sizeof(expected), "hakmem: HAKMEM_GOAL: expected %s, for which ", goal);
    return strncmp(text, expected, strlen(expected)) == 0 && strchr(text, '\n')[1] == '\0';
}

ISOLATED(a_frozen_process_that_asks_for_another_goal_is_told)
{
    CHECK(is_one_line_of_goal(told_of_goal(GOAL_BALANCED, "frozen", "memory"), "balanced"));
}

ISOLATED(a_learning_one_too)
{
    CHECK(is_one_line_of_goal(told_of_goal(GOAL_SPEED, "learn", "memory"), "speed"));
}

ISOLATED(frozen_that_asks_for_none_is_not)
{
    CHECK(told_of_goal(GOAL_SPEED, "frozen", NULL)[0] == '\0');
}

ISOLATED(nor_one_that_asks_for_the_policys_own)
{
    CHECK(told_of_goal(GOAL_SPEED, "frozen", "speed")[0] == '\0');
}

ISOLATED(nor_one_that_plays_no_policy)
{
    CHECK(told_of_goal(GOAL_SPEED, "off", "memory")[0] == '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(learning_for_nobody_is_told),
        IN_DIRECTORY(learning_into_a_file_is_not),
        IN_DIRECTORY(without_a_policy_only_learning_is),
        IN_DIRECTORY(a_frozen_process_that_asks_for_another_goal_is_told),
        IN_DIRECTORY(a_learning_one_too),
        IN_DIRECTORY(frozen_that_asks_for_none_is_not),
        IN_DIRECTORY(nor_one_that_asks_for_the_policys_own),
        IN_DIRECTORY(nor_one_that_plays_no_policy),
    };
    return cmocka_run_group_tests_name("told", tests, NULL, NULL);
}
