#include "alloc/heap.h"

#include <errno.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/heap_libc.h"
#include "alloc/heaps.h"
#include "alloc/remote.h"
#include "alloc/store.h"
#include "alloc/timer.h"
#include "os/os.h"

enum {
    WAKE_SHARE = 16, /* a full slab is looked at again when a sixteenth of it is free */
    RETAINED_MIN_BYTES = 1 << 20, /* less than that is not worth a helper thread */
};

void heap_free_misplaced(const void *p)
{
    os_fatal("free() of what is not the start of a live block:", p);
}

void heap_free_twice(const void *p)
{
    os_fatal("free() of a block that is free already:", p);
}

static _Noreturn HAK_COLD void overwritten(void *p)
{
    os_fatal("a free block was written to:", p);
}

/* ---- slabs on their way through the heap ---- */

/* Nobody has a block of it: it is kept for any small class, or goes back. */
static void retire(struct heap *h, struct slab *s)
{
    list_remove(&s->link);
    if (block_classes[s->class].slab_shift == SLAB_SHIFT_MIN && h->nr_spare < SPARE_SLABS) {
        slab_set_owner(s, NULL);
        s->state = SLAB_NONE;
        h->spare[h->nr_spare++] = s;
        return;
    }
    slab_put(s);
    if (store_retained_bytes() >= RETAINED_MIN_BYTES)
        timer_wanted(store_has_queue());
}

static void make_full(struct slab *s)
{
    s->state = SLAB_FULL;
    uint32_t share = s->carved / WAKE_SHARE;
    slab_arm(s, share > 1 ? share : 1);
}

static void make_available(struct heap *h, struct slab *s)
{
    slab_arm(s, slab_used(s));
    s->state = SLAB_AVAILABLE;
    list_push_front(&h->available[s->class], &s->link);
}

/* As many blocks of the slab were freed as it waited for. */
void heap_woke(struct heap *h, struct slab *s)
{
    switch ((enum slab_state)s->state) {
    case SLAB_ACTIVE: /* nobody has a block, and the fast list is empty */
        h->fast[s->class] = slab_take_free(s);
        return;
    case SLAB_FULL:
        if (slab_used(s) > 0) {
            make_available(h, s);
            return;
        }
        break;
    default:
        break;
    }
    retire(h, s);
}

static struct slab *reuse_spare(struct heap *h, unsigned class)
{
    if (h->nr_spare == 0 || block_classes[class].slab_shift != SLAB_SHIFT_MIN)
        return NULL;
    struct slab *s = h->spare[--h->nr_spare];
    slab_change_class(s, h, class);
    return s;
}

/* Blocks for the class's fast list, which is empty; NULL: no memory. Sets *fresh where they were never used. */
static void *refill(struct heap *h, unsigned class, bool *fresh)
{
    remote_receive(h);
    for (;;) {
        struct slab *s = h->active[class];
        if (s != NULL && s->free != NULL)
            return slab_take_free(s);
        void *list = s != NULL ? slab_carve(s) : NULL;
        if (list != NULL) {
            *fresh = s->clean;
            return list;
        }
        if (s != NULL)
            make_full(s);
        h->active[class] = NULL;
        if (!list_empty(&h->available[class]))
            s = CONTAINER_OF(list_pop_front(&h->available[class]), struct slab, link);
        else if ((s = heaps_adopt_slab(h, class)) == NULL && (s = reuse_spare(h, class)) == NULL)
            s = slab_get(h, class);
        if (s == NULL)
            return NULL;
        s->state = SLAB_ACTIVE;
        h->active[class] = s;
    }
}

/* ---- serving ---- */

/*
 * The first block of the class, where the fast path did not get one: its list ended there, or is empty. *fresh: only
 * its link is not zero.
 */
static void *take(struct heap *h, unsigned class, bool *fresh)
{
    void *p = h->fast[class];
    *fresh = false;
    if (p == heap_no_block && (p = refill(h, class, fresh)) == NULL)
        return NULL;
    void *next = link_get(p);
    if (HAK_UNLIKELY(next != NULL && !link_leads_on(p, next)))
        overwritten(p);
    h->fast[class] = next != NULL ? next : heap_no_block;
    *fresh = *fresh && block_classes[class].carved == 1;
    return p;
}

/* This thread's heap; NULL: it can't have one. */
static struct heap *own_heap(void)
{
    return HAK_LIKELY(heap_self != &heap_none) ? heap_self : is_started() ? heaps_enter() : NULL;
}

static void *take_of_class(unsigned class, bool *fresh)
{
    struct heap *h = own_heap();
    int saved_errno = errno;
    void *p = h != NULL ? take(h, class, fresh) : NULL;
    errno = saved_errno;
    return p;
}

void *heap_malloc_slowly(size_t size)
{
    bool fresh;
    void *p = size <= CLASS_MAX_BYTES ? take_of_class(class_of(size), &fresh) : NULL;
    return p != NULL ? p : libc_malloc(size);
}

void *heap_malloc(size_t size)
{
    void *p;
    return size < FLOOR_BYTES && heap_pop(size, &p) ? p : heap_malloc_slowly(size);
}

/* A block whose memory may be known to be zero. */
static void *calloc_large(size_t bytes)
{
    bool fresh;
    void *p = take_of_class(class_of(bytes), &fresh);
    if (p == NULL)
        return libc_calloc(1, bytes);
    return memset(p, 0, fresh ? sizeof(uint64_t) : bytes);
}

void *heap_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > CLASS_MAX_BYTES)
        return libc_calloc(count, size);
    if (block_classes[class_of(bytes)].carved == 1)
        return calloc_large(bytes);
    void *p = heap_malloc(bytes);
    return p != NULL ? memset(p, 0, bytes) : NULL;
}

/* The class whose blocks are all at multiples of `align`; CLASS_COUNT: there is none. */
static unsigned class_aligned(size_t align, size_t size)
{
    if (align > CLASS_MAX_BYTES || size > CLASS_MAX_BYTES)
        return CLASS_COUNT;
    unsigned class = class_of(align_up(size > 0 ? size : 1, align));
    while (class < CLASS_COUNT && block_classes[class].bytes % align != 0)
        class++;
    return class;
}

void *heap_memalign(size_t align, size_t size)
{
    bool fresh;
    if (align <= CLASS_STEP_BYTES)
        return heap_malloc(size);
    unsigned class = class_aligned(align, size);
    void *p = class < CLASS_COUNT ? take_of_class(class, &fresh) : NULL;
    return p != NULL ? p : libc_memalign(align, size);
}

/* ---- taking back ---- */

static void free_own_large(struct heap *h, void *p, size_t offset, uint64_t word)
{
    size_t inside = map_inside(word, offset);
    struct slab *s = slab_at(offset, inside);
    if (!is_block_start(map_class(word), inside))
        heap_free_misplaced(p);
    if (s->free == p)
        heap_free_twice(p);
    heap_take_back(h, s, p);
}

void heap_free(void *p)
{
    if (heap_free_own(p))
        return;
    if (!heap_knows(p)) {
        libc_free(p);
        return;
    }
    size_t offset = (uintptr_t)p - slabs_base();
    uint64_t word = slab_map_word(offset);
    int saved_errno = errno;
    if (word == 0)
        heap_free_misplaced(p);
    if (map_owner(word) == heap_self)
        free_own_large(heap_self, p, offset, word);
    else
        remote_free(p, offset, word);
    errno = saved_errno;
}

size_t heap_usable_size(const void *p)
{
    if (!heap_knows(p))
        return libc_usable_size(p);
    uint64_t word = slab_map_word((uintptr_t)p - slabs_base());
    if (word == 0)
        os_fatal("malloc_usable_size() of what is not the start of a live block:", p);
    return block_classes[map_class(word)].bytes;
}

/* ---- resizing ---- */

/* In place while it fits and at least half of it is used. */
static bool fits_in_place(size_t old_bytes, size_t size)
{
    return size <= old_bytes && (size >= old_bytes / 2 || old_bytes == CLASS_STEP_BYTES);
}

void *heap_realloc(void *p, size_t size)
{
    if (!heap_knows(p))
        return libc_realloc(p, size);
    if (size == 0) {
        heap_free(p);
        return NULL;
    }
    size_t old_bytes = heap_usable_size(p);
    if (fits_in_place(old_bytes, size))
        return p;
    void *to = heap_malloc(size);
    if (to == NULL)
        return size <= old_bytes ? p : NULL;
    memcpy(to, p, old_bytes < size ? old_bytes : size);
    heap_free(p);
    return to;
}

/* ---- giving back ---- */

static void return_fast_list(struct heap *h, struct slab *s)
{
    void *head = h->fast[s->class], *tail = head, *next;
    if (head == heap_no_block)
        return;
    uint32_t n = 1;
    while ((next = link_get(tail)) != NULL) {
        if (!link_leads_on(tail, next))
            overwritten(tail);
        tail = next;
        n++;
    }
    link_set(tail, s->free);
    s->free = head;
    h->fast[s->class] = heap_no_block;
    s->used = s->armed = s->wake = slab_used(s) - n;
}

static void trim_class(struct heap *h, unsigned class)
{
    struct slab *s = h->active[class];
    if (s == NULL)
        return;
    return_fast_list(h, s);
    h->active[class] = NULL;
    uint32_t used = slab_used(s);
    if (used == 0)
        retire(h, s);
    else if (s->free == NULL && s->carved == block_classes[class].blocks)
        make_full(s);
    else
        make_available(h, s);
}

void heap_clear(struct heap *h)
{
    remote_receive(h);
    for (unsigned class = 0; class < CLASS_COUNT; class++)
        trim_class(h, class);
    while (h->nr_spare > 0)
        slab_put(h->spare[--h->nr_spare]);
}

void heap_trim(void)
{
    if (heap_self != &heap_none) {
        remote_send(heap_self);
        heap_clear(heap_self);
    }
    heaps_tend_all();
}
