/*
 * The plain scenarios: one size, one place, round after round; and a mixture.
 *
 * A round is: allocate, write to every page, free. Its latency is the whole round's, because an
 * allocator can move its cost into the first touch of a page, and a program pays for it there.
 */
#include "bench.h"

#include <stdlib.h>

/* Each scenario allocates in its own function: its own site. */

BENCH_SITE static void json_round(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    free(p);
}

BENCH_SITE static void mir_round(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    free(p);
}

BENCH_SITE static void vm_round(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    free(p);
}

void scenario_json(struct bench_run *run)
{
    unsigned rounds = run->quick ? 100 : 4000;
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t since = measure_now_ns();
        json_round(64 * BENCH_KIB);
        bench_round(run, since);
    }
}

void scenario_mir(struct bench_run *run)
{
    unsigned rounds = run->quick ? 50 : 1000;
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t since = measure_now_ns();
        mir_round(256 * BENCH_KIB);
        bench_round(run, since);
    }
}

void scenario_vm(struct bench_run *run)
{
    unsigned rounds = run->quick ? 10 : 100;
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t since = measure_now_ns();
        vm_round(2 * BENCH_MIB);
        bench_round(run, since);
    }
}

/*
 * mixed: three places with sizes from 64 KiB to 4 MiB, each octave as likely as the next, and small
 * blocks between them. Blocks live in slots and go when their slot is drawn again, so that lives
 * have all lengths.
 */
enum { MIXED_SLOTS = 24, MIXED_SMALL_SLOTS = 512 };

static size_t log_uniform(struct bench_run *run, unsigned low_log2, unsigned high_log2)
{
    size_t octave = (size_t)1 << bench_random_in(run, low_log2, high_log2 - 1);
    return octave + bench_random(run) % octave;
}

BENCH_SITE static void *mixed_message(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    return p;
}

BENCH_SITE static void *mixed_table(size_t bytes)
{
    char *p = bench_need(calloc(bytes / 64, 64), bytes);
    bench_touch(p, bytes / 64 * 64);
    return p;
}

BENCH_SITE static void *mixed_text(size_t bytes)
{
    char *p = bench_need(malloc(bytes / 2), bytes / 2);
    bench_touch(p, bytes / 2);
    p = bench_need(realloc(p, bytes), bytes);
    bench_touch(p, bytes);
    return p;
}

BENCH_SITE static void *mixed_small(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    return p;
}

void scenario_mixed(struct bench_run *run)
{
    static void *(*const places[])(size_t) = {mixed_message, mixed_table, mixed_text};
    void *slots[MIXED_SLOTS] = {NULL};
    void *small[MIXED_SMALL_SLOTS] = {NULL};
    unsigned rounds = run->quick ? 100 : 3000;

    for (unsigned i = 0; i < rounds; i++) {
        size_t place = bench_random(run) % 3;
        size_t slot = bench_random(run) % MIXED_SLOTS;
        size_t bytes = log_uniform(run, 16, 22);
        size_t small_bytes = bench_random_in(run, 16, 8 * BENCH_KIB);
        size_t small_slot = bench_random(run) % MIXED_SMALL_SLOTS;

        uint64_t since = measure_now_ns();
        free(slots[slot]);
        slots[slot] = places[place](bytes);
        free(small[small_slot]);
        small[small_slot] = mixed_small(small_bytes);
        bench_round(run, since);
    }
    for (size_t i = 0; i < MIXED_SLOTS; i++)
        free(slots[i]);
    for (size_t i = 0; i < MIXED_SMALL_SLOTS; i++)
        free(small[i]);
}
