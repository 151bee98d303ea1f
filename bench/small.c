/*
 * Small blocks, under the floor of what is learned: what every program does on every call.
 *
 *   stack    blocks of 16 to 256 bytes, freed in the reverse order
 *   slots    random blocks of 8 bytes to 32 KiB in random slots
 *   trees    binary trees of 16-byte nodes, built and taken down
 *   strings  strings that grow by realloc, a few bytes at a time
 *   handover one thread allocates, another frees
 *   slots2   the same as slots, in two threads at once
 *
 * A round is a fixed number of operations, an operation one malloc, realloc or free; their mean is the figure
 * ns_per_op. Every block's first and last byte are written, as a program would.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *filled(char *p, size_t bytes)
{
    bench_need(p, bytes);
    p[0] = p[bytes - 1] = 1;
    return p;
}

/* Times `rounds` calls of `round`, which does and returns a number of operations. */
static void time_rounds(struct bench_run *run, unsigned rounds,
                        uint64_t (*round)(struct bench_run *run))
{
    uint64_t start = measure_now_ns(), operations = 0;
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t since = measure_now_ns();
        operations += round(run);
        bench_round(run, since);
    }
    bench_figure(run, "ns_per_op", (double)(measure_now_ns() - start) / (double)operations);
}

/* stack */

enum { STACK_DEPTH = 1000 };

static uint64_t stack_round(struct bench_run *run)
{
    static char *blocks[STACK_DEPTH];
    for (size_t i = 0; i < STACK_DEPTH; i++) {
        size_t bytes = bench_random_in(run, 16, 256);
        blocks[i] = filled(malloc(bytes), bytes);
    }
    for (size_t i = STACK_DEPTH; i > 0; i--)
        free(blocks[i - 1]);
    return 2 * STACK_DEPTH;
}

void scenario_stack(struct bench_run *run)
{
    time_rounds(run, run->quick ? 10 : 20000, stack_round);
}

/* slots */

enum { SLOTS = 1000, SLOTS_OPERATIONS = 1000, SLOTS_LOG2_LEAST = 3, SLOTS_LOG2_MOST = 15 };

/* Each octave from 8 bytes to 32 KiB is as likely as the next. */
static void replace_slots(struct bench_run *run, char **slots)
{
    for (size_t i = 0; i < SLOTS_OPERATIONS; i++) {
        uint64_t random = bench_random(run);
        char **slot = &slots[random % SLOTS];
        size_t octave =
            (size_t)1 << (SLOTS_LOG2_LEAST + (random >> 20) % (SLOTS_LOG2_MOST - SLOTS_LOG2_LEAST));
        size_t bytes = octave + (random >> 40) % octave;
        free(*slot);
        *slot = filled(malloc(bytes), bytes);
    }
}

static void empty_slots(char **slots)
{
    for (size_t i = 0; i < SLOTS; i++) {
        free(slots[i]);
        slots[i] = NULL;
    }
}

static char *slots[SLOTS];

static uint64_t slots_round(struct bench_run *run)
{
    replace_slots(run, slots);
    return 2 * SLOTS_OPERATIONS;
}

void scenario_slots(struct bench_run *run)
{
    time_rounds(run, run->quick ? 10 : 20000, slots_round);
    empty_slots(slots);
}

/* trees */

enum { TREE_DEPTH = 12, TREE_NODES = (1 << TREE_DEPTH) - 1 };

struct node {
    struct node *left, *right;
};

static struct node *build_tree(unsigned depth)
{
    struct node *n = bench_need(malloc(sizeof(*n)), sizeof(*n));
    n->left = depth > 1 ? build_tree(depth - 1) : NULL;
    n->right = depth > 1 ? build_tree(depth - 1) : NULL;
    return n;
}

static void fell_tree(struct node *n)
{
    if (n == NULL)
        return;
    fell_tree(n->left);
    fell_tree(n->right);
    free(n);
}

static uint64_t trees_round(struct bench_run *run)
{
    fell_tree(build_tree(TREE_DEPTH));
    return 2 * (uint64_t)TREE_NODES;
}

void scenario_trees(struct bench_run *run)
{
    time_rounds(run, run->quick ? 10 : 10000, trees_round);
}

/* strings */

enum { STRINGS = 64, STRING_STEPS = 100, STRING_STEP_MOST = 64 };

static uint64_t strings_round(struct bench_run *run)
{
    static char *strings[STRINGS];
    static size_t lengths[STRINGS];

    for (size_t step = 0; step < STRING_STEPS; step++)
        for (size_t i = 0; i < STRINGS; i++) {
            lengths[i] += bench_random_in(run, 1, STRING_STEP_MOST);
            strings[i] = bench_need(realloc(strings[i], lengths[i]), lengths[i]);
            strings[i][lengths[i] - 1] = 1;
        }
    for (size_t i = 0; i < STRINGS; i++) {
        free(strings[i]);
        strings[i] = NULL;
        lengths[i] = 0;
    }
    return (uint64_t)STRINGS * (STRING_STEPS + 1);
}

void scenario_strings(struct bench_run *run)
{
    time_rounds(run, run->quick ? 2 : 500, strings_round);
}

/* Threads beside the first one. */

static pthread_t start_thread(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, body, arg);
    if (error != 0) {
        fprintf(stderr, "hakmem-bench: no second thread: %s\n", strerror(error));
        exit(1);
    }
    return thread;
}

/* handover */

enum { PARCEL_BLOCKS = 1000, PARCEL_BYTES_MOST = 512, PARCELS = 4 };

struct parcel {
    char *blocks[PARCEL_BLOCKS];
    atomic_bool full;
};

static struct {
    struct parcel parcels[PARCELS];
    size_t next; /* the sender's */
    atomic_bool stop;
} belt;

/* The other thread is about to do it: there is a processor for each, or else it gets this one. */
static void wait_until(atomic_bool *flag, bool value)
{
    while (atomic_load_explicit(flag, memory_order_acquire) != value)
        sched_yield();
}

static void *receive(void *unused)
{
    for (size_t i = 0;; i = (i + 1) % PARCELS) {
        struct parcel *p = &belt.parcels[i];
        while (!atomic_load_explicit(&p->full, memory_order_acquire)) {
            if (atomic_load_explicit(&belt.stop, memory_order_acquire))
                return unused;
            sched_yield();
        }
        for (size_t b = 0; b < PARCEL_BLOCKS; b++)
            free(p->blocks[b]);
        atomic_store_explicit(&p->full, false, memory_order_release);
    }
}

static uint64_t handover_round(struct bench_run *run)
{
    struct parcel *p = &belt.parcels[belt.next];
    belt.next = (belt.next + 1) % PARCELS;
    wait_until(&p->full, false);
    for (size_t b = 0; b < PARCEL_BLOCKS; b++) {
        size_t bytes = bench_random_in(run, 16, PARCEL_BYTES_MOST);
        p->blocks[b] = filled(malloc(bytes), bytes);
    }
    atomic_store_explicit(&p->full, true, memory_order_release);
    return 2 * (uint64_t)PARCEL_BLOCKS;
}

void scenario_handover(struct bench_run *run)
{
    belt.next = 0;
    atomic_store(&belt.stop, false);
    pthread_t receiver = start_thread(receive, NULL);
    time_rounds(run, run->quick ? 10 : 5000, handover_round);
    for (size_t i = 0; i < PARCELS; i++)
        wait_until(&belt.parcels[i].full, false);
    atomic_store_explicit(&belt.stop, true, memory_order_release);
    pthread_join(receiver, NULL);
}

/* slots2 */

struct second {
    struct bench_run run; /* only its random numbers */
    unsigned rounds;
};

static void *second_slots(void *arg)
{
    static char *own[SLOTS];
    struct second *second = arg;
    for (unsigned i = 0; i < second->rounds; i++)
        replace_slots(&second->run, own);
    empty_slots(own);
    return NULL;
}

/* Both threads' operations over the time until both are done. */
void scenario_slots2(struct bench_run *run)
{
    struct second second = {.run.random = bench_random(run), .rounds = run->quick ? 10 : 20000};
    uint64_t start = measure_now_ns();
    pthread_t thread = start_thread(second_slots, &second);

    for (unsigned i = 0; i < second.rounds; i++) {
        uint64_t since = measure_now_ns();
        slots_round(run);
        bench_round(run, since);
    }
    empty_slots(slots);
    pthread_join(thread, NULL);
    bench_figure(run, "ns_per_op",
                 (double)(measure_now_ns() - start) / (4.0 * SLOTS_OPERATIONS * second.rounds));
}
