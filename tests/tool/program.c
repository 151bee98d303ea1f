/*
 * A program to be run by the tests of the tool.
 *
 *   exit N             ends with that status
 *   leave N            ends with that status at once, by _exit
 *   signal N           ends itself with that signal
 *   catch N            prints "ready", waits for signal N, prints "caught N" and ends with status 9
 *   start PROGRAM ...  runs that and passes its status on
 *   count FILE N       adds a line to FILE; complains and ends with status 3 when that is the Nth
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int catch_signal(int number)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    puts("ready");
    fflush(stdout);
    if (sigwaitinfo(&set, NULL) != number)
        return 1;
    /* One that is passed on needlessly comes a moment later. */
    printf("caught %d%s\n", number,
           sigtimedwait(&set, NULL, &(struct timespec){.tv_nsec = 200000000}) > 0 ? " twice" : "");
    return 9;
}

static int start(char **argv)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int count(const char *path, int bad)
{
    FILE *file = fopen(path, "a");

    if (file == NULL || fputc('\n', file) == EOF)
        return 1;
    long lines = ftell(file);
    fclose(file);
    printf("run %ld\n", lines);
    if (lines != bad)
        return 0;
    fprintf(stderr, "complaint of run %ld\n", lines);
    return 3;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "exit") == 0)
        return atoi(argv[2]);
    if (argc >= 3 && strcmp(argv[1], "leave") == 0)
        _exit(atoi(argv[2]));
    if (argc >= 3 && strcmp(argv[1], "signal") == 0)
        return raise(atoi(argv[2]));
    if (argc >= 3 && strcmp(argv[1], "catch") == 0)
        return catch_signal(atoi(argv[2]));
    if (argc >= 3 && strcmp(argv[1], "start") == 0)
        return start(argv + 2);
    if (argc >= 4 && strcmp(argv[1], "count") == 0)
        return count(argv[2], atoi(argv[3]));
    return 2;
}
