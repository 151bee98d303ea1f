#include "players.h"

#include <math.h>
#include <string.h>

/* ---- Par-Elo ----------------------------------------------------------------------------------- */

static void par_init(struct player *p, uint32_t playable, uint64_t seed)
{
    elo_init(&p->elo, playable, seed);
}

static int par_pick(struct player *p)
{
    return elo_pick(&p->elo);
}

static void par_report(struct player *p, int arm, uint64_t cost_ns)
{
    elo_report(&p->elo, arm, cost_ns);
}

static int par_final(const struct player *p)
{
    return elo_champion(&p->elo);
}

const struct player_kind par_elo = {"Par-Elo", par_init, par_pick, par_report, par_final};

/* ---- what both rivals need ----------------------------------------------------------------------- */

static void rival_init(struct player *p, uint32_t playable, uint64_t seed)
{
    memset(p, 0, sizeof(*p));
    p->playable = playable;
    p->noise = 0.1;
    sim_seed(&p->random, seed);
    for (int i = 0; i < SIM_ARMS; i++)
        p->rating[i] = 1500;
}

static int any_playable(struct player *p)
{
    for (;;) {
        int i = (int)sim_uniform(&p->random, 0, SIM_ARMS) % SIM_ARMS;
        if (p->playable >> i & 1)
            return i;
    }
}

/* ---- the design that Par-Elo replaced ------------------------------------------------------------ */

static int greedy_best(const struct player *p)
{
    int best = -1;

    for (int i = 0; i < SIM_ARMS; i++)
        if ((p->playable >> i & 1) && (best < 0 || p->rating[i] > p->rating[best]))
            best = i;
    return best;
}

static int greedy_pick(struct player *p)
{
    if (sim_uniform(&p->random, 0, 1) < 0.1)
        return any_playable(p);
    return greedy_best(p);
}

/* The arm meets the stored cost of a random other one. */
static void greedy_report(struct player *p, int arm, uint64_t cost_ns)
{
    int other = any_playable(p);

    p->last[arm] = (double)cost_ns;
    if (other == arm || p->last[other] == 0)
        return;
    double expected = 1 / (1 + pow(10, (p->rating[other] - p->rating[arm]) / 400));
    double score = p->last[arm] < p->last[other] ? 1 : p->last[arm] > p->last[other] ? 0 : 0.5;
    p->rating[arm] += 32 * (score - expected);
    p->rating[other] -= 32 * (score - expected);
}

const struct player_kind greedy_elo = {"original design", rival_init, greedy_pick, greedy_report,
                                       greedy_best};

/* ---- Thompson sampling on mean log-cost ------------------------------------------------------------ */

static int thompson_final(const struct player *p)
{
    int best = -1;

    for (int i = 0; i < SIM_ARMS; i++)
        if (p->plays[i] > 0 && (best < 0 || p->rating[i] < p->rating[best]))
            best = i;
    return best;
}

static int thompson_pick(struct player *p)
{
    double middle = p->count > 0 ? p->sum / p->count : 0, best_draw = INFINITY;
    int best = 0;

    for (int i = 0; i < SIM_ARMS; i++) {
        if (!(p->playable >> i & 1))
            continue;
        /* The same prior as Par-Elo's: 0.73 octaves squared around the middle of what was seen. */
        double precision = 1 / 0.73 + p->plays[i] / p->noise;
        double mean = (middle / 0.73 + p->plays[i] * p->rating[i] / p->noise) / precision;
        double width = sqrt(1 / precision);
        if (p->plays[i] > 0)
            width = fmax(width, 0.65 / p->plays[i]);
        double draw = mean + sim_gauss(&p->random) * width;
        if (draw < best_draw) {
            best_draw = draw;
            best = i;
        }
    }
    return best;
}

static void thompson_report(struct player *p, int arm, uint64_t cost_ns)
{
    double x = log2((double)cost_ns);

    if (p->plays[arm] == 0) {
        p->sum += x;
        p->count++;
        p->rating[arm] = x;
        p->plays[arm] = 1;
        return;
    }
    double off = x - p->rating[arm], n = p->plays[arm];
    double repeats = 4;
    for (int i = 0; i < SIM_ARMS; i++)
        repeats += p->plays[i] > 0 ? p->plays[i] - 1 : 0;
    p->noise += (off * off * n / (n + 1) - p->noise) / fmin(repeats, 256);
    p->noise = fmax(p->noise, 1e-4);
    p->plays[arm]++;
    p->rating[arm] += off / p->plays[arm];
}

const struct player_kind thompson = {"Thompson on mean log-cost", rival_init, thompson_pick,
                                     thompson_report, thompson_final};
