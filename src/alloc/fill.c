#include "alloc/fill.h"

#include "alloc/episode.h"
#include "policy/policy.h"
#include "stats/stats.h"

static size_t page_bytes_of(const struct span *s)
{
    return s->zone == ZONE_HUGE && arena.huge_bytes != 0 ? arena.huge_bytes : arena.page_bytes;
}

/* What populating left to do, which the block would otherwise pay for, and nobody see it (policy/calibrate.c). */
static void touch_all(const struct span *s, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += arena.page_bytes)
        *((volatile char *)span_address(s) + at) = 0;
}

/* Populates a cold span. */
static struct filled populate(const struct span *s, size_t bytes)
{
    size_t page = page_bytes_of(s), length = align_up(bytes, page);
    uint64_t since_ns = episode_clock(policy_learns());
    stat_add(STAT_os_madvise, 1);
    os->advise(span_address(s), length < span_bytes(s) ? length : span_bytes(s), OS_POPULATE);
    if (policy_learns())
        touch_all(s, bytes);
    uint64_t ns = episode_clock(policy_learns()) - since_ns;
    return (struct filled){ns, ns / (length / page)};
}

/*
 * Times the first fault of a cold span on huge pages, which its block will nearly always take anyway. Of base pages
 * one fault says nothing: what has to be had from the host of a virtual machine is had for many at once.
 */
static struct filled touch(const struct span *s, const struct decision *decision)
{
    if (decision->cell == NULL || page_bytes_of(s) == arena.page_bytes)
        return (struct filled){0, 0};
    uint64_t since_ns = episode_clock(true);
    *(volatile char *)span_address(s) = 0;
    uint64_t ns = episode_clock(true) - since_ns;
    return (struct filled){ns, ns};
}

struct filled fill_cold(const struct span *s, size_t bytes, const struct decision *decision)
{
    return arms[decision->arm].fill == FILL_PREFAULT ? populate(s, bytes) : touch(s, decision);
}
