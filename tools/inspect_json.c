/*
 * `hakmem inspect --json`: one object; its "sites" has a row a site and band, dearest first.
 */
#include "inspect.h"

#include <inttypes.h>
#include <stdio.h>

#include "text.h"

static void print_text(const char *key, const char *value)
{
    printf("\"%s\": ", key);
    print_json_string(stdout, value);
    printf(", ");
}

static void print_name(const char *key, enum arm_id arm)
{
    if (arm == ARM_NONE)
        printf("\"%s\": null, ", key);
    else
        printf("\"%s\": \"%s\", ", key, arms[arm].name);
}

/* A figure that may be unknown, which is null and not 0. */
static void print_figure(const char *key, double value, bool known)
{
    if (known)
        printf(", \"%s\": %.6g", key, value);
    else
        printf(", \"%s\": null", key);
}

static void print_arm(const struct insight *row, const struct insight_arm *a)
{
    static const char *const standing[] = {"stands", "pooled", "masked"};

    printf("{\"arm\": \"%s\", ", arms[a->arm].name);
    if (a->standing == POOLED)
        print_name("played_as", a->played_as);
    printf("\"standing\": \"%s\"", standing[a->standing]);
    if (a->standing == STANDS) {
        double times = insight_times_dearer(row, a->arm);
        printf(", \"rating\": %d, \"deviation\": %d, \"plays\": %" PRIu64, a->points, a->deviation,
               a->plays);
        print_figure("mean_cost_ns", a->mean_ns, a->plays != 0);
        print_figure("to_best", times, times > 0);
    }
    printf("}");
}

static void print_seen(const struct policy_seen *seen)
{
    const char *comma = "";

    printf("\"seen\": {");
#define X(name, help)                                                                              \
    printf("%s\"" #name "\": %" PRIu64, comma, seen->name);                                        \
    comma = ", ";
    POLICY_SEEN_FIELDS(X)
#undef X
    printf("},\n     ");
}

static void print_row(const struct inspection *what, const struct insight *row)
{
    char size[POLICY_SIZE_BYTES], reason[1024];
    enum arm_id order[ARM_COUNT];

    policy_size_text(row->band->band, size);
    insight_reason(what->doc, row, reason, sizeof(reason));
    printf("    {\"site\": \"%016" PRIx64 "\", ", row->site->id);
    print_text("module", row->site->module);
    printf("\"offset\": %" PRIu64 ", ", row->site->offset);
    print_text("build_id", row->site->build_id);
    print_text("symbol", row->site->symbol);
    if (row->site->of != 0)
        printf("\"context\": {\"of\": \"%016" PRIx64 "\", \"depth\": %" PRIu32 "}, ", row->site->of,
               row->site->depth);
    printf("\"band\": %u, \"size\": \"%s\",\n     ", row->band->band, size);
    printf("\"episodes\": %" PRIu64 ", \"cost_ns\": %.0f, \"share\": %.6f, ", row->plays,
           row->cost_ns, row->share);
    printf("\"hot\": %s, \"state\": \"%s\", \"decided\": %s,\n     ", row->hot ? "true" : "false",
           elo_state_names[row->band->elo.state], row->decided ? "true" : "false");
    print_name("champion", (enum arm_id)row->band->champion);
    print_name("leader", row->leader);
    print_name("next", row->next);
    print_name("default", row->otherwise);
    print_text("reason", reason);
    printf("\n     ");
    print_seen(&row->band->seen);
    printf("\"unmeasured\": %" PRIu64 ", \"keep_ms\": %" PRIu32 ",\n     ", row->band->unmeasured,
           row->band->keep_ms);
    printf("\"arms\": [");
    insight_order(row, order);
    for (int i = 0; i < ARM_COUNT; i++) {
        printf("%s\n      ", i != 0 ? "," : "");
        print_arm(row, &row->arm[order[i]]);
    }
    printf("]}");
}

void inspect_json(const struct inspection *what)
{
    printf("{");
    print_text("file", what->file);
    print_text("goal", policy_goal_names[what->doc->goal]);
    printf("\"cost_ns\": %.0f, \"episodes\": %" PRIu64 ",\n  \"sites\": [", what->in->cost_ns,
           what->in->plays);
    for (unsigned i = 0; i < what->count; i++) {
        printf("%s\n", i != 0 ? "," : "");
        print_row(what, what->row[i]);
    }
    printf("%s]}\n", what->count != 0 ? "\n  " : "");
}
