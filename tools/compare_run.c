/*
 * One run of one program under one allocator, from exec to exit.
 *
 * The program is traced, for two events only: after exec it stops before its first instruction, so
 * that clock and sampling start there; and it stops once more on its way out, while its memory is
 * still mapped. There /proc/PID/maps says which allocator was in it, VmHWM what its peak was, and
 * the wall time ends. In between it runs free but for signals, which go through us. Where tracing is
 * forbidden the maps are read while it runs, at each sample until the library has been seen.
 *
 * Resident memory is sampled from outside, a hundred times a second, and averaged over time. It is
 * that of the process itself: children it starts are counted in the CPU time only.
 */
#include "commands.h"
#include "compare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "policy/cost.h"

static const double sample_period_ns = 10e6;

/* Where it has to be caught running: a library comes within the first milliseconds or never. */
static const double look_period_ns = 0.2e6, start_of_life_ns = 50e6;

/* What a child writes home before and, when it fails, after exec. */
struct report {
    bool traced;
    int exec_errno;
};

struct child {
    pid_t pid;
    bool traced, free_running; /* stopped after exec; or not to be traced here */
    bool started, ended;
    int exec_errno, exit_status;
    struct rusage usage;
    int statm, output, errors; /* descriptors: its memory, stdout (-1: not wanted), stderr */
    double start_ns, end_ns, last_ns;
    double next_ns, look_ns; /* the next sample is due; the next look at the maps */
    double last_mib, mib_ns, peak_mib;
    bool seen, maps_known; /* the library; whether maps could be read at all */
    char foreign[128];     /* an allocator in it that should not be */
};

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static char *read_proc(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return compare_read_file(path);
}

HAK_PRINTF(2, 3) static bool fail(struct compare_variant *variant, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (vasprintf(&variant->failure, format, args) < 0)
        abort();
    va_end(args);
    return false;
}

/* In the child. */
static void set_environment(const struct compare *c, const struct compare_variant *v)
{
    static const char *const ours[] = {"LD_PRELOAD", "HAKMEM_POLICY", "HAKMEM_MODE", "HAKMEM_ARM",
                                       "HAKMEM_STATS"};
    char stats[sizeof(c->directory) + 8];

    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        unsetenv(ours[i]);
    if (v->library != NULL)
        setenv("LD_PRELOAD", v->library, 1);
    for (size_t i = 0; i < COMPARE_VARIABLES_MAX && v->variables[i][0] != NULL; i++)
        setenv(v->variables[i][0], v->variables[i][1], 1);
    if (v->is_hakmem) {
        snprintf(stats, sizeof(stats), "%s/%%p", c->directory);
        setenv("HAKMEM_STATS", stats, 1);
    }
}

static _Noreturn void become(const struct compare *c, const struct compare_variant *v,
                             const struct child *child, const sigset_t *mask, int tell)
{
    int null = open("/dev/null", O_RDWR);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(child->output >= 0 ? child->output : null, STDOUT_FILENO) < 0 ||
        dup2(child->errors, STDERR_FILENO) < 0)
        _exit(TOOL_FAILED);
    if (null > STDERR_FILENO)
        close(null);
    set_environment(c, v);
    sigprocmask(SIG_SETMASK, mask, NULL);
    struct report report = {ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0, 0};
    if (write(tell, &report, sizeof(report)) == (ssize_t)sizeof(report))
        execvp(c->command[0], c->command);
    report.exec_errno = errno;
    ssize_t written = write(tell, &report, sizeof(report));
    (void)written; /* its exit status says the same, less exactly */
    _exit(errno == ENOENT ? TOOL_NOT_FOUND : TOOL_CANNOT_RUN);
}

/* Looks for the variant's library, and for others that are not the variant's, among what is mapped. */
static void look_at_maps(const struct compare *c, const struct compare_variant *v,
                         struct child *child)
{
    char *maps = read_proc(child->pid, "maps");
    char needle[4096];

    if (maps == NULL || maps[0] == '\0') {
        free(maps);
        return;
    }
    child->maps_known = true;
    for (size_t i = 0; i < c->variant_count; i++) {
        const char *library = c->variants[i].library;
        if (library == NULL)
            continue;
        bool own = v->library != NULL && strcmp(library, v->library) == 0;
        char *real = strchr(library, '/') == NULL ? NULL : realpath(library, NULL);
        snprintf(needle, sizeof(needle), "%s%s", strchr(library, '/') == NULL ? "/" : "",
                 real != NULL ? real : library);
        free(real);
        if (strstr(maps, needle) == NULL)
            continue;
        if (own)
            child->seen = true;
        else
            snprintf(child->foreign, sizeof(child->foreign), "%s", c->variants[i].name);
    }
    free(maps);
}

static void sample(struct child *child)
{
    char line[128];
    unsigned long size, resident;
    ssize_t n = pread(child->statm, line, sizeof(line) - 1, 0);
    double now = now_ns();

    if (n <= 0)
        return;
    line[n] = '\0';
    if (sscanf(line, "%lu %lu", &size, &resident) != 2 || size == 0)
        return; /* its memory is gone already */
    double mib = (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
    if (child->last_ns != 0)
        child->mib_ns += (child->last_mib + mib) / 2 * (now - child->last_ns);
    child->peak_mib = larger(child->peak_mib, mib);
    child->last_mib = mib;
    child->last_ns = now;
}

static void begin(struct child *child)
{
    child->started = true;
    child->start_ns = now_ns();
    child->next_ns = child->start_ns + sample_period_ns;
    sample(child);
}

/* On its way out, its memory still there. */
static void last_look(const struct compare *c, const struct compare_variant *v, struct child *child)
{
    child->end_ns = now_ns();
    sample(child);
    char *status = read_proc(child->pid, "status");
    char *at = status == NULL ? NULL : strstr(status, "VmHWM:");
    if (at != NULL)
        child->peak_mib = larger(child->peak_mib, strtod(at + strlen("VmHWM:"), NULL) / 1024);
    free(status);
    look_at_maps(c, v, child);
}

/* The child has stopped or ended. */
static void on_change(const struct compare *c, const struct compare_variant *v, struct child *child,
                      int status)
{
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        child->ended = true;
        child->exit_status =
            WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_SIGNAL + WTERMSIG(status);
        if (child->end_ns == 0)
            child->end_ns = now_ns();
        return;
    }
    long signal = WSTOPSIG(status);
    if (!child->traced) {
        child->traced = true;
        ptrace(PTRACE_SETOPTIONS, child->pid, NULL,
               PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
        begin(child);
        signal = 0; /* the trap of exec */
    } else if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
        last_look(c, v, child);
        signal = 0;
    } else if (status >> 16 != 0) {
        signal = 0; /* another exec */
    }
    ptrace(PTRACE_CONT, child->pid, NULL, signal);
}

/* What is due: a sample; and where it runs free, a look whether the library has come. */
static void on_time(const struct compare *c, const struct compare_variant *v, struct child *child)
{
    double now = now_ns();

    if (child->free_running && now >= child->look_ns) {
        bool at_start = now - child->start_ns < start_of_life_ns;
        look_at_maps(c, v, child);
        child->look_ns = child->seen && v->library != NULL
                             ? INFINITY
                             : now + (at_start ? look_period_ns : sample_period_ns);
    }
    if (now < child->next_ns)
        return;
    sample(child);
    while (child->next_ns <= now)
        child->next_ns += sample_period_ns;
}

/* Until it has ended: its changes as they come, a sample each period. SIGCHLD is blocked. */
static void watch(const struct compare *c, const struct compare_variant *v, struct child *child)
{
    sigset_t changes;
    int status;

    sigemptyset(&changes);
    sigaddset(&changes, SIGCHLD);
    while (!child->ended) {
        pid_t pid = wait4(child->pid, &status, WNOHANG | __WALL, &child->usage);
        if (pid == child->pid) {
            on_change(c, v, child, status);
            continue;
        }
        if (pid < 0 && errno != EINTR)
            return;
        double wait_ns = sample_period_ns;
        if (child->started) {
            on_time(c, v, child);
            double due_ns =
                child->free_running ? smaller(child->look_ns, child->next_ns) : child->next_ns;
            wait_ns = larger(due_ns - now_ns(), 0);
        }
        struct timespec t = {0, (long)wait_ns};
        sigtimedwait(&changes, NULL, &t);
    }
}

/*
 * What the child says: whether it is traced, then the errno of an exec that failed. The pipe is closed
 * by the exec that succeeds.
 */
static void listen(struct child *child, int fd)
{
    struct report report;
    ssize_t n;

    child->free_running = true;
    do {
        n = read(fd, &report, sizeof(report));
        if (n != (ssize_t)sizeof(report))
            continue;
        child->free_running = !report.traced;
        child->exec_errno = report.exec_errno;
    } while (n > 0 || (n < 0 && errno == EINTR));
}

static bool start(const struct compare *c, const struct compare_variant *v, struct child *child,
                  const sigset_t *mask)
{
    char path[64];
    int tell[2];

    child->errors = memfd_create("stderr", MFD_CLOEXEC);
    child->output = c->is_bench ? memfd_create("stdout", MFD_CLOEXEC) : -1;
    if (child->errors < 0 || (c->is_bench && child->output < 0))
        return false;
    if (pipe2(tell, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    child->pid = fork();
    if (child->pid == 0)
        become(c, v, child, mask, tell[1]);
    close(tell[1]);
    if (child->pid > 0) {
        listen(child, tell[0]);
        snprintf(path, sizeof(path), "/proc/%d/statm", (int)child->pid);
        child->statm = open(path, O_RDONLY | O_CLOEXEC);
        if (child->free_running && child->exec_errno == 0)
            begin(child);
    }
    close(tell[0]);
    return child->pid > 0;
}

/* hakmem-bench found out itself which allocator it calls; it has to be the variant's. */
static bool take_bench_output(struct compare *c, struct compare_variant *v,
                              const struct child *child, struct compare_sample *out)
{
    char allocator[80] = "", module[1024] = "";

    lseek(child->output, 0, SEEK_SET);
    char *text = compare_read_fd(child->output);
    if (text == NULL)
        return fail(v, "not enough memory");
    compare_json_word(text, "scenario", c->scenario, sizeof(c->scenario));
    compare_json_word(text, "allocator", allocator, sizeof(allocator));
    compare_json_word(text, "module", module, sizeof(module));
    out->value[COMPARE_LATENCY_US] = compare_json_median(text, "latency_mean_ns") / 1e3;
    out->value[COMPARE_FAULTS] = compare_json_median(text, "minor_faults");
    free(text);

    bool right = true; /* the system's malloc is what is there when nothing is preloaded */
    if (v->is_hakmem) {
        right = strncmp(allocator, "hakmem", 6) == 0;
    } else if (v->library != NULL) {
        char *real = realpath(v->library, NULL);
        right = strstr(module, real != NULL ? real : v->library) != NULL;
        free(real);
    }
    if (!right)
        return fail(v, "is not the allocator of the process, which is %s in %s",
                    allocator[0] != '\0' ? allocator : "unknown", module);
    return true;
}

/* Sums a statistic over all processes of the run, which each wrote a file; then removes the files. */
static void take_statistics(const struct compare *c, struct compare_sample *out)
{
    double hits = 0, misses = 0, flushes = 0;
    size_t files = 0;
    DIR *directory = opendir(c->directory);

    if (directory == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[sizeof(c->directory) + sizeof(entry->d_name) + 1];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", c->directory, entry->d_name);
        char *text = compare_read_file(path);
        if (text != NULL && !isnan(compare_json_number(text, "cache_hits"))) {
            hits += compare_json_number(text, "cache_hits");
            misses += compare_json_number(text, "cache_misses");
            flushes += compare_json_number(text, "batch_flushes");
            files++;
        }
        free(text);
        unlink(path);
    }
    closedir(directory);
    if (files == 0)
        return;
    out->value[COMPARE_FLUSHES] = flushes;
    if (hits + misses > 0)
        out->value[COMPARE_HIT_PERCENT] = 100 * hits / (hits + misses);
}

/* What the program said last, for the error line. */
static bool fail_with_status(struct compare_variant *v, const struct child *child)
{
    char tail[300] = "";
    off_t end = lseek(child->errors, 0, SEEK_END);
    off_t from = end > (off_t)sizeof(tail) - 1 ? end - (off_t)sizeof(tail) + 1 : 0;
    ssize_t n = pread(child->errors, tail, sizeof(tail) - 1, from);

    tail[n > 0 ? n : 0] = '\0';
    while (n > 0 && tail[n - 1] == '\n')
        tail[--n] = '\0';
    char *line = strrchr(tail, '\n');
    return fail(v, "the program ended with status %d%s%s", child->exit_status,
                tail[0] != '\0' ? ": " : "", line != NULL ? line + 1 : tail);
}

static bool judge(struct compare_variant *v, const struct child *child, int *status)
{
    *status = TOOL_NO;
    if (child->exec_errno != 0) {
        *status = child->exec_errno == ENOENT ? TOOL_NOT_FOUND : TOOL_CANNOT_RUN;
        return fail(v, "the program cannot be run: %s", strerror(child->exec_errno));
    }
    if (child->exit_status != 0)
        return fail_with_status(v, child);
    if (!child->maps_known)
        return fail(v, "ended before it could be seen which allocator was in it");
    if (v->library != NULL && !child->seen)
        return fail(v, "%s is not in the process", v->library);
    if (child->foreign[0] != '\0')
        return fail(v, "the library of %s is in the process too", child->foreign);
    return true;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void fill(const struct child *child, enum policy_goal goal, struct compare_sample *out)
{
    const struct prices prices = {.goal = goal};
    double wall_ns = child->end_ns - child->start_ns;
    double span_ns = child->last_ns - child->start_ns;

    for (size_t i = 0; i < COMPARE_MEASURE_COUNT; i++)
        out->value[i] = NAN;
    out->value[COMPARE_WALL_MS] = wall_ns / 1e6;
    out->value[COMPARE_LATENCY_US] = wall_ns / 1e3;
    out->value[COMPARE_CPU_MS] =
        1e3 * (seconds_of(child->usage.ru_utime) + seconds_of(child->usage.ru_stime));
    out->value[COMPARE_AVERAGE_MIB] = span_ns > 0 ? child->mib_ns / span_ns : child->last_mib;
    out->value[COMPARE_COST_MS] =
        out->value[COMPARE_CPU_MS] +
        (double)cost_of_holding_ns(&prices, (uint64_t)(out->value[COMPARE_AVERAGE_MIB] * 0x1p20),
                                   (uint64_t)wall_ns) /
            1e6;
    out->value[COMPARE_PEAK_MIB] = child->peak_mib;
    out->value[COMPARE_FAULTS] = (double)child->usage.ru_minflt;
    out->value[COMPARE_PROCESS_FAULTS] =
        (double)child->usage.ru_minflt + (double)child->usage.ru_majflt;
}

bool compare_run_once(struct compare *c, struct compare_variant *v, struct compare_sample *out,
                      int *status)
{
    struct child child = {.pid = -1, .statm = -1, .output = -1, .errors = -1};
    struct sigaction otherwise = {.sa_handler = SIG_DFL}, child_action;
    sigset_t changes, mask;
    bool good;

    sigemptyset(&changes);
    sigaddset(&changes, SIGCHLD);
    sigaction(SIGCHLD, &otherwise, &child_action);
    sigprocmask(SIG_BLOCK, &changes, &mask);
    double before = compare_tlb_shootdowns();
    *status = TOOL_NO;
    if (start(c, v, &child, &mask)) {
        watch(c, v, &child);
        fill(&child, c->goal, out);
        out->value[COMPARE_SHOOTDOWNS] = compare_tlb_shootdowns() - before;
        good = judge(v, &child, status);
        if (good && c->is_bench)
            good = take_bench_output(c, v, &child, out);
        if (v->is_hakmem)
            take_statistics(c, out);
    } else {
        good = fail(v, "cannot be started: %s", strerror(errno));
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    sigaction(SIGCHLD, &child_action, NULL);
    const int fds[] = {child.statm, child.output, child.errors};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return good;
}
