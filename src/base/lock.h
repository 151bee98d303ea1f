/*
 * The one lock type. Locks have ranks: a thread takes them in rising order only, and debug builds
 * (-Dlock_checks=true) end the program when it does not. No lock is held across a system call, but for
 * those that say so.
 */
#ifndef HAK_BASE_LOCK_H
#define HAK_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
    LOCK_RANK_SAVE =
        1, /* one save of the policy at a time; the only lock held while files are written */
    LOCK_RANK_TIMER, /* the helper thread's life */
    LOCK_RANK_IDLE, /* holding the heap of another thread; memory is given back meanwhile, and what it cost is learned */
    LOCK_RANK_SITES,  /* creation of sites and bands */
    LOCK_RANK_LEARN,  /* one stripe of the bands' learner states; never two at once but in fork */
    LOCK_RANK_LABELS, /* the labels of heap blocks */
    LOCK_RANK_HEAPS,  /* which thread has which heap */
    LOCK_RANK_STORE,  /* spans, BigCache and batch */
};

struct lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
};

#define LOCK_INIT(lock_rank_)                                                                      \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, (lock_rank_)                                                    \
    }

#ifdef HAK_LOCK_CHECKS
void lock_rank_enter(enum lock_rank rank);
void lock_rank_leave(enum lock_rank rank);
#else
static inline void lock_rank_enter(enum lock_rank rank)
{
    (void)rank;
}
static inline void lock_rank_leave(enum lock_rank rank)
{
    (void)rank;
}
#endif

static inline void lock_acquire(struct lock *l)
{
    lock_rank_enter(l->rank);
    pthread_mutex_lock(&l->mutex);
}

static inline void lock_release(struct lock *l)
{
    pthread_mutex_unlock(&l->mutex);
    lock_rank_leave(l->rank);
}

/* Makes a condition that is waited on by lock_wait(). */
void lock_condition_init(pthread_cond_t *condition);

/* Lets the lock go until the condition is signalled; false: or until then, ns of CLOCK_MONOTONIC. No cancellation point. */
bool lock_wait(struct lock *l, pthread_cond_t *condition, uint64_t until_ns);

#endif
