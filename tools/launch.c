/*
 * A program is started by fork and exec with the library in LD_PRELOAD, and waited for.
 *
 * The handshake. Nothing tells from outside whether the loader took the library: it skips it without a
 * word in a static program, and without being asked to in a set-id one. So the library is asked to say
 * so itself. The program inherits a descriptor of an empty memfd, its number in HAKMEM_HANDSHAKE.
 * The library's constructor writes "hakmem VERSION PID\n" to it, closes it and unsets the variable, so
 * that neither is passed on to what the program starts. We read the memfd when the program has ended:
 * a line with its process id means that the library was in it; one with another, that the program
 * passed the environment on to one of its own, where it was. A memfd and not a pipe, because
 * writing to it neither blocks nor fails when we are gone.
 *
 * Signals. Those that end or nudge a program are blocked here and taken one by one: what a process sent
 * is passed on; what the kernel sent because of a key on the terminal went to the program as well.
 */
#include "launch.h"
#include "commands.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Above the numbers that shell scripts use for themselves. */
enum { HANDSHAKE_FD_LOWEST = 64, HANDSHAKE_MAX_BYTES = 4096 };

static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};

struct child {
    pid_t pid;
    int handshake_fd;
    int exec_errno;
};

/* Our signal mask and SIGCHLD as they were; the program starts with those. */
struct signals {
    sigset_t mask, taken;
    struct sigaction child;
};

static void take_signals(struct signals *s)
{
    /* With SIGCHLD ignored, which is inherited, there would be nobody to wait for. */
    struct sigaction otherwise = {.sa_handler = SIG_DFL};

    sigemptyset(&s->taken);
    sigaddset(&s->taken, SIGCHLD);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
        sigaddset(&s->taken, passed_on[i]);
    sigaction(SIGCHLD, &otherwise, &s->child);
    sigprocmask(SIG_BLOCK, &s->taken, &s->mask);
}

static void give_signals_back(const struct signals *s)
{
    sigaction(SIGCHLD, &s->child, NULL);
    sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

/* LD_PRELOAD with our library first; one that is there already stays where it is. */
static int set_preload(const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    char *value;

    if (others == NULL || others[0] == '\0')
        return setenv("LD_PRELOAD", library, 1);
    if (strstr(others, library) != NULL)
        return 0;
    if (asprintf(&value, "%s:%s", library, others) < 0)
        return -1;
    int failed = setenv("LD_PRELOAD", value, 1);
    free(value);
    return failed;
}

static int set_environment(const struct launch *what, int handshake_fd)
{
    char number[16];

    for (int i = 0; i < LAUNCH_VARIABLES_MAX && what->variable[i].name != NULL; i++)
        if (setenv(what->variable[i].name, what->variable[i].value, 1) != 0)
            return -1;
    int fd = fcntl(handshake_fd, F_DUPFD, HANDSHAKE_FD_LOWEST);
    if (fd < 0)
        fd = fcntl(handshake_fd, F_DUPFD, STDERR_FILENO + 1);
    if (fd < 0)
        return -1;
    snprintf(number, sizeof(number), "%d", fd);
    return setenv("HAKMEM_HANDSHAKE", number, 1) != 0 ? -1 : set_preload(what->library);
}

static int replace_fd(int with, int fd)
{
    return with < 0 || dup2(with, fd) >= 0 ? 0 : -1;
}

/* In the child. `tell` is closed by a successful exec; else it carries errno. */
static _Noreturn void become(const struct launch *what, const struct signals *signals,
                             int handshake_fd, int tell)
{
    give_signals_back(signals);
    if (replace_fd(what->stdin_fd, STDIN_FILENO) == 0 &&
        replace_fd(what->stdout_fd, STDOUT_FILENO) == 0 &&
        replace_fd(what->stderr_fd, STDERR_FILENO) == 0 && set_environment(what, handshake_fd) == 0)
        execvp(what->argv[0], what->argv);
    int why = errno;
    ssize_t written = write(tell, &why, sizeof(why));
    (void)written; /* the parent sees a short read as EIO */
    _exit(TOOL_FAILED);
}

/* What the child wrote before it could exec; 0 when it did exec. */
static int exec_errno(int fd)
{
    int why = 0;
    ssize_t n;

    do
        n = read(fd, &why, sizeof(why));
    while (n < 0 && errno == EINTR);
    return n == 0 ? 0 : n == (ssize_t)sizeof(why) ? why : EIO;
}

/* 0 or -errno: there is no process then. */
static int start(const struct launch *what, const struct signals *signals, struct child *child)
{
    int tell[2];

    child->handshake_fd = memfd_create("hakmem-handshake", MFD_CLOEXEC);
    if (child->handshake_fd < 0)
        return -errno;
    if (pipe2(tell, O_CLOEXEC) != 0) {
        int why = errno;
        close(child->handshake_fd);
        return -why;
    }
    fflush(NULL);
    child->pid = fork();
    if (child->pid == 0)
        become(what, signals, child->handshake_fd, tell[1]);
    int why = errno;
    close(tell[1]);
    if (child->pid > 0)
        child->exec_errno = exec_errno(tell[0]);
    close(tell[0]);
    if (child->pid < 0)
        close(child->handshake_fd);
    return child->pid < 0 ? -why : 0;
}

static bool asks_to_end(int number)
{
    return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM;
}

/* The status as waitpid(2) gives it. *asked: the last signal that asked us to end meanwhile. */
static int wait_for(pid_t pid, const struct signals *signals, int *asked)
{
    bool ended = false;
    int status = 0;

    for (;;) {
        siginfo_t info;

        ended = ended || waitpid(pid, &status, WNOHANG) == pid;
        /* Once it has ended, only what is pending is taken, lest it end us when it is unblocked. */
        int number = ended ? sigtimedwait(&signals->taken, &info, &(struct timespec){0})
                           : sigwaitinfo(&signals->taken, &info);
        if (asks_to_end(number))
            *asked = number;
        if (ended && number < 0)
            return status;
        if (!ended && number > 0 && number != SIGCHLD && info.si_code != SI_KERNEL)
            kill(pid, number);
    }
}

static enum launch_effect effect_of(const struct child *child)
{
    char text[HANDSHAKE_MAX_BYTES + 1];
    ssize_t n = pread(child->handshake_fd, text, HANDSHAKE_MAX_BYTES, 0);
    enum launch_effect effect = LAUNCH_INEFFECTIVE;

    text[n > 0 ? n : 0] = '\0';
    for (char *line = text; *line != '\0';) {
        char *end = line + strcspn(line, "\n");
        long pid;
        if (sscanf(line, "hakmem %*s %ld", &pid) == 1)
            effect = pid == child->pid ? LAUNCH_EFFECTIVE : LAUNCH_INDIRECT;
        if (effect == LAUNCH_EFFECTIVE || *end == '\0')
            break;
        line = end + 1;
    }
    return effect;
}

static int cannot_run(const struct launch *what, int why)
{
    tool_say(what->command, "%s: %s", what->argv[0], strerror(why));
    return why == ENOENT ? TOOL_NOT_FOUND : TOOL_CANNOT_RUN;
}

struct launch_variable launch_option(const char *field, const char *value)
{
    return (struct launch_variable){option_named(field)->environment, value};
}

char *launch_path(const char *path)
{
    if (path[0] == '/')
        return strdup(path);
    char *absolute = NULL, *here = getcwd(NULL, 0);
    if (here != NULL && asprintf(&absolute, "%s/%s", here, path) < 0)
        absolute = NULL;
    free(here);
    return absolute;
}

struct launch_result launch(const struct launch *what)
{
    struct launch_result result = {.effect = LAUNCH_INEFFECTIVE};
    struct child child = {.pid = -1};
    struct signals signals;
    char reason[1024];

    if (!what->quiet &&
        launch_cannot_preload(what->argv[0], what->library, reason, sizeof(reason))) {
        tool_say(what->command, "the library will have no effect: %s", reason);
        result.explained = true;
    }
    take_signals(&signals);
    int failed = start(what, &signals, &child);
    if (failed != 0) {
        give_signals_back(&signals);
        result.status = tool_failed(what->command, "cannot start a process: %s", strerror(-failed));
        return result;
    }
    int status = wait_for(child.pid, &signals, &result.signal);
    give_signals_back(&signals);
    result.started = child.exec_errno == 0;
    result.ended_by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    result.status = result.ended_by != 0 ? TOOL_SIGNAL + result.ended_by : WEXITSTATUS(status);
    if (result.started)
        result.effect = effect_of(&child);
    else
        result.status = cannot_run(what, child.exec_errno);
    close(child.handshake_fd);
    return result;
}

void launch_explain(const struct launch *what, const struct launch_result *result)
{
    if (what->quiet || !result->started || result->explained || result->effect == LAUNCH_EFFECTIVE)
        return;
    if (result->effect == LAUNCH_INDIRECT)
        tool_say(what->command, "the library took no effect in %s, only in what it started",
                 what->argv[0]);
    else
        tool_say(what->command,
                 "the library took no effect in %s: a static or set-id program, one with another C "
                 "library, or one that ended before it was loaded",
                 what->argv[0]);
}
