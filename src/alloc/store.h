/*
 * The store: spans, BigCache and batch under one lock, and the giving back.
 *
 * A span is taken from BigCache if one fits, else cut from the arena. A freed span goes where its arm says: kept,
 * kept and queued for MADV_FREE, or queued to be dropped. What leaves BigCache is queued to be dropped. The
 * batch is advised in one system call when it is due; only then do dropped spans become free ones. No system
 * call is made under the lock: a span that is being advised is in none of the structures meanwhile.
 */
#ifndef HAK_ALLOC_STORE_H
#define HAK_ALLOC_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "alloc/span.h"
#include "policy/arms.h"

void store_start(const struct os_machine *machine);

enum store_get_how {
    STORE_GET_ANY,  /* from BigCache if one fits, else cold: a new block */
    STORE_GET_COLD, /* cold: a new block, of which it is to be seen what it touches */
    STORE_GET_COPY, /* as the first, for a block that is copied there */
    STORE_GET_ROOM, /* cold, with free space behind it: for a block that keeps growing */
};

/* A LIVE span for a block of `bytes` at a multiple of `align`; cold ones are not `dirty`. `former`: the labels of the
 * blocks whose memory it was, to be settled as reused. NULL: no memory. */
struct span *store_get(enum zone_id zone, size_t bytes, size_t align, uint64_t site,
                       enum store_get_how how, struct formers *former);

/* A span for a slab of `bytes`, at a multiple of them. PAGES_BASE: or on huge pages, once there are many slabs and
 * its class has `grown`. NULL: no memory. */
struct span *store_get_slab(size_t bytes, enum arm_pages pages, bool grown);

/* Takes it back as `retain` says; it has been idle for `idle_ns` already. */
void store_put_slab(struct span *s, enum arm_retain retain, uint64_t idle_ns);

/* What BigCache holds now, and what slabs do. */
size_t store_retained_bytes(void);
size_t store_slab_bytes(void);

/* Marks the LIVE span at `p` as retired, so that nobody else can free it; NULL: there is none. */
struct span *store_retire(const void *p);

/* Takes a span that nobody uses any more back as its arm's `retain` says; `site` used it last. */
void store_put(struct span *s, enum arm_retain retain, uint64_t site);

/* Takes back a LIVE span in which no page is resident: never touched, or moved away. */
void store_put_back(struct span *s);

/* Cuts what is behind the first `bytes` off a LIVE span and gives it back. */
void store_shrink(struct span *s, size_t bytes);

/* Enlarges a LIVE span in place; false: it cannot be. */
bool store_extend(struct span *s, size_t bytes);

/* Moves the pages of LIVE span `from` to the start of LIVE span `to`. 0, or -errno and nothing is moved. */
int store_move(struct span *from, struct span *to);

/* Gives back everything in BigCache and batch; how many bytes. What others are giving back just now is to be had then, too. */
size_t store_trim(void);

/*
 * What the timer does: expires and flushes what is due at `now_ns`. `waking_ns`: what it takes to be there, charged to what is
 * flushed and weighed against holding a little longer. Returns the ns until it should look again; 0: there is nothing retained. */
uint64_t store_tick(uint64_t now_ns, uint64_t waking_ns);

/* How soon at the latest what is retained must be looked at, in ns; 0: there is no hurry. */
uint64_t store_wants_look_ns(void);

/* Whether it must be looked at sooner than in `ns`; UINT64_MAX: whether anything is retained at all. */
bool store_hurries(uint64_t ns);

/* Spans have numbers from 1 to this. */
uint32_t store_last_span(void);

/* Of that span, the block that lives since before `born_before_ns` and whose episode is the caller's to settle now; its
 * address, or NULL. */
const void *store_claim_living(uint32_t number, uint64_t born_before_ns, struct label *label);

/* The same of a block that is freed, its memory retained. */
bool store_claim_retained(uint32_t number, struct label *label);

/* Sets the gauges of the statistics that are the store's. */
void store_set_gauges(void);

void store_fork_prepare(void);
void store_fork_parent(void);
void store_fork_child(void);

#endif
