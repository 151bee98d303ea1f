/*
 * The heap: blocks carved from slabs that other blocks share. Everything under the floor, and the `heap` backing of
 * the arms.
 *
 * Each thread has a heap. malloc takes the first block of the class's fast list; free by the owner's thread pushes
 * the block on the list that its slab names, which for the slab that blocks are taken from is that fast list, and
 * counts down; whatever else there is to do happens once for many blocks, in supply.c. A block that another thread
 * frees goes home in a parcel with others of its slab (remote.c); a thread that ends leaves its heap to the next one
 * (heaps.c).
 *
 * Contracts are those of the C library's functions, errno included, but that NULL leaves it alone. Sizes above
 * CLASS_MAX_BYTES, everything before hakmem is started, and everything where there is no arena or no more of it, is
 * the C library's, and so is a pointer that is not in the arena.
 */
#ifndef HAK_ALLOC_HEAP_H
#define HAK_ALLOC_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "alloc/checks.h"
#include "alloc/label.h"
#include "alloc/slab.h"
#include "base/attr.h"

enum { PARCELS = 64 };

/* Blocks of one slab of another heap's, freed here, on their way home. */
struct parcel {
    struct slab *slab; /* NULL: empty */
    uint32_t count;
    void *head, *tail; /* freed last and first; the tail's link is not set yet */
};

enum heap_state {
    HEAP_OWNED,  /* by a thread */
    HEAP_ORPHAN, /* in the list of orphans */
    HEAP_TENDED, /* an orphan that some thread is looking after */
    HEAP_LOST,   /* its thread was at work in it when the process forked, and is not in the child */
};

/*
 * What the fast paths read first, right before the heap itself: a distance that fits in a byte makes short code.
 * Copies of what is constant: where nothing has started, the arena has no bytes. While the heap is held (idle.h), there
 * are no bytes either, and no link that malloc reads leads on.
 */
struct heap_gate {
    uint64_t key;
    uintptr_t base;
    struct slab_place *map;
    _Atomic size_t bytes;
    _Atomic uint64_t taking_key;
    _Atomic uint8_t entered;     /* its thread is at work in it */
    _Atomic uint32_t operations; /* that went beyond the fast paths */
} __attribute__((aligned(64)));

struct heap {
    void *fast[SLAB_CLASS_COUNT]; /* first block of each fast list; &heap_no_block: it is empty */
    struct slab *active[SLAB_CLASS_COUNT];   /* from which the fast list is filled; NULL: none */
    struct list available[SLAB_CLASS_COUNT]; /* slabs */
    uint32_t nr_slabs[SLAB_CLASS_COUNT];     /* that it owns, of whatever state */
    size_t empty_bytes;                      /* of available slabs of which nobody has a block */
    size_t parcel_bytes;                     /* in all parcels */
    bool wants_helper;                       /* there is something to give back, or will be */
    struct parcel parcel[PARCELS];
    struct list link; /* among the orphans */
    struct {
        uint32_t operations; /* as the helper thread saw them last */
        uint64_t since_ns;   /* when they were first seen so */
        bool settled;        /* what there was to give back has been given back */
        bool shut;           /* another thread has closed it to its own */
        bool forked_whole;   /* its thread was not in it when the process forked */
    } watch;
    _Atomic int state __attribute__((aligned(64))); /* from here on other threads write */
    _Atomic uintptr_t inbox;                        /* the message that came last; 0: none */
};

/*
 * Heaps, slabs' rows and the map's entries all lie at multiples of large powers of two. Where their hot lines fall in one
 * set of the first cache, every call pays for it, so a heap's come some lines later.
 */
enum { HEAP_COLOUR_BYTES = 704 };

/* The heap of a thread that has none: its fast lists are empty. */
extern struct gated_heap {
    char colour[HEAP_COLOUR_BYTES];
    struct heap_gate gate;
    struct heap heap;
} heap_of_nobody;
#define HEAP_NONE (&heap_of_nobody.heap)

static inline struct heap_gate *heap_gate(const struct heap *h)
{
    return (struct heap_gate *)h - 1;
}

extern uint64_t heap_no_block[2];

extern _Thread_local struct heap *heap_self __attribute__((tls_model("initial-exec")));

/* ---- the fast paths ---- */

/*
 * Its thread enters a heap for every change and leaves it again. That costs two plain stores: who holds the heap of
 * another thread pays for both, with a barrier on all processors (idle.c).
 */
static inline void heap_enter(struct heap *h)
{
    atomic_store_explicit(&heap_gate(h)->entered, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void heap_leave(struct heap *h)
{
    atomic_store_explicit(&heap_gate(h)->entered, 0, memory_order_release);
}

/* For ThreadSanitizer, which knows neither that barrier nor that what malloc reads of a held heap is not used. */
#if HAK_THREAD_SANITIZER
#define HEAP_NOT_HELD        memory_order_acquire
#define HEAP_IS_HELD(h, key) ((key) != heap_gate(h)->key)
#else
#define HEAP_NOT_HELD        memory_order_relaxed
#define HEAP_IS_HELD(h, key) false
#endif

/*
 * A word that other threads may set, as it is now. Compilers fold a plain load into a comparison, and an atomic one they
 * do not.
 */
static inline uintptr_t heap_peek(const _Atomic uintptr_t *word)
{
#if HAK_THREAD_SANITIZER
    return atomic_load_explicit(word, HEAP_NOT_HELD);
#else
    return *(const uintptr_t *)word;
#endif
}

/* The same for more than a few instructions; waits while another thread holds the heap. */
void heap_begin(struct heap *h);
void heap_end(struct heap *h);
void heap_wants_helper(bool may_start);

/* The slab's countdown ended. In the heap; the second one leaves it. */
void heap_woke(struct heap *h, struct slab *s);
void heap_woke_and_leave(struct heap *h, struct slab *s);
/* These end the program; that the compiler does not know it keeps a stack frame out of free(). */
HAK_COLD void heap_free_misplaced(const void *p);
HAK_COLD void heap_free_twice(const void *p);

/* A block of up to CLASS_MAX_BYTES of this thread's heap; NULL: no memory, or there is no heap of our own. */
void *heap_take(size_t size);

/* The same of less than the floor; false: heap_take() may have one. */
static inline bool heap_pop(size_t size, void **block)
{
    if (CHECKS_FULL)
        return false;
    struct heap *h = heap_self;
    unsigned class = class_of_small(size);
    heap_enter(h);
    uint64_t key = atomic_load_explicit(&heap_gate(h)->taking_key, HEAP_NOT_HELD);
    atomic_signal_fence(
        memory_order_seq_cst); /* a heap is seen to be held before anything of it is read */
    if (HEAP_IS_HELD(h, key)) {
        heap_leave(h);
        return false;
    }
    void *p = h->fast[class], *next = link_get(p, key);
    bool leads_on = link_leads_on(p, next);
    if (HAK_LIKELY(leads_on)) {
        __builtin_prefetch(next, 1); /* its link is what the next call waits for */
        h->fast[class] = next;
    }
    heap_leave(h);
    *block = p;
    return leads_on;
}

/* In the heap, and leaves it. */
static inline void heap_take_back(struct heap *h, struct slab *s, void *p)
{
    if (HAK_UNLIKELY(!is_block_start((uintptr_t)p - s->start, s->inverse))) {
        heap_free_misplaced(p);
        return;
    }
    void **list = s->list;
    if (HAK_UNLIKELY(*list == p)) {
        heap_free_twice(p);
        return;
    }
    link_set(p, *list, heap_gate(h)->key);
    *list = p;
    if (HAK_UNLIKELY(--s->wake == 0))
        heap_woke_and_leave(h, s);
    else
        heap_leave(h);
}

/* What the map says of a pointer; false: it is not in the arena, or nothing has started. */
static inline bool heap_find(const struct heap *h, const void *p, struct slab_place **at)
{
    size_t offset = (uintptr_t)p - heap_gate(h)->base;
    if (HAK_UNLIKELY(offset >= heap_peek(&heap_gate(h)->bytes)))
        return false;
    atomic_signal_fence(memory_order_seq_cst);
    *at = &heap_gate(h)->map[offset >> GRANULE_SHIFT];
    return true;
}

/* Frees a block of this thread's heap, below the floor; false: it is not one. */
static inline bool heap_free_own(void *p)
{
    if (CHECKS_FULL)
        return false;
    struct heap *h = heap_self;
    struct slab_place *at;
    heap_enter(h);
    if (HAK_UNLIKELY(!heap_find(h, p, &at) || heap_peek(&at->owner) != (uintptr_t)h)) {
        heap_leave(h);
        return false;
    }
    heap_take_back(h, at->slab, p);
    return true;
}

/* Whether a block stays where it is when it is resized: it fits, and at least half of it is used. */
static inline bool fits_in_place(size_t old_bytes, size_t size)
{
    return size <= old_bytes && (size >= old_bytes / 2 || old_bytes == CLASS_STEP_BYTES);
}

/* The same for any pointer; false: it may yet stay. */
static inline bool heap_stays(const void *p, size_t size)
{
    if (CHECKS_FULL)
        return false;
    struct slab_place *at;
    return heap_find(heap_self, p, &at) && place_owner(at) != 0 && at->bytes < FLOOR_BYTES &&
           fits_in_place(at->bytes, size);
}

/* ---- the whole ---- */

void *heap_malloc(size_t size);
void *heap_calloc(size_t count, size_t size);
void *heap_memalign(size_t align, size_t size); /* align: a power of two */

/* A block in a slab of that kind, other than 0 only from the floor up. `zeroed`: as calloc's. */
void *heap_alloc(size_t size, size_t align, bool zeroed, enum slab_kind kind);

void *heap_realloc(void *p, size_t size);
void heap_free(void *p);                /* a block of the heap's, or a foreign one, or NULL */
size_t heap_usable_size(const void *p); /* 0 for NULL */

/* Whether `p` is in a slab. Else it is a span's, or foreign. */
static inline bool heap_has(const void *p)
{
    return slabs_have(p) && place_owner(slab_place(p)) != 0;
}

/* With -Dchecks=full: frees the blocks of this thread that wait for reuse. */
void heap_free_waiting(void);

/*
 * Gives what the heap has to spare to the store, after taking in what others freed of it. Nothing has happened in it for
 * `idle_ns`.
 */
void heap_clear(struct heap *h, uint64_t idle_ns);

/* The same for all heaps, those of other threads where these are not at work in them. */
void heap_trim(void);

/* ---- labels ---- */

/*
 * Labels of heap blocks, in a table of a fixed size, for learning processes only. A block that finds no room
 * goes without: nothing is learned from it.
 */
void heap_labels_start(void);
void heap_label(const void *p, const struct label *label);

/* false: it has none, or was settled while it lived. */
bool heap_unlabel(const void *p, struct label *label);

/* Of label number 1 up, the block that lives since before `born_before_ns`, to be settled once; its address, or NULL. */
uint32_t heap_last_label(void);
const void *heap_claim_living(uint32_t number, uint64_t born_before_ns, struct label *label);
/* The same of a block that is freed and waits, as below. */
bool heap_claim_waiting(uint32_t number, struct label *label);

/*
 * The label of a freed block waits for whoever gets its memory, at any time before the block is freed.
 * heap_label_free_done() notes what free took, if it still waits.
 */
void heap_label_wait(const void *p, const struct label *label);
void heap_label_free_done(const void *p, const struct label *label);

/* The one that waits where `p` starts. */
bool heap_label_next(const void *p, struct label *label);

/* Settles those that wait anywhere in there: the memory is another slab's now, or it was given back, which took so long. */
void heap_labels_reused(const void *start, size_t bytes);
void heap_labels_given_back(const void *start, size_t bytes, uint64_t took_ns);

void heap_labels_fork_prepare(void);
void heap_labels_fork_done(void);

#endif
