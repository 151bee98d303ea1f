/*
 * What people reported: programs whose large blocks their allocator served badly, in small. docs/benchmarks.md has the
 * public thread of each.
 *
 *   seven     buffers of 7 MiB, then of 7.1 MiB: one is cached, the other goes back to the system at every free
 *   buffers   5 to 25 MiB at random, 20 of them live, filled
 *   vector    32 MiB, filled, a hundred times
 *   topic     1 MiB a message, 200 a second, with gaps in which nothing happens
 *   bodies    96 to 512 KiB, five a second, held for a tenth of a second
 *   tiles     11 MiB in each of 64 threads at once
 *   doubling  realloc to twice the size, again and again, to 1 GiB
 *   poly      operands and results of 0.5 to 30 MB, eight of them live
 *   pauses    32 blocks of 1 to 4 MiB at once, freed, then nothing for a while
 *   sparse    tables of 64 MiB of which a hundred pages are ever written
 *   relay     2 to 6 MiB written here, read and freed by another thread
 *   thin      calloc of 8 MiB of which one page in 64 is written
 *
 * Where the report has a clock, so has the scenario: what a block costs while nothing happens is part of the question.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"

static const uint64_t ns_per_ms = 1000000;

static unsigned rounds_of(const struct bench_run *run, unsigned rounds)
{
    return run->quick ? (rounds + 9) / 10 : rounds;
}

static size_t small_where_quick(const struct bench_run *run, size_t bytes)
{
    return run->quick ? bytes / 8 : bytes;
}

/* A block that is written, in a function of the scenario's own: its own site. */
#define WRITTEN_BLOCK(name)                                                                        \
    BENCH_SITE static char *name(size_t bytes)                                                     \
    {                                                                                              \
        char *p = bench_need(malloc(bytes), bytes);                                                \
        bench_touch(p, bytes);                                                                     \
        return p;                                                                                  \
    }

/* The same, and freed there. */
#define WRITTEN_AND_FREED(name)                                                                    \
    BENCH_SITE static void name(size_t bytes)                                                      \
    {                                                                                              \
        char *p = bench_need(malloc(bytes), bytes);                                                \
        bench_touch(p, bytes);                                                                     \
        free(p);                                                                                   \
    }

/* ---- seven ---- */

enum { SEVEN_ROUNDS = 200 };

WRITTEN_AND_FREED(seven_round)
WRITTEN_AND_FREED(seven_and_a_bit_round)

static void seven_phase(struct bench_run *run, size_t phase, void (*round)(size_t), size_t bytes)
{
    struct bench_usage since;
    unsigned rounds = rounds_of(run, SEVEN_ROUNDS);
    measure_usage(&since);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t start = measure_now_ns();
        round(bytes);
        bench_round(run, start);
    }
    bench_phase_end(run, phase, &since, rounds);
}

void scenario_seven(struct bench_run *run)
{
    static const char *const names[] = {"7 MiB", "7.1 MiB"};
    bench_phases(run, names, 2);
    seven_phase(run, 0, seven_round, (size_t)7 * BENCH_MIB);
    seven_phase(run, 1, seven_and_a_bit_round, (size_t)71 * BENCH_MIB / 10);
}

/* ---- buffers ---- */

enum { BUFFERS = 20, BUFFERS_ROUNDS = 1000 };

BENCH_SITE static char *buffers_new(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    memset(p, 0, bytes);
    return p;
}

void scenario_buffers(struct bench_run *run)
{
    char *live[BUFFERS] = {NULL};
    unsigned rounds = rounds_of(run, BUFFERS_ROUNDS);
    for (unsigned i = 0; i < rounds; i++) {
        char **slot = &live[bench_random(run) % BUFFERS];
        size_t bytes = small_where_quick(run, bench_random_in(run, 5 * BENCH_MIB, 25 * BENCH_MIB));
        uint64_t since = measure_now_ns();
        char *p = buffers_new(bytes); /* as an assignment does: before the old one goes */
        free(*slot);
        *slot = p;
        bench_round(run, since);
    }
    for (size_t i = 0; i < BUFFERS; i++)
        free(live[i]);
}

/* ---- vector ---- */

enum { VECTOR_ROUNDS = 100 };

BENCH_SITE static void vector_round(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    memset(p, 1, bytes);
    free(p);
}

void scenario_vector(struct bench_run *run)
{
    unsigned rounds = rounds_of(run, VECTOR_ROUNDS);
    size_t bytes = small_where_quick(run, (size_t)32 * BENCH_MIB);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t since = measure_now_ns();
        vector_round(bytes);
        bench_round(run, since);
    }
}

/* ---- topic ---- */

enum { TOPIC_SPELLS = 3, TOPIC_MESSAGES = 150, TOPIC_PERIOD_MS = 5, TOPIC_GAP_MS = 1000 };

WRITTEN_AND_FREED(topic_message)

void scenario_topic(struct bench_run *run)
{
    unsigned messages = rounds_of(run, TOPIC_MESSAGES);
    uint64_t at = measure_now_ns();
    for (unsigned spell = 0; spell < TOPIC_SPELLS; spell++) {
        for (unsigned i = 0; i < messages; i++, at += TOPIC_PERIOD_MS * ns_per_ms) {
            measure_sleep_until_ns(at);
            uint64_t since = measure_now_ns();
            topic_message(BENCH_MIB);
            bench_round(run, since);
        }
        at += (run->quick ? TOPIC_GAP_MS / 10 : TOPIC_GAP_MS) * ns_per_ms;
        measure_sleep_until_ns(at);
    }
}

/* ---- bodies ---- */

enum { BODIES = 25, BODIES_PERIOD_MS = 200, BODIES_HELD_MS = 100 };

WRITTEN_BLOCK(bodies_new)

void scenario_bodies(struct bench_run *run)
{
    unsigned bodies = rounds_of(run, BODIES);
    uint64_t at = measure_now_ns();
    for (unsigned i = 0; i < bodies; i++, at += BODIES_PERIOD_MS * ns_per_ms) {
        size_t bytes = bench_random_in(run, 96 * BENCH_KIB, 512 * BENCH_KIB);
        measure_sleep_until_ns(at);
        uint64_t since = measure_now_ns();
        char *p = bodies_new(bytes);
        bench_round(run, since);
        measure_sleep_until_ns(at + BODIES_HELD_MS * ns_per_ms);
        free(p);
    }
}

/* ---- tiles ---- */

enum { TILES_THREADS = 64, TILES_WAVES = 3, TILES_EACH = 2, TILES_IDLE_MS = 500 };

WRITTEN_BLOCK(tiles_new)

/* All threads have theirs: else as many are alive as the allocator is slow. */
static pthread_barrier_t tiles_there;

static void *tiles_thread(void *bytes)
{
    for (unsigned i = 0; i < TILES_EACH; i++) {
        char *tile = tiles_new((size_t)bytes);
        pthread_barrier_wait(&tiles_there);
        free(tile);
    }
    return NULL;
}

void scenario_tiles(struct bench_run *run)
{
    unsigned threads = rounds_of(run, TILES_THREADS);
    pthread_t thread[TILES_THREADS];
    pthread_barrier_init(&tiles_there, NULL, threads);
    for (unsigned wave = 0; wave < TILES_WAVES; wave++) {
        uint64_t since = measure_now_ns();
        for (unsigned i = 0; i < threads; i++) {
            int error = pthread_create(&thread[i], NULL, tiles_thread, (void *)(11ul * BENCH_MIB));
            if (error != 0) {
                fprintf(stderr, "hakmem-bench: no thread for tiles: %s\n", strerror(error));
                exit(1);
            }
        }
        for (unsigned i = 0; i < threads; i++)
            pthread_join(thread[i], NULL);
        bench_round(run, since);
        measure_sleep_ms(run->quick ? TILES_IDLE_MS / 10 : TILES_IDLE_MS);
    }
    pthread_barrier_destroy(&tiles_there);
}

/* ---- doubling ---- */

BENCH_SITE static char *doubling_step(char *p, size_t bytes, size_t written)
{
    p = bench_need(realloc(p, bytes), bytes);
    bench_touch(p + written, bytes - written);
    return p;
}

void scenario_doubling(struct bench_run *run)
{
    size_t most = small_where_quick(run, (size_t)1024 * BENCH_MIB), written = 0;
    char *p = NULL;
    for (size_t bytes = 4 * BENCH_KIB; bytes <= most; bytes *= 2) {
        uint64_t since = measure_now_ns();
        p = doubling_step(p, bytes, written);
        bench_round(run, since);
        written = bytes;
    }
    free(p);
}

/* ---- poly ---- */

enum { POLY_LIVE = 8, POLY_ROUNDS = 300 };

WRITTEN_BLOCK(poly_new)

/* A result from two operands: what is in between lives for the operation alone. */
void scenario_poly(struct bench_run *run)
{
    char *live[POLY_LIVE] = {NULL};
    unsigned rounds = rounds_of(run, POLY_ROUNDS);
    for (unsigned i = 0; i < rounds; i++) {
        char **slot = &live[bench_random(run) % POLY_LIVE];
        size_t bytes = small_where_quick(run, bench_random_in(run, 500000, 30000000));
        uint64_t since = measure_now_ns();
        char *between = poly_new(bytes), *result = poly_new(bytes);
        free(between);
        free(*slot);
        *slot = result;
        bench_round(run, since);
    }
    for (size_t i = 0; i < POLY_LIVE; i++)
        free(live[i]);
}

/* ---- pauses ---- */

enum { PAUSES = 8, PAUSES_BLOCKS = 32, PAUSES_MS = 400 };

WRITTEN_BLOCK(pauses_new)

void scenario_pauses(struct bench_run *run)
{
    char *blocks[PAUSES_BLOCKS];
    unsigned pauses = rounds_of(run, PAUSES);
    for (unsigned i = 0; i < pauses; i++) {
        uint64_t since = measure_now_ns();
        for (size_t b = 0; b < PAUSES_BLOCKS; b++)
            blocks[b] = pauses_new(bench_random_in(run, BENCH_MIB, 4 * BENCH_MIB));
        for (size_t b = 0; b < PAUSES_BLOCKS; b++)
            free(blocks[b]);
        bench_round(run, since);
        measure_sleep_ms(run->quick ? PAUSES_MS / 10 : PAUSES_MS);
    }
}

/* ---- sparse ---- */

enum { SPARSE_LIVE = 4, SPARSE_ROUNDS = 60, SPARSE_PAGES = 100 };

BENCH_SITE static char *sparse_new(size_t bytes)
{
    return bench_need(malloc(bytes), bytes);
}

void scenario_sparse(struct bench_run *run)
{
    char *live[SPARSE_LIVE] = {NULL};
    size_t bytes = (size_t)64 * BENCH_MIB;
    unsigned rounds = rounds_of(run, SPARSE_ROUNDS);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t since = measure_now_ns();
        free(live[i % SPARSE_LIVE]);
        char *p = live[i % SPARSE_LIVE] = sparse_new(bytes);
        for (unsigned page = 0; page < SPARSE_PAGES; page++)
            p[bench_random(run) % bytes] = 1;
        bench_round(run, since);
    }
    for (size_t i = 0; i < SPARSE_LIVE; i++)
        free(live[i]);
}

/* ---- relay ---- */

enum { RELAY_ROUNDS = 300 };

WRITTEN_BLOCK(relay_new)

void scenario_relay(struct bench_run *run)
{
    struct channel channel;
    unsigned rounds = rounds_of(run, RELAY_ROUNDS);
    channel_open(&channel);
    for (unsigned i = 0; i < rounds; i++) {
        size_t bytes = bench_random_in(run, 2 * BENCH_MIB, 6 * BENCH_MIB);
        uint64_t since = measure_now_ns();
        channel_send(&channel, relay_new(bytes), bytes);
        bench_round(run, since);
    }
    channel_drain(&channel, rounds);
    channel_close(&channel);
}

/* ---- thin ---- */

enum { THIN_LIVE = 8, THIN_ROUNDS = 300, THIN_STEP_BYTES = 64 * 4096 };

BENCH_SITE static char *thin_new(size_t bytes)
{
    return bench_need(calloc(1, bytes), bytes);
}

void scenario_thin(struct bench_run *run)
{
    char *live[THIN_LIVE] = {NULL};
    size_t bytes = (size_t)8 * BENCH_MIB;
    unsigned rounds = rounds_of(run, THIN_ROUNDS);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t since = measure_now_ns();
        free(live[i % THIN_LIVE]);
        char *p = live[i % THIN_LIVE] = thin_new(bytes);
        for (size_t at = 0; at < bytes; at += THIN_STEP_BYTES)
            p[at] = 1;
        bench_round(run, since);
    }
    for (size_t i = 0; i < THIN_LIVE; i++)
        free(live[i]);
}
