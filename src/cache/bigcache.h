/*
 * BigCache: freed spans that keep their pages, for the next block of their size.
 *
 * Byte-capped, of intrusive entries, in buckets by page kind and size class. For the cap the oldest of a page kind leave first, and
 * between the two kinds it is Greedy-Dual-Size (Cao and Irani, 1997): those that are dearer to have again by the byte outlast more of
 * the others. A look-up prefers a span the same site used last, then one of the size class, then a larger one, which the caller splits, of the
 * same site or idle long enough for the timer to have seen it. It never calls the OS and owns no memory: what must leave
 * is returned, and giving it back is the caller's business. The caller serialises all calls on one cache.
 */
#ifndef HAK_CACHE_BIGCACHE_H
#define HAK_CACHE_BIGCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/list.h"

enum {
    BIGCACHE_ZONES = 2, /* spans of base pages, spans of huge pages: never mixed */
};

struct bigcache_options {
    size_t cap_bytes; /* all entries together */
    /* The same, and of one entry, for entries of which it is not known how soon they are wanted (most_idle_ns is 0). */
    size_t unknown_cap_bytes, unknown_entry_cap_bytes;
    uint64_t worth_ns[BIGCACHE_ZONES]; /* how long its memory is worth keeping: break-even */
};

struct cache_entry {
    struct list lru;    /* in its zone's list, oldest first; or in a list of what has left */
    struct list bucket; /* among the entries of its zone and size class, newest first */
    uintptr_t address;
    size_t bytes;
    uint64_t site;     /* who used it last; 0: unknown */
    uint64_t since_ns; /* idle since; 0: the timer has not seen it yet */
    uint64_t order;    /* rises with each put, over both zones */
    /* Who has the least leaves first: what the last one to leave had, and what its own zone is worth. */
    uint64_t credit_ns;
    uint64_t most_idle_ns; /* it leaves then; 0: when it breaks even */
    uint8_t zone;
};

struct bigcache {
    struct bigcache_options options;
    size_t bytes; /* sum over the entries */
    size_t zone_bytes[BIGCACHE_ZONES];
    size_t brief_bytes; /* of entries with most_idle_ns */
    uint64_t brief_ns;  /* the least of theirs since it was last looked for what is to leave */
    uint64_t puts;
    uint64_t floor_ns; /* the credit of the last that left for the cap */
    struct list lru[BIGCACHE_ZONES];
    struct class_set used[BIGCACHE_ZONES]; /* of the buckets */
    struct list bucket[BIGCACHE_ZONES][GRANULE_CLASSES];
};

/* Whether it may be cut, or joined with others, for a block of `site`: the site used it last itself, or it has been
 * seen idle, so that nobody is about to reuse it. */
static inline bool cache_entry_is_to_be_had(const struct cache_entry *e, uint64_t site)
{
    return e->since_ns != 0 || e->site == site;
}

void bigcache_init(struct bigcache *c, const struct bigcache_options *options);
void cache_entry_init(struct cache_entry *e);

/* Puts an entry in as the newest. What does not fit under the caps, be it this one, is moved to `left`,
 * linked by its `lru`. */
void bigcache_put(struct bigcache *c, struct cache_entry *e, uint64_t now_ns, struct list *left);

/* The best entry of at least `bytes`, at a multiple of `align`; NULL: none. It may be larger. It stays where it is. */
struct cache_entry *bigcache_find(struct bigcache *c, unsigned zone, size_t bytes, size_t align,
                                  uint64_t site);

/* The same, taken out. */
struct cache_entry *bigcache_take(struct bigcache *c, unsigned zone, size_t bytes, size_t align,
                                  uint64_t site);

/* Takes this entry out; false: it is not in the cache. */
bool bigcache_remove(struct bigcache *c, struct cache_entry *e);

/* Moves to `left` what has idled for its own most_idle_ns, or its zone's break-even time, and notes when it first saw the others. That
 * is from then on what entries of the zone are worth. */
void bigcache_expire(struct bigcache *c, uint64_t now_ns,
                     const uint64_t break_even_ns[BIGCACHE_ZONES], struct list *left);

/* Moves everything to `left`. */
void bigcache_clear(struct bigcache *c, struct list *left);

#endif
