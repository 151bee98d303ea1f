#define XXH_INLINE_ALL
#include <xxhash.h>

#include "policy/rebuilt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/pool.h"

/* ---- the index ---- */

uint64_t rebuilt_function_hash(const char *module, const char *name, size_t name_bytes)
{
    uint64_t of_module = XXH3_64bits(module, strlen(module));
    return XXH3_64bits_withSeed(name, name_bytes, of_module) | 1;
}

/* The bytes of the name in "name+0x1f"; 0: that is no such text. */
static size_t name_bytes_of(const char *symbol)
{
    const char *plus = strrchr(symbol, '+');
    return plus != NULL ? (size_t)(plus - symbol) : 0;
}

static struct policy_module *module_slot(const struct policy_index *index, const char *name)
{
    uint64_t hash = XXH3_64bits(name, strlen(name)) | 1;
    for (uint64_t at = hash >> 1;; at++) {
        struct policy_module *module = &index->module[at & index->mask];
        if (module->hash == 0 || (module->hash == hash && strcmp(module->first->module, name) == 0))
            return module;
    }
}

struct policy_site *rebuilt_first(const struct policy_index *index, uint64_t function)
{
    return index->function[(function >> 1) & index->mask];
}

/* A site that the program named itself is known by that name in every build. */
static bool is_in_a_build(const struct policy_site *site)
{
    return site->module[0] != '\0' && site->build_id[0] != '\0';
}

static void add_module(struct policy_index *index, const struct policy_site *site)
{
    struct policy_module *module = module_slot(index, site->module);
    if (module->hash == 0) {
        module->hash = XXH3_64bits(site->module, strlen(site->module)) | 1;
        module->first = site;
    }
    module->several |= strcmp(module->first->build_id, site->build_id) != 0;
}

static void add_function(struct policy_index *index, struct policy_site *site)
{
    size_t bytes = name_bytes_of(site->symbol);
    if (bytes == 0 || site->of != 0)
        return;
    site->function = rebuilt_function_hash(site->module, site->symbol, bytes);
    site->next = rebuilt_first(index, site->function);
    index->function[(site->function >> 1) & index->mask] = site;
}

static struct policy_index *new_index(struct policy_doc *doc)
{
    struct policy_index *index = policy_pool_alloc(doc->pool, sizeof(*index));
    size_t slots = 2;
    while (slots < 2 * (size_t)doc->nr_sites)
        slots *= 2;
    if (index == NULL)
        return NULL;
    index->mask = (uint32_t)slots - 1;
    index->module = policy_pool_alloc(doc->pool, slots * sizeof(*index->module));
    index->function = policy_pool_alloc(doc->pool, slots * sizeof(*index->function));
    index->range = policy_pool_alloc(doc->pool, doc->nr_sites * sizeof(*index->range));
    bool complete = index->module != NULL && index->function != NULL && index->range != NULL;
    return complete ? index : NULL;
}

void rebuilt_index(struct policy_doc *doc, const char *path)
{
    unsigned n = 0;
    for (unsigned i = 0; i < doc->nr_sites; i++)
        n += is_in_a_build(doc->site[i]);
    struct policy_index *index = n > 0 ? new_index(doc) : NULL;
    if (index == NULL)
        return;
    size_t bytes = strlen(path), kept = sizeof(index->path) - sizeof("...");
    snprintf(index->path, sizeof(index->path), "%s%s", bytes > kept ? "..." : "",
             bytes > kept ? path + bytes - kept : path);
    site_main_program(index->main_program, sizeof(index->main_program));
    for (unsigned i = 0; i < doc->nr_sites; i++) {
        if (!is_in_a_build(doc->site[i]))
            continue;
        add_module(index, doc->site[i]);
        add_function(index, doc->site[i]);
    }
    doc->index = index;
}

/* ---- records of a place ---- */

bool rebuilt_is_of(const struct policy_site *record, const struct rebuilt_place *place)
{
    const char *text = place->symbol->text;
    return record->function == place->function && strcmp(record->module, place->module) == 0 &&
           strcmp(record->build_id, place->build_id) != 0 &&
           name_bytes_of(record->symbol) == place->name_bytes &&
           memcmp(record->symbol, text, place->name_bytes) == 0;
}

static bool fits_by_symbol(const struct policy_site *record, const struct rebuilt_place *place)
{
    const struct os_symbol *symbol = place->symbol;
    return strcmp(record->symbol, symbol->text) == 0 &&
           (record->call < 0 || symbol->call < 0 || record->call == symbol->call);
}

/* What still stands where it stood is another call, to another target. */
static bool fits_by_call(const struct policy_site *record, const struct rebuilt_place *place)
{
    return record->call >= 0 && record->call == place->symbol->call &&
           !atomic_load_explicit(&record->stands, memory_order_relaxed);
}

static unsigned count_fitting(const struct rebuilt_place *place,
                              bool (*fits)(const struct policy_site *,
                                           const struct rebuilt_place *),
                              struct policy_site **last)
{
    unsigned n = 0;
    struct policy_site *record = rebuilt_first(place->index, place->function);
    for (; record != NULL; record = record->next) {
        if (!rebuilt_is_of(record, place) || !fits(record, place))
            continue;
        n++;
        *last = record;
    }
    return n;
}

struct policy_site *rebuilt_find(const struct rebuilt_place *place, enum known_how *how)
{
    struct policy_site *record = NULL;
    *how = KNOWN_BY_SYMBOL;
    unsigned n = count_fitting(place, fits_by_symbol, &record);
    if (n == 0) {
        *how = KNOWN_BY_CALL;
        n = count_fitting(place, fits_by_call, &record);
    }
    if (n == 1)
        return record;
    *how = KNOWN_NOT;
    return NULL;
}

/* ---- recognising a site ---- */

static struct policy_site *find_at(const struct policy_index *index, const struct site *site,
                                   const char *module, enum known_how *how)
{
    const struct os_symbol *symbol = &site->symbol;
    size_t bytes = name_bytes_of(symbol->text);
    if (bytes == 0 || symbol->shared)
        return NULL;
    struct rebuilt_place place = {
        index, module, site->build_id, symbol, rebuilt_function_hash(module, symbol->text, bytes),
        bytes};
    return rebuilt_find(&place, how);
}

/* Whether it is worth reading the file: most sites of a large program are in no policy. */
static bool is_in_a_known_function(const struct policy_module *module, const struct site *site)
{
    for (unsigned i = 0; i < module->nr_ranges; i++)
        if (site->offset - module->range[i].start < module->range[i].bytes)
            return true;
    return false;
}

static void survey_once(struct policy_doc *doc, struct policy_module *module,
                        const struct site *site, const char *name)
{
    uint8_t none = SURVEY_NONE;
    if (!atomic_compare_exchange_strong_explicit(&module->survey, &none, SURVEY_BEGUN,
                                                 memory_order_relaxed, memory_order_relaxed))
        return;
    survey_module(doc, module, site, name);
    atomic_store_explicit(&module->survey, SURVEY_DONE, memory_order_release);
}

/* The record of a site of which the policy may know another build. */
static struct policy_site *find_in_other_build(struct policy_doc *doc, struct site *site,
                                               enum known_how *how)
{
    struct policy_index *index = doc->index;
    if (index == NULL || (site->key & SITE_NAMED) != 0 || site->build_id[0] == '\0')
        return NULL;
    const char *name = site->module[0] != '\0' ? site->module : index->main_program;
    struct policy_module *module = module_slot(index, name);
    if (module->hash == 0 ||
        (!module->several && strcmp(module->first->build_id, site->build_id) == 0))
        return NULL;
    if (atomic_load_explicit(&module->survey, memory_order_acquire) == SURVEY_DONE &&
        !is_in_a_known_function(module, site))
        return NULL;
    site_look_up_symbol(site);
    survey_once(doc, module, site, name);
    return find_at(index, site, name, how);
}

static struct policy_site *find_context(struct policy_doc *doc, const struct site *site,
                                        enum known_how *how)
{
    uint64_t of = atomic_load_explicit(&site->of->known_as, memory_order_relaxed);
    *how = (enum known_how)atomic_load_explicit(&site->of->known_how, memory_order_relaxed);
    return of != 0 ? policy_doc_site(doc, policy_context_id(of, site->depth), false) : NULL;
}

void rebuilt_recognise(struct policy_doc *doc, struct site *site)
{
    enum known_how how = KNOWN_BY_ID;
    int saved_errno = errno;
    struct policy_site *known =
        doc != NULL && site->id != 0 ? policy_doc_site(doc, site->id, false) : NULL;
    if (known == NULL && doc != NULL && site->id != 0)
        known =
            site->of != NULL ? find_context(doc, site, &how) : find_in_other_build(doc, site, &how);
    if (known == NULL)
        how = KNOWN_NOT;
    atomic_store_explicit(&site->known_as, known != NULL ? known->id : 0, memory_order_relaxed);
    atomic_store_explicit(&site->known_how, (uint8_t)how, memory_order_relaxed);
    errno = saved_errno;
}
