#include "alloc/slab.h"

#include <errno.h>

#include "alloc/store.h"
#include "os/os.h"
#include "stats/stats.h"

static const size_t TABLE_STEP_BYTES = 16 << 10;

enum {
    AHEAD_SHARE = 4,              /* of a class, that is populated ahead */
    AHEAD_MIN_PAGES = 2,          /* one is not worth a call */
    POPULATE_BLOCK_MAX = 8 << 10, /* of larger blocks most pages may never be touched */
};

/*
 * The first cache of some processors tells addresses apart by few of their bits. A table and a map that are a multiple of
 * a large power of two apart, as their sizes make them, would drive each other out of it at every call.
 */
static const size_t TABLES_APART_BYTES = 2 << 20;

struct slabs slabs;

/* ---- start ---- */

/* One table for the whole arena, made usable in each zone from its start on. */
static void divide_table(struct region zone[ZONE_COUNT], void *table, size_t row_bytes)
{
    size_t bytes = (arena.zone_bytes >> GRANULE_SHIFT) * row_bytes;
    for (unsigned z = 0; z < ZONE_COUNT; z++)
        zone[z] = (struct region){
            .base = (uintptr_t)table + z * bytes, .bytes = bytes, .step_bytes = TABLE_STEP_BYTES};
}

void slab_start(uint64_t random)
{
    size_t rows = arena.bytes >> GRANULE_SHIFT;
    if (rows == 0)
        return;
    size_t map_bytes = rows * sizeof(struct slab_place);
    size_t table_bytes = rows * sizeof(struct slab) + TABLES_APART_BYTES;
    void *map = os->reserve_zeros(map_bytes);
    void *table = os->reserve(table_bytes);
    stat_add(STAT_os_mmap, 2);
    if (map == NULL || table == NULL) {
        if (map != NULL)
            os->release(map, map_bytes);
        if (table != NULL)
            os->release(table, table_bytes);
        return;
    }
    slabs.base = arena.base;
    slabs.map = map;
    slabs.table = table;
    slabs.key = random | LINK_KEY_BITS;
    divide_table(slabs.map_zone, map, sizeof(struct slab_place));
    divide_table(slabs.table_zone, table, sizeof(struct slab));
    atomic_store_explicit(&slabs.bytes, arena.bytes, memory_order_release);
}

/* ---- the map ---- */

static bool commit_rows(const struct span *s)
{
    size_t rows = (size_t)s->first + s->granules;
    return region_commit(&slabs.map_zone[s->zone], rows * sizeof(struct slab_place)) == 0 &&
           region_commit(&slabs.table_zone[s->zone], rows * sizeof(struct slab)) == 0;
}

static size_t slab_granules(const struct slab *s)
{
    return (size_t)1 << (block_classes[s->class].slab_shift - GRANULE_SHIFT);
}

void slab_set_owner(struct slab *s, struct heap *owner)
{
    struct slab_place *at = &slabs.map[s - slabs.table];
    uintptr_t word = (uintptr_t)owner;
    if (owner != NULL && block_classes[s->class].bytes >= FLOOR_BYTES)
        word |= OWNER_OF_LARGE;
    for (size_t i = 0; i < slab_granules(s); i++)
        atomic_store_explicit(&at[i].owner, word, memory_order_relaxed);
}

/* The slab is new, and nobody has a block of it to look for. */
static void enter_in_map(struct slab *s)
{
    struct slab_place *at = &slabs.map[s - slabs.table];
    for (size_t i = 0; i < slab_granules(s); i++) {
        at[i].slab = s;
        at[i].class = s->class;
        at[i].bytes = block_classes[s->class].bytes;
        at[i].inverse = s->inverse;
    }
}

/* ---- life ---- */

static void init_slab(struct slab *s, struct heap *owner, unsigned class, bool clean)
{
    *s = (struct slab){.list = &s->free,
                       .start = slab_start_of(s),
                       .inverse = class_inverse[class],
                       .class = (uint16_t) class,
                       .state = SLAB_ACTIVE,
                       .clean = clean};
    list_init(&s->link);
    enter_in_map(s);
    slab_set_owner(s, owner);
}

struct slab *slab_get(struct heap *owner, unsigned class, bool grown)
{
    const struct block_class *c = &block_classes[class];
    struct span *span = store_get_slab((size_t)1 << c->slab_shift, (enum arm_pages)c->pages, grown);
    if (span == NULL)
        return NULL;
    if (!commit_rows(span)) {
        store_put_slab(span, RETAIN_KEEP, 0);
        return NULL;
    }
    struct slab *s = &slabs.table[((uintptr_t)span_address(span) - slabs.base) >> GRANULE_SHIFT];
    init_slab(s, owner, class, !span->dirty);
    return s;
}

void slab_put(struct slab *s, uint64_t idle_ns)
{
    slab_set_owner(s, NULL);
    s->state = SLAB_NONE;
    store_put_slab(span_starting_at((const void *)s->start),
                   (enum arm_retain)block_classes[s->class].retain, idle_ns);
}

/*
 * A class that grows touches the next pages soon: populating them at once costs a fraction of a fault each. As far ahead as is
 * little beside what the class has. Of huge pages one fault is enough, and what is not clean is resident.
 */
static void populate(const struct slab *s, uintptr_t carved, size_t bytes, size_t class_bytes)
{
    static _Atomic bool refused; /* by this kernel */
    size_t ahead = class_bytes / AHEAD_SHARE;
    if (ahead < AHEAD_MIN_PAGES * arena.page_bytes)
        return;
    ahead = ahead < GRANULE_BYTES ? (size_t)1 << log2_floor(ahead) : GRANULE_BYTES;
    uintptr_t from = align_down(carved + bytes - 1, ahead);
    if (from < carved || block_classes[s->class].bytes > POPULATE_BLOCK_MAX || !s->clean ||
        from >= arena.zone[ZONE_HUGE].memory.base ||
        atomic_load_explicit(&refused, memory_order_relaxed))
        return;
    int saved_errno = errno;
    stat_add(STAT_os_madvise, 1);
    if (os->advise((void *)from, ahead, OS_POPULATE) == -EINVAL)
        atomic_store_explicit(&refused, true, memory_order_relaxed);
    errno = saved_errno;
}

void *slab_carve(struct slab *s, size_t class_bytes)
{
    const struct block_class *c = &block_classes[s->class];
    uint32_t left = c->blocks - s->carved, n = left < c->carved ? left : c->carved;
    if (n == 0)
        return NULL;
    char *first = (char *)s->start + (size_t)s->carved * c->bytes, *p = first;
    populate(s, (uintptr_t)first, n * c->bytes, class_bytes);
    for (uint32_t i = 1; i < n; i++, p += c->bytes)
        link_set(p, p + c->bytes, slabs.key);
    link_set(p, NULL, slabs.key);
    s->carved += n;
    s->wake += n;
    return first;
}
