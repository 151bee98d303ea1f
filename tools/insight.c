#include "insight.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "default_policy.h"
#include "text.h"

static const double HOT_SHARE = 0.01;

/* A site that the program named itself has the source file for a module, and the line for an offset. */
static bool is_source_file(const char *name)
{
    static const char *const endings[] = {".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".inc"};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot != NULL && i < ARRAY_SIZE(endings); i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    return false;
}

void insight_place_text(const struct policy_site *site, char *out, size_t capacity)
{
    unsigned long long offset = site->offset;

    if (site->module[0] == '\0')
        snprintf(out, capacity, "unknown module");
    else if (site->build_id[0] == '\0' && is_source_file(site->module))
        snprintf(out, capacity, "%s:%llu", site->module, offset);
    else
        snprintf(out, capacity, "%s+0x%llx", site->module, offset);
    size_t length = strlen(out);
    if (site->of != 0)
        snprintf(out + length, capacity - length, ", stack %llu bytes deep",
                 (unsigned long long)site->depth * POLICY_DEPTH_BYTES);
}

/* The arm that stands for `arm` where this was learned; ARM_NONE: masked. */
static enum arm_id stands_for(const struct policy_band *band, enum arm_id arm)
{
    return arm == ARM_NONE ? ARM_NONE : (enum arm_id)band->played_as[arm];
}

static enum arm_id default_of(const struct policy_doc *doc, const struct policy_band *band)
{
    unsigned at = (unsigned)band->band - BAND_FIRST;
    enum arm_id arm = (enum arm_id)doc->default_arm[at];

    return stands_for(band, arm != ARM_NONE ? arm : (enum arm_id)default_arms[at]);
}

static void look_at_arm(const struct policy_band *band, const struct elo_table *elo,
                        enum arm_id arm, struct insight_arm *out)
{
    out->arm = arm;
    out->played_as = stands_for(band, arm);
    out->standing = out->played_as == arm ? STANDS : out->played_as == ARM_NONE ? MASKED : POOLED;
    out->points = elo_points(elo, arm);
    out->deviation = elo_deviation(elo, arm);
    out->plays = elo->arm[arm].plays;
    out->mean_ns = out->plays != 0 ? (double)band->cost_sum_ns[arm] / (double)out->plays : 0;
    out->score = elo->score_q20[arm] / (double)(1 << 20);
}

/* The best of those that stand, but for `except`; among the unplayed only when none was played. */
static enum arm_id best_but(const struct insight *row, enum arm_id except)
{
    enum arm_id best = ARM_NONE;

    for (int i = 0; i < ARM_COUNT; i++) {
        const struct insight_arm *a = &row->arm[i], *b = best == ARM_NONE ? NULL : &row->arm[best];
        if (a->standing != STANDS || (enum arm_id)i == except)
            continue;
        if (b == NULL || (a->plays != 0) > (b->plays != 0) ||
            ((a->plays != 0) == (b->plays != 0) && a->score > b->score))
            best = (enum arm_id)i;
    }
    return best;
}

double insight_times_dearer(const struct insight *row, enum arm_id arm)
{
    if (row->leader == ARM_NONE || arm == ARM_NONE)
        return 0;
    return exp2(row->arm[row->leader].score - row->arm[arm].score);
}

static void expect_costs(struct insight *row)
{
    if (row->leader == ARM_NONE)
        return;
    for (int i = 0; i < ARM_COUNT; i++)
        if (row->arm[i].standing == STANDS)
            row->arm[i].expected_ns =
                row->arm[row->leader].mean_ns * insight_times_dearer(row, (enum arm_id)i);
}

/* Of a decided band only a sample is measured; the others, too, were served as the leader says. */
static void add_unmeasured(struct insight *row)
{
    if (row->plays == 0)
        return;
    bool known = row->leader != ARM_NONE && row->arm[row->leader].plays != 0;
    double each_ns = known ? row->arm[row->leader].mean_ns : row->cost_ns / (double)row->plays;
    row->cost_ns += each_ns * (double)row->band->unmeasured;
    row->plays += row->band->unmeasured;
}

static void look_at_band(const struct policy_doc *doc, const struct policy_site *site,
                         const struct policy_band *band, struct insight *row)
{
    /* A copy, because a table as read from a file has no scores yet. */
    struct elo_table elo = band->elo;
    arm_set own = policy_band_playable(band);

    elo_set_playable(&elo, own, site->id);
    row->site = site;
    row->band = band;
    row->classes = (unsigned)__builtin_popcount(own);
    for (int i = 0; i < ARM_COUNT; i++) {
        look_at_arm(band, &elo, (enum arm_id)i, &row->arm[i]);
        row->plays += row->arm[i].plays;
        row->cost_ns += (double)band->cost_sum_ns[i];
    }
    row->decided = band->elo.state == ELO_DECIDED || row->classes <= 1;
    row->leader = (enum arm_id)band->champion;
    if (row->leader == ARM_NONE || row->arm[row->leader].standing != STANDS)
        row->leader = row->plays != 0 ? best_but(row, ARM_NONE) : ARM_NONE;
    add_unmeasured(row);
    row->next = best_but(row, row->leader);
    row->otherwise = default_of(doc, band);
    expect_costs(row);
}

static int dearer_first(const void *a, const void *b)
{
    const struct insight *x = a, *y = b;

    if (x->cost_ns != y->cost_ns)
        return x->cost_ns < y->cost_ns ? 1 : -1;
    if (x->site->id != y->site->id)
        return x->site->id > y->site->id ? 1 : -1;
    return (int)x->band->band - (int)y->band->band;
}

static void add_up(struct insights *in)
{
    for (unsigned i = 0; i < in->count; i++) {
        in->cost_ns += in->row[i].cost_ns;
        in->plays += in->row[i].plays;
    }
    for (unsigned i = 0; i < in->count; i++) {
        struct insight *row = &in->row[i];
        row->share = in->cost_ns > 0 ? row->cost_ns / in->cost_ns : 0;
        row->hot = row->share >= HOT_SHARE;
        in->decided += row->decided;
        in->hot += row->hot;
        in->hot_decided += row->hot && row->decided;
    }
}

bool insights_make(const struct policy_doc *doc, struct insights *out)
{
    unsigned count = 0;

    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < doc->nr_sites; i++)
        count += doc->site[i]->nr_bands;
    out->row = calloc(count + 1, sizeof(*out->row));
    if (out->row == NULL)
        return false;
    for (unsigned i = 0; i < doc->nr_sites; i++)
        for (unsigned k = 0; k < doc->site[i]->nr_bands; k++)
            look_at_band(doc, doc->site[i], doc->site[i]->band[k], &out->row[out->count++]);
    add_up(out);
    qsort(out->row, out->count, sizeof(*out->row), dearer_first);
    return true;
}

void insights_free(struct insights *in)
{
    free(in->row);
    memset(in, 0, sizeof(*in));
}

/* Whether arm a comes before b in a list. */
static bool before(const struct insight *row, enum arm_id a, enum arm_id b)
{
    const struct insight_arm *x = &row->arm[a], *y = &row->arm[b];

    if ((a == row->leader) != (b == row->leader))
        return a == row->leader;
    if (x->standing != y->standing)
        return x->standing < y->standing;
    if (x->standing != STANDS)
        return a < b;
    if ((x->plays != 0) != (y->plays != 0))
        return x->plays != 0;
    return x->score != y->score ? x->score > y->score : a < b;
}

void insight_order(const struct insight *row, enum arm_id order[ARM_COUNT])
{
    for (int n = 0; n < ARM_COUNT; n++) {
        int at = n;
        for (; at > 0 && before(row, (enum arm_id)n, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = (enum arm_id)n;
    }
}
