/*
 * The helper thread: what it does without any call of the program, that signals are none of its business, that it
 * ends, and what fork makes of it. The fake clock decides whether it sleeps: one that is far ahead of the real
 * one lets it sleep for ever, one that is behind never.
 */
#include "isolated.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/start.h"
#include "alloc/store.h"
#include "alloc/timer.h"
#include "config/config.h"
#include "fake_os.h"
#include "stats/stats.h"

enum { MIB = 1 << 20 };
static const uint64_t MS = 1000000, FAR_AHEAD = (uint64_t)1 << 60;

static void start(const char *arm, uint64_t now_ns, uint64_t tick_ns)
{
    fake_start();
    fake_set("HAKMEM_TIMER", "1");
    fake_set("HAKMEM_ARM", arm);
    fake.now_ns = now_ns;
    fake.tick_ns = tick_ns;
    alarm(60); /* what is waited for below comes, or the case fails */
    CHECK(start_now());
    fake_forget();
}

static char *use_block(void)
{
    char *p = hak_alloc_at_site(MIB, 1, NO_CALLER);
    CHECK(p != NULL);
    memset(p, 1, MIB);
    hak_free_block(p);
    return p;
}

static void wait_until_it_ends(void)
{
    while (atomic_load(&timer_state) != TIMER_NONE)
        sched_yield();
}

static bool sleeps_briefly(void)
{
    return atomic_load(&timer_sleeps_ns) <= config.batch_deadline_ms * MS;
}

/* Until the thread sleeps, no longer than the batch's deadline or for longer than that. */
static void wait_until_it_sleeps(bool briefly)
{
    while (atomic_load(&timer_state) != TIMER_ASLEEP || sleeps_briefly() != briefly)
        sched_yield();
}

/* One line of /proc/self/task/TID/status of the thread named "hakmem"; false: there is no such thread. */
static bool line_of_thread(const char *key, char line[256])
{
    DIR *tasks = opendir("/proc/self/task");
    bool found = false, wanted = false;
    struct dirent *task;
    CHECK(tasks != NULL);
    while (!found && (task = readdir(tasks)) != NULL) {
        char path[300];
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
        FILE *f = task->d_name[0] != '.' ? fopen(path, "r") : NULL;
        wanted = false;
        while (f != NULL && !found && fgets(line, 256, f) != NULL) {
            if (strcmp(line, "Name:\thakmem\n") == 0)
                wanted = true;
            found = wanted && strncmp(line, key, strlen(key)) == 0;
        }
        if (f != NULL)
            fclose(f);
    }
    closedir(tasks);
    return found;
}

static bool has_thread(void)
{
    char line[256];
    return line_of_thread("Name:", line);
}

ISOLATED(there_is_no_thread_before_there_is_something_to_give_back)
{
    start("mmap/base/touch/drop", FAR_AHEAD, 0);
    CHECK(hak_alloc_at_site(MIB, 1, NO_CALLER) != NULL);
    CHECK(timer_state == TIMER_NONE && !has_thread());
}

ISOLATED(memory_is_given_back_without_another_call_and_the_thread_ends)
{
    start("mmap/base/touch/drop", 1, 5 * MS);
    char *p = use_block();
    wait_until_it_ends();
    CHECK(fake_advised_at(p, OS_GIVE_BACK));
    store_set_gauges();
    CHECK(stat_get(STAT_queued_bytes) == 0 && stat_get(STAT_batch_flushes) == 1);
}

ISOLATED(what_is_kept_expires_without_another_call)
{
    start("mmap/base/touch/keep", 1, 100 * MS);
    char *p = use_block();
    wait_until_it_ends();
    CHECK(fake_advised_at(p, OS_GIVE_BACK) && stat_get(STAT_cache_expiries) == 1);
}

ISOLATED(a_thread_that_ended_is_started_again)
{
    start("mmap/base/touch/drop", 1, 5 * MS);
    for (int i = 1; i <= 3; i++) {
        use_block();
        wait_until_it_ends();
        CHECK(stat_get(STAT_batch_flushes) == (uint64_t)i);
    }
}

ISOLATED(the_thread_takes_no_signals)
{
    char line[256];
    start("mmap/base/touch/drop", FAR_AHEAD, 0);
    use_block();
    while (!line_of_thread("SigBlk:", line))
        sched_yield();
    /* All but KILL (9), STOP (19) and the two that the C library keeps (32, 33). */
    uint64_t blocked = strtoull(line + strlen("SigBlk:"), NULL, 16);
    for (int signal = 1; signal <= 64; signal++)
        if (signal != 9 && signal != 19 && signal != 32 && signal != 33)
            CHECK((blocked >> (signal - 1) & 1) != 0);
}

ISOLATED(the_programs_own_mask_stays_as_it_was)
{
    sigset_t before, after;
    start("mmap/base/touch/drop", FAR_AHEAD, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    use_block();
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal <= 64; signal++)
        CHECK(sigismember(&before, signal) == sigismember(&after, signal));
}

ISOLATED(a_sleeping_thread_is_woken_for_what_is_queued)
{
    start("mmap/base/touch/keep", FAR_AHEAD, 0);
    use_block();
    wait_until_it_sleeps(false);
    char *p = hak_alloc_at_site(4 * MIB, 1, NO_CALLER);
    CHECK(p != NULL && hak_realloc_at_site(p, MIB, NO_CALLER) == p); /* the tail is queued */
    hak_free_block(p);
    wait_until_it_sleeps(true);
}

ISOLATED(a_sleeping_thread_is_woken_for_what_is_kept_briefly)
{
    start("mmap/base/touch/keep", FAR_AHEAD, 0);
    use_block();
    wait_until_it_sleeps(false);
    struct span *s = span_of(hak_alloc_at_site(4 * MIB, 1, NO_CALLER));
    s->keep_ms = 16;
    hak_free_block(span_address(s));
    wait_until_it_sleeps(true);
}

ISOLATED(what_hurried_is_looked_for_once_more)
{
    fake_start();
    fake_set("HAKMEM_ARM", "mmap/base/touch/keep");
    CHECK(start_now());
    use_block(); /* the first call without a thread looks by itself */
    store_trim();
    store_tick(fake.now_ns, 0);
    struct span *s = span_of(hak_alloc_at_site(4 * MIB, 1, NO_CALLER));
    CHECK(store_tick(fake.now_ns, 0) == 0);
    s->keep_ms = 400;
    hak_free_block(span_address(s));
    CHECK(hak_alloc_at_site(4 * MIB, 1, NO_CALLER) == span_address(s) &&
          store_wants_look_ns() == 0);
    CHECK(store_tick(fake.now_ns, 0) == 100 * MS); /* it was there for a moment */
    CHECK(store_tick(fake.now_ns, 0) == 0);
}

#if !defined(__SANITIZE_THREAD__) /* it allows no thread in a child of a program with threads */
ISOLATED(a_child_has_no_thread_until_it_frees_a_large_block)
{
    int status = -1;
    start("mmap/base/touch/drop", FAR_AHEAD, 0);
    use_block();
    wait_until_it_sleeps(true);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        CHECK(timer_state == TIMER_NONE && !has_thread());
        use_block();
        wait_until_it_sleeps(true);
        CHECK(has_thread());
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(timer_state == TIMER_ASLEEP && sleeps_briefly() && has_thread());
}
#endif

ISOLATED(without_a_thread_calls_give_back_what_is_due)
{
    fake_start();
    fake_set("HAKMEM_ARM", "mmap/base/touch/drop");
    CHECK(start_now() && timer_state == TIMER_NEVER);
    char *p = use_block();
    fake.now_ns += 20 * MS;
    for (int i = 0; i < 64; i++) {
        hak_free_block(hak_alloc_at_site(2 * MIB, 1, NO_CALLER));
        fake.now_ns += 20 * MS;
    }
    CHECK(fake_advised_at(p, OS_GIVE_BACK) && !has_thread());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_no_thread_before_there_is_something_to_give_back),
        cmocka_unit_test(memory_is_given_back_without_another_call_and_the_thread_ends),
        cmocka_unit_test(what_is_kept_expires_without_another_call),
        cmocka_unit_test(a_thread_that_ended_is_started_again),
        cmocka_unit_test(the_thread_takes_no_signals),
        cmocka_unit_test(the_programs_own_mask_stays_as_it_was),
        cmocka_unit_test(a_sleeping_thread_is_woken_for_what_is_queued),
        cmocka_unit_test(a_sleeping_thread_is_woken_for_what_is_kept_briefly),
        cmocka_unit_test(what_hurried_is_looked_for_once_more),
#if !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(a_child_has_no_thread_until_it_frees_a_large_block),
#endif
        cmocka_unit_test(without_a_thread_calls_give_back_what_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
