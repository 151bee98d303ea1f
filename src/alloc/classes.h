/*
 * Size classes of the heap's blocks: multiples of 16 up to 128 bytes, then eight to a doubling, so that from 128 bytes
 * up at most 12.5 % of a block is lost by rounding (tests/unit/test_classes.c goes through all sizes).
 *
 * A slab holds blocks of one class and is a power of two in size, at a multiple of it: 64 KiB as long as 16 blocks
 * fit, else the power of two that holds at least 16; 8 from the floor up. What is not touched costs nothing.
 */
#ifndef HAK_ALLOC_CLASSES_H
#define HAK_ALLOC_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"

/* clang-format off */
#define CLASS_OCTAVE(X, b)                                                                         \
    X((b) + (b) / 8) X((b) + (b) / 4) X((b) + (b) * 3 / 8) X((b) + (b) / 2)                        \
    X((b) + (b) * 5 / 8) X((b) + (b) * 3 / 4) X((b) + (b) * 7 / 8) X((b) * 2)

#define CLASS_TABLE(X)                                                                             \
    X(16) X(32) X(48) X(64) X(80) X(96) X(112) X(128)                                              \
    CLASS_OCTAVE(X, 128) CLASS_OCTAVE(X, 256) CLASS_OCTAVE(X, 512) CLASS_OCTAVE(X, 1024)           \
    CLASS_OCTAVE(X, 2048) CLASS_OCTAVE(X, 4096) CLASS_OCTAVE(X, 8192) CLASS_OCTAVE(X, 16384)       \
    CLASS_OCTAVE(X, 32768) CLASS_OCTAVE(X, 65536) CLASS_OCTAVE(X, 131072)                          \
    CLASS_OCTAVE(X, 262144) CLASS_OCTAVE(X, 524288)
/* clang-format on */

enum {
    CLASS_STEP_SHIFT = 4, /* the smallest class, and every alignment */
    CLASS_STEP_BYTES = 1 << CLASS_STEP_SHIFT,
    CLASS_COUNT = 0
#define X(bytes) +1
    CLASS_TABLE(X)
#undef X
        ,
    CLASS_MAX_BYTES = 1 << 20, /* the largest block of the heap */
    SLAB_SHIFT_MIN = GRANULE_SHIFT,
    SLAB_SHIFT_MAX = 23,
    SLAB_BLOCKS_MIN = 8, /* twice that under the floor */
};

struct block_class {
    uint32_t bytes;
    uint32_t blocks; /* in a slab */
    uint32_t slab_shift;
    uint32_t
        carved; /* blocks carved at a time: about a page, so that no more is touched than is used */
};

extern const struct block_class block_classes[CLASS_COUNT];

/* 2^64 / bytes, rounded up: n < 2^32 is a multiple of bytes where n * inverse < inverse (modulo 2^64; Lemire, Kaser
 * and Kurz, "Faster remainder by direct computation", 2019). */
extern const uint64_t class_inverse[CLASS_COUNT];

/* The class of every size under the floor, by its number of steps of 16 bytes, rounded up. */
enum { CLASS_INDEXES = FLOOR_BYTES >> CLASS_STEP_SHIFT };
extern const uint8_t class_by_steps[CLASS_INDEXES + 1];

/* The class of a size under the floor. */
static inline unsigned class_of_small(size_t size)
{
    return class_by_steps[(size + CLASS_STEP_BYTES - 1) >> CLASS_STEP_SHIFT];
}

/* The class of a size from 1 to CLASS_MAX_BYTES, as a constant expression too. */
#define CLASS_OCTAVE_OF(bytes) (63 - __builtin_clzll((unsigned long long)(bytes)-1))
#define CLASS_OF(bytes)                                                                            \
    ((bytes) <= 128                                                                                \
         ? ((bytes)-1) >> CLASS_STEP_SHIFT                                                         \
         : (CLASS_OCTAVE_OF(bytes) - 6) * 8 + (((bytes)-1) >> (CLASS_OCTAVE_OF(bytes) - 3) & 7))

/* The smallest class that holds `bytes`, at most CLASS_MAX_BYTES. */
static inline unsigned class_of(size_t bytes)
{
    return bytes == 0 ? 0 : (unsigned)CLASS_OF(bytes);
}

#endif
