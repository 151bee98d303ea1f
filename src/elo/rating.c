/*
 * Beliefs from evidence. An arm's matches are a mean with a weight; its prior is another; both are
 * normal, so the belief is their weighted mean. The weight of a match depends on the noise, which is
 * pooled over the arms and learned too, hence beliefs are made anew from the evidence whenever they are
 * needed, never stored.
 *
 * The slow-tail account. A strategy may be the quickest nineteen times and stall the twentieth. Such stalls
 * hardly move a rating, and rightly: they say nothing about the other nineteen. So they are counted apart.
 * An arm that stalls significantly more often than the site's other arms has the difference in mean cost
 * taken off its score.
 */
#include "elo/rating.h"

#include "elo/fixed.h"
#include "elo/mutate.h"
#include "elo/purse.h"

/* What is supposed of stalls before any is seen: half of one in 32 episodes, and nothing lost by it. */
enum {
    TAIL_PRIOR_WATCHED = 32,
    TAIL_PRIOR_SLOW_Q8 = 128,
    TAIL_LEAST = 3,
    TAIL_SIGMAS = 3,
    TAIL_COUNTED = 32,
    FEW_PLAYS_Q20 = 681574, /* 0.65 */
};

uint32_t rating_noise_q24(const struct elo_table *t)
{
    uint32_t draw_q24 = (uint32_t)(((uint64_t)t->draw_q20 * t->draw_q20) >> 16);
    uint32_t least = draw_q24 > RATING_NOISE_LEAST_Q24 ? draw_q24 : RATING_NOISE_LEAST_Q24;
    return t->noise_q24 < least ? least : t->noise_q24;
}

uint32_t rating_band_q20(const struct elo_table *t)
{
    return t->draw_q20 > RATING_BAND_Q20 ? t->draw_q20 : RATING_BAND_Q20;
}

uint32_t rating_reopen_band_q20(const struct elo_table *t)
{
    uint32_t wide = 2 * rating_band_q20(t), least = 10 * RATING_BAND_Q20;
    return wide > least ? wide : least;
}

void elo_set_draw(struct elo_table *t, uint64_t draw_ns)
{
    enum { ONE_Q20 = 1 << 20 };
    t->draw_q20 = 0;
    if (t->champion < 0 || draw_ns == 0)
        return;
    int64_t cost_q20 = (int64_t)t->par_q20 - t->score_q20[t->champion];
    int64_t share_q20 = (int64_t)fixed_exp2_q20(fixed_log2_q20(draw_ns) - cost_q20);
    int64_t more_q20 = fixed_log2_q20((uint64_t)(share_q20 + ONE_Q20)) - 20 * (int64_t)ONE_Q20;
    t->draw_q20 = (uint32_t)(more_q20 < ONE_Q20 ? more_q20 : ONE_Q20);
}

struct rating rating_of(const struct elo_table *t, int i)
{
    const struct elo_arm *a = &t->arm[i];
    uint64_t noise = rating_noise_q24(t);
    uint64_t prior = t->prior_var_q24 ? t->prior_var_q24 : RATING_PRIOR_VAR_Q24;
    uint64_t informed = (a->matches_q16 * prior) >> 16; /* below 2^39 */
    int64_t weight_q20 = (int64_t)((informed << 20) / (noise + informed));
    int64_t mean = a->prior_q20 + ((((int64_t)a->rating_q20 - a->prior_q20) * weight_q20) >> 20);
    int64_t var = (int64_t)(prior * noise / (noise + informed));

    return (struct rating){clamp_log_q20(mean), clamp_var_q24(var)};
}

/* log2 of the mean cost of all episodes over that of ordinary ones. */
static int32_t tail_octaves_q20(uint64_t excess_q10, uint64_t watched)
{
    return fixed_log2_q20(1024 + excess_q10 / watched) - (10 << 20);
}

struct tail {
    uint64_t watched, slow_q8, excess_q10;
};

/*
 * How often the site's other arms stall. An arm counts with 32 episodes at most: else a champion that stalls
 * would soon be the measure of stalling.
 */
static struct tail tail_of_others(const struct elo_table *t, int i)
{
    struct tail sum = {TAIL_PRIOR_WATCHED, TAIL_PRIOR_SLOW_Q8, 0};

    for (int k = 0; k < ELO_ARMS; k++) {
        const struct elo_arm *a = &t->arm[k];
        if (k == i || a->watched == 0)
            continue;
        uint64_t counted = a->watched < TAIL_COUNTED ? a->watched : TAIL_COUNTED;
        sum.watched += counted;
        sum.slow_q8 += ((uint64_t)a->slow << 8) * counted / a->watched;
        sum.excess_q10 += a->slow_excess_q10 / a->watched * counted;
    }
    return sum;
}

static int32_t handicap_q20(const struct elo_table *t, int i)
{
    const struct elo_arm *a = &t->arm[i];

    if (ELO_MUTATE == MUTATE_NO_TAIL || a->slow < TAIL_LEAST || a->watched == 0)
        return 0;
    struct tail others = tail_of_others(t, i);
    /* slow - w p > 3 sqrt(w p), squared, with p the others' rate. */
    unsigned __int128 expected_q8 = (unsigned __int128)a->watched * others.slow_q8 / others.watched;
    unsigned __int128 slow_q8 = (unsigned __int128)a->slow << 8;
    if (slow_q8 <= expected_q8)
        return 0;
    unsigned __int128 over_q8 = slow_q8 - expected_q8;
    if (over_q8 * over_q8 <= (expected_q8 * TAIL_SIGMAS * TAIL_SIGMAS << 8))
        return 0;
    int32_t own = tail_octaves_q20(a->slow_excess_q10, a->watched);
    int32_t usual = tail_octaves_q20(others.excess_q10, others.watched);
    return own > usual ? own - usual : 0;
}

int32_t rating_score_q20(const struct elo_table *t, int i)
{
    return clamp_log_q20((int64_t)rating_of(t, i).mean_q20 - handicap_q20(t, i));
}

/* Few plays are not to be trusted, however quiet they seemed: 0.65 octaves over the plays. */
static uint32_t least_width_q20(const struct elo_table *t, uint32_t plays)
{
    uint32_t least = plays ? FEW_PLAYS_Q20 / plays : 0;
    uint32_t most = fixed_deviation_q20(t->prior_var_q24);

    return least < most ? least : most;
}

void rating_refresh(struct elo_table *t, int i)
{
    struct rating r = rating_of(t, i);
    uint32_t plays = t->arm[i].plays, width = fixed_deviation_q20(r.var_q24);

    if (plays > 0 && plays < FEW_PLAYS_Q20 && width < FEW_PLAYS_Q20 / plays) {
        uint32_t least = least_width_q20(t, plays);
        width = width > least ? width : least;
    }
    t->score_q20[i] = clamp_log_q20((int64_t)r.mean_q20 - handicap_q20(t, i));
    t->width_q20[i] = (int32_t)width;
}

void rating_refresh_all(struct elo_table *t)
{
    t->repeats = 0;
    for (int i = 0; i < ELO_ARMS; i++) {
        uint32_t plays = t->arm[i].plays;
        if (plays > 0)
            t->repeats = plays - 1 > UINT32_MAX - t->repeats ? UINT32_MAX : t->repeats + plays - 1;
        if (t->playable == 0 || is_playable(t, i))
            rating_refresh(t, i);
    }
}

bool rating_stands(const struct elo_table *t, int i)
{
    return t->arm[i].plays > 0 && (t->playable == 0 || is_playable(t, i));
}

int rating_best(const struct elo_table *t)
{
    int best = -1;

    for (int i = 0; i < ELO_ARMS; i++)
        if (rating_stands(t, i) && (best < 0 || t->score_q20[i] > t->score_q20[best]))
            best = i;
    return best;
}

int rating_surest(const struct elo_table *t)
{
    int surest = -1;
    int64_t most = INT64_MIN;

    for (int i = 0; i < ELO_ARMS; i++) {
        int64_t at_least = (int64_t)t->score_q20[i] - t->width_q20[i];
        if (rating_stands(t, i) && at_least > most) {
            most = at_least;
            surest = i;
        }
    }
    return surest;
}

/* z such that a standard normal is expected to exceed z by 2^-k, Q10 (0 where z would be negative). */
static const uint16_t expected_excess_q10[18] = {0,    0,    353,  796,  1174, 1507,
                                                 1806, 2080, 2333, 2569, 2790, 3000,
                                                 3200, 3390, 3573, 3748, 3918, 3918};

/*
 * E[(challenger - champion)+] > band, without an integral: with s the deviation of the difference, that is
 * so when the champion leads by less than s z(band / s).
 */
bool rating_promises(const struct elo_table *t, int challenger, int champion, uint32_t band_q20)
{
    int64_t lead = (int64_t)t->score_q20[champion] - t->score_q20[challenger];
    uint64_t a = (uint64_t)t->width_q20[champion], b = (uint64_t)t->width_q20[challenger];
    uint64_t s = fixed_deviation_q20((a * a + b * b) >> 16);
    if (s <= band_q20)
        return lead < -(int64_t)band_q20;
    uint32_t k_q20 = (uint32_t)(fixed_log2_q20(s) - fixed_log2_q20(band_q20));
    unsigned k = k_q20 >> 20;
    if (k > 16)
        k = 16;
    int64_t z = expected_excess_q10[k];
    z += ((expected_excess_q10[k + 1] - z) * (k_q20 & 0xfffff)) >> 20;
    return lead < (z * (int64_t)s) >> 10;
}

bool rating_is_clear(const struct elo_table *t, int champion, uint32_t band_q20)
{
    for (int i = 0; i < ELO_ARMS; i++)
        if (i != champion && is_playable(t, i) && rating_promises(t, i, champion, band_q20) &&
            !purse_never_holds(t, i))
            return false;
    return true;
}
