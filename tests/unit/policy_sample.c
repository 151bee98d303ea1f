#include "policy_sample.h"

#include <stdio.h>
#include <string.h>

static const struct arm_abilities abilities[] = {
    {.huge_pages = 1,
     .heap = 1,
     .heap_pages = 1,
     .heap_huge_pages = 1,
     .mmap = 1,
     .lazy = 1,
     .prefault = 1},
    {.huge_pages = 1, .heap = 1, .heap_pages = 0, .mmap = 1, .lazy = 1, .prefault = 1},
    {.huge_pages = 0, .heap = 0, .heap_pages = 0, .mmap = 1, .lazy = 0, .prefault = 1},
    {.huge_pages = 1, .heap = 1, .heap_pages = 0, .mmap = 0, .lazy = 1, .prefault = 1},
};

uint64_t sample_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

static void learn(struct policy_band *b, uint64_t *random, unsigned episodes)
{
    elo_set_playable(&b->elo, policy_band_playable(b), *random);
    for (unsigned i = 0; i < episodes; i++) {
        int arm = elo_pick(&b->elo);
        uint64_t cost_ns = 20000 + 3000 * (unsigned)arm + sample_random(random) % 10000;
        if (sample_random(random) % 16 == 0)
            cost_ns *= 20;
        elo_report(&b->elo, arm, cost_ns);
        b->cost_sum_ns[arm] += cost_ns;
    }
    int champion = elo_champion(&b->elo);
    b->champion = champion < 0 ? ARM_NONE : (uint8_t)champion;
}

static bool add_band(struct policy_doc *doc, struct policy_site *site, uint64_t *random)
{
    unsigned number = BAND_FIRST + (unsigned)(sample_random(random) % BAND_COUNT);
    struct policy_band *b = policy_site_band(doc, site, number, true);
    if (b == NULL)
        return false;
    if (b->champion != ARM_NONE)
        return true;
    arm_pool(&abilities[doc->nr_bands % 4], b->played_as);
    learn(b, random, doc->nr_bands == 1 ? 200 : (unsigned)(sample_random(random) % 300));
#define X(name, help) b->seen.name = sample_random(random) >> (sample_random(random) % 64);
    POLICY_SEEN_FIELDS(X)
#undef X
    b->unmeasured = b->seen.reused / 2;
    b->keep_ms = (uint32_t)(sample_random(random) % (GAPS_KEEP_MAX_MS + 1));
    for (unsigned i = 0; i < doc->nr_bands % (GAP_CLASSES + 1); i++)
        b->gaps[i] = sample_random(random) >> (sample_random(random) % 64);
    return true;
}

static bool add_site(struct policy_doc *doc, uint64_t *random)
{
    struct policy_site *site = policy_doc_site(doc, sample_random(random) | 1, true);
    if (site == NULL)
        return false;
    site->offset = sample_random(random) >> (sample_random(random) % 64);
    snprintf(site->module, sizeof(site->module), "lib%u \"q\\uoted\" \xc3\xa9.so",
             (unsigned)(sample_random(random) % 100));
    if (doc->nr_sites % 4 != 0)
        snprintf(site->build_id, sizeof(site->build_id), "%016llx",
                 (unsigned long long)sample_random(random));
    if (doc->nr_sites % 4 != 0)
        snprintf(site->symbol, sizeof(site->symbol), "f<%u>::g()+0x1f",
                 (unsigned)(sample_random(random) % 100));
    if (doc->nr_sites % 4 == 1 || doc->nr_sites % 4 == 3)
        site->call = (int32_t)(sample_random(random) % 5);
    site->to_split = doc->nr_sites % 4 == 1;
    if (doc->nr_sites % 4 == 2) {
        site->of = doc->site[0]->id ^ 2;
        site->depth = doc->nr_sites;
    }
    for (unsigned i = 1 + (unsigned)(sample_random(random) % 3); i > 0; i--)
        if (!add_band(doc, site, random))
            return false;
    return true;
}

static void describe(struct policy_doc *doc, uint64_t *random)
{
    snprintf(doc->machine.cpu, sizeof(doc->machine.cpu), "A processor @ 3.00GHz");
    snprintf(doc->machine.kernel, sizeof(doc->machine.kernel), "6.18.0");
    snprintf(doc->machine.thp, sizeof(doc->machine.thp), "madvise");
    doc->machine.page_bytes = 4096;
    doc->machine.huge_bytes = 2 << 20;
#define X(name, least, help)                                                                       \
    doc->calibration.name = 1 + sample_random(random) % POLICY_PRICE_MAX_NS;
    CALIBRATION_FIELDS(X)
#undef X
    for (unsigned i = 0; i < GAP_CLASSES; i += 3) {
        doc->away[PAGES_HUGE].faults[i] = 1 + sample_random(random) % 100;
        doc->away[PAGES_HUGE].times_q10[i] = sample_random(random) % 100000;
    }
    for (unsigned i = 0; i < BAND_COUNT; i += 2)
        doc->default_arm[i] = (uint8_t)(sample_random(random) % ARM_COUNT);
}

struct policy_doc *sample_policy(uint64_t seed, unsigned nr_sites)
{
    uint64_t random = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    struct policy_doc *doc = policy_doc_new();
    if (doc == NULL)
        return NULL;
    describe(doc, &random);
    while (doc->nr_sites < nr_sites) {
        if (!add_site(doc, &random)) {
            policy_doc_free(doc);
            return NULL;
        }
    }
    return doc;
}

struct policy_doc *sample_delta(uint64_t site_id, unsigned band, int arm, unsigned plays,
                                uint64_t cost_ns)
{
    struct policy_doc *doc = policy_doc_new();
    struct policy_site *site = doc == NULL ? NULL : policy_doc_site(doc, site_id, true);
    struct policy_band *b = site == NULL ? NULL : policy_site_band(doc, site, band, true);
    if (b == NULL) {
        policy_doc_free(doc);
        return NULL;
    }
    for (unsigned i = 0; i < plays; i++) {
        elo_report(&b->elo, arm, cost_ns);
        b->cost_sum_ns[arm] += cost_ns;
        b->seen.episodes++;
    }
    return doc;
}

bool sample_same(struct policy_doc *a, struct policy_doc *b)
{
    size_t a_bytes, b_bytes;
    const char *a_text = policy_doc_print(a, &a_bytes), *b_text = policy_doc_print(b, &b_bytes);
    return a_text != NULL && b_text != NULL && a_bytes == b_bytes &&
           memcmp(a_text, b_text, a_bytes) == 0;
}

uint64_t sample_plays(const struct policy_doc *doc)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < doc->nr_sites; i++)
        for (unsigned k = 0; k < doc->site[i]->nr_bands; k++)
            for (int arm = 0; arm < ARM_COUNT; arm++)
                sum += doc->site[i]->band[k]->elo.arm[arm].plays;
    return sum;
}
