/*
 * The heaps of all threads: who has which, and what becomes of it.
 *
 * Heaps lie in a table of their own, are never given back, and change hands. A thread takes its heap with its first
 * block: the one that was left last, else a new one. A thread that ends gives back what it has to spare and leaves its
 * heap among the orphans. There it is looked after: who sends blocks home to it takes them in on its behalf, and
 * who is about to make a new slab takes one that an orphan has of the class.
 *
 * After fork the child has one thread. The heaps of the others are orphans there, but for those whose threads were at
 * work in them at that moment: nobody touches these any more, and what their blocks' frees send there stays there.
 */
#ifndef HAK_ALLOC_HEAPS_H
#define HAK_ALLOC_HEAPS_H

#include "alloc/heap.h"

/* Reserves the table. */
void heaps_start(void);

/* A heap for this thread; NULL: there is no arena, no room, or the thread is nearly gone. */
struct heap *heaps_enter(void);

/*
 * Whether what this thread frees goes to the owner's heap without one of this thread's. So it does where it had a heap and left it, for
 * it ends; and its first blocks, for a thread that allocates nothing has the C library free some when its destructors are over.
 */
bool heaps_frees_alone(void);

/* Takes in what was sent to an orphan, and gives back what it has to spare. */
void heaps_tend(struct heap *h);
void heaps_tend_all(void);

/* Leaves a heap among the orphans: its thread, which is in it; or for one that is not there any more. */
void heaps_leave(struct heap *h);

/* A slab with free blocks of that class from an orphan, owned by `h` now; NULL: none has one. */
struct slab *heaps_adopt_slab(struct heap *h, unsigned class);

/* The heaps that ever were; NULL: there are no more. One of which the arena has no bytes is not ready. */
struct heap *heaps_number(unsigned number);

void heaps_fork_prepare(void);
void heaps_fork_done(void);

#endif
