#include "alloc/timer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "alloc/episode.h"
#include "alloc/idle.h"
#include "alloc/living.h"
#include "alloc/store.h"
#include "base/lock.h"
#include "config/config.h"
#include "os/os.h"
#include "policy/policy.h"

enum {
    STACK_BYTES =
        256 << 10,       /* saving a policy needs about 20 KiB; thread-local storage comes on top */
    CALLS_PER_LOOK = 64, /* without a thread: every so many calls the clock is looked at */
};

static const uint64_t LINGER_NS = 1000000000, NS_PER_S = 1000000000;

_Atomic int timer_state = TIMER_NONE;
_Atomic uint64_t timer_sleeps_ns;
_Atomic bool timer_is_due;

/*
 * What it costs that the thread is there when a batch is due, which the batch is charged. Twice it sleeps and wakes, once
 * to learn that there is one and once at its deadline, and somebody calls it, which is timed while something is learned. Each
 * follows slowly.
 */
static uint64_t sleeping_ns;
static _Atomic uint64_t calling_ns;

static struct lock lock = LOCK_INIT(LOCK_RANK_TIMER);
static pthread_cond_t wake;
/* Of the process whose helper it is: a child of vfork has this memory, and takes its threads with it. */
static int pid;

static void set_state(enum timer_state state)
{
    atomic_store_explicit(&timer_state, (int)state, memory_order_relaxed);
}

void timer_note_process(void)
{
    if (pid == 0)
        pid = os->pid();
}

void timer_start(void)
{
    lock_condition_init(&wake);
    timer_note_process();
    set_state(config.timer == 1 ? TIMER_NONE : TIMER_NEVER);
}

/*
 * Sleeps until woken, `ns` at most; called with the lock held. Who retained something since the store was looked at may have seen
 * that the thread was awake, and left it to that: so it is looked at again once it can be seen that it sleeps.
 */
static void sleep_ns(uint64_t ns)
{
    atomic_store_explicit(&timer_sleeps_ns, ns, memory_order_relaxed);
    set_state(TIMER_ASLEEP);
    if (!store_hurries(ns))
        lock_wait(&lock, &wake, os->now_ns() + ns);
    set_state(TIMER_AWAKE);
}

/* The thread ends; false: there is something to do after all, and nobody else has started one. */
static bool may_end(void)
{
    int none = TIMER_NONE;
    set_state(TIMER_NONE);
    return !store_hurries(UINT64_MAX) ||
           !atomic_compare_exchange_strong(&timer_state, &none, TIMER_AWAKE);
}

static uint64_t follow(uint64_t mean_ns, uint64_t ns)
{
    return mean_ns == 0 ? ns : mean_ns + (uint64_t)((int64_t)(ns - mean_ns) / 8);
}

/* Gives back what has idled long enough; when to look again, 0: there is nothing. */
static uint64_t give_back(uint64_t now_ns, uint64_t waking_ns)
{
    uint64_t idle = idle_tick(now_ns), store = store_tick(now_ns, waking_ns);
    return idle != 0 && (store == 0 || idle < store) ? idle : store;
}

/* Once a period: settles what has lived that long, and saves what was learned. When it was last done is in *done_ns. */
static void learn_now_and_then(uint64_t now_ns, uint64_t *done_ns)
{
    uint64_t period_ns = config.save_s * NS_PER_S;
    if (!policy_learns() || now_ns - *done_ns < period_ns)
        return;
    *done_ns = now_ns;
    living_settle(now_ns - period_ns);
    if (policy_has_unsaved())
        policy_save(NULL);
}

static void *run(void *unused)
{
    uint64_t done_ns = os->now_ns();
    bool was_idle = false;

    pthread_setname_np(pthread_self(),
                       "hakmem"); /* by itself: for another thread it is three calls */

    lock_acquire(&lock);
    for (;;) {
        lock_release(&lock);
        uint64_t now_ns = os->now_ns();
        uint64_t called_ns = atomic_load_explicit(&calling_ns, memory_order_relaxed);
        uint64_t next_ns = give_back(now_ns, 2 * sleeping_ns + called_ns);
        learn_now_and_then(now_ns, &done_ns);
        lock_acquire(&lock);

        bool idle = next_ns == 0 && !policy_has_unsaved();
        if (idle && was_idle && may_end())
            break;
        was_idle = idle;
        uint64_t before_ns = os->thread_cpu_ns();
        sleep_ns(next_ns != 0 ? next_ns : LINGER_NS);
        sleeping_ns = follow(sleeping_ns, os->thread_cpu_ns() - before_ns);
    }
    lock_release(&lock);
    return NULL;
}

/* The new thread inherits the mask: it never runs a handler of the program's. */
static int start_thread(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, former;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int status = pthread_create(&thread, &attributes, run, NULL);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

/* Whoever changes NONE to AWAKE starts the thread, without the lock: pthread_create allocates. */
static void start_once(void)
{
    int none = TIMER_NONE;
    if (os->pid() != pid || !atomic_compare_exchange_strong(&timer_state, &none, TIMER_AWAKE))
        return;
    int status = start_thread();
    if (status == 0)
        return;
    set_state(TIMER_NEVER);
    os_say("no helper thread (error %d): memory is given back during calls only", status);
}

static void call_thread(void)
{
    uint64_t since_ns = episode_clock(policy_learns());
    lock_acquire(&lock);
    if (atomic_load_explicit(&timer_state, memory_order_relaxed) == TIMER_ASLEEP) {
        set_state(TIMER_AWAKE);
        pthread_cond_signal(&wake);
    } else { /* it has ended meanwhile, or looks */
        atomic_store_explicit(&timer_is_due, true, memory_order_relaxed);
    }
    lock_release(&lock);
    uint64_t took_ns = episode_clock(policy_learns()) - since_ns;
    uint64_t mean_ns = atomic_load_explicit(&calling_ns, memory_order_relaxed);
    atomic_store_explicit(&calling_ns, follow(mean_ns, took_ns), memory_order_relaxed);
}

static void work_now_and_then(void)
{
    static _Atomic unsigned calls;
    if (atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) % CALLS_PER_LOOK == 0)
        give_back(os->now_ns(), 0);
}

void timer_wanted_slowly(bool may_start)
{
    int saved_errno = errno;
    if (may_start)
        atomic_store_explicit(&timer_is_due, false, memory_order_relaxed);
    switch (atomic_load_explicit(&timer_state, memory_order_relaxed)) {
    case TIMER_NONE:
        if (may_start) {
            start_once();
            break;
        }
        atomic_store_explicit(&timer_is_due, true, memory_order_relaxed);
        work_now_and_then();
        break;
    case TIMER_ASLEEP:
        call_thread();
        break;
    case TIMER_NEVER:
        work_now_and_then();
        break;
    default:
        break;
    }
    errno = saved_errno;
}

void timer_fork_prepare(void)
{
    lock_acquire(&lock);
}

void timer_fork_parent(void)
{
    lock_release(&lock);
}

/* The thread is not in the child, and whoever waited on the condition neither. */
void timer_fork_child(void)
{
    lock_condition_init(&wake);
    pid = os->pid();
    if (atomic_load_explicit(&timer_state, memory_order_relaxed) != TIMER_NEVER)
        set_state(TIMER_NONE);
    lock_release(&lock);
}
