/*
 * What is noted of one site's blocks of one band by the depth of the stack, and when that splits the site (contexts.h).
 * Learn mode only. The caller holds the lock of the cell that the spread is part of.
 */
#ifndef HAK_POLICY_SPREAD_H
#define HAK_POLICY_SPREAD_H

#include "policy/cost.h"
#include "policy/site.h"

struct spread {
    uint32_t depth;            /* at the last block */
    uint32_t noted;            /* episodes, since there is more than one depth */
    struct contexts *contexts; /* what they would cost; NULL: only one depth so far */
};

/* Memory for the spreads of a few hundred cells. Where there is none, no site is split. */
void spread_start(void);

/* Whether a block of `bytes` asked for at `depth` is to begin cold, under SPREAD_SCOUTS_ARM: one of each depth is, since elsewhere
 * it is not seen what of it the program touches. */
enum { SPREAD_SCOUTS_ARM = ARM_MMAP_BASE_TOUCH_DROP };
bool spread_wants_scout(struct spread *s, const struct site *site, size_t bytes, uint32_t depth,
                        arm_set playable);

/* Notes what an episode that was played under `arm` would have cost under each; splits the site once its blocks are
 * seen to be of several kinds. */
void spread_note(struct spread *s, struct site *site, const struct prices *prices, enum arm_id arm,
                 const struct episode *e, uint32_t cold_q10, arm_set playable);

/* Looks whether it is to be split by what was noted up to now, as it does every few episodes. */
void spread_look(const struct spread *s, struct site *site, arm_set playable);

#endif
