/*
 * Par-Elo: the bandit that rates the arms of one site and band (docs/learning.md has the arithmetic).
 *
 * Pure integer arithmetic on plain structs: no clock, no lock, no allocation, no global state. The
 * caller serialises access to one table. Logs are base 2, in octaves: a factor of two in cost. Qn has n
 * fractional bits: logs are Q10 in arguments and Q20 in tables, variances Q24.
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
    ELO_DECIDED, /* no challenger promises more than the draw band; the champion is played */
    ELO_REMATCH, /* an alarm: is it the champion that got slower, or everything? */
    ELO_STATE_COUNT,
};
extern const char *const elo_state_names[ELO_STATE_COUNT]; /* "new", "audition", ... */

/* Ranges: logs within 64 octaves, variances (octaves squared, Q24) within 8, 4096 matches remembered. */
#define ELO_LOG_MAX     (64 << 20)
#define ELO_VAR_MAX     (1u << 27)
#define ELO_MATCHES_MAX (1u << 28)
#define ELO_EXCESS_MAX  ((uint64_t)1 << 52)

/*
 * An arm. Its rating is what its own matches say, the prior kept apart, so that tables add and subtract.
 *   rating_q20       mean margin against par, log2: 1 << 20 is twice as cheap as par
 *   matches_q16      how many matches of ordinary noise that mean is worth
 *   prior_q20        what was expected before any match; counts as the table's prior_var_q24 says
 *   plays            episodes, ever
 *   watched, slow, slow_excess_q10   the slow-tail account: episodes watched, those that stalled, and by
 *                    how much in sum (cost over expected cost, less one)
 */
#define ELO_ARM_FIELDS(X)                                                                          \
    X(int32_t, rating_q20, -ELO_LOG_MAX, ELO_LOG_MAX)                                              \
    X(uint32_t, matches_q16, 0, ELO_MATCHES_MAX)                                                   \
    X(int32_t, prior_q20, -ELO_LOG_MAX, ELO_LOG_MAX)                                               \
    X(uint32_t, plays, 0, UINT32_MAX)                                                              \
    X(uint32_t, watched, 0, UINT32_MAX)                                                            \
    X(uint32_t, slow, 0, UINT32_MAX)                                                               \
    X(uint64_t, slow_excess_q10, 0, ELO_EXCESS_MAX)

/*
 * A site and band.
 *   state                    enum elo_state
 *   par_q20, par_var_q24     log2 ns of an arm of rating 0 now, and how sure that is
 *   drift_q24                variance par gains from one episode to the next
 *   noise_q24                variance of one episode's log2 cost, pooled over the arms
 *   prior_var_q24            variance of the arms' priors
 *   last_z_q10               the last match's surprise, in standard deviations
 *   slower_q10, faster_q10   CUSUM sums of the champion's surprises
 *   episodes                 reports, ever
 *   reopened                 how often the table was reopened
 */
#define ELO_TABLE_FIELDS(X)                                                                        \
    X(uint32_t, state, 0, ELO_STATE_COUNT - 1)                                                     \
    X(int32_t, par_q20, 0, ELO_LOG_MAX)                                                            \
    X(uint32_t, par_var_q24, 0, ELO_VAR_MAX)                                                       \
    X(uint32_t, drift_q24, 0, ELO_VAR_MAX)                                                         \
    X(uint32_t, noise_q24, 0, ELO_VAR_MAX)                                                         \
    X(uint32_t, prior_var_q24, 0, ELO_VAR_MAX)                                                     \
    X(int32_t, last_z_q10, -4096, 4096)                                                            \
    X(uint32_t, slower_q10, 0, 1u << 20)                                                           \
    X(uint32_t, faster_q10, 0, 1u << 20)                                                           \
    X(uint32_t, episodes, 0, UINT32_MAX)                                                           \
    X(uint32_t, reopened, 0, UINT32_MAX)

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
    /* What is not kept in files, and is made by elo_init() and elo_set_playable(). */
    int32_t steady;   /* the arm elo_pick() plays without further ado; -1: it has to think */
    int32_t champion; /* as of the last look; -1: none */
    int32_t score_q20[ELO_ARMS]; /* rating, prior and slow tail together */
    int32_t width_q20[ELO_ARMS]; /* standard deviation of that */
    uint16_t out[ELO_ARMS];      /* picked with some thought, and not reported yet */
    uint32_t repeats;            /* plays but each arm's first */
    uint64_t random;             /* generator */
    int32_t purse_q10;           /* saved up for the next audit, in costs of the champion */
    int32_t price_q10;           /* of that audit */
    int32_t audit;               /* the arm to be audited; -1: none chosen yet */
    uint32_t apart;              /* the arms that play on other memory than the rest */
    uint32_t draw_q20; /* what is not worth finding out, in octaves of the champion's cost */
    uint64_t entry_ns[ELO_ARMS]; /* what playing an arm costs where nothing is warm for it */
    uint32_t replaces;           /* a delta: arms that replace what they are merged into */
    uint32_t is_delta;           /* made by elo_delta(): shares the rating scale of its base */
    struct elo_queue {           /* matches of a rematch or an audition */
        uint8_t length;          /* slots */
        uint8_t given;           /* so many were handed out by elo_pick() */
        uint8_t done;            /* a bit for each slot that was reported */
        uint8_t patience;        /* reports it may still take */
        uint8_t arm[8];
        int32_t margin_q20[8]; /* how much cheaper than expected */
    } queue;
};

/*
 * To load a table: elo_init(), set the fields of the two lists above, elo_is_valid(), and before the first
 * pick elo_set_playable(). elo_champion(), elo_points(), elo_deviation(), elo_merge() and elo_delta() look
 * at the fields of the lists alone. A table of zeros is an empty one.
 */

/* A flat start. `playable` has at least one bit; `seed` makes runs repeat (the site id). */
void elo_init(struct elo_table *t, uint32_t playable, uint64_t seed);

/* After loading from a file, or when the machine differs: which arms can be played here now. */
void elo_set_playable(struct elo_table *t, uint32_t playable, uint64_t seed);

/* A prior: predicted log2 cost (Q10 of log2 ns) of every arm, and how far off it may be (standard deviation,
 * Q10 octaves). Only in state ELO_NEW or with fewer than 2 episodes. It will be auditioned. */
void elo_set_prior(struct elo_table *t, const int32_t log2_cost_q10[ELO_ARMS],
                   uint32_t deviation_q10);

/*
 * The arms are on two kinds of memory, those of the set `apart` on the second. An arm that is tried on the kind that the champion
 * does not use finds nothing there that is warm, which costs `entry_ns` beyond what a match shows; and on the champion's kind
 * what it costs more than the champion's own. That is paid from what finding out may cost.
 */
void elo_set_entry(struct elo_table *t, uint32_t apart, const uint64_t entry_ns[ELO_ARMS]);

/*
 * Less than `draw_ns` an episode is not worth finding out: arms that differ by less are as good as equal, and a cost that moves by
 * less is noise. At most an octave. To be renewed as costs change; 0: only the share of 0.2 % is.
 */
void elo_set_draw(struct elo_table *t, uint64_t draw_ns);

/* The arm to play now: always one that is playable. ELO_DECIDED: the champion, no random number. */
int elo_pick(struct elo_table *t);

/* What one episode under `arm` cost, ns (0 counts as 1). */
void elo_report(struct elo_table *t, int arm, uint64_t cost_ns);

/* The arm to play where nothing is learned any more: the highest score, tail handicap included, less its deviation, so that few
 * lucky plays do not make one. -1 while nothing was played. */
int elo_champion(const struct elo_table *t);

/* For people: Elo points (1500 is par) and their deviation. */
int elo_points(const struct elo_table *t, int arm);
int elo_deviation(const struct elo_table *t, int arm);

/* What `now` learned since it was `base`; for merging into a file that already holds `base`. Arms that were
 * forgotten or reopened since replace what the file says of them. */
void elo_delta(struct elo_table *out, const struct elo_table *now, const struct elo_table *base);

/* Adds what `from` learned. Commutative to rounding; an empty table changes nothing. */
void elo_merge(struct elo_table *into, const struct elo_table *from);

/*
 * The same, but `into` keeps its scale, as others may have gone on from it. By how much the ratings of `from` were moved to fit,
 * octaves Q20: who goes on with the table it was made of has to move that, or its next delta would be of another scale.
 */
int32_t elo_merge_onto(struct elo_table *into, const struct elo_table *from);
void elo_move(struct elo_table *t, int32_t by_q20);

/*
 * Whether every field is in its range, and the fields fit each other: plays add up to episodes (unless those
 * are saturated), plays >= watched >= slow, no more matches than plays, new only without episodes.
 */
bool elo_is_valid(const struct elo_table *t);

/* log2(x) * 1024, rounded down to within 1/1024 octave; exact for powers of two; 0 counts as 1. */
int32_t elo_log2_q10(uint64_t x);

#endif
