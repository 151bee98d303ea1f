#include "alloc/flush.h"

#include <errno.h>
#include <stdatomic.h>

#include "alloc/episode.h"
#include "alloc/heap.h"
#include "base/attr.h"
#include "policy/policy.h"
#include "stats/stats.h"

static _Atomic bool vector_refused; /* this kernel has no process_madvise for us */

static int advise_each(const struct iovec *v, size_t n, enum os_advice advice)
{
    int status = 0;
    for (size_t i = 0; i < n; i++) {
        stat_add(STAT_os_madvise, 1);
        stat_add(STAT_tlb_calls, 1);
        int one = os->advise(v[i].iov_base, v[i].iov_len, advice);
        if (one != 0)
            status = one;
    }
    return status;
}

int flush_vector(struct iovec *v, size_t *count, enum os_advice advice)
{
    size_t n = *count = batch_coalesce(v, *count);
    if (n > 1 && !atomic_load_explicit(&vector_refused, memory_order_relaxed)) {
        stat_add(STAT_os_process_madvise, 1);
        stat_add(STAT_tlb_calls, 1);
        int status = os->advise_many(v, n, advice);
        if (status != -ENOSYS)
            return status;
        /* The call, or a piece that would be refused alone as well, as locked memory is. */
        status = advise_each(v, n, advice);
        if (status == 0)
            atomic_store_explicit(&vector_refused, true, memory_order_relaxed);
        return status;
    }
    return advise_each(v, n, advice);
}

/* A span that came by mremap gets a fresh mapping, which the kernel joins with its neighbours'; and one whose pages are not to be had
 * otherwise, as the program has locked them. */
static void renew(struct span *s)
{
    enum os_advice pages = s->zone == ZONE_HUGE ? OS_USE_HUGE : OS_USE_BASE;
    stat_add(STAT_os_mmap, 1);
    stat_add(STAT_os_madvise, 1);
    stat_add(STAT_tlb_calls, 1);
    int status = os->renew(span_address(s), span_bytes(s));
    if (status != 0) {
        s->dirty = true;
        s->lost = status == -ENOTRECOVERABLE;
        return;
    }
    os->advise(span_address(s), span_bytes(s), pages);
    s->dirty = false;
}

void flush_collect(struct flush *f, struct list *due)
{
    struct list *l;
    f->nr_spans = f->nr_drop = f->nr_lazy = 0;
    f->bytes = 0;
    while (f->nr_spans < FLUSH_MAX && (l = list_pop_front(due)) != NULL) {
        struct span *s =
            CONTAINER_OF(CONTAINER_OF(l, struct batch_entry, link), struct span, batch);
        struct iovec piece = {span_address(s), span_bytes(s)};
        f->span[f->nr_spans++] = s;
        f->bytes += piece.iov_len;
        if (s->moved && !s->batch.lazy)
            continue;
        if (s->batch.lazy)
            f->lazy[f->nr_lazy++] = piece;
        else
            f->drop[f->nr_drop++] = piece;
    }
}

static bool is_given_back(const struct span *s)
{
    struct iovec piece = {span_address(s), span_bytes(s)};
    return advise_each(&piece, 1, OS_GIVE_BACK) == 0;
}

/*
 * Of several of which one was refused it is not known which. A program that wants all of its memory locked, now and later, keeps it:
 * a fresh mapping would be filled at once.
 */
static void drop(struct span *s, bool refused)
{
    if (s->moved)
        renew(s);
    else if (!refused || is_given_back(s))
        s->dirty = false;
    else if (os->locks_all())
        s->dirty = true;
    else
        renew(s);
}

static void advise_flush(struct flush *f)
{
    bool refused = f->nr_drop > 0 && flush_vector(f->drop, &f->nr_drop, OS_GIVE_BACK) != 0;
    if (f->nr_lazy > 0)
        flush_vector(f->lazy, &f->nr_lazy, OS_GIVE_LAZILY);
    for (size_t i = 0; i < f->nr_spans; i++)
        if (!f->span[i]->batch.lazy)
            drop(f->span[i], refused);
}

/* Each span's share of what the flush took; dropped ones are settled with it. */
static void settle_flush(struct flush *f, uint64_t took_ns)
{
    for (size_t i = 0; i < f->nr_spans; i++) {
        struct span *s = f->span[i];
        uint64_t share_ns =
            took_ns * (span_bytes(s) >> GRANULE_SHIFT) / (f->bytes >> GRANULE_SHIFT);
        if (s->label.cell != NULL)
            s->label.give_back_ns += (uint32_t)share_ns;
        if (s->batch.lazy)
            continue;
        if (s->cache.site == SITE_OF_SLABS)
            heap_labels_given_back(span_address(s), span_bytes(s), share_ns);
        episode_given_back(&s->label);
        s->label.cell = NULL;
    }
}

void flush_advise(struct flush *f)
{
    uint64_t since_ns = episode_clock(policy_learns());
    advise_flush(f);
    settle_flush(f, episode_clock(policy_learns()) - since_ns + f->waking_ns);
}
