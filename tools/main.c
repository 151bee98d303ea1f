/*
 * hakmem: the command that runs programs under the library, has them learn, and shows what was learned.
 *
 * One row a command; each command is a file of its name. Where to read on: run.c (launch.c starts
 * the program), learn.c, inspect.c (insight.c does the sums, reason.c the sentence).
 */
#include "commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct command commands[] = {
    {"run", cmd_run, "[--policy FILE] [--mode MODE] [--] PROGRAM [ARGUMENT...]",
     "run a program under the library",
     "Says so on stderr when the library did not take effect (a static or set-id program,\n"
     "another architecture). Ends with the program's exit status, or 128 + the signal that\n"
     "ended it.\n"},
    {"learn", cmd_learn, "-o FILE [--runs N] [--goal GOAL] [--] PROGRAM [ARGUMENT...]",
     "run a program until its policy is learned",
     "Runs it until every hot size band of a site (1 % of the total cost and more) is decided,\n"
     "at most 20 times; with --runs exactly N times. A policy that is already in FILE is gone\n"
     "on with. The program's output is shown of the first run; all that learn says is on\n"
     "stderr. A run that fails ends the learning, and its status is learn's.\n"},
    {"inspect", cmd_inspect, "FILE [--site SITE] [--json]",
     "show a policy: its sites by cost, or one site and why its champion leads",
     "The rating is in Elo points, +- its deviation: an arm 400 points above another is the\n"
     "cheaper one in ten of eleven episodes. \"to best\" is the expected cost over the\n"
     "champion's, from the ratings, in which what was dearer or cheaper for all arms at once\n"
     "has cancelled out; the mean cost is as it was measured.\n"},
    {"check", cmd_check, "FILE", "whether a policy file is valid",
     "Prints one line. Exit status 0: it would be loaded; 1: it would be refused, and the\n"
     "line says why.\n"},
    {"merge", cmd_merge, "FILE... -o FILE", "merge what several policies learned into one",
     "The result is written only when every policy could be read, and replaces the output as\n"
     "a whole. Processes that learn into the output wait meanwhile, and are waited for, at its\n"
     "lock file, which stays.\n"},
    {"compare", cmd_compare,
     "[--policy FILE] [--arms LIST] [--with LIST] [--peer NAME=FILE]... [--] PROGRAM [ARGUMENT...]",
     "measure a program under several allocators, interleaved",
     "Runs it under the system's malloc, hakmem (off, default, fixed arms, the policy) and\n"
     "others in turns, and warms memory before each run: 4 GiB, but at most half of what is\n"
     "free and a quarter of what the control group may have. Ends with medians and spreads,\n"
     "and with a policy the verdict: keep or roll back. Exit status 1: a variant was given up,\n"
     "because its library was not in the process or the program failed.\n"},
    {"options", cmd_options, "[--markdown]", "list the environment variables the library reads",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static void print_usage(FILE *to)
{
    fputs("usage: hakmem COMMAND [ARGUMENT...]\n\n", to);
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(to, "  %-9s%s\n", c->name, c->help);
    fputs("\nhakmem COMMAND --help says more; hakmem --version prints the version.\n", to);
}

static int unknown_command(const char *name)
{
    fprintf(stderr, "hakmem: %s: no such command; expected one of", name);
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(stderr, " %s", c->name);
    fputc('\n', stderr);
    return TOOL_USAGE;
}

/* "hakmem help COMMAND" is "hakmem COMMAND --help". */
static int help(int argc, char **argv)
{
    static char help_option[] = "--help";

    if (argc < 2) {
        print_usage(stdout);
        return TOOL_OK;
    }
    const struct command *c = command_find(argv[1]);
    if (c == NULL)
        return unknown_command(argv[1]);
    char *args[] = {argv[1], help_option, NULL};
    return c->run(2, args);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return TOOL_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        puts("hakmem " HAK_VERSION);
        return TOOL_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return help(argc - 1, argv + 1);

    const struct command *c = command_find(name);
    if (c == NULL)
        return unknown_command(name);
    int status = c->run(argc - 1, argv + 1);
    /* A table that went to a full disk was not printed. */
    if (fflush(stdout) != 0 && status == TOOL_OK)
        return tool_failed(name, "standard output: write error");
    return status;
}
