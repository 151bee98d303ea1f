/*
 * Blocks that are freed by another thread than their slab's owner.
 *
 * The freeing thread collects them in parcels, one a slab, linked as the slab's own free list will be; it writes to the
 * blocks, which it had in its cache anyway, and reads the map, and touches nothing of the slab. A parcel goes to the
 * owner's inbox as one message, which lies in the parcel's own blocks, by one compare-and-swap; the owner splices the
 * whole parcel into its slab when it next runs out of blocks. Nobody ever waits.
 */
#ifndef HAK_ALLOC_REMOTE_H
#define HAK_ALLOC_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc/heap.h"

/* Frees a block of another heap's, of which the map says `at`; in `h`, the heap of this thread. */
void remote_free(struct heap *h, void *p, const struct slab_place *at);

/*
 * The same of a small block whose slab's parcel is open and has room, which is what most of them find; false: nothing
 * was done.
 */
bool remote_free_on_top(void *p);

/* The same in a thread without a heap: each block is sent by itself. */
void remote_free_alone(void *p);

/* Sends all parcels. */
void remote_send(struct heap *h);

/* Takes in what other threads freed of this heap's. Its thread, or who tends it. */
void remote_receive_all(struct heap *h);

static inline void remote_receive(struct heap *h)
{
    if (atomic_load_explicit(&h->inbox, memory_order_relaxed) != 0)
        remote_receive_all(h);
}

#endif
