/*
 * What a run is reported as: a line of an aligned table, or one JSON object on a line.
 */
#include "bench.h"

#include <stdio.h>
#include <string.h>

/* Shell sort: the C library's qsort may call malloc, which is what is being measured. */
static void sort(uint64_t *v, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (size_t i = gap; i < n; i++) {
            uint64_t x = v[i];
            size_t at = i;
            for (; at >= gap && v[at - gap] > x; at -= gap)
                v[at] = v[at - gap];
            v[at] = x;
        }
}

struct latency {
    double mean_ns;
    uint64_t median_ns, p99_ns, max_ns;
};

/* Sorts the run's rounds. */
static struct latency latency_of(struct bench_run *run)
{
    struct latency l = {0};
    size_t n = run->rounds;

    if (n == 0)
        return l;
    sort(run->round_ns, n);
    for (size_t i = 0; i < n; i++)
        l.mean_ns += (double)run->round_ns[i];
    l.mean_ns /= (double)n;
    l.median_ns = run->round_ns[n / 2];
    l.p99_ns = run->round_ns[(n * 99 + 99) / 100 - 1];
    l.max_ns = run->round_ns[n - 1];
    return l;
}

static int64_t shootdowns_of(const struct bench_run *run)
{
    return run->start.tlb_shootdowns < 0 ? -1
                                         : run->settled.tlb_shootdowns - run->start.tlb_shootdowns;
}

static double ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / 1e6;
}

void report_text_head(const struct bench_report *report)
{
    printf("hakmem-bench %s%s: %s\n", report->scenario->name, report->quick ? " --quick" : "",
           report->scenario->help);
    printf("allocator %s in %s; seed %llu; idle time of %u ms after the work included\n\n",
           report->allocator->name, report->allocator->module, (unsigned long long)report->seed,
           bench_idle_ms(report->scenario, report->quick));
    printf("%3s %7s %10s %10s %10s %10s %8s %6s %8s %8s %6s\n", "run", "rounds", "mean us",
           "median us", "p99 us", "CPU ms", "minor", "major", "avg MiB", "peak MiB", "TLB");
}

static void text_details(const struct bench_run *run)
{
    for (size_t i = 0; i < run->phase_count; i++) {
        const struct bench_phase *p = &run->phases[i];
        printf("    %-10s %7llu rounds %10.2f ms CPU %10.2f ms wall %8llu minor faults\n", p->name,
               (unsigned long long)p->rounds, (double)p->cpu_ns / 1e6, (double)p->wall_ns / 1e6,
               (unsigned long long)p->minor_faults);
    }
    for (size_t i = 0; i < run->figure_count; i++)
        printf("    %-28s %10.1f\n", run->figures[i].name, run->figures[i].value);
    for (size_t i = 0; i < run->curve_count; i++)
        printf("    after %5u ms %10.1f MiB resident\n", run->curve[i].ms,
               run->curve[i].resident_mib);
}

void report_text(const struct bench_report *report, unsigned number, struct bench_run *run)
{
    struct latency l = latency_of(run);
    int64_t shootdowns = shootdowns_of(run);

    (void)report;
    printf("%3u %7zu %10.2f %10.2f %10.2f %10.2f %8llu %6llu %8.1f %8.1f ", number, run->rounds,
           l.mean_ns / 1e3, (double)l.median_ns / 1e3, (double)l.p99_ns / 1e3,
           ms_between(run->start.cpu_ns, run->settled.cpu_ns),
           (unsigned long long)(run->end.minor_faults - run->start.minor_faults),
           (unsigned long long)(run->end.major_faults - run->start.major_faults),
           run->resident_average_mib, run->resident_peak_mib);
    if (shootdowns < 0)
        printf("%6s\n", "n/a");
    else
        printf("%6lld\n", (long long)shootdowns);
    text_details(run);
}

/* A file name may hold anything; JSON strings may not. */
static void json_string(const char *name, const char *text)
{
    printf(",\"%s\":\"", name);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else if (*p < 0x20 || *p >= 0x7f)
            printf("\\u%04x", *p);
        else
            putchar(*p);
    }
    putchar('"');
}

static void json_count(const char *name, uint64_t value)
{
    printf(",\"%s\":%llu", name, (unsigned long long)value);
}

static void json_details(const struct bench_run *run)
{
    for (size_t i = 0; i < run->figure_count; i++)
        printf(",\"%s\":%.3f", run->figures[i].name, run->figures[i].value);
    if (run->phase_count > 0)
        printf(",\"phases\":[");
    for (size_t i = 0; i < run->phase_count; i++) {
        const struct bench_phase *p = &run->phases[i];
        printf("%s{\"name\":\"%s\",\"rounds\":%llu,\"cpu_ms\":%.3f,\"wall_ms\":%.3f,"
               "\"minor_faults\":%llu}%s",
               i == 0 ? "" : ",", p->name, (unsigned long long)p->rounds, (double)p->cpu_ns / 1e6,
               (double)p->wall_ns / 1e6, (unsigned long long)p->minor_faults,
               i + 1 == run->phase_count ? "]" : "");
    }
    if (run->curve_count > 0)
        printf(",\"resident_over_time\":[");
    for (size_t i = 0; i < run->curve_count; i++)
        printf("%s{\"ms\":%u,\"mib\":%.2f}%s", i == 0 ? "" : ",", run->curve[i].ms,
               run->curve[i].resident_mib, i + 1 == run->curve_count ? "]" : "");
}

void report_json(const struct bench_report *report, unsigned number, struct bench_run *run)
{
    struct latency l = latency_of(run);
    int64_t shootdowns = shootdowns_of(run);

    printf("{\"benchmark\":\"hakmem-bench\"");
    json_string("scenario", report->scenario->name);
    printf(",\"quick\":%s", report->quick ? "true" : "false");
    json_count("run", number);
    json_count("runs", report->runs);
    json_count("seed", report->seed);
    json_string("allocator", report->allocator->name);
    json_string("module", report->allocator->module);
    json_count("rounds", run->rounds);
    printf(",\"latency_mean_ns\":%.1f", l.mean_ns);
    json_count("latency_median_ns", l.median_ns);
    json_count("latency_p99_ns", l.p99_ns);
    json_count("latency_max_ns", l.max_ns);
    printf(",\"work_ms\":%.3f", ms_between(run->start.wall_ns, run->end.wall_ns));
    printf(",\"wall_ms\":%.3f", ms_between(run->start.wall_ns, run->settled.wall_ns));
    printf(",\"cpu_ms\":%.3f", ms_between(run->start.cpu_ns, run->settled.cpu_ns));
    printf(",\"user_ms\":%.3f", (double)(run->settled.user_us - run->start.user_us) / 1e3);
    printf(",\"system_ms\":%.3f", (double)(run->settled.system_us - run->start.system_us) / 1e3);
    json_count("minor_faults", run->end.minor_faults - run->start.minor_faults);
    json_count("major_faults", run->end.major_faults - run->start.major_faults);
    printf(",\"resident_average_mib\":%.3f", run->resident_average_mib);
    printf(",\"resident_peak_mib\":%.3f", run->resident_peak_mib);
    if (shootdowns < 0)
        printf(",\"tlb_shootdowns\":null");
    else
        json_count("tlb_shootdowns", (uint64_t)shootdowns);
    json_details(run);
    printf("}\n");
    fflush(stdout);
}
