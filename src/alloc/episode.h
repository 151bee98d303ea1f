/*
 * The life of a block as the learner sees it, from malloc to the moment its memory is reused or given back.
 *
 * Only learning processes measure: everywhere a label's cell is NULL nothing here reads a clock.
 */
#ifndef HAK_ALLOC_EPISODE_H
#define HAK_ALLOC_EPISODE_H

#include <stddef.h>

#include "alloc/label.h"
#include "policy/policy.h"

/* Sizes that residency is counted in. */
void episode_start(const struct os_machine *machine);

/* In a child of fork: blocks that it has from its parent are the parent's episodes. */
void episode_fork_child(void);

/*
 * A stopwatch that only runs when something is learned. It shows the thread's CPU time: where more threads want to run than there
 * are processors, a call of malloc now and then takes a thousand times as long, whatever the arm.
 */
static inline uint64_t episode_clock(bool measured)
{
    return HAK_UNLIKELY(measured) ? os->thread_cpu_ns() : 0;
}

/* malloc served the block; `zeroed`: as calloc must. `since_ns`: what the stopwatch showed when it began. `filled_ns`: spent populating. */
void episode_born(struct label *label, const struct decision *decision, size_t bytes, bool zeroed,
                  uint64_t since_ns, uint64_t filled_ns);

/* Whether nothing of its memory was resident; what a fault of it took, 0: none was timed. */
void episode_cold(struct label *label, bool cold, uint64_t fault_ns);

/* The block has the memory of these. */
void episode_given(struct label *label, const struct formers *former);

/* free was called for the block at `p`: what is resident of it, and who frees it. Before its memory is touched. */
void episode_freed(struct label *label, const void *p, size_t bytes);

/* Notes what is resident at `p` now, of what may not be mapped any more. */
void episode_look(struct label *label, const void *p);

/* free is about to return. A label that was not freed is done with: its block was settled while it lived, or has another
 * now. */
void episode_free_done(struct label *label);

/* Settles: the next block has the memory, the system has it, or the block at `p` lives on. */
void episode_reused(const struct label *label);
void episodes_reused(const struct formers *former);
void episode_given_back(const struct label *label);
void episode_living(struct label *label, const void *p);
/* ... or it is retained, and the process ends. */
void episode_retained(const struct label *label);

#endif
