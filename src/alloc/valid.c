#include "alloc/valid.h"

#include "os/os.h"

static bool says(bool so, const char *what, const void *p)
{
    if (!so)
        os_say("not valid: %s (%p)", what, p);
    return so;
}
#define IS(condition, p) says(condition, #condition, p)

static bool is_block_of(const struct slab *s, const void *p)
{
    size_t inside = (uintptr_t)p - s->start;
    return inside < (size_t)s->carved * block_classes[s->class].bytes &&
           is_block_start(inside, s->inverse);
}

/* The length of a list of the slab's blocks; more than there are: it is no list. */
static uint32_t count_list(const struct slab *s, const void *p)
{
    uint32_t n = 0;
    for (; p != NULL && p != heap_no_block && n <= s->carved; p = link_get(p, slabs.key), n++)
        if (!is_block_of(s, p))
            return UINT32_MAX;
    return n;
}

static bool map_is_valid(const struct slab *s)
{
    const struct block_class *c = &block_classes[s->class];
    struct slab_place *at = slab_place((const void *)s->start);
    uintptr_t owner = place_owner(at);
    for (size_t i = 0; i < (size_t)1 << (c->slab_shift - GRANULE_SHIFT); i++)
        if (!IS(place_owner(&at[i]) == owner && owner != 0 && at[i].slab == s &&
                    at[i].class == s->class && at[i].bytes == c->bytes,
                &at[i]))
            return false;
    return IS((owner & OWNER_OF_LARGE) == (c->bytes >= FLOOR_BYTES), s);
}

bool slab_is_valid(const struct slab *s)
{
    const struct block_class *c = &block_classes[s->class];
    bool listed = list_in(&s->link);
    return IS(s->start == slab_start_of(s) && s->inverse == class_inverse[s->class], s) &&
           map_is_valid(s) && IS(s->carved <= c->blocks && slab_used(s) <= s->carved, s) &&
           IS(count_list(s, s->free) == s->carved - slab_used(s), s) &&
           IS(listed == (s->state == SLAB_AVAILABLE || s->state == SLAB_EMPTY), s) &&
           IS(s->state != SLAB_EMPTY || slab_used(s) == 0, s) &&
           IS(s->state == SLAB_ACTIVE || !slab_feeds_fast_list(s), s) &&
           IS(s->state != SLAB_ACTIVE || slab_feeds_fast_list(s) || s->wake == slab_used(s), s) &&
           IS(s->state != SLAB_AVAILABLE || s->wake == slab_used(s), s) &&
           IS(s->state != SLAB_FULL || (s->wake > 0 && s->carved == c->blocks), s);
}

static bool class_is_valid(struct heap *h, unsigned class, size_t *empty_bytes)
{
    struct slab *s = h->active[class];
    if (s == NULL && !IS(h->fast[class] == heap_no_block, h))
        return false;
    if (s != NULL && !(IS(s->class == class && s->state == SLAB_ACTIVE, s) && slab_is_valid(s)))
        return false;
    if (s != NULL && slab_feeds_fast_list(s) && !IS(s->list == &h->fast[class], s))
        return false;
    if (h->fast[class] != heap_no_block && !IS(count_list(s, h->fast[class]) <= slab_used(s), s))
        return false;
    struct list *head = &h->available[class];
    for (struct list *l = head->next; l != head; l = l->next) {
        s = CONTAINER_OF(l, struct slab, link);
        bool empty = s->state == SLAB_EMPTY;
        if (!IS(s->class == class, s) || !slab_is_valid(s))
            return false;
        *empty_bytes += empty ? (size_t)1 << block_classes[class].slab_shift : 0;
    }
    return true;
}

bool heap_is_valid(struct heap *h)
{
    size_t empty_bytes = 0;
    for (unsigned class = 0; class < SLAB_CLASS_COUNT; class ++)
        if (!class_is_valid(h, class, &empty_bytes))
            return false;
    return IS(h->empty_bytes == empty_bytes, h);
}

/* ---- spans ---- */

/* Spans lie side by side up to the frontier, and no two free ones. */
static bool zone_is_valid(unsigned z)
{
    struct zone *zone = &arena.zone[z];
    uint32_t at = 0;
    bool free_before = false;
    while (at < zone->frontier) {
        struct span *s =
            span_starting_at((const void *)(zone->memory.base + ((uintptr_t)at << GRANULE_SHIFT)));
        uint32_t last = at + s->granules - 1;
        struct span *by_end = span_starting_at(
            (const void *)(zone->memory.base + ((uintptr_t)last << GRANULE_SHIFT)));
        int state = atomic_load_explicit(&s->state, memory_order_relaxed);
        if (!IS(s->zone == z && s->first == at && s->granules > 0, s) || !IS(by_end == s, s) ||
            !IS(state != SPAN_UNUSED && last < zone->frontier, s) ||
            !IS(!(free_before && state == SPAN_FREE), s) ||
            !IS((state == SPAN_FREE) == list_in(&s->link), s))
            return false;
        free_before = state == SPAN_FREE;
        at = last + 1;
    }
    return true;
}

bool spans_are_valid(void)
{
    for (unsigned z = 0; z < ZONE_COUNT; z++)
        if (!zone_is_valid(z))
            return false;
    return true;
}
