/*
 * Kernels: one question each.
 *
 *   burst   how many TLB shootdowns does it take to take 64 blocks back while another thread runs?
 *   grow    what does growing by realloc cost?
 *   maps    how many mappings does the kernel have to keep?
 *   sleepy  is memory given back to a machine whose program makes no more calls?
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* burst */

enum { BURST_BLOCKS = 64, BURST_BLOCK_BYTES = 256 * BENCH_KIB, BURSTS_MAX = 10 };

/* Deferred work has this long to be done and counted: longer than any batch should wait. */
static const unsigned burst_settle_ms = 50;

struct runner {
    atomic_bool stop;
    atomic_ulong turns;
};

static void *keep_running(void *arg)
{
    struct runner *r = arg;
    while (!atomic_load_explicit(&r->stop, memory_order_relaxed))
        atomic_fetch_add_explicit(&r->turns, 1, memory_order_relaxed);
    return NULL;
}

/* The two threads on processors of their own, or neither: what is shot down must be elsewhere. */
static bool pin_apart(pthread_t other)
{
    cpu_set_t allowed, one;
    int first = -1;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return false;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        if (first < 0) {
            first = cpu;
            continue;
        }
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (pthread_setaffinity_np(other, sizeof(one), &one) != 0)
            return false;
        CPU_ZERO(&one);
        CPU_SET(first, &one);
        return pthread_setaffinity_np(pthread_self(), sizeof(one), &one) == 0;
    }
    return false;
}

BENCH_SITE static void *burst_block(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    return p;
}

/* One burst; returns the shootdowns from the first free until everything is settled. */
static int64_t one_burst(struct bench_run *run)
{
    void *blocks[BURST_BLOCKS];

    for (size_t i = 0; i < BURST_BLOCKS; i++)
        blocks[i] = burst_block(BURST_BLOCK_BYTES);
    int64_t before = measure_tlb_shootdowns();
    for (size_t i = 0; i < BURST_BLOCKS; i++) {
        uint64_t since = measure_now_ns();
        free(blocks[i]);
        bench_round(run, since);
    }
    measure_sleep_ms(burst_settle_ms);
    return before < 0 ? -1 : measure_tlb_shootdowns() - before;
}

/* Into `sorted`, which has n counts. */
static void insert(int64_t *sorted, unsigned n, int64_t count)
{
    for (; n > 0 && sorted[n - 1] > count; n--)
        sorted[n] = sorted[n - 1];
    sorted[n] = count;
}

void scenario_burst(struct bench_run *run)
{
    int64_t counts[BURSTS_MAX];
    unsigned bursts = run->quick ? 2 : BURSTS_MAX;
    struct runner runner = {.stop = false};
    cpu_set_t allowed;
    pthread_t thread;

    sched_getaffinity(0, sizeof(allowed), &allowed);
    int error = pthread_create(&thread, NULL, keep_running, &runner);
    if (error != 0) {
        fprintf(stderr, "hakmem-bench: no thread for burst: %s\n", strerror(error));
        exit(1);
    }
    if (!pin_apart(thread))
        fprintf(stderr, "hakmem-bench: only one processor: no TLB shootdown can be seen here\n");
    for (unsigned i = 0; i < bursts; i++)
        insert(counts, i, one_burst(run));
    atomic_store(&runner.stop, true);
    pthread_join(thread, NULL);
    sched_setaffinity(0, sizeof(allowed), &allowed);
    bench_figure(run, "shootdowns_per_burst_median",
                 (double)(counts[(bursts - 1) / 2] + counts[bursts / 2]) / 2);
    bench_figure(run, "shootdowns_per_burst_least", (double)counts[0]);
    bench_figure(run, "shootdowns_per_burst_most", (double)counts[bursts - 1]);
}

/* grow */

BENCH_SITE static char *grow_one_step(char *p, size_t bytes)
{
    p = bench_need(realloc(p, bytes), bytes);
    bench_touch(p + bytes - BENCH_MIB, BENCH_MIB);
    return p;
}

void scenario_grow(struct bench_run *run)
{
    size_t end_bytes = (size_t)(run->quick ? 32 : 512) * BENCH_MIB;
    char *p = NULL;
    unsigned moves = 0;

    for (size_t bytes = BENCH_MIB; bytes <= end_bytes; bytes += BENCH_MIB) {
        uintptr_t was = (uintptr_t)p;
        uint64_t since = measure_now_ns();
        p = grow_one_step(p, bytes);
        bench_round(run, since);
        moves += was != 0 && (uintptr_t)p != was;
    }
    free(p);
    bench_figure(run, "moves", moves);
}

/* maps */

enum { MAPS_SLOTS = 300, MAPS_LOOK_EVERY = 5000 };

BENCH_SITE static void *maps_block(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    p[0] = 1;
    return p;
}

void scenario_maps(struct bench_run *run)
{
    unsigned blocks = run->quick ? 2000 : 100000;
    void *slots[MAPS_SLOTS] = {NULL};
    long before = measure_mappings(), most = before;

    for (unsigned i = 0; i < blocks; i++) {
        size_t slot = bench_random(run) % MAPS_SLOTS;
        size_t octave = (size_t)64 * BENCH_KIB << bench_random_in(run, 0, 6);
        size_t bytes = octave + bench_random(run) % octave;
        uint64_t since = measure_now_ns();
        free(slots[slot]);
        slots[slot] = maps_block(bytes);
        bench_round(run, since);
        if ((i + 1) % (run->quick ? 500 : MAPS_LOOK_EVERY) != 0)
            continue;
        long now = measure_mappings();
        most = now > most ? now : most;
    }
    long live = measure_mappings();
    for (size_t i = 0; i < MAPS_SLOTS; i++)
        free(slots[i]);
    bench_figure(run, "mappings_before", (double)before);
    bench_figure(run, "mappings_most", (double)most);
    bench_figure(run, "mappings_with_blocks_live", (double)live);
    bench_figure(run, "mappings_after", (double)measure_mappings());
}

/* sleepy */

enum { SLEEPY_BLOCKS = 16, SLEEPY_BLOCK_BYTES = 4 * BENCH_MIB };

BENCH_SITE static void *sleepy_block(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    return p;
}

static void note_resident(struct bench_run *run, unsigned ms)
{
    run->curve[run->curve_count++] = (struct bench_point){ms, measure_resident_mib()};
}

void scenario_sleepy(struct bench_run *run)
{
    static const unsigned at_ms[] = {0, 20, 50, 100, 200, 300, 500, 1000, 2000, 3000, 4000, 6000};
    void *blocks[SLEEPY_BLOCKS];

    bench_figure(run, "resident_before_mib", measure_resident_mib());
    for (size_t i = 0; i < SLEEPY_BLOCKS; i++)
        blocks[i] = sleepy_block(SLEEPY_BLOCK_BYTES);
    bench_figure(run, "resident_in_use_mib", measure_resident_mib());
    for (size_t i = 0; i < SLEEPY_BLOCKS; i++) {
        uint64_t since = measure_now_ns();
        free(blocks[i]);
        bench_round(run, since);
    }
    uint64_t start = measure_now_ns();
    for (size_t i = 0; i < sizeof(at_ms) / sizeof(at_ms[0]); i++) {
        if (run->quick && at_ms[i] > 200)
            break;
        measure_sleep_until_ns(start + (uint64_t)at_ms[i] * 1000000u);
        note_resident(run, at_ms[i]);
    }
}
