/*
 * Tables as wholes: the champion and the points for people to read, sums and differences, and the guard
 * against files that were made up.
 *
 * What an arm's matches say is a mean with a weight, so tables add by weighted means and subtract by the
 * same. Two learners that never met differ in the zero of their ratings; the arms that both have played,
 * weighted by how well both know them, show by how much.
 */
#include <string.h>

#include "elo/elo.h"
#include "elo/fixed.h"
#include "elo/match.h"
#include "elo/rating.h"

enum { POINTS_MOST = 99999, POINTS_PER_SIGMA = 223 /* 173.7 / 0.78 */ };

/* ---- for people -------------------------------------------------------------------------------- */

int elo_champion(const struct elo_table *t)
{
    struct elo_table look = *t;

    rating_refresh_all(&look);
    return rating_surest(&look);
}

static int points_of(int64_t octaves_q20, uint32_t noise_q24)
{
    int64_t points = octaves_q20 * POINTS_PER_SIGMA / fixed_deviation_q20(noise_q24);

    return points > POINTS_MOST ? POINTS_MOST : points < -POINTS_MOST ? -POINTS_MOST : (int)points;
}

int elo_points(const struct elo_table *t, int arm)
{
    return 1500 + points_of(rating_score_q20(t, arm), rating_noise_q24(t));
}

int elo_deviation(const struct elo_table *t, int arm)
{
    uint32_t d = fixed_deviation_q20(rating_of(t, arm).var_q24);

    return points_of(d, rating_noise_q24(t));
}

int32_t elo_log2_q10(uint64_t x)
{
    return fixed_log2_q20(x) >> 10;
}

/* ---- difference -------------------------------------------------------------------------------- */

/* Whether `now` is what `base` became by matches alone: nothing was forgotten in between. */
static bool grew(const struct elo_arm *now, const struct elo_arm *base)
{
    if (now->matches_q16 < base->matches_q16 || now->watched < base->watched ||
        now->slow < base->slow || now->slow_excess_q10 < base->slow_excess_q10)
        return false;
    return now->matches_q16 > base->matches_q16 || now->rating_q20 == base->rating_q20;
}

static void subtract_arm(struct elo_arm *out, const struct elo_arm *now, const struct elo_arm *base)
{
    int64_t n = now->matches_q16, n0 = base->matches_q16, w = n - n0;

    *out = *now;
    out->matches_q16 = (uint32_t)w;
    if (w > 0)
        out->rating_q20 = clamp_log_q20((now->rating_q20 * n - base->rating_q20 * n0) / w);
    out->watched = now->watched - base->watched;
    out->slow = now->slow - base->slow;
    out->slow_excess_q10 = now->slow_excess_q10 - base->slow_excess_q10;
}

void elo_delta(struct elo_table *out, const struct elo_table *now, const struct elo_table *base)
{
    *out = *now;
    out->replaces = out->is_delta = 0;
    if (base->episodes == 0)
        return;
    out->is_delta = 1;
    uint64_t episodes = 0;
    for (int i = 0; i < ELO_ARMS; i++) {
        const struct elo_arm *a = &now->arm[i], *b = &base->arm[i];
        if (now->reopened == base->reopened && grew(a, b))
            subtract_arm(&out->arm[i], a, b);
        else
            out->replaces |= 1u << i;
        out->arm[i].plays = a->plays > b->plays ? a->plays - b->plays : 0;
        episodes += out->arm[i].plays;
    }
    out->episodes = episodes > UINT32_MAX ? UINT32_MAX : (uint32_t)episodes;
}

/* ---- sum --------------------------------------------------------------------------------------- */

static uint64_t sum_to(uint64_t a, uint64_t b, uint64_t most)
{
    return a > most || b > most - a ? most : a + b;
}

/*
 * How much higher `from` rates the same arms, Q20, and which share of that difference is `into`'s to move:
 * the better-informed scale moves less, so that the order of merging does not matter.
 */
static int64_t scale_difference(const struct elo_table *into, const struct elo_table *from,
                                int64_t *share_q20)
{
    __int128 sum = 0;
    int64_t weight = 0, n_into = 0, n_from = 0;

    for (int i = 0; i < ELO_ARMS; i++) {
        int64_t a = into->arm[i].matches_q16, b = from->arm[i].matches_q16;
        n_into += a;
        n_from += b;
        if (a == 0 || b == 0)
            continue;
        int64_t w = a * b / (a + b) + 1;
        sum += (__int128)w * ((int64_t)from->arm[i].rating_q20 - into->arm[i].rating_q20);
        weight += w;
    }
    *share_q20 = n_into + n_from ? (n_from << 20) / (n_into + n_from) : 0;
    return weight ? (int64_t)(sum / weight) : 0;
}

static void add_arm(struct elo_arm *a, const struct elo_arm *b, int64_t shift_a, int64_t shift_b)
{
    int64_t n = a->matches_q16, m = b->matches_q16;
    int64_t ra = a->rating_q20 + shift_a, rb = b->rating_q20 + shift_b;

    if (n + m > 0)
        a->rating_q20 = clamp_log_q20((ra * n + rb * m) / (n + m));
    a->matches_q16 = (uint32_t)sum_to(a->matches_q16, b->matches_q16, ELO_MATCHES_MAX);
    a->plays = (uint32_t)sum_to(a->plays, b->plays, UINT32_MAX);
    a->watched = (uint32_t)sum_to(a->watched, b->watched, UINT32_MAX);
    a->slow = (uint32_t)sum_to(a->slow, b->slow, UINT32_MAX);
    a->slow_excess_q10 = sum_to(a->slow_excess_q10, b->slow_excess_q10, ELO_EXCESS_MAX);
}

/* The newer state of an arm in place of the older; what was played stays counted. */
static void replace_arm(struct elo_arm *a, const struct elo_arm *b)
{
    uint32_t plays = (uint32_t)sum_to(a->plays, b->plays, UINT32_MAX);

    *a = *b;
    a->plays = plays;
}

/* Of a file that lost plays meanwhile, or was another, no more is known than was played. */
static void limit_to_plays(struct elo_arm *a)
{
    if (a->watched > a->plays)
        a->watched = a->plays;
    if (a->slow > a->watched)
        a->slow = a->watched;
    if (a->slow == 0)
        a->slow_excess_q10 = 0;
    if (a->matches_q16 > (uint64_t)a->plays << 16)
        a->matches_q16 = a->plays << 16;
}

/* Two flat or equal priors stay; of two different ones the surer stays; equally sure ones meet half-way. */
static void merge_priors(struct elo_table *into, const struct elo_table *from, int64_t shift_into,
                         int64_t shift_from)
{
    bool take = from->is_delta || into->prior_var_q24 == 0 ||
                (from->prior_var_q24 != 0 && from->prior_var_q24 < into->prior_var_q24);
    bool meet = from->prior_var_q24 == into->prior_var_q24;

    for (int i = 0; i < ELO_ARMS; i++) {
        int64_t a = into->arm[i].prior_q20 + shift_into, b = from->arm[i].prior_q20 + shift_from;
        into->arm[i].prior_q20 = clamp_log_q20(take ? b : meet ? (a + b) / 2 : a);
    }
    if (take)
        into->prior_var_q24 = from->prior_var_q24;
}

static int64_t mean_of(int64_t a, uint64_t wa, int64_t b, uint64_t wb)
{
    return wa + wb ? (int64_t)(((__int128)a * wa + (__int128)b * wb) / (wa + wb)) : a;
}

/* Par, noise and drift: a delta's are newer; others meet by how much each has seen. */
static void merge_course(struct elo_table *into, const struct elo_table *from, int64_t shift_into,
                         int64_t shift_from)
{
    uint64_t a = into->episodes, b = from->episodes;
    int64_t par = mean_of(into->par_q20 + shift_into, a, from->par_q20 + shift_from, b);

    if (from->is_delta) {
        into->par_q20 = clamp_par_q20(from->par_q20 + shift_from);
        into->par_var_q24 = from->par_var_q24;
        into->noise_q24 = from->noise_q24;
        into->drift_q24 = from->drift_q24;
        into->last_z_q10 = from->last_z_q10;
        return;
    }
    into->par_q20 = clamp_par_q20(par);
    into->par_var_q24 = (uint32_t)mean_of(into->par_var_q24, a, from->par_var_q24, b);
    into->noise_q24 = (uint32_t)mean_of(into->noise_q24, a, from->noise_q24, b);
    into->drift_q24 = (uint32_t)mean_of(into->drift_q24, a, from->drift_q24, b);
    into->last_z_q10 = 0;
}

static void copy_fields(struct elo_table *into, const struct elo_table *from)
{
#define X(type, name, lo, hi) into->name = from->name;
    ELO_TABLE_FIELDS(X)
#undef X
    memcpy(into->arm, from->arm, sizeof(into->arm));
}

/* State and champion from the sums. What either had decided stands unless another promises clearly more. */
static void decide_again(struct elo_table *t, bool was_decided)
{
    struct elo_table look = *t;

    look.playable = t->playable ? t->playable : (1u << ELO_ARMS) - 1;
    for (int i = 0; t->playable == 0 && i < ELO_ARMS; i++)
        if (t->arm[i].plays == 0)
            look.playable &=
                ~(1u << i); /* which arms there are is not known; these were never played */
    rating_refresh_all(&look);
    int champion = look.champion = rating_best(&look);
    uint32_t band = was_decided ? rating_reopen_band_q20(t) : rating_band_q20(t);
    bool decided = champion >= 0 && t->episodes >= 48 && rating_is_clear(&look, champion, band);
    t->state = decided ? ELO_DECIDED : ELO_LEARNING;
    t->slower_q10 = t->faster_q10 = 0;
}

/* By how much `from` was moved. */
static int32_t merge(struct elo_table *into, const struct elo_table *from, bool stays)
{
    int64_t shift_from = 0;
    if (from->episodes == 0)
        return 0;
    if (from->apart != 0) { /* what can never be paid for decides nothing */
        into->apart = from->apart;
        memcpy(into->entry_ns, from->entry_ns, sizeof(into->entry_ns));
    }
    if (into->episodes == 0) {
        copy_fields(into, from);
        for (int i = 0; i < ELO_ARMS; i++)
            limit_to_plays(&into->arm[i]);
    } else {
        /* Another process may have reopened the table meanwhile; then there is nothing old to replace. */
        bool late = from->replaces == (1u << ELO_ARMS) - 1 && into->reopened >= from->reopened;
        uint32_t replaces = late ? 0 : from->replaces;
        int64_t share = 0, difference = 0;
        if (from->draw_q20 > into->draw_q20)
            into->draw_q20 = from->draw_q20;
        if (!from->is_delta || late)
            difference = scale_difference(into, from, &share);
        int64_t shift_into = stays ? 0 : (difference * share) >> 20;
        shift_from = shift_into - difference;
        bool was_decided = into->state == ELO_DECIDED || from->state == ELO_DECIDED;

        merge_priors(into, from, shift_into, shift_from);
        merge_course(into, from, shift_into, shift_from);
        for (int i = 0; i < ELO_ARMS; i++) {
            if (replaces >> i & 1)
                replace_arm(&into->arm[i], &from->arm[i]);
            else
                add_arm(&into->arm[i], &from->arm[i], shift_into, shift_from);
            limit_to_plays(&into->arm[i]);
        }
        into->episodes = (uint32_t)sum_to(into->episodes, from->episodes, UINT32_MAX);
        if (from->reopened > into->reopened)
            into->reopened = from->reopened;
        decide_again(into, was_decided);
    }
    elo_set_playable(into, into->playable, into->random);
    return clamp_log_q20(shift_from);
}

void elo_merge(struct elo_table *into, const struct elo_table *from)
{
    merge(into, from, false);
}

int32_t elo_merge_onto(struct elo_table *into, const struct elo_table *from)
{
    return merge(into, from, true);
}

void elo_move(struct elo_table *t, int32_t by_q20)
{
    if (by_q20 == 0 || t->episodes == 0)
        return;
    t->par_q20 = clamp_par_q20((int64_t)t->par_q20 + by_q20);
    for (int i = 0; i < ELO_ARMS; i++) {
        t->arm[i].rating_q20 = clamp_log_q20((int64_t)t->arm[i].rating_q20 + by_q20);
        t->arm[i].prior_q20 = clamp_log_q20((int64_t)t->arm[i].prior_q20 + by_q20);
    }
    rating_refresh_all(t);
}

/* ---- validity ---------------------------------------------------------------------------------- */

static bool in_range(__int128 x, __int128 low, __int128 high)
{
    return x >= low && x <= high;
}

static bool arm_is_valid(const struct elo_arm *a)
{
#define X(type, name, lo, hi)                                                                      \
    if (!in_range(a->name, lo, hi))                                                                \
        return false;
    ELO_ARM_FIELDS(X)
#undef X
    if (a->watched > a->plays || a->slow > a->watched || (a->slow == 0 && a->slow_excess_q10 != 0))
        return false;
    return a->matches_q16 <= (uint64_t)a->plays << 16;
}

bool elo_is_valid(const struct elo_table *t)
{
    uint64_t plays = 0;

#define X(type, name, lo, hi)                                                                      \
    if (!in_range(t->name, lo, hi))                                                                \
        return false;
    ELO_TABLE_FIELDS(X)
#undef X
    for (int i = 0; i < ELO_ARMS; i++) {
        if (!arm_is_valid(&t->arm[i]))
            return false;
        plays += t->arm[i].plays;
    }
    if (t->episodes < UINT32_MAX && plays != t->episodes)
        return false;
    if (t->episodes == 0)
        return t->state == ELO_NEW || t->state == ELO_AUDITION;
    return t->state != ELO_NEW;
}
