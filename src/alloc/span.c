#include "alloc/span.h"

#include <errno.h>
#include <string.h>

#include "base/attr.h"
#include "stats/stats.h"

enum {
    ZONE_STEP_BYTES =
        32 << 20, /* a quarter of one mprotect per 8 MiB is nothing beside the faults */
    TABLE_STEP_BYTES = 256 << 10,
    ARENA_MIN_BYTES = 64 << 20, /* a smaller one is not worth its page tables */
    BEST_FIT_SCAN = 32,         /* free spans of one class that are looked at */
    SPARE_SPANS = 4,            /* descriptions that one operation may need */
    SLAB_MAX_BYTES = 8 << 20,   /* slabs lie at multiples of their size */
    LIMIT_SHARE = 4,            /* of RLIMIT_AS, a quarter is for the arena */
};

struct arena arena;

static struct span *span_number(uint32_t number)
{
    return (struct span *)arena.spans.base + number;
}

static uint32_t *map_entry(unsigned zone, uint32_t granule)
{
    return (uint32_t *)arena.zone[zone].map.base + granule;
}

static void map_span(struct span *s)
{
    uint32_t number = (uint32_t)(s - span_number(0));
    *map_entry(s->zone, s->first) = number;
    *map_entry(s->zone, s->first + s->granules - 1) = number;
}

/* ---- start ---- */

static bool reserve_table(struct region *r, size_t bytes)
{
    bytes = align_up(bytes, TABLE_STEP_BYTES);
    *r = (struct region){
        .base = (uintptr_t)os->reserve(bytes), .bytes = bytes, .step_bytes = TABLE_STEP_BYTES};
    stat_add(STAT_os_mmap, 1);
    return r->base != 0;
}

static void release_table(struct region *r)
{
    if (r->base != 0)
        os->release((void *)r->base, r->bytes);
    *r = (struct region){0};
}

static bool reserve_tables(uint32_t zone_granules)
{
    bool ok = reserve_table(&arena.spans, ((size_t)zone_granules * 2 + 1) * sizeof(struct span));
    for (unsigned z = 0; z < ZONE_COUNT; z++)
        ok = reserve_table(&arena.zone[z].map, (size_t)zone_granules * sizeof(uint32_t)) && ok;
    if (ok)
        return true;
    release_table(&arena.spans);
    for (unsigned z = 0; z < ZONE_COUNT; z++)
        release_table(&arena.zone[z].map);
    return false;
}

/* Reserves 2 * zone_bytes, aligned to a huge page; 0: not to be had. */
static uintptr_t reserve_memory(size_t zone_bytes, size_t align)
{
    uintptr_t got = (uintptr_t)os->reserve(2 * zone_bytes + align);
    stat_add(STAT_os_mmap, 1);
    if (got == 0)
        return 0;
    uintptr_t base = align_up(got, align);
    if (base > got)
        os->release((void *)got, base - got);
    if (got + align > base)
        os->release((void *)(base + 2 * zone_bytes), got + align - base);
    return base;
}

static bool start_arena(size_t zone_bytes, size_t align)
{
    uintptr_t base = reserve_memory(zone_bytes, align);
    if (base == 0)
        return false;
    if (!reserve_tables((uint32_t)(zone_bytes >> GRANULE_SHIFT))) {
        os->release((void *)base, 2 * zone_bytes);
        return false;
    }
    for (unsigned z = 0; z < ZONE_COUNT; z++) {
        struct zone *zone = &arena.zone[z];
        zone->memory = (struct region){
            .base = base + z * zone_bytes, .bytes = zone_bytes, .step_bytes = ZONE_STEP_BYTES};
        for (unsigned c = 0; c < GRANULE_CLASSES; c++)
            list_init(&zone->free_list[c]);
        stat_add(STAT_os_madvise, 1);
        os->advise((void *)zone->memory.base, zone_bytes,
                   z == ZONE_HUGE ? OS_USE_HUGE : OS_USE_BASE);
    }
    arena.zone_bytes = zone_bytes;
    arena.nr_spans = 1;
    list_init(&arena.unused);
    atomic_store_explicit(&arena.base, base, memory_order_relaxed);
    atomic_store_explicit(&arena.bytes, 2 * zone_bytes, memory_order_release);
    return true;
}

void span_arena_start(const struct os_machine *machine, uint64_t wanted_bytes)
{
    size_t align =
        machine->huge_bytes > SLAB_MAX_BYTES ? machine->huge_bytes : (size_t)SLAB_MAX_BYTES;
    uint64_t limit = machine->address_limit_bytes;

    region_start(machine->page_bytes);
    arena.page_bytes = machine->page_bytes;
    arena.huge_bytes = machine->huge_bytes;
    arena.roomy = !machine->strict_commit && limit == UINT64_MAX;
    if (limit != UINT64_MAX && wanted_bytes > limit / LIMIT_SHARE)
        wanted_bytes = limit / LIMIT_SHARE;
    for (; wanted_bytes >= ARENA_MIN_BYTES; wanted_bytes /= 4)
        if (start_arena(align_down(wanted_bytes / 2, align), align))
            return;
}

/* ---- descriptions ---- */

static struct span *take_description(void)
{
    struct list *l = list_pop_front(&arena.unused);
    if (l == NULL)
        return NULL;
    arena.nr_unused--;
    return CONTAINER_OF(l, struct span, link);
}

static void drop_description(struct span *s)
{
    span_set_state(s, SPAN_UNUSED);
    list_push_front(&arena.unused, &s->link);
    arena.nr_unused++;
}

static void init_span(struct span *s, unsigned zone, uint32_t first, uint32_t granules, bool dirty)
{
    s->zone = (uint8_t)zone;
    s->first = first;
    s->granules = granules;
    s->dirty = dirty;
    s->grown = false;
    s->moved = s->lost = false;
    s->block_bytes = 0;
    s->label = (struct label){0};
    list_init(&s->link);
    cache_entry_init(&s->cache);
    batch_entry_init(&s->batch);
    map_span(s);
}

/* Turns committed table memory into unused descriptions, until there are enough for one operation. */
static bool have_spare_descriptions(void)
{
    size_t usable = region_committed(&arena.spans) / sizeof(struct span);
    while (arena.nr_unused < SPARE_SPANS && arena.nr_spans < usable) {
        struct span *s = span_number(arena.nr_spans++);
        memset(s, 0, sizeof(*s));
        drop_description(s);
    }
    return arena.nr_unused >= SPARE_SPANS;
}

/* ---- free lists ---- */

static void insert_free(struct span *s)
{
    struct zone *zone = &arena.zone[s->zone];
    unsigned class = granule_class(s->granules);
    list_push_front(&zone->free_list[class], &s->link);
    class_set_add(&zone->used, class);
    span_set_state(s, SPAN_FREE);
}

static void remove_free(struct span *s)
{
    struct zone *zone = &arena.zone[s->zone];
    unsigned class = granule_class(s->granules);
    list_remove(&s->link);
    if (list_empty(&zone->free_list[class]))
        class_set_remove(&zone->used, class);
}

/*
 * Where a piece that fulfils the request would start: at the far end of the free span, or at its start when
 * room is wanted behind it; false: nowhere.
 */
static bool fits(const struct span *s, const struct span_request *request, uint32_t *first)
{
    uint64_t wanted = (uint64_t)request->granules + request->room_granules;
    if (s->granules < wanted)
        return false;
    if (request->room_granules != 0) {
        *first = (uint32_t)align_up(s->first, request->align_granules);
        return *first + wanted <= (uint64_t)s->first + s->granules;
    }
    *first = (s->first + s->granules - request->granules) & ~(request->align_granules - 1);
    return *first >= s->first;
}

static struct span *best_fit(const struct span_request *request, uint32_t *first)
{
    struct zone *zone = &arena.zone[request->zone];
    uint64_t wanted = (uint64_t)request->granules + request->room_granules;
    for (unsigned class = class_set_next(&zone->used, granule_class(wanted));
         class < GRANULE_CLASSES; class = class_set_next(&zone->used, class + 1)) {
        struct span *best = NULL;
        struct list *head = &zone->free_list[class];
        int looked_at = 0;
        for (struct list *l = head->next; l != head && looked_at < BEST_FIT_SCAN;
             l = l->next, looked_at++) {
            struct span *s = CONTAINER_OF(l, struct span, link);
            uint32_t at;
            if ((best == NULL || s->granules < best->granules) && fits(s, request, &at)) {
                best = s;
                *first = at;
            }
        }
        if (best != NULL)
            return best;
    }
    return NULL;
}

/* Cuts [first, first + granules) out of a free span; what is left on either side stays free. */
static struct span *cut(struct span *s, uint32_t first, uint32_t granules)
{
    uint32_t end = s->first + s->granules;
    bool dirty = s->dirty;
    remove_free(s);
    if (first > s->first) {
        struct span *front = take_description();
        init_span(front, s->zone, s->first, first - s->first, dirty);
        insert_free(front);
    }
    if (first + granules < end) {
        struct span *behind = take_description();
        init_span(behind, s->zone, first + granules, end - first - granules, dirty);
        insert_free(behind);
    }
    init_span(s, s->zone, first, granules, dirty);
    return s;
}

/* ---- neighbours ---- */

struct span *span_before(const struct span *s)
{
    return s->first > 0 ? span_number(*map_entry(s->zone, s->first - 1)) : NULL;
}

struct span *span_behind(const struct span *s)
{
    uint32_t end = s->first + s->granules;
    return end < arena.zone[s->zone].frontier ? span_number(*map_entry(s->zone, end)) : NULL;
}

static bool is_free(const struct span *s)
{
    return s != NULL && atomic_load_explicit(&s->state, memory_order_relaxed) == SPAN_FREE;
}

void span_absorb(struct span *s, struct span *behind)
{
    s->dirty = s->dirty || behind->dirty;
    s->granules += behind->granules;
    drop_description(behind);
    map_span(s);
}

/* ---- the frontier ---- */

static uint32_t zone_granules(void)
{
    return (uint32_t)(arena.zone_bytes >> GRANULE_SHIFT);
}

/* Where the frontier would be after the request, which would start at *first. */
static uint64_t frontier_after(const struct span_request *request, uint64_t *first)
{
    *first = align_up(arena.zone[request->zone].frontier, request->align_granules);
    return *first + request->granules + request->room_granules;
}

static bool is_usable(struct zone *zone, uint64_t end)
{
    return end <= zone_granules() &&
           (size_t)end << GRANULE_SHIFT <= region_committed(&zone->memory) &&
           (size_t)end * sizeof(uint32_t) <= region_committed(&zone->map);
}

static int make_usable(struct zone *zone, uint64_t end)
{
    if (end > zone_granules())
        return -ENOMEM;
    int status = region_commit(&zone->map, (size_t)end * sizeof(uint32_t));
    return status != 0 ? status : region_commit(&zone->memory, (size_t)end << GRANULE_SHIFT);
}

static struct span *take_at_frontier(const struct span_request *request)
{
    struct zone *zone = &arena.zone[request->zone];
    uint64_t first, end = frontier_after(request, &first);
    if (!is_usable(zone, end))
        return NULL;

    struct span *all = take_description();
    uint32_t from = zone->frontier;
    zone->frontier = (uint32_t)end;
    init_span(all, request->zone, from, zone->frontier - from, false);
    /* What is skipped for the alignment is joined with what is free before it. */
    struct span *before = span_before(all);
    if (first > from && is_free(before)) {
        remove_free(before);
        span_absorb(before, all);
        all = before;
    }
    insert_free(all);
    return cut(all, (uint32_t)first, request->granules);
}

int span_grow_arena(enum zone_id zone, const struct span_need *need)
{
    if (need->table_bytes == 0)
        return -ENOMEM;
    int status = region_commit(&arena.spans, need->table_bytes);
    return status != 0 ? status : make_usable(&arena.zone[zone], need->end);
}

/* ---- taking and giving ---- */

HAK_HOT struct span_request span_request_for(enum zone_id zone, size_t bytes, size_t align_bytes)
{
    struct span_request request = {.zone = zone};
    size_t align = align_bytes > GRANULE_BYTES ? align_bytes : GRANULE_BYTES;
    size_t unit = GRANULE_BYTES;

    if (zone == ZONE_HUGE && arena.huge_bytes != 0 && bytes >= arena.huge_bytes / 2) {
        /* Whole huge pages, so that giving them back never splits one. */
        unit = arena.huge_bytes;
        align = align > unit ? align : unit;
    }
    if (bytes > arena.zone_bytes / 2 || align > arena.zone_bytes / 2)
        return request;
    /* Multiples are counted from the zone's start, which is only aligned so far. */
    if ((arena.zone[zone].memory.base & (align - 1)) != 0)
        return request;
    request.granules = (uint32_t)(align_up(bytes, unit) >> GRANULE_SHIFT);
    request.align_granules = (uint32_t)(align >> GRANULE_SHIFT);
    return request;
}

struct span *span_take(const struct span_request *request, struct span_need *need)
{
    struct span *s = NULL;
    uint32_t at = 0;
    uint64_t first;

    *need = (struct span_need){0};
    if (request->granules == 0 || arena.base == 0)
        return NULL;
    bool can_cut = have_spare_descriptions();
    if (can_cut)
        s = best_fit(request, &at);
    s = s != NULL ? cut(s, at, request->granules) : can_cut ? take_at_frontier(request) : NULL;
    if (s == NULL) {
        need->table_bytes = ((size_t)arena.nr_spans + SPARE_SPANS) * sizeof(struct span);
        need->end = frontier_after(request, &first);
        return NULL;
    }
    span_set_state(s, SPAN_LIVE);
    return s;
}

void span_release(struct span *s)
{
    struct span *before = span_before(s), *behind = span_behind(s);

    if (is_free(before)) {
        remove_free(before);
        span_absorb(before, s);
        s = before;
    }
    if (is_free(behind)) {
        remove_free(behind);
        span_absorb(s, behind);
    }
    init_span(s, s->zone, s->first, s->granules, s->dirty);
    insert_free(s);
}

void span_note_moved(struct span *s, bool moved)
{
    arena.nr_moved += moved;
    arena.nr_moved -= s->moved;
    s->moved = moved;
}

struct span *span_split(struct span *s, uint32_t granules)
{
    if (!have_spare_descriptions())
        return NULL;
    struct span *rest = take_description();
    init_span(rest, s->zone, s->first + granules, s->granules - granules, s->dirty);
    span_note_moved(rest, s->moved);
    span_set_state(rest, SPAN_RETIRED);
    s->granules = granules;
    map_span(s);
    return rest;
}

bool span_is_last(const struct span *s)
{
    return s->first + s->granules == arena.zone[s->zone].frontier;
}

int span_commit_behind(const struct span *s, uint32_t granules)
{
    return make_usable(&arena.zone[s->zone], (uint64_t)s->first + granules);
}

bool span_extend(struct span *s, uint32_t granules)
{
    struct zone *zone = &arena.zone[s->zone];
    uint64_t end = (uint64_t)s->first + granules;
    uint32_t more = granules - s->granules;

    if (span_is_last(s)) {
        if (!is_usable(zone, end))
            return false;
        zone->frontier = (uint32_t)end;
    } else {
        struct span *behind = span_behind(s);
        if (!is_free(behind) || behind->granules < more)
            return false;
        s->dirty = s->dirty || behind->dirty;
        remove_free(behind);
        if (behind->granules == more) {
            drop_description(behind);
        } else {
            init_span(behind, behind->zone, behind->first + more, behind->granules - more,
                      behind->dirty);
            insert_free(behind);
        }
    }
    s->granules = granules;
    map_span(s);
    return true;
}

void span_extend_down(struct span *s, uint32_t granules)
{
    struct span *before = span_before(s);
    uint32_t more = granules - s->granules;
    s->dirty = s->dirty || before->dirty;
    remove_free(before);
    if (before->granules == more) {
        drop_description(before);
    } else {
        init_span(before, before->zone, before->first, before->granules - more, before->dirty);
        insert_free(before);
    }
    s->first -= more;
    s->granules = granules;
    map_span(s);
}

struct span *span_starting_at(const void *p)
{
    uintptr_t offset = (uintptr_t)p - arena.base;
    unsigned zone = offset >= arena.zone_bytes;
    return span_number(
        *map_entry(zone, (uint32_t)((offset - zone * arena.zone_bytes) >> GRANULE_SHIFT)));
}

HAK_HOT struct span *span_of(const void *p)
{
    uintptr_t offset = (uintptr_t)p - atomic_load_explicit(&arena.base, memory_order_relaxed);
    unsigned zone = offset >= arena.zone_bytes;
    uint32_t granule = (uint32_t)((offset - zone * arena.zone_bytes) >> GRANULE_SHIFT);

    if ((size_t)(granule + 1) * sizeof(uint32_t) > region_committed(&arena.zone[zone].map))
        return NULL;
    struct span *s = span_number(*map_entry(zone, granule));
    return s->first == granule && s->zone == zone && span_address(s) == p &&
                   atomic_load_explicit(&s->state, memory_order_acquire) == SPAN_LIVE
               ? s
               : NULL;
}
