#include "alloc/retained.h"

#include "alloc/run.h"
#include "base/attr.h"
#include "config/config.h"
#include "policy/policy.h"
#include "stats/stats.h"

enum {
    MEMORY_SHARE = 4, /* BigCache never holds more than a quarter of the memory there is */
    RETAINED_BYTES =
        128 << 20, /* or, where it is known how soon it is wanted again, what lived at once */
    SPLIT_SHARE =
        4, /* a cached span is cut when more than a quarter of the block would be left over */
    LOOKS_PER_BREAK_EVEN = 4, /* the timer's tick: an entry leaves at 1 to 1.25 break-even times */
};

static const uint64_t TICK_MIN_NS = 10000000, TICK_MAX_NS = 1000000000;

struct retained retained;

static size_t cap_bytes; /* of BigCache, however much lived */

static size_t cap_for(size_t bytes)
{
    return bytes < cap_bytes ? bytes : cap_bytes;
}

void retained_start(const struct os_machine *machine)
{
    uint64_t memory = machine->ram_bytes != 0 && machine->ram_bytes < machine->cgroup_limit_bytes
                          ? machine->ram_bytes
                          : machine->cgroup_limit_bytes;
    uint64_t cap = config.cache_mib << 20, share = memory / MEMORY_SHARE;
    cap_bytes = cap < share ? cap : share;
    struct bigcache_options cache = {.cap_bytes = cap_for(RETAINED_BYTES),
                                     .unknown_cap_bytes = RETAINED_BYTES,
                                     .unknown_entry_cap_bytes = config.cache_entry_mib << 20,
                                     .worth_ns = {[ZONE_BASE] = policy_break_even_ns(PAGES_BASE),
                                                  [ZONE_HUGE] = policy_break_even_ns(PAGES_HUGE)}};
    struct batch_options batch = {.count = config.batch_count,
                                  .bytes = config.batch_mib << 20,
                                  .deadline_ns = config.batch_deadline_ms * 1000000};
    bigcache_init(&retained.cache, &cache);
    batch_init(&retained.batch, &batch);
    batch.count = batch.bytes = SIZE_MAX; /* retained in any case: there is no hurry */
    batch_init(&retained.lazy, &batch);
    retained.batch_min_bytes = config.batch == 1 ? config.batch_min_kib << 10 : SIZE_MAX;
}

void retained_raise_cap(size_t most_live_bytes)
{
    if (most_live_bytes > RETAINED_BYTES)
        retained.cache.options.cap_bytes = cap_for(most_live_bytes);
}

static struct span *span_of_cache(struct list *lru)
{
    return CONTAINER_OF(CONTAINER_OF(lru, struct cache_entry, lru), struct span, cache);
}

static struct span *span_of_batch(struct list *link)
{
    return CONTAINER_OF(CONTAINER_OF(link, struct batch_entry, link), struct span, batch);
}

/* ---- who goes where ---- */

/* It is in no structure until it was advised. */
static void make_due(struct span *s, struct list *due)
{
    bigcache_remove(&retained.cache, &s->cache);
    span_set_state(s, SPAN_RETIRED);
    list_push_back(due, &s->batch.link);
    retained.nr_due++;
}

/* Moves what was taken from a batch to `due`. A span that waits for MADV_FREE leaves BigCache until that is done. */
static void retire_all(struct list *taken, size_t count, struct list *due)
{
    struct list *l;
    if (count == 0)
        return;
    stat_add(STAT_batch_flushes, 1);
    stat_add(STAT_batch_spans, count);
    while ((l = list_pop_front(taken)) != NULL) {
        struct span *s = span_of_batch(l);
        stat_add(STAT_batch_bytes, s->batch.bytes);
        make_due(s, due);
    }
}

static void take_batch(struct list *due)
{
    struct list taken;
    list_init(&taken);
    retire_all(&taken, batch_take_all(&retained.batch, &taken), due);
}

/* Only what has waited: a block that comes soon is to find its memory as it was. */
static void take_lazy(struct list *due)
{
    struct list taken;
    list_init(&taken);
    retire_all(&taken, batch_take_seen(&retained.lazy, &taken), due);
}

/* Queues a span that is to be advised; what must be advised now goes to `due`. */
static void enqueue(struct span *s, bool lazy, struct list *due)
{
    s->batch.address = (uintptr_t)span_address(s);
    s->batch.bytes = span_bytes(s);
    s->batch.lazy = lazy;
    if (s->batch.bytes < retained.batch_min_bytes) {
        make_due(s, due);
        stat_add(STAT_immediate_spans, 1);
        return;
    }
    if (!lazy)
        span_set_state(s, SPAN_QUEUED);
    if (batch_put(lazy ? &retained.lazy : &retained.batch, &s->batch))
        take_batch(due);
}

/* What has left BigCache is to be dropped. */
HAK_HOT static void drop_all(struct list *left, struct list *due, enum stat_id counter)
{
    struct list *l;
    while ((l = list_pop_front(left)) != NULL) {
        struct span *s = span_of_cache(l);
        batch_remove(&retained.lazy, &s->batch);
        stat_add(counter, 1);
        enqueue(s, false, due);
    }
}

HAK_HOT static void keep_at_most(struct span *s, uint64_t most_idle_ns, struct list *due)
{
    struct list left;
    list_init(&left);
    s->cache.address = (uintptr_t)span_address(s);
    s->cache.bytes = span_bytes(s);
    s->cache.zone = s->zone;
    s->cache.most_idle_ns = most_idle_ns;
    s->dirty = true;
    span_set_state(s, SPAN_CACHED);
    bigcache_put(&retained.cache, &s->cache, 0, &left);
    drop_all(&left, due, STAT_cache_evictions);
}

HAK_HOT void retained_put(struct span *s, enum arm_retain retain, uint64_t most_idle_ns,
                          struct list *due)
{
    if (retain == RETAIN_DROP)
        enqueue(s, false, due);
    else
        keep_at_most(s, most_idle_ns, due);
    if (retain == RETAIN_LAZY && list_in(&s->cache.bucket))
        enqueue(s, true, due);
}

/* ---- coming back ---- */

/* Cuts off what the block does not need, and keeps it. The block before shares the fate of the larger part. */
HAK_HOT static void cut_cached(struct span *s, uint32_t granules, struct formers *former,
                               struct list *due)
{
    if (s->granules - granules <= granules / SPLIT_SHARE)
        return;
    struct span *rest = span_split(s, granules);
    if (rest == NULL)
        return;
    stat_add(STAT_cache_splits, 1);
    rest->cache.site = s->cache.site;
    if (former->count == 1 && rest->granules > granules)
        rest->label = former->label[--former->count];
    keep_at_most(rest, s->cache.most_idle_ns, due);
}

/* A cached span that is large enough, or several that lie side by side; NULL: there are none. */
HAK_HOT static struct span *take_cached(const struct span_request *request, uint64_t site,
                                        struct formers *former)
{
    struct run run;
    if (request->granules == 0)
        return NULL; /* cannot be had at all */
    struct cache_entry *e =
        bigcache_take(&retained.cache, request->zone, (size_t)request->granules << GRANULE_SHIFT,
                      (size_t)request->align_granules << GRANULE_SHIFT, site);
    if (e != NULL) {
        run = (struct run){.first = CONTAINER_OF(e, struct span, cache), .count = 1};
        run.granules = run.first->granules;
    } else if (!run_find(&retained.cache, request, site, &run)) {
        return NULL;
    }
    stat_add_locked(STAT_cache_joins, e == NULL);
    return run_join(&retained.cache, &retained.lazy, request, &run, former);
}

HAK_HOT struct span *retained_get(const struct span_request *request, uint64_t site,
                                  struct formers *former, struct list *due)
{
    struct span *s = take_cached(request, site, former);
    if (s == NULL)
        return NULL;
    stat_add_locked(STAT_cache_hits, 1);
    stat_add_locked(STAT_cache_hits_site, s->cache.site == site);
    cut_cached(s, request->granules, former, due);
    span_set_state(s, SPAN_LIVE);
    return s;
}

void retained_note_passed_by(enum zone_id own, bool cold, size_t bytes, uint64_t site,
                             struct formers *former)
{
    for (unsigned zone = 0; zone < ZONE_COUNT && former->count < FORMERS_MAX; zone++) {
        if (zone == own && !cold)
            continue;
        struct span_request request = span_request_for((enum zone_id)zone, bytes, 1);
        struct cache_entry *e = bigcache_find(
            &retained.cache, zone, (size_t)request.granules << GRANULE_SHIFT, GRANULE_BYTES, site);
        struct label *label = e != NULL ? &CONTAINER_OF(e, struct span, cache)->label : NULL;
        if (label == NULL || e->site != site || label->cell == NULL)
            continue;
        former->label[former->count++] = *label;
        label->cell = NULL;
    }
}

/* ---- leaving ---- */

void retained_expire(uint64_t now_ns, const uint64_t break_even_ns[ZONE_COUNT], struct list *due)
{
    struct list left;
    list_init(&left);
    bigcache_expire(&retained.cache, now_ns, break_even_ns, &left);
    drop_all(&left, due, STAT_cache_expiries);
    if (batch_is_due(&retained.batch, now_ns))
        take_batch(due);
    if (batch_is_due(&retained.lazy, now_ns))
        take_lazy(due);
}

size_t retained_clear(struct list *due)
{
    struct list left;
    size_t bytes = retained.cache.bytes + retained.batch.bytes;
    list_init(&left);
    bigcache_clear(&retained.cache, &left);
    drop_all(&left, due, STAT_cache_evictions);
    take_batch(due);
    return bytes;
}

static uint64_t tick_within_bounds(uint64_t ns)
{
    return ns < TICK_MIN_NS ? TICK_MIN_NS : ns > TICK_MAX_NS ? TICK_MAX_NS : ns;
}

uint64_t retained_look_ns(const uint64_t break_even_ns[ZONE_COUNT])
{
    uint64_t next = 0;
    for (unsigned zone = 0; zone < ZONE_COUNT; zone++) {
        uint64_t tick = tick_within_bounds(break_even_ns[zone] / LOOKS_PER_BREAK_EVEN);
        if (retained.cache.zone_bytes[zone] != 0 && (next == 0 || tick < next))
            next = tick;
    }
    return next;
}

HAK_HOT uint64_t retained_hurried_look_ns(uint64_t waking_byte_ns)
{
    uint64_t next =
        retained.batch.count + retained.lazy.count != 0 ? retained.batch.options.deadline_ns : 0;
    if (retained.cache.brief_bytes == 0)
        return next;
    uint64_t brief = retained.cache.brief_ns / LOOKS_PER_BREAK_EVEN;
    uint64_t least = tick_within_bounds(waking_byte_ns / retained.cache.brief_bytes);
    brief = brief > least ? brief : least;
    return next == 0 || brief < next ? brief : next;
}
