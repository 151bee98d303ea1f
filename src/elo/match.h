/*
 * One match of the filter: what an episode's cost says of the arm, of par, of the noise and of drift.
 * Inside src/elo only.
 */
#ifndef HAK_ELO_MATCH_H
#define HAK_ELO_MATCH_H

#include "elo/rating.h"

enum { MATCH_HUBER_Q10 = 2560 }; /* 2.5 standard deviations; beyond, a match counts as noisier */

struct match {
    int32_t z_q10;       /* margin less expected margin, in standard deviations */
    int64_t off_q20;     /* the same in octaves */
    uint32_t spread_q24; /* its variance, as expected */
    bool stalled;
};

/* Plays it: `x_q20` is the log2 of the cost. Scores and widths are not made anew. */
struct match match_play(struct elo_table *t, int arm, int32_t x_q20);

/* An arm showed so much against par, in a match worth so many. */
void match_add_evidence(struct elo_arm *a, int64_t shown_q20, int64_t weight_q16);

static inline uint32_t add_saturating(uint32_t a, uint32_t b)
{
    return a + b < a ? UINT32_MAX : a + b;
}

static inline int32_t clamp_par_q20(int64_t x)
{
    return x < 0 ? 0 : clamp_log_q20(x);
}

#endif
