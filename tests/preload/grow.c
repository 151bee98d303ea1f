/* A buffer grown by realloc to 96 MiB and shrunk again, in several step widths, with another beside it. */
#include "check.h"

static void grow(size_t from, size_t to, size_t step)
{
    unsigned char *p = malloc(from), *other = malloc(300000);
    fill(p, from, step);
    fill(other, 300000, step + 1);
    size_t bytes = from;
    while (bytes < to) {
        size_t more = bytes + step;
        p = realloc(p, more);
        CHECK(p != NULL && holds(p, bytes, bytes, step));
        fill(p, more, step);
        bytes = more;
    }
    while (bytes > step + from) {
        size_t less = bytes / 2;
        p = realloc(p, less);
        CHECK(p != NULL && holds(p, less, bytes, step));
        bytes = less;
        fill(p, bytes, step);
    }
    CHECK(holds(other, 300000, 300000, step + 1));
    free(other);
    free(p);
    printf("grown by %zu to %zu\n", step, to);
}

int main(void)
{
    check_allocator();
    grow(1, (size_t)1 << 20, 4097);
    grow(65536, (size_t)8 << 20, 65536);
    grow(1000, (size_t)96 << 20, (size_t)3 << 20);
    grow((size_t)1 << 20, (size_t)64 << 20, ((size_t)4 << 20) + 12345);
    return 0;
}
