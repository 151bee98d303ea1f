#include "alloc/heap.h"

#include <errno.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/heap_libc.h"
#include "alloc/heaps.h"
#include "alloc/idle.h"
#include "alloc/remote.h"
#include "alloc/store.h"
#include "alloc/supply.h"
#include "alloc/timer.h"
#include "os/os.h"

enum {
    GROWTH_SHARE = 2, /* what realloc enlarges by less than a half gets room for a half */
    HEAP_MOST_BYTES = CLASS_MAX_BYTES - CHECKS_BYTES,
};

void heap_free_misplaced(const void *p)
{
    os_fatal("free() of what is not the start of a live block:", p);
}

void heap_free_twice(const void *p)
{
    os_fatal("free() of a block that is free already:", p);
}

/* ---- entering and leaving ---- */

static HAK_COLD void wait_until_open(struct heap *h)
{
    do {
        heap_leave(h);
        idle_wait();
        heap_enter(h);
    } while (atomic_load_explicit(&heap_gate(h)->bytes, HEAP_NOT_HELD) == 0);
}

static inline void begin(struct heap *h)
{
    heap_enter(h);
    if (HAK_UNLIKELY(atomic_load_explicit(&heap_gate(h)->bytes, HEAP_NOT_HELD) == 0))
        wait_until_open(h);
    uint32_t operations = atomic_load_explicit(&heap_gate(h)->operations, memory_order_relaxed);
    atomic_store_explicit(&heap_gate(h)->operations, operations + 1, memory_order_relaxed);
}

/* Starting the helper thread allocates, so it is done on the way out. */
static inline void end(struct heap *h)
{
    bool wants_helper = h->wants_helper;
    if (HAK_UNLIKELY(wants_helper))
        h->wants_helper = false;
    heap_leave(h);
    if (HAK_UNLIKELY(wants_helper))
        heap_wants_helper(true);
}

/* The C library may be freeing, with a lock held that starting a thread needs: that is left to the next block. */
static inline void end_of_free(struct heap *h)
{
    bool wants_helper = h->wants_helper;
    if (HAK_UNLIKELY(wants_helper))
        h->wants_helper = timer_is_none();
    heap_leave(h);
    if (HAK_UNLIKELY(wants_helper))
        heap_wants_helper(false);
}

void heap_begin(struct heap *h)
{
    begin(h);
}

void heap_end(struct heap *h)
{
    end(h);
}

void heap_wants_helper(bool may_start)
{
    timer_wanted(idle_is_watching() ? store_wants_look_ns() : TIMER_NOW, may_start);
}

/* ---- serving ---- */

/*
 * The first block of the class, where the fast path did not get one: its list ends there, or is empty. *fresh: only
 * its link is not zero.
 */
static inline void *take(struct heap *h, unsigned class, bool *fresh)
{
    void *p = h->fast[class];
    *fresh = false;
    if (p == heap_no_block && (p = supply_blocks(h, class, fresh)) == NULL)
        return NULL;
    h->fast[class] = supply_next(p);
    *fresh = *fresh && block_classes[class].carved == 1;
    return p;
}

/* This thread's heap; NULL: it can't have one. */
static HAK_COLD struct heap *first_heap(void)
{
    int saved_errno = errno;
    struct heap *h = is_started() ? heaps_enter() : NULL;
    errno = saved_errno;
    return h;
}

static inline void *take_of_class(unsigned class, bool *fresh)
{
    struct heap *h = heap_self;
    if (HAK_UNLIKELY(h == HEAP_NONE) && (h = first_heap()) == NULL)
        return NULL;
    begin(h);
    void *p = take(h, class, fresh);
    end(h);
    if (CHECKS_FULL && p != NULL) {
        checks_born(p, block_classes[class].bytes);
        *fresh = false;
    }
    return p;
}

void *heap_take(size_t size)
{
    bool fresh;
    size_t bytes = size + CHECKS_BYTES;
    unsigned class = HAK_LIKELY(bytes < FLOOR_BYTES) ? class_of_small(bytes) : class_of(bytes);
    return take_of_class(class, &fresh);
}

void *heap_malloc(size_t size)
{
    void *p;
    if (size < FLOOR_BYTES && heap_pop(size, &p))
        return p;
    p = size <= HEAP_MOST_BYTES ? heap_take(size) : NULL;
    return p != NULL ? p : libc_malloc(size);
}

/*
 * The class whose blocks are all at multiples of `align`; CLASS_COUNT: there is none. Classes are an eighth of their
 * octave apart: where `align` is more, a multiple of it is a class itself; else every class is a multiple of it.
 */
static unsigned class_aligned(size_t align, size_t size)
{
    if (align > CLASS_MAX_BYTES || size > HEAP_MOST_BYTES)
        return CLASS_COUNT;
    size_t bytes = align_up(size + CHECKS_BYTES > 0 ? size + CHECKS_BYTES : 1, align);
    return bytes <= CLASS_MAX_BYTES ? class_of(bytes) : CLASS_COUNT;
}

/* Of blocks that are carved one by one it is known whether they are zero. */
void *heap_alloc(size_t size, size_t align, bool zeroed, enum slab_kind kind)
{
    bool fresh;
    unsigned class = class_aligned(align, size);
    void *p = class < CLASS_COUNT ? take_of_class(class_of_kind(class, kind), &fresh) : NULL;
    if (p == NULL)
        return libc_alloc(size, align, zeroed);
    return zeroed ? memset(p, 0, fresh ? sizeof(uint64_t) : size) : p;
}

void *heap_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > HEAP_MOST_BYTES)
        return libc_calloc(count, size);
    if (block_classes[class_of(bytes)].carved == 1)
        return heap_alloc(bytes, 1, true, KIND_BASE_KEEP);
    void *p = heap_malloc(bytes);
    return p != NULL ? memset(p, 0, bytes) : NULL;
}

void *heap_memalign(size_t align, size_t size)
{
    if (align <= CLASS_STEP_BYTES)
        return heap_malloc(size);
    return heap_alloc(size, align, false, KIND_BASE_KEEP);
}

/* ---- taking back ---- */

void heap_woke_and_leave(struct heap *h, struct slab *s)
{
    heap_woke(h, s);
    end_of_free(h);
}

static void free_in_slab(void *p, struct slab_place *at)
{
    struct heap *owner = place_heap(at);
    struct heap *h = heap_self;
    if (h == HEAP_NONE && (heaps_frees_alone() || (h = heaps_enter()) == NULL)) {
        remote_free_alone(p);
        return;
    }
    begin(h);
    if (owner == h) {
        heap_take_back(h, at->slab, p);
        return;
    }
    remote_free(h, p, at);
    end_of_free(h);
}

void heap_free(void *p)
{
    if (heap_free_own(p))
        return;
    if (!slabs_have(p)) {
        libc_free(p);
        return;
    }
    struct slab_place *at = slab_place(p);
    int saved_errno = errno;
    if (place_owner(at) == 0 || !is_block(p, at))
        heap_free_misplaced(p);
    if (!CHECKS_FULL)
        free_in_slab(p, at);
    else if ((p = checks_freed(p, at->bytes)) != NULL)
        free_in_slab(p, slab_place(p));
    errno = saved_errno;
}

void heap_free_waiting(void)
{
    void *p;
    while (CHECKS_FULL && (p = checks_take_waiting()) != NULL)
        free_in_slab(p, slab_place(p));
}

size_t heap_usable_size(const void *p)
{
    if (!slabs_have(p))
        return libc_usable_size(p);
    struct slab_place *at = slab_place(p);
    if (place_owner(at) == 0)
        os_fatal("malloc_usable_size() of what is not the start of a live block:", p);
    return at->bytes - CHECKS_BYTES;
}

/* ---- resizing ---- */

/* What grows in small steps will grow on: it gets room, so that it is not copied at every step. */
static size_t room_to_grow(size_t old_bytes, size_t size)
{
    size_t roomy = old_bytes + old_bytes / GROWTH_SHARE;
    return size > old_bytes && size < roomy && roomy < FLOOR_BYTES ? roomy : size;
}

void *heap_realloc(void *p, size_t size)
{
    if (!slabs_have(p))
        return libc_realloc(p, size);
    if (size == 0) {
        heap_free(p);
        return NULL;
    }
    size_t old_bytes = heap_usable_size(p);
    if (fits_in_place(old_bytes, size))
        return p;
    enum slab_kind kind = kind_of_class(slab_place(p)->class);
    void *to = size < FLOOR_BYTES ? heap_malloc(room_to_grow(old_bytes, size))
                                  : heap_alloc(size, 1, false, kind);
    if (to == NULL)
        return size <= old_bytes ? p : NULL;
    memcpy(to, p, old_bytes < size ? old_bytes : size);
    heap_free(p);
    return to;
}

/* ---- giving back ---- */

void heap_trim(void)
{
    struct heap *h = heap_self;
    if (h != HEAP_NONE) {
        heap_free_waiting();
        begin(h);
        remote_send(h);
        heap_clear(h, 0);
        end(h);
    }
    idle_tend_all();
    heaps_tend_all();
}
