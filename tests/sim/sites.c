#include "sites.h"

#include <math.h>
#include <string.h>

#include "policy/arms.h"

/* ---- randomness -------------------------------------------------------------------------------- */

static uint64_t random_bits(struct sim_random *r)
{
    uint64_t a = r->state[0], b = r->state[1]; /* xorshift128+ */

    r->state[0] = b;
    a ^= a << 23;
    r->state[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return r->state[1] + b;
}

void sim_seed(struct sim_random *r, uint64_t seed)
{
    r->state[0] = seed * 0x9e3779b97f4a7c15u + 1;
    r->state[1] = ~seed * 0xd1342543de82ef95u + 3;
    for (int i = 0; i < 20; i++)
        random_bits(r);
}

double sim_uniform(struct sim_random *r, double low, double high)
{
    return low + (high - low) * (double)(random_bits(r) >> 11) * 0x1p-53;
}

double sim_gauss(struct sim_random *r)
{
    double u = sim_uniform(r, 1e-300, 1), v = sim_uniform(r, 0, 2 * M_PI);

    return sqrt(-2 * log(u)) * cos(v);
}

static int any(struct site *s, int n)
{
    return (int)sim_uniform(&s->random, 0, n) % n;
}

static void shuffle(struct site *s)
{
    for (int i = SIM_ARMS - 1; i > 0; i--) {
        int k = any(s, i + 1);
        double keep = s->mean[i];
        s->mean[i] = s->mean[k];
        s->mean[k] = keep;
    }
}

/* ---- families ---------------------------------------------------------------------------------- */

static void draw_ladder_to(struct site *s, double top)
{
    for (int i = 0; i < SIM_ARMS; i++)
        s->mean[i] = pow(top, i / (SIM_ARMS - 1.0));
    shuffle(s);
}

static void draw_ladder(struct site *s)
{
    draw_ladder_to(s, 4);
}

static void draw_one_in_24(struct site *s)
{
    for (int i = 0; i < SIM_ARMS; i++)
        s->mean[i] = 10;
    s->mean[any(s, SIM_ARMS)] = 1;
}

static void draw_backing(struct site *s)
{
    int good = any(s, 2);

    for (int i = 0; i < SIM_ARMS; i++)
        s->mean[i] = sim_uniform(&s->random, 1, 1.3) * (i / 12 == good ? 1 : 10);
}

static void draw_close(struct site *s)
{
    for (int i = 0; i < SIM_ARMS; i++)
        s->mean[i] = sim_uniform(&s->random, 1.02, 1.10);
    s->mean[any(s, SIM_ARMS)] = 1;
}

static void draw_close_quiet(struct site *s)
{
    draw_close(s);
    s->sigma = 0.05;
}

static void draw_close_noisy(struct site *s)
{
    draw_close(s);
    s->sigma = 0.5;
}

static void draw_three_equal(struct site *s)
{
    static const double of_class[3] = {1, 1.5, 2.5};

    for (int i = 0; i < SIM_ARMS; i++)
        s->mean[i] = of_class[i % 3];
    shuffle(s);
}

static void draw_all_equal(struct site *s)
{
    for (int i = 0; i < SIM_ARMS; i++)
        s->mean[i] = 1;
}

static void draw_convex(struct site *s)
{
    int best = any(s, SIM_ARMS);
    double steep = sim_uniform(&s->random, 1, 4);

    for (int i = 0; i < SIM_ARMS; i++)
        s->mean[i] = 1 + steep * pow((i - best) / 12.0, 2);
}

/* Two dimensions of four and six values; which value of one is good depends on the other. */
static void draw_interacting(struct site *s)
{
    int good[4];

    for (int row = 0; row < 4; row++)
        good[row] = any(s, 6);
    for (int i = 0; i < SIM_ARMS; i++)
        s->mean[i] = (1 + 0.3 * (i / 6)) * (i % 6 == good[i / 6] ? 1 : 2.5);
}

static void draw_outliers(struct site *s)
{
    draw_ladder_to(s, 3);
    for (int i = 0; i < SIM_ARMS; i++)
        s->slow_chance[i] = 0.05;
}

/* Whoever is served, the machine now and then has something else to do. */
static void draw_preempted(struct site *s)
{
    draw_ladder_to(s, 1.5);
    for (int i = 0; i < SIM_ARMS; i++)
        s->slow_chance[i] = 0.03;
    s->slow_low = 100;
    s->slow_high = 1000;
    s->sigma = 0.1;
}

static void draw_drift(struct site *s)
{
    draw_ladder_to(s, 3);
    s->drift = 0.02;
    s->jump_chance = 0.005;
}

/* The quickest arms stall twentyfold, one time in twenty. */
static void draw_slow_tail(struct site *s)
{
    for (int i = 0; i < SIM_ARMS; i++)
        s->mean[i] = sim_uniform(&s->random, 1.2, 3);
    s->mean[0] = 1.2;
    s->mean[1] = 1;
    s->slow_chance[1] = 0.05;
    s->slow_low = s->slow_high = 20;
}
static void draw_slow_tails(struct site *s)
{
    draw_slow_tail(s);
    for (int i = 1; i <= 4; i++) {
        s->mean[i] = sim_uniform(&s->random, 0.95, 1.05);
        s->slow_chance[i] = 0.05;
    }
}

static void draw_noisy(struct site *s)
{
    draw_ladder_to(s, 3);
    s->sigma = 1;
}

const struct family families[] = {
    {"one arm of 24 is 10x better", draw_one_in_24, CHANGE_NONE, true},
    {"one backing is 10x worse", draw_backing, CHANGE_NONE, true},
    {"a ladder, 1 to 4x", draw_ladder, CHANGE_NONE, true},
    {"2-10 % apart, little noise", draw_close_quiet, CHANGE_NONE, true},
    {"2-10 % apart, much noise", draw_close_noisy, CHANGE_NONE, true},
    {"three exactly equal classes", draw_three_equal, CHANGE_NONE, true},
    {"all equal", draw_all_equal, CHANGE_NONE, true},
    {"convex", draw_convex, CHANGE_NONE, true},
    {"two interacting dimensions", draw_interacting, CHANGE_NONE, true},
    {"5 % outliers of 5-20x", draw_outliers, CHANGE_NONE, true},
    {"common drift with jumps", draw_drift, CHANGE_NONE, true},
    {"slow tail", draw_slow_tail, CHANGE_NONE, true},
    {"noise sigma 1", draw_noisy, CHANGE_NONE, true},
    {"champion becomes 4x slower", draw_ladder, CHANGE_CHAMPION_SLOWER, false},
    {"everything redrawn", draw_ladder, CHANGE_REDRAWN, false},
    {"another becomes 3x better", draw_ladder, CHANGE_ANOTHER_BETTER, false},
    {"3 % outliers of 100-1000x", draw_preempted, CHANGE_NONE, false},
    {"four arms with a slow tail", draw_slow_tails, CHANGE_NONE, false},
};
const int nr_families = sizeof(families) / sizeof(families[0]);

/* Three classes of arms that do the same thing. */
static void draw_three_classes(struct site *s)
{
    double of_class[3] = {1, sim_uniform(&s->random, 1.2, 2), sim_uniform(&s->random, 1.5, 4)};

    s->classes = 0;
    for (int i = 0; i < SIM_ARMS; i++) {
        s->stands_for[i] = (uint8_t)(i % 3);
        s->mean[i] = of_class[i % 3];
    }
    s->classes = 7;
}
const struct family three_classes = {"three classes", draw_three_classes, CHANGE_ANOTHER_BETTER,
                                     false};

/*
 * A site as it is: so many bytes, of which a share is touched, living and idling so long. What an arm costs is
 * added up from the prices of what it does (ns for base and huge pages; a byte held for a second at 133 ms of
 * CPU per GiB); arms that do the same thing cost the same, and are pooled as the allocator pools them.
 */
static void draw_mechanistic(struct site *s)
{
    struct sim_random *r = &s->random;
    double bytes = exp2(sim_uniform(r, 17, 27));
    double touched = sim_uniform(r, 0, 1) < 0.25 ? sim_uniform(r, 0.01, 0.2) : 1;
    double live_s = exp(sim_uniform(r, log(1e-6), log(0.1)));
    double idle_s = exp(sim_uniform(r, log(1e-6), log(10)));
    double held = 133e6 / (1 << 30); /* ns per byte and second */
    double contended = sim_uniform(r, 1, 4);
    struct arm_abilities can = {.huge_pages = bytes >= 2 << 20 && sim_uniform(r, 0, 1) < 0.8,
                                .heap = bytes < 32 << 20,
                                .mmap = 1,
                                .lazy = sim_uniform(r, 0, 1) < 0.9,
                                .prefault = sim_uniform(r, 0, 1) < 0.8};

    s->sigma = sim_uniform(r, 0.05, 0.4);
    s->work = bytes * touched * exp(sim_uniform(r, log(0.25), log(4)));
    s->classes = arm_pool(&can, s->stands_for);
    for (int i = 0; i < SIM_ARMS; i++) {
        /* A masked arm is served as the first that is not. */
        if (s->stands_for[i] == ARM_NONE)
            s->stands_for[i] = (uint8_t)__builtin_ctz(s->classes);
    }
    for (int i = 0; i < SIM_ARMS; i++) {
        const struct arm *a = &arms[s->stands_for[i]];
        double page = a->pages == PAGES_HUGE ? 2 << 20 : 4096;
        double fault = (a->pages == PAGES_HUGE ? 43e3 : 1560) * contended;
        double share = a->fill == FILL_PREFAULT                ? 1
                       : a->pages == PAGES_HUGE && touched < 1 ? fmin(1, touched * 8)
                                                               : touched;
        double pages = ceil(bytes * share / page);
        double fill = pages * fault * (a->fill == FILL_PREFAULT ? 0.6 : 1);
        double cost = 400 + pages * page * live_s * held;
        double keep_s = fmin(idle_s, fill / (pages * page * held)); /* until break-even */
        bool reused = idle_s <= keep_s;
        if (a->backing == BACKING_HEAP && bytes >= 128 << 10)
            cost += 2600 + fill + pages * 200 * contended;
        else if (a->backing == BACKING_HEAP)
            cost += 100 + (reused ? 0 : fill) + pages * page * keep_s * held;
        else if (a->retain == RETAIN_KEEP)
            cost += 150 + (reused ? 0 : fill + pages * 90) + pages * page * keep_s * held;
        else if (a->retain == RETAIN_LAZY)
            cost += 800 + pages * (a->pages == PAGES_HUGE ? 900 : 100) +
                    (idle_s < 1 ? 0.1 * fill : fill) + pages * page * fmin(idle_s, 1) * held / 2;
        else
            cost += 1200 + fill + pages * (a->pages == PAGES_HUGE ? 2000 : 110) * contended;
        s->mean[i] = cost;
    }
}
const struct family mechanistic = {"mechanistic", draw_mechanistic, CHANGE_NONE, true};

/* ---- a site ------------------------------------------------------------------------------------ */

void site_draw(struct site *s, const struct family *f, uint64_t seed)
{
    memset(s, 0, sizeof(*s));
    sim_seed(&s->random, seed);
    s->sigma = 0.3;
    s->slow_low = 5;
    s->slow_high = 20;
    s->change = f->change;
    s->classes = (1u << SIM_ARMS) - 1;
    for (int i = 0; i < SIM_ARMS; i++)
        s->stands_for[i] = (uint8_t)i;
    f->draw(s);
    if (f != &mechanistic)
        s->level = log(exp2(sim_uniform(&s->random, 9, 22)));
}

void site_change(struct site *s)
{
    int best = site_best(s);
    double best_mean = s->mean[best];

    switch (s->change) {
    case CHANGE_NONE:
        break;
    case CHANGE_CHAMPION_SLOWER:
        s->mean[best] *= 4;
        break;
    case CHANGE_REDRAWN:
        shuffle(s);
        break;
    case CHANGE_ANOTHER_BETTER: {
        int other = best;
        while (s->stands_for[other] == s->stands_for[best])
            other = any(s, SIM_ARMS);
        for (int i = 0; i < SIM_ARMS; i++)
            if (s->stands_for[i] == s->stands_for[other])
                s->mean[i] = best_mean / 3;
        break;
    }
    }
}

double site_expected(const struct site *s, int arm)
{
    double stall = (s->slow_low + s->slow_high) / 2 - 1;

    return s->work + s->mean[arm] * (1 + s->slow_chance[arm] * stall);
}

int site_best(const struct site *s)
{
    int best = 0;

    for (int i = 1; i < SIM_ARMS; i++)
        if (site_expected(s, i) < site_expected(s, best))
            best = i;
    return best;
}

uint64_t site_play(struct site *s, int arm)
{
    struct sim_random *r = &s->random;

    s->level += s->drift > 0 ? s->drift * sim_gauss(r) : 0;
    if (s->jump_chance > 0 && sim_uniform(r, 0, 1) < s->jump_chance)
        s->level += sim_uniform(r, 0, 1) < 0.5 ? log(2) : -log(2);
    double x = s->level + log(s->mean[arm]) + s->sigma * sim_gauss(r) - s->sigma * s->sigma / 2;
    double cost = exp(x);
    if (s->slow_chance[arm] > 0 && sim_uniform(r, 0, 1) < s->slow_chance[arm])
        cost *= sim_uniform(r, s->slow_low, s->slow_high);
    return cost < 1 ? 1 : cost > 1e18 ? (uint64_t)1e18 : (uint64_t)cost;
}
