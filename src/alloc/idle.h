/*
 * Heaps whose threads sleep.
 *
 * What a thread has in its fast lists, and what others freed for it, nobody else may touch while it runs, and one that
 * sleeps does nothing about it. So the helper thread looks at all heaps now and then, and where nothing has happened in
 * one for a while it holds the heap and gives back what there is.
 *
 * To hold a heap: make its fast paths fail, have all processors see that, and look whether its thread is in it at this
 * moment (heap_enter()). If so, another time. If not, it cannot get in before the heap is let go: its first call
 * ends in heap_begin(), and waits there. The barrier on all processors is membarrier(2); without it nobody's heap is held.
 */
#ifndef HAK_ALLOC_IDLE_H
#define HAK_ALLOC_IDLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Gives back what idle heaps have to spare. When to look again, in ns; 0: nothing is about to become idle. */
uint64_t idle_tick(uint64_t now_ns);

/* The same for all heaps of other threads, however short they have been idle. */
void idle_tend_all(void);

/* Until nobody's heap is held. No lock held. */
void idle_wait(void);

/* Whether the next idle_tick() is near. */
extern _Atomic bool idle_watched;
static inline bool idle_is_watching(void)
{
    return atomic_load_explicit(&idle_watched, memory_order_relaxed);
}

/* Nobody changes a heap while the process forks, but those who are at it already. */
void idle_fork_prepare(void);
void idle_fork_parent(void);
void idle_fork_child(void);

#endif
