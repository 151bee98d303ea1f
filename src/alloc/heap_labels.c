/*
 * Labels of heap blocks: a chained hash table of fixed size, keyed by the block's address; of freed blocks, by
 * their cell.
 */
#include <string.h>

#include "alloc/heap.h"
#include "base/attr.h"
#include "base/lock.h"
#include "os/os.h"
#include "policy/policy.h"
#include "stats/stats.h"

enum { NODES = 1 << 16, BUCKETS_LOG2 = 14, BUCKETS = 1 << BUCKETS_LOG2 };

struct node {
    uintptr_t key; /* address of the block; or of the cell, with the lowest bit set; 0: unused */
    uint32_t next; /* number of the next node in the bucket, or of the next unused one; 0: none */
    uint32_t
        granule;  /* of the arena, that the block is in; the table counts against limits of data */
    bool settled; /* while the block lived */
    struct label label;
};

struct table {
    uint32_t unused; /* first of the nodes given back */
    uint32_t fresh;  /* nodes from here on were never used */
    uint32_t bucket[BUCKETS];
    struct node node[NODES]; /* number 0 is not used */
};

static struct table *table;
static struct lock lock = LOCK_INIT(LOCK_RANK_LABELS);

void heap_labels_start(void)
{
    if (table != NULL)
        return;
    struct table *t = os->map(sizeof(*t));
    stat_add(STAT_os_mmap, 1);
    if (t != NULL)
        t->fresh = 1;
    table = t;
}

static uint32_t *bucket_of(uintptr_t key)
{
    return &table->bucket[(uint64_t)key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - BUCKETS_LOG2)];
}

static uint32_t take_node(void)
{
    uint32_t n = table->unused;
    if (n != 0)
        table->unused = table->node[n].next;
    else if (table->fresh < NODES)
        n = table->fresh++;
    return n;
}

static uint32_t granule_of(const void *p)
{
    return (uint32_t)(((uintptr_t)p - slabs.base) >> GRANULE_SHIFT);
}

static void insert(uintptr_t key, const void *block, const struct label *label)
{
    if (table == NULL)
        return;
    lock_acquire(&lock);
    uint32_t n = take_node();
    if (n != 0) {
        uint32_t *head = bucket_of(key);
        table->node[n] = (struct node){key, *head, granule_of(block), false, *label};
        *head = n;
    }
    lock_release(&lock);
}

static bool is_waiting(uintptr_t key)
{
    return (key & 1) != 0;
}

/* Whether the block's memory has gone back with its slab, as its arm wanted. */
static bool is_dropped(const struct node *node)
{
    const void *block = (const void *)(slabs.base + ((uintptr_t)node->granule << GRANULE_SHIFT));
    return arms[node->label.arm].retain == RETAIN_DROP && !heap_has(block);
}

/* Takes the node out; false: there is none, or what it stood for is settled. */
static bool extract(uintptr_t key, bool dropped, struct label *label)
{
    bool found = false, settled = false;
    if (table == NULL)
        return false;
    lock_acquire(&lock);
    for (uint32_t *link = bucket_of(key); *link != 0; link = &table->node[*link].next) {
        uint32_t n = *link;
        if (table->node[n].key != key || (dropped && !is_dropped(&table->node[n])))
            continue;
        *label = table->node[n].label;
        settled = table->node[n].settled;
        *link = table->node[n].next;
        table->node[n].key = 0;
        table->node[n].next = table->unused;
        table->unused = n;
        found = true;
        break;
    }
    lock_release(&lock);
    if (settled && !is_waiting(key))
        policy_freed(label->cell);
    return found && !settled;
}

void heap_label(const void *p, const struct label *label)
{
    insert((uintptr_t)p, p, label);
}

bool heap_unlabel(const void *p, struct label *label)
{
    return extract((uintptr_t)p, false, label);
}

uint32_t heap_last_label(void)
{
    if (table == NULL)
        return 0;
    lock_acquire(&lock);
    uint32_t n = table->fresh - 1;
    lock_release(&lock);
    return n;
}

/* Its key, or 0: it is not there, or not of that kind, or settled. */
static uintptr_t claim(uint32_t number, bool waiting, uint64_t born_before_ns, struct label *label)
{
    struct node *node = &table->node[number];
    lock_acquire(&lock);
    uintptr_t key = node->key;
    if (node->settled || is_waiting(key) != waiting || node->label.born_ns >= born_before_ns)
        key = 0;
    if (key != 0) {
        node->settled = true;
        *label = node->label;
    }
    lock_release(&lock);
    return key;
}

const void *heap_claim_living(uint32_t number, uint64_t born_before_ns, struct label *label)
{
    return (const void *)claim(number, false, born_before_ns, label);
}

bool heap_claim_waiting(uint32_t number, struct label *label)
{
    return claim(number, true, UINT64_MAX, label) != 0;
}

void heap_label_wait(const void *p, const struct label *label)
{
    insert((uintptr_t)label->cell | 1, p, label);
}

bool heap_label_next(const struct policy_cell *cell, struct label *label)
{
    return extract((uintptr_t)cell | 1, false, label);
}

bool heap_label_dropped(const struct policy_cell *cell, struct label *label)
{
    return extract((uintptr_t)cell | 1, true, label);
}

void heap_labels_fork_prepare(void)
{
    lock_acquire(&lock);
}

void heap_labels_fork_done(void)
{
    lock_release(&lock);
}
