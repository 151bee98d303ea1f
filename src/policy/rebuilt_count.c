/*
 * How much of a policy a rebuilt module can still use: told once, when its first site is met. All of the module's
 * functions are gone through for that, because most of its sites have not been met by then.
 */
#include <stdio.h>
#include <string.h>

#include "policy/rebuilt.h"

/* What is found out of one module's records. */
struct count {
    const struct policy_index *index;
    const char *module, *build_id;
    bool knows_build; /* there are records of this build too */
    unsigned sites, matched[KNOWN_HOWS];
    double bytes, matched_bytes;
};

/* How the record would be matched by the call it stands for, if that is in this function. */
static enum known_how how_in(const struct policy_site *record, struct rebuilt_place *place,
                             const struct os_function *f)
{
    enum known_how how;
    struct os_symbol at = {.call = record->call, .start = f->start, .bytes = f->bytes};
    place->symbol = &at;
    if (rebuilt_stands(record, &at)) {
        memcpy(at.text, record->symbol, sizeof(at.text));
        return rebuilt_find(place, &how) == record ? how : KNOWN_NOT;
    }
    /* An offset that no record has: the call went elsewhere in its function. */
    memcpy(at.text, record->symbol, place->name_bytes + 1);
    if (record->call < 0 || !os->has_call(f->start, f->bytes, record->call))
        return KNOWN_NOT;
    return rebuilt_find(place, &how) == record ? how : KNOWN_NOT;
}

static void look_at_function(const struct os_function *f, void *context)
{
    const struct count *count = context;
    size_t bytes = strlen(f->name);
    struct os_symbol function = {.call = -1};
    struct rebuilt_place place = {count->index, count->module, count->build_id, &function,
                                  rebuilt_function_hash(count->module, f->name, bytes), bytes};
    if (bytes >= OS_NAME_BYTES)
        return;
    memcpy(function.text, f->name, bytes);
    for (struct policy_site *r = rebuilt_first(count->index, place.function); r != NULL;
         r = r->next) {
        place.symbol = &function;
        if (!rebuilt_is_of(r, &place))
            continue;
        /* Of two functions with this name, either may be the one that is meant. */
        r->now = r->is_found ? (uint8_t)KNOWN_NOT : (uint8_t)how_in(r, &place, f);
        r->is_found = true;
    }
}

static double bytes_of(const struct policy_site *record)
{
    double bytes = 0;
    for (unsigned i = 0; i < record->nr_bands; i++)
        bytes += (double)record->band[i]->seen.size_bytes;
    return bytes;
}

/* A context is served as its site where it is not met again itself. */
static void add_up(struct policy_doc *doc, struct count *count)
{
    for (unsigned i = 0; i < doc->nr_sites; i++) {
        const struct policy_site *r = doc->site[i];
        if (strcmp(r->module, count->module) != 0)
            continue;
        if (strcmp(r->build_id, count->build_id) == 0) {
            count->knows_build = true;
            continue;
        }
        const struct policy_site *of = r->of != 0 ? policy_doc_site(doc, r->of, false) : r;
        enum known_how how = of != NULL ? (enum known_how)of->now : KNOWN_NOT;
        count->sites += r->of == 0;
        count->matched[how] += r->of == 0;
        count->bytes += bytes_of(r);
        count->matched_bytes += how != KNOWN_NOT ? bytes_of(r) : 0;
    }
}

void rebuilt_tell(struct policy_doc *doc, const struct site *site, const char *module)
{
    struct count count = {.index = doc->index, .module = module, .build_id = site->build_id};
    os->functions_of((uintptr_t)site->key, look_at_function, &count);
    add_up(doc, &count);
    if (count.knows_build || count.sites == 0)
        return;
    unsigned matched = count.sites - count.matched[KNOWN_NOT];
    double share = count.bytes > 0 ? count.matched_bytes / count.bytes
                                   : (double)matched / (double)count.sites;
    os_say("%s: %s was rebuilt since: matched %u of its %u sites, %u %% of bytes; %u by symbol, "
           "%u by call",
           doc->index->path, module, matched, count.sites, (unsigned)(100 * share),
           count.matched[KNOWN_BY_SYMBOL], count.matched[KNOWN_BY_CALL]);
}
