#include "alloc/supply.h"

#include <errno.h>

#include "alloc/heaps.h"
#include "alloc/idle.h"
#include "alloc/remote.h"
#include "alloc/store.h"
#include "os/os.h"

enum {
    EMPTY_MAX_BYTES = 512 << 10, /* of empty slabs that a heap keeps */
    GROWN_SLABS = 8,             /* of a class, beside which one that is carved in part is little */
    WAKE_SHARE = 4,              /* a full slab is looked at again when a quarter of it is free */
    HELPED_MIN_BYTES = 512 << 10, /* less than that is not worth a helper thread */
};
static const uint32_t WAKE_LATE = (uint32_t)1 << 31; /* frees, where nothing is waited for */

static _Noreturn HAK_COLD void overwritten(const void *p)
{
    os_fatal("a free block was written to:", p);
}

/* ---- slabs on their way through the heap ---- */

static size_t slab_bytes(const struct slab *s)
{
    return (size_t)1 << block_classes[s->class].slab_shift;
}

static struct slab *slab_of_link(struct list *l)
{
    return CONTAINER_OF(l, struct slab, link);
}

/* Whether slabs of the class wait for its next block when they are empty. */
static bool stays_empty(unsigned class)
{
    return block_classes[class].retain == RETAIN_KEEP;
}

/* Gives back a slab of which nobody has a block. */
static void retire(struct heap *h, struct slab *s, uint64_t idle_ns)
{
    list_remove(&s->link);
    h->nr_slabs[s->class]--;
    slab_put(s, idle_ns);
    h->wants_helper |= store_retained_bytes() >= HELPED_MIN_BYTES;
}

/* Nobody has a block of it any more: it waits for the next block of its class, or goes back. */
static void keep_or_retire(struct heap *h, struct slab *s)
{
    if (!stays_empty(s->class) || h->empty_bytes + slab_bytes(s) > EMPTY_MAX_BYTES) {
        retire(h, s, 0);
        return;
    }
    h->empty_bytes += slab_bytes(s);
    s->state = SLAB_EMPTY;
    list_remove(&s->link);
    list_push_back(&h->available[s->class], &s->link);
}

static void make_full(struct slab *s)
{
    uint32_t share = s->carved / WAKE_SHARE;
    s->state = SLAB_FULL;
    slab_arm(s, share > 1 ? share : 1);
}

static void make_available(struct heap *h, struct slab *s)
{
    slab_arm(s, slab_used(s));
    s->state = SLAB_AVAILABLE;
    list_push_front(&h->available[s->class], &s->link);
}

/* A slab that can still be carved waits behind those with free blocks: memory that was used is used again first. */
static void set_aside(struct heap *h, struct slab *s)
{
    if (s->carved == block_classes[s->class].blocks) {
        make_full(s);
        return;
    }
    s->state = SLAB_AVAILABLE;
    list_push_back(&h->available[s->class], &s->link);
}

static struct slab *first_available(struct heap *h, unsigned class)
{
    struct list *head = &h->available[class];
    return list_empty(head) ? NULL : slab_of_link(head->next);
}

static struct slab *take_available(struct heap *h, unsigned class)
{
    struct slab *s = first_available(h, class);
    if (s == NULL)
        return NULL;
    list_remove(&s->link);
    if (s->state == SLAB_EMPTY)
        h->empty_bytes -= slab_bytes(s);
    return s;
}

/*
 * From now on the class's blocks come from this slab, and those of it that are freed go to the fast list: what was
 * used last is used next. Of a slab that goes back when it is empty they are counted instead.
 */
static void activate(struct heap *h, struct slab *s)
{
    s->state = SLAB_ACTIVE;
    h->active[s->class] = s;
    if (!stays_empty(s->class))
        return;
    s->list = &h->fast[s->class];
    s->wake = WAKE_LATE;
}

/* Of its blocks so many are free; they are in its own list. */
static void deactivate(struct heap *h, struct slab *s, uint32_t nr_free)
{
    h->active[s->class] = NULL;
    if (!slab_feeds_fast_list(s))
        return;
    s->list = &s->free;
    s->wake = s->carved - nr_free;
    s->beyond = 0;
}

/* As many blocks of the slab were freed as it waited for. */
void heap_woke(struct heap *h, struct slab *s)
{
    if (slab_feeds_fast_list(s)) {
        s->wake = WAKE_LATE; /* it waits for nothing */
        return;
    }
    if (s->state == SLAB_ACTIVE)
        h->active[s->class] = NULL;
    if (s->state == SLAB_FULL && slab_used(s) > 0)
        make_available(h, s);
    else
        keep_or_retire(h, s);
}

static struct slab *new_slab(struct heap *h, unsigned class)
{
    int saved_errno = errno;
    struct slab *s = slab_get(h, class, h->nr_slabs[class] >= GROWN_SLABS);
    errno = saved_errno;
    h->nr_slabs[class] += s != NULL;
    return s;
}

/* ---- filling fast lists ---- */

void *supply_next(const void *p)
{
    void *next = link_get(p, slabs.key);
    if (next == NULL || next == heap_no_block)
        return heap_no_block;
    if (HAK_UNLIKELY(!link_leads_on(p, next)))
        overwritten(p);
    return next;
}

/*
 * Freed blocks of the active slab, for the fast list. Of a slab that goes back when it is empty only one: those in the list
 * count as handed out.
 */
static void *freed_blocks(struct slab *s)
{
    void *p = s->free, *next = link_get(p, slabs.key);
    if (slab_feeds_fast_list(s)) {
        s->free = NULL;
        return p;
    }
    if (HAK_UNLIKELY(next != NULL && !link_leads_on(p, next)))
        overwritten(p);
    s->free = next;
    s->wake++;
    link_set(p, NULL, slabs.key);
    return p;
}

/* Of the class; its other slabs are carved, or will be before new ones are taken. */
static size_t carved_bytes(const struct heap *h, const struct slab *s)
{
    return (h->nr_slabs[s->class] - 1) * slab_bytes(s) +
           (size_t)s->carved * block_classes[s->class].bytes;
}

void *supply_blocks(struct heap *h, unsigned class, bool *fresh)
{
    remote_receive(h);
    if (h->fast[class] != heap_no_block)
        return h->fast[class];
    for (;;) {
        struct slab *s = h->active[class], *other = first_available(h, class);
        if (s != NULL && s->free != NULL)
            return freed_blocks(s);
        if (s != NULL && (other == NULL || other->free == NULL)) {
            void *list = slab_carve(s, carved_bytes(h, s));
            if (list != NULL) { /* else they will be another slab's */
                *fresh = s->clean;
                return list;
            }
        }
        if (s != NULL) {
            deactivate(h, s, 0);
            set_aside(h, s);
        }
        if ((s = take_available(h, class)) == NULL && (s = heaps_adopt_slab(h, class)) == NULL &&
            (s = new_slab(h, class)) == NULL)
            return NULL;
        activate(h, s);
        h->wants_helper |= !idle_is_watching() && store_slab_bytes() >= HELPED_MIN_BYTES;
    }
}

/* ---- giving back ---- */

/* Puts the blocks of the fast list back into the active slab; how many. */
static uint32_t return_fast_list(struct heap *h, struct slab *s)
{
    void *head = h->fast[s->class], *tail = head, *next;
    if (head == heap_no_block)
        return 0;
    uint32_t n = 1;
    for (; (next = supply_next(tail)) != heap_no_block; tail = next)
        if (HAK_UNLIKELY(++n > s->carved))
            heap_free_twice(tail);
    link_set(tail, s->free, slabs.key);
    s->free = head;
    h->fast[s->class] = heap_no_block;
    return n;
}

static void clear_class(struct heap *h, unsigned class, uint64_t idle_ns)
{
    struct slab *s = h->active[class];
    struct list *head = &h->available[class], *next;
    if (s != NULL) {
        deactivate(h, s, return_fast_list(h, s));
        if (slab_used(s) == 0)
            retire(h, s, idle_ns);
        else if (s->free != NULL)
            make_available(h, s);
        else
            set_aside(h, s);
    }
    for (struct list *l = head->next; l != head; l = next) {
        next = l->next;
        s = slab_of_link(l);
        if (s->state != SLAB_EMPTY)
            continue;
        h->empty_bytes -= slab_bytes(s);
        retire(h, s, idle_ns);
    }
}

void heap_clear(struct heap *h, uint64_t idle_ns)
{
    remote_receive(h);
    for (unsigned class = 0; class < SLAB_CLASS_COUNT; class ++)
        clear_class(h, class, idle_ns);
}
