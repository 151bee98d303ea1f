/*
 * Spans: runs of 64 KiB granules in one arena.
 *
 * The arena is one reserved range with two zones, advised once: the first half never gets huge pages, the second
 * half does. Which page kind a span has is where it lies, so advice never outlives a block and the kernel keeps a
 * handful of mappings however many blocks there are. A map entry for the first and the last granule of every
 * span leads to its description, which lies outside the memory that is handed out. Free spans are cold (what
 * is resident is in BigCache), kept by size class, best fit, joined with their neighbours. A piece is cut from
 * the far end of a free span, so that the block in front of it keeps its room to grow.
 *
 * All functions are called with the store's lock held but for span_arena_start(), span_grow_arena(),
 * span_commit_behind() and span_of(). Only the first three make system calls.
 */
#ifndef HAK_ALLOC_SPAN_H
#define HAK_ALLOC_SPAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/label.h"
#include "alloc/region.h"
#include "base/bits.h"
#include "base/list.h"
#include "cache/batch.h"
#include "cache/bigcache.h"
#include "os/os.h"

enum zone_id { ZONE_BASE, ZONE_HUGE, ZONE_COUNT };

enum span_state {
    SPAN_UNUSED,  /* this description describes nothing */
    SPAN_FREE,    /* in the free lists */
    SPAN_LIVE,    /* handed out */
    SPAN_RETIRED, /* freed; on its way to one of the next two, or back to free */
    SPAN_CACHED,  /* in BigCache, and perhaps queued for MADV_FREE too */
    SPAN_QUEUED,  /* in the batch, to be dropped */
    SPAN_SLAB,    /* cut into blocks by the heap */
};

/* What slabs leave is for slabs first, and they take nothing apart that a site may come back for. */
#define SITE_OF_SLABS UINT64_C(1)

struct span {
    _Atomic uint8_t state; /* enum span_state */
    uint8_t zone;          /* enum zone_id */
    uint8_t arm;           /* enum arm_id it was served under */
    bool dirty;            /* may hold something else than zeros */
    bool grown;            /* its block was enlarged before */
    bool moved;     /* came by mremap: a mapping of its own, to be renewed when it is given back */
    bool lost;      /* its addresses are not to be used again (os.h, move) */
    bool of_loader; /* the dynamic loader has the block */
    _Atomic bool open;  /* the block's episode is nobody's yet: who clears this settles it */
    uint16_t keep_ms;   /* when freed, in BigCache, at most; 0: until that breaks even */
    uint32_t first;     /* granule, counted from the zone's start */
    uint32_t granules;  /* > 0 */
    size_t block_bytes; /* what the program asked for; LIVE only */
    uint64_t site;      /* ID of who asked */
    struct list link;   /* in a free list, or in the list of unused descriptions */
    struct cache_entry cache;
    struct batch_entry batch;
    struct label label; /* of the block's episode; its cell is NULL when nothing is learned */
};

struct zone {
    struct region memory;
    struct region map;     /* uint32_t a granule: number of the span, 0 none */
    uint32_t frontier;     /* granules ever used; those behind it were never touched */
    struct class_set used; /* of the free lists */
    struct list free_list[GRANULE_CLASSES];
};

struct arena {
    _Atomic uintptr_t base; /* 0: there is none, everything goes to the heap */
    _Atomic size_t bytes;   /* set last: who sees it, sees the rest */
    size_t zone_bytes;
    size_t page_bytes;
    size_t huge_bytes;   /* 0: no huge pages */
    bool roomy;          /* address space costs nothing: leave room behind blocks that grow */
    struct region spans; /* struct span, number 0 unused */
    uint32_t nr_spans;
    struct list unused; /* descriptions without a span */
    uint32_t nr_unused;
    _Atomic uint32_t nr_moved; /* spans with a mapping of their own */
    struct zone zone[ZONE_COUNT];
};

extern struct arena arena;

/* Reserves the arena, `wanted_bytes` at most; less, or none, where the limits say so. */
void span_arena_start(const struct os_machine *machine, uint64_t wanted_bytes);

/* What a span for a block must be. */
struct span_request {
    enum zone_id zone;
    uint32_t granules;
    uint32_t align_granules; /* power of two */
    uint32_t room_granules;  /* free space wanted behind it */
};

/* granules == 0: cannot be had (too large). */
struct span_request span_request_for(enum zone_id zone, size_t bytes, size_t align_bytes);

/* Whether there can be such a span at all; where not, no memory that is given back helps. */
static inline bool span_may_hold(size_t bytes, size_t align_bytes)
{
    return span_request_for(ZONE_BASE, bytes, align_bytes).granules != 0 ||
           span_request_for(ZONE_HUGE, bytes, align_bytes).granules != 0;
}

/* What of the arena must be usable before the request can be fulfilled. */
struct span_need {
    size_t table_bytes;
    uint64_t end; /* granules of the zone */
};

/*
 * A cold span, LIVE. NULL: `need` says what span_grow_arena() must make usable, without the lock, before one
 * tries again; where that fails there is no memory.
 */
struct span *span_take(const struct span_request *request, struct span_need *need);
int span_grow_arena(enum zone_id zone, const struct span_need *need);

/* Gives a span back to the free lists; its pages are gone unless `dirty` is set. */
void span_release(struct span *s);

/* Whether it is a mapping of its own. */
void span_note_moved(struct span *s, bool moved);

/* Cuts the span to `granules`; the rest becomes a span of its own, RETIRED; NULL: no description left. */
struct span *span_split(struct span *s, uint32_t granules);

/* Enlarges the span in place to `granules`, if what lies behind it is free and usable. */
bool span_extend(struct span *s, uint32_t granules);

/* The span that lies before this one, or behind it, whatever its state; NULL: the zone's used part ends there. */
struct span *span_before(const struct span *s);
struct span *span_behind(const struct span *s);

/* Makes the span and the one behind it, which is in no list, one. */
void span_absorb(struct span *s, struct span *behind);

/* Enlarges the span in place to `granules`, by free ones before it; the caller has seen that they are there. */
void span_extend_down(struct span *s, uint32_t granules);

/* Whether extending at the frontier only lacks usable memory: then span_commit_behind() and try again. */
bool span_is_last(const struct span *s);
int span_commit_behind(const struct span *s, uint32_t granules);

/* Whoever reads the state without the lock sees what was written to the span before. */
static inline void span_set_state(struct span *s, enum span_state state)
{
    atomic_store_explicit(&s->state, (uint8_t)state, memory_order_release);
}

/* Learning: the label is complete. */
static inline void span_open(struct span *s)
{
    atomic_store_explicit(&s->open, true, memory_order_release);
}

/* Whether the episode is the caller's to change or to settle: the thread's that has the block, or the helper's. */
static inline bool span_claim(struct span *s)
{
    return atomic_exchange_explicit(&s->open, false, memory_order_acq_rel);
}

static inline void *span_address(const struct span *s)
{
    return (void *)(arena.zone[s->zone].memory.base + ((uintptr_t)s->first << GRANULE_SHIFT));
}

static inline size_t span_bytes(const struct span *s)
{
    return (size_t)s->granules << GRANULE_SHIFT;
}

/* Any thread, also while another one starts the arena: a pointer from before is in none. */
static inline bool arena_has(const void *p)
{
    size_t bytes = atomic_load_explicit(&arena.bytes, memory_order_acquire);
    return (uintptr_t)p - atomic_load_explicit(&arena.base, memory_order_relaxed) < bytes;
}

/* The span that starts at `p`, where one is known to. */
struct span *span_starting_at(const void *p);

/* The LIVE span that starts at `p`, an address in the arena; NULL: none does. */
struct span *span_of(const void *p);

#endif
