#include "elo/match.h"

#include "elo/fixed.h"
#include "elo/mutate.h"

enum {
    SLOW_Q20 = 2 << 20, /* a stall is at least four times as dear as expected */
    NOISE_WINDOW = 64,
    DRIFT_SHIFT = 4,
    DRIFT_BIAS_Q20 = 104858, /* 0.1: without evidence par slows down */
};

/* A match's evidence: `shown` is what the arm showed against par, worth `weight` matches. */
void match_add_evidence(struct elo_arm *a, int64_t shown_q20, int64_t weight_q16)
{
    int64_t n = a->matches_q16;
    int64_t apart = shown_q20 - a->rating_q20;

    if (ELO_MUTATE == MUTATE_CONSTANT_K && n > 0)
        a->rating_q20 = clamp_log_q20(a->rating_q20 + apart / 8);
    else if (n + weight_q16 > 0)
        a->rating_q20 = clamp_log_q20(a->rating_q20 + apart * weight_q16 / (n + weight_q16));
    n += weight_q16;
    a->matches_q16 = n > (int64_t)ELO_MATCHES_MAX ? ELO_MATCHES_MAX : (uint32_t)n;
}

/* Par may move as fast as the surprises say: faster while one follows another of its sign. */
static void follow_drift(struct elo_table *t, int32_t z_q10)
{
    int64_t z = z_q10 > 1024 ? 1024 : z_q10 < -1024 ? -1024 : z_q10;
    int64_t same_q20 = z * t->last_z_q10; /* at most one */
    int64_t drift = t->drift_q24;
    int64_t most = rating_noise_q24(t) / 4, least = rating_noise_q24(t) >> 14;

    drift += (drift * (same_q20 - DRIFT_BIAS_Q20)) >> (20 + DRIFT_SHIFT);
    t->drift_q24 = (uint32_t)(drift > most ? most : drift < least + 1 ? least + 1 : drift);
    t->last_z_q10 = (int32_t)z;
}

/* The noise that all arms share, by the squares of the surprises, clipped. */
static void follow_noise(struct elo_table *t, int32_t z_q10, int64_t share_q10)
{
    int64_t z = z_q10 > MATCH_HUBER_Q10    ? MATCH_HUBER_Q10
                : z_q10 < -MATCH_HUBER_Q10 ? -MATCH_HUBER_Q10
                                           : z_q10;
    int64_t over_q10 =
        ((z * z) >> 10) - 973; /* 0.95 is the mean square of a clipped normal deviate */
    int64_t window = t->repeats < NOISE_WINDOW - 4 ? t->repeats + 4 : NOISE_WINDOW;
    int64_t noise = rating_noise_q24(t);

    noise += ((noise * over_q10 >> 10) * share_q10 >> 10) / window;
    t->noise_q24 = clamp_var_q24(noise < RATING_NOISE_LEAST_Q24 ? RATING_NOISE_LEAST_Q24 : noise);
}

/* Counts an episode for the slow-tail account. True: it was a stall. */
static bool watch_tail(struct elo_arm *a, int64_t margin_q20)
{
    bool first = a->watched == 0; /* nothing is known yet of what it usually costs */
    bool slow = !first && margin_q20 < -SLOW_Q20;

    a->watched = add_saturating(a->watched, 1);
    if (!slow || a->slow == UINT32_MAX)
        return false;
    uint64_t excess_q10 = (fixed_exp2_q20(-margin_q20) >> 10) - 1024;
    if (excess_q10 > ELO_EXCESS_MAX - a->slow_excess_q10)
        excess_q10 = ELO_EXCESS_MAX - a->slow_excess_q10;
    a->slow++;
    a->slow_excess_q10 += excess_q10;
    return true;
}

/* One match of the filter: arm, par, noise, drift. */
struct match match_play(struct elo_table *t, int arm, int32_t x_q20)
{
    struct elo_arm *a = &t->arm[arm];
    struct rating r = rating_of(t, arm);
    int64_t noise = rating_noise_q24(t);
    int64_t pv = clamp_var_q24((int64_t)t->par_var_q24 + t->drift_q24);
    int64_t spread = r.var_q24 + noise + pv;
    int64_t sd = fixed_deviation_q20((uint64_t)spread);
    int64_t shown = (int64_t)t->par_q20 - x_q20;
    int64_t margin = shown - r.mean_q20;
    struct match m;

    if (ELO_MUTATE == MUTATE_WIN_LOSS) {
        margin = margin > 0 ? sd : -sd;
        shown = margin + r.mean_q20;
    }
    int64_t z = margin * 1024 / sd;
    m.z_q10 = (int32_t)(z > 1 << 20 ? 1 << 20 : z < -(1 << 20) ? -(1 << 20) : z);
    m.off_q20 = margin;
    m.spread_q24 = (uint32_t)spread;
    m.stalled = watch_tail(a, margin);

    int64_t size = m.z_q10 < 0 ? -(int64_t)m.z_q10 : m.z_q10;
    int64_t wide = spread;
    if (size > MATCH_HUBER_Q10 && ELO_MUTATE != MUTATE_NO_HUBER)
        wide = spread * size / MATCH_HUBER_Q10;
    match_add_evidence(a, shown, (noise << 16) / (wide - r.var_q24));
    t->par_q20 = clamp_par_q20(t->par_q20 - margin * pv / wide);
    t->par_var_q24 = clamp_var_q24(pv - pv * pv / wide);
    follow_noise(t, m.z_q10, (noise << 10) / spread);
    follow_drift(t, m.z_q10);
    return m;
}
