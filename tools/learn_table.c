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

void learn_print_table(FILE *to, const struct insights *in, uint64_t plays_before, unsigned runs)
{
    /* Of an older file only the episodes in all are known, so a run's share is taken to be the same. */
    double per_run =
        in->plays != 0 ? (double)(in->plays - plays_before) / (double)in->plays / runs : 0;
    double saved = 0;
    unsigned others = 0;

    fprintf(to, "\n  %-9s %6s  %-16s %-24s %9s %9s %10s %10s  %s\n", "", "of all", "size",
            "champion", "each", "episodes", "saves: on", "on the", "where");
    fprintf(to, "  %-9s %6s  %-16s %-24s %9s %9s %10s %10s\n", "", "cost", "", "", "", "a run",
            "next class", "default");
    for (unsigned i = 0; i < in->count; i++) {
        const struct insight *row = &in->row[i];
        if (row->leader == ARM_NONE)
            continue;
        saved += (double)row->plays * per_run * saving_ns(row, row->otherwise);
        if (row->hot)
            print_row(to, row, per_run);
        else
            others++;
    }
    if (others != 0)
        fprintf(to, "  and %u that cost%s less than 1 %% of all\n", others, others == 1 ? "s" : "");
    fprintf(
        to,
        "expected to save %s of CPU time a run against the defaults (memory held is priced in)\n",
        signed_ns(saved).s);
}
