/*
 * hakmem-bench SCENARIO [--runs N] [--seed S] [--quick] [--json]
 *
 * Read bench.h first; then simple.c, sites.c, kernels.c, reported.c, wrapped.c and small.c for the work, measure.c for the figures.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct bench_scenario scenarios[] = {
    {"json", scenario_json, 4000, 500, "64 KiB, 4000 rounds: allocate, touch every page, free"},
    {"mir", scenario_mir, 1000, 500, "256 KiB, 1000 rounds: allocate, touch every page, free"},
    {"vm", scenario_vm, 100, 500, "2 MiB, 100 rounds: allocate, touch every page, free"},
    {"mixed", scenario_mixed, 3000, 500, "64 KiB to 4 MiB from three places, lives of all lengths"},
    {"sites", scenario_sites, 2000, 1000, "five places that want five treatments, in one process"},
    {"burst", scenario_burst, 640, 0, "64 x 256 KiB freed at once while another thread runs"},
    {"grow", scenario_grow, 512, 500, "realloc in steps of 1 MiB to 512 MiB"},
    {"maps", scenario_maps, 100000, 500, "100,000 large blocks of random sizes, 300 of them live"},
    {"sleepy", scenario_sleepy, 16, 0, "frees 64 MiB and then only sleeps"},
    {"stack", scenario_stack, 20000, 1000, "16 to 256 bytes, freed in the reverse order"},
    {"slots", scenario_slots, 20000, 1000, "8 bytes to 32 KiB in random slots"},
    {"trees", scenario_trees, 10000, 1000, "binary trees of 16-byte nodes"},
    {"strings", scenario_strings, 500, 1000, "strings that grow by realloc, a few bytes at a time"},
    {"handover", scenario_handover, 5000, 1000,
     "up to 512 bytes allocated by one thread, freed by another"},
    {"slots2", scenario_slots2, 20000, 1000, "random slots in two threads"},
    {"seven", scenario_seven, 400, 500, "buffers of 7 MiB, then of 7.1 MiB"},
    {"buffers", scenario_buffers, 1000, 500, "5 to 25 MiB at random, 20 of them live"},
    {"vector", scenario_vector, 100, 500, "32 MiB, filled, 100 times"},
    {"topic", scenario_topic, 450, 0, "1 MiB a message, 200 a second, with gaps"},
    {"bodies", scenario_bodies, 25, 1000, "96 to 512 KiB, five a second"},
    {"tiles", scenario_tiles, 3, 500, "11 MiB in each of 64 threads at once"},
    {"doubling", scenario_doubling, 20, 500, "realloc to twice the size, to 1 GiB"},
    {"poly", scenario_poly, 300, 500, "results of 0.5 to 30 MB, eight of them live"},
    {"pauses", scenario_pauses, 8, 0, "32 blocks of 1 to 4 MiB, freed, then nothing for a while"},
    {"sparse", scenario_sparse, 60, 500, "tables of 64 MiB, 100 pages of them written"},
    {"relay", scenario_relay, 300, 500, "2 to 6 MiB written here, freed by another thread"},
    {"thin", scenario_thin, 300, 500, "calloc of 8 MiB, one page in 64 written"},
    {"wrapped", scenario_wrapped, 12, 500, "three kinds of use behind one function"},
    {"apart", scenario_apart, 12, 500, "the same, each kind with its own call of malloc"},
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

struct arguments {
    const struct bench_scenario *scenario;
    unsigned runs;
    uint64_t seed;
    bool quick, json;
};

static void usage(FILE *to)
{
    fprintf(to, "usage: hakmem-bench SCENARIO [--runs N] [--seed S] [--quick] [--json]\n\n");
    for (size_t i = 0; i < SCENARIOS; i++)
        fprintf(to, "  %-8s %s\n", scenarios[i].name, scenarios[i].help);
    fprintf(to, "\n"
                "  --runs N   so many runs in this process, 1 to 1000 (1)\n"
                "  --seed S   of the random sizes (1)\n"
                "  --quick    a small version of the work, to see that it runs\n"
                "  --json     one object a line\n\n"
                "The allocator is the process's own; put another under it by LD_PRELOAD.\n");
}

static const struct bench_scenario *scenario_by_name(const char *name)
{
    for (size_t i = 0; i < SCENARIOS; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    fprintf(stderr, "hakmem-bench: unknown scenario '%s', expected one of", name);
    for (size_t i = 0; i < SCENARIOS; i++)
        fprintf(stderr, " %s", scenarios[i].name);
    fprintf(stderr, "\n");
    return NULL;
}

static bool parse_number(const char *option, const char *word, uint64_t low, uint64_t high,
                         uint64_t *out)
{
    char *end = NULL;
    if (word != NULL && *word >= '0' && *word <= '9') {
        errno = 0;
        *out = strtoull(word, &end, 10);
        if (errno == 0 && *end == '\0' && *out >= low && *out <= high)
            return true;
    }
    fprintf(stderr, "hakmem-bench: %s %s: expected a number from %llu to %llu\n", option,
            word == NULL ? "without a value" : word, (unsigned long long)low,
            (unsigned long long)high);
    return false;
}

static bool parse_arguments(int argc, char **argv, struct arguments *out)
{
    uint64_t runs = 1;

    *out = (struct arguments){.seed = 1};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--json") == 0) {
            out->json = true;
        } else if (strcmp(word, "--quick") == 0) {
            out->quick = true;
        } else if (strcmp(word, "--runs") == 0) {
            if (!parse_number(word, argv[++i], 1, 1000, &runs))
                return false;
        } else if (strcmp(word, "--seed") == 0) {
            if (!parse_number(word, argv[++i], 0, UINT64_MAX, &out->seed))
                return false;
        } else if (word[0] == '-') {
            fprintf(stderr,
                    "hakmem-bench: unknown option '%s', expected --runs, --seed, --quick "
                    "or --json\n",
                    word);
            return false;
        } else if (out->scenario != NULL) {
            fprintf(stderr, "hakmem-bench: one scenario at a time: '%s' after '%s'\n", word,
                    out->scenario->name);
            return false;
        } else if ((out->scenario = scenario_by_name(word)) == NULL) {
            return false;
        }
    }
    out->runs = (unsigned)runs;
    if (out->scenario == NULL)
        fprintf(stderr, "hakmem-bench: no scenario given; hakmem-bench --help lists them\n");
    return out->scenario != NULL;
}

static int run_once(const struct arguments *args, unsigned number, struct bench_run *run)
{
    uint64_t *round_ns = run->round_ns;
    size_t rounds_max = args->scenario->rounds_max;
    int status = measure_sampling_start();

    if (status != 0) {
        fprintf(stderr, "hakmem-bench: resident memory cannot be sampled: %s\n", strerror(-status));
        return status;
    }
    *run = (struct bench_run){.round_ns = round_ns, .rounds_max = rounds_max, .quick = args->quick};
    run->random = args->seed + (uint64_t)(number - 1) * 0x100000001b3u;
    run->start.tlb_shootdowns = measure_tlb_shootdowns();
    double before_mib = measure_resident_mib();
    measure_usage(&run->start);
    args->scenario->run(run);
    measure_usage(&run->end);
    measure_sleep_ms(bench_idle_ms(args->scenario, args->quick));
    bench_figure(run, "resident_start_mib", before_mib);
    bench_figure(run, "resident_settled_mib", measure_resident_mib());
    measure_usage(&run->settled);
    run->settled.tlb_shootdowns = measure_tlb_shootdowns();
    measure_sampling_stop(run);
    return 0;
}

int main(int argc, char **argv)
{
    static char out_buffer[1 << 16];
    struct arguments args;
    struct bench_allocator allocator;
    struct bench_run run = {0};

    setvbuf(stdout, out_buffer, _IOFBF, sizeof(out_buffer));
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            usage(stdout);
            return 0;
        }
    if (!parse_arguments(argc, argv, &args))
        return 2;

    run.round_ns = mmap(NULL, args.scenario->rounds_max * sizeof(*run.round_ns),
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (run.round_ns == MAP_FAILED) {
        fprintf(stderr, "hakmem-bench: no memory for the figures: %s\n", strerror(errno));
        return 1;
    }
    allocator_identify(&allocator);
    struct bench_report report = {args.scenario, &allocator, args.seed, args.runs, args.quick};
    if (!args.json)
        report_text_head(&report);
    for (unsigned i = 1; i <= args.runs; i++) {
        if (run_once(&args, i, &run) != 0)
            return 1;
        if (args.json)
            report_json(&report, i, &run);
        else
            report_text(&report, i, &run);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
