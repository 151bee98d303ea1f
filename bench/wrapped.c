/*
 * wrapped, apart: three kinds of use of blocks of one size band, in turn. In `wrapped` all of them come through one
 * function of the program's own, as behind xmalloc; in `apart`, for comparison, each has its own call of malloc.
 *
 *   request  one buffer of 2 to 4 MiB at a time, written and freed, again and again: worth keeping
 *   burst    24 of them at once, written and freed; then nothing for 0.3 s: worth giving back at once
 *   index    32 of them held, each with a few pages written, two replaced a round: huge pages would fill them
 */
#include "bench.h"

#include <stdlib.h>

enum {
    ROUNDS = 12,
    REQUESTS = 60,
    BURST = 24,
    INDEXES = 32,
    INDEXES_REPLACED = 2,
    INDEX_PAGES = 8,
    IDLE_MS = 300
};

BENCH_SITE static void *wrapped_malloc(size_t bytes)
{
    return bench_need(malloc(bytes), bytes);
}

static inline void *plain_malloc(size_t bytes)
{
    return bench_need(malloc(bytes), bytes);
}

static size_t some_bytes(struct bench_run *run)
{
    return bench_random_in(run, 2 * BENCH_MIB, 4 * BENCH_MIB - 1);
}

/* The three kinds, each with a function of its own in which it asks for memory by `get`. */
#define KINDS(name, get)                                                                           \
    BENCH_SITE static void name##_request(struct bench_run *run)                                   \
    {                                                                                              \
        size_t bytes = some_bytes(run);                                                            \
        char *p = get(bytes);                                                                      \
        bench_touch(p, bytes);                                                                     \
        free(p);                                                                                   \
    }                                                                                              \
    BENCH_SITE static void name##_burst(struct bench_run *run)                                     \
    {                                                                                              \
        char *blocks[BURST];                                                                       \
        for (size_t i = 0; i < BURST; i++) {                                                       \
            size_t bytes = some_bytes(run);                                                        \
            blocks[i] = get(bytes);                                                                \
            bench_touch(blocks[i], bytes);                                                         \
        }                                                                                          \
        for (size_t i = 0; i < BURST; i++)                                                         \
            free(blocks[i]);                                                                       \
    }                                                                                              \
    BENCH_SITE static char *name##_index(struct bench_run *run, char *old)                         \
    {                                                                                              \
        char room[512];                                                                            \
        size_t bytes = some_bytes(run);                                                            \
        free(old);                                                                                 \
        char *p = get(bytes);                                                                      \
        room[0] = 1;                                                                               \
        bench_touch(room, sizeof(room));                                                           \
        for (unsigned page = 0; page < INDEX_PAGES; page++)                                        \
            p[bench_random(run) % bytes] = room[0];                                                \
        return p;                                                                                  \
    }

KINDS(wrapped, wrapped_malloc)
KINDS(apart, plain_malloc)

struct kinds {
    void (*request)(struct bench_run *run);
    void (*burst)(struct bench_run *run);
    char *(*index)(struct bench_run *run, char *old);
};

static void play(struct bench_run *run, const struct kinds *kinds)
{
    char *index[INDEXES] = {NULL};
    unsigned rounds = run->quick ? 2 : ROUNDS, next = 0;

    for (unsigned i = 0; i < INDEXES; i++)
        index[i] = kinds->index(run, NULL);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t since = measure_now_ns();
        for (unsigned i = 0; i < REQUESTS; i++)
            kinds->request(run);
        for (unsigned i = 0; i < INDEXES_REPLACED; i++, next = (next + 1) % INDEXES)
            index[next] = kinds->index(run, index[next]);
        kinds->burst(run);
        bench_round(run, since);
        measure_sleep_ms(run->quick ? IDLE_MS / 10 : IDLE_MS);
    }
    for (unsigned i = 0; i < INDEXES; i++)
        free(index[i]);
}

void scenario_wrapped(struct bench_run *run)
{
    play(run, &(struct kinds){wrapped_request, wrapped_burst, wrapped_index});
}

void scenario_apart(struct bench_run *run)
{
    play(run, &(struct kinds){apart_request, apart_burst, apart_index});
}
