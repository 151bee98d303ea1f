#include "cache/batch.h"

#include "base/attr.h"

void batch_init(struct batch *b, const struct batch_options *options)
{
    *b = (struct batch){.options = *options};
    list_init(&b->queue);
}

void batch_entry_init(struct batch_entry *e)
{
    *e = (struct batch_entry){0};
    list_init(&e->link);
}

bool batch_put(struct batch *b, struct batch_entry *e)
{
    e->seen = false;
    list_push_back(&b->queue, &e->link);
    b->count++;
    b->bytes += e->bytes;
    return b->count >= b->options.count || b->bytes >= b->options.bytes;
}

HAK_HOT bool batch_remove(struct batch *b, struct batch_entry *e)
{
    if (!list_in(&e->link))
        return false;
    list_remove(&e->link);
    b->count--;
    b->bytes -= e->bytes;
    if (b->count == 0)
        b->since_ns = 0;
    return true;
}

bool batch_is_due(struct batch *b, uint64_t now_ns)
{
    if (b->count == 0)
        return false;
    if (b->since_ns == 0)
        b->since_ns = now_ns;
    return now_ns - b->since_ns >= b->options.deadline_ns;
}

size_t batch_take_all(struct batch *b, struct list *out)
{
    size_t taken = b->count;
    struct list *l;
    while ((l = list_pop_front(&b->queue)) != NULL)
        list_push_back(out, l);
    b->count = 0;
    b->bytes = 0;
    b->since_ns = 0;
    return taken;
}

static struct batch_entry *entry_of(struct list *link)
{
    return CONTAINER_OF(link, struct batch_entry, link);
}

size_t batch_take_seen(struct batch *b, struct list *out)
{
    size_t taken = 0;
    for (; b->count > 0 && entry_of(b->queue.next)->seen; taken++) {
        struct batch_entry *e = entry_of(b->queue.next);
        batch_remove(b, e);
        list_push_back(out, &e->link);
    }
    for (struct list *l = b->queue.next; l != &b->queue; l = l->next)
        entry_of(l)->seen = true;
    b->since_ns = 0;
    return taken;
}

/* Heap sort: no recursion, no memory, n log n on any input; qsort may call malloc. */
static void sift_down(struct iovec *v, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n)
            return;
        if (child + 1 < n && v[child + 1].iov_base > v[child].iov_base)
            child++;
        if (v[root].iov_base >= v[child].iov_base)
            return;
        struct iovec swapped = v[root];
        v[root] = v[child];
        v[child] = swapped;
        root = child;
    }
}

static void sort_by_address(struct iovec *v, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(v, i, n);
    for (size_t end = n; end > 1; end--) {
        struct iovec largest = v[0];
        v[0] = v[end - 1];
        v[end - 1] = largest;
        sift_down(v, 0, end - 1);
    }
}

size_t batch_coalesce(struct iovec *v, size_t n)
{
    size_t kept = 0;
    sort_by_address(v, n);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && (char *)v[kept - 1].iov_base + v[kept - 1].iov_len == v[i].iov_base)
            v[kept - 1].iov_len += v[i].iov_len;
        else
            v[kept++] = v[i];
    }
    return kept;
}
