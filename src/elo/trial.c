#include "elo/trial.h"

#include <string.h>

#include "elo/fixed.h"
#include "elo/purse.h"

enum {
    REFUTED_Q10 = 3072, /* 3 sigma off refutes a prior */
    CUSUM_SLACK_Q10 = 512,
    CUSUM_ALARM_Q10 = 7168,
    CUSUM_MOST_Q10 = 1 << 20,
    BAD_OCTAVES_Q20 = 3 << 20, /* the bad arm of an audition: 8 times dearer, and not 1000 times */
    PATIENCE = 250,            /* reports of blocks that were already out */
    TOGETHER_SIGMAS = 2,
    REOPENED_VAR_Q24 = 12247368, /* 0.73 octaves squared */
};

void state_enter(struct elo_table *t, enum elo_state state)
{
    bool alone = (t->playable & (t->playable - 1)) == 0;

    /* The purse is for audits once it is decided, and on credit where it is asked anew. */
    if (state == ELO_DECIDED && t->state != ELO_REMATCH)
        t->purse_q10 = 0;
    else if (state == ELO_LEARNING && (t->state == ELO_DECIDED || t->state == ELO_REMATCH))
        t->purse_q10 = CREDIT_Q10;
    t->state = state;
    t->steady = -1;
    if (alone)
        t->steady = t->playable ? __builtin_ctz(t->playable) : 0;
    else if (state == ELO_DECIDED)
        t->steady = t->champion;
}

/* The state after something was cleared up: decided when it still is, give or take. */
void state_resume(struct elo_table *t)
{
    rating_refresh_all(t);
    t->champion = rating_best(t);
    t->slower_q10 = t->faster_q10 = 0;
    bool clear = t->episodes >= FREEZE_FROM && t->champion >= 0 &&
                 rating_is_clear(t, t->champion, rating_reopen_band_q20(t));
    state_enter(t, clear ? ELO_DECIDED : ELO_LEARNING);
}

/* ---- a queue of matches ---------------------------------------------------------------------- */

void trial_clear(struct elo_table *t)
{
    memset(&t->queue, 0, sizeof(t->queue));
    t->queue.patience = PATIENCE;
}

static void queue_push(struct elo_table *t, int arm)
{
    t->queue.arm[t->queue.length++] = (uint8_t)arm;
}

/* Notes the margin of a match that was asked for. True when the last has come in, or patience is over. */
bool trial_note(struct elo_table *t, int arm, int32_t margin_q20)
{
    struct elo_queue *q = &t->queue;

    for (unsigned k = 0; k < q->given; k++) {
        if (q->arm[k] != arm || q->done >> k & 1)
            continue;
        q->done |= (uint8_t)(1u << k);
        q->margin_q20[k] = margin_q20;
        break;
    }
    if (q->patience > 0)
        q->patience--;
    return q->patience == 0 || q->done == (1u << q->length) - 1;
}

/* The best playable arm by score that is not in `but`; -1: none. */
static int best_but(const struct elo_table *t, uint32_t but)
{
    int best = -1;

    for (int i = 0; i < ELO_ARMS; i++)
        if (is_playable(t, i) && !(but >> i & 1) &&
            (best < 0 || t->score_q20[i] > t->score_q20[best]))
            best = i;
    return best;
}

/* The playable arm, not in `but`, whose score is nearest to so many octaves behind that one's; -1: none. */
static int nearest_behind(const struct elo_table *t, int that, uint32_t but, int64_t octaves_q20)
{
    int64_t wanted = t->score_q20[that] - octaves_q20, least = INT64_MAX;
    int nearest = -1;

    for (int i = 0; i < ELO_ARMS; i++) {
        int64_t off = t->score_q20[i] - wanted;
        if (off < 0)
            off = -off;
        if (is_playable(t, i) && !(but >> i & 1) && off < least) {
            least = off;
            nearest = i;
        }
    }
    return nearest;
}

/* ---- audition: a prior is believed only after it might have been refuted ---------------------- */

void trial_start_audition(struct elo_table *t)
{
    uint32_t too_dear = purse_too_dear(t);
    int favourite = best_but(t, too_dear);
    int second = favourite < 0 ? -1 : best_but(t, too_dear | 1u << favourite);

    trial_clear(t);
    if (second < 0) {
        state_enter(t, t->episodes ? ELO_LEARNING : ELO_NEW);
        return;
    }
    queue_push(t, favourite);
    queue_push(t, second);
    queue_push(t, favourite);
    queue_push(t, nearest_behind(t, favourite, too_dear, BAD_OCTAVES_Q20));
    state_enter(t, ELO_AUDITION);
}

/* How far the prior is off what the arms showed, level apart, as a variance. */
static uint32_t prior_is_off_q24(const struct elo_table *t)
{
    int64_t off[ELO_ARMS], sum = 0, n = 0, square_q24 = 0;

    for (int i = 0; i < ELO_ARMS; i++) {
        if (t->arm[i].plays == 0)
            continue;
        off[n] = (int64_t)t->arm[i].rating_q20 - t->arm[i].prior_q20;
        sum += off[n++];
    }
    for (int64_t k = 0; k < n; k++) {
        int64_t own = off[k] - sum / n;
        square_q24 += (own * own) >> 16;
    }
    return n < 2 ? 0 : clamp_var_q24(square_q24 / (n - 1));
}

/*
 * It is not forgotten, only less sure than it said: of the arms that were not played, nothing better is known. The match that
 * refuted it counts in full: it was not the outlier that it seemed by the prior.
 */
static void refute_prior(struct elo_table *t, int arm)
{
    t->arm[arm].matches_q16 = 1 << 16;
    uint32_t off_q24 = prior_is_off_q24(t);
    if (off_q24 > t->prior_var_q24)
        t->prior_var_q24 = off_q24;
    trial_clear(t);
    state_resume(t);
}

void trial_report_audition(struct elo_table *t, int arm, bool first_of_arm, const struct match *m)
{
    int32_t size = m->z_q10 < 0 ? -m->z_q10 : m->z_q10;

    if (first_of_arm && size > REFUTED_Q10)
        refute_prior(t, arm);
    else if (trial_note(t, arm, 0))
        state_resume(t);
    else
        t->champion = rating_best(t); /* the last match may be long in coming */
}

/* ---- alarm, rematch, reopening ---------------------------------------------------------------- */

/*
 * The champion against the first, the second, and one from further down: had everything been dealt anew, the
 * best would all be worse now, and only that one could show it.
 */
void trial_start_rematch(struct elo_table *t)
{
    static const int64_t behind_q20[3] = {0, 0, 1 << 20};
    rating_refresh_all(t);
    trial_clear(t);
    uint32_t champion = 1u << t->champion | purse_too_dear(t), seen = champion;
    for (int k = 0; k < 3; k++) {
        int challenger = nearest_behind(t, t->champion, seen, behind_q20[k]);
        if (challenger < 0)
            challenger = nearest_behind(t, t->champion, champion, 0);
        if (challenger < 0) {
            t->slower_q10 = t->faster_q10 = 0;
            return;
        }
        seen |= 1u << challenger;
        queue_push(t, t->champion);
        queue_push(t, challenger);
    }
    state_enter(t, ELO_REMATCH);
}

/* CUSUM of the champion's surprises, both ways. True: they no longer look like chance. */
bool trial_alarm(struct elo_table *t, int32_t z_q10)
{
    int64_t z = z_q10 > MATCH_HUBER_Q10    ? MATCH_HUBER_Q10
                : z_q10 < -MATCH_HUBER_Q10 ? -MATCH_HUBER_Q10
                                           : z_q10;
    int64_t slower = (int64_t)t->slower_q10 - z - CUSUM_SLACK_Q10;
    int64_t faster = (int64_t)t->faster_q10 + z - CUSUM_SLACK_Q10;

    t->slower_q10 = slower < 0 ? 0 : slower > CUSUM_MOST_Q10 ? CUSUM_MOST_Q10 : (uint32_t)slower;
    t->faster_q10 = faster < 0 ? 0 : faster > CUSUM_MOST_Q10 ? CUSUM_MOST_Q10 : (uint32_t)faster;
    return t->slower_q10 > CUSUM_ALARM_Q10 || t->faster_q10 > CUSUM_ALARM_Q10;
}

/* The median margin of the queue's even (champion) or odd (challengers) slots; false: none came in. */
static bool queue_median(const struct elo_queue *q, unsigned parity, int64_t *median_q20)
{
    int32_t sorted[4];
    unsigned n = 0;

    for (unsigned k = parity; k < q->length; k += 2) {
        if (!(q->done >> k & 1))
            continue;
        unsigned at = n++;
        for (; at > 0 && sorted[at - 1] > q->margin_q20[k]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = q->margin_q20[k];
    }
    if (n)
        *median_q20 = ((int64_t)sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    return n > 0;
}

/* Old ratings count for little from now on; the rematch's own matches count in full. */
static void reopen(struct elo_table *t)
{
    uint64_t little = ((uint64_t)rating_noise_q24(t) << 16) / REOPENED_VAR_Q24;
    struct elo_queue q = t->queue;
    int64_t shown[8];

    for (unsigned k = 0; k < q.length; k++)
        shown[k] = (int64_t)q.margin_q20[k] + rating_of(t, q.arm[k]).mean_q20;
    for (int i = 0; i < ELO_ARMS; i++) {
        struct elo_arm *a = &t->arm[i];
        if (a->matches_q16 > little)
            a->matches_q16 = (uint32_t)little;
        a->watched = a->slow = 0;
        a->slow_excess_q10 = 0;
    }
    for (unsigned k = 0; k < q.length; k++) {
        struct elo_arm *a = &t->arm[q.arm[k]];
        if (!(q.done >> k & 1))
            continue;
        match_add_evidence(a, shown[k], 1 << 16);
    }
    t->par_var_q24 = clamp_var_q24((int64_t)t->par_var_q24 + rating_noise_q24(t));
    t->reopened = add_saturating(t->reopened, 1);
    trial_clear(t);
    rating_refresh_all(t);
    t->champion = rating_best(t);
    t->slower_q10 = t->faster_q10 = 0;
    state_enter(t, ELO_LEARNING);
}

/* Whether the challengers' margins are the champion's, as far as noise and their ratings can tell. */
static bool moved_together(const struct elo_table *t, int64_t own, int64_t others)
{
    const struct elo_queue *q = &t->queue;
    int cheaper = 0, dearer = 0;

    if (own < 0 ? others * 2 > own : others * 2 < own || others > own * 2)
        return false;
    for (unsigned k = 1; k < q->length; k += 2) {
        if (!(q->done >> k & 1))
            continue;
        uint64_t var = 2 * (uint64_t)rating_noise_q24(t) + rating_of(t, q->arm[k]).var_q24;
        int64_t tolerance = TOGETHER_SIGMAS * (int64_t)fixed_deviation_q20(var);
        cheaper += q->margin_q20[k] - own > tolerance;
        dearer += own - q->margin_q20[k] > tolerance;
    }
    return cheaper == 0 && dearer < 2; /* one may have stalled */
}

/*
 * The champion's costs moved. If the challengers' moved with them, it is the machine or the site's work that
 * changed, and the ratings stand.
 */
static void conclude_rematch(struct elo_table *t)
{
    int64_t own = 0, others = 0;
    bool known = queue_median(&t->queue, 0, &own) && queue_median(&t->queue, 1, &others);
    int64_t size = own < 0 ? -own : own;

    if (!known || size < fixed_deviation_q20(rating_noise_q24(t))) {
        trial_clear(t); /* a false alarm */
        state_resume(t);
        return;
    }
    if (!moved_together(t, own, others)) {
        reopen(t);
        return;
    }
    t->par_q20 = clamp_par_q20(t->par_q20 - (own + others) / 2);
    t->par_var_q24 = clamp_var_q24((int64_t)t->par_var_q24 + rating_noise_q24(t));
    trial_clear(t);
    state_resume(t);
}

void trial_report_rematch(struct elo_table *t, int arm, int32_t x_q20)
{
    int64_t margin = (int64_t)t->par_q20 - x_q20 - rating_of(t, arm).mean_q20;

    if (trial_note(t, arm, clamp_log_q20(margin)))
        conclude_rematch(t);
}
