/*
 * Statistics: one row a name in include/hakmem/stats_table.h. Counters are atomic and relaxed: they are
 * exact one by one, and a reading of several is not a snapshot.
 */
#ifndef HAK_STATS_STATS_H
#define HAK_STATS_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "hakmem/stats_table.h"

enum stat_id {
#define X(name, unit, kind, help) STAT_##name,
    HAK_STATS_TABLE(X)
#undef X
        STAT_COUNT,
};

extern _Atomic uint64_t stat_values[STAT_COUNT];

static inline void stat_add(enum stat_id id, uint64_t n)
{
    atomic_fetch_add_explicit(&stat_values[id], n, memory_order_relaxed);
}

/* The same where a lock of the caller's serialises all that add to this statistic. */
static inline void stat_add_locked(enum stat_id id, uint64_t n)
{
    uint64_t value = atomic_load_explicit(&stat_values[id], memory_order_relaxed);
    atomic_store_explicit(&stat_values[id], value + n, memory_order_relaxed);
}

/* Gauges are set by their owner just before they are read. */
static inline void stat_set(enum stat_id id, uint64_t value)
{
    atomic_store_explicit(&stat_values[id], value, memory_order_relaxed);
}

static inline uint64_t stat_get(enum stat_id id)
{
    return atomic_load_explicit(&stat_values[id], memory_order_relaxed);
}

/* Remembers the process's faults so far. */
void stats_start(void);

/* Reads the gauges that the process itself has: faults and resident memory. */
void stats_read_usage(void);

/* The statistic of that name; -1: none. */
int stats_by_name(const char *name);

/* JSON text, NUL-terminated, into buf[cap]; the bytes the whole needs without the NUL. */
size_t stats_print(char *buf, size_t cap);

#endif
