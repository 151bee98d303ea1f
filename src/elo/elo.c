/*
 * Par-Elo: one match after another.
 *
 * Every episode is a match of the arm that was played against par, the cost in log2 ns that an arm of
 * rating 0 would have had just then. The margin, not win or loss, is the score; what was expected of it is
 * the rating; and the rating moves by a share of the difference that falls as matches add up, while par
 * moves by a share of its own. So what slows all arms at once moves par and not the ratings, which is what
 * pairing is good for.
 *
 *   NEW       --first report-->  LEARNING   Thompson sampling: arms are played as often as they may be best
 *   AUDITION  --queue played-->  LEARNING   a prior has to survive four matches chosen to refute it
 *   LEARNING  --clear-------->   DECIDED    the champion is played; now and then, another is audited
 *   DECIDED   --alarm-------->   REMATCH    the champion's costs moved: is it the champion, or everything?
 *   REMATCH   --everything--->   DECIDED    par moves, ratings stand
 *             --the champion->   LEARNING   reopened: old ratings count for little
 *   DECIDED   --a challenger promises more--> LEARNING
 *
 * Blocks overlap: picks run ahead of reports and reports come in any order. So nothing here waits for a
 * certain report; a queue of matches is worked off by arm, and given up after a number of reports.
 */
#include "elo/elo.h"

#include <string.h>

#include "base/attr.h"
#include "elo/fixed.h"
#include "elo/match.h"
#include "elo/mutate.h"
#include "elo/purse.h"
#include "elo/rating.h"
#include "elo/trial.h"

enum {
    FREEZE_EVERY = 8,          /* episodes between freeze tests */
    AWAIT_EPISODES = 256,      /* and what was out before is not waited for any more */
    PRIOR_SUREST_Q10 = 51,     /* no prior is surer than 0.05 octaves */
    AUDIT_SHARE_Q10 = 8,       /* 1/128 of what the champion costs goes to audits */
    AUDIT_LEAST_Q10 = 128,     /* even an equal arm is audited only so often */
    SURPRISE_Q10 = 4096,       /* outliers are dearer, never cheaper: 4 sigma cheaper is a change */
    PRIOR_WEIGHT = 8,          /* arms that the prior of the spread is worth */
    PRIOR_LEAST_Q24 = 1 << 20, /* 1/16: arms are never held to be closer than a quarter octave */
    ALL_ARMS = (1 << ELO_ARMS) - 1,
};

const char *const elo_state_names[ELO_STATE_COUNT] = {"new", "audition", "learning", "decided",
                                                      "rematch"};

void elo_set_prior(struct elo_table *t, const int32_t log2_cost_q10[ELO_ARMS],
                   uint32_t deviation_q10)
{
    if (t->episodes >= 2 || t->playable == 0)
        return;
    int64_t sum = 0;
    int32_t cost[ELO_ARMS];
    for (int i = 0; i < ELO_ARMS; i++) {
        int32_t c = log2_cost_q10[i];
        cost[i] = c < 0 ? 0 : c > 64 << 10 ? 64 << 10 : c;
        if (is_playable(t, i))
            sum += cost[i];
    }
    int64_t middle = sum / __builtin_popcount(t->playable);
    for (int i = 0; i < ELO_ARMS; i++) {
        int32_t before = t->arm[i].prior_q20;
        t->arm[i].prior_q20 = clamp_log_q20((middle - cost[i]) * 1024);
        if (t->arm[i].plays == 0)
            continue;
        /* The one arm that was played set par by what was expected of it then. */
        t->arm[i].rating_q20 = t->arm[i].prior_q20;
        t->par_q20 = clamp_par_q20((int64_t)t->par_q20 + t->arm[i].prior_q20 - before);
    }
    uint64_t d = deviation_q10 < PRIOR_SUREST_Q10 ? PRIOR_SUREST_Q10
                 : deviation_q10 > 2896           ? 2896
                                                  : deviation_q10;
    t->prior_var_q24 = clamp_var_q24((int64_t)(d * d << 4));
    rating_refresh_all(t);
    t->champion = rating_best(t);
    if (ELO_MUTATE != MUTATE_NO_AUDITION)
        trial_start_audition(t);
}

/* ---- start ----------------------------------------------------------------------------------- */

void elo_init(struct elo_table *t, uint32_t playable, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    t->noise_q24 = RATING_NOISE_VAR_Q24;
    t->prior_var_q24 = RATING_PRIOR_VAR_Q24;
    elo_set_playable(t, playable, seed);
}

void elo_set_playable(struct elo_table *t, uint32_t playable, uint64_t seed)
{
    if (ELO_MUTATE == MUTATE_NO_POOLING)
        playable = ALL_ARMS;
    t->playable = playable & ALL_ARMS;
    t->random = seed;
    t->purse_q10 = CREDIT_Q10;
    t->price_q10 = 0;
    t->audit = -1;
    t->replaces = t->is_delta = 0;
    memset(t->out, 0, sizeof(t->out));
    trial_clear(t);
    if (t->noise_q24 == 0)
        t->noise_q24 = RATING_NOISE_VAR_Q24;
    if (t->prior_var_q24 == 0)
        t->prior_var_q24 = RATING_PRIOR_VAR_Q24;
    rating_refresh_all(t);
    t->champion = rating_best(t);
    if (t->episodes == 0 && t->state != ELO_AUDITION)
        state_enter(t, ELO_NEW);
    else if (t->state == ELO_AUDITION)
        trial_start_audition(t);
    else if (t->state == ELO_LEARNING || t->champion < 0)
        state_enter(t, ELO_LEARNING);
    else
        state_resume(t); /* an arm that could not be played there may be playable here */
}

/* ---- pick ------------------------------------------------------------------------------------ */

/* More of the arm's blocks are out than ever came back. What is given back in batches is known late, and until then the arm
 * looks as good as before. */
static bool is_awaited(const struct elo_table *t, int arm)
{
    return t->out[arm] > t->arm[arm].plays && arm != t->champion;
}

/* Blocks whose end is never reported are not waited for. */
static void note_return(struct elo_table *t, int arm)
{
    if (t->out[arm] > 0)
        t->out[arm]--;
    if (t->episodes % AWAIT_EPISODES == 0)
        memset(t->out, 0, sizeof(t->out));
}

/* Thompson sampling: one draw from every belief, the best draw is played. */
static int thompson(struct elo_table *t)
{
    int64_t best_draw = INT64_MIN;
    int best = t->champion;

    for (int i = 0; i < ELO_ARMS; i++) {
        if (!is_playable(t, i) || (best >= 0 && is_awaited(t, i)))
            continue;
        int64_t draw =
            t->score_q20[i] + (((int64_t)fixed_gauss_q10(&t->random) * t->width_q20[i]) >> 10);
        if (draw > best_draw) {
            best_draw = draw;
            best = i;
        }
    }
    return best;
}

static int think(struct elo_table *t)
{
    if (t->queue.given < t->queue.length)
        return purse_pay_for(t, t->queue.arm[t->queue.given++], true);
    if (t->state == ELO_REMATCH && t->champion >= 0)
        return t->champion;
    if (t->state == ELO_DECIDED && t->audit >= 0) {
        int arm = t->audit;
        t->audit = -1;
        t->purse_q10 = 0;
        t->steady = t->champion;
        return arm;
    }
    return purse_pay_for(t, thompson(t), false);
}

static HAK_NOINLINE int pick_thoughtfully(struct elo_table *t)
{
    int arm = think(t);
    if (t->out[arm] < UINT16_MAX)
        t->out[arm]++;
    return arm;
}

int elo_pick(struct elo_table *t)
{
    if (HAK_LIKELY(t->steady >= 0))
        return t->steady;
    return pick_thoughtfully(t);
}

/* ---- audits ---------------------------------------------------------------------------------- */

static int32_t audit_price_q10(const struct elo_table *t, int i)
{
    int32_t price = purse_price_q10(t, i);
    return price < AUDIT_LEAST_Q10 ? AUDIT_LEAST_Q10 : price;
}

/* Chooses whom to audit next, dear ones as much more rarely as they are dearer. */
static void choose_audit(struct elo_table *t)
{
    uint64_t chance[ELO_ARMS], sum = 0;

    for (int i = 0; i < ELO_ARMS; i++) {
        chance[i] = i != t->champion && is_playable(t, i)
                        ? (1u << 30) / (uint32_t)audit_price_q10(t, i)
                        : 0;
        sum += chance[i];
    }
    if (sum == 0)
        return;
    uint64_t at = fixed_random(&t->random) % sum;
    int i = 0;
    while (at >= chance[i])
        at -= chance[i++];
    t->audit = i;
    t->price_q10 = audit_price_q10(t, i);
}

/* One more episode of the champion: puts its share aside, and lets elo_pick() think when that is enough. */
static void save_for_audit(struct elo_table *t)
{
    if (t->audit < 0)
        choose_audit(t);
    if (t->audit < 0)
        return;
    if (t->purse_q10 < t->price_q10)
        t->purse_q10 += AUDIT_SHARE_Q10;
    if (t->purse_q10 >= t->price_q10)
        t->steady = -1;
}

/* ---- report ---------------------------------------------------------------------------------- */

/* The first episode of all says what par is, by what was expected of its arm. */
static void first_report(struct elo_table *t, int arm, int32_t x_q20)
{
    t->par_q20 = clamp_par_q20((int64_t)x_q20 + rating_of(t, arm).mean_q20);
    t->par_var_q24 = rating_noise_q24(t);
    t->arm[arm].rating_q20 = rating_of(t, arm).mean_q20;
    t->arm[arm].matches_q16 = 1 << 16;
    rating_refresh(t, arm);
    t->champion = is_playable(t, arm) ? arm : -1;
    if (t->state == ELO_AUDITION)
        trial_note(t, arm, 0);
    else
        state_enter(t, t->playable & (t->playable - 1) ? ELO_LEARNING : ELO_DECIDED);
}

static void report_learning(struct elo_table *t, int arm, const struct match *m)
{
    bool test = t->episodes % FREEZE_EVERY == 0;
    int before = t->champion;

    if (test)
        rating_refresh_all(t);
    t->champion = rating_best(t);
    if (t->champion < 0)
        return;
    if (t->champion != before)
        t->slower_q10 = t->faster_q10 = 0;
    else if (arm == before && t->arm[arm].plays > 8 && trial_alarm(t, m->z_q10)) {
        trial_start_rematch(t);
        return;
    }
    if (test && t->episodes >= FREEZE_FROM && rating_is_clear(t, t->champion, rating_band_q20(t))) {
        t->slower_q10 = t->faster_q10 = 0;
        state_enter(t, ELO_DECIDED);
    }
}

static void report_decided(struct elo_table *t, int arm, const struct match *m)
{
    if (arm != t->champion) {
        if (is_playable(t, arm) && rating_promises(t, arm, t->champion, rating_reopen_band_q20(t)))
            state_enter(t, ELO_LEARNING);
        return;
    }
    if (trial_alarm(t, m->z_q10)) {
        trial_start_rematch(t);
        return;
    }
    /* A champion that stalls, or slips by degrees, is looked at whole. */
    if (m->stalled || t->episodes % 64 == 0) {
        rating_refresh_all(t);
        if (!rating_is_clear(t, arm, rating_reopen_band_q20(t))) {
            state_enter(t, ELO_LEARNING);
            return;
        }
    }
    save_for_audit(t);
}

/*
 * An arm's first match also says something of the arms that were not played yet: where their middle is, and
 * how far apart arms are at this site.
 */
static void learn_prior(struct elo_table *t, const struct match *m)
{
    int64_t seen = 0, off = m->off_q20;

    for (int i = 0; i < ELO_ARMS; i++)
        seen += t->arm[i].plays > 0;
    for (int i = 0; i < ELO_ARMS; i++)
        t->arm[i].prior_q20 = clamp_log_q20(t->arm[i].prior_q20 + off / seen);
    off = off > 8 << 20 ? 8 << 20 : off < -(8 << 20) ? -(8 << 20) : off;
    int64_t square_q24 = (off * off) >> 16;
    int64_t var = t->prior_var_q24 + (square_q24 - m->spread_q24) / (PRIOR_WEIGHT + seen);
    t->prior_var_q24 = clamp_var_q24(var < PRIOR_LEAST_Q24 ? PRIOR_LEAST_Q24 : var);
    rating_refresh_all(t);
}

void elo_report(struct elo_table *t, int arm, uint64_t cost_ns)
{
    if (arm < 0 || arm >= ELO_ARMS)
        return;
    struct elo_arm *a = &t->arm[arm];
    int32_t x_q20 = fixed_log2_q20(cost_ns);
    bool first = t->episodes == 0, first_of_arm = a->plays == 0;

    a->plays = add_saturating(a->plays, 1);
    t->episodes = add_saturating(t->episodes, 1);
    note_return(t, arm);
    if (first) {
        first_report(t, arm, x_q20);
        return;
    }
    if (!first_of_arm)
        t->repeats = add_saturating(t->repeats, 1);
    if (t->state == ELO_REMATCH) {
        trial_report_rematch(t, arm, x_q20);
        return;
    }
    if (arm != t->champion && t->champion >= 0 && t->state != ELO_DECIDED)
        purse_pay_the_rest(t, arm, x_q20);
    struct match m = match_play(t, arm, x_q20);
    if (arm != t->champion && !first_of_arm && m.z_q10 > SURPRISE_Q10) {
        a->rating_q20 = clamp_log_q20((int64_t)t->par_q20 - x_q20);
        a->matches_q16 = 1 << 16;
    }
    rating_refresh(t, arm);
    if (first_of_arm)
        learn_prior(t, &m);
    if (t->state == ELO_DECIDED) {
        report_decided(t, arm, &m);
        return;
    }
    if (t->state == ELO_AUDITION) {
        trial_report_audition(t, arm, first_of_arm, &m);
        return;
    }
    report_learning(t, arm, &m);
}
