/*
 * Size classes of the heap's blocks: multiples of 16 up to 128 bytes, then eight to a doubling, so that from 128 bytes
 * up at most 12.5 % of a block is lost by rounding (tests/unit/test_classes.c goes through all sizes); and under the floor one
 * right above each power of two, for what has a header of its program's.
 *
 * A slab holds blocks of one class and is a power of two in size, at a multiple of it, 64 KiB at least. It holds 256
 * blocks up to 1 KiB, so that most of what is freed is in the slab that blocks are taken from; 16 above; 8 from the floor
 * up. What is not touched costs nothing.
 *
 * Blocks at or above the floor are asked for by arms, which say on which pages they lie and what becomes of a slab that is
 * empty: six kinds of slabs. Kind 0 has a class for every size, the others repeat those of the large sizes. Slabs on
 * huge pages are whole huge pages, so that giving one back splits none.
 */
#ifndef HAK_ALLOC_CLASSES_H
#define HAK_ALLOC_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "policy/arms.h"

/* clang-format off */
#define CLASS_OCTAVE(X, k, b)                                                                      \
    X(k, (b) + (b) / 8) X(k, (b) + (b) / 4) X(k, (b) + (b) * 3 / 8) X(k, (b) + (b) / 2)            \
    X(k, (b) + (b) * 5 / 8) X(k, (b) + (b) * 3 / 4) X(k, (b) + (b) * 7 / 8) X(k, (b) * 2)

#define CLASS_HEADER_BYTES(b) ((b) < 1024 ? 16 : (b) / 64)
#define CLASS_HEADED_OCTAVE(X, k, b) X(k, (b) + CLASS_HEADER_BYTES(b)) CLASS_OCTAVE(X, k, b)

#define CLASS_OCTAVES_ABOVE_FLOOR(X, k)                                                            \
    CLASS_OCTAVE(X, k, 65536) CLASS_OCTAVE(X, k, 131072)                                           \
    CLASS_OCTAVE(X, k, 262144) CLASS_OCTAVE(X, k, 524288)

/* All sizes; every X is given the kind, too. */
#define CLASS_TABLE(X, k)                                                                          \
    X(k, 16) X(k, 32) X(k, 48) X(k, 64) X(k, 80) X(k, 96) X(k, 112) X(k, 128)                      \
    CLASS_OCTAVE(X, k, 128)                                                                        \
    CLASS_HEADED_OCTAVE(X, k, 256) CLASS_HEADED_OCTAVE(X, k, 512)                                  \
    CLASS_HEADED_OCTAVE(X, k, 1024) CLASS_HEADED_OCTAVE(X, k, 2048)                                \
    CLASS_HEADED_OCTAVE(X, k, 4096) CLASS_HEADED_OCTAVE(X, k, 8192)                                \
    CLASS_HEADED_OCTAVE(X, k, 16384) CLASS_HEADED_OCTAVE(X, k, 32768)                              \
    CLASS_OCTAVES_ABOVE_FLOOR(X, k)

/* Those of the floor and above it. */
#define LARGE_CLASS_TABLE(X, k) X(k, 65536) CLASS_OCTAVES_ABOVE_FLOOR(X, k)

#define SLAB_CLASS_TABLE(X)                                                                        \
    CLASS_TABLE(X, KIND_BASE_KEEP)                                                                 \
    LARGE_CLASS_TABLE(X, KIND_BASE_LAZY)                                                           \
    LARGE_CLASS_TABLE(X, KIND_BASE_DROP)                                                           \
    LARGE_CLASS_TABLE(X, KIND_HUGE_KEEP)                                                           \
    LARGE_CLASS_TABLE(X, KIND_HUGE_LAZY)                                                           \
    LARGE_CLASS_TABLE(X, KIND_HUGE_DROP)
/* clang-format on */

enum {
    CLASS_STEP_SHIFT = 4, /* the smallest class, and every alignment */
    CLASS_STEP_BYTES = 1 << CLASS_STEP_SHIFT,
    CLASS_COUNT = 0
#define X(kind, bytes) +1
    CLASS_TABLE(X, 0)
#undef X
        ,
    CLASS_MAX_BYTES = HEAP_MAX_BYTES,
    SLAB_SHIFT_MIN = GRANULE_SHIFT,
    SLAB_SHIFT_MAX = 23,
    SLAB_SHIFT_HUGE = 21, /* the least of one on huge pages */
    SLAB_BLOCKS_MIN = 8,  /* twice that under the floor */
    SMALL_BYTES = 1024,
    SMALL_BLOCKS_MIN = 256, /* up to those */
};

/* Pages, then retain. */
enum slab_kind {
    KIND_BASE_KEEP,
    KIND_BASE_LAZY,
    KIND_BASE_DROP,
    KIND_HUGE_KEEP,
    KIND_HUGE_LAZY,
    KIND_HUGE_DROP,
    KIND_COUNT,
};

static inline enum slab_kind kind_of(enum arm_pages pages, enum arm_retain retain)
{
    return (enum slab_kind)(pages * KIND_HUGE_KEEP + retain);
}

/* The class of a size from 1 to CLASS_MAX_BYTES, as a constant expression too. */
#define CLASS_OCTAVE_OF(bytes) (63 - __builtin_clzll((unsigned long long)(bytes)-1))
#define CLASS_EIGHTH_OF(bytes) (((bytes)-1) >> (CLASS_OCTAVE_OF(bytes) - 3) & 7)
#define CLASS_IS_HEADED(bytes)                                                                     \
    ((bytes) <=                                                                                    \
     (1ull << CLASS_OCTAVE_OF(bytes)) + CLASS_HEADER_BYTES(1ull << CLASS_OCTAVE_OF(bytes)))
#define CLASS_OF(bytes)                                                                            \
    ((bytes) <= 128           ? ((bytes)-1) >> CLASS_STEP_SHIFT                                    \
     : (bytes) <= 256         ? 8 + CLASS_EIGHTH_OF(bytes)                                         \
     : (bytes) <= FLOOR_BYTES ? 16 + (CLASS_OCTAVE_OF(bytes) - 8) * 9 +                            \
                                    (CLASS_IS_HEADED(bytes) ? 0 : 1 + CLASS_EIGHTH_OF(bytes))      \
                              : 88 + (CLASS_OCTAVE_OF(bytes) - 16) * 8 + CLASS_EIGHTH_OF(bytes))

enum {
    LARGE_CLASS_FIRST = CLASS_OF(FLOOR_BYTES),
    LARGE_CLASSES = CLASS_COUNT - LARGE_CLASS_FIRST,
    SLAB_CLASS_COUNT = CLASS_COUNT + (KIND_COUNT - 1) * LARGE_CLASSES,
};

struct block_class {
    uint32_t bytes;
    uint32_t blocks; /* in a slab */
    uint16_t
        carved; /* blocks carved at a time: about a page, so that no more is touched than is used */
    uint8_t slab_shift;
    uint8_t pages;  /* enum arm_pages */
    uint8_t retain; /* enum arm_retain: what becomes of an empty slab */
};

extern const struct block_class block_classes[SLAB_CLASS_COUNT];

/* 2^64 / bytes, rounded up: n < 2^32 is a multiple of bytes where n * inverse < inverse (modulo 2^64; Lemire, Kaser
 * and Kurz, "Faster remainder by direct computation", 2019). */
extern const uint64_t class_inverse[SLAB_CLASS_COUNT];

/* The class of every size under the floor, by its number of steps of 16 bytes, rounded up. */
enum { CLASS_INDEXES = FLOOR_BYTES >> CLASS_STEP_SHIFT };
extern const uint8_t class_by_steps[CLASS_INDEXES + 1];

/* The class of a size under the floor. */
static inline unsigned class_of_small(size_t size)
{
    return class_by_steps[(size + CLASS_STEP_BYTES - 1) >> CLASS_STEP_SHIFT];
}

/* The smallest class that holds `bytes`, at most CLASS_MAX_BYTES. */
static inline unsigned class_of(size_t bytes)
{
    return bytes == 0 ? 0 : (unsigned)CLASS_OF(bytes);
}

/* The class of that kind for blocks of the size of a class of kind 0, a large one where the kind is another. */
static inline unsigned class_of_kind(unsigned class, enum slab_kind kind)
{
    return kind == KIND_BASE_KEEP
               ? class
               : CLASS_COUNT + (kind - 1) * LARGE_CLASSES + class - LARGE_CLASS_FIRST;
}

static inline enum slab_kind kind_of_class(unsigned class)
{
    return class < CLASS_COUNT ? KIND_BASE_KEEP
                               : (enum slab_kind)(1 + (class - CLASS_COUNT) / LARGE_CLASSES);
}

/* The class of kind 0 for blocks of that size. */
static inline unsigned size_class(unsigned class)
{
    return class < CLASS_COUNT ? class : LARGE_CLASS_FIRST + (class - CLASS_COUNT) % LARGE_CLASSES;
}

#endif
