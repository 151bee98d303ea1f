/*
 * The expected saving of a band: what an episode costs under the champion, set against the best other class
 * and against the arm the band's default comes to, times the episodes of a run.
 */
#include "learn.h"

#include <inttypes.h>
#include <string.h>

#include "text.h"

/* Under so many plays a mean says little: the first are on cold memory, too. */
enum { PLAYS_FOR_A_FIGURE = 8 };

/* Whether it was tried; what was not has a rating, too, but it is a guess and no figure for a table. */
static bool is_known(const struct insight *row, enum arm_id arm)
{
    return arm != ARM_NONE && row->arm[arm].plays != 0;
}

static bool is_rough(const struct insight *row, enum arm_id arm)
{
    return is_known(row, arm) && arm != row->leader && row->arm[arm].plays < PLAYS_FOR_A_FIGURE;
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
        fprintf(to, "%c%9s ", is_rough(row, arm) ? '~' : ' ',
                signed_ns(episodes * saving_ns(row, arm)).s);
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

/* Counts of rows, and what those save whose default has a figure. */
struct sums {
    double saved_ns;
    unsigned cold, known, unknown, rough;
};

static void add_row(struct sums *sums, const struct insight *row, double per_run)
{
    bool known = is_known(row, row->otherwise) && !is_rough(row, row->otherwise);

    if (known)
        sums->saved_ns += (double)row->plays * per_run * saving_ns(row, row->otherwise);
    sums->known += known;
    sums->unknown += row->hot && !known;
    sums->cold += !row->hot;
    sums->rough += row->hot && (is_rough(row, row->otherwise) || is_rough(row, row->next));
}

static void print_sums(FILE *to, const struct sums *sums)
{
    if (sums->cold != 0)
        fprintf(to, "  and %u that cost%s less than 1 %% of all\n", sums->cold,
                sums->cold == 1 ? "s" : "");
    if (sums->rough != 0)
        fprintf(to, "  ~: against an arm that was tried fewer than %d times: an order of size\n",
                PLAYS_FOR_A_FIGURE);
    if (sums->known == 0)
        fprintf(to, "the defaults were hardly tried, so there is no telling what it saves on them");
    else if (sums->saved_ns == 0)
        fprintf(to, "what was decided is what the defaults do already");
    else
        fprintf(to,
                "expected to save %s of CPU time a run on the defaults (memory held is priced in)",
                signed_ns(sums->saved_ns).s);
    if (sums->known != 0 && sums->unknown != 0)
        fprintf(to, ", without %u row%s whose default was hardly tried", sums->unknown,
                sums->unknown == 1 ? "" : "s");
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
    struct sums sums = {0};

    print_heads(to);
    for (unsigned i = 0; i < in->count; i++) {
        const struct insight *row = &in->row[i];
        if (row->leader == ARM_NONE)
            continue;
        add_row(&sums, row, per_run);
        if (row->hot)
            print_row(to, row, per_run);
    }
    print_sums(to, &sums);
}
