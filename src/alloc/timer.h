/*
 * The helper thread that gives memory back when the program makes no more calls.
 *
 * It is started once there is something to give back or to save, and ends when there has been nothing for a
 * while, so a program that stops using large blocks has no extra thread. All signals are blocked in it. A child
 * after fork has none, and gets one at its next large free. Where no thread can be had, memory is given back
 * during calls only, and one line says so.
 */
#ifndef HAK_ALLOC_TIMER_H
#define HAK_ALLOC_TIMER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum timer_state {
    TIMER_NONE,   /* there is no thread */
    TIMER_AWAKE,  /* it will look at the store before it sleeps */
    TIMER_ASLEEP, /* for timer_sleeps_ns */
    TIMER_NEVER,  /* switched off, or a thread cannot be had */
};

enum { TIMER_NOW = 1 };

extern _Atomic int timer_state;
extern _Atomic uint64_t timer_sleeps_ns;
extern _Atomic bool timer_is_due; /* it was wanted where it could not be started */

/* Which this is, before it can have a child: in the constructor, or at the start. */
void timer_note_process(void);

void timer_start(void);

/* Starts the thread, or wakes it; without a thread, does its work now and then. */
void timer_wanted_slowly(bool may_start);

/*
 * Something is retained, and is to be looked at within so many ns; 0: there is no hurry. No lock held. Where the C library may hold
 * one of its own, as it does when it frees what a thread leaves, no thread may be started; the next large block makes up for it.
 */
static inline void timer_wanted(uint64_t within_ns, bool may_start)
{
    int state = atomic_load_explicit(&timer_state, memory_order_relaxed);
    if (HAK_LIKELY(state == TIMER_AWAKE ||
                   (state == TIMER_ASLEEP &&
                    (within_ns == 0 ||
                     within_ns >= atomic_load_explicit(&timer_sleeps_ns, memory_order_relaxed)))))
        return;
    timer_wanted_slowly(may_start);
}

static inline bool timer_is_none(void)
{
    return atomic_load_explicit(&timer_state, memory_order_relaxed) == TIMER_NONE;
}

/* Where a thread may be started. */
static inline void timer_make_up(void)
{
    if (HAK_UNLIKELY(atomic_load_explicit(&timer_is_due, memory_order_relaxed)))
        timer_wanted_slowly(true);
}

void timer_fork_prepare(void);
void timer_fork_parent(void);
void timer_fork_child(void);

#endif
