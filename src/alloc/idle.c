#include "alloc/idle.h"

#include "alloc/heaps.h"
#include "alloc/remote.h"
#include "base/attr.h"
#include "base/lock.h"
#include "os/os.h"

/* Idle for so long, and as long again in BigCache at most: big for a moment, small a second later. */
static const uint64_t IDLE_NS = 200000000, LOOK_NS = 100000000;

/* Links that are decoded with it lead out of every slab, and so does the word of an empty list. */
static const uint64_t HELD_KEY = (uint64_t)1 << 62;

_Atomic bool idle_watched;

/* Held while a heap is, and while its memory is given back: only that heap's thread may have to wait for it. */
static struct lock lock = LOCK_INIT(LOCK_RANK_IDLE);

static void shut(struct heap *h)
{
    atomic_store_explicit(&heap_gate(h)->taking_key, slabs.key ^ HELD_KEY, memory_order_relaxed);
    atomic_store_explicit(&heap_gate(h)->bytes, 0, memory_order_relaxed);
    h->watch.shut = true;
}

static void open(struct heap *h)
{
    h->watch.shut = false;
    atomic_store_explicit(&heap_gate(h)->taking_key, slabs.key, memory_order_release);
    atomic_store_explicit(&heap_gate(h)->bytes, slabs.bytes, memory_order_release);
}

/* Whether its thread is out of a heap that was shut before a barrier, and has not ended. */
static bool is_out(struct heap *h)
{
    return atomic_load_explicit(&heap_gate(h)->entered, memory_order_acquire) == 0 &&
           atomic_load_explicit(&h->state, memory_order_acquire) == HEAP_OWNED;
}

static bool tend(struct heap *h, uint64_t idle_ns)
{
    lock_acquire(&lock);
    shut(h);
    bool held = os->barrier() == 0 && is_out(h);
    if (held) {
        remote_send(h);
        heap_clear(h, idle_ns);
        os->barrier(); /* who finds the heap open finds it as it is now */
    }
    open(h);
    lock_release(&lock);
    return held;
}

/* ---- looking ---- */

static bool is_anothers(struct heap *h)
{
    return h != heap_self &&
           atomic_load_explicit(&heap_gate(h)->bytes, memory_order_acquire) != 0 &&
           atomic_load_explicit(&h->state, memory_order_relaxed) == HEAP_OWNED;
}

/* Whether the heap has to be looked at again soon. */
static bool look_at(struct heap *h, uint64_t now_ns)
{
    uint32_t operations = atomic_load_explicit(&heap_gate(h)->operations, memory_order_relaxed);
    bool has_mail = atomic_load_explicit(&h->inbox, memory_order_relaxed) != 0;
    if (operations != h->watch.operations) {
        h->watch.operations = operations;
        h->watch.since_ns = now_ns;
        h->watch.settled = false;
    }
    if (h->watch.settled && !has_mail)
        return false;
    if (now_ns - h->watch.since_ns < IDLE_NS)
        return true;
    h->watch.settled = tend(h, IDLE_NS);
    return !h->watch.settled;
}

uint64_t idle_tick(uint64_t now_ns)
{
    bool again = false;
    struct heap *h;
    for (unsigned i = 0; (h = heaps_number(i)) != NULL; i++)
        again |= is_anothers(h) && look_at(h, now_ns);
    atomic_store_explicit(&idle_watched, again, memory_order_relaxed);
    return again ? LOOK_NS : 0;
}

void idle_tend_all(void)
{
    struct heap *h;
    for (unsigned i = 0; (h = heaps_number(i)) != NULL; i++)
        if (is_anothers(h))
            tend(h, 0);
}

void idle_wait(void)
{
    lock_acquire(&lock);
    lock_release(&lock);
}

/* ---- fork ---- */

void idle_fork_prepare(void)
{
    struct heap *h;
    unsigned nr_shut = 0;
    lock_acquire(&lock);
    for (unsigned i = 0; (h = heaps_number(i)) != NULL; i++)
        if (is_anothers(h)) {
            shut(h);
            nr_shut++;
        }
    bool seen = nr_shut > 0 && os->barrier() == 0;
    for (unsigned i = 0; (h = heaps_number(i)) != NULL; i++)
        h->watch.forked_whole = seen && h->watch.shut && is_out(h);
}

static void open_all(void)
{
    struct heap *h;
    for (unsigned i = 0; (h = heaps_number(i)) != NULL; i++)
        if (h->watch.shut)
            open(h);
}

void idle_fork_parent(void)
{
    open_all();
    lock_release(&lock);
}

/* There is no helper thread in the child, and no other. */
void idle_fork_child(void)
{
    struct heap *h;
    atomic_store_explicit(&idle_watched, false, memory_order_relaxed);
    open_all();
    lock_release(&lock);
    for (unsigned i = 0; (h = heaps_number(i)) != NULL; i++) {
        if (!is_anothers(h))
            continue;
        if (h->watch.forked_whole)
            heaps_leave(h);
        else
            atomic_store_explicit(&h->state, HEAP_LOST, memory_order_relaxed);
    }
}
