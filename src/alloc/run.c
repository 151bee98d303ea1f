#include "alloc/run.h"

#include "base/attr.h"

enum {
    LOOKS_MAX = 32,    /* cached spans, newest first, at which a run is looked for */
    COLD_SHARE_MAX = 2 /* at most a half of a run is free memory, which is cold */
};

static bool may_join(const struct span *s, const struct span_request *request, uint64_t site)
{
    return s != NULL && atomic_load_explicit(&s->state, memory_order_relaxed) == SPAN_CACHED &&
           !s->moved && ((s->first | s->granules) & (request->align_granules - 1)) == 0 &&
           cache_entry_is_to_be_had(&s->cache, site);
}

static bool is_free_for(const struct span *s, uint32_t granules)
{
    return s != NULL && atomic_load_explicit(&s->state, memory_order_relaxed) == SPAN_FREE &&
           s->granules >= granules;
}

/* The run that starts with cached span `s`; false: it is not enough. */
static bool run_from(struct span *s, const struct span_request *request, uint64_t site,
                     struct run *run)
{
    struct span *last;
    *run = (struct run){.first = s};
    do {
        run->granules += s->granules;
        run->count++;
        last = s;
        s = span_behind(s);
    } while (run->granules < request->granules && run->count < FORMERS_MAX &&
             may_join(s, request, site));
    if (run->granules >= request->granules)
        return true;
    uint32_t lacking = request->granules - run->granules;
    run->down = !is_free_for(span_behind(last), lacking);
    return lacking <= request->granules / COLD_SHARE_MAX &&
           (!run->down || (is_free_for(span_before(run->first), lacking) &&
                           (lacking & (request->align_granules - 1)) == 0));
}

bool run_find(struct bigcache *cache, const struct span_request *request, uint64_t site,
              struct run *run)
{
    struct list *head = &cache->lru[request->zone];
    int looks = 0;
    *run = (struct run){0};
    for (struct list *l = head->prev; l != head && looks < LOOKS_MAX; l = l->prev, looks++) {
        struct span *s = CONTAINER_OF(CONTAINER_OF(l, struct cache_entry, lru), struct span, cache);
        struct run found;
        if (may_join(s, request, site) && run_from(s, request, site, &found) &&
            found.granules > run->granules)
            *run = found;
        if (run->granules >= request->granules)
            return true;
    }
    return run->first != NULL;
}

HAK_HOT static void take_out(struct bigcache *cache, struct batch *batch, struct span *s,
                             struct formers *former)
{
    bigcache_remove(cache, &s->cache);
    batch_remove(batch, &s->batch);
    if (s->label.cell != NULL)
        former->label[former->count++] = s->label;
    s->label.cell = NULL;
}

HAK_HOT struct span *run_join(struct bigcache *cache, struct batch *batch,
                              const struct span_request *request, const struct run *run,
                              struct formers *former)
{
    struct span *s = run->first;
    take_out(cache, batch, s, former);
    for (unsigned i = 1; i < run->count; i++) {
        struct span *behind = span_behind(s);
        take_out(cache, batch, behind, former);
        span_absorb(s, behind);
    }
    if (run->granules >= request->granules)
        return s;
    if (run->down)
        span_extend_down(s, request->granules);
    else
        span_extend(s, request->granules);
    return s;
}
