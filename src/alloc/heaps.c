#include "alloc/heaps.h"

#include <assert.h>
#include <pthread.h>

#include "alloc/remote.h"
#include "base/lock.h"
#include "os/os.h"
#include "stats/stats.h"

enum {
    HEAP_STRIDE_BYTES = 16 << 10,
    HEAPS_PER_GIB = 16, /* of the arena */
    HEAPS_MIN = 64,
    ENTRIES_MAX =
        3, /* of one thread: its last destructors are served by the C library's allocator */
    ALONE_MAX = 32,    /* blocks that are freed before the thread gets a heap for that */
    ORPHANS_ASKED = 8, /* for a slab, of those left last */
};

#define X(kind, size) heap_no_block,
uint64_t heap_no_block[2];
struct gated_heap heap_of_nobody = {.gate = {.key = LINK_KEY_BITS, .taking_key = LINK_KEY_BITS},
                                    .heap = {.fast = {SLAB_CLASS_TABLE(X)}}};
#undef X
static_assert(offsetof(struct gated_heap, heap) ==
                  offsetof(struct gated_heap, gate) + sizeof(struct heap_gate),
              "the gate lies right before its heap");
static_assert(sizeof(struct gated_heap) <= HEAP_STRIDE_BYTES, "heaps lie side by side");

_Thread_local struct heap *heap_self __attribute__((tls_model("initial-exec"))) = HEAP_NONE;
static _Thread_local unsigned entries __attribute__((tls_model("initial-exec")));
static _Thread_local unsigned freed_alone __attribute__((tls_model("initial-exec")));

static struct {
    struct lock lock;
    struct region table;
    unsigned nr;         /* heaps that ever were */
    struct list orphans; /* left last, first */
    _Atomic unsigned nr_orphans;
    pthread_key_t key; /* its destructor tells that a thread ends */
    bool has_key;
} heaps = {.lock = LOCK_INIT(LOCK_RANK_HEAPS)};

static void leave(void *heap);

void heaps_start(void)
{
    size_t n = arena.bytes / ((1 << 30) / HEAPS_PER_GIB);
    size_t bytes = (n > HEAPS_MIN ? n : HEAPS_MIN) * HEAP_STRIDE_BYTES;
    uintptr_t base = (uintptr_t)os->reserve(bytes);
    stat_add(STAT_os_mmap, 1);
    list_init(&heaps.orphans);
    if (base != 0)
        heaps.table =
            (struct region){.base = base, .bytes = bytes, .step_bytes = HEAP_STRIDE_BYTES};
    heaps.has_key = pthread_key_create(&heaps.key, leave) == 0;
}

static struct heap *heap_number(unsigned number)
{
    return &((struct gated_heap *)(heaps.table.base + (size_t)number * HEAP_STRIDE_BYTES))->heap;
}

static void init_heap(struct heap *h)
{
    heap_gate(h)->key = slabs.key;
    heap_gate(h)->base = slabs.base;
    heap_gate(h)->map = slabs.map;
    atomic_store_explicit(&heap_gate(h)->taking_key, slabs.key, memory_order_relaxed);
    for (unsigned class = 0; class < SLAB_CLASS_COUNT; class ++) {
        h->fast[class] = heap_no_block;
        list_init(&h->available[class]);
    }
    list_init(&h->link);
    atomic_store_explicit(&heap_gate(h)->bytes, slabs.bytes,
                          memory_order_release); /* last: see heaps_number() */
}

/* ---- orphans ---- */

/* Takes an orphan, for a thread to own or to tend; NULL: none. With the lock held. */
static void take_orphan(struct heap *h, enum heap_state state)
{
    list_remove(&h->link);
    atomic_fetch_sub_explicit(&heaps.nr_orphans, 1, memory_order_relaxed);
    atomic_store_explicit(&h->state, (int)state, memory_order_seq_cst);
}

static struct heap *take_last_orphan(enum heap_state state)
{
    lock_acquire(&heaps.lock);
    struct heap *h = NULL;
    if (!list_empty(&heaps.orphans)) {
        h = CONTAINER_OF(heaps.orphans.next, struct heap, link);
        take_orphan(h, state);
    }
    lock_release(&heaps.lock);
    return h;
}

/* Its thread is still in it; who holds the lock, or sees that it is not, sees the orphan. */
static void make_orphan(struct heap *h)
{
    lock_acquire(&heaps.lock);
    list_push_front(&heaps.orphans, &h->link);
    atomic_fetch_add_explicit(&heaps.nr_orphans, 1, memory_order_relaxed);
    atomic_store_explicit(&h->state, HEAP_ORPHAN, memory_order_seq_cst);
    heap_leave(h);
    lock_release(&heaps.lock);
}

/* Who sent something before the heap was an orphan did not tend it. */
void heaps_leave(struct heap *h)
{
    make_orphan(h);
    if (atomic_load_explicit(&h->inbox, memory_order_seq_cst) != 0)
        heaps_tend(h);
}

void heaps_tend(struct heap *h)
{
    lock_acquire(&heaps.lock);
    bool is_orphan = atomic_load_explicit(&h->state, memory_order_relaxed) == HEAP_ORPHAN;
    if (is_orphan)
        take_orphan(h, HEAP_TENDED);
    lock_release(&heaps.lock);
    if (!is_orphan)
        return;
    heap_clear(h, 0);
    heaps_leave(h);
}

struct slab *heaps_adopt_slab(struct heap *h, unsigned class)
{
    struct slab *s = NULL;
    if (HAK_LIKELY(atomic_load_explicit(&heaps.nr_orphans, memory_order_relaxed) == 0))
        return NULL;
    lock_acquire(&heaps.lock);
    int asked = 0;
    for (struct list *l = heaps.orphans.next; l != &heaps.orphans && asked < ORPHANS_ASKED;
         l = l->next, asked++) {
        struct heap *orphan = CONTAINER_OF(l, struct heap, link);
        if (list_empty(&orphan->available[class]))
            continue;
        s = CONTAINER_OF(list_pop_front(&orphan->available[class]), struct slab, link);
        slab_set_owner(s, h);
        if (s->state == SLAB_EMPTY) /* of a heap whose thread is not in this child of fork */
            orphan->empty_bytes -= (size_t)1 << block_classes[class].slab_shift;
        orphan->nr_slabs[class]--;
        h->nr_slabs[class]++;
        break;
    }
    lock_release(&heaps.lock);
    return s;
}

/* ---- threads ---- */

static struct heap *new_heap(void)
{
    lock_acquire(&heaps.lock);
    unsigned number = heaps.nr;
    bool room = (size_t)(number + 1) * HEAP_STRIDE_BYTES <= heaps.table.bytes;
    heaps.nr += room;
    lock_release(&heaps.lock);
    if (!room)
        return NULL;
    struct heap *h = heap_number(number);
    /* A number that had no memory is lost: the next thread gets the next one. */
    if (region_commit(&heaps.table, (size_t)(number + 1) * HEAP_STRIDE_BYTES) != 0)
        return NULL;
    init_heap(h);
    return h;
}

struct heap *heaps_number(unsigned number)
{
    if ((size_t)(number + 1) * HEAP_STRIDE_BYTES > region_committed(&heaps.table))
        return NULL;
    return heap_number(number);
}

bool heaps_frees_alone(void)
{
    return entries > 0 || ++freed_alone <= ALONE_MAX;
}

struct heap *heaps_enter(void)
{
    if (entries >= ENTRIES_MAX || !heaps.has_key ||
        atomic_load_explicit(&slabs.bytes, memory_order_acquire) == 0)
        return NULL;
    struct heap *h = take_last_orphan(HEAP_OWNED);
    if (h == NULL && (h = new_heap()) == NULL)
        return NULL;
    entries++;
    heap_self = h; /* before the next call, which may allocate */
    pthread_setspecific(heaps.key, h);
    return h;
}

/* The thread ends. What its other destructors still do is served by another heap, or by the C library. */
static void leave(void *heap)
{
    struct heap *h = heap;
    heap_free_waiting();
    heap_begin(h);
    heap_self = HEAP_NONE;
    remote_send(h);
    heap_clear(h, 0);
    bool wants_helper = h->wants_helper;
    h->wants_helper = false;
    heaps_leave(h);
    if (wants_helper)
        heap_wants_helper(true);
}

/* ---- the whole ---- */

void heaps_tend_all(void)
{
    for (unsigned n = atomic_load_explicit(&heaps.nr_orphans, memory_order_relaxed); n > 0; n--) {
        lock_acquire(&heaps.lock);
        struct heap *h =
            list_empty(&heaps.orphans) ? NULL : CONTAINER_OF(heaps.orphans.prev, struct heap, link);
        lock_release(&heaps.lock);
        if (h != NULL)
            heaps_tend(h);
    }
}

void heaps_fork_prepare(void)
{
    lock_acquire(&heaps.lock);
}

void heaps_fork_done(void)
{
    lock_release(&heaps.lock);
}
