#include "base/lock.h"

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
#else
typedef int lock_c_is_empty_without_checks;
#endif
