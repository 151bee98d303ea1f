#include "policy/gaps.h"

#include <string.h>

#include "base/bits.h"
#include "policy/policy.h"

enum {
    ENOUGH = 8,         /* blocks of which it is known what became of their memory */
    KEEP_MIN_CLASS = 4, /* 16 ms: the timer's tick is 10 */
    FAULTS_ENOUGH = 8,  /* of one class; what is supposed counts for as much */
    TIMES_MAX = 128,    /* what one fault may count for: a host that has to find 2 MiB takes that */
    ONE_Q10 = 1024,
};

static const uint64_t NS_PER_MS = 1000000;
static const uint64_t ONCE_MAX_NS = (uint64_t)1 << 50; /* 13 days: so that no sum overflows */

static unsigned class_of(uint64_t ns)
{
    uint64_t ms = ns / NS_PER_MS;
    unsigned class = ms == 0 ? 0 : (unsigned)(64 - __builtin_clzll(ms));
    return class < GAP_CLASSES ? class : GAP_CLASSES - 1;
}

/* Three quarters of its upper bound, the lowest class's a half. */
static uint64_t middle_ns(unsigned class)
{
    return class == 0 ? NS_PER_MS / 2 : (NS_PER_MS << class) / 4 * 3;
}

/* The block that began cold could have had the memory that was freed last before that: where it is, or -1. */
static int away_before(const struct gaps *g, uint64_t born_ns)
{
    int i = (int)g->nr_away - 1;
    while (i >= 0 && g->freed_ns[i] > born_ns)
        i--;
    return i;
}

static void remove_at(struct gaps *g, uint32_t i)
{
    g->nr_away--;
    memmove(&g->freed_ns[i], &g->freed_ns[i + 1], (g->nr_away - i) * sizeof(g->freed_ns[0]));
}

int gaps_note(struct gaps *g, uint64_t count[GAP_CLASSES], const struct episode *e, uint64_t now_ns)
{
    int ended = -1;
    uint64_t freed_ns = now_ns - e->idle_ns, born_ns = freed_ns - e->live_ns;
    int away = e->cold ? away_before(g, born_ns) : -1;
    if (away >= 0) {
        ended = (int)class_of(born_ns - g->freed_ns[away]);
        count[ended]++;
        remove_at(g, (uint32_t)away);
    }
    if (e->reused)
        count[class_of(e->idle_ns)]++;
    if (!e->given_back)
        return ended;
    if (g->nr_away == GAPS_AWAY_MAX)
        remove_at(g, 0);
    g->freed_ns[g->nr_away++] = freed_ns;
    return ended;
}

/* ---- what it costs to have memory again ---- */

static uint64_t load(const uint64_t *sum)
{
    return __atomic_load_n(sum, __ATOMIC_RELAXED);
}

void gaps_note_fault(struct policy_away *away, unsigned class, uint64_t took_ns, uint64_t price_ns)
{
    uint64_t times_q10 = took_ns < UINT32_MAX ? took_ns * ONE_Q10 / price_ns : UINT64_MAX;
    if (times_q10 > TIMES_MAX * ONE_Q10)
        times_q10 = TIMES_MAX * ONE_Q10;
    __atomic_fetch_add(&away->times_q10[class], times_q10, __ATOMIC_RELAXED);
    __atomic_fetch_add(&away->faults[class], 1, __ATOMIC_RELAXED);
}

void gaps_away_since(const struct policy_away *now, const struct policy_away *then,
                     struct policy_away *out)
{
    for (unsigned i = 0; i < AWAY_CLASSES; i++) {
        out->faults[i] = load(&now->faults[i]) - then->faults[i];
        out->times_q10[i] = load(&now->times_q10[i]) - then->times_q10[i];
    }
}

void gaps_away_add(struct policy_away *to, const struct policy_away *from)
{
    for (unsigned i = 0; i < AWAY_CLASSES; i++) {
        to->faults[i] = add_saturating(to->faults[i], from->faults[i]);
        to->times_q10[i] = add_saturating(to->times_q10[i], from->times_q10[i]);
    }
}

/* The mean of one class, with some faults that were as is supposed. */
static uint32_t mean_q10(const struct policy_away *away, unsigned class, uint64_t supposed_q10)
{
    uint64_t faults = add_saturating(load(&away->faults[class]), FAULTS_ENOUGH);
    uint64_t sum_q10 = add_saturating(load(&away->times_q10[class]), FAULTS_ENOUGH * supposed_q10);
    uint64_t mean = sum_q10 / faults;
    return mean < TIMES_MAX * ONE_Q10 ? (uint32_t)mean : TIMES_MAX * ONE_Q10;
}

uint32_t gaps_fresh_q10(const struct policy_away *away, uint64_t supposed_q10)
{
    return mean_q10(away, AWAY_FRESH, supposed_q10);
}

void gaps_times_q10(const struct policy_away *away, const uint32_t supposed_q10[AWAY_CLASSES],
                    uint32_t times_q10[AWAY_CLASSES])
{
    uint32_t less = ONE_Q10;
    bool known = false;

    times_q10[AWAY_FRESH] =
        gaps_fresh_q10(away, supposed_q10 != NULL ? supposed_q10[AWAY_FRESH] : ONE_Q10);
    for (unsigned i = 0; i < GAP_CLASSES; i++) {
        if (i == KEEP_MIN_CLASS && !known)
            less = times_q10[AWAY_FRESH];
        times_q10[i] = mean_q10(away, i, supposed_q10 != NULL ? supposed_q10[i] : less);
        known = known || load(&away->faults[i]) >= FAULTS_ENOUGH;
        less = times_q10[i];
    }
}

uint32_t gaps_refill_q10(const uint64_t count[GAP_CLASSES], const uint32_t times_q10[AWAY_CLASSES],
                         uint64_t most_ns)
{
    unsigned __int128 times = 0, gaps = 0;
    for (unsigned i = 0; i < GAP_CLASSES; i++)
        if (middle_ns(i) > most_ns) {
            times += (unsigned __int128)count[i] * times_q10[i];
            gaps += count[i];
        }
    return gaps != 0 ? (uint32_t)(times / gaps) : ONE_Q10;
}

/* ---- how long it is worth keeping ---- */

/* What is paid for all gaps together when memory is kept for `most_ns`, in the ns that a page is held. */
static unsigned __int128 cost_of_keeping(const uint64_t count[GAP_CLASSES],
                                         const uint64_t again_ns[GAP_CLASSES], uint64_t never,
                                         uint64_t most_ns)
{
    unsigned __int128 cost = (unsigned __int128)never * most_ns;
    for (unsigned i = 0; i < GAP_CLASSES; i++) {
        uint64_t gap_ns = middle_ns(i);
        unsigned __int128 each =
            gap_ns <= most_ns ? gap_ns : (unsigned __int128)most_ns + again_ns[i];
        cost += count[i] * each;
    }
    return cost;
}

static uint32_t in_ms(uint64_t ns)
{
    uint64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;
    return ms == 0 ? 1 : ms < GAPS_KEEP_MAX_MS ? (uint32_t)ms : GAPS_KEEP_MAX_MS;
}

/* Having memory again that was away for so long. */
static uint64_t again_ns(const uint32_t times_q10[AWAY_CLASSES], unsigned class, uint64_t once_ns)
{
    return (once_ns < ONCE_MAX_NS ? once_ns : ONCE_MAX_NS) / ONE_Q10 * times_q10[class];
}

uint64_t gaps_break_even_ns(const uint32_t times_q10[AWAY_CLASSES], uint64_t once_ns)
{
    uint64_t even_ns = 0;
    for (unsigned i = 0; i < GAP_CLASSES; i++) {
        even_ns = again_ns(times_q10, i, once_ns);
        if (class_of(even_ns) < i)
            return NS_PER_MS << (i -
                                 1); /* what was away for longer is dearer, and for less cheaper */
        if (class_of(even_ns) == i)
            break;
    }
    return even_ns;
}

uint32_t gaps_keep_ms(const uint64_t count[GAP_CLASSES], const uint32_t times_q10[AWAY_CLASSES],
                      uint64_t never, uint64_t once_ns)
{
    uint64_t again[GAP_CLASSES], seen = 0;
    for (unsigned i = 0; i < GAP_CLASSES; i++) {
        again[i] = again_ns(times_q10, i, once_ns);
        seen += count[i];
    }
    if (seen + never < ENOUGH)
        return 0;
    uint64_t break_even_ns = gaps_break_even_ns(times_q10, once_ns);
    uint32_t best_ms = in_ms(break_even_ns);
    unsigned __int128 best = cost_of_keeping(count, again, never, break_even_ns);
    for (unsigned i = GAP_CLASSES - 1; i-- > KEEP_MIN_CLASS;) {
        unsigned __int128 cost = cost_of_keeping(count, again, never, NS_PER_MS << i);
        if (cost < best || (cost == best && NS_PER_MS << i < break_even_ns)) {
            best = cost;
            best_ms = (uint32_t)1 << i;
        }
    }
    return best_ms;
}
