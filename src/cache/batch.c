#include "cache/batch.h"

#include "base/attr.h"
#include "base/sort.h"

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

static bool is_below(const void *a, const void *b)
{
    return ((const struct iovec *)a)->iov_base < ((const struct iovec *)b)->iov_base;
}

size_t batch_coalesce(struct iovec *v, size_t n)
{
    size_t kept = 0;
    sort_in_place(v, n, sizeof(*v), is_below);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && (char *)v[kept - 1].iov_base + v[kept - 1].iov_len == v[i].iov_base)
            v[kept - 1].iov_len += v[i].iov_len;
        else
            v[kept++] = v[i];
    }
    return kept;
}
