/*
 * Plays a table against arms of known costs, for the tests of the learner.
 */
#ifndef HAK_TESTS_UNIT_ELO_PLAY_H
#define HAK_TESTS_UNIT_ELO_PLAY_H

#include <math.h>

#include "elo/elo.h"

#define ALL_ARMS ((1u << ELO_ARMS) - 1)

struct play {
    double mean_ns[ELO_ARMS];
    double sigma; /* of the natural log */
    uint64_t random;
};

/* Arm i costs `ns` times `step` to the i. */
static inline struct play play_ladder(double ns, double step, double sigma, uint64_t seed)
{
    struct play p = {.sigma = sigma, .random = seed * 2 + 1};

    for (int i = 0; i < ELO_ARMS; i++)
        p.mean_ns[i] = ns * pow(step, i);
    return p;
}

static inline double play_uniform(struct play *p)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(p->random >> 12) * 0x1p-52;
}

static inline uint64_t play_cost(struct play *p, int arm)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += play_uniform(p);
    return (uint64_t)(p->mean_ns[arm] * exp(p->sigma * sum));
}

static inline void play_episodes(struct elo_table *t, struct play *p, int episodes)
{
    for (int i = 0; i < episodes; i++) {
        int arm = elo_pick(t);
        elo_report(t, arm, play_cost(p, arm));
    }
}

#endif
