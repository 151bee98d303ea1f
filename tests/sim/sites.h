/*
 * Simulated sites: what an episode of each arm costs, drawn so that the truth is known.
 *
 * A family is a kind of trouble; a site is one draw from it. Costs are log-normal around a mean per arm;
 * whoever plays pays, and is judged by the means, so luck in the noise is not counted as skill.
 */
#ifndef HAK_TESTS_SIM_SITES_H
#define HAK_TESTS_SIM_SITES_H

#include <stdbool.h>
#include <stdint.h>

enum { SIM_ARMS = 24 };

/* The simulator's own generator; not the learner's. */
struct sim_random {
    uint64_t state[2];
};
void sim_seed(struct sim_random *r, uint64_t seed);
double sim_uniform(struct sim_random *r, double low, double high);
double sim_gauss(struct sim_random *r);

enum site_change { CHANGE_NONE, CHANGE_CHAMPION_SLOWER, CHANGE_REDRAWN, CHANGE_ANOTHER_BETTER };

struct site {
    double mean[SIM_ARMS]; /* of ordinary episodes, ns, before drift */
    double work;  /* what the program itself does with the block, ns; not seen by players */
    double sigma; /* of the natural log of an episode's cost */
    double slow_chance[SIM_ARMS];
    double slow_low, slow_high; /* a stall multiplies the cost by this, uniformly */
    double drift, jump_chance;  /* of the log of all costs, per episode */
    double level;               /* log of the common factor now */
    uint32_t classes;           /* arms that stand for themselves, when arms are pooled */
    uint8_t stands_for[SIM_ARMS];
    enum site_change change; /* at half time */
    struct sim_random random;
};

struct family {
    const char *name;
    void (*draw)(struct site *s);
    enum site_change change;
    bool stationary;
};
extern const struct family families[];
extern const int nr_families;
extern const struct family mechanistic; /* arms priced by what they do: many do the same */
extern const struct family three_classes;

/* A site of that family. */
void site_draw(struct site *s, const struct family *f, uint64_t seed);

/* The change at half time happens. */
void site_change(struct site *s);

/* Expected cost of an episode, without the common factor. */
double site_expected(const struct site *s, int arm);
int site_best(const struct site *s);

/* Time passes, and one episode of the arm is played: its cost, ns. */
uint64_t site_play(struct site *s, int arm);

#endif
