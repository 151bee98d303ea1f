#include "cache/bigcache.h"

#include "base/attr.h"
#include "base/bits.h"

enum {
    SCAN_MAX = 16,    /* entries of one bucket that are looked at for one of the same site */
    CLASSES_NEAR = 3, /* own class and the next two: at most 1.75 times what is needed */
};

static const uint64_t WORTH_MAX_NS = UINT64_C(1) << 62; /* credits then differ by less than 2^63 */

static unsigned size_class(size_t bytes)
{
    return granule_class(bytes >> GRANULE_SHIFT);
}

void bigcache_init(struct bigcache *c, const struct bigcache_options *options)
{
    *c = (struct bigcache){.options = *options};
    for (unsigned zone = 0; zone < BIGCACHE_ZONES; zone++) {
        list_init(&c->lru[zone]);
        for (unsigned i = 0; i < GRANULE_CLASSES; i++)
            list_init(&c->bucket[zone][i]);
    }
}

void cache_entry_init(struct cache_entry *e)
{
    *e = (struct cache_entry){0};
    list_init(&e->lru);
    list_init(&e->bucket);
}

static struct cache_entry *entry_of_lru(struct list *l)
{
    return CONTAINER_OF(l, struct cache_entry, lru);
}

static struct cache_entry *entry_of_bucket(struct list *l)
{
    return CONTAINER_OF(l, struct cache_entry, bucket);
}

HAK_HOT bool bigcache_remove(struct bigcache *c, struct cache_entry *e)
{
    if (!list_in(&e->bucket))
        return false;
    unsigned class = size_class(e->bytes);
    list_remove(&e->lru);
    list_remove(&e->bucket);
    if (list_empty(&c->bucket[e->zone][class]))
        class_set_remove(&c->used[e->zone], class);
    c->bytes -= e->bytes;
    c->zone_bytes[e->zone] -= e->bytes;
    c->brief_bytes -= e->most_idle_ns != 0 ? e->bytes : 0;
    return true;
}

static void leave(struct bigcache *c, struct cache_entry *e, struct list *left)
{
    bigcache_remove(c, e);
    list_push_back(left, &e->lru);
}

static bool leaves_before(const struct cache_entry *e, const struct cache_entry *other)
{
    int64_t more_ns = (int64_t)(e->credit_ns - other->credit_ns); /* sums may have wrapped */
    return more_ns < 0 || (more_ns == 0 && e->order < other->order);
}

/* Of the oldest of either zone the one with less credit; the cache is not empty. */
static struct cache_entry *least_worth(struct bigcache *c)
{
    struct cache_entry *found = NULL;
    for (unsigned zone = 0; zone < BIGCACHE_ZONES; zone++) {
        if (list_empty(&c->lru[zone]))
            continue;
        struct cache_entry *e = entry_of_lru(c->lru[zone].next);
        if (found == NULL || leaves_before(e, found))
            found = e;
    }
    return found;
}

HAK_HOT void bigcache_put(struct bigcache *c, struct cache_entry *e, uint64_t now_ns,
                          struct list *left)
{
    const struct bigcache_options *o = &c->options;
    bool known = e->most_idle_ns != 0;
    size_t cap = known || o->unknown_cap_bytes > o->cap_bytes ? o->cap_bytes : o->unknown_cap_bytes;
    if (e->bytes > cap || (!known && e->bytes > o->unknown_entry_cap_bytes)) {
        list_push_back(left, &e->lru);
        return;
    }
    while (c->bytes + e->bytes > cap) {
        struct cache_entry *least = least_worth(c);
        c->floor_ns = least->credit_ns;
        leave(c, least, left);
    }

    unsigned class = size_class(e->bytes);
    if (known && (c->brief_bytes == 0 || e->most_idle_ns < c->brief_ns))
        c->brief_ns = e->most_idle_ns;
    e->since_ns = now_ns;
    e->order = c->puts++;
    uint64_t worth_ns = o->worth_ns[e->zone];
    e->credit_ns = c->floor_ns + (worth_ns < WORTH_MAX_NS ? worth_ns : WORTH_MAX_NS);
    list_push_back(&c->lru[e->zone], &e->lru);
    list_push_front(&c->bucket[e->zone][class], &e->bucket);
    class_set_add(&c->used[e->zone], class);
    c->bytes += e->bytes;
    c->zone_bytes[e->zone] += e->bytes;
    c->brief_bytes += known ? e->bytes : 0;
}

static bool serves(const struct cache_entry *e, size_t bytes, size_t align)
{
    return e->bytes >= bytes && (e->address & (align - 1)) == 0;
}

/* The first of a bucket that serves, or within SCAN_MAX one of the same site. */
HAK_HOT static struct cache_entry *search_bucket(struct list *head, size_t bytes, size_t align,
                                                 uint64_t site)
{
    struct cache_entry *first = NULL;
    int looked_at = 0;
    for (struct list *l = head->next; l != head && looked_at < SCAN_MAX; l = l->next, looked_at++) {
        struct cache_entry *e = entry_of_bucket(l);
        if (!serves(e, bytes, align))
            continue;
        if (e->site == site)
            return e;
        if (first == NULL)
            first = e;
    }
    return first;
}

/* The oldest of a bucket that serves and that nobody else is about to reuse. */
static struct cache_entry *search_larger(struct list *head, size_t bytes, size_t align,
                                         uint64_t site)
{
    int looked_at = 0;
    for (struct list *l = head->prev; l != head && looked_at < SCAN_MAX; l = l->prev, looked_at++) {
        struct cache_entry *e = entry_of_bucket(l);
        if (cache_entry_is_to_be_had(e, site) && serves(e, bytes, align))
            return e;
    }
    return NULL;
}

HAK_HOT struct cache_entry *bigcache_find(struct bigcache *c, unsigned zone, size_t bytes,
                                          size_t align, uint64_t site)
{
    unsigned own = size_class(bytes);
    struct cache_entry *e = NULL;

    for (unsigned class = class_set_next(&c->used[zone], own); e == NULL && class < GRANULE_CLASSES;
         class = class_set_next(&c->used[zone], class + 1)) {
        struct list *head = &c->bucket[zone][class];
        e = class < own + CLASSES_NEAR ? search_bucket(head, bytes, align, site)
                                       : search_larger(head, bytes, align, site);
    }
    return e;
}

HAK_HOT struct cache_entry *bigcache_take(struct bigcache *c, unsigned zone, size_t bytes,
                                          size_t align, uint64_t site)
{
    struct cache_entry *e = bigcache_find(c, zone, bytes, align, site);
    if (e != NULL)
        bigcache_remove(c, e);
    return e;
}

static void expire_zone(struct bigcache *c, unsigned zone, uint64_t now_ns, uint64_t break_even_ns,
                        struct list *left)
{
    struct list *head = &c->lru[zone], *next;
    for (struct list *l = head->next; l != head; l = next) {
        struct cache_entry *e = entry_of_lru(l);
        next = l->next;
        uint64_t most = e->most_idle_ns != 0 ? e->most_idle_ns : break_even_ns;
        if (e->since_ns == 0)
            e->since_ns = now_ns;
        else if (now_ns - e->since_ns >= most) {
            leave(c, e, left);
            continue;
        }
        if (e->most_idle_ns != 0 && e->most_idle_ns < c->brief_ns)
            c->brief_ns = e->most_idle_ns;
    }
}

void bigcache_expire(struct bigcache *c, uint64_t now_ns,
                     const uint64_t break_even_ns[BIGCACHE_ZONES], struct list *left)
{
    c->brief_ns = UINT64_MAX;
    for (unsigned zone = 0; zone < BIGCACHE_ZONES; zone++) {
        c->options.worth_ns[zone] = break_even_ns[zone];
        expire_zone(c, zone, now_ns, break_even_ns[zone], left);
    }
}

void bigcache_clear(struct bigcache *c, struct list *left)
{
    for (unsigned zone = 0; zone < BIGCACHE_ZONES; zone++)
        while (!list_empty(&c->lru[zone]))
            leave(c, entry_of_lru(c->lru[zone].next), left);
}
