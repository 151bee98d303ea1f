#include "alloc/checks.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "alloc/slab.h"
#include "os/os.h"

static_assert(!CHECKS_FULL || CHECKS_BYTES == 2 * sizeof(uint64_t), "two canaries");

enum { WAITING = CHECKS_FULL ? 256 : 1, JUNK_NEW = 0xA5, JUNK_FREED = 0xDF };

static _Thread_local struct {
    struct {
        unsigned char *p;
        size_t bytes;
    } block[WAITING];
    unsigned next; /* the place of the one that has waited longest */
} ring __attribute__((tls_model("initial-exec")));

static uint64_t canary_of(const void *p)
{
    return slabs.key ^ (uint64_t)(uintptr_t)p;
}

/* All of the last CHECKS_BYTES, so that the first byte behind what is usable is noticed. */
static bool has_canary(const unsigned char *p, size_t bytes, uint64_t canary)
{
    const uint64_t words[2] = {canary, canary};
    return memcmp(p + bytes - sizeof(words), words, sizeof(words)) == 0;
}

static void write_canary(unsigned char *p, size_t bytes, uint64_t canary)
{
    const uint64_t words[2] = {canary, canary};
    memcpy(p + bytes - sizeof(words), words, sizeof(words));
}

void checks_born(void *p, size_t bytes)
{
    memset(p, JUNK_NEW, bytes - CHECKS_BYTES);
    write_canary(p, bytes, canary_of(p));
}

static void *take_oldest(void)
{
    unsigned char *p = ring.block[ring.next].p;
    size_t bytes = ring.block[ring.next].bytes;
    ring.block[ring.next].p = NULL;
    for (size_t i = 0; p != NULL && i < bytes - CHECKS_BYTES; i++)
        if (p[i] != JUNK_FREED)
            os_fatal("a block was written to after free():", p);
    return p;
}

void *checks_freed(void *p, size_t bytes)
{
    if (has_canary(p, bytes, ~canary_of(p)))
        os_fatal("free() of a block that is free already:", p);
    if (!has_canary(p, bytes, canary_of(p)))
        os_fatal("a block was written to beyond its end:", p);
    memset(p, JUNK_FREED, bytes - CHECKS_BYTES);
    write_canary(p, bytes, ~canary_of(p));

    void *oldest = take_oldest();
    ring.block[ring.next].p = p;
    ring.block[ring.next].bytes = bytes;
    ring.next = (ring.next + 1) % WAITING;
    return oldest;
}

void *checks_take_waiting(void)
{
    for (unsigned i = 0; i < WAITING; i++) {
        void *p = take_oldest();
        ring.next = (ring.next + 1) % WAITING;
        if (p != NULL)
            return p;
    }
    return NULL;
}
