#include "alloc/store.h"

#include <errno.h>

#include "alloc/episode.h"
#include "alloc/flush.h"
#include "alloc/heap.h"
#include "alloc/retained.h"
#include "alloc/valid.h"
#include "base/attr.h"
#include "base/lock.h"
#include "policy/policy.h"
#include "stats/stats.h"

enum {
    MOVED_KEPT_MAX = 8, /* spans with a mapping of their own that may lie in BigCache */
    ROOM_TIMES = 15,    /* room behind a block that keeps growing, in times its size */
    SLABS_ON_BASE_PAGES_BYTES = 8 << 20,      /* beside that a huge page used in part is little */
    SLAB_ON_HUGE_PAGES_MAX_BYTES = 512 << 10, /* larger ones have blocks that ask for base pages */
};

static const uint64_t NS_PER_MS = 1000000, FLUSH_WAIT_NS = 1000000000;

/* Of slabs it is not known who will want them: a program that was big for a moment is small a second later. */
static const uint64_t SLAB_IDLE_NS = 500000000;

static struct {
    struct lock lock;
    size_t live_bytes, most_live_bytes;
    _Atomic size_t slab_bytes;     /* changed under the lock */
    _Atomic uint64_t look_ns;      /* how soon somebody must look; 0: no hurry */
    uint64_t hurry_ns;             /* the least of that since somebody did; UINT64_MAX: none */
    _Atomic size_t retained_bytes; /* in BigCache */
    uint64_t waking_byte_ns;       /* what may be held for what it takes the timer to wake */
    uint64_t nr_flushed;           /* spans that were due, and are in a structure again */
    pthread_cond_t flushed;        /* that has risen, and somebody waits for it */
    unsigned waiting;
} store = {.lock = LOCK_INIT(LOCK_RANK_STORE), .hurry_ns = UINT64_MAX};

void store_start(const struct os_machine *machine)
{
    lock_condition_init(&store.flushed);
    retained_start(machine);
}

/* ---- the lock ---- */

HAK_HOT static void publish(void)
{
    uint64_t look_ns = retained_hurried_look_ns(store.waking_byte_ns);
    if (look_ns != 0 && look_ns < store.hurry_ns)
        store.hurry_ns = look_ns;
    atomic_store_explicit(&store.look_ns, look_ns, memory_order_relaxed);
    atomic_store_explicit(&store.retained_bytes, retained.cache.bytes, memory_order_relaxed);
}

HAK_HOT static void unlock(void)
{
    publish();
    lock_release(&store.lock);
}

/* ---- giving back, without the lock ---- */

static void finish_flush(struct flush *f, struct list *due)
{
    lock_acquire(&store.lock);
    for (size_t i = 0; i < f->nr_spans; i++) {
        struct span *s = f->span[i];
        if (s->batch.lazy) {
            retained_put(s, RETAIN_KEEP, s->cache.most_idle_ns, due);
            continue;
        }
        span_note_moved(s, false);
        if (!s->lost)
            span_release(s);
    }
    store.nr_flushed += f->nr_spans;
    if (HAK_UNLIKELY(store.waiting > 0))
        pthread_cond_broadcast(&store.flushed);
    unlock();
}

/*
 * Waits until what is being given back now, by whoever, is to be had again. Not where nothing happens any more: in a child that was made
 * without the C library's fork() nobody goes on with it.
 */
static void wait_for_flushes(void)
{
    lock_acquire(&store.lock);
    uint64_t all = retained.nr_due;
    store.waiting++;
    while (store.nr_flushed < all &&
           lock_wait(&store.lock, &store.flushed, os->now_ns() + FLUSH_WAIT_NS))
        ;
    store.waiting--;
    lock_release(&store.lock);
}

/* Gives back what is on `due`; that may push more out of BigCache. Keeps errno, for free(). */
static void flush_for(struct list *due, uint64_t waking_ns)
{
    if (HAK_LIKELY(list_empty(due)))
        return;
    int saved_errno = errno;
    struct flush f;
    while (!list_empty(due)) {
        flush_collect(&f, due);
        f.waking_ns = waking_ns;
        flush_advise(&f);
        finish_flush(&f, due);
        waking_ns = 0;
    }
    errno = saved_errno;
}

static void flush(struct list *due)
{
    flush_for(due, 0);
}

/* ---- getting ---- */

HAK_HOT static void add_live(size_t bytes)
{
    store.live_bytes += bytes;
    if (HAK_LIKELY(store.live_bytes <= store.most_live_bytes))
        return;
    store.most_live_bytes = store.live_bytes;
    retained_raise_cap(store.most_live_bytes);
}

/* Cuts a span from the arena, making more of that usable as needed. */
static struct span *get_cold(struct span_request *request)
{
    for (;;) {
        struct span_need need;
        struct span *s = span_take(request, &need);
        if (s != NULL)
            return s;
        unlock();
        int status = span_grow_arena(request->zone, &need);
        lock_acquire(&store.lock);
        if (status == 0)
            continue;
        if (request->room_granules == 0)
            return NULL;
        request->room_granules = 0; /* it was only a wish */
    }
}

HAK_HOT struct span *store_get(enum zone_id zone, size_t bytes, size_t align, uint64_t site,
                               enum store_get_how how, struct formers *former)
{
    struct span_request request = span_request_for(zone, bytes, align);
    struct list due;

    former->count = 0;
    list_init(&due);
    if (how == STORE_GET_ROOM && arena.roomy && request.granules < UINT32_MAX / ROOM_TIMES / 2)
        request.room_granules = request.granules * ROOM_TIMES;
    lock_acquire(&store.lock);
    bool warm = how == STORE_GET_ANY || how == STORE_GET_COPY, block = how <= STORE_GET_COLD;
    struct span *s = !warm ? NULL : retained_get(&request, site, former, &due);
    if (s == NULL) {
        stat_add_locked(STAT_cache_misses, how == STORE_GET_ANY);
        s = get_cold(&request);
    }
    if (s != NULL) {
        stat_add_locked(STAT_mmap_allocs, block);
        stat_add_locked(STAT_mmap_bytes, block ? bytes : 0);
        add_live(span_bytes(s));
    }
    former->given = former->count;
    if (HAK_UNLIKELY(policy_learns()) && how <= STORE_GET_COLD)
        retained_note_passed_by(zone, how == STORE_GET_COLD, bytes, site, former);
    unlock();
    flush(&due);
    return s;
}

/*
 * A heap that has grown large grows on huge pages, in the classes that have grown. Slabs are cut from them one after
 * the other, and a class has one that is not yet carved to its end, so what is resident and not used is small beside
 * what the heap holds. Under a limit each zone's tail would count.
 */
static enum zone_id zone_for_slab(size_t bytes, enum arm_pages pages, bool grown)
{
    if (pages == PAGES_HUGE)
        return ZONE_HUGE;
    bool large = grown && store.slab_bytes >= SLABS_ON_BASE_PAGES_BYTES;
    bool fits = arena.huge_bytes != 0 && arena.huge_bytes <= HEAP_HUGE_PAGE_BYTES;
    return large && bytes <= SLAB_ON_HUGE_PAGES_MAX_BYTES && arena.roomy && fits ? ZONE_HUGE
                                                                                 : ZONE_BASE;
}

struct span *store_get_slab(size_t bytes, enum arm_pages pages, bool grown)
{
    struct formers former = {0};
    struct list due;
    list_init(&due);

    lock_acquire(&store.lock);
    struct span_request request =
        span_request_for(zone_for_slab(bytes, pages, grown), bytes, bytes);
    struct span *s = retained_get(&request, SITE_OF_SLABS, &former, &due);
    if (s == NULL)
        s = get_cold(&request);
    if (s != NULL) {
        store.slab_bytes += span_bytes(s);
        span_set_state(s, SPAN_SLAB);
    }
    unlock();
    flush(&due);
    episodes_reused(&former);
    if (s != NULL)
        heap_labels_reused(span_address(s), span_bytes(s));
    return s;
}

/* ---- putting ---- */

HAK_HOT struct span *store_retire(const void *p)
{
    struct span *s = span_of(p);
    uint8_t live = SPAN_LIVE;
    if (s == NULL ||
        !atomic_compare_exchange_strong_explicit(&s->state, &live, SPAN_RETIRED,
                                                 memory_order_acq_rel, memory_order_acquire))
        return NULL;
    return s;
}

HAK_HOT void store_put(struct span *s, enum arm_retain retain, uint64_t site)
{
    struct list due;
    list_init(&due);

    lock_acquire(&store.lock);
    store.live_bytes -= span_bytes(s);
    s->cache.site = site;
    if (s->moved && arena.nr_moved > MOVED_KEPT_MAX)
        retain = RETAIN_DROP;
    retained_put(s, retain, s->keep_ms * NS_PER_MS, &due);
    episode_free_done(&s->label); /* under the lock: then the span may be anybody's */
    unlock();
    flush(&due);
}

static uint64_t break_even_ns(unsigned zone)
{
    return policy_break_even_ns(zone == ZONE_HUGE ? PAGES_HUGE : PAGES_BASE);
}

void store_put_slab(struct span *s, enum arm_retain retain, uint64_t idle_ns)
{
    uint64_t worth_ns = break_even_ns(s->zone);
    uint64_t most_ns = worth_ns < SLAB_IDLE_NS ? worth_ns : SLAB_IDLE_NS;
    struct list due;
    list_init(&due);

    lock_acquire(&store.lock);
    store.slab_bytes -= span_bytes(s);
    s->cache.site = SITE_OF_SLABS;
    retained_put(s, retain, idle_ns < most_ns ? most_ns - idle_ns : 1, &due);
    unlock();
    flush(&due);
}

size_t store_retained_bytes(void)
{
    return atomic_load_explicit(&store.retained_bytes, memory_order_relaxed);
}

size_t store_slab_bytes(void)
{
    return atomic_load_explicit(&store.slab_bytes, memory_order_relaxed);
}

void store_put_back(struct span *s)
{
    struct list due;
    list_init(&due);
    lock_acquire(&store.lock);
    store.live_bytes -= span_bytes(s);
    s->label.cell = NULL; /* another span has the block */
    if (s->moved)
        retained_put(s, RETAIN_DROP, 0, &due);
    else if (!s->lost)
        span_release(s);
    else
        span_set_state(s, SPAN_RETIRED);
    unlock();
    flush(&due);
}

void store_shrink(struct span *s, size_t bytes)
{
    struct span_request request = span_request_for((enum zone_id)s->zone, bytes, GRANULE_BYTES);
    struct list due;
    list_init(&due);

    lock_acquire(&store.lock);
    struct span *rest = request.granules < s->granules ? span_split(s, request.granules) : NULL;
    if (rest != NULL) {
        rest->dirty = true;
        store.live_bytes -= span_bytes(rest);
        retained_put(rest, RETAIN_DROP, 0, &due);
    }
    unlock();
    flush(&due);
}

bool store_extend(struct span *s, size_t bytes)
{
    struct span_request request = span_request_for((enum zone_id)s->zone, bytes, GRANULE_BYTES);
    if (request.granules == 0)
        return false;

    lock_acquire(&store.lock);
    size_t before = span_bytes(s);
    bool done = span_extend(s, request.granules);
    if (!done && span_is_last(s)) {
        unlock();
        int status = span_commit_behind(s, request.granules);
        lock_acquire(&store.lock);
        done = status == 0 && span_extend(s, request.granules);
    }
    if (done)
        add_live(span_bytes(s) - before);
    unlock();
    return done;
}

/* ---- the timer's part ---- */

/*
 * When to look again; called with the lock held. What hurried since the last look may hurry again, though nothing does now: whoever
 * looks would sleep for long, and be woken by every free of a block that is kept briefly and taken at once.
 */
static uint64_t next_look_ns(const uint64_t break_even[ZONE_COUNT])
{
    uint64_t next = retained_look_ns(break_even);
    if (store.hurry_ns == UINT64_MAX)
        return next;
    return next == 0 || store.hurry_ns < next ? store.hurry_ns : next;
}

uint64_t store_tick(uint64_t now_ns, uint64_t waking_ns)
{
    uint64_t break_even[ZONE_COUNT] = {break_even_ns(ZONE_BASE), break_even_ns(ZONE_HUGE)};
    struct list due;
    list_init(&due);

    lock_acquire(&store.lock);
    store.waking_byte_ns = policy_holding_byte_ns(waking_ns);
    retained_expire(now_ns, break_even, &due);
    unlock();
    flush_for(&due, waking_ns);

    lock_acquire(&store.lock);
    publish();
    uint64_t next = next_look_ns(break_even);
    store.hurry_ns = UINT64_MAX;
    lock_release(&store.lock);
    return next;
}

HAK_HOT uint64_t store_wants_look_ns(void)
{
    return atomic_load_explicit(&store.look_ns, memory_order_relaxed);
}

/* Under the lock: whoever retains something and has had it before, is seen; who has it after, sees what its holder did before. */
bool store_hurries(uint64_t ns)
{
    lock_acquire(&store.lock);
    uint64_t look_ns = atomic_load_explicit(&store.look_ns, memory_order_relaxed);
    bool hurries = look_ns != 0 ? look_ns < ns : ns == UINT64_MAX && retained.cache.bytes != 0;
    lock_release(&store.lock);
    return hurries;
}

size_t store_trim(void)
{
    struct list due;
    list_init(&due);

    lock_acquire(&store.lock);
    size_t bytes = retained_clear(&due);
    unlock();
    flush(&due);
    wait_for_flushes();
    return bytes;
}

/* ---- the whole ---- */

uint32_t store_last_span(void)
{
    lock_acquire(&store.lock);
    uint32_t n = arena.nr_spans;
    lock_release(&store.lock);
    return n > 0 ? n - 1 : 0;
}

static struct span *span_number(uint32_t number)
{
    return (struct span *)arena.spans.base + number;
}

/* Under the lock, which a span must pass on its way to its next block: the label stays what it is until it is copied. */
const void *store_claim_living(uint32_t number, uint64_t born_before_ns, struct label *label)
{
    struct span *s = span_number(number);
    lock_acquire(&store.lock);
    bool open = atomic_load_explicit(&s->open, memory_order_acquire);
    bool mine = open && s->label.born_ns < born_before_ns && span_claim(s);
    if (mine)
        *label = s->label;
    const void *p = mine ? span_address(s) : NULL;
    lock_release(&store.lock);
    return p;
}

/* Under the lock: the timer may be about to settle it too. */
bool store_claim_retained(uint32_t number, struct label *label)
{
    struct span *s = span_number(number);
    lock_acquire(&store.lock);
    int state = atomic_load_explicit(&s->state, memory_order_relaxed);
    bool mine = (state == SPAN_CACHED || state == SPAN_QUEUED) && s->label.cell != NULL;
    if (mine) {
        *label = s->label;
        s->label.cell = NULL;
    }
    lock_release(&store.lock);
    return mine;
}

void store_set_gauges(void)
{
    long mappings = arena.base != 0 ? os->mappings_in(arena.base, arena.base + arena.bytes) : 0;
    uint64_t used = 0;

    lock_acquire(&store.lock);
    stat_set(STAT_live_bytes, store.live_bytes);
    stat_set(STAT_slab_bytes, store.slab_bytes);
    stat_set(STAT_retained_bytes, retained.cache.bytes);
    stat_set(STAT_queued_bytes, retained.batch.bytes + retained.lazy.bytes);
    for (unsigned z = 0; z < ZONE_COUNT; z++)
        used += (uint64_t)arena.zone[z].frontier << GRANULE_SHIFT;
    unlock();
    stat_set(STAT_arena_bytes, used);
    stat_set(STAT_mappings, mappings > 0 ? (uint64_t)mappings : 0);
}

bool store_is_valid(void)
{
    lock_acquire(&store.lock);
    bool valid = spans_are_valid();
    unlock();
    return valid;
}

void store_fork_prepare(void)
{
    lock_acquire(&store.lock);
}

void store_fork_parent(void)
{
    lock_release(&store.lock);
}

/* Who was giving something back is not in the child, nor who waited for it. */
void store_fork_child(void)
{
    store.nr_flushed = retained.nr_due;
    store.waiting = 0;
    lock_condition_init(&store.flushed);
    lock_release(&store.lock);
}
