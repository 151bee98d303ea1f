#include "alloc/classes.h"

#include <assert.h>

enum { CARVE_BYTES = 4096 };

#define SHIFT_FOR(bytes)                                                                           \
    ((bytes) <= 256      ? 16                                                                      \
     : (bytes) <= 512    ? 17                                                                      \
     : (bytes) <= 1024   ? 18                                                                      \
     : (bytes) <= 4096   ? 16                                                                      \
     : (bytes) <= 8192   ? 17                                                                      \
     : (bytes) <= 16384  ? 18                                                                      \
     : (bytes) <= 32768  ? 19                                                                      \
     : (bytes) <= 131072 ? 20                                                                      \
     : (bytes) <= 262144 ? 21                                                                      \
     : (bytes) <= 524288 ? 22                                                                      \
                         : 23)

/* A slab on huge pages is no less than one. */
#define SHIFT_OF(kind, bytes)                                                                      \
    ((kind) < KIND_HUGE_KEEP || SHIFT_FOR(bytes) > SLAB_SHIFT_HUGE ? SHIFT_FOR(bytes)              \
                                                                   : SLAB_SHIFT_HUGE)

const struct block_class block_classes[SLAB_CLASS_COUNT] = {
#define X(kind, size)                                                                              \
    {.bytes = (size),                                                                              \
     .blocks = (1u << SHIFT_OF(kind, size)) / (size),                                              \
     .carved = (size) < CARVE_BYTES ? CARVE_BYTES / (size) : 1,                                    \
     .slab_shift = SHIFT_OF(kind, size),                                                           \
     .pages = (kind) / KIND_HUGE_KEEP,                                                             \
     .retain = (kind) % KIND_HUGE_KEEP},
    SLAB_CLASS_TABLE(X)
#undef X
};
static_assert(PAGES_HUGE == 1 && KIND_HUGE_KEEP == RETAIN_DROP + 1 &&
                  KIND_COUNT == 2 * (RETAIN_DROP + 1),
              "a kind is pages and retain");

const uint64_t class_inverse[SLAB_CLASS_COUNT] = {
#define X(kind, size) UINT64_MAX / (size) + 1,
    SLAB_CLASS_TABLE(X)
#undef X
};

#define X(kind, size)                                                                              \
    static_assert((size) % CLASS_STEP_BYTES == 0, "every block is aligned to 16");                 \
    static_assert((1u << SHIFT_FOR(size)) / (size) >= ((size) <= SMALL_BYTES ? SMALL_BLOCKS_MIN    \
                                                       : (size) <= FLOOR_BYTES                     \
                                                           ? 2 * SLAB_BLOCKS_MIN                   \
                                                           : SLAB_BLOCKS_MIN),                     \
                  "a slab holds so many blocks");                                                  \
    static_assert(SHIFT_FOR(size) >= SLAB_SHIFT_MIN && SHIFT_FOR(size) <= SLAB_SHIFT_MAX,          \
                  "the shift is in a map entry, and bounds what a link may point to");
CLASS_TABLE(X, KIND_BASE_KEEP)
#undef X
static_assert(CLASS_COUNT <= 256, "the table of steps has bytes");
static_assert(1 << SLAB_SHIFT_HUGE == HEAP_HUGE_PAGE_BYTES && SLAB_SHIFT_HUGE <= SLAB_SHIFT_MAX,
              "a slab on huge pages is whole ones");

#define STEPS(n) (uint8_t) CLASS_OF((size_t)(n) << CLASS_STEP_SHIFT),
#define STEPS8(n)                                                                                  \
    STEPS((n) + 1)                                                                                 \
    STEPS((n) + 2)                                                                                 \
    STEPS((n) + 3) STEPS((n) + 4) STEPS((n) + 5) STEPS((n) + 6) STEPS((n) + 7) STEPS((n) + 8)
#define STEPS64(n)                                                                                 \
    STEPS8(n)                                                                                      \
    STEPS8((n) + 8)                                                                                \
    STEPS8((n) + 16)                                                                               \
    STEPS8((n) + 24) STEPS8((n) + 32) STEPS8((n) + 40) STEPS8((n) + 48) STEPS8((n) + 56)
#define STEPS512(n)                                                                                \
    STEPS64(n)                                                                                     \
    STEPS64((n) + 64)                                                                              \
    STEPS64((n) + 128)                                                                             \
    STEPS64((n) + 192) STEPS64((n) + 256) STEPS64((n) + 320) STEPS64((n) + 384) STEPS64((n) + 448)

const uint8_t class_by_steps[CLASS_INDEXES + 1] = {
    0, STEPS512(0) STEPS512(512) STEPS512(1024) STEPS512(1536) STEPS512(2048) STEPS512(2560)
           STEPS512(3072) STEPS512(3584)};
static_assert(CLASS_INDEXES == 8 * 512, "the table holds every size under the floor");
