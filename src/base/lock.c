#include "base/lock.h"

#include <time.h>

static const uint64_t NS_PER_S = 1000000000;

#ifdef HAK_LOCK_CHECKS
#include <stdlib.h>

/* Bit r is set while this thread holds a lock of rank r. Several of one rank: only around fork. */
static _Thread_local unsigned held __attribute__((tls_model("initial-exec")));

void lock_rank_enter(enum lock_rank rank)
{
    if (held >> (rank + 1) != 0)
        abort();
    held |= 1u << rank;
}

void lock_rank_leave(enum lock_rank rank)
{
    held &= ~(1u << rank);
}
#endif

void lock_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool lock_wait(struct lock *l, pthread_cond_t *condition, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    int cancelling;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
    lock_rank_leave(l->rank);
    bool signalled = pthread_cond_timedwait(condition, &l->mutex, &until) == 0;
    lock_rank_enter(l->rank);
    pthread_setcancelstate(cancelling, NULL);
    return signalled;
}
