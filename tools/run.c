/*
 * hakmem run: a program under the library, with its own exit status.
 */
#include "commands.h"
#include "launch.h"
#include "library.h"
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cmd_run(int argc, char **argv)
{
    const char *policy = NULL, *mode = NULL;
    const struct arg rows[] = {
        {'p', "policy", "FILE", "the policy to load (HAKMEM_POLICY)", &policy, NULL},
        {'m', "mode", "MODE", "frozen, learn or off (HAKMEM_MODE)", &mode, NULL},
        {0, NULL, NULL, NULL, NULL, NULL},
    };
    struct operands operands;
    int status;

    if (!args_parse(argc, argv, rows, ARGS_THEN_COMMAND, &operands, &status))
        return status;
    if (operands.count == 0)
        return tool_usage("run", "expected a program to run, got nothing");
    if (mode != NULL && args_choice("run", "--mode", mode, option_named("mode")->words) < 0)
        return TOOL_USAGE;

    struct launch what = {.command = "run",
                          .library = tool_library_needed("run"),
                          .argv = operands.word,
                          .stdin_fd = -1,
                          .stdout_fd = -1,
                          .stderr_fd = -1};
    if (what.library == NULL)
        return TOOL_FAILED;
    char *path = policy != NULL ? launch_path(policy) : NULL;
    if (policy != NULL && path == NULL)
        return tool_failed("run", "%s: %s", policy, strerror(errno));
    int n = 0;
    if (path != NULL)
        what.variable[n++] = launch_option("policy", path);
    if (mode != NULL)
        what.variable[n++] = launch_option("mode", mode);

    struct launch_result result = launch(&what);
    launch_explain(&what, &result);
    free(path);
    return result.status;
}
