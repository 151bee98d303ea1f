/*
 * Slabs: spans that are cut into blocks of one size class.
 *
 * A slab is described outside the memory it hands out, in a table with a row for every granule of the arena, and a map
 * with a word for every granule says whose slab it is in: the owning heap's address, and below it the slab's class
 * and size. The map is all that a thread reads of another one's slab. Everything else in a slab is its owner's.
 *
 * A free block holds a link to the next one, stored so that a stray write into it is noticed when it is used: it must
 * decode to an address in the same slab. Blocks are carved a page at a time, so no more is touched than is used.
 *
 * A slab is ACTIVE (its blocks are in its heap's fast list), FULL (too few blocks are free for it to be looked
 * at), AVAILABLE (in a list of its heap's) or SPARE (empty, of no class). `wake` counts frees down to the next change,
 * so that a free is a push and a decrement.
 */
#ifndef HAK_ALLOC_SLAB_H
#define HAK_ALLOC_SLAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/classes.h"
#include "alloc/span.h"
#include "base/attr.h"
#include "base/list.h"

struct heap;

enum slab_state { SLAB_NONE, SLAB_ACTIVE, SLAB_FULL, SLAB_AVAILABLE };

struct slab {
    void *free;       /* freed blocks, linked */
    uint32_t wake;    /* frees until slab_woke(); > 0 */
    uint32_t armed;   /* `wake` when it was last set */
    uint32_t used;    /* blocks carved and not in `free`, when `wake` was last set */
    uint32_t carved;  /* blocks ever handed to a list; those behind were never used */
    uint8_t class;    /* index of block_classes */
    uint8_t state;    /* enum slab_state */
    bool clean;       /* what was not carved yet is zero */
    struct list link; /* AVAILABLE: in its heap's list */
    struct span *span;
} __attribute__((aligned(64))); /* a power of two: its row is found by a shift */

/* A word of the map: the heap's address, which is a multiple of 2^MAP_OWNER_SHIFT, and below it: */
enum {
    MAP_CLASS_BITS = 8, /* the class */
    MAP_SHIFT_BITS = 8, /* 64 less log2 of the slab's bytes */
    MAP_PLAIN_BITS = MAP_CLASS_BITS + MAP_SHIFT_BITS,
    MAP_LARGE_BIT = MAP_PLAIN_BITS, /* blocks at or above the floor: a free has more to do */
    MAP_OWNER_SHIFT = MAP_LARGE_BIT + 1,
};

/* Where slabs are. Constant once `bytes` is set, which is set last; before, every pointer is foreign. */
struct slabs {
    _Atomic size_t bytes; /* of the arena; 0: no heap of our own */
    _Atomic uintptr_t base;
    _Atomic uint64_t key; /* of the links; its top bit is set, so no key is an address */
    _Atomic uint64_t *map;
    struct slab *slab;
    struct region map_zone[ZONE_COUNT], slab_zone[ZONE_COUNT];
};
extern struct slabs slabs;

/* Reserves the tables of the arena; without them, or without an arena, there is no heap of our own. */
void slab_start(uint64_t random);

static inline uintptr_t slabs_base(void)
{
    return atomic_load_explicit(&slabs.base, memory_order_relaxed);
}

static inline uint64_t slabs_key(void)
{
    return atomic_load_explicit(&slabs.key, memory_order_relaxed);
}

/* ---- links ---- */

enum { LINK_ROTATION = 16 }; /* so that the low bytes, which are overrun first, hold high bits */

static inline void *link_get(const void *p)
{
    uint64_t word = *(const uint64_t *)p;
    return (void *)(uintptr_t)((word << LINK_ROTATION | word >> (64 - LINK_ROTATION)) ^ slabs_key());
}

static inline void link_set(void *p, const void *next)
{
    uint64_t word = (uint64_t)(uintptr_t)next ^ slabs_key();
    *(uint64_t *)p = word >> LINK_ROTATION | word << (64 - LINK_ROTATION);
}

/* Whether a link that was read at `p` leads to a block; the end of a list does not, and what was overwritten. */
static inline bool link_leads_on(const void *p, const void *next)
{
    return ((uintptr_t)next ^ (uintptr_t)p) >> SLAB_SHIFT_MAX == 0;
}

/* ---- finding ---- */

static inline uint64_t slab_map_word(size_t offset)
{
    return atomic_load_explicit(&slabs.map[offset >> GRANULE_SHIFT], memory_order_relaxed);
}

static inline struct heap *map_owner(uint64_t word)
{
    return (struct heap *)(uintptr_t)(word >> MAP_OWNER_SHIFT << MAP_OWNER_SHIFT);
}

static inline unsigned map_class(uint64_t word)
{
    return (uint8_t)word;
}

/* Where in its slab is what lies at `offset` in the arena? */
static inline size_t map_inside(uint64_t word, size_t offset)
{
    unsigned shift = (uint8_t)(word >> MAP_CLASS_BITS);
    return offset << shift >> shift;
}

/* The slab of a block at `offset` in the arena, and where in it the block is. */
static inline struct slab *slab_at(size_t offset, size_t inside)
{
    return &slabs.slab[(offset - inside) >> GRANULE_SHIFT];
}

/* Whether a block of the class may start there. */
static inline bool is_block_start(unsigned class, size_t inside)
{
    return inside * class_inverse[class] < class_inverse[class];
}

static inline size_t slab_offset(const struct slab *s)
{
    return (size_t)(s - slabs.slab) << GRANULE_SHIFT;
}

static inline void *slab_memory(const struct slab *s)
{
    return (void *)(slabs_base() + slab_offset(s));
}

/* ---- life ---- */

/* A slab of that class for `owner`, ACTIVE and without blocks. NULL: no memory. */
struct slab *slab_get(struct heap *owner, unsigned class);

/* Gives the slab's span back. Nobody has a block of it. */
void slab_put(struct slab *s);

/* Makes a slab, of which nobody has a block, one of that class, with the same size. */
void slab_change_class(struct slab *s, struct heap *owner, unsigned class);

/* Says in the map that the slab is `owner`'s from now on; NULL: nobody's. */
void slab_set_owner(struct slab *s, struct heap *owner);

/* A list of blocks that were never used: about a page of them; NULL: all are carved. */
void *slab_carve(struct slab *s);

/* Blocks that are neither in `free` nor uncarved. */
static inline uint32_t slab_used(const struct slab *s)
{
    return s->used - (s->armed - s->wake);
}

static inline void slab_arm(struct slab *s, uint32_t wake)
{
    s->used = slab_used(s);
    s->armed = s->wake = wake;
}

/* Takes the list of freed blocks: they count as used from now on. */
void *slab_take_free(struct slab *s);

/* For tests: whether everything said above of a slab is so. Its owner's thread, or nobody is at work. */
bool slab_is_valid(const struct slab *s);

#endif
