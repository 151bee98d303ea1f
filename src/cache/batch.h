/*
 * The batch: spans whose pages are to be given back, collected so that one system call and one TLB
 * shootdown serve them all.
 *
 * A FIFO of intrusive entries with three reasons to flush: a count, a byte total, and a deadline that the
 * timer watches. It never calls the OS: batch_take_all() hands the entries to the caller, who advises them.
 * The caller serialises all calls on one batch.
 */
#ifndef HAK_CACHE_BATCH_H
#define HAK_CACHE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"

struct batch_options {
    size_t count;         /* flush at this many spans */
    size_t bytes;         /* flush at this total */
    uint64_t deadline_ns; /* flush when the oldest has waited this long */
};

struct batch_entry {
    struct list link;
    uintptr_t address;
    size_t bytes;
    bool lazy; /* MADV_FREE will do; else the pages must go */
    bool seen; /* by batch_take_seen() */
};

struct batch {
    struct batch_options options;
    struct list queue;   /* oldest first */
    size_t count, bytes; /* of the queue */
    uint64_t since_ns;   /* the oldest waits since; 0: the timer has not seen it yet */
};

void batch_init(struct batch *b, const struct batch_options *options);
void batch_entry_init(struct batch_entry *e);

/* Queues an entry. true: count or bytes are reached, flush now. */
bool batch_put(struct batch *b, struct batch_entry *e);

/* Takes this entry out, because its memory is used again; false: it is not in the queue. */
bool batch_remove(struct batch *b, struct batch_entry *e);

/* Whether the deadline has passed at `now_ns`; notes when it first saw the queue not empty. */
bool batch_is_due(struct batch *b, uint64_t now_ns);

/* Moves all entries to `out`, linked by `link`. Returns their number. */
size_t batch_take_all(struct batch *b, struct list *out);

/* The same of those that were there when this was called last, and have not been taken out since. */
size_t batch_take_seen(struct batch *b, struct list *out);

/* Sorts v[0..n) by address and joins neighbours; returns how many are left. */
size_t batch_coalesce(struct iovec *v, size_t n);

#endif
