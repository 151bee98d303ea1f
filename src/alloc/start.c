#include "alloc/start.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc/alloc.h"
#include "alloc/episode.h"
#include "alloc/heap_libc.h"
#include "alloc/heaps.h"
#include "alloc/idle.h"
#include "alloc/living.h"
#include "alloc/store.h"
#include "alloc/timer.h"
#include "config/config.h"
#include "policy/policy.h"
#include "stats/stats.h"

_Atomic int start_state = START_NOT;
_Atomic bool start_measures;

/* ---- fork: all locks in the order of their ranks ---- */

/*
 * glibc's fork takes the lock of all streams between the handlers' locks and its allocator's, because who holds a stream may allocate.
 * Ours are its allocator's here: so that lock has to come first. It takes none where there is one thread.
 */
extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));
extern char __libc_single_threaded __attribute__((weak)); /* glibc 2.32 */
static _Thread_local bool streams_locked __attribute__((tls_model("initial-exec")));

static void lock_streams(void)
{
    streams_locked = _IO_list_lock != NULL && _IO_list_unlock != NULL &&
                     &__libc_single_threaded != NULL && !__libc_single_threaded;
    if (streams_locked)
        _IO_list_lock();
}

/* In the child glibc has made a new one of it. */
static void unlock_streams(void)
{
    if (streams_locked)
        _IO_list_unlock();
}

/* The handlers are there before there is anything to lock. */
static _Thread_local bool forks_started __attribute__((tls_model("initial-exec")));

static void fork_prepare(void)
{
    libc_make_ready();
    forks_started = atomic_load_explicit(&start_state, memory_order_acquire) == START_DONE;
    if (!forks_started)
        return;
    lock_streams();
    policy_fork_prepare_save();
    timer_fork_prepare();
    idle_fork_prepare();
    policy_fork_prepare();
    heap_labels_fork_prepare();
    heaps_fork_prepare();
    store_fork_prepare();
}

static void fork_parent(void)
{
    if (!forks_started)
        return;
    store_fork_parent();
    heaps_fork_done();
    heap_labels_fork_done();
    policy_fork_parent();
    idle_fork_parent();
    timer_fork_parent();
    policy_fork_done_save();
    unlock_streams();
}

static void fork_child(void)
{
    if (!forks_started)
        return;
    episode_fork_child();
    store_fork_child();
    heaps_fork_done();
    heap_labels_fork_done();
    policy_fork_child();
    idle_fork_child(); /* it gives memory back, and learns from that */
    timer_fork_child();
    policy_fork_done_save();
}

/*
 * Before the program's own handlers can be, so that its are called first and take its locks before ours, as with the C library's
 * malloc: a thread that holds one of them may be in malloc.
 */
static void handle_forks(void)
{
    static bool handled;
    if (!handled)
        pthread_atfork(fork_prepare, fork_parent, fork_child);
    handled = true;
}

/* ---- start ---- */

static void start(void)
{
    struct os_machine machine;

    config_read();
    stats_start();
    os->machine(&machine);
    episode_start(&machine);
    hak_alloc_start(&machine);
    bool spans = config.mode != MODE_OFF && config.large_mmap == 1 && HAK_LARGE_MMAP;
    span_arena_start(&machine, config.arena_gib << 30);
    policy_start(&machine, spans && arena.base != 0);
    store_start(&machine);
    timer_start();
    if (policy_learns())
        heap_labels_start();
    atomic_store_explicit(&start_measures, policy_learns(), memory_order_release);
    heaps_start();
    slab_start(os->random()); /* from here on the heap is ours */
    handle_forks();
}

static bool constructed; /* the constructor has run; a program may clear its environment later */

/* Nobody waits: who comes while another thread starts hakmem, or from within the start, gets the heap. */
bool start_now(void)
{
    int not_yet = START_NOT;
    if (!constructed && !os->has_environment())
        return false;
    if (!atomic_compare_exchange_strong(&start_state, &not_yet, START_UNDER_WAY))
        return not_yet == START_DONE;
    int saved_errno = errno;
    start();
    errno = saved_errno;
    atomic_store_explicit(&start_state, START_DONE, memory_order_release);
    return true;
}

/* `hakmem run` passes a descriptor to learn whether the library took effect (tools/launch.c). It is closed and
 * forgotten here, so that the program's own children do not have it. */
static void answer_handshake(void)
{
    char line[64];
    const char *text = os->getenv("HAKMEM_HANDSHAKE");
    if (text == NULL)
        return;
    int fd = atoi(text);
    if (fd > STDERR_FILENO) {
        int n = snprintf(line, sizeof(line), "hakmem %s %d\n", HAK_VERSION, os->pid());
        os->write(fd, line, (size_t)n);
        os->close(fd);
    }
    unsetenv("HAKMEM_HANDSHAKE");
}

void start_in_constructor(void)
{
    constructed = true;
    timer_note_process();
    handle_forks();
    answer_handshake();
    if (os->getenv("HAKMEM_POLICY") != NULL || os->getenv("HAKMEM_STATS") != NULL)
        start_now();
}

/* ---- end ---- */

/* "%p" in the path becomes the process id. */
static void statistics_path(char *path, size_t cap)
{
    const char *mark = strstr(config.stats, "%p");
    if (mark != NULL)
        snprintf(path, cap, "%.*s%d%s", (int)(mark - config.stats), config.stats, os->pid(),
                 mark + 2);
    else
        snprintf(path, cap, "%s", config.stats);
}

static void write_statistics(void)
{
    char text[8192], path[4200];
    store_set_gauges();
    stats_read_usage();
    size_t n = stats_print(text, sizeof(text));
    if (strcmp(config.stats, "stderr") == 0) {
        os->write(STDERR_FILENO, text, n);
        return;
    }
    statistics_path(path, sizeof(path));
    int fd = os->open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
        os_say("HAKMEM_STATS: %s: cannot be written (error %d)", path, -fd);
        return;
    }
    os->write(fd, text, n);
    os->close(fd);
}

void start_finish(void)
{
    if (atomic_load_explicit(&start_state, memory_order_acquire) != START_DONE)
        return;
    int saved_errno = errno;
    if (is_measuring() && config.policy != NULL) {
        living_settle_all();
        policy_save(NULL);
    }
    if (config.stats != NULL)
        write_statistics();
    errno = saved_errno;
}
