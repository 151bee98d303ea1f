/*
 * What a comparison found: two tables for people (time; memory and events), or a line of JSON for
 * each run and each variant; and the verdict on the learned policy.
 *
 * The verdict is a rule, not an opinion: a policy that makes the program slower than the system's
 * malloc, or dearer than hakmem's defaults by what the library minimises, CPU time and priced memory, or
 * that lets `vm` take over 500 page faults a run, is to be rolled back.
 */
#include "compare.h"
#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"

static const double faults_limit = 500; /* of a run of hakmem-bench vm */

static const char *const measure_names[COMPARE_MEASURE_COUNT] = {
#define M(name, json) json,
    COMPARE_MEASURES(M)
#undef M
};

struct spread {
    double median, least, most;
    double low, high; /* the median's interval: where it lies with 95 % confidence */
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/*
 * How many of n sorted values lie outside the median's interval at either end: the median is as likely above as
 * below any value, so the binomial distribution says it, whatever the values' own one is. Below nine values: none.
 */
static size_t outside_median(size_t n)
{
    double at_most = 0, probability = pow(0.5, (double)n);
    size_t k = 0;

    for (;; k++) {
        at_most += probability;
        if (2 * at_most > 0.05)
            return k == 0 ? 0 : k - 1;
        probability *= (double)(n - k) / (double)(k + 1);
    }
}

/* Over the variant's runs in which it is known; NANs when in none. */
static struct spread spread_of(const struct compare_variant *v, enum compare_measure measure)
{
    double values[1000]; /* the most runs there are */
    size_t n = 0;

    for (size_t i = 0; i < v->sample_count; i++)
        if (!isnan(v->samples[i].value[measure]))
            values[n++] = v->samples[i].value[measure];
    if (n == 0)
        return (struct spread){NAN, NAN, NAN, NAN, NAN};
    qsort(values, n, sizeof(values[0]), by_value);
    size_t outside = outside_median(n);
    return (struct spread){.median = (values[(n - 1) / 2] + values[n / 2]) / 2,
                           .least = values[0],
                           .most = values[n - 1],
                           .low = values[outside],
                           .high = values[n - 1 - outside]};
}

static bool is_draw(const struct spread *a, const struct spread *b)
{
    return a->low <= b->high && b->low <= a->high;
}

static bool is_shown(const struct compare_variant *v)
{
    return v->note == NULL && v->failure == NULL;
}

/* Figures. A column keeps its width whatever the figure. */

static void print_figure(double value, int width)
{
    if (isnan(value))
        printf(" %*s", width, "-");
    else
        printf(" %*.*f", width, fabs(value) >= 1000 ? 0 : fabs(value) >= 100 ? 1 : 2, value);
}

static void print_count(double value, int width)
{
    if (isnan(value))
        printf(" %*s", width, "-");
    else
        printf(" %*.0f", width, value);
}

static void print_range(const struct spread *s, int width)
{
    char text[64];
    int decimals = s->most >= 1000 ? 0 : s->most >= 100 ? 1 : 2;

    snprintf(text, sizeof(text), "%.*f-%.*f", decimals, s->least, decimals, s->most);
    printf(" %*s", width, isnan(s->median) ? "-" : text);
}

static void print_ratio(const struct spread *s, const struct spread *base)
{
    if (s == base)
        printf(" %6s", "1");
    else if (isnan(s->median) || isnan(base->median) || base->median <= 0)
        printf(" %6s", "-");
    else if (is_draw(s, base))
        printf(" %6s", "draw");
    else
        printf(" %5.*fx", s->median / base->median >= 10 ? 1 : 2, s->median / base->median);
}

/* Median, range and ratio to the system's malloc. */
static void print_compared(const struct compare *c, const struct compare_variant *v,
                           enum compare_measure measure)
{
    struct spread base = spread_of(&c->variants[0], measure);
    struct spread other = spread_of(v, measure);
    const struct spread *s = v == &c->variants[0] ? &base : &other;

    print_figure(s->median, 9);
    print_range(s, 17);
    print_ratio(s, &base);
}

static void print_name(const struct compare_variant *v)
{
    printf("%-26s", v->name);
}

static void print_head(const char *const *columns, const int *widths, size_t n)
{
    printf("%-26s", "");
    for (size_t i = 0; i < n; i++)
        printf(" %*s", widths[i], columns[i]);
    putchar('\n');
}

static void print_times(const struct compare *c)
{
    const char *const columns[] = {
        c->is_bench ? "us/round" : "wall ms", "min-max", "ratio", "CPU ms", "min-max", "ratio"};
    static const int widths[] = {9, 17, 6, 9, 17, 6};

    print_head(columns, widths, 6);
    for (size_t i = 0; i < c->variant_count; i++) {
        const struct compare_variant *v = &c->variants[i];
        print_name(v);
        if (is_shown(v)) {
            print_compared(c, v, c->is_bench ? COMPARE_LATENCY_US : COMPARE_WALL_MS);
            print_compared(c, v, COMPARE_CPU_MS);
        } else {
            printf(" %s", v->failure != NULL ? v->failure : v->note);
        }
        putchar('\n');
    }
}

static void print_memory(const struct compare *c)
{
    static const char *const columns[] = {"avg MiB", "min-max", "ratio", "peak MiB",
                                          "faults",  "TLB",     "hits",  "flushes"};
    static const int widths[] = {9, 17, 6, 9, 9, 6, 6, 7};

    print_head(columns, widths, 8);
    for (size_t i = 0; i < c->variant_count; i++) {
        const struct compare_variant *v = &c->variants[i];
        if (!is_shown(v))
            continue;
        print_name(v);
        print_compared(c, v, COMPARE_AVERAGE_MIB);
        print_figure(spread_of(v, COMPARE_PEAK_MIB).median, 9);
        print_count(spread_of(v, COMPARE_FAULTS).median, 9);
        print_count(spread_of(v, COMPARE_SHOOTDOWNS).median, 6);
        double hits = spread_of(v, COMPARE_HIT_PERCENT).median;
        if (isnan(hits))
            printf(" %6s", "-");
        else
            printf(" %5.1f%%", hits);
        print_count(spread_of(v, COMPARE_FLUSHES).median, 7);
        putchar('\n');
    }
}

/* Against the best of each: what people choose by. */

static const struct compare_variant *best_of(const struct compare *c, enum compare_measure measure)
{
    const struct compare_variant *best = NULL;

    for (size_t i = 0; i < c->variant_count; i++) {
        const struct compare_variant *v = &c->variants[i];
        if (!is_shown(v) || isnan(spread_of(v, measure).median))
            continue;
        if (best == NULL || spread_of(v, measure).median < spread_of(best, measure).median)
            best = v;
    }
    return best;
}

static void print_to_best(const struct compare *c, const struct compare_variant *v,
                          enum compare_measure measure, int width)
{
    const struct compare_variant *best = best_of(c, measure);
    char text[32] = "-";

    if (best == v) {
        snprintf(text, sizeof(text), "best");
    } else if (best != NULL) {
        struct spread s = spread_of(v, measure), least = spread_of(best, measure);
        if (!isnan(s.median) && least.median > 0)
            snprintf(text, sizeof(text), is_draw(&s, &least) ? "%.2fx=" : "%.2fx",
                     s.median / least.median);
    }
    printf(" %*s", width, text);
}

static void print_against_best(const struct compare *c)
{
    const char *const columns[] = {c->is_bench ? "us/round" : "wall ms", "CPU ms", "avg MiB",
                                   "peak MiB", "all faults"};
    static const enum compare_measure measures[] = {COMPARE_LATENCY_US, COMPARE_CPU_MS,
                                                    COMPARE_AVERAGE_MIB, COMPARE_PEAK_MIB,
                                                    COMPARE_PROCESS_FAULTS};
    static const int widths[] = {9, 9, 9, 9, 10};

    printf("times the best of all; =: no different from it\n");
    print_head(columns, widths, 5);
    for (size_t i = 0; i < c->variant_count; i++) {
        if (!is_shown(&c->variants[i]))
            continue;
        print_name(&c->variants[i]);
        for (size_t m = 0; m < 5; m++)
            print_to_best(c, &c->variants[i], measures[m], widths[m]);
        putchar('\n');
    }
}

/* The verdict. */

struct verdict {
    bool given, keep;
    char reason[200];
};

/* What the learned policy is held against, by one measure. */
struct against {
    const struct compare_variant *other; /* NULL: it is left out */
    enum compare_measure measure;
    const char *what, *whose;
};

/* NULL: there is none, or of its runs it is not known how they ended. */
static const struct compare_variant *hakmem_named(const struct compare *c, const char *name)
{
    for (size_t i = 0; i < c->variant_count; i++)
        if (c->variants[i].is_hakmem && strcmp(c->variants[i].name, name) == 0)
            return c->variants[i].sample_count != 0 || c->variants[i].failure != NULL
                       ? &c->variants[i]
                       : NULL;
    return NULL;
}

HAK_PRINTF(2, 3) static void add_reason(struct verdict *verdict, const char *format, ...)
{
    size_t used = strlen(verdict->reason);
    char part[sizeof(verdict->reason)];
    va_list args;

    va_start(args, format);
    vsnprintf(part, sizeof(part), format, args);
    va_end(args);
    snprintf(verdict->reason + used, sizeof(verdict->reason) - used, "%s%s", used > 0 ? "; " : "",
             part);
}

/* False: it is left out, or not known. */
static bool weigh(struct verdict *verdict, const struct compare_variant *learned,
                  const struct against *a)
{
    if (a->other == NULL || a->other->failure != NULL)
        return false;
    struct spread own = spread_of(learned, a->measure), base = spread_of(a->other, a->measure);
    if (isnan(own.median) || isnan(base.median) || base.median <= 0)
        return false;
    double ratio = own.median / base.median;
    bool draw = is_draw(&own, &base);
    verdict->keep = verdict->keep && (draw || ratio <= 1);
    add_reason(verdict, "%s %.2fx of %s%s", a->what, ratio, a->whose, draw ? ", a draw" : "");
    return true;
}

static struct verdict verdict_of(const struct compare *c)
{
    struct verdict verdict = {0};
    const struct compare_variant *learned = hakmem_named(c, "learned");
    const char *what = c->is_bench ? "latency" : "wall time";
    const struct against system = {&c->variants[0], COMPARE_LATENCY_US, what, "system malloc's"};
    const struct against otherwise = {hakmem_named(c, "default"), COMPARE_COST_MS,
                                      "CPU time and priced memory", "the default's"};

    if (learned == NULL || c->variants[0].sample_count == 0)
        return verdict;
    verdict.given = true;
    verdict.keep = learned->failure == NULL;
    if (learned->failure != NULL) {
        add_reason(&verdict, "%s", learned->failure);
        return verdict;
    }
    if (!weigh(&verdict, learned, &system)) {
        verdict.keep = false;
        add_reason(&verdict, "%s not known", what);
    }
    if (!weigh(&verdict, learned, &otherwise) && otherwise.other != NULL &&
        otherwise.other->failure != NULL)
        add_reason(&verdict, "the default's not known: it failed");
    if (c->is_bench && strcmp(c->scenario, "vm") == 0) {
        double faults = spread_of(learned, COMPARE_FAULTS).median;
        verdict.keep = verdict.keep && faults <= faults_limit;
        add_reason(&verdict, "%.0f page faults a run, of at most %.0f", faults, faults_limit);
    }
    return verdict;
}

void compare_report_text(const struct compare *c)
{
    struct verdict verdict = verdict_of(c);

    printf("command:");
    for (char **word = c->command; *word != NULL; word++)
        printf(" %s", *word);
    printf("\n%u run%s of each, interleaved and rotated; ", c->runs, c->runs == 1 ? "" : "s");
    if (c->warm_gib > 0)
        printf("%.2f GiB of memory warmed before each\n", c->warm_gib);
    else
        printf("memory not warmed\n");
    printf("medians, ratios to system malloc; draw: their 95 %% intervals overlap%s\n\n",
           c->runs == 1 ? " (of one run there is none)" : "");
    print_times(c);
    putchar('\n');
    print_memory(c);
    putchar('\n');
    print_against_best(c);
    if (verdict.given)
        printf("\nverdict on learned: %s: %s\n", verdict.keep ? "keep" : "roll back",
               verdict.reason);
}

/* JSON. */

static void json_number(const char *name, double value)
{
    if (isnan(value))
        printf(",\"%s\":null", name);
    else
        printf(",\"%s\":%.3f", name, value);
}

static void json_head(const char *kind, const struct compare_variant *v)
{
    printf("{\"kind\":\"%s\",\"variant\":", kind);
    print_json_string(stdout, v->name);
}

static void json_runs(const struct compare_variant *v)
{
    for (size_t run = 0; run < v->sample_count; run++) {
        json_head("run", v);
        printf(",\"run\":%zu", run + 1);
        for (size_t m = 0; m < COMPARE_MEASURE_COUNT; m++)
            json_number(measure_names[m], v->samples[run].value[m]);
        printf("}\n");
    }
}

static void json_measure(const struct compare *c, const struct compare_variant *v,
                         enum compare_measure m)
{
    struct spread base = spread_of(&c->variants[0], m), s = spread_of(v, m);
    const struct compare_variant *best = best_of(c, m);
    struct spread least = best != NULL ? spread_of(best, m) : base;

    printf(",\"%s\":{\"runs\":%zu", measure_names[m], v->sample_count);
    json_number("median", s.median);
    json_number("min", s.least);
    json_number("max", s.most);
    json_number("ratio", base.median > 0 ? s.median / base.median : NAN);
    printf(",\"draw\":%s", is_draw(&s, &base) ? "true" : "false");
    json_number("to_best", least.median > 0 ? s.median / least.median : NAN);
    printf(",\"draw_with_best\":%s}", is_draw(&s, &least) ? "true" : "false");
}

static void json_summary(const struct compare *c, const struct compare_variant *v)
{
    json_head("summary", v);
    printf(",\"runs\":%zu", v->sample_count);
    if (v->library != NULL) {
        printf(",\"library\":");
        print_json_string(stdout, v->library);
    }
    if (v->note != NULL || v->failure != NULL) {
        printf(",\"%s\":", v->failure != NULL ? "failure" : "note");
        print_json_string(stdout, v->failure != NULL ? v->failure : v->note);
    }
    for (size_t m = 0; v->sample_count > 0 && m < COMPARE_MEASURE_COUNT; m++)
        json_measure(c, v, (enum compare_measure)m);
    printf("}\n");
}

void compare_report_json(const struct compare *c)
{
    struct verdict verdict = verdict_of(c);

    for (size_t i = 0; i < c->variant_count; i++)
        json_runs(&c->variants[i]);
    for (size_t i = 0; i < c->variant_count; i++)
        json_summary(c, &c->variants[i]);
    if (!verdict.given)
        return;
    printf("{\"kind\":\"verdict\",\"variant\":\"learned\",\"verdict\":\"%s\",\"reason\":",
           verdict.keep ? "keep" : "roll back");
    print_json_string(stdout, verdict.reason);
    printf("}\n");
}
