/*
 * What is supposed of arms before they are played: by the cost model, from what is known of the site's blocks.
 */
#ifndef HAK_POLICY_PRIOR_H
#define HAK_POLICY_PRIOR_H

#include "elo/elo.h"
#include "policy/cost.h"

/*
 * The share (of 1024) of such blocks that start on memory never used before. Some more blocks are supposed to
 * follow, or the first ones would look dear under whatever arm was played first.
 */
uint32_t prior_cold_share_q10(const struct policy_seen *seen);

/* A built-in default, of the band of that index: huge pages are for blocks that fill one. */
uint8_t prior_default_arm(uint8_t arm, unsigned index, size_t huge_bytes);

/*
 * The arm that a band's first blocks get, of which nothing is known yet: the default, or for blocks smaller than a huge page, one on
 * huge pages where base pages cost many times as much.
 */
enum arm_id prior_first_arm(const struct prices *prices, arm_set playable, enum arm_id by_default,
                            size_t least_bytes);

/* From the first episode, under `arm`, follows what each would cost. */
void prior_set(const struct prices *prices, struct elo_table *elo, enum arm_id arm,
               const struct episode *e, uint32_t cold_q10);

/* What it costs to try an arm where the site has nothing warm for it. */
void prior_set_entry(const struct prices *prices, struct elo_table *elo, enum arm_id arm,
                     const struct episode *e);

/* The same, by what is known of the blocks; nothing, where nothing is. */
void prior_derive_entry(const struct prices *prices, struct policy_band *band);

/*
 * Ratings that were found on another machine, at other prices, are not this one's. What was seen of the blocks is: from it
 * and this machine's prices follows what each arm should cost, and that is tried out.
 */
void prior_derive(const struct prices *prices, struct policy_band *band, arm_set playable,
                  uint64_t seed);

#endif
