#include "alloc/slab.h"

#include "alloc/store.h"
#include "os/os.h"
#include "stats/stats.h"

static const size_t MAP_STEP_BYTES = 4096, SLAB_STEP_BYTES = 64 << 10;
#define KEY_TOP_BIT ((uint64_t)1 << 63) /* no address has it */

struct slabs slabs = {.key = KEY_TOP_BIT};

/* ---- start ---- */

/* One table for the whole arena, made usable in each zone from its start on. */
static void divide_table(struct region zone[ZONE_COUNT], uintptr_t table, size_t row_bytes,
                         size_t step_bytes)
{
    size_t bytes = (arena.zone_bytes >> GRANULE_SHIFT) * row_bytes;
    for (unsigned z = 0; z < ZONE_COUNT; z++)
        zone[z] = (struct region){
            .base = table + z * bytes, .bytes = bytes, .step_bytes = step_bytes};
}

void slab_start(uint64_t random)
{
    size_t rows = arena.bytes >> GRANULE_SHIFT;
    if (rows == 0)
        return;
    size_t map_bytes = rows * sizeof(uint64_t), slab_bytes = rows * sizeof(struct slab);
    void *map = os->reserve_zeros(map_bytes);
    void *table = os->reserve(slab_bytes);
    stat_add(STAT_os_mmap, 2);
    if (map == NULL || table == NULL) {
        if (map != NULL)
            os->release(map, map_bytes);
        if (table != NULL)
            os->release(table, slab_bytes);
        return;
    }
    slabs.map = map;
    slabs.slab = table;
    atomic_store_explicit(&slabs.base, arena.base, memory_order_relaxed);
    atomic_store_explicit(&slabs.key, random | KEY_TOP_BIT, memory_order_relaxed);
    divide_table(slabs.map_zone, (uintptr_t)map, sizeof(uint64_t), MAP_STEP_BYTES);
    divide_table(slabs.slab_zone, (uintptr_t)table, sizeof(struct slab), SLAB_STEP_BYTES);
    atomic_store_explicit(&slabs.bytes, arena.bytes, memory_order_release);
}

/* ---- the map ---- */

static bool commit_rows(const struct span *s)
{
    size_t rows = (size_t)s->first + s->granules;
    return region_commit(&slabs.map_zone[s->zone], rows * sizeof(uint64_t)) == 0 &&
           region_commit(&slabs.slab_zone[s->zone], rows * sizeof(struct slab)) == 0;
}

void slab_set_owner(struct slab *s, struct heap *owner)
{
    const struct block_class *c = &block_classes[s->class];
    size_t first = (size_t)(s - slabs.slab), granules = (size_t)1 << (c->slab_shift - GRANULE_SHIFT);
    uint64_t word = 0;
    if (owner != NULL)
        word = (uint64_t)(uintptr_t)owner | (uint64_t)(c->bytes >= FLOOR_BYTES) << MAP_LARGE_BIT |
               (uint64_t)(64 - c->slab_shift) << MAP_CLASS_BITS | s->class;
    for (size_t i = 0; i < granules; i++)
        atomic_store_explicit(&slabs.map[first + i], word, memory_order_relaxed);
}

/* ---- life ---- */

static void init_slab(struct slab *s, struct heap *owner, unsigned class, bool clean)
{
    *s = (struct slab){
        .class = (uint8_t)class, .state = SLAB_ACTIVE, .clean = clean, .span = s->span};
    list_init(&s->link);
    slab_set_owner(s, owner);
}

struct slab *slab_get(struct heap *owner, unsigned class)
{
    struct span *span = store_get_slab((size_t)1 << block_classes[class].slab_shift);
    if (span == NULL)
        return NULL;
    if (!commit_rows(span)) {
        store_put_slab(span);
        return NULL;
    }
    struct slab *s = slab_at((uintptr_t)span_address(span) - slabs_base(), 0);
    s->span = span;
    init_slab(s, owner, class, !span->dirty);
    return s;
}

void slab_put(struct slab *s)
{
    struct span *span = s->span;
    slab_set_owner(s, NULL);
    s->state = SLAB_NONE;
    store_put_slab(span);
}

void slab_change_class(struct slab *s, struct heap *owner, unsigned class)
{
    init_slab(s, owner, class, false);
}

void *slab_carve(struct slab *s)
{
    const struct block_class *c = &block_classes[s->class];
    uint32_t left = c->blocks - s->carved, n = left < c->carved ? left : c->carved;
    if (n == 0)
        return NULL;
    char *first = (char *)slab_memory(s) + (size_t)s->carved * c->bytes, *p = first;
    for (uint32_t i = 1; i < n; i++, p += c->bytes)
        link_set(p, p + c->bytes);
    link_set(p, NULL);
    s->carved += n;
    s->used += n;
    s->armed += n;
    s->wake += n;
    return first;
}

void *slab_take_free(struct slab *s)
{
    void *list = s->free;
    s->free = NULL;
    s->used = s->armed = s->wake = s->carved;
    return list;
}
