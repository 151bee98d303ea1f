/*
 * Who plays the simulated sites: Par-Elo, the design it replaced, and the honest rival without any Elo.
 */
#ifndef HAK_TESTS_SIM_PLAYERS_H
#define HAK_TESTS_SIM_PLAYERS_H

#include "elo/elo.h"
#include "sites.h"

struct player {
    struct elo_table elo; /* Par-Elo's */
    uint32_t playable;
    struct sim_random random;
    double rating[SIM_ARMS]; /* epsilon-greedy Elo: points; Thompson: mean log2 cost */
    double last[SIM_ARMS];   /* epsilon-greedy Elo: the stored cost */
    double plays[SIM_ARMS];
    double sum, count, noise;
};

struct player_kind {
    const char *name;
    void (*init)(struct player *p, uint32_t playable, uint64_t seed);
    int (*pick)(struct player *p);
    void (*report)(struct player *p, int arm, uint64_t cost_ns);
    int (*final)(const struct player *p); /* the arm it holds to be the best */
};

extern const struct player_kind par_elo;
extern const struct player_kind
    greedy_elo; /* epsilon-greedy 10 %, win/loss, K = 32, stored opponent */
extern const struct player_kind thompson; /* on the mean log-cost of each arm */

#endif
