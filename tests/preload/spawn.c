/* vfork, posix_spawn, system and popen from a program that holds large blocks. */
#include "check.h"

#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static void ended_well(pid_t pid)
{
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
          WEXITSTATUS(status) == 3);
}

int main(void)
{
    char *const arguments[] = {"sh", "-c", "exit 3", NULL};
    char line[64] = "";
    pid_t pid;

    check_allocator();
    void *block = malloc(5000000);
    fill(block, 5000000, 9);
    for (int i = 0; i < 3; i++) {
        pid = vfork();
        if (pid == 0) {
            execv("/bin/sh", arguments);
            _exit(127);
        }
        ended_well(pid);
        CHECK(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ) == 0);
        ended_well(pid);
        CHECK(WEXITSTATUS(system("exit 5")) == 5);
        FILE *f = popen("echo from the pipe", "r");
        CHECK(f != NULL && fgets(line, sizeof(line), f) != NULL);
        CHECK(pclose(f) == 0);
        fputs(line, stdout);
        block = realloc(block, 5000000 + (size_t)i * 1000000);
        CHECK(block != NULL && holds(block, 5000000, 5000000, 9));
    }
    free(block);
    return 0;
}
