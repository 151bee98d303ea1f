/*
 * JSON to document: the tables of what a policy may hold, and the order of things. The scanner stops at each
 * member of the top level and at each site, and what it stops at is read by its table.
 */
#include <errno.h>
#include <string.h>

#include "base/attr.h"
#include "base/sort.h"
#include "policy/doc_fields.h"
#include "policy/pool.h"

static const struct row machine_rows[] = {
    TEXT_ROW(policy_machine, cpu, read_text),
    TEXT_ROW(policy_machine, kernel, read_text),
    TEXT_ROW(policy_machine, thp, read_thp),
    {"page_bytes", read_page_size, offsetof(struct policy_machine, page_bytes), sizeof(uint64_t),
     1024, 1 << 24, true},
    {"huge_bytes", read_page_size, offsetof(struct policy_machine, huge_bytes), sizeof(uint64_t), 0,
     (uint64_t)1 << 36, true},
};

static const struct row calibration_rows[] = {
#define X(name, least, help)                                                                       \
    ANY_NUMBER_ROW(calibration, name, least, POLICY_PRICE_MAX_NS, #name "_ns", (least) > 0)
    CALIBRATION_FIELDS(X)
#undef X
};

static const struct row seen_rows[] = {
#define X(name, help) NUMBER_ROW(policy_seen, name, 0, UINT64_MAX, #name)
    POLICY_SEEN_FIELDS(X)
#undef X
};

/* The table's first field, the state, is written as a word beside "elo", not as a number in it. */
static const struct row elo_rows[] = {
#define X(type, name, low_, high_) NUMBER_ROW(elo_table, name, low_, high_, #name)
    ELO_TABLE_FIELDS(X)
#undef X
};
enum { ELO_STATE_ROWS = 1 };
_Static_assert(offsetof(struct elo_table, state) == sizeof(uint32_t),
               "state comes first, after playable");

/* What an arm says while it is read: it has its place in the band only once its name is known. */
struct arm_entry {
    uint8_t arm, played_as;
    bool has_played_as, has_raw;
    uint64_t plays;
    struct raw_entry {
        struct elo_arm elo;
        uint64_t cost_sum_ns;
    } raw;
};

static const struct row raw_rows[] = {
#define X(type, name, low_, high_)                                                                 \
    {.key = #name,                                                                                 \
     .read = read_integer,                                                                         \
     .offset = offsetof(struct raw_entry, elo.name),                                               \
     .bytes = sizeof(type),                                                                        \
     .low = (low_),                                                                                \
     .high = (high_)},
    ELO_ARM_FIELDS(X)
#undef X
        ANY_NUMBER_ROW(raw_entry, cost_sum_ns, 0, UINT64_MAX, "cost_sum_ns", false)};

static bool read_raw(struct reader *r, int node, const struct row *row, void *target)
{
    struct arm_entry *e = target;
    (void)row;
    e->has_raw = true;
    return read_object(r, node, raw_rows, ARRAY_SIZE(raw_rows), &e->raw);
}

static bool read_played_as(struct reader *r, int node, const struct row *row, void *target)
{
    struct arm_entry *e = target;
    e->has_played_as = true;
    return read_arm_or_null(r, node, row, &e->played_as);
}

static const struct row arm_rows[] = {
    {"arm", read_arm, offsetof(struct arm_entry, arm), sizeof(uint8_t), 0, 0, true},
    PEOPLE_NUMBER_ROW(rating, -1000000, 1000000),
    PEOPLE_NUMBER_ROW(deviation, 0, 1000000),
    {"plays", read_integer, offsetof(struct arm_entry, plays), sizeof(uint64_t), 0, UINT32_MAX,
     false},
    PEOPLE_NUMBER_ROW(cost_ns, 0, UINT64_MAX),
    {"played_as", read_played_as, 0, sizeof(uint8_t), 0, 0, false},
    {"raw", read_raw, 0, 0, 0, 0, false},
};

/* A band while it is read: its parts may come in any order. */
struct band_entry {
    struct policy_band band;
    struct elo_table elo;
    bool has_elo, has_raw;
    arm_set listed;
};

static bool place_arm(struct reader *r, int node, struct band_entry *b, const struct arm_entry *e)
{
    if ((b->listed & ARM_BIT(e->arm)) != 0)
        return json_refuse(&r->json, node, "this arm is given twice");
    if (e->plays != e->raw.elo.plays)
        return json_refuse(&r->json, node, "\"plays\" is not what \"raw\" says");
    b->listed |= ARM_BIT(e->arm);
    b->has_raw |= e->has_raw;
    b->elo.arm[e->arm] = e->raw.elo;
    b->band.cost_sum_ns[e->arm] = e->raw.cost_sum_ns;
    if (e->has_played_as)
        b->band.played_as[e->arm] = e->played_as;
    return true;
}

static bool read_arms(struct reader *r, int node, const struct row *row, void *target)
{
    struct json *j = &r->json;
    (void)row;

    if (json_kind(j, node) != JSON_ARRAY)
        return json_expected(j, node, "an array of arms");
    for (int item = json_first(j, node); item >= 0; item = json_sibling(j, item)) {
        struct arm_entry e = {0};
        if (!read_object(r, item, arm_rows, ARRAY_SIZE(arm_rows), &e) ||
            !place_arm(r, item, target, &e))
            return false;
    }
    return true;
}

static bool read_elo(struct reader *r, int node, const struct row *row, void *target)
{
    struct band_entry *b = target;
    (void)row;
    b->has_elo = true;
    return read_object(r, node, elo_rows + ELO_STATE_ROWS, ARRAY_SIZE(elo_rows) - ELO_STATE_ROWS,
                       &b->elo);
}

static bool read_seen(struct reader *r, int node, const struct row *row, void *target)
{
    (void)row;
    return read_object(r, node, seen_rows, ARRAY_SIZE(seen_rows), target);
}

static const struct row band_rows[] = {
    {"band", read_integer, offsetof(struct band_entry, band.band), sizeof(uint8_t), BAND_FIRST,
     BAND_LAST, true},
    {.key = "size", .read = read_text},
    {"champion", read_arm_or_null, offsetof(struct band_entry, band.champion), sizeof(uint8_t), 0,
     0, false},
    {"state", read_state, offsetof(struct band_entry, elo.state), sizeof(uint32_t), 0, 0, false},
    {"keep_ms", read_integer, offsetof(struct band_entry, band.keep_ms), sizeof(uint32_t), 0,
     GAPS_KEEP_MAX_MS, false},
    {"gaps", read_gaps, offsetof(struct band_entry, band.gaps), 0, 0, GAP_CLASSES, false},
    {"seen", read_seen, offsetof(struct band_entry, band.seen), 0, 0, 0, false},
    {"unmeasured", read_integer, offsetof(struct band_entry, band.unmeasured), sizeof(uint64_t), 0,
     UINT64_MAX, false},
    {"elo", read_elo, 0, 0, 0, 0, false},
    {"arms", read_arms, 0, 0, 0, 0, false},
};

/* Pooled arms must be played as arms that are played. */
static bool check_pool(struct reader *r, int node, const struct policy_band *b)
{
    for (int i = 0; i < ARM_COUNT; i++)
        if (b->played_as[i] != ARM_NONE && b->played_as[b->played_as[i]] != b->played_as[i])
            return json_refuse(&r->json, node, "an arm is played as one that is not played itself");
    if (policy_band_playable(b) == 0)
        return json_refuse(&r->json, node, "no arm of it can be played");
    return true;
}

/* The table as the learner wants it: made by elo_init(), then the fields that files hold. */
static void restore_table(struct elo_table *t, const struct elo_table *said)
{
#define X(type, name, low, high) t->name = said->name;
    ELO_TABLE_FIELDS(X)
#undef X
    for (int i = 0; i < ELO_ARMS; i++) {
#define X(type, name, low, high) t->arm[i].name = said->arm[i].name;
        ELO_ARM_FIELDS(X)
#undef X
    }
}

static bool finish_band(struct reader *r, int node, struct policy_site *site, struct band_entry *b)
{
    struct json *j = &r->json;

    if (!b->has_elo && (b->has_raw || b->elo.state != ELO_NEW))
        return json_refuse(j, node,
                           "expected a key \"elo\" in it, as there are ratings or a state");
    if (!check_pool(r, node, &b->band))
        return false;
    elo_init(&b->band.elo, policy_band_playable(&b->band), site->id);
    if (b->has_elo)
        restore_table(&b->band.elo, &b->elo);
    if (!elo_is_valid(&b->band.elo))
        return json_refuse(j, node,
                           "the numbers of \"elo\" and of the arms' \"raw\" contradict each other");
    if (policy_site_band(r->doc, site, b->band.band, false) != NULL)
        return json_refuse(j, node, "this band is given twice");
    struct policy_band *band = policy_site_band(r->doc, site, b->band.band, true);
    if (band == NULL)
        return read_no_memory(r, node);
    *band = b->band;
    return true;
}

static bool read_bands(struct reader *r, int node, const struct row *row, void *target)
{
    struct json *j = &r->json;
    (void)row;

    if (json_kind(j, node) != JSON_ARRAY)
        return json_expected(j, node, "an array of bands");
    for (int item = json_first(j, node); item >= 0; item = json_sibling(j, item)) {
        struct band_entry b = {.band.champion = ARM_NONE};
        for (int i = 0; i < ARM_COUNT; i++)
            b.band.played_as[i] = (uint8_t)i;
        if (!read_object(r, item, band_rows, ARRAY_SIZE(band_rows), &b) ||
            !finish_band(r, item, target, &b))
            return false;
    }
    return true;
}

static const struct row context_rows[] = {
    {"of", read_site_id, offsetof(struct policy_site, of), sizeof(uint64_t), 0, 0, true},
    {"depth", read_integer, offsetof(struct policy_site, depth), sizeof(uint32_t), 1, UINT32_MAX,
     true},
};

static bool read_context(struct reader *r, int node, const struct row *row, void *target)
{
    (void)row;
    return read_object(r, node, context_rows, ARRAY_SIZE(context_rows), target);
}

static const struct row site_rows[] = {
    {"id", read_site_id, offsetof(struct policy_site, id), sizeof(uint64_t), 0, 0, true},
    TEXT_ROW(policy_site, module, read_text),
    TEXT_ROW(policy_site, build_id, read_build_id),
    TEXT_ROW(policy_site, offset, read_offset),
    TEXT_ROW(policy_site, symbol, read_text),
    TEXT_ROW(policy_site, call, read_call),
    {"split", read_integer, offsetof(struct policy_site, to_split), sizeof(uint8_t), 0, 1, false},
    {"context", read_context, 0, 0, 0, 0, false},
    {"bands", read_bands, 0, 0, 0, 0, false},
};

_Static_assert(ARRAY_SIZE(raw_rows) < ROWS_MAX && ARRAY_SIZE(elo_rows) < ROWS_MAX &&
                   ARRAY_SIZE(calibration_rows) < ROWS_MAX && ARRAY_SIZE(seen_rows) < ROWS_MAX,
               "a bit for each row in read_object()");

/* Sites are read one after another, and put in order at the end, once. */
struct site_order {
    uint64_t id;
    uint32_t index; /* in the file */
    uint32_t at;    /* where in the text the site ends */
};

static bool take_site(struct reader *r)
{
    struct policy_doc *doc = r->doc;

    if (!json_take(&r->json))
        return false;
    struct policy_site *site = policy_pool_alloc(doc->pool, sizeof(*site));
    if (site == NULL)
        return read_no_memory(r, 0);
    site->call = -1;
    if (!read_object(r, 0, site_rows, ARRAY_SIZE(site_rows), site))
        return false;
    if (!policy_doc_append(doc, site))
        return read_no_memory(r, 0);
    unsigned i = doc->nr_sites - 1;
    r->order[i] = (struct site_order){site->id, i, (uint32_t)r->json.at};
    r->rising &= i == 0 || r->order[i - 1].id < site->id;
    return true;
}

static bool is_before(const void *a, const void *b)
{
    const struct site_order *x = a, *y = b;
    return x->id != y->id ? x->id < y->id : x->index < y->index;
}

/* A site given twice, told where its second mention ends. The scanner has just left the array of sites. */
static bool refuse_twice(struct reader *r, const struct site_order *second)
{
    struct json *j = &r->json;

    j->depth++;
    j->frame[j->depth - 1].index = second->index;
    j->at = second->at;
    return json_refuse_here(j, "the site of this id is given twice");
}

/* Puts the document's sites in rising order of id; each may be there once. */
static bool order_sites(struct reader *r)
{
    struct policy_doc *doc = r->doc;
    unsigned n = doc->nr_sites;

    if (r->rising)
        return true;
    sort_in_place(r->order, n, sizeof(*r->order), is_before);
    for (unsigned i = 1; i < n; i++)
        if (r->order[i - 1].id == r->order[i].id)
            return refuse_twice(r, &r->order[i]);
    struct policy_site **sorted = policy_pool_alloc(doc->pool, n * sizeof(*sorted));
    if (sorted == NULL) {
        r->out_of_memory = true;
        return json_refuse_here(&r->json, "no memory to order the sites with");
    }
    for (unsigned i = 0; i < n; i++)
        sorted[i] = doc->site[r->order[i].index];
    doc->site = sorted;
    doc->cap_sites = n;
    return true;
}

static bool take_sites(struct reader *r)
{
    int more;

    if (!json_enter(&r->json, '['))
        return false;
    while ((more = json_next(&r->json)) > 0)
        if (!take_site(r))
            return false;
    return more == 0 && order_sites(r);
}

struct default_entry {
    uint8_t band, arm;
};

static const struct row default_rows[] = {
    {"band", read_integer, offsetof(struct default_entry, band), sizeof(uint8_t), BAND_FIRST,
     BAND_LAST, true},
    {.key = "size", .read = read_text},
    {"arm", read_arm, offsetof(struct default_entry, arm), sizeof(uint8_t), 0, 0, true},
};

static bool take_default(struct reader *r)
{
    struct default_entry e;

    if (!json_take(&r->json) || !read_object(r, 0, default_rows, ARRAY_SIZE(default_rows), &e))
        return false;
    uint8_t *arm = &r->doc->default_arm[e.band - BAND_FIRST];
    if (*arm != ARM_NONE)
        return json_refuse(&r->json, 0, "this band is given twice");
    *arm = e.arm;
    return true;
}

static bool take_defaults(struct reader *r)
{
    int more;

    if (!json_enter(&r->json, '['))
        return false;
    while ((more = json_next(&r->json)) > 0)
        if (!take_default(r))
            return false;
    return more == 0;
}

static bool take_version(struct reader *r)
{
    bool negative;
    uint64_t version;

    if (!json_take(&r->json))
        return false;
    if (!json_integer(&r->json, 0, &negative, &version) || negative || version != POLICY_VERSION)
        return json_expected(&r->json, 0, "the format's version, 1");
    return true;
}
_Static_assert(POLICY_VERSION == 1, "the message above names it");

static bool take_goal(struct reader *r)
{
    return json_take(&r->json) && read_goal(r, 0, NULL, &r->doc->goal);
}

static bool take_machine(struct reader *r)
{
    struct policy_machine *m = &r->doc->machine;
    return json_take(&r->json) && read_object(r, 0, machine_rows, ARRAY_SIZE(machine_rows), m) &&
           (m->huge_bytes == 0 || m->huge_bytes >= m->page_bytes ||
            json_expected(&r->json, 0, "huge_bytes to be 0 or no less than page_bytes"));
}

static bool take_calibration(struct reader *r)
{
    return json_take(&r->json) &&
           read_object(r, 0, calibration_rows, ARRAY_SIZE(calibration_rows), &r->doc->calibration);
}

static bool take_away(struct reader *r)
{
    return json_take(&r->json) && read_away(r, 0, NULL, r->doc->away);
}

static const struct {
    const char *key;
    bool (*take)(struct reader *r);
} top_rows[] = {
    {"hakmem_policy", take_version},
    {"machine", take_machine},
    {"calibration", take_calibration},
    {"goal", take_goal},
    {"defaults", take_defaults},
    {"sites", take_sites},
    {"away", take_away},
};

static bool take_member(struct reader *r, uint32_t *seen)
{
    for (unsigned i = 0; i < ARRAY_SIZE(top_rows); i++) {
        if (!json_key_is(&r->json, top_rows[i].key))
            continue;
        if ((*seen >> i & 1) != 0)
            return json_refuse_here(&r->json, "this key is given twice");
        *seen |= 1u << i;
        return top_rows[i].take(r);
    }
    return json_refuse_here(&r->json, "unknown key");
}

static bool read_document(struct reader *r)
{
    uint32_t seen = 0;
    int more;

    if (!json_enter(&r->json, '{'))
        return false;
    while ((more = json_next(&r->json)) > 0)
        if (!take_member(r, &seen))
            return false;
    if (more < 0 || !json_end(&r->json))
        return false;
    return (seen & 1) != 0 ||
           json_refuse_here(&r->json, "expected a key \"hakmem_policy\", as in every policy");
}

struct policy_doc *policy_doc_parse(const char *text, size_t bytes, struct policy_error *error)
{
    static const size_t order_bytes = POLICY_SITES_MAX * sizeof(struct site_order);
    struct reader r = {.rising = true, .doc = policy_doc_new()};

    error->text[0] = '\0';
    r.order = policy_scratch_map(order_bytes);
    bool has_memory = json_open(&r.json, text, bytes, error) && r.doc != NULL && r.order != NULL;
    bool accepted = has_memory && bytes <= POLICY_FILE_MAX_BYTES && read_document(&r);
    if (!has_memory)
        json_refuse_here(&r.json, "no memory to read it with");
    else if (!accepted && error->text[0] == '\0')
        json_refuse_here(&r.json, "a text larger than a policy may be");
    json_close(&r.json);
    policy_scratch_release(r.order, order_bytes);
    if (accepted)
        return r.doc;
    policy_doc_free(r.doc);
    errno = has_memory && !r.out_of_memory ? EBADMSG : ENOMEM;
    return NULL;
}
