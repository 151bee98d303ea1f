#include "policy/doc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/pool.h"

const char *const policy_goal_names[GOAL_COUNT] = {"speed", "balanced", "memory"};

_Static_assert((int)ELO_ARMS == (int)ARM_COUNT, "the learner rates the arms of the table");

struct policy_doc *policy_doc_new(void)
{
    struct policy_pool *pool = policy_pool_new();
    if (pool == NULL)
        return NULL;
    /* The first piece of a pool always fits into its first chunk. */
    struct policy_doc *doc = policy_pool_alloc(pool, sizeof(*doc));
    doc->pool = pool;
    doc->goal = GOAL_BALANCED;
    memset(doc->default_arm, ARM_NONE, sizeof(doc->default_arm));
    return doc;
}

void policy_doc_free(struct policy_doc *doc)
{
    if (doc != NULL)
        policy_pool_free(doc->pool);
}

bool policy_calibration_known(const struct calibration *c)
{
    return c->base_fault != 0;
}

bool policy_machine_known(const struct policy_machine *m)
{
    return m->page_bytes != 0;
}

arm_set policy_band_playable(const struct policy_band *b)
{
    arm_set own = 0;
    for (int i = 0; i < ARM_COUNT; i++)
        if (b->played_as[i] == i)
            own |= ARM_BIT(i);
    return own;
}

void policy_size_text(unsigned band, char text[POLICY_SIZE_BYTES])
{
    static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB"};

    text[0] = '\0';
    if (band < BAND_FIRST || band > BAND_LAST)
        return;
    unsigned from = 1u << band % 10, to = 1u << (band + 1) % 10;
    const char *from_unit = units[band / 10], *to_unit = units[(band + 1) / 10];
    if (band == BAND_LAST)
        snprintf(text, POLICY_SIZE_BYTES, "%u %s and more", from, from_unit);
    else if (from_unit == to_unit)
        snprintf(text, POLICY_SIZE_BYTES, "%u-%u %s", from, to, to_unit);
    else
        snprintf(text, POLICY_SIZE_BYTES, "%u %s-%u %s", from, from_unit, to, to_unit);
}

/* Where the site of that id is, or belongs. */
static unsigned site_place(const struct policy_doc *doc, uint64_t id)
{
    unsigned low = 0, high = doc->nr_sites;

    /* Sites mostly come in rising order: from files, and in merges. */
    if (high > 0 && doc->site[high - 1]->id < id)
        return high;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (doc->site[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Room for one more site; false + errno. */
static bool site_room(struct policy_doc *doc)
{
    enum { CAP_FIRST = 32 };

    if (doc->nr_sites < doc->cap_sites)
        return true;
    if (doc->nr_sites == POLICY_SITES_MAX) {
        errno = ENOSPC;
        return false;
    }
    unsigned cap = doc->cap_sites == 0 ? CAP_FIRST : 2 * doc->cap_sites;
    struct policy_site **larger = policy_pool_alloc(doc->pool, cap * sizeof(*larger));
    if (larger == NULL)
        return false;
    if (doc->nr_sites > 0)
        memcpy(larger, doc->site, doc->nr_sites * sizeof(*larger));
    doc->site = larger;
    doc->cap_sites = cap;
    return true;
}

bool policy_doc_append(struct policy_doc *doc, struct policy_site *site)
{
    if (!site_room(doc))
        return false;
    doc->site[doc->nr_sites++] = site;
    return true;
}

struct policy_site *policy_doc_site(struct policy_doc *doc, uint64_t id, bool create)
{
    unsigned place = site_place(doc, id);

    if (place < doc->nr_sites && doc->site[place]->id == id)
        return doc->site[place];
    if (!create || !site_room(doc))
        return NULL;
    struct policy_site *site = policy_pool_alloc(doc->pool, sizeof(*site));
    if (site == NULL)
        return NULL;
    site->id = id;
    site->call = -1;
    memmove(&doc->site[place + 1], &doc->site[place],
            (doc->nr_sites - place) * sizeof(doc->site[0]));
    doc->site[place] = site;
    doc->nr_sites++;
    return site;
}

void policy_doc_rename(struct policy_doc *doc, unsigned place, uint64_t id)
{
    struct policy_site *site = doc->site[place], **end = &doc->site[doc->nr_sites - 1];
    memmove(&doc->site[place], &doc->site[place + 1], (doc->nr_sites - 1 - place) * sizeof(*end));
    doc->nr_sites--;
    struct policy_site **to = &doc->site[site_place(doc, id)];
    memmove(to + 1, to, (size_t)(end - to) * sizeof(*end));
    *to = site;
    doc->nr_sites++;
    site->id = id;
}

static struct policy_band *band_new(struct policy_doc *doc, uint64_t site_id, unsigned number)
{
    if (doc->nr_bands == POLICY_BANDS_MAX) {
        errno = ENOSPC;
        return NULL;
    }
    struct policy_band *band = policy_pool_alloc(doc->pool, sizeof(*band));
    if (band == NULL)
        return NULL;
    doc->nr_bands++;
    band->band = (uint8_t)number;
    band->champion = ARM_NONE;
    for (int i = 0; i < ARM_COUNT; i++)
        band->played_as[i] = (uint8_t)i;
    elo_init(&band->elo, policy_band_playable(band), site_id);
    return band;
}

struct policy_band *policy_site_band(struct policy_doc *doc, struct policy_site *site,
                                     unsigned band, bool create)
{
    unsigned place = 0;

    while (place < site->nr_bands && site->band[place]->band < band)
        place++;
    if (place < site->nr_bands && site->band[place]->band == band)
        return site->band[place];
    if (!create)
        return NULL;
    struct policy_band *new = band_new(doc, site->id, band);
    if (new == NULL)
        return NULL;
    memmove(&site->band[place + 1], &site->band[place],
            (site->nr_bands - place) * sizeof(site->band[0]));
    site->band[place] = new;
    site->nr_bands++;
    return new;
}

static bool differs(struct policy_doc *doc, struct policy_site *site,
                    const struct policy_site *context)
{
    for (unsigned i = 0; i < context->nr_bands; i++) {
        const struct policy_band *b = context->band[i];
        const struct policy_band *whole = policy_site_band(doc, site, b->band, false);
        if (b->champion != ARM_NONE && (whole == NULL || whole->champion != b->champion))
            return true;
    }
    return false;
}

static bool is_decided(const struct policy_site *site)
{
    for (unsigned b = 0; b < site->nr_bands; b++)
        if (site->band[b]->elo.state != ELO_DECIDED)
            return false;
    return true;
}

void policy_doc_mark_split(struct policy_doc *doc)
{
    for (unsigned i = 0; i < doc->nr_sites; i++) {
        struct policy_site *context = doc->site[i];
        struct policy_site *site =
            context->of != 0 ? policy_doc_site(doc, context->of, false) : NULL;
        if (site == NULL)
            continue;
        site->split |= differs(doc, site, context);
        site->contexts_undecided |= !is_decided(context);
        site->has_contexts = true;
    }
}
