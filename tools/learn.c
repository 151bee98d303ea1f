/*
 * hakmem learn: a program is run until its policy is learned.
 *
 * Each run learns into the one file, which the library merges when the program ends; in between, the file is
 * read to see what is decided. The seeds differ from run to run, so that the runs do not try the same
 * arms in the same order, and are the run's number, so that learning again repeats.
 *
 * What the program prints is its user's on the first run. Later runs would print it again: their standard
 * output goes nowhere, and what they say on stderr is kept and shown only when they fail.
 */
#include "commands.h"
#include "insight.h"
#include "launch.h"
#include "warm.h"
#include "learn.h"
#include "library.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUNS_DEFAULT = 20, RUNS_MAX = 10000, COMPLAINT_BYTES = 8192 };

/* What was asked for. */
struct learning {
    char *file;       /* absolute */
    const char *goal; /* NULL: the file's, or what the environment says */
    uint64_t runs;    /* 0: until it is decided, at most RUNS_DEFAULT */
    bool verbose;
    char **argv;
    const char *library;
    off_t stdin_at;        /* where standard input stood; -1: it cannot be rewound */
    uint64_t plays_before; /* learned in the file before we began */
    unsigned run;          /* runs done */
    bool no_warm;          /* the machine's memory is left as it is */
    bool effective; /* in the last run the library was in the program, or in what it started */
};

/* stdin for this run; -1: ours. */
static int input_for(const struct learning *l, int nowhere)
{
    struct stat st;

    if (l->run == 0)
        return -1;
    if (l->stdin_at >= 0)
        return lseek(STDIN_FILENO, l->stdin_at, SEEK_SET) >= 0 ? -1 : nowhere;
    /* A terminal or /dev/null is the same again. */
    if (fstat(STDIN_FILENO, &st) != 0 || S_ISCHR(st.st_mode))
        return -1;
    if (l->run == 1)
        tool_say("learn",
                 "standard input is a pipe and cannot be read again: from now on it is empty");
    return nowhere;
}

/* The end of what a run that failed said. */
static void show_complaint(int fd)
{
    static char text[COMPLAINT_BYTES];
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from = end > COMPLAINT_BYTES ? end - COMPLAINT_BYTES : 0;
    ssize_t n = pread(fd, text, sizeof(text), from);

    if (n > 0)
        fwrite(text, 1, (size_t)n, stderr);
}

static struct launch_result run_once(const struct learning *l)
{
    char seed[24];
    bool silent = l->run != 0 && !l->verbose;
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    int complaint = silent ? memfd_create("stderr", MFD_CLOEXEC) : -1;
    struct launch what = {.command = "learn",
                          .library = l->library,
                          .argv = l->argv,
                          .quiet = l->run != 0, /* it has been said on the first run */
                          .stdin_fd = input_for(l, nowhere),
                          .stdout_fd = silent ? nowhere : -1,
                          .stderr_fd = complaint};
    int n = 0;

    /* What the host has taken back costs up to a hundred times as much to touch, under any arm. */
    if (!l->no_warm)
        warm_in_child(warm_default_gib());
    snprintf(seed, sizeof(seed), "%u", l->run + 1);
    what.variable[n++] = launch_option("policy", l->file);
    what.variable[n++] = launch_option("mode", "learn");
    what.variable[n++] = launch_option("seed", seed);
    if (l->goal != NULL)
        what.variable[n++] = launch_option("goal", l->goal);
    struct launch_result result = launch(&what);
    if (complaint >= 0 && result.status != 0)
        show_complaint(complaint);
    launch_explain(&what, &result);
    if (complaint >= 0)
        close(complaint);
    if (nowhere >= 0)
        close(nowhere);
    return result;
}

static const char *how_it_ended(const struct launch_result *result, char *out, size_t capacity)
{
    if (result->ended_by != 0)
        snprintf(out, capacity, "was ended by signal %d (%s)", result->ended_by,
                 strsignal(result->ended_by));
    else
        snprintf(out, capacity, "ended with status %d", result->status);
    return out;
}

/* What the file says now; NULL after a line on stderr. */
static struct policy_doc *read_back(const struct learning *l)
{
    struct policy_error error;
    struct policy_doc *doc = policy_file_read(l->file, true, &error);

    if (doc == NULL)
        tool_say("learn", "%s", error.text);
    return doc;
}

/* The progress line. true: more runs would not add anything. */
static bool report_progress(const struct learning *l)
{
    struct policy_doc *doc = read_back(l);
    struct insights in;
    bool done = false;

    if (doc == NULL)
        return true;
    if (insights_make(doc, &in)) {
        tool_say(
            "learn",
            "run %u: %u site%s, %u of %u hot size bands decided, %" PRIu64 " calls learnt from",
            l->run, doc->nr_sites, doc->nr_sites == 1 ? "" : "s", in.hot_decided, in.hot, in.plays);
        done = in.plays == l->plays_before || in.hot_decided == in.hot;
        insights_free(&in);
    }
    policy_doc_free(doc);
    return done;
}

/* Runs and looks, until it is enough. The status to end with. */
static int learn(struct learning *l)
{
    char text[128];
    uint64_t most = l->runs != 0 ? l->runs : RUNS_DEFAULT;

    while (l->run < most) {
        struct launch_result result = run_once(l);
        if (!result.started)
            return result.status;
        l->run++;
        l->effective = result.effect != LAUNCH_INEFFECTIVE;
        bool decided = report_progress(l);
        if (result.signal != 0) {
            tool_say("learn", "ends here, because of signal %d (%s)", result.signal,
                     strsignal(result.signal));
            return result.status;
        }
        if (result.status != 0) {
            tool_say("learn", "run %u: %s %s; learning ends here", l->run, l->argv[0],
                     how_it_ended(&result, text, sizeof(text)));
            return result.status;
        }
        if (!l->effective)
            return TOOL_FAILED; /* why has been said; more runs would not change it */
        if (decided && l->runs == 0)
            break;
    }
    return TOOL_OK;
}

/* A run may have learned and lost it all, and what it did then looks like what did nothing. */
static void say_nothing_was_learned(void)
{
    const struct option_row *period = option_named("save_s");

    tool_say("learn",
             "nothing was learned: the program allocated and freed no block of 64 KiB or more, or "
             "it was ended by a signal or by _exit(): learning is saved at exit() and every %s "
             "(%" PRIu64 " s), and what ends otherwise loses what came after the last save",
             period->environment, period->otherwise);
}

/* The last words: the table. */
static int conclude(const struct learning *l, int status)
{
    struct policy_doc *doc = l->run != 0 ? read_back(l) : NULL;
    struct insights in;

    if (doc == NULL || !insights_make(doc, &in)) {
        policy_doc_free(doc);
        return status != TOOL_OK ? status : TOOL_FAILED;
    }
    if (in.plays == l->plays_before && l->effective)
        say_nothing_was_learned();
    else if (in.count != 0)
        learn_print_table(stderr, &in, l->plays_before, l->run);
    if (in.hot_decided < in.hot && status == TOOL_OK)
        tool_say("learn",
                 "%u of %u hot size bands are open still: the same command goes on with %s",
                 in.hot - in.hot_decided, in.hot, l->file);
    insights_free(&in);
    policy_doc_free(doc);
    return status;
}

/* A file that is there must be one to go on with. 0 or the exit status. */
static int look_at_file(struct learning *l)
{
    struct policy_doc *doc = read_back(l);
    struct insights in;

    if (doc == NULL)
        return TOOL_USAGE;
    if (doc->nr_sites != 0) {
        const char *goal = policy_goal_names[doc->goal];
        if (l->goal != NULL && strcmp(l->goal, goal) != 0) {
            policy_doc_free(doc);
            return tool_usage(
                "learn",
                "%s was learned with goal %s, and costs with another price of "
                "memory cannot be added: expected that goal or another file, got --goal %s",
                l->file, goal, l->goal);
        }
        l->goal = goal;
    }
    if (insights_make(doc, &in)) {
        l->plays_before = in.plays;
        insights_free(&in);
    }
    return 0;
}

/*
 * Whether the library will be able to save there: what it writes is a new file beside the policy, of a link beside its
 * target, that takes its name, and a policy that may not be written to is not replaced. Tried, because a
 * directory's permissions are not all that may forbid it. 0 or -errno.
 */
static int try_to_write(const char *file)
{
    char *real = realpath(file, NULL), *beside = NULL;
    int status = real != NULL && euidaccess(real, W_OK) != 0 ? -errno : 0;

    if (status == 0 &&
        asprintf(&beside, "%s.tmp.%d", real != NULL ? real : file, (int)getpid()) < 0)
        status = -ENOMEM;
    if (status == 0) {
        int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        status = fd < 0 ? -errno : 0;
        if (fd >= 0) {
            unlink(beside);
            close(fd);
        }
        free(beside);
    }
    free(real);
    return status;
}

static int prepare(struct learning *l, const char *output, const char *runs)
{
    if (output == NULL)
        return tool_usage("learn", "expected -o FILE, where the policy goes");
    if (l->argv[0] == NULL)
        return tool_usage("learn", "expected a program to run, got nothing");
    if (runs != NULL && !args_number("learn", "--runs", runs, 1, RUNS_MAX, &l->runs))
        return TOOL_USAGE;
    if (l->goal != NULL && args_choice("learn", "--goal", l->goal, option_named("goal")->words) < 0)
        return TOOL_USAGE;
    l->library = tool_library_needed("learn");
    if (l->library == NULL)
        return TOOL_FAILED;
    l->file = launch_path(output);
    if (l->file == NULL)
        return tool_failed("learn", "%s: %s", output, strerror(errno));
    l->stdin_at = lseek(STDIN_FILENO, 0, SEEK_CUR);
    int status = look_at_file(l);
    int failed = status == 0 ? try_to_write(l->file) : 0;
    if (failed != 0)
        return tool_failed("learn", "%s: cannot be written: %s", output, strerror(-failed));
    return status;
}

int cmd_learn(int argc, char **argv)
{
    struct learning l = {.stdin_at = -1};
    const char *output = NULL, *runs = NULL;
    const struct arg rows[] = {
        {'o', "output", "FILE", "the policy; one that is there is gone on with", &output, NULL},
        {'n', "runs", "N", "exactly so many runs (else up to 20, until it is decided)", &runs,
         NULL},
        {'g', "goal", "GOAL", "price of memory: speed, balanced or memory (HAKMEM_GOAL)", &l.goal,
         NULL},
        {0, "no-warm", NULL, "do not warm the machine's memory before each run", NULL, &l.no_warm},
        {'v', "verbose", NULL, "show what the later runs print, too", NULL, &l.verbose},
        {0, NULL, NULL, NULL, NULL, NULL},
    };
    struct operands operands;
    int status;

    if (!args_parse(argc, argv, rows, ARGS_THEN_COMMAND, &operands, &status))
        return status;
    l.argv = operands.word;
    status = prepare(&l, output, runs);
    if (status == 0)
        status = conclude(&l, learn(&l));
    free(l.file);
    return status;
}
