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
#include "elo/mutate.h"
#include "elo/rating.h"

enum {
    FREEZE_FROM = 48,       /* episodes before the first freeze test */
    FREEZE_EVERY = 8,
    HUBER_Q10 = 2560,       /* 2.5 standard deviations; beyond, a match counts as noisier */
    SLOW_Q20 = 2 << 20,     /* a stall is at least four times as dear as expected */
    SURPRISE_Q10 = 4096,    /* outliers are dearer, never cheaper: 4 sigma cheaper is a change */
    REFUTED_Q10 = 2304,     /* 2.25 sigma off refutes a prior */
    CUSUM_SLACK_Q10 = 512,
    CUSUM_ALARM_Q10 = 7168,
    NOISE_WINDOW = 64,
    DRIFT_SHIFT = 4,
    DRIFT_BIAS_Q20 = 104858, /* 0.1: without evidence par slows down */
    PRIOR_SUREST_Q10 = 51,  /* no prior is surer than 0.05 octaves */
    REOPENED_VAR_Q24 = 12247368,
    ALL_ARMS = (1 << ELO_ARMS) - 1,
    AUDIT_SHARE_Q10 = 16,   /* 1/64 of what the champion costs goes to audits */
    AUDIT_LEAST_Q10 = 128,  /* even an equal arm is audited only so often */
    QUEUE_PATIENCE = 64,
    REOPEN_BAND = 10,       /* a decided table reopens when a challenger promises ten draw bands */
};

const char *const elo_state_names[ELO_STATE_COUNT] = {"new", "audition", "learning", "decided",
                                                      "rematch"};

static uint32_t add_saturating(uint32_t a, uint32_t b)
{
    return a + b < a ? UINT32_MAX : a + b;
}

static int32_t clamp_par_q20(int64_t x)
{
    return x < 0 ? 0 : clamp_log_q20(x);
}

static void enter(struct elo_table *t, enum elo_state state)
{
    bool alone = (t->playable & (t->playable - 1)) == 0;

    t->state = state;
    t->steady = -1;
    if (alone)
        t->steady = t->playable ? __builtin_ctz(t->playable) : 0;
    else if (state == ELO_DECIDED)
        t->steady = t->champion;
}

/* The state after something was cleared up: decided when it still is, give or take. */
static void resume(struct elo_table *t)
{
    rating_refresh_all(t);
    t->champion = rating_best(t);
    t->slower_q10 = t->faster_q10 = 0;
    bool clear = t->episodes >= FREEZE_FROM && t->champion >= 0 &&
                 rating_is_clear(t, t->champion, REOPEN_BAND * RATING_BAND_Q20);
    enter(t, clear ? ELO_DECIDED : ELO_LEARNING);
}

/* A match's evidence: `shown` is what the arm showed against par, worth `weight` matches. */
static void add_evidence(struct elo_arm *a, int64_t shown_q20, int64_t weight_q16)
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

/* ---- a queue of matches ---------------------------------------------------------------------- */

static void queue_clear(struct elo_table *t)
{
    memset(&t->queue, 0, sizeof(t->queue));
    t->queue.patience = QUEUE_PATIENCE;
}

static void queue_push(struct elo_table *t, int arm)
{
    t->queue.arm[t->queue.length++] = (uint8_t)arm;
}

/* Notes the margin of a match that was asked for. True when the last has come in, or patience is over. */
static bool queue_note(struct elo_table *t, int arm, int32_t margin_q20)
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

static int worst_playable(const struct elo_table *t)
{
    int worst = -1;

    for (int i = 0; i < ELO_ARMS; i++)
        if (is_playable(t, i) && (worst < 0 || t->score_q20[i] < t->score_q20[worst]))
            worst = i;
    return worst;
}

/* ---- audition: a prior is believed only after it might have been refuted ---------------------- */

static void start_audition(struct elo_table *t)
{
    int favourite = best_but(t, 0);
    int second = favourite < 0 ? -1 : best_but(t, 1u << favourite);

    queue_clear(t);
    if (second < 0) {
        enter(t, t->episodes ? ELO_LEARNING : ELO_NEW);
        return;
    }
    queue_push(t, favourite);
    queue_push(t, second);
    queue_push(t, favourite);
    queue_push(t, worst_playable(t));
    enter(t, ELO_AUDITION);
}

/*
 * A flat start again, but what was played is known. Par was set by what the prior said of the first arm, so
 * the scale is laid anew through the middle of the arms that were seen.
 */
static void refute_prior(struct elo_table *t)
{
    int64_t sum = 0, count = 0;

    for (int i = 0; i < ELO_ARMS; i++) {
        struct elo_arm *a = &t->arm[i];
        if (a->plays == 0)
            continue;
        a->rating_q20 = rating_of(t, i).mean_q20;
        if (a->matches_q16 < 1u << 15)
            a->matches_q16 = 1u << 15;
        sum += a->rating_q20;
        count++;
    }
    int64_t middle = count ? sum / count : 0;
    for (int i = 0; i < ELO_ARMS; i++) {
        struct elo_arm *a = &t->arm[i];
        a->prior_q20 = 0;
        if (a->plays)
            a->rating_q20 = clamp_log_q20(a->rating_q20 - middle);
    }
    t->par_q20 = clamp_par_q20(t->par_q20 - middle);
    t->prior_var_q24 = RATING_PRIOR_VAR_Q24;
    queue_clear(t);
    resume(t);
}

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
        if (t->arm[i].plays)
            t->par_q20 = clamp_par_q20((int64_t)t->par_q20 + t->arm[i].prior_q20 - before);
    }
    uint64_t d = deviation_q10 < PRIOR_SUREST_Q10 ? PRIOR_SUREST_Q10
                 : deviation_q10 > 2896           ? 2896
                                                  : deviation_q10;
    t->prior_var_q24 = clamp_var_q24((int64_t)(d * d << 4));
    rating_refresh_all(t);
    t->champion = rating_best(t);
    if (ELO_MUTATE != MUTATE_NO_AUDITION)
        start_audition(t);
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
    t->purse_q10 = t->price_q10 = 0;
    t->audit = -1;
    t->replaces = t->is_delta = 0;
    queue_clear(t);
    if (t->noise_q24 == 0)
        t->noise_q24 = RATING_NOISE_VAR_Q24;
    if (t->prior_var_q24 == 0)
        t->prior_var_q24 = RATING_PRIOR_VAR_Q24;
    rating_refresh_all(t);
    t->champion = rating_best(t);
    if (t->episodes == 0 && t->state != ELO_AUDITION)
        enter(t, ELO_NEW);
    else if (t->state == ELO_AUDITION)
        start_audition(t);
    else if (t->state == ELO_LEARNING || t->champion < 0)
        enter(t, ELO_LEARNING);
    else
        resume(t); /* an arm that could not be played there may be playable here */
}

/* ---- pick ------------------------------------------------------------------------------------ */

/* Thompson sampling: one draw from every belief, the best draw is played. */
static int thompson(struct elo_table *t)
{
    int64_t best_draw = INT64_MIN;
    int best = 0;

    for (int i = 0; i < ELO_ARMS; i++) {
        if (!is_playable(t, i))
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

static HAK_NOINLINE int pick_thoughtfully(struct elo_table *t)
{
    if (t->queue.given < t->queue.length)
        return t->queue.arm[t->queue.given++];
    if (t->state == ELO_REMATCH)
        return t->champion;
    if (t->state == ELO_DECIDED && t->audit >= 0) {
        int arm = t->audit;
        t->audit = -1;
        t->purse_q10 = 0;
        t->steady = t->champion;
        return arm;
    }
    return thompson(t);
}

int elo_pick(struct elo_table *t)
{
    if (HAK_LIKELY(t->steady >= 0))
        return t->steady;
    return pick_thoughtfully(t);
}

/* ---- audits ---------------------------------------------------------------------------------- */

/* What one episode of arm i is expected to cost beyond the champion's, in the champion's costs. */
static int32_t audit_price_q10(const struct elo_table *t, int i)
{
    int64_t behind = (int64_t)t->score_q20[t->champion] - t->score_q20[i];
    int64_t price = (int64_t)(fixed_exp2_q20(behind > 10 << 20 ? 10 << 20 : behind) >> 10) - 1024;

    return price < AUDIT_LEAST_Q10 ? AUDIT_LEAST_Q10 : (int32_t)price;
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

/* ---- alarm, rematch, reopening ---------------------------------------------------------------- */

static void start_rematch(struct elo_table *t)
{
    uint32_t seen = 1u << t->champion;

    rating_refresh_all(t);
    queue_clear(t);
    for (int k = 0; k < 3; k++) {
        int challenger = best_but(t, seen);
        if (challenger < 0)
            challenger = best_but(t, 1u << t->champion);
        if (challenger < 0)
            return;
        seen |= 1u << challenger;
        queue_push(t, t->champion);
        queue_push(t, challenger);
    }
    enter(t, ELO_REMATCH);
}

/* CUSUM of the champion's surprises, both ways. True: they no longer look like chance. */
static bool champion_moved(struct elo_table *t, int32_t z_q10)
{
    int64_t z = z_q10 > HUBER_Q10 ? HUBER_Q10 : z_q10 < -HUBER_Q10 ? -HUBER_Q10 : z_q10;
    int64_t slower = (int64_t)t->slower_q10 - z - CUSUM_SLACK_Q10;
    int64_t faster = (int64_t)t->faster_q10 + z - CUSUM_SLACK_Q10;

    t->slower_q10 = slower < 0 ? 0 : slower > 1 << 20 ? 1 << 20 : (uint32_t)slower;
    t->faster_q10 = faster < 0 ? 0 : faster > 1 << 20 ? 1 << 20 : (uint32_t)faster;
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
        add_evidence(a, shown[k], 1 << 16);
    }
    t->par_var_q24 = clamp_var_q24((int64_t)t->par_var_q24 + rating_noise_q24(t));
    t->reopened = add_saturating(t->reopened, 1);
    queue_clear(t);
    rating_refresh_all(t);
    t->champion = rating_best(t);
    t->slower_q10 = t->faster_q10 = 0;
    enter(t, ELO_LEARNING);
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
        queue_clear(t); /* a false alarm */
        resume(t);
        return;
    }
    bool together = own < 0 ? others * 2 <= own : others * 2 >= own && others <= own * 2;
    if (!together) {
        reopen(t);
        return;
    }
    t->par_q20 = clamp_par_q20(t->par_q20 - (own + others) / 2);
    t->par_var_q24 = clamp_var_q24((int64_t)t->par_var_q24 + rating_noise_q24(t));
    queue_clear(t);
    resume(t);
}

/* ---- report ---------------------------------------------------------------------------------- */

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
    int64_t z = z_q10 > HUBER_Q10 ? HUBER_Q10 : z_q10 < -HUBER_Q10 ? -HUBER_Q10 : z_q10;
    int64_t over_q10 = ((z * z) >> 10) - 973; /* 0.95 is the mean square of a clipped normal deviate */
    int64_t window = t->repeats < NOISE_WINDOW - 4 ? t->repeats + 4 : NOISE_WINDOW;
    int64_t noise = rating_noise_q24(t);

    noise += ((noise * over_q10 >> 10) * share_q10 >> 10) / window;
    t->noise_q24 = clamp_var_q24(noise < RATING_NOISE_LEAST_Q24 ? RATING_NOISE_LEAST_Q24 : noise);
}

/* Counts an episode for the slow-tail account. True: it was a stall. */
static bool watch_tail(struct elo_arm *a, int64_t margin_q20, int32_t z_q10)
{
    bool first = a->watched == 0; /* nothing is known yet of what it usually costs */
    bool slow = !first && margin_q20 < -SLOW_Q20 && z_q10 < -HUBER_Q10;

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

struct match {
    int32_t z_q10; /* margin less expected margin, in standard deviations */
    bool stalled;
};

/* One match of the filter: arm, par, noise, drift. */
static struct match play_match(struct elo_table *t, int arm, int32_t x_q20)
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
    m.stalled = watch_tail(a, margin, m.z_q10);

    int64_t size = m.z_q10 < 0 ? -(int64_t)m.z_q10 : m.z_q10;
    int64_t wide = spread;
    if (size > HUBER_Q10 && ELO_MUTATE != MUTATE_NO_HUBER)
        wide = spread * size / HUBER_Q10;
    add_evidence(a, shown, (noise << 16) / (wide - r.var_q24));
    t->par_q20 = clamp_par_q20(t->par_q20 - margin * pv / wide);
    t->par_var_q24 = clamp_var_q24(pv - pv * pv / wide);
    follow_noise(t, m.z_q10, (noise << 10) / spread);
    follow_drift(t, m.z_q10);
    return m;
}

/* The first episode of all says what par is, by what was expected of its arm. */
static void first_report(struct elo_table *t, int arm, int32_t x_q20)
{
    t->par_q20 = clamp_par_q20((int64_t)x_q20 + rating_of(t, arm).mean_q20);
    t->par_var_q24 = clamp_var_q24(3 * (int64_t)rating_noise_q24(t));
    rating_refresh(t, arm);
    t->champion = is_playable(t, arm) ? arm : -1;
    if (t->state == ELO_AUDITION)
        queue_note(t, arm, 0);
    else
        enter(t, t->playable & (t->playable - 1) ? ELO_LEARNING : ELO_DECIDED);
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
    else if (arm == before && t->arm[arm].plays > 8 && champion_moved(t, m->z_q10)) {
        start_rematch(t);
        return;
    }
    if (test && t->episodes >= FREEZE_FROM && rating_is_clear(t, t->champion, RATING_BAND_Q20)) {
        t->slower_q10 = t->faster_q10 = 0;
        enter(t, ELO_DECIDED);
    }
}

static void report_decided(struct elo_table *t, int arm, const struct match *m)
{
    if (arm != t->champion) {
        if (is_playable(t, arm) &&
            rating_promises(t, arm, t->champion, REOPEN_BAND * RATING_BAND_Q20))
            enter(t, ELO_LEARNING);
        return;
    }
    if (champion_moved(t, m->z_q10)) {
        start_rematch(t);
        return;
    }
    /* A champion that stalls, or slips by degrees, is looked at whole. */
    if (m->stalled || t->episodes % 64 == 0) {
        rating_refresh_all(t);
        if (!rating_is_clear(t, arm, REOPEN_BAND * RATING_BAND_Q20)) {
            enter(t, ELO_LEARNING);
            return;
        }
    }
    save_for_audit(t);
}

static void report_rematch(struct elo_table *t, int arm, int32_t x_q20)
{
    int64_t margin = (int64_t)t->par_q20 - x_q20 - rating_of(t, arm).mean_q20;

    if (queue_note(t, arm, clamp_log_q20(margin)))
        conclude_rematch(t);
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
    if (first) {
        first_report(t, arm, x_q20);
        return;
    }
    if (!first_of_arm)
        t->repeats = add_saturating(t->repeats, 1);
    if (t->state == ELO_REMATCH) {
        report_rematch(t, arm, x_q20);
        return;
    }
    struct match m = play_match(t, arm, x_q20);
    if (arm != t->champion && !first_of_arm && m.z_q10 > SURPRISE_Q10) {
        a->rating_q20 = clamp_log_q20((int64_t)t->par_q20 - x_q20);
        a->matches_q16 = 1 << 16;
    }
    rating_refresh(t, arm);
    if (t->state == ELO_DECIDED) {
        report_decided(t, arm, &m);
        return;
    }
    if (t->state == ELO_AUDITION) {
        int32_t size = m.z_q10 < 0 ? -m.z_q10 : m.z_q10;
        if (first_of_arm && size > REFUTED_Q10)
            refute_prior(t);
        else if (queue_note(t, arm, 0))
            resume(t);
        return;
    }
    report_learning(t, arm, &m);
}
