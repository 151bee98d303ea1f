/*
 * Powers of two, and the sizes everything is counted in.
 */
#ifndef HAK_BASE_BITS_H
#define HAK_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GRANULE_SHIFT = 16, /* spans are counted in granules of 64 KiB */
    GRANULE_BYTES = 1 << GRANULE_SHIFT,
    FLOOR_BYTES = 64 * 1024,        /* under it nothing is learned and nothing is looked up */
    HEAP_MAX_BYTES = 1 << 20,       /* the largest block that shares a slab with others */
    HEAP_HUGE_PAGE_BYTES = 2 << 20, /* the largest huge page that a slab fills as a whole */
    BAND_FIRST = 16,                /* floor(log2(FLOOR_BYTES)) */
    BAND_LAST = 40,                 /* blocks of 1 TiB and above share the last band */
    BAND_COUNT = BAND_LAST - BAND_FIRST + 1,
};

static inline bool is_pow2(size_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* floor(log2(x)); x must not be 0. */
static inline unsigned log2_floor(uint64_t x)
{
    return 63u - (unsigned)__builtin_clzll(x);
}

/* x rounded up to a multiple of `align` (a power of two). The caller has excluded overflow. */
static inline size_t align_up(size_t x, size_t align)
{
    return (x + align - 1) & ~(align - 1);
}

static inline size_t align_down(size_t x, size_t align)
{
    return x & ~(align - 1);
}

/* The band (BAND_FIRST..BAND_LAST) of a block of `size` bytes; size >= FLOOR_BYTES. */
static inline unsigned band_of(size_t size)
{
    unsigned band = log2_floor(size);
    return band > BAND_LAST ? BAND_LAST : band;
}

enum { GRANULE_CLASSES = 112 }; /* enough for 2^28 granules, 16 TiB */

/* Size class of a span: four to a doubling, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, ... granules. */
static inline unsigned granule_class(uint64_t granules)
{
    if (granules < 4)
        return (unsigned)granules;
    unsigned octave = log2_floor(granules);
    unsigned class = octave * 4 - 4 + (unsigned)((granules >> (octave - 2)) & 3);
    return class < GRANULE_CLASSES ? class : GRANULE_CLASSES - 1;
}

/* A set of size classes: those whose lists are not empty. */
struct class_set {
    uint64_t word[(GRANULE_CLASSES + 63) / 64];
};

static inline void class_set_add(struct class_set *set, unsigned class)
{
    set->word[class / 64] |= (uint64_t)1 << class % 64;
}

static inline void class_set_remove(struct class_set *set, unsigned class)
{
    set->word[class / 64] &= ~((uint64_t)1 << class % 64);
}

/* The first member at or after `class`; GRANULE_CLASSES: there is none. */
static inline unsigned class_set_next(const struct class_set *set, unsigned class)
{
    while (class < GRANULE_CLASSES) {
        uint64_t word = set->word[class / 64] >> class % 64;
        if (word != 0)
            return class + (unsigned)__builtin_ctzll(word);
        class = (class / 64 + 1) * 64;
    }
    return GRANULE_CLASSES;
}

/* Sums stay at the top when they get there: after centuries of nanoseconds. */
static inline uint64_t add_saturating(uint64_t a, uint64_t b)
{
    uint64_t s;
    return __builtin_add_overflow(a, b, &s) ? UINT64_MAX : s;
}

#endif
