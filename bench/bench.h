/*
 * hakmem-bench: work for an allocator, and what it cost.
 *
 * A scenario is one function that calls plain malloc, calloc, realloc and free, so that any
 * allocator can be under it. It gets a struct bench_run, from which it takes its random numbers,
 * in which it times its rounds and leaves what else it found out. Everything the benchmark needs
 * for itself comes from mmap or is static: the allocator under test sees the scenario's calls and
 * nothing else. The same seed gives the same sizes, in the same order, to every allocator.
 */
#ifndef HAK_BENCH_BENCH_H
#define HAK_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function with a call site of its own: neither inlined, nor cloned, nor folded with its twins. */
#if defined(__has_attribute) && __has_attribute(noipa)
#define BENCH_SITE __attribute__((noipa))
#else
#define BENCH_SITE __attribute__((noinline))
#endif

enum {
    BENCH_KIB = 1024,
    BENCH_MIB = 1024 * 1024,
    BENCH_PHASES_MAX = 8,
    BENCH_FIGURES_MAX = 8,
    BENCH_CURVE_MAX = 16,
};

/* What the process has used up to one moment. */
struct bench_usage {
    uint64_t wall_ns;
    uint64_t cpu_ns; /* user and system, without the sampling thread's */
    uint64_t user_us, system_us;
    uint64_t minor_faults, major_faults;
    int64_t tlb_shootdowns; /* of the whole machine; -1: the kernel does not count them */
};

/* One kind of work within a scenario, summed over the run. */
struct bench_phase {
    const char *name;
    uint64_t rounds;
    uint64_t wall_ns, cpu_ns, minor_faults;
};

/* A number that only one scenario has. */
struct bench_figure {
    const char *name;
    double value;
};

/* Resident memory at one moment. */
struct bench_point {
    unsigned ms;
    double resident_mib;
};

struct bench_run {
    uint64_t random; /* state of the generator */
    bool quick;      /* a small version of the same work, for tests */

    uint64_t *round_ns; /* the scenario's rounds_max entries, resident before the run begins */
    size_t rounds, rounds_max;

    struct bench_phase phases[BENCH_PHASES_MAX];
    size_t phase_count;
    struct bench_figure figures[BENCH_FIGURES_MAX];
    size_t figure_count;
    struct bench_point curve[BENCH_CURVE_MAX];
    size_t curve_count;

    struct bench_usage start, end, settled; /* around the work; and after the idle time behind it */
    double resident_average_mib, resident_peak_mib;
};

struct bench_scenario {
    const char *name;
    void (*run)(struct bench_run *run);
    size_t rounds_max; /* what it times at most */
    unsigned idle_ms;  /* idle time after the work that belongs to the measured window */
    const char *help;
};

static inline unsigned bench_idle_ms(const struct bench_scenario *scenario, bool quick)
{
    return quick ? scenario->idle_ms / 10 : scenario->idle_ms;
}

void scenario_json(struct bench_run *run);
void scenario_mir(struct bench_run *run);
void scenario_vm(struct bench_run *run);
void scenario_mixed(struct bench_run *run);
void scenario_sites(struct bench_run *run);
void scenario_burst(struct bench_run *run);
void scenario_grow(struct bench_run *run);
void scenario_maps(struct bench_run *run);
void scenario_sleepy(struct bench_run *run);
void scenario_stack(struct bench_run *run);
void scenario_slots(struct bench_run *run);
void scenario_trees(struct bench_run *run);
void scenario_strings(struct bench_run *run);
void scenario_handover(struct bench_run *run);
void scenario_slots2(struct bench_run *run);
void scenario_seven(struct bench_run *run);
void scenario_buffers(struct bench_run *run);
void scenario_vector(struct bench_run *run);
void scenario_topic(struct bench_run *run);
void scenario_bodies(struct bench_run *run);
void scenario_tiles(struct bench_run *run);
void scenario_doubling(struct bench_run *run);
void scenario_poly(struct bench_run *run);
void scenario_pauses(struct bench_run *run);
void scenario_sparse(struct bench_run *run);
void scenario_relay(struct bench_run *run);
void scenario_thin(struct bench_run *run);
void scenario_wrapped(struct bench_run *run);
void scenario_apart(struct bench_run *run);

/* measure.c */
uint64_t measure_now_ns(void);
void measure_usage(struct bench_usage *out);
int64_t measure_tlb_shootdowns(void);
double measure_resident_mib(void);
long measure_mappings(void);
/* Starts and ends the sampling of resident memory; 0 or -errno. */
int measure_sampling_start(void);
void measure_sampling_stop(struct bench_run *run);
void measure_sleep_until_ns(uint64_t when_ns);
void measure_sleep_ms(unsigned ms);

/* allocator.c: which allocator answers malloc in this process. */
struct bench_allocator {
    char name[64];    /* "hakmem 0.1.0", "glibc 2.36", ...; "unknown" */
    char module[256]; /* the file that holds malloc, from /proc/self/maps */
};
void allocator_identify(struct bench_allocator *out);

/* report.c */
struct bench_report {
    const struct bench_scenario *scenario;
    const struct bench_allocator *allocator;
    uint64_t seed;
    unsigned runs;
    bool quick;
};
void report_text_head(const struct bench_report *report);
void report_text(const struct bench_report *report, unsigned number, struct bench_run *run);
void report_json(const struct bench_report *report, unsigned number, struct bench_run *run);

/* The next random number (splitmix64). */
static inline uint64_t bench_random(struct bench_run *run)
{
    uint64_t z = (run->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number from `low` to `high`, both included. */
static inline uint64_t bench_random_in(struct bench_run *run, uint64_t low, uint64_t high)
{
    return low + bench_random(run) % (high - low + 1);
}

static inline void bench_round(struct bench_run *run, uint64_t since_ns)
{
    if (run->rounds < run->rounds_max)
        run->round_ns[run->rounds++] = measure_now_ns() - since_ns;
}

static inline void bench_figure(struct bench_run *run, const char *name, double value)
{
    if (run->figure_count < BENCH_FIGURES_MAX)
        run->figures[run->figure_count++] = (struct bench_figure){name, value};
}

/* The run has these phases; and adds to one of them what was used since. */
void bench_phases(struct bench_run *run, const char *const *names, size_t count);
void bench_phase_end(struct bench_run *run, size_t phase, const struct bench_usage *since,
                     uint64_t rounds);

/* Writes to every page of a block, as its user would. */
void bench_touch(void *block, size_t bytes);

/* A block that could not be had ends the benchmark: its figures would mean nothing. */
void *bench_need(void *block, size_t bytes);

#endif
