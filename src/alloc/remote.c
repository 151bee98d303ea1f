#include "alloc/remote.h"

#include <assert.h>

#include "alloc/heaps.h"
#include "os/os.h"

enum {
    PARCELS_MAX_BYTES = 128 << 10, /* that a thread withholds from their owners */
    COUNT_BITS = 24,
};

/* What lies in a parcel's tail while it is on its way. */
struct message {
    uint64_t head; /* link to the first block */
    uint64_t
        word; /* next message's offset in the arena in steps of 16, plus one; and the number of blocks */
};
static_assert(sizeof(struct message) <= CLASS_STEP_BYTES, "it fits in the smallest block");
static_assert((1 << SLAB_SHIFT_MAX) / CLASS_STEP_BYTES < 1 << COUNT_BITS,
              "and the count in its bits");

static uint64_t pack(uintptr_t next, uint32_t count)
{
    uint64_t step = next != 0 ? ((next - slabs.base) >> CLASS_STEP_SHIFT) + 1 : 0;
    return (step << COUNT_BITS | count) ^ slabs.key;
}

static uintptr_t unpack(uint64_t word, uint32_t *count)
{
    word ^= slabs.key;
    *count = word & ((1u << COUNT_BITS) - 1);
    uint64_t step = word >> COUNT_BITS;
    return step != 0 ? slabs.base + ((step - 1) << CLASS_STEP_SHIFT) : 0;
}

/* ---- sending ---- */

static void post(struct heap *owner, struct message *m, uint32_t count)
{
    uintptr_t before = atomic_load_explicit(&owner->inbox, memory_order_relaxed);
    do {
        if (HAK_UNLIKELY(before == (uintptr_t)m))
            heap_free_twice(m);
        m->word = pack(before, count);
    } while (!atomic_compare_exchange_weak_explicit(&owner->inbox, &before, (uintptr_t)m,
                                                    memory_order_seq_cst, memory_order_relaxed));
    if (HAK_UNLIKELY(atomic_load_explicit(&owner->state, memory_order_seq_cst) == HEAP_ORPHAN))
        heaps_tend(owner);
}

static struct heap *owner_of(const void *p)
{
    return place_heap(slab_place(p));
}

static void send(struct parcel *parcel)
{
    if (parcel->slab == NULL)
        return;
    parcel->slab = NULL;
    link_set(parcel->tail, parcel->head, slabs.key);
    post(owner_of(parcel->tail), parcel->tail, parcel->count);
}

void remote_send(struct heap *h)
{
    h->parcel_bytes = 0;
    for (unsigned i = 0; i < PARCELS; i++)
        send(&h->parcel[i]);
}

/* ---- freeing ---- */

static struct parcel *parcel_for(struct heap *h, const struct slab *s)
{
    return &h->parcel[(size_t)(s - slabs.table) % PARCELS];
}

void remote_free_alone(void *p)
{
    link_set(p, p, slabs.key);
    post(owner_of(p), p, 1);
}

static void add(struct parcel *parcel, void *p)
{
    link_set(p, parcel->head, slabs.key);
    parcel->head = p;
    parcel->count++;
}

void remote_free(struct heap *h, void *p, const struct slab_place *at)
{
    struct slab *s = at->slab;
    struct parcel *parcel = parcel_for(h, s);
    if (parcel->slab == s) {
        if (HAK_UNLIKELY(parcel->head == p))
            heap_free_twice(p);
        add(parcel, p);
    } else {
        send(parcel);
        *parcel = (struct parcel){.slab = s, .count = 1, .head = p, .tail = p};
    }
    h->parcel_bytes += at->bytes;
    if (HAK_UNLIKELY(h->parcel_bytes >= PARCELS_MAX_BYTES))
        remote_send(h);
}

bool remote_free_on_top(void *p)
{
    struct heap *h = heap_self;
    struct slab_place *at;
    if (CHECKS_FULL)
        return false;
    heap_enter(h);
    bool added = false;
    if (HAK_LIKELY(heap_find(h, p, &at) && place_is_small(at))) {
        struct parcel *parcel = parcel_for(h, at->slab);
        size_t bytes = h->parcel_bytes + at->bytes;
        added = parcel->slab == at->slab && parcel->head != p && bytes < PARCELS_MAX_BYTES &&
                is_block(p, at);
        if (HAK_LIKELY(added)) {
            h->parcel_bytes = bytes;
            add(parcel, p);
        }
    }
    heap_leave(h);
    return added;
}

/* ---- receiving ---- */

/* So many blocks were put on the slab's free list. */
static void count_freed(struct heap *h, struct slab *s, uint32_t count)
{
    if (HAK_UNLIKELY(count > slab_used(s)))
        heap_free_twice(s->free);
    while (count >= s->wake) {
        count -= s->wake;
        s->wake = 0;
        heap_woke(h, s);
        if (count == 0)
            return;
    }
    s->wake -= count;
}

static void receive(struct heap *h, struct message *m, uint32_t count)
{
    struct slab_place *at = slab_place(m);
    struct heap *owner = place_heap(at);
    if (HAK_UNLIKELY(owner == NULL))
        heap_free_twice(m);
    if (HAK_UNLIKELY(owner != h)) { /* the slab was adopted meanwhile */
        post(owner, m, count);
        return;
    }
    struct slab *s = at->slab;
    void *head = link_get(m, slabs.key);
    if (HAK_UNLIKELY(!link_leads_on(m, head)))
        os_fatal("a free block was written to:", m);
    if (HAK_UNLIKELY(head == *s->list))
        heap_free_twice(head);
    link_set(m, *s->list, slabs.key);
    *s->list = head;
    if (!slab_feeds_fast_list(s))
        count_freed(h, s, count);
}

void remote_receive_all(struct heap *h)
{
    uintptr_t at = atomic_exchange_explicit(&h->inbox, 0, memory_order_seq_cst);
    while (at != 0) {
        uint32_t count;
        uintptr_t next = unpack(((struct message *)at)->word, &count);
        receive(h, (struct message *)at, count);
        at = next;
    }
}
