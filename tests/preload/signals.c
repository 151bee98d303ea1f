/*
 * A thread that the library may have started takes no signal that is meant for the program: a signal that main
 * blocks stays pending, and every thread but ours has all signals blocked.
 */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>

static volatile sig_atomic_t taken;
static pthread_t main_thread;

static void handler(int signal_number)
{
    taken = pthread_equal(pthread_self(), main_thread) ? 1 : 2;
}

/* Memory of every kind given back, so that whatever works in the background has begun to. */
static void give_work(void)
{
    for (int round = 0; round < 20; round++) {
        void *p[16];
        for (int i = 0; i < 16; i++) {
            p[i] = malloc(hide(100000u << i % 6));
            CHECK(p[i] != NULL);
            fill(p[i], 100000u << i % 6, 1);
        }
        for (int i = 0; i < 16; i++)
            free(p[i]);
    }
}

/* The kernel's own word on which signals thread `id` blocks. */
static unsigned long long blocked_by(const char *id)
{
    char path[300], line[256];
    unsigned long long mask = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%s/status", id);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return ~0ULL; /* it ended meanwhile */
    while (fgets(line, sizeof(line), f) != NULL)
        sscanf(line, "SigBlk: %llx", &mask);
    fclose(f);
    return mask;
}

static void other_threads_block_all(void)
{
    char self[16];
    DIR *tasks = opendir("/proc/self/task");
    snprintf(self, sizeof(self), "%d", (int)getpid());
    for (struct dirent *d; (d = readdir(tasks)) != NULL;) {
        if (d->d_name[0] == '.' || strcmp(d->d_name, self) == 0)
            continue;
        unsigned long long mask = blocked_by(d->d_name);
        for (int s = 1; s <= SIGRTMAX; s++) {
            /* Two cannot be blocked, and two are the C library's own. */
            if (s == SIGKILL || s == SIGSTOP || (s > SIGSYS && s < SIGRTMIN))
                continue;
            CHECK(mask >> (s - 1) & 1);
        }
    }
    closedir(tasks);
}

int main(void)
{
    sigset_t usr1, pending, before, after;
    struct sigaction action = {.sa_handler = handler};

    check_allocator();
    main_thread = pthread_self();
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    give_work();
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int s = 1; s < SIGSYS; s++)
        CHECK(sigismember(&before, s) == sigismember(&after, s));
    other_threads_block_all();
    kill(getpid(), SIGUSR1);
    /* Long enough for a thread that could take it to have taken it: it is delivered on return to user mode. */
    give_work();
    CHECK(taken == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    CHECK(taken == 1);
    puts("signals are the program's");
    return 0;
}
