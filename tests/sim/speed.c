/*
 * elo-speed: what the learner costs, ns. Figures to look at, not a test: they depend on the machine.
 */
#include <stdio.h>
#include <time.h>

#include "elo/elo.h"

enum { BATCHES = 15, CALLS = 20000 };

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Costs of arms far enough apart, or not, with some noise; the same in every run. */
static uint64_t cost_of(uint64_t *noise, int arm, unsigned apart)
{
    *noise = *noise * 6364136223846793005u + 1442695040888963407u;
    return 20000 + (unsigned)arm * apart + (*noise >> 52);
}

static volatile int sink;

static double picks(struct elo_table *t)
{
    double best = 1e9;

    for (int b = 0; b < BATCHES; b++) {
        uint64_t from = now_ns();
        for (int i = 0; i < CALLS; i++)
            sink = elo_pick(t);
        double each = (double)(now_ns() - from) / CALLS;
        best = each < best ? each : best;
    }
    return best;
}

static double rounds(struct elo_table *t, unsigned apart)
{
    double best = 1e9;
    uint64_t noise = 1;

    for (int b = 0; b < BATCHES; b++) {
        uint64_t from = now_ns();
        for (int i = 0; i < CALLS; i++) {
            int arm = elo_pick(t);
            elo_report(t, arm, cost_of(&noise, arm, apart));
        }
        double each = (double)(now_ns() - from) / CALLS;
        best = each < best ? each : best;
    }
    return best;
}

/* A table that goes on learning: two arms that no one can tell apart, kept from being decided. */
static double rounds_learning(uint32_t playable)
{
    double best = 1e9;

    for (int b = 0; b < BATCHES; b++) {
        uint64_t spent = 0, noise = (uint64_t)b;
        unsigned calls = 0;
        for (int site = 0; site < 200; site++) {
            struct elo_table t;
            elo_init(&t, playable, (uint64_t)site);
            uint64_t from = now_ns();
            for (int i = 0; i < 200 && t.state != ELO_DECIDED; i++, calls++) {
                int arm = elo_pick(&t);
                elo_report(&t, arm, cost_of(&noise, arm, 100));
            }
            spent += now_ns() - from;
        }
        double each = (double)spent / calls;
        best = each < best ? each : best;
    }
    return best;
}

int main(void)
{
    struct elo_table t;

    printf("%-48s %8.1f ns\n", "pick + report while learning, 3 classes", rounds_learning(7));
    printf("%-48s %8.1f ns\n", "pick + report while learning, 24 arms", rounds_learning(0xffffff));
    elo_init(&t, 0xffffff, 1);
    rounds(&t, 20000);
    printf("%-48s %8.1f ns   (state: %s)\n", "pick + report, decided, 24 arms, with audits",
           rounds(&t, 20000), elo_state_names[t.state]);
    while (t.steady < 0)
        elo_report(&t, t.champion, 20000);
    printf("%-48s %8.1f ns   (state: %s)\n", "pick, decided", picks(&t), elo_state_names[t.state]);
    printf("%-48s %8zu bytes, %zu an arm\n", "a table", sizeof(struct elo_table),
           sizeof(struct elo_arm));
    return 0;
}
