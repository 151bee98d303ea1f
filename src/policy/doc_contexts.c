/*
 * How many contexts of a site a document has: CONTEXTS_MAX, as many as a process has. Where the depth of the stack differs
 * from run to run, as behind a variable-length array, every run has new ones, and a file would grow with each until it
 * is too large to be saved.
 *
 * Those with most blocks stay, and of equals those that were there before. So a call path that comes again in every
 * run is in the file from the first run on in which it has more blocks than the least of those there, and from then on
 * it only gains; what came once is the first to go. A process that saves often is told what was left out, and adds to it.
 */
#include "policy/doc.h"

#include "base/sort.h"
#include "policy/contexts.h"
#include "policy/pool.h"

enum { NOWHERE = POLICY_SITES_MAX };

/* A context that one of the documents has, or both. */
struct candidate {
    uint64_t of, blocks;
    unsigned place, from_place; /* in the two; NOWHERE */
};

static uint64_t blocks_of(const struct policy_site *s)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->nr_bands; i++)
        sum =
            add_saturating(add_saturating(sum, s->band[i]->seen.episodes), s->band[i]->unmeasured);
    return sum;
}

static bool is_before(const void *one, const void *other)
{
    const struct candidate *a = one, *b = other;
    if (a->of != b->of)
        return a->of < b->of;
    if (a->blocks != b->blocks)
        return a->blocks > b->blocks;
    return a->place != b->place ? a->place < b->place : a->from_place < b->from_place;
}

/* Both documents' contexts, each once; how many. */
static unsigned gather(struct candidate *c, const struct policy_doc *into,
                       const struct policy_doc *from)
{
    unsigned n = 0;
    for (unsigned i = 0, k = 0; i < into->nr_sites || k < from->nr_sites;) {
        const struct policy_site *a = i < into->nr_sites ? into->site[i] : NULL;
        const struct policy_site *b = k < from->nr_sites ? from->site[k] : NULL;
        bool in_a = a != NULL && (b == NULL || a->id <= b->id);
        bool in_b = b != NULL && (a == NULL || b->id <= a->id);
        uint64_t blocks = add_saturating(in_a ? blocks_of(a) : 0, in_b ? blocks_of(b) : 0);
        uint64_t of = in_a ? a->of : b->of;
        if (of != 0)
            c[n++] = (struct candidate){of, blocks, in_a ? i : NOWHERE, in_b ? k : NOWHERE};
        i += in_a;
        k += in_b;
    }
    return n;
}

/* Closes the gaps that were left in the list of sites. */
static void close_gaps(struct policy_doc *doc)
{
    unsigned n = 0;
    for (unsigned i = 0; i < doc->nr_sites; i++)
        if (doc->site[i] != NULL)
            doc->site[n++] = doc->site[i];
    doc->nr_sites = n;
}

static void leave_out(struct policy_doc *into, bool *left_out, const struct candidate *c)
{
    if (c->from_place != NOWHERE)
        left_out[c->from_place] = true;
    if (c->place == NOWHERE)
        return;
    into->nr_bands -= into->site[c->place]->nr_bands;
    into->site[c->place] = NULL;
}

const bool *policy_doc_limit_contexts(struct policy_doc *into, const struct policy_doc *from)
{
    size_t most = (size_t)into->nr_sites + from->nr_sites;
    bool *left_out = policy_pool_alloc(into->pool, from->nr_sites + 1);
    struct candidate *c = left_out != NULL ? policy_scratch_map((most + 1) * sizeof(*c)) : NULL;
    if (c == NULL)
        return NULL;
    unsigned n = gather(c, into, from);
    sort_in_place(c, n, sizeof(*c), is_before);
    for (unsigned i = CONTEXTS_MAX; i < n; i++)
        if (c[i].of == c[i - CONTEXTS_MAX].of)
            leave_out(into, left_out, &c[i]);
    close_gaps(into);
    policy_scratch_release(c, (most + 1) * sizeof(*c));
    return left_out;
}
