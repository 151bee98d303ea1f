/*
 * Contexts: the call paths that lead to one site, told apart by how deep the stack is there.
 *
 * Behind a wrapper (xmalloc, PyMem, a container's allocator) all of a program's blocks come from one return address.
 * The distance of its stack frame from the thread's stack base differs from path to path, is the same in every
 * run of a build, and costs a subtraction. So while a site is learned, what its blocks would have cost under every
 * arm is added up by depth; when different depths would be served better by different arms, the site is split, and
 * each depth becomes a site of its own (site.h).
 *
 * A block that was given memory in use before does not show what of it is its own. So what share of its pages the blocks of a
 * depth touch is learned from those that began on cold base pages, and supposed of the others.
 *
 * Whether they would is found by cross-validation, so that noise splits nothing: which arm suits a depth is taken
 * from one half of its episodes, what that saves from the other.
 */
#ifndef HAK_POLICY_CONTEXTS_H
#define HAK_POLICY_CONTEXTS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/arms.h"

enum { CONTEXTS_MAX = 16 }; /* of one site */

/* One cell's; all zero is none. */
struct contexts {
    uint32_t count;
    uint32_t depth[CONTEXTS_MAX];
    bool scouted[CONTEXTS_MAX];
    uint32_t episodes[CONTEXTS_MAX]; /* all */
    uint32_t noted[CONTEXTS_MAX];    /* those of them whose costs are in the sums below */
    uint64_t touched_pages[CONTEXTS_MAX], cold_pages[CONTEXTS_MAX]; /* of blocks that began cold */
    uint64_t cost_ns[2][CONTEXTS_MAX][ARM_COUNT]; /* of episodes with even and with odd numbers */
};

/* The number under which a depth is noted; CONTEXTS_MAX: there are too many already. */
uint32_t contexts_place(struct contexts *c, uint32_t depth);

/* Whether no block of this depth was sent to see what it touches; one is now. */
bool contexts_wants_scout(struct contexts *c, uint32_t depth);

/* Counts an episode. For how many it stands: of a depth's first ones each for itself, later one in a few for all of
 * those, and the others for none. */
unsigned contexts_count(struct contexts *c, uint32_t place);

/* A block of so many base pages began cold and touched these. The first of a depth: its episodes are noted anew. */
void contexts_add_cold(struct contexts *c, uint32_t place, uint64_t touched, uint64_t pages);

/* How many of `pages` such a block touches; `resident` where that is not known. */
uint64_t contexts_touched(const struct contexts *c, uint32_t place, uint64_t resident,
                          uint64_t pages);

/* So many episodes would each have cost this under each arm. */
void contexts_add(struct contexts *c, uint32_t place, unsigned episodes,
                  const uint64_t cost_ns[ARM_COUNT]);

/* Whether arms for each depth would be at least an eighth cheaper than one arm for all; `playable`: which there are. */
bool contexts_disagree(const struct contexts *c, arm_set playable);

#endif
