/*
 * Gaps: how long the memory of one site's blocks of one band lies unused between two of them, and how long it is
 * therefore worth keeping.
 *
 * Whoever knows nothing of the next gap keeps memory until that has cost as much as having it again would: then at most
 * twice of what was unavoidable is paid. Whoever knows how long gaps are can do better: keep it just longer than the gaps that
 * are worth it, and no longer. Gaps are counted, by size, also those during which the memory was given back; from the
 * counts follows the time that would have been cheapest.
 */
#ifndef HAK_POLICY_GAPS_H
#define HAK_POLICY_GAPS_H

#include <stdint.h>

struct episode;

enum {
    GAP_CLASSES = 16,   /* class i: under 2^i ms, the last: all longer ones */
    GAPS_AWAY_MAX = 32, /* blocks of which it is remembered when they were freed */
    AWAY_FRESH = GAP_CLASSES,
    AWAY_CLASSES,
    GAPS_KEEP_MAX_MS = 1 << (GAP_CLASSES - 2),
};

/* Of one cell, in this process: when what was given back had been freed, oldest first. */
struct gaps {
    uint32_t nr_away;
    uint64_t freed_ns[GAPS_AWAY_MAX];
};

/*
 * What pages cost that were away for so long, measured by faults of the processes that learned: a page that has just been
 * given back is in the cache and known to the host of a virtual machine, one that was given back a second ago may be neither.
 */
struct policy_away {
    uint64_t faults[AWAY_CLASSES];    /* by gap class; AWAY_FRESH: of memory never used before */
    uint64_t times_q10[AWAY_CLASSES]; /* sums: how many times the calibrated price, in 1/1024 */
};

/* What was added to `now` since `then`, and adding that up; all are sums. */
void gaps_away_since(const struct policy_away *now, const struct policy_away *then,
                     struct policy_away *out);
void gaps_away_add(struct policy_away *to, const struct policy_away *from);

/*
 * How many times the calibrated price memory costs that was away for so long, in 1/1024, by the means of each class. `supposed`, of the
 * same shape, counts for as much as some faults do, so that prices do not leap when the first are seen; NULL: what is supposed is
 * what memory costs that was away for a little less, from 16 ms on what fresh memory does, and at first what was calibrated.
 */
void gaps_times_q10(const struct policy_away *away, const uint32_t supposed_q10[AWAY_CLASSES],
                    uint32_t times_q10[AWAY_CLASSES]);

/* The same of AWAY_FRESH alone. */
uint32_t gaps_fresh_q10(const struct policy_away *away, uint64_t supposed_q10);

/* One more of such faults, which took so long. Threads may meet here, and in what reads it. */
void gaps_note_fault(struct policy_away *away, unsigned class, uint64_t took_ns, uint64_t price_ns);

/* Counts the gap that an episode, settled now, shows to be over. The class of a gap during which the memory was away, or -1. */
int gaps_note(struct gaps *g, uint64_t count[GAP_CLASSES], const struct episode *e,
              uint64_t now_ns);

/* When keeping memory has cost as much as having it again, where that is `once_ns` at the calibrated price. */
uint64_t gaps_break_even_ns(const uint32_t times_q10[AWAY_CLASSES], uint64_t once_ns);

/*
 * The cheapest time to keep freed memory, in ms, by those gaps: what lies longer is given back. `never` blocks were
 * not followed by another one, as the last ones of every process are. Where nothing is cheaper, until it breaks even.
 * 0: too little is known.
 */
uint32_t gaps_keep_ms(const uint64_t count[GAP_CLASSES], const uint32_t times_q10[AWAY_CLASSES],
                      uint64_t never, uint64_t once_ns);

/* How many times the calibrated price it costs on average, in 1/1024, to have memory again that was kept for `most_ns`. */
uint32_t gaps_refill_q10(const uint64_t count[GAP_CLASSES], const uint32_t times_q10[AWAY_CLASSES],
                         uint64_t most_ns);

#endif
