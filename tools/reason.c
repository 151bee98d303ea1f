/*
 * Why a champion leads, in one sentence: what is done with its memory, set against what the alternative
 * would cost at the machine's calibrated prices; then which pages, if that is what sets it apart; then by
 * how much. The prices explain, the ratings decide: what the sentence says of the lead is measured.
 */
#include "insight.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "default_policy.h"
#include "policy/cost.h"
#include "text.h"

/* Averages of one episode, and prices: what the sentence is made of. */
struct facts {
    double bytes, resident_bytes, idle_ns, reused; /* of one block; `reused` is a share */
    double hold_ns;                                /* price of the resident bytes while idle */
    double fill_ns;       /* faulting them in again, on the champion's pages */
    double worth_ns;      /* idle time at which holding has cost as much as that */
    double other_fill_ns; /* the same on the other kind of page */
    double base_pages;
    bool seen;
};

struct sentence {
    char *out;
    size_t capacity, length;
};

static void __attribute__((format(printf, 2, 3))) add(struct sentence *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(s->out + s->length, s->capacity - s->length, format, args);
    va_end(args);
    s->length += n > 0 ? (size_t)n : 0;
    if (s->length >= s->capacity)
        s->length = s->capacity - 1;
}

/* Holding for one ns is too cheap for whole numbers. */
static double holding_ns(const struct prices *p, double bytes, double ns)
{
    return (double)cost_of_holding_ns(p, (uint64_t)bytes, (uint64_t)(ns * 1024)) / 1024;
}

/* The average block under `arm`, its pages faulted in anew. */
static double filling_ns(const struct prices *p, const struct facts *f, enum arm_id arm)
{
    struct episode e = {.bytes = (size_t)f->bytes,
                        .base_pages = (uint32_t)(f->resident_bytes / (double)p->page_bytes),
                        .huge_full = (uint32_t)(f->resident_bytes / (double)p->huge_bytes)};

    return (double)cost_of_filling_ns(p, arm, &e);
}

/* The same arm on the other kind of page. */
static enum arm_id on_other_pages(enum arm_id arm)
{
    for (int i = 0; i < ARM_COUNT; i++)
        if (arms[i].backing == arms[arm].backing && arms[i].fill == arms[arm].fill &&
            arms[i].retain == arms[arm].retain && arms[i].pages != arms[arm].pages)
            return (enum arm_id)i;
    return arm;
}

static struct facts facts_of(const struct policy_doc *doc, const struct insight *row)
{
    const struct policy_seen *seen = &row->band->seen;
    struct facts f = {.seen = seen->episodes != 0};
    double episodes = (double)seen->episodes;
    struct prices prices = cost_prices_of(doc, &default_calibration);

    if (!f.seen)
        return f;
    f.bytes = (double)seen->size_bytes / episodes;
    f.resident_bytes = (double)seen->resident_bytes / episodes;
    f.idle_ns = (double)seen->idle_ns / episodes;
    f.reused = (double)seen->reused / episodes;
    f.base_pages = f.resident_bytes / (double)prices.page_bytes;
    f.hold_ns = holding_ns(&prices, f.resident_bytes, f.idle_ns);
    f.fill_ns = filling_ns(&prices, &f, row->leader);
    f.other_fill_ns = filling_ns(&prices, &f, on_other_pages(row->leader));
    f.worth_ns = f.fill_ns / holding_ns(&prices, f.resident_bytes, 1e6) * 1e6;
    return f;
}

/* "reused 99 % of the time after 2 us idle, so "; of what is mostly given back, that it is. */
static void say_fate(struct sentence *s, const struct facts *f)
{
    if (f->reused >= 0.5)
        add(s, "reused %s of the time after %s idle, so ", text_percent(f->reused).s,
            text_ns(f->idle_ns).s);
    else
        add(s, "given back after %s idle, and reused %s of the time; ", text_ns(f->idle_ns).s,
            text_percent(f->reused).s);
}

static void say_keep(struct sentence *s, const struct facts *f)
{
    say_fate(s, f);
    add(s, "keeping its %s costs %s an episode", text_bytes(f->resident_bytes).s,
        text_ns(f->hold_ns).s);
    if (f->fill_ns > f->hold_ns)
        add(s, " and faulting them in again would cost %s", text_ns(f->fill_ns).s);
}

static void say_lazy(struct sentence *s, const struct facts *f)
{
    say_fate(s, f);
    add(s,
        "its %s are lent to the kernel, which takes them only when it needs them; faulting them in "
        "again would cost %s",
        text_bytes(f->resident_bytes).s, text_ns(f->fill_ns).s);
}

static void say_drop(struct sentence *s, const struct facts *f)
{
    add(s,
        "keeping its %s pays only for reuse within %s, when it has cost the %s of faulting them in "
        "again; while it was kept it was reused %s of the time",
        text_bytes(f->resident_bytes).s, text_ns(f->worth_ns).s, text_ns(f->fill_ns).s,
        text_percent(f->reused).s);
}

static void say_retain(struct sentence *s, const struct insight *row, const struct facts *f)
{
    const struct arm *a = &arms[row->leader];

    if (!f->seen || f->resident_bytes <= 0) {
        add(s, "nothing of its memory was seen in use");
        return;
    }
    if (a->backing == BACKING_HEAP)
        add(s, "taken from the shared heap, without a span of its own to look after");
    else if (a->retain == RETAIN_KEEP)
        say_keep(s, f);
    else if (a->retain == RETAIN_LAZY)
        say_lazy(s, f);
    else
        say_drop(s, f);
}

/* What follows from the gaps, where that is less than breaking even. */
static void say_keep_at_most(struct sentence *s, const struct insight *row)
{
    const struct arm *a = &arms[row->leader];

    if (row->band->keep_ms != 0 && row->leader == row->band->champion &&
        a->backing == BACKING_MMAP && a->retain != RETAIN_DROP)
        add(s, "; what lies unused for %s is not waited for any longer and given back",
            text_ns(row->band->keep_ms * 1e6).s);
}

/* Of the pages only when they set the champion apart from the next class. */
static void say_pages(struct sentence *s, const struct insight *row, const struct facts *f)
{
    const struct arm *a = &arms[row->leader];

    if (!f->seen || f->resident_bytes <= 0 || row->next == ARM_NONE ||
        arms[row->next].pages == a->pages || a->backing == BACKING_HEAP)
        return;
    if (a->pages == PAGES_HUGE && f->fill_ns < f->other_fill_ns)
        add(s,
            "; %s of it is in use, and huge pages fault it in for %s in place of %s for %s base "
            "pages",
            text_percent(f->resident_bytes / f->bytes).s, text_ns(f->fill_ns).s,
            text_ns(f->other_fill_ns).s, text_count((uint64_t)f->base_pages).s);
    else if (a->pages == PAGES_BASE)
        add(s, "; %s of it is in use, which base pages hold without the rest",
            text_percent(f->resident_bytes / f->bytes).s);
}

static void say_lead(struct sentence *s, const struct insight *row)
{
    double times = insight_times_dearer(row, row->next);

    if (row->next == ARM_NONE)
        add(s, "; every other arm would do the same here or cannot be played");
    else if (times >= 1.1)
        add(s, "; %s cheaper than the next class %s", text_times(times).s, arms[row->next].name);
    else if (times >= 1)
        add(s, "; %s cheaper than the next class %s, as good as equal",
            text_percent(1 - 1 / times).s, arms[row->next].name);
    else
        add(s, "; %s looks cheaper by now, but was not tried often enough", arms[row->next].name);
    if (!row->decided)
        add(s, " (not decided yet)");
}

void insight_reason(const struct policy_doc *doc, const struct insight *row, char *out,
                    size_t capacity)
{
    struct sentence s = {.out = out, .capacity = capacity};

    if (row->leader == ARM_NONE) {
        add(&s, "Nothing was played yet: the band's default serves.");
        return;
    }
    struct facts f = facts_of(doc, row);
    add(&s, "%s leads: ", arms[row->leader].name);
    say_retain(&s, row, &f);
    say_pages(&s, row, &f);
    say_keep_at_most(&s, row);
    say_lead(&s, row);
    add(&s, ".");
}
