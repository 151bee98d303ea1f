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

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(learning_for_nobody_is_told),
        IN_DIRECTORY(learning_into_a_file_is_not),
        IN_DIRECTORY(without_a_policy_only_learning_is),
    };
    return cmocka_run_group_tests_name("told", tests, NULL, NULL);
}
