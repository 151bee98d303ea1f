/*
 * Slabs: spans that are cut into blocks of one size class.
 *
 * A slab is described outside the memory it hands out, in a table with a row for every granule of the arena. Another
 * table, the map, says of every granule whose slab it is in and of what class; it is all that a thread reads of another
 * one's slab. Everything else is the owner's.
 *
 * A free block holds a link to the next one, stored so that a stray write into it is noticed when it is used: it must
 * decode to a block's address in the same slab. Blocks are carved a page at a time: no more is touched than is used.
 *
 * A slab is ACTIVE (its heap takes blocks from it, and what is freed of it is in the fast list), FULL (too few blocks
 * are free for it to be looked at), AVAILABLE (in a list of its heap's) or EMPTY (the same, at the list's end, and
 * nobody has a block). `wake` counts frees down to the next change, so that a free is a push and a decrement.
 */
#ifndef HAK_ALLOC_SLAB_H
#define HAK_ALLOC_SLAB_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/classes.h"
#include "alloc/span.h"
#include "base/attr.h"
#include "base/list.h"

struct heap;

enum slab_state { SLAB_NONE, SLAB_ACTIVE, SLAB_FULL, SLAB_AVAILABLE, SLAB_EMPTY };

struct slab {
    void **list;      /* where blocks go that the owner frees: `free`, or its heap's fast list */
    void *free;       /* freed blocks, linked */
    uintptr_t start;  /* of its memory */
    uint64_t inverse; /* class_inverse of its class */
    uint32_t wake;    /* frees until heap_woke(); > 0 while anybody has a block */
    uint32_t beyond;  /* blocks carved and not in `free`, beyond `wake` of them */
    uint32_t carved;  /* blocks ever handed to a list; those behind were never used */
    uint16_t class;   /* index of block_classes */
    uint8_t state;    /* enum slab_state */
    bool clean;       /* what was not carved yet is zero */
    struct list link; /* AVAILABLE, EMPTY: in its heap's list */
} __attribute__((aligned(64)));

static_assert(sizeof(struct slab) == 64, "a cache line");

/* What the map says of a granule. */
struct slab_place {
    _Atomic uintptr_t owner; /* the heap, plus OWNER_OF_LARGE; 0: the granule is in no slab */
    struct slab *slab;
    uint32_t class;
    uint32_t bytes;   /* of a block */
    uint64_t inverse; /* class_inverse of its class */
};
static_assert(sizeof(struct slab_place) == 32, "it is found by a shift");

/* Blocks at or above the floor: a free has more to do there than the fast path. */
enum { OWNER_OF_LARGE = 1 };

/* Where slabs are. Constant once `bytes` is set, which is set last; before, every pointer is foreign. */
struct slabs {
    _Atomic size_t bytes; /* of the arena; 0: no heap of our own */
    uintptr_t base;       /* of the arena */
    struct slab_place *map;
    struct slab *table;
    uint64_t key; /* of the links */
    struct region map_zone[ZONE_COUNT], table_zone[ZONE_COUNT];
};
extern struct slabs slabs;

/* A key has a bit that no address has, and low bits that no block's address has: a zero never decodes to a block. */
#define LINK_KEY_BITS ((uint64_t)1 << 63 | 5)

/* Reserves the tables of the arena; without them, or without an arena, there is no heap of our own. */
void slab_start(uint64_t random);

/* ---- links ---- */

static inline void *link_get(const void *p, uint64_t key)
{
    return (void *)(uintptr_t)(*(const uint64_t *)p ^ key);
}

static inline void link_set(void *p, const void *next, uint64_t key)
{
    *(uint64_t *)p = (uint64_t)(uintptr_t)next ^ key;
}

/* Whether a link that was read at `p` leads to a block; the end of a list does not, and what was overwritten. */
static inline bool link_leads_on(const void *p, const void *next)
{
    const uint64_t differs = ~(((uint64_t)1 << SLAB_SHIFT_MAX) - CLASS_STEP_BYTES);
    return (((uintptr_t)next ^ (uintptr_t)p) & differs) == 0;
}

/* ---- finding ---- */

/* Whether a pointer is in the arena. Any thread, at any time. */
static inline bool slabs_have(const void *p)
{
    size_t bytes = atomic_load_explicit(&slabs.bytes, memory_order_acquire);
    return bytes != 0 && (uintptr_t)p - slabs.base < bytes;
}

/* What the map says of a pointer in the arena. */
static inline struct slab_place *slab_place(const void *p)
{
    return &slabs.map[((uintptr_t)p - slabs.base) >> GRANULE_SHIFT];
}

static inline uintptr_t place_owner(struct slab_place *at)
{
    return atomic_load_explicit(&at->owner, memory_order_relaxed);
}

/* Whether there is a slab of small blocks. */
static inline bool place_is_small(struct slab_place *at)
{
    uintptr_t owner = place_owner(at);
    return owner != 0 && (owner & OWNER_OF_LARGE) == 0;
}

static inline struct heap *place_heap(struct slab_place *at)
{
    return (struct heap *)(place_owner(at) & ~(uintptr_t)OWNER_OF_LARGE);
}

/* The start of the slab's memory, for threads that must not read the slab. */
static inline uintptr_t slab_start_of(const struct slab *s)
{
    return slabs.base + ((uintptr_t)(s - slabs.table) << GRANULE_SHIFT);
}

/* Whether a block may start so far into a slab. */
static inline bool is_block_start(size_t inside, uint64_t inverse)
{
    return inside * inverse < inverse;
}

/* The same of a pointer into a slab, for threads that must not read the slab. */
static inline bool is_block(const void *p, const struct slab_place *at)
{
    return is_block_start((uintptr_t)p - slab_start_of(at->slab), at->inverse);
}

/* ---- life ---- */

/* A slab of that class for `owner`, ACTIVE and without blocks; `grown`: it has many of them. NULL: no memory. */
struct slab *slab_get(struct heap *owner, unsigned class, bool grown);

/* Gives the slab's span back. Nobody has a block of it, and nobody has had one for `idle_ns`. */
void slab_put(struct slab *s, uint64_t idle_ns);

/* Says in the map that the slab is `owner`'s from now on; NULL: nobody's. Other threads may be reading it. */
void slab_set_owner(struct slab *s, struct heap *owner);

/* A list of blocks that were never used: about a page of them; NULL: all are carved. `class_bytes`: what its heap has carved of the
 * class. */
void *slab_carve(struct slab *s, size_t class_bytes);

/* Whether freed blocks go to the fast list, where they are not counted. */
static inline bool slab_feeds_fast_list(const struct slab *s)
{
    return s->list != &s->free;
}

/* Blocks that are neither in `free` nor uncarved. */
static inline uint32_t slab_used(const struct slab *s)
{
    return slab_feeds_fast_list(s) ? s->carved : s->beyond + s->wake;
}

static inline void slab_arm(struct slab *s, uint32_t wake)
{
    s->beyond = slab_used(s) - wake;
    s->wake = wake;
}

#endif
