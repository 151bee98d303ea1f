#include "inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

enum { REASON_BYTES = 1024, PLACE_BYTES = 128 };

static const char *state_of(const struct insight *row)
{
    return row->classes <= 1 ? "only one" : elo_state_names[row->band->elo.state];
}

static void print_head(const struct inspection *what)
{
    const struct policy_machine *m = &what->doc->machine;

    printf("%s: %u site%s, %u band%s, %u decided, goal %s", what->file, what->doc->nr_sites,
           what->doc->nr_sites == 1 ? "" : "s", what->in->count, what->in->count == 1 ? "" : "s",
           what->in->decided, policy_goal_names[what->doc->goal]);
    if (what->in->plays != 0)
        printf("; %s in %s episodes", text_ns(what->in->cost_ns).s, text_count(what->in->plays).s);
    putchar('\n');
    if (policy_machine_known(m))
        printf("learned on %s, Linux %s, transparent huge pages %s\n", m->cpu, m->kernel, m->thp);
}

static void print_row(const struct insight *row)
{
    char place[PLACE_BYTES], size[POLICY_SIZE_BYTES];
    const struct insight_arm *leader = row->leader != ARM_NONE ? &row->arm[row->leader] : NULL;

    insight_place_text(row->site, place, sizeof(place));
    policy_size_text(row->band->band, size);
    printf("%9s %6s  %016" PRIx64 "  %-16s %9s %9s  %-24s %-9s", text_ns(row->cost_ns).s,
           text_percent(row->share).s, row->site->id, size, text_count(row->plays).s,
           row->plays != 0 ? text_ns(row->cost_ns / (double)row->plays).s : "-",
           leader != NULL ? arms[row->leader].name : "-", state_of(row));
    if (leader != NULL)
        printf(" %5d +-%-4d", leader->points, leader->deviation);
    else
        printf(" %5s   %-4s", "-", "-");
    printf("  %s%s%s\n", row->site->symbol, row->site->symbol[0] != '\0' ? " in " : "", place);
}

static void print_table(const struct inspection *what)
{
    if (what->count == 0)
        return;
    printf("\n%9s %6s  %-16s  %-16s %9s %9s  %-24s %-9s %-12s  %s\n", "cost", "share", "site",
           "size", "episodes", "each", "champion", "state", "rating", "where");
    for (unsigned i = 0; i < what->count; i++)
        print_row(what->row[i]);
}

static void print_seen(const struct policy_seen *seen)
{
    double n = (double)seen->episodes;

    if (seen->episodes == 0)
        return;
    printf("  on average %s, %s of it in use, alive for %s, then idle for %s; %s reused, %s grown, "
           "%s freed by another thread\n",
           text_bytes((double)seen->size_bytes / n).s,
           text_percent(
               seen->size_bytes != 0 ? (double)seen->resident_bytes / (double)seen->size_bytes : 0)
               .s,
           text_ns((double)seen->live_ns / n).s, text_ns((double)seen->idle_ns / n).s,
           text_percent((double)seen->reused / n).s, text_percent((double)seen->grown / n).s,
           text_percent((double)seen->remote / n).s);
}

static void print_arm(const struct insight *row, const struct insight_arm *a)
{
    printf("  %-24s ", arms[a->arm].name);
    if (a->standing == MASKED) {
        printf("%7s  cannot be played here\n", "masked");
        return;
    }
    if (a->standing == POOLED) {
        printf("%7s  the same here as %s\n", "pooled", arms[a->played_as].name);
        return;
    }
    printf("%7d %6d %9s %11s", a->points, a->deviation, text_count(a->plays).s,
           a->plays != 0 ? text_ns(a->mean_ns).s : "-");
    double times = insight_times_dearer(row, a->arm);
    /* Of an arm that was not played the rating is a guess. */
    printf(" %3s%7s", a->plays == 0 ? "~" : "", times > 0 ? text_times(times).s : "-");
    if (a->arm == row->leader)
        printf("  %s", row->band->champion == a->arm ? "champion" : "leads");
    if (a->arm == row->otherwise)
        printf("  default");
    putchar('\n');
}

static void print_band(const struct inspection *what, const struct insight *row)
{
    char size[POLICY_SIZE_BYTES], reason[REASON_BYTES];
    enum arm_id order[ARM_COUNT];

    policy_size_text(row->band->band, size);
    printf("\nblocks of %s: %s episodes, %s in all (%s of the policy's cost), %s\n", size,
           text_count(row->plays).s, text_ns(row->cost_ns).s, text_percent(row->share).s,
           state_of(row));
    print_seen(&row->band->seen);
    printf("  %-24s %7s %6s %9s %11s %10s\n", "arm", "rating", "+-", "plays", "mean cost",
           "to best");
    insight_order(row, order);
    for (int i = 0; i < ARM_COUNT; i++)
        print_arm(row, &row->arm[order[i]]);
    insight_reason(what->doc, row, reason, sizeof(reason));
    printf("  %s\n", reason);
}

static void print_site(const struct policy_site *site)
{
    char place[PLACE_BYTES];

    insight_place_text(site, place, sizeof(place));
    printf("\nsite %016" PRIx64 ": %s%s%s%s%s\n", site->id, site->symbol,
           site->symbol[0] != '\0' ? " in " : "", place,
           site->build_id[0] != '\0' ? ", build-id " : "", site->build_id);
}

/* The bands of one site stand together, the site with the dearest band first. */
static void print_sites(const struct inspection *what)
{
    for (unsigned i = 0; i < what->count; i++) {
        bool printed = false;
        for (unsigned k = 0; k < i && !printed; k++)
            printed = what->row[k]->site == what->row[i]->site;
        if (printed)
            continue;
        print_site(what->row[i]->site);
        for (unsigned k = i; k < what->count; k++)
            if (what->row[k]->site == what->row[i]->site)
                print_band(what, what->row[k]);
    }
}

void inspect_text(const struct inspection *what)
{
    print_head(what);
    if (what->arms)
        print_sites(what);
    else
        print_table(what);
}
