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

#include "base/attr.h"

enum timer_state {
    TIMER_NONE,  /* there is no thread */
    TIMER_AWAKE, /* it will look at the store before it sleeps */
    TIMER_SHORT, /* asleep, but no longer than the batch's deadline */
    TIMER_LONG,  /* asleep for longer */
    TIMER_NEVER, /* switched off, or a thread cannot be had */
};

extern _Atomic int timer_state;

void timer_start(void);

/* Starts the thread, or wakes it for the batch's deadline; without a thread, does its work now and then. */
void timer_wanted_slowly(bool queued);

/* Something is retained, or queued. No lock held. */
static inline void timer_wanted(bool queued)
{
    int state = atomic_load_explicit(&timer_state, memory_order_relaxed);
    if (HAK_LIKELY(state == TIMER_AWAKE || state == TIMER_SHORT ||
                   (state == TIMER_LONG && !queued)))
        return;
    timer_wanted_slowly(queued);
}

void timer_fork_prepare(void);
void timer_fork_parent(void);
void timer_fork_child(void);

#endif
