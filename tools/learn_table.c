/*
 * The expected saving of a band: what an episode costs under the champion, set against the best other class
 * and against the arm the band's default comes to, times the episodes of a run.
 */
#include "learn.h"

#include <inttypes.h>
#include <string.h>

#include "text.h"

/* Whether it was tried; what was not has a rating, too, but it is a guess and no figure for a table. */
static bool is_known(const struct insight *row, enum arm_id arm)
{
    return arm != ARM_NONE && row->arm[arm].plays != 0;
}

/* Cost of one episode under `arm` less that under the champion; 0 when it is not known. */
static double saving_ns(const struct insight *row, enum arm_id arm)
{
    if (!is_known(row, arm))
        return 0;
    return row->arm[arm].expected_ns - row->arm[row->leader].mean_ns;
}

/* "1.2 ms", with a sign when it is a loss. */
static struct text signed_ns(double ns)
{
    struct text magnitude = text_ns(ns < 0 ? -ns : ns), out;

    snprintf(out.s, sizeof(out.s), "%s%.30s", ns < 0 ? "-" : "", magnitude.s);
    return out;
}

static void print_saving(FILE *to, const struct insight *row, enum arm_id arm, double episodes)
{
    if (arm == row->leader)
        fprintf(to, "%10s ", "the same");
    else if (!is_known(row, arm))
        fprintf(to, "%10s ", arm == ARM_NONE ? "-" : "not tried");
    else
        fprintf(to, "%10s ", signed_ns(episodes * saving_ns(row, arm)).s);
}

static void print_row(FILE *to, const struct insight *row, double per_run)
{
    char place[128], size[POLICY_SIZE_BYTES];
    double episodes = (double)row->plays * per_run;
    const struct insight_arm *leader = &row->arm[row->leader];

    insight_place_text(row->site, place, sizeof(place));
    policy_size_text(row->band->band, size);
    fprintf(to, "  %-9s %6s  %-16s %-24s %9s %9s ", row->decided ? "decided" : "open",
            text_percent(row->share).s, size, arms[row->leader].name, text_ns(leader->mean_ns).s,
            text_count((uint64_t)(episodes + 0.5)).s);
    print_saving(to, row, row->next, episodes);
    print_saving(to, row, row->otherwise, episodes);
    fprintf(to, "  %s%s%s\n", row->site->symbol, row->site->symbol[0] != '\0' ? " in " : "", place);
}

/* The last line: what all of it saves, of what is known. */
static void print_sum(FILE *to, double saved_ns, unsigned known, unsigned unknown)
{
    if (known != 0 && saved_ns == 0)
        fprintf(to, "what was decided is what the defaults do already");
    else if (known != 0)
        fprintf(to,
                "expected to save %s of CPU time a run (memory held is priced in) on the defaults",
                signed_ns(saved_ns).s);
    else
        fprintf(to, "no default was tried, so there is no telling what it saves on them");
    if (known != 0 && unknown != 0)
        fprintf(to, ", without %u row%s whose default was not tried", unknown,
                unknown == 1 ? "" : "s");
    fputc('\n', to);
}

static void print_heads(FILE *to)
{
    fprintf(to, "\n  %-9s %6s  %-16s %-24s %9s %9s %10s %10s  %s\n", "", "of all", "size",
            "champion", "each", "episodes", "saves: on", "on the", "where");
    fprintf(to, "  %-9s %6s  %-16s %-24s %9s %9s %10s %10s\n", "", "cost", "", "", "", "a run",
            "next class", "default");
}

void learn_print_table(FILE *to, const struct insights *in, uint64_t plays_before, unsigned runs)
{
    /* Of an older file only the episodes in all are known: a run's share is taken to be the same. */
    double new_plays = (double)(in->plays - plays_before);
    double per_run = in->plays != 0 ? new_plays / (double)in->plays / runs : 0;
    double saved = 0;
    unsigned cold = 0, known = 0, unknown = 0;

    print_heads(to);
    for (unsigned i = 0; i < in->count; i++) {
        const struct insight *row = &in->row[i];
        if (row->leader == ARM_NONE)
            continue;
        saved += (double)row->plays * per_run * saving_ns(row, row->otherwise);
        known += is_known(row, row->otherwise);
        unknown += row->hot && !is_known(row, row->otherwise);
        cold += !row->hot;
        if (row->hot)
            print_row(to, row, per_run);
    }
    if (cold != 0)
        fprintf(to, "  and %u that cost%s less than 1 %% of all\n", cold, cold == 1 ? "s" : "");
    print_sum(to, saved, known, unknown);
}
