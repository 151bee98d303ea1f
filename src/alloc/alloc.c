#include "alloc/alloc.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "alloc/clear.h"
#include "alloc/episode.h"
#include "alloc/fill.h"
#include "alloc/remote.h"
#include "alloc/store.h"
#include "alloc/timer.h"
#include "config/config.h"
#include "policy/policy.h"
#include "stats/stats.h"

enum {
    MOVE_MIN_BYTES = 128 << 10, /* from here on moving page tables can be cheaper than copying */
    SHRINK_SHARE = 4,           /* a block that shrinks by less than a quarter keeps its span */
};

/* Where the dynamic loader lies: it allocates what is local to threads. */
static struct {
    uintptr_t start;
    size_t bytes;
} loader;

void hak_alloc_start(const struct os_machine *machine)
{
    loader.start = machine->loader;
    loader.bytes = machine->loader_bytes;
}

/* What an allocation is: the request, and what was decided for it. */
struct order {
    size_t bytes, align;
    struct caller caller;
    bool zeroed;
    struct decision decision;
    uint64_t since_ns; /* learning only */
};

/* ---- serving ---- */

HAK_HOT static void *serve_span(const struct order *o)
{
    const struct arm *arm = &arms[o->decision.arm];
    struct formers former;
    struct filled filled = {0, 0};

    /* What is dropped begins cold, too: else it would give back, and pay for, what others keep. */
    bool cold = arm->retain == RETAIN_DROP || o->decision.cold;
    struct span *s = store_get(arm->pages == PAGES_HUGE ? ZONE_HUGE : ZONE_BASE, o->bytes, o->align,
                               o->decision.site, cold ? STORE_GET_COLD : STORE_GET_ANY, &former);
    if (s == NULL)
        return NULL;
    void *p = span_address(s);
    s->arm = (uint8_t)o->decision.arm;
    s->block_bytes = o->bytes;
    s->site = o->decision.site;
    s->keep_ms = o->decision.keep_ms;
    s->grown = false;
    s->of_loader = o->caller.site - loader.start < loader.bytes;
    if (!s->dirty)
        filled = fill_cold(s, o->bytes, &o->decision);
    if (s->dirty && o->zeroed)
        clear_used(p, o->bytes);
    episode_born(&s->label, &o->decision, o->bytes, o->zeroed, o->since_ns, filled.ns);
    episode_cold(&s->label, !s->dirty, filled.page_ns);
    episode_given(&s->label, &former);
    if (s->label.cell != NULL)
        span_open(s);
    episodes_reused(&former);
    return p;
}

/* Whoever gets the memory of a block that was measured settles it, measured or not. */
static void note_born_on_heap(const struct order *o, const void *p)
{
    struct formers former;
    former.count = former.given = heap_label_next(p, &former.label[0]);
    if (o->decision.cell != NULL) {
        struct label label;
        episode_born(&label, &o->decision, o->bytes, o->zeroed, o->since_ns, 0);
        episode_given(&label, &former);
        heap_label(p, &label);
    }
    episodes_reused(&former);
}

static void *serve_heap(const struct order *o)
{
    const struct arm *arm = &arms[o->decision.arm];
    enum slab_kind kind = kind_of((enum arm_pages)arm->pages, (enum arm_retain)arm->retain);
    void *p = heap_alloc(o->bytes, o->align, o->zeroed, kind);
    if (p == NULL)
        return NULL;
    stat_add(STAT_heap_allocs, 1);
    stat_add(STAT_heap_bytes, o->bytes);
    if (is_measuring())
        note_born_on_heap(o, p);
    return p;
}

/* Gives back all that is free. */
static void trim(void)
{
    heap_trim();
    store_trim();
}

/* Under a limit that was reached, what can be had may be usable memory of the one zone or of the other. */
static void *serve_in_either_zone(struct order *o)
{
    o->decision.arm = ARM_MMAP_BASE_TOUCH_DROP;
    void *p = serve_span(o);
    o->decision.arm = ARM_MMAP_HUGE_TOUCH_DROP;
    return p != NULL ? p : serve_span(o);
}

/*
 * The arm's backing has no memory: the other one helps out, and then what BigCache holds; where spans are switched
 * off as well, for the arena may be the only address space that is left. What this block costs says nothing of the
 * arm, so nothing is learned from it.
 */
static HAK_COLD void *serve_otherwise(struct order *o, bool heap_was_tried, int saved_errno)
{
    if (o->decision.cell != NULL)
        policy_freed(o->decision.cell);
    o->decision.cell = NULL;
    o->decision.arm = ARM_HEAP_BASE_TOUCH_KEEP;
    void *p = heap_was_tried ? NULL : serve_heap(o);
    if (p == NULL && arena.base != 0)
        p = serve_in_either_zone(o);
    if (p == NULL && arena.base != 0 && span_may_hold(o->bytes, o->align)) {
        trim();
        p = serve_in_either_zone(o);
    }
    errno = p != NULL ? saved_errno : ENOMEM;
    return p;
}

/* A block above the floor: the site's arm decides. */
HAK_HOT static void *serve(struct order *o)
{
    if (!is_started())
        return serve_heap(o);
    int saved_errno = errno;
    o->decision = policy_choose(o->caller, o->bytes);
    o->since_ns = episode_clock(o->decision.cell != NULL);
    bool on_heap = arms[o->decision.arm].backing == BACKING_HEAP;
    void *p = on_heap ? serve_heap(o) : serve_span(o);
    timer_make_up();
    return HAK_LIKELY(p != NULL) ? p : serve_otherwise(o, on_heap, saved_errno);
}

/* A block under the floor that the heap has no memory for. */
static HAK_COLD void *serve_small(size_t size, size_t align, bool zeroed, int saved_errno)
{
    struct order o = {.bytes = size, .align = align, .zeroed = zeroed};
    return is_started() ? serve_otherwise(&o, true, saved_errno) : NULL;
}

void *hak_malloc_small(size_t size)
{
    void *p = heap_take(size);
    return HAK_LIKELY(p != NULL) ? p : hak_alloc_at_site(size, 1, NO_CALLER);
}

HAK_HOT void *hak_alloc_at_site(size_t size, size_t align, struct caller caller)
{
    if (HAK_UNLIKELY(size >= FLOOR_BYTES))
        return serve(&(struct order){.bytes = size, .align = align, .caller = caller});
    int saved_errno = errno;
    void *p = align > alignof(max_align_t) ? heap_memalign(align, size) : heap_malloc(size);
    return HAK_LIKELY(p != NULL) ? p : serve_small(size, align, false, saved_errno);
}

void *hak_calloc_at_site(size_t count, size_t size, struct caller caller)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return heap_calloc(count, size);
    if (HAK_UNLIKELY(bytes >= FLOOR_BYTES))
        return serve(&(struct order){.bytes = bytes, .align = 1, .caller = caller, .zeroed = true});
    int saved_errno = errno;
    void *p = heap_calloc(count, size);
    return HAK_LIKELY(p != NULL) ? p : serve_small(bytes, 1, true, saved_errno);
}

/* ---- taking back ---- */

/* In a slab, or foreign. */
HAK_HOT static bool is_the_heaps(const void *p)
{
    return heap_has(p) || !arena_has(p);
}

/* Not in a slab: whether its memory has gone back, it shows itself. */
static void settle_freed_foreign(struct label *label, const void *p)
{
    struct label after = *label;
    episode_free_done(label);
    episode_look(&after, p);
    if (after.base_pages <= label->base_pages / 2)
        episode_given_back(label);
    else
        heap_label_wait(p, label);
}

static void free_heap_block(void *p)
{
    struct label label;
    size_t bytes;
    if (HAK_LIKELY(!is_measuring()) || (bytes = heap_usable_size(p)) < FLOOR_BYTES ||
        !heap_unlabel(p, &label)) {
        heap_free(p);
        return;
    }
    int saved_errno = errno;
    bool in_slab = heap_has(p);
    episode_freed(&label, p, label.bytes);
    if (in_slab)
        heap_label_wait(p, &label);
    heap_free(p);
    if (in_slab)
        heap_label_free_done(p, &label);
    else
        settle_freed_foreign(&label, p);
    timer_wanted(0, false);
    errno = saved_errno;
}

/* Where it was settled as one that lives, somebody may still be reading the label. */
HAK_HOT static void note_freed(struct span *s, const void *p)
{
    if (s->label.cell == NULL)
        return;
    if (span_claim(s))
        episode_freed(&s->label, p, s->block_bytes);
    else
        policy_freed(s->label.cell);
}

HAK_HOT static void free_span(void *p)
{
    struct span *s = store_retire(p);
    if (HAK_UNLIKELY(s == NULL))
        os_fatal("free() of what is not the start of a live block:", p);
    int saved_errno = errno;
    stat_add(STAT_mmap_frees, 1);
    note_freed(s, p);
    enum arm_retain retain = (enum arm_retain)arms[s->arm].retain;
    bool of_loader = s->of_loader; /* thread-local storage: the C library holds a lock */
    store_put(s, retain, s->site);
    timer_wanted(store_wants_look_ns(), !of_loader);
    errno = saved_errno;
}

/* Apart, so that its stack frame is not in the way of what needs none. */
HAK_HOT static HAK_NOINLINE void free_large_or_foreign(void *p)
{
    if (is_the_heaps(p))
        free_heap_block(p);
    else
        free_span(p);
}

/* What is no small block of this thread's. */
HAK_HOT void hak_free_slowly(void *p)
{
    if (p != NULL && !remote_free_on_top(p))
        free_large_or_foreign(p);
}

void hak_free_block(void *p)
{
    hak_free_here(p);
}

size_t hak_block_bytes(const void *p)
{
    if (is_the_heaps(p))
        return heap_usable_size(p);
    struct span *s = span_of(p);
    if (s == NULL)
        os_fatal("malloc_usable_size() of what is not the start of a live block:", p);
    return span_bytes(s);
}

/* ---- growing and shrinking ---- */

/* Allocates anew, copies, frees. NULL: `p` stays as it is. */
static void *copy_over(void *p, size_t old_bytes, size_t size, struct caller caller)
{
    struct order growing = {.bytes = size, .align = 1, .caller = caller};
    void *to = size >= FLOOR_BYTES ? serve(&growing) : hak_alloc_at_site(size, 1, caller);
    if (to == NULL)
        return NULL;
    stat_add(STAT_grows_copied, size > old_bytes);
    memcpy(to, p, old_bytes < size ? old_bytes : size);
    hak_free_block(p);
    return to;
}

/* Below the floor, where blocks have no episode: this one's ends. `p` where there is no memory for another. */
static void *shrink_over(void *p, size_t size, struct caller caller)
{
    void *small = copy_over(p, size, size, caller);
    return small != NULL ? small : p;
}

static void note_grown(struct label *label, size_t size)
{
    label->grown = true;
    if (size > label->bytes)
        label->bytes = size;
}

static void note_growth(struct span *s, size_t size)
{
    s->block_bytes = size;
    s->grown = true;
    if (!span_claim(s))
        return;
    note_grown(&s->label, size);
    span_open(s);
}

/* The block, its episode included, is in span `to` from now on. */
static void hand_over(struct span *s, struct span *to, size_t size)
{
    to->arm = s->arm;
    to->site = s->site;
    to->keep_ms = s->keep_ms;
    to->of_loader = s->of_loader;
    bool open = span_claim(s);
    to->label = s->label;
    if (open)
        span_open(to);
    note_growth(to, size);
}

/*
 * Copies the block to another span, where copying is cheaper than faulting in what it grows by. The span it leaves
 * is kept for the next block, and so will be the new one, which could not be if its pages had been moved there.
 */
static void *copy_span(struct span *s, size_t size)
{
    struct formers former;
    enum arm_pages pages = s->zone == ZONE_HUGE ? PAGES_HUGE : PAGES_BASE;
    if (s->grown || arms[s->arm].retain == RETAIN_DROP)
        return NULL;
    if (s->block_bytes >= MOVE_MIN_BYTES &&
        !policy_copying_pays(pages, s->block_bytes, size - s->block_bytes))
        return NULL;
    struct span *to =
        store_get((enum zone_id)s->zone, size, GRANULE_BYTES, s->site, STORE_GET_COPY, &former);
    if (to == NULL)
        return NULL;
    stat_add(STAT_grows_copied, 1);
    memcpy(span_address(to), span_address(s),
           span_bytes(s)); /* the program may use all that is usable */
    hand_over(s, to, size);
    store_put(s, (enum arm_retain)arms[s->arm].retain, s->site);
    episodes_reused(&former);
    return span_address(to);
}

/* Another span for the block, with room to grow further if it keeps doing so; its pages are moved there. */
static void *move_span(struct span *s, size_t size)
{
    struct formers former;
    struct span *to =
        store_get((enum zone_id)s->zone, size, GRANULE_BYTES, s->site, STORE_GET_ROOM, &former);
    if (to == NULL)
        return NULL;
    if (store_move(s, to) != 0) {
        store_put_back(to);
        return NULL;
    }
    stat_add(STAT_grows_moved, 1);
    hand_over(s, to, size);
    store_put_back(s);
    return span_address(to);
}

static bool passes(size_t from, size_t to, size_t mark)
{
    return from < mark && mark <= to;
}

/*
 * A block that grows to half the size of a huge page, or to all of it, is decided anew, while it is on base pages: as a smaller one it had
 * no huge pages to choose from, or would have wasted much of one.
 */
static bool is_to_be_decided_anew(const struct span *s, size_t size, struct caller caller)
{
    size_t page = arena.huge_bytes;
    if (s->zone == ZONE_HUGE)
        return false;
    if (!passes(s->block_bytes, size, page / 2) && !passes(s->block_bytes, size, page))
        return false;
    if (policy_learns())
        return true;
    const struct arm *arm = &arms[policy_choose(caller, size).arm];
    return arm->backing == BACKING_MMAP && arm->pages == PAGES_HUGE;
}

static void *grow_span(struct span *s, void *p, size_t size, struct caller caller)
{
    if (is_to_be_decided_anew(s, size, caller))
        return copy_over(p, span_bytes(s), size, caller);
    if (store_extend(s, size)) {
        stat_add(STAT_grows_in_place, 1);
        note_growth(s, size);
        return p;
    }
    void *elsewhere = copy_span(s, size);
    if (elsewhere == NULL && s->block_bytes >= MOVE_MIN_BYTES)
        elsewhere = move_span(s, size);
    return elsewhere != NULL ? elsewhere : copy_over(p, span_bytes(s), size, caller);
}

static void *realloc_span(void *p, size_t size, struct caller caller)
{
    struct span *s = span_of(p);
    if (HAK_UNLIKELY(s == NULL))
        os_fatal("realloc() of what is not the start of a live block:", p);
    if (size > span_bytes(s))
        return grow_span(s, p, size, caller);
    if (size < FLOOR_BYTES)
        return shrink_over(p, size, caller);
    if (size < span_bytes(s) - span_bytes(s) / SHRINK_SHARE)
        store_shrink(s, size);
    if (size > s->block_bytes)
        note_growth(s, size);
    s->block_bytes = size;
    return p;
}

/* A heap block stays one while it is small or large; it may leave when it crosses the floor. */
static void *realloc_heap(void *p, size_t size, struct caller caller)
{
    size_t old_bytes = heap_usable_size(p);
    bool leaves =
        old_bytes < FLOOR_BYTES ? size >= FLOOR_BYTES : size > CLASS_MAX_BYTES && heap_has(p);
    if (leaves && is_started())
        return copy_over(p, old_bytes, size, caller);

    struct label label;
    int saved_errno = errno;
    bool labelled = is_measuring() && old_bytes >= FLOOR_BYTES && heap_unlabel(p, &label);
    if (labelled && size < FLOOR_BYTES) {
        heap_label(p, &label);
        return shrink_over(p, size, caller);
    }
    void *to = heap_realloc(p, size);
    bool failed = to == NULL;
    if (HAK_UNLIKELY(failed) && span_may_hold(size, 1)) {
        trim();
        to = heap_realloc(p, size);
    }
    if (labelled) {
        note_grown(&label, size);
        heap_label(to != NULL ? to : p, &label);
    }
    if (HAK_UNLIKELY(failed && to == NULL && is_started()))
        to = copy_over(p, old_bytes, size, caller);
    if (HAK_UNLIKELY(failed && to != NULL))
        errno = saved_errno;
    return to;
}

/* Apart, for the same reason as free_large_or_foreign(). */
static HAK_NOINLINE void *realloc_slowly(void *p, size_t size, struct caller caller)
{
    if (p == NULL)
        return hak_alloc_at_site(size, 1, caller);
    if (size == 0) {
        hak_free_block(p);
        return NULL;
    }
    return is_the_heaps(p) ? realloc_heap(p, size, caller) : realloc_span(p, size, caller);
}

void *hak_realloc_at_site(void *p, size_t size, struct caller caller)
{
    if (HAK_LIKELY(size != 0 && heap_stays(p, size)))
        return p;
    return realloc_slowly(p, size, caller);
}
