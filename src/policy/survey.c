/*
 * What a rebuild left of what a policy knows of a module: looked at once, when the module's first site is met, and told.
 *
 * All functions of the module are gone through, because most sites have not been met by then. A recorded call stands
 * where it stood when a call with its number ends at its offset. But that may be a call to anything: what goes to a
 * function that the module itself has is no call for memory, unless the allocator is linked into the module.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/rebuilt.h"

enum { TARGETS_MAX = 32 }; /* more are taken for the allocator's */

struct survey {
    const struct policy_index *index;
    const char *module, *build_id;
    uintptr_t base;      /* of the module, in this process */
    unsigned nr_targets; /* of calls that are where a recorded one was */
    uintptr_t target[TARGETS_MAX];
    bool is_inside[TARGETS_MAX];
    uintptr_t allocator; /* what the site's own call goes to; 0: not known */
    bool allocator_inside;
    unsigned nr_found; /* records whose function is there */
    struct policy_range *range;
    bool knows_build; /* there are records of this build too */
    unsigned sites, matched[KNOWN_HOWS];
    double bytes, matched_bytes;
};

/* All records of other builds: each is handed on. */
static void for_records(struct policy_doc *doc, struct survey *survey,
                        void (*look)(struct policy_site *, struct survey *))
{
    for (unsigned i = 0; i < doc->nr_sites; i++) {
        struct policy_site *r = doc->site[i];
        if (r->of == 0 && strcmp(r->module, survey->module) == 0 &&
            strcmp(r->build_id, survey->build_id) != 0)
            look(r, survey);
    }
}

/* ---- which recorded calls are where they were ---- */

/* The function that a record's call was in, and will be looked for in. */
static void find_function(const struct os_function *f, void *context)
{
    const struct survey *survey = context;
    size_t bytes = strlen(f->name);
    struct os_symbol symbol = {.call = -1};
    struct rebuilt_place place = {survey->index,
                                  survey->module,
                                  survey->build_id,
                                  &symbol,
                                  rebuilt_function_hash(survey->module, f->name, bytes),
                                  bytes};
    struct policy_site *r = rebuilt_first(survey->index, place.function);
    if (r == NULL || bytes >= OS_NAME_BYTES)
        return;
    memcpy(symbol.text, f->name, bytes);
    for (; r != NULL; r = r->next) {
        if (!rebuilt_is_of(r, &place))
            continue;
        r->several |= r->start != 0 && r->start != f->start - survey->base;
        r->start = f->start - survey->base;
        r->bytes = f->bytes;
    }
}

static void count_found(struct policy_site *r, struct survey *survey)
{
    survey->nr_found += r->start != 0;
}

static void note_range(struct policy_site *r, struct survey *survey)
{
    if (r->start != 0)
        *survey->range++ = (struct policy_range){r->start, r->bytes};
}

/* Which of the targets are functions of the module. */
static void find_targets(const struct os_function *f, void *context)
{
    struct survey *survey = context;
    for (unsigned i = 0; i < survey->nr_targets; i++)
        survey->is_inside[i] |= survey->target[i] == f->start;
    survey->allocator_inside |= survey->allocator == f->start;
}

/* The target of the recorded call, if one with its number is at its offset; true: it is. */
static bool is_call_there(const struct policy_site *r, const struct survey *survey,
                          uintptr_t *target)
{
    uintptr_t start = survey->base + r->start;
    const char *plus = strrchr(r->symbol, '+');
    uint64_t offset = r->start != 0 && plus != NULL ? strtoull(plus + 1, NULL, 16) : 0;
    *target = 0;
    if (offset == 0 || offset >= r->bytes || r->several)
        return false;
    return os->call_of(start, start + offset, target) == r->call || r->call < 0;
}

static void note_target(struct policy_site *r, struct survey *survey)
{
    uintptr_t target;
    if (!is_call_there(r, survey, &target) || target == 0)
        return;
    for (unsigned i = 0; i < survey->nr_targets; i++)
        if (survey->target[i] == target)
            return;
    if (survey->nr_targets < TARGETS_MAX)
        survey->target[survey->nr_targets++] = target;
}

static void note_stands(struct policy_site *r, struct survey *survey)
{
    uintptr_t target;
    bool stands = is_call_there(r, survey, &target);
    for (unsigned i = 0; stands && !survey->allocator_inside && i < survey->nr_targets; i++)
        stands = survey->target[i] != target || !survey->is_inside[i];
    atomic_store_explicit(&r->stands, stands, memory_order_relaxed);
}

/* ---- and what of it can be matched ---- */

/* Looks for the call itself, as if it had been met. */
static void note_how(struct policy_site *r, struct survey *survey)
{
    enum known_how how = KNOWN_NOT;
    const char *plus = strrchr(r->symbol, '+');
    size_t bytes = plus != NULL ? (size_t)(plus - r->symbol) : 0;
    struct os_symbol at = {.call = r->call};
    struct rebuilt_place place = {survey->index, survey->module, survey->build_id,
                                  &at,           r->function,    bytes};
    bool stands = atomic_load_explicit(&r->stands, memory_order_relaxed);
    if (r->start == 0 || r->several ||
        (!stands && !os->has_call(survey->base + r->start, r->bytes, r->call)))
        return;
    /* What does not stand is elsewhere in its function: at an offset that no record has. */
    memcpy(at.text, r->symbol, stands ? sizeof(at.text) : bytes + 1);
    r->now = rebuilt_find(&place, &how) == r ? (uint8_t)how : (uint8_t)KNOWN_NOT;
}

static double bytes_of(const struct policy_site *record)
{
    double bytes = 0;
    for (unsigned i = 0; i < record->nr_bands; i++)
        bytes += (double)record->band[i]->seen.size_bytes;
    return bytes;
}

/* A context is served as its site is, where it is not met again itself. */
static void add_up(struct policy_doc *doc, struct survey *survey)
{
    for (unsigned i = 0; i < doc->nr_sites; i++) {
        const struct policy_site *r = doc->site[i];
        if (strcmp(r->module, survey->module) != 0)
            continue;
        if (strcmp(r->build_id, survey->build_id) == 0) {
            survey->knows_build = true;
            continue;
        }
        const struct policy_site *of = r->of != 0 ? policy_doc_site(doc, r->of, false) : r;
        enum known_how how = of != NULL ? (enum known_how)of->now : KNOWN_NOT;
        survey->sites += r->of == 0;
        survey->matched[how] += r->of == 0;
        survey->bytes += bytes_of(r);
        survey->matched_bytes += how != KNOWN_NOT ? bytes_of(r) : 0;
    }
}

static void tell(const struct survey *survey)
{
    unsigned matched = survey->sites - survey->matched[KNOWN_NOT];
    if (survey->knows_build || survey->sites == 0)
        return;
    double share = survey->bytes > 0 ? survey->matched_bytes / survey->bytes
                                     : (double)matched / (double)survey->sites;
    os_say("%s: %s was rebuilt since: matched %u of its %u site%s, %u %% of bytes; %u by symbol, "
           "%u by call",
           survey->index->path, survey->module, matched, survey->sites,
           survey->sites == 1 ? "" : "s", (unsigned)(100 * share), survey->matched[KNOWN_BY_SYMBOL],
           survey->matched[KNOWN_BY_CALL]);
}

/* The functions that records are of, so that of sites in others no file need be read. */
static void note_ranges(struct policy_doc *doc, struct survey *survey, struct policy_module *module)
{
    for_records(doc, survey, count_found);
    module->nr_ranges = survey->nr_found;
    module->range =
        doc->index->range +
        atomic_fetch_add_explicit(&doc->index->nr_ranges, survey->nr_found, memory_order_relaxed);
    survey->range = module->range;
    for_records(doc, survey, note_range);
}

void survey_module(struct policy_doc *doc, struct policy_module *module, const struct site *site,
                   const char *name)
{
    struct survey survey = {.index = doc->index, .module = name, .build_id = site->build_id};
    uintptr_t pc = (uintptr_t)site->key;
    survey.base = pc - site->offset;
    if (site->symbol.call >= 0)
        os->call_of(site->symbol.start, pc, &survey.allocator);
    os->functions_of(pc, find_function, &survey);
    note_ranges(doc, &survey, module);
    for_records(doc, &survey, note_target);
    os->functions_of(pc, find_targets, &survey);
    for_records(doc, &survey, note_stands);
    for_records(doc, &survey, note_how);
    add_up(doc, &survey);
    tell(&survey);
}
