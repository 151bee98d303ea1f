/*
 * Par-Elo: the bandit that rates the arms of one site and band (docs/learning.md has the arithmetic).
 *
 * Pure integer arithmetic on plain structs: no clock, no lock, no allocation, no global state. The
 * caller serialises access to one table. Logs are base 2 with 10 fractional bits (Q10), so one
 * octave, a factor of two in cost, is 1024.
 *
 * The two field tables are the structs, and what a policy file holds of them, with the range a reader
 * accepts: X(type, name, lowest, highest).
 */
#ifndef HAK_ELO_ELO_H
#define HAK_ELO_ELO_H

#include <stdbool.h>
#include <stdint.h>

enum { ELO_ARMS = 24, ELO_Q10 = 1024 };

enum elo_state {
    ELO_NEW,      /* no episode yet */
    ELO_AUDITION, /* a prior is being tried out */
    ELO_LEARNING,
    ELO_DECIDED,  /* no challenger promises more than the draw band; the champion is played */
    ELO_REMATCH,  /* an alarm: is it the champion that got slower, or everything? */
    ELO_STATE_COUNT,
};
extern const char *const elo_state_names[ELO_STATE_COUNT]; /* "new", "audition", ... */

/* TO BE COMPLETED by the elo work: one row per persistent field. */
#define ELO_ARM_FIELDS(X)                                                                          \
    X(int32_t, rating_q10, -65536, 65536)                                                          \
    X(uint32_t, matches_q10, 0, UINT32_MAX)                                                        \
    X(uint32_t, plays, 0, UINT32_MAX)

#define ELO_TABLE_FIELDS(X)                                                                        \
    X(int32_t, par_q10, 0, 65536)                                                                  \
    X(uint32_t, state, 0, ELO_STATE_COUNT - 1)

struct elo_arm {
#define X(type, name, lo, hi) type name;
    ELO_ARM_FIELDS(X)
#undef X
};

struct elo_table {
    uint32_t playable; /* bit i: arm i may be played; pooled and masked arms are not in it */
#define X(type, name, lo, hi) type name;
    ELO_TABLE_FIELDS(X)
#undef X
    struct elo_arm arm[ELO_ARMS];
    /* then what is not kept in files: generator, queue of rematch or audition */
};

/* A flat start. `playable` has at least one bit; `seed` makes runs repeat (the site id). */
void elo_init(struct elo_table *t, uint32_t playable, uint64_t seed);

/* After loading from a file, or when the machine differs: which arms can be played here now. */
void elo_set_playable(struct elo_table *t, uint32_t playable, uint64_t seed);

/* A prior: predicted log2 cost (Q10 of log2 ns) of every arm, and how far off it may be (standard deviation,
 * Q10 octaves). Only in state ELO_NEW or with fewer than 2 episodes. It will be auditioned. */
void elo_set_prior(struct elo_table *t, const int32_t log2_cost_q10[ELO_ARMS], uint32_t deviation_q10);

/* The arm to play now: always one that is playable. ELO_DECIDED: the champion, no random number. */
int elo_pick(struct elo_table *t);

/* What one episode under `arm` cost, ns (0 counts as 1). */
void elo_report(struct elo_table *t, int arm, uint64_t cost_ns);

/* The best played arm, tail handicap included; -1 while nothing was played. */
int elo_champion(const struct elo_table *t);

/* For people: Elo points (1500 is par) and their deviation. */
int elo_points(const struct elo_table *t, int arm);
int elo_deviation(const struct elo_table *t, int arm);

/* What `now` learned since it was `base`; for merging into a file that already holds `base`. */
void elo_delta(struct elo_table *out, const struct elo_table *now, const struct elo_table *base);

/* Adds what `from` learned. Commutative to rounding; an empty table changes nothing. */
void elo_merge(struct elo_table *into, const struct elo_table *from);

/* Whether every field is in its range and the relations between fields hold. */
bool elo_is_valid(const struct elo_table *t);

/* floor(log2(x) * 1024), to 1/1024 octave; x = 0 counts as 1. */
int32_t elo_log2_q10(uint64_t x);

#endif
