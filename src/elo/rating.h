/*
 * What a table believes: the arms' evidence, priors and slow tails made into a score and its width.
 * Inside src/elo only.
 */
#ifndef HAK_ELO_RATING_H
#define HAK_ELO_RATING_H

#include "elo/elo.h"

enum {
    RATING_PRIOR_VAR_Q24 =
        12247368, /* 0.73 octaves squared: what a flat start supposes of the arms */
    RATING_NOISE_VAR_Q24 = 1677722, /* 0.1: the noise supposed before any was seen */
    RATING_NOISE_LEAST_Q24 = 1678,  /* 1e-4: no cost is measured better than to 0.7 % */
    RATING_BAND_Q20 = 3022,         /* 0.2 %: the draw band is no narrower */
};

/* The rating of arm i, evidence and prior weighed together, and its variance. */
struct rating {
    int32_t mean_q20;
    uint32_t var_q24;
};
struct rating rating_of(const struct elo_table *t, int i);

/* The draw band, in octaves. */
uint32_t rating_band_q20(const struct elo_table *t);

/* What a challenger must promise to undo a decision. */
uint32_t rating_reopen_band_q20(const struct elo_table *t);

/* The noise variance, never 0: what is within the draw band is noise. */
uint32_t rating_noise_q24(const struct elo_table *t);

/* Rating less what its stalls cost. */
int32_t rating_score_q20(const struct elo_table *t, int i);

/* Makes score and width of one arm, or of all that can be played (and the sum over the arms). */
void rating_refresh(struct elo_table *t, int i);
void rating_refresh_all(struct elo_table *t);

/* Whether arm i may be the champion: played, and playable unless nothing is said of that. */
bool rating_stands(const struct elo_table *t, int i);

/* The highest score among those; -1: none. Needs refreshed scores. */
int rating_best(const struct elo_table *t);

/* The one of them of which most is sure: the highest score less its width. Nobody learns from it any more where it is played. */
int rating_surest(const struct elo_table *t);

/* Whether changing from `champion` to `challenger` promises more than `band_q20` octaves, in expectation. */
bool rating_promises(const struct elo_table *t, int challenger, int champion, uint32_t band_q20);

/* Whether no arm promises more than that, of those that learning can find out about. `champion` is the table's. */
bool rating_is_clear(const struct elo_table *t, int champion, uint32_t band_q20);

static inline int32_t clamp_log_q20(int64_t x)
{
    return x > ELO_LOG_MAX ? ELO_LOG_MAX : x < -ELO_LOG_MAX ? -ELO_LOG_MAX : (int32_t)x;
}

static inline uint32_t clamp_var_q24(int64_t x)
{
    return x < 1 ? 1 : x > (int64_t)ELO_VAR_MAX ? ELO_VAR_MAX : (uint32_t)x;
}

static inline bool is_playable(const struct elo_table *t, int i)
{
    return t->playable >> i & 1;
}

#endif
