#include "base/sort.h"

/* A heap whose root is the last of all. */
struct heap {
    char *at;
    size_t bytes;
    bool (*is_before)(const void *a, const void *b);
};

static char *element(const struct heap *h, size_t i)
{
    return h->at + i * h->bytes;
}

static void swap(const struct heap *h, size_t i, size_t k)
{
    char *a = element(h, i), *b = element(h, k);
    for (size_t at = 0; at < h->bytes; at++) {
        char t = a[at];
        a[at] = b[at];
        b[at] = t;
    }
}

static void sift_down(const struct heap *h, size_t from, size_t n)
{
    for (size_t child; (child = 2 * from + 1) < n; from = child) {
        if (child + 1 < n)
            child += h->is_before(element(h, child), element(h, child + 1));
        if (!h->is_before(element(h, from), element(h, child)))
            return;
        swap(h, from, child);
    }
}

void sort_in_place(void *elements, size_t n, size_t bytes,
                   bool (*is_before)(const void *a, const void *b))
{
    const struct heap h = {elements, bytes, is_before};
    for (size_t i = n / 2; i-- > 0;)
        sift_down(&h, i, n);
    for (size_t last = n; last-- > 1;) {
        swap(&h, 0, last);
        sift_down(&h, 0, last);
    }
}
