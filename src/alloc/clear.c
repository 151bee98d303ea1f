#include "alloc/clear.h"

#include <stdbool.h>
#include <string.h>

#include "alloc/flush.h"
#include "alloc/span.h"
#include "base/bits.h"
#include "os/os.h"

enum {
    LOOK_MIN_BYTES = 256 << 10, /* a smaller block is written in the time that looking takes */
    WINDOW_PAGES = 1024,        /* pages that one look shows */
    HOLES_MAX = 64,             /* given back in one call */
};

/* Stretches that are not resident. */
struct holes {
    size_t count;
    struct iovec at[HOLES_MAX];
};

static void give_back(struct holes *holes)
{
    /* Where that is refused (mlock) they are written after all. */
    if (holes->count > 0 && flush_vector(holes->at, &holes->count, OS_GIVE_BACK) != 0)
        for (size_t i = 0; i < holes->count; i++)
            memset(holes->at[i].iov_base, 0, holes->at[i].iov_len);
    holes->count = 0;
}

static void clear_stretch(char *p, size_t bytes, bool resident, struct holes *holes)
{
    if (resident) {
        memset(p, 0, bytes);
        return;
    }
    if (holes->count == HOLES_MAX)
        give_back(holes);
    holes->at[holes->count++] = (struct iovec){p, bytes};
}

static void clear_window(char *p, const unsigned char *resident, size_t pages, struct holes *holes)
{
    for (size_t at = 0, end; at < pages; at = end) {
        bool here = resident[at] & 1;
        for (end = at + 1; end < pages && (resident[end] & 1) == here; end++)
            ;
        clear_stretch(p + at * arena.page_bytes, (end - at) * arena.page_bytes, here, holes);
    }
}

void clear_used(char *p, size_t bytes)
{
    unsigned char resident[WINDOW_PAGES];
    size_t window_bytes = WINDOW_PAGES * arena.page_bytes;
    struct holes holes = {.count = 0};

    for (size_t at = 0; at < bytes; at += window_bytes) {
        size_t n = bytes - at < window_bytes ? bytes - at : window_bytes;
        size_t pages = align_up(n, arena.page_bytes) / arena.page_bytes;
        if (bytes < LOOK_MIN_BYTES ||
            os->residency(p + at, pages * arena.page_bytes, resident) != 0)
            memset(p + at, 0, n);
        else
            clear_window(p + at, resident, pages, &holes);
    }
    give_back(&holes);
}
