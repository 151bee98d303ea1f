/*
 * hakmem compare: compare.c says what is run and in which order, compare_run.c runs a program once
 * and measures it, compare_read.c reads files, compare_report.c prints.
 */
#ifndef HAK_TOOLS_COMPARE_H
#define HAK_TOOLS_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/doc.h"

/* What is measured of a run: M(name in JSON, unit in the table). NAN: not known for this run. */
#define COMPARE_MEASURES(M)                                                                        \
    M(LATENCY_US, "latency_us")   /* hakmem-bench's mean round; else the wall time */              \
    M(WALL_MS, "wall_ms")         /* from exec to exit */                                          \
    M(CPU_MS, "cpu_ms")           /* user and system, its waited-for children's too */             \
    M(AVERAGE_MIB, "average_mib") /* resident, over time */                                        \
    M(COST_MS, "cost_ms")         /* CPU time, and the price of what was resident */               \
    M(PEAK_MIB, "peak_mib")       /* the kernel's high-water mark */                               \
    M(FAULTS, "faults")           /* minor; of hakmem-bench's work alone where that is run */      \
    M(PROCESS_FAULTS, "process_faults") /* minor and major, of the whole process */                \
    M(SHOOTDOWNS, "tlb_shootdowns")     /* of the machine while it ran */                          \
    M(HIT_PERCENT, "cache_hit_percent") /* BigCache; hakmem's own statistics */                    \
    M(FLUSHES, "batch_flushes")

enum compare_measure {
#define M(name, json) COMPARE_##name,
    COMPARE_MEASURES(M)
#undef M
        COMPARE_MEASURE_COUNT,
};

struct compare_sample {
    double value[COMPARE_MEASURE_COUNT];
};

enum { COMPARE_VARIABLES_MAX = 4 };

/* The program under one allocator. */
struct compare_variant {
    const char *name;
    const char *library; /* preloaded; NULL: none */
    bool is_hakmem;
    const char *variables[COMPARE_VARIABLES_MAX][2]; /* set in its environment; NULL ends them */
    const char *note; /* not run, and why: "= mmap/base/touch/keep", "masked"; NULL: it is run */
    char *failure;    /* why it was given up; NULL: it was not */
    struct compare_sample *samples;
    size_t sample_count;
};

/* All of one comparison. */
struct compare {
    char **command;    /* NULL-terminated */
    bool is_bench;     /* the command is hakmem-bench, with --json */
    char scenario[32]; /* hakmem-bench's */
    unsigned runs;
    double warm_gib;                  /* 0: not warmed */
    enum policy_goal goal;            /* by which memory is priced: the policy's */
    char directory[64];               /* for the statistics of runs; ours */
    struct compare_variant *variants; /* the first is system malloc */
    size_t variant_count;
};

/*
 * Runs the command once as the variant. True: *sample is filled in. False: variant->failure says why
 * (not enough memory to say it: the program ends); *status is TOOL_NO, TOOL_NOT_FOUND or
 * TOOL_CANNOT_RUN.
 */
bool compare_run_once(struct compare *compare, struct compare_variant *variant,
                      struct compare_sample *sample, int *status);

/* The whole of what a descriptor or a file holds, with a NUL after it; to be freed. NULL + errno. */
char *compare_read_fd(int fd);
char *compare_read_file(const char *path);

/* The machine's TLB shootdowns so far; NAN where the kernel does not count them. */
double compare_tlb_shootdowns(void);

/* The number after "name": in a JSON text of ours; NAN: there is none. */
double compare_json_number(const char *text, const char *name);

/* The string after "name":, up to its closing quote; "" when there is none. */
void compare_json_word(const char *text, const char *name, char *out, size_t cap);

/* The median of a number over hakmem-bench's lines: it may have been asked for several runs. */
double compare_json_median(const char *text, const char *name);

/* The table or the JSON lines, and the verdict on the variant called "learned" where there is one. */
void compare_report_text(const struct compare *compare);
void compare_report_json(const struct compare *compare);

#endif
