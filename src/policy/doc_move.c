/*
 * Sites follow a rebuilt module: what a file has of a site under the id of an older build gets the id of the build
 * that learns on, so that the file does not grow with every build. Which sites are meant, the learning process
 * found out when it met them (rebuilt.h) and says in `moved_from`.
 *
 * Several processes may find the same. The first one moves the site, and the others find it moved.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

#include "policy/doc.h"

uint64_t policy_context_id(uint64_t of, uint32_t depth)
{
    uint64_t hashed[2] = {of, depth};
    return XXH3_64bits(hashed, sizeof(hashed));
}

static void describe_anew(struct policy_site *s, const struct policy_site *from)
{
    memcpy(s->module, from->module, sizeof(s->module));
    memcpy(s->build_id, from->build_id, sizeof(s->build_id));
    memcpy(s->symbol, from->symbol, sizeof(s->symbol));
    s->offset = from->offset;
    s->call = from->call;
}

static bool may_take(struct policy_doc *into, const struct policy_site *s, uint64_t id)
{
    return s->moves_to == 0 && policy_doc_site(into, id, false) == NULL;
}

/* Marks what `from` says has moved; whether there was any. */
static bool mark(struct policy_doc *into, const struct policy_doc *from)
{
    bool any = false;
    for (unsigned i = 0; i < from->nr_sites; i++) {
        const struct policy_site *f = from->site[i];
        struct policy_site *old =
            f->moved_from != 0 ? policy_doc_site(into, f->moved_from, false) : NULL;
        if (old == NULL || !may_take(into, old, f->id))
            continue;
        describe_anew(old, f);
        old->of = f->of;
        old->depth = f->depth;
        old->moves_to = f->id;
        any = true;
    }
    return any;
}

/* The contexts of what moves go with it: their ids are made of its. */
static void mark_contexts(struct policy_doc *into)
{
    for (unsigned i = 0; i < into->nr_sites; i++) {
        struct policy_site *s = into->site[i];
        struct policy_site *of = s->of != 0 ? policy_doc_site(into, s->of, false) : NULL;
        if (of == NULL || of->moves_to == 0 || s->id != policy_context_id(s->of, s->depth))
            continue;
        uint64_t id = policy_context_id(of->moves_to, s->depth);
        if (!may_take(into, s, id))
            continue;
        describe_anew(s, of);
        s->of = of->moves_to;
        s->moves_to = id;
    }
}

void policy_doc_move(struct policy_doc *into, const struct policy_doc *from)
{
    if (!mark(into, from))
        return;
    mark_contexts(into);
    for (unsigned i = 0; i < into->nr_sites;) {
        uint64_t id = into->site[i]->moves_to;
        into->site[i]->moves_to = 0;
        if (id != 0 && policy_doc_site(into, id, false) == NULL)
            policy_doc_rename(into, i, id);
        else
            i++;
    }
}
