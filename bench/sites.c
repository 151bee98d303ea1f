/*
 * sites: a service in small. Five places in one program that want five different treatments, on a
 * timetable, so that memory held while nothing happens is seen and a slow allocator does not get a
 * longer day than a fast one: every phase starts at its time (or at once, when the one before ran
 * over), and a second of idleness at the end belongs to the day.
 *
 *   request  one buffer of 2 to 4 MiB at a time, written and freed, again and again: worth keeping
 *   burst    64 blocks of 2 to 8 MiB at once, written, used for 20 ms, freed; then nothing for about
 *            0.4 s: worth giving back at once
 *   table    256 MiB of zeros of which 300 pages are written, held until the next phase: huge pages
 *            would make a few MiB of it 256
 *   growth   a buffer that grows by realloc in steps of 1 MiB to 256 MiB: must not be copied
 *   message  4 MiB written here, read and freed by another thread
 *
 * One cycle takes 1.2 s, and there are three:
 *
 *   0 ms request | 320 ms burst, then idle | 800 ms message | 950 ms growth, twice
 *
 * and a new table takes the old one's place at each of these times.
 */
#include "bench.h"

#include <stdlib.h>

#include "channel.h"

enum { BURST_BLOCKS = 64 };

struct plan {
    unsigned cycles;
    unsigned cycle_ms, burst_at_ms, message_at_ms, growth_at_ms;
    unsigned requests, bursts, messages, growths;
    unsigned burst_hold_ms;
    size_t growth_bytes, table_bytes;
    unsigned table_pages;
};

static const struct plan full_plan = {
    .cycles = 3,
    .cycle_ms = 1200,
    .burst_at_ms = 320,
    .message_at_ms = 800,
    .growth_at_ms = 950,
    .requests = 200,
    .bursts = BURST_BLOCKS,
    .messages = 60,
    .growths = 2,
    .burst_hold_ms = 20,
    .growth_bytes = (size_t)256 * BENCH_MIB,
    .table_bytes = (size_t)256 * BENCH_MIB,
    .table_pages = 300,
};

static const struct plan quick_plan = {
    .cycles = 1,
    .cycle_ms = 120,
    .burst_at_ms = 30,
    .message_at_ms = 80,
    .growth_at_ms = 95,
    .requests = 10,
    .bursts = 8,
    .messages = 5,
    .growths = 1,
    .burst_hold_ms = 2,
    .growth_bytes = (size_t)16 * BENCH_MIB,
    .table_bytes = (size_t)64 * BENCH_MIB,
    .table_pages = 30,
};

enum phase { REQUEST, BURST, TABLE, GROWTH, MESSAGE, PHASES };
static const char *const phase_names[PHASES] = {"request", "burst", "table", "growth", "message"};

struct service {
    struct bench_run *run;
    const struct plan *plan;
    struct channel channel;
    unsigned char *table;
};

/* request */

BENCH_SITE static void request(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    free(p);
}

static void requests(struct service *s)
{
    struct bench_usage since;
    measure_usage(&since);
    for (unsigned i = 0; i < s->plan->requests; i++) {
        size_t bytes = bench_random_in(s->run, 2 * BENCH_MIB, 4 * BENCH_MIB);
        uint64_t start = measure_now_ns();
        request(bytes);
        bench_round(s->run, start);
    }
    bench_phase_end(s->run, REQUEST, &since, s->plan->requests);
}

/* burst */

BENCH_SITE static void *burst_block(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    return p;
}

static void burst(struct service *s)
{
    void *blocks[BURST_BLOCKS];
    struct bench_usage since;

    measure_usage(&since);
    for (unsigned i = 0; i < s->plan->bursts; i++) {
        size_t bytes = bench_random_in(s->run, 2 * BENCH_MIB, 8 * BENCH_MIB);
        uint64_t start = measure_now_ns();
        blocks[i] = burst_block(bytes);
        bench_round(s->run, start);
    }
    measure_sleep_ms(s->plan->burst_hold_ms);
    for (unsigned i = 0; i < s->plan->bursts; i++)
        free(blocks[i]);
    bench_phase_end(s->run, BURST, &since, s->plan->bursts);
}

/* table */

BENCH_SITE static unsigned char *new_table(size_t bytes)
{
    unsigned char *p = bench_need(calloc(bytes / 64, 64), bytes);
    p[0] = 1;
    return p;
}

static void replace_table(struct service *s)
{
    struct bench_usage since;
    size_t bytes = s->plan->table_bytes;

    measure_usage(&since);
    uint64_t start = measure_now_ns();
    free(s->table);
    s->table = new_table(bytes);
    for (unsigned i = 1; i < s->plan->table_pages; i++)
        s->table[bench_random(s->run) % bytes] = 1;
    bench_round(s->run, start);
    bench_phase_end(s->run, TABLE, &since, 1);
}

/* growth */

BENCH_SITE static unsigned char *grow_one_step(unsigned char *p, size_t bytes)
{
    p = bench_need(realloc(p, bytes), bytes);
    bench_touch(p + bytes - BENCH_MIB, BENCH_MIB);
    return p;
}

static void growth(struct service *s)
{
    struct bench_usage since;

    measure_usage(&since);
    for (unsigned i = 0; i < s->plan->growths; i++) {
        unsigned char *p = NULL;
        uint64_t start = measure_now_ns();
        for (size_t bytes = BENCH_MIB; bytes <= s->plan->growth_bytes; bytes += BENCH_MIB)
            p = grow_one_step(p, bytes);
        free(p);
        bench_round(s->run, start);
    }
    bench_phase_end(s->run, GROWTH, &since, s->plan->growths);
}

/* message */

BENCH_SITE static void *message(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    return p;
}

static void messages(struct service *s)
{
    struct bench_usage since;
    size_t bytes = (size_t)4 * BENCH_MIB;

    measure_usage(&since);
    for (unsigned i = 0; i < s->plan->messages; i++) {
        uint64_t start = measure_now_ns();
        channel_send(&s->channel, message(bytes), bytes);
        bench_round(s->run, start);
    }
    channel_drain(&s->channel, s->plan->messages);
    bench_phase_end(s->run, MESSAGE, &since, s->plan->messages);
}

/* The day. */

static void cycle(struct service *s, uint64_t start_ns)
{
    const struct plan *plan = s->plan;
    const struct {
        unsigned at_ms;
        void (*work)(struct service *);
    } timetable[] = {
        {0, requests},
        {plan->burst_at_ms, burst},
        {plan->message_at_ms, messages},
        {plan->growth_at_ms, growth},
    };
    for (size_t i = 0; i < sizeof(timetable) / sizeof(timetable[0]); i++) {
        measure_sleep_until_ns(start_ns + timetable[i].at_ms * (uint64_t)1000000);
        replace_table(s);
        timetable[i].work(s);
    }
}

void scenario_sites(struct bench_run *run)
{
    struct service s = {.run = run, .plan = run->quick ? &quick_plan : &full_plan};

    bench_phases(run, phase_names, PHASES);
    channel_open(&s.channel);

    uint64_t start = measure_now_ns();
    for (unsigned i = 0; i < s.plan->cycles; i++)
        cycle(&s, start + (uint64_t)i * s.plan->cycle_ms * 1000000u);
    measure_sleep_until_ns(start + (uint64_t)s.plan->cycles * s.plan->cycle_ms * 1000000u);
    free(s.table);
    channel_close(&s.channel);
}
