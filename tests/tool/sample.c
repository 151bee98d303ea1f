/*
 * The learner is played with made-up costs, so that the samples are what the library writes and not what
 * somebody thought it would write.
 */
#include "sample.h"

#include <stdio.h>
#include <string.h>

static const struct arm_abilities everything = {
    .huge_pages = 1, .heap = 1, .mmap = 1, .lazy = 1, .prefault = 1};
static const struct arm_abilities heap_only = {
    .huge_pages = 1, .heap = 1, .lazy = 1, .prefault = 1};

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 33;
}

/* A kind of site: what an episode costs under the best arm, and how much dearer each wrong choice is. */
struct kind {
    uint64_t id;
    const char *symbol;
    uint64_t offset;
    unsigned band;
    uint64_t best_ns;
    unsigned times[2][2][2][3]; /* by backing, pages, fill, retain: tenths */
    struct policy_seen each;
    const struct arm_abilities *can;
};

/* Reused at once: keeping is free, giving back costs 43 us of faults. */
static const struct kind vm = {
    .id = UINT64_C(0x1111222233334444),
    .symbol = "vm_round+0x1f",
    .offset = 0x4f21,
    .band = 21,
    .best_ns = 4000,
    .times = {{{{150, 150, 150}, {150, 150, 150}}, {{150, 150, 150}, {150, 150, 150}}},
              {{{30, 60, 900}, {31, 61, 500}}, {{10, 20, 123}, {11, 20, 110}}}},
    .each = {.episodes = 1,
             .size_bytes = 2 << 20,
             .resident_bytes = 2 << 20,
             .live_ns = 30000,
             .idle_ns = 2000,
             .reused = 1},
    .can = &everything,
};

/* A table of which a page in a hundred is touched, and that is freed for long. */
static const struct kind sparse = {
    .id = UINT64_C(0xaaaabbbbccccdddd),
    .symbol = "sparse_table+0x80",
    .offset = 0x5a10,
    .band = 28,
    .best_ns = 900000,
    .times = {{{{30, 30, 30}, {30, 30, 30}}, {{30, 30, 30}, {30, 30, 30}}},
              {{{30, 15, 10}, {60, 60, 60}}, {{50, 45, 35}, {60, 60, 60}}}},
    .each = {.episodes = 1,
             .size_bytes = 256 << 20,
             .resident_bytes = 600 << 12,
             .live_ns = 50000000,
             .idle_ns = 400000000,
             .remote = 1},
    .can = &everything,
};

static const struct kind rare = {
    .id = 0x1234,
    .symbol = "",
    .offset = 0x77,
    .band = 16,
    .best_ns = 300,
    .times = {{{{20, 20, 20}, {20, 20, 20}}, {{20, 20, 20}, {20, 20, 20}}},
              {{{10, 11, 12}, {10, 11, 12}}, {{10, 11, 12}, {10, 11, 12}}}},
    .each = {.episodes = 1,
             .size_bytes = 100 << 10,
             .resident_bytes = 100 << 10,
             .live_ns = 1000,
             .idle_ns = 1000,
             .reused = 1},
    .can = &everything,
};

static uint64_t cost_of(const struct kind *k, int arm)
{
    const struct arm *a = &arms[arm];
    uint64_t noise = 800 + next_random() % 400;

    return k->best_ns * k->times[a->backing][a->pages][a->fill][a->retain] * noise / 10000;
}

static bool learn(struct policy_doc *doc, const struct kind *k, unsigned episodes, uint64_t seed)
{
    struct policy_site *site = policy_doc_site(doc, k->id, true);
    struct policy_band *band = site != NULL ? policy_site_band(doc, site, k->band, true) : NULL;
    uint64_t *sum, *each;

    if (band == NULL)
        return false;
    snprintf(site->module, sizeof(site->module), "hakmem-bench");
    snprintf(site->build_id, sizeof(site->build_id), "0123456789abcdef");
    snprintf(site->symbol, sizeof(site->symbol), "%s", k->symbol);
    site->offset = k->offset;
    if (band->elo.episodes == 0)
        elo_init(&band->elo, arm_pool(k->can, band->played_as), k->id + seed);
    else
        elo_set_playable(&band->elo, policy_band_playable(band), k->id + seed);
    for (unsigned i = 0; i < episodes; i++) {
        int arm = elo_pick(&band->elo);
        uint64_t cost = cost_of(k, arm);
        elo_report(&band->elo, arm, cost);
        band->cost_sum_ns[arm] += cost;
    }
    sum = (uint64_t *)&band->seen;
    each = (uint64_t *)&k->each;
    for (size_t i = 0; i < sizeof(band->seen) / sizeof(*sum); i++)
        sum[i] += each[i] * episodes;
    if (band->elo.state == ELO_DECIDED || k->can == &heap_only)
        band->champion = (uint8_t)elo_champion(&band->elo);
    return true;
}

static void describe_machine(struct policy_doc *doc)
{
    static const struct calibration prices = {.base_fault = 1560,
                                              .huge_fault = 43000,
                                              .base_populate = 800,
                                              .huge_populate = 40000,
                                              .base_drop = 98,
                                              .huge_drop = 2000,
                                              .base_lazy = 98,
                                              .huge_lazy = 900,
                                              .advise_call = 400,
                                              .copy = 6400};

    snprintf(doc->machine.cpu, sizeof(doc->machine.cpu), "Imaginary 3000");
    snprintf(doc->machine.kernel, sizeof(doc->machine.kernel), "6.1.0");
    snprintf(doc->machine.thp, sizeof(doc->machine.thp), "madvise");
    doc->machine.page_bytes = 4096;
    doc->machine.huge_bytes = 2 << 20;
    doc->calibration = prices;
}

bool sample_fill(struct policy_doc *doc, const char *kind)
{
    struct kind changed = vm;

    random_state = strlen(kind);
    describe_machine(doc);
    if (strcmp(kind, "learned") == 0)
        return learn(doc, &vm, 3000, 0) && learn(doc, &sparse, 400, 0) && learn(doc, &rare, 20, 0);
    if (strcmp(kind, "open") == 0)
        return learn(doc, &vm, 10, 0);
    if (strcmp(kind, "frugal") == 0) {
        doc->goal = GOAL_MEMORY;
        return learn(doc, &vm, 200, 0);
    }
    if (strcmp(kind, "other") == 0) {
        changed.id = 7;
        changed.symbol = "elsewhere+0x2";
        return learn(doc, &vm, 500, 0) && learn(doc, &changed, 500, 0);
    }
    if (strcmp(kind, "single") == 0) {
        changed.can = &heap_only;
        return learn(doc, &changed, 50, 0);
    }
    return strcmp(kind, "empty") == 0;
}

bool sample_learn_more(struct policy_doc *doc, unsigned episodes, uint64_t seed)
{
    random_state = seed;
    describe_machine(doc);
    return learn(doc, &vm, episodes, seed);
}
