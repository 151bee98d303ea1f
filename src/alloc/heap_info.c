#include "alloc/heap_info.h"

#include <string.h>

/* Its owner may be at work: the fields are read one by one, each as it is now. */
__attribute__((no_sanitize("thread"))) static void count_slab(struct heap_info *info,
                                                              const volatile struct slab *s)
{
    unsigned class = s->class % SLAB_CLASS_COUNT;
    struct heap_class_info *c = &info->class[size_class(class)];
    uint32_t carved = s->carved, used = s->list != &s->free ? carved : s->beyond + s->wake;
    c->slabs++;
    c->slab_bytes += (size_t)1 << block_classes[class].slab_shift;
    c->used += used < carved ? used : carved;
    c->free += used < carved ? carved - used : 0;
}

static void count_zone(struct heap_info *info, unsigned zone)
{
    size_t first = (slabs.map_zone[zone].base - (uintptr_t)slabs.map) / sizeof(struct slab_place);
    size_t rows = region_committed(&slabs.map_zone[zone]) / sizeof(struct slab_place);
    if (rows > slabs.map_zone[zone].bytes / sizeof(struct slab_place))
        rows = slabs.map_zone[zone].bytes / sizeof(struct slab_place);
    for (size_t i = first; i < first + rows; i++)
        if (place_owner(&slabs.map[i]) != 0 && slabs.map[i].slab == &slabs.table[i])
            count_slab(info, &slabs.table[i]);
}

/* What waits in this thread's fast lists is free. */
static void uncount_fast_lists(struct heap_info *info)
{
    for (unsigned class = 0; class < SLAB_CLASS_COUNT; class ++) {
        struct heap_class_info *c = &info->class[size_class(class)];
        for (void *p = heap_self->fast[class], *next; p != heap_no_block; p = next) {
            next = link_get(p, slabs.key);
            c->used--;
            c->free++;
            if (!link_leads_on(p, next))
                break;
        }
    }
}

void heap_info_read(struct heap_info *info)
{
    memset(info, 0, sizeof(*info));
    if (atomic_load_explicit(&slabs.bytes, memory_order_acquire) == 0)
        return;
    for (unsigned zone = 0; zone < ZONE_COUNT; zone++)
        count_zone(info, zone);
    uncount_fast_lists(info);
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        const struct heap_class_info *c = &info->class[class];
        info->slabs += c->slabs;
        info->slab_bytes += c->slab_bytes;
        info->used += c->used;
        info->used_bytes += c->used * block_classes[class].bytes;
        info->free += c->free;
        info->free_bytes += c->free * block_classes[class].bytes;
    }
}
