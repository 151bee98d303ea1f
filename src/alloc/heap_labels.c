/*
 * Labels of heap blocks: a chained hash table of fixed size, keyed by the block's address; of freed blocks, by the
 * granule it starts in, in which no other block at or above the floor does.
 */
#include <string.h>

#include "alloc/episode.h"
#include "alloc/heap.h"
#include "base/attr.h"
#include "base/lock.h"
#include "os/os.h"
#include "policy/policy.h"
#include "stats/stats.h"

enum { NODES = 1 << 16, BUCKETS_LOG2 = 14, BUCKETS = 1 << BUCKETS_LOG2 };

struct node {
    uintptr_t key; /* address of the block, or of its granule with the lowest bit set; 0: unused */
    uint32_t next; /* number of the next node in the bucket, or of the next unused one; 0: none */
    bool settled;  /* while the block lived */
    struct label label;
};

struct table {
    uint32_t unused; /* first of the nodes given back */
    uint32_t fresh;  /* nodes from here on were never used */
    uint32_t bucket[BUCKETS];
    struct node node[NODES]; /* number 0 is not used */
};

static struct table *table;
static _Atomic uint32_t nr_waiting;
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

static uintptr_t waiting_key(const void *p)
{
    return (uintptr_t)p >> GRANULE_SHIFT << GRANULE_SHIFT | 1;
}

static bool is_waiting(uintptr_t key)
{
    return (key & 1) != 0;
}

static void insert(uintptr_t key, const struct label *label)
{
    if (table == NULL)
        return;
    lock_acquire(&lock);
    uint32_t n = take_node();
    if (n != 0) {
        uint32_t *head = bucket_of(key);
        table->node[n] = (struct node){key, *head, false, *label};
        *head = n;
        atomic_fetch_add_explicit(&nr_waiting, is_waiting(key), memory_order_relaxed);
    }
    lock_release(&lock);
}

/* Takes the node out; false: there is none, or what it stood for is settled. */
static bool extract(uintptr_t key, struct label *label)
{
    bool found = false, settled = false;
    if (table == NULL)
        return false;
    lock_acquire(&lock);
    for (uint32_t *link = bucket_of(key); *link != 0; link = &table->node[*link].next) {
        uint32_t n = *link;
        if (table->node[n].key != key)
            continue;
        *label = table->node[n].label;
        settled = table->node[n].settled;
        *link = table->node[n].next;
        table->node[n].key = 0;
        table->node[n].next = table->unused;
        table->unused = n;
        atomic_fetch_sub_explicit(&nr_waiting, is_waiting(key), memory_order_relaxed);
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
    insert((uintptr_t)p, label);
}

bool heap_unlabel(const void *p, struct label *label)
{
    return extract((uintptr_t)p, label);
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
    insert(waiting_key(p), label);
}

void heap_label_free_done(const void *p, const struct label *label)
{
    uintptr_t key = waiting_key(p);
    if (table == NULL)
        return;
    lock_acquire(&lock);
    for (uint32_t n = *bucket_of(key); n != 0; n = table->node[n].next)
        if (table->node[n].key == key && table->node[n].label.freed_ns == label->freed_ns)
            episode_free_done(&table->node[n].label);
    lock_release(&lock);
}

bool heap_label_next(const void *p, struct label *label)
{
    return atomic_load_explicit(&nr_waiting, memory_order_relaxed) != 0 &&
           extract(waiting_key(p), label);
}

void heap_labels_reused(const void *start, size_t bytes)
{
    struct label label;
    for (const char *p = start; p < (const char *)start + bytes; p += GRANULE_BYTES)
        while (heap_label_next(p, &label))
            episode_reused(&label);
}

void heap_labels_given_back(const void *start, size_t bytes, uint64_t took_ns)
{
    struct label label;
    for (const char *p = start; p < (const char *)start + bytes; p += GRANULE_BYTES)
        while (heap_label_next(p, &label)) {
            label.give_back_ns += (uint32_t)(took_ns * label.bytes / bytes);
            episode_given_back(&label);
        }
}

void heap_labels_fork_prepare(void)
{
    lock_acquire(&lock);
}

void heap_labels_fork_done(void)
{
    lock_release(&lock);
}
