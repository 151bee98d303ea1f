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

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES_WAITING = 4, BURST_BLOCKS = 64 };

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

/* Blocks on their way to the other thread; an entry of NULL ends it. */
struct channel {
    struct {
        void *block;
        size_t bytes;
    } entries[MESSAGES_WAITING];
    sem_t room, waiting, drained; /* drained: one post for each block the other thread has freed */
    unsigned read_at, write_at;
};

struct service {
    struct bench_run *run;
    const struct plan *plan;
    struct channel channel;
    pthread_t receiver;
    unsigned char *table;
};

/* The wait that a signal handler may have cut short is taken up again. */
static void sem_wait_whole(sem_t *sem)
{
    while (sem_wait(sem) != 0) {}
}

static void phase_begin(struct bench_usage *since)
{
    measure_usage(since);
}

static void phase_end(struct service *s, enum phase phase, const struct bench_usage *since,
                      uint64_t rounds)
{
    struct bench_usage now;
    struct bench_phase *p = &s->run->phases[phase];
    measure_usage(&now);
    p->rounds += rounds;
    p->wall_ns += now.wall_ns - since->wall_ns;
    p->cpu_ns += now.cpu_ns - since->cpu_ns;
    p->minor_faults += now.minor_faults - since->minor_faults;
}

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
    phase_begin(&since);
    for (unsigned i = 0; i < s->plan->requests; i++) {
        size_t bytes = bench_random_in(s->run, 2 * BENCH_MIB, 4 * BENCH_MIB);
        uint64_t start = measure_now_ns();
        request(bytes);
        bench_round(s->run, start);
    }
    phase_end(s, REQUEST, &since, s->plan->requests);
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

    phase_begin(&since);
    for (unsigned i = 0; i < s->plan->bursts; i++) {
        size_t bytes = bench_random_in(s->run, 2 * BENCH_MIB, 8 * BENCH_MIB);
        uint64_t start = measure_now_ns();
        blocks[i] = burst_block(bytes);
        bench_round(s->run, start);
    }
    measure_sleep_ms(s->plan->burst_hold_ms);
    for (unsigned i = 0; i < s->plan->bursts; i++)
        free(blocks[i]);
    phase_end(s, BURST, &since, s->plan->bursts);
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

    phase_begin(&since);
    uint64_t start = measure_now_ns();
    free(s->table);
    s->table = new_table(bytes);
    for (unsigned i = 1; i < s->plan->table_pages; i++)
        s->table[bench_random(s->run) % bytes] = 1;
    bench_round(s->run, start);
    phase_end(s, TABLE, &since, 1);
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

    phase_begin(&since);
    for (unsigned i = 0; i < s->plan->growths; i++) {
        unsigned char *p = NULL;
        uint64_t start = measure_now_ns();
        for (size_t bytes = BENCH_MIB; bytes <= s->plan->growth_bytes; bytes += BENCH_MIB)
            p = grow_one_step(p, bytes);
        free(p);
        bench_round(s->run, start);
    }
    phase_end(s, GROWTH, &since, s->plan->growths);
}

/* message */

BENCH_SITE static void *message(size_t bytes)
{
    char *p = bench_need(malloc(bytes), bytes);
    bench_touch(p, bytes);
    return p;
}

static void channel_send(struct channel *c, void *block, size_t bytes)
{
    sem_wait_whole(&c->room);
    c->entries[c->write_at % MESSAGES_WAITING].block = block;
    c->entries[c->write_at % MESSAGES_WAITING].bytes = bytes;
    c->write_at++;
    sem_post(&c->waiting);
}

static void *receive(void *channel)
{
    struct channel *c = channel;
    for (;;) {
        sem_wait_whole(&c->waiting);
        volatile char *block = c->entries[c->read_at % MESSAGES_WAITING].block;
        size_t bytes = c->entries[c->read_at % MESSAGES_WAITING].bytes;
        c->read_at++;
        sem_post(&c->room);
        if (block == NULL)
            return NULL;
        for (size_t at = 0; at < bytes; at += 4096)
            (void)block[at];
        free((void *)block);
        sem_post(&c->drained);
    }
}

static void messages(struct service *s)
{
    struct bench_usage since;
    size_t bytes = (size_t)4 * BENCH_MIB;

    phase_begin(&since);
    for (unsigned i = 0; i < s->plan->messages; i++) {
        uint64_t start = measure_now_ns();
        channel_send(&s->channel, message(bytes), bytes);
        bench_round(s->run, start);
    }
    for (unsigned i = 0; i < s->plan->messages; i++)
        sem_wait_whole(&s->channel.drained);
    phase_end(s, MESSAGE, &since, s->plan->messages);
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

    for (run->phase_count = 0; run->phase_count < PHASES; run->phase_count++)
        run->phases[run->phase_count] = (struct bench_phase){.name = phase_names[run->phase_count]};
    sem_init(&s.channel.room, 0, MESSAGES_WAITING);
    sem_init(&s.channel.waiting, 0, 0);
    sem_init(&s.channel.drained, 0, 0);
    int error = pthread_create(&s.receiver, NULL, receive, &s.channel);
    if (error != 0) {
        fprintf(stderr, "hakmem-bench: no thread for sites: %s\n", strerror(error));
        exit(1);
    }

    uint64_t start = measure_now_ns();
    for (unsigned i = 0; i < s.plan->cycles; i++)
        cycle(&s, start + (uint64_t)i * s.plan->cycle_ms * 1000000u);
    measure_sleep_until_ns(start + (uint64_t)s.plan->cycles * s.plan->cycle_ms * 1000000u);
    free(s.table);
    channel_send(&s.channel, NULL, 0);
    pthread_join(s.receiver, NULL);
}
