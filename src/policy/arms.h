/*
 * The 24 arms: every complete way to serve a large block and to take it back.
 *
 *   backing  heap: carved from memory shared with other blocks, which is filled by touch and retained when none of them
 *            lives any more; mmap: a span of its own
 *   pages    base pages (4, 16 or 64 KiB), or the kernel's huge pages (2 MiB on x86-64)
 *   fill     touch: faulted in on first touch; prefault: populated at once when the span is cold
 *   retain   keep: into BigCache, resident; lazy: into BigCache, and queued for MADV_FREE;
 *            drop: queued for MADV_DONTNEED
 *
 * Files hold the names, never the numbers.
 */
#ifndef HAK_POLICY_ARMS_H
#define HAK_POLICY_ARMS_H

#include <stdint.h>

enum arm_backing { BACKING_HEAP, BACKING_MMAP };
enum arm_pages { PAGES_BASE, PAGES_HUGE };
enum arm_fill { FILL_TOUCH, FILL_PREFAULT };
enum arm_retain { RETAIN_KEEP, RETAIN_LAZY, RETAIN_DROP };

#define ARM_TABLE_OF(X, B, b)                                                                      \
    X(B, b, BASE, base, TOUCH, touch, KEEP, keep)                                                  \
    X(B, b, BASE, base, TOUCH, touch, LAZY, lazy)                                                  \
    X(B, b, BASE, base, TOUCH, touch, DROP, drop)                                                  \
    X(B, b, BASE, base, PREFAULT, prefault, KEEP, keep)                                            \
    X(B, b, BASE, base, PREFAULT, prefault, LAZY, lazy)                                            \
    X(B, b, BASE, base, PREFAULT, prefault, DROP, drop)                                            \
    X(B, b, HUGE, huge, TOUCH, touch, KEEP, keep)                                                  \
    X(B, b, HUGE, huge, TOUCH, touch, LAZY, lazy)                                                  \
    X(B, b, HUGE, huge, TOUCH, touch, DROP, drop)                                                  \
    X(B, b, HUGE, huge, PREFAULT, prefault, KEEP, keep)                                            \
    X(B, b, HUGE, huge, PREFAULT, prefault, LAZY, lazy)                                            \
    X(B, b, HUGE, huge, PREFAULT, prefault, DROP, drop)

#define ARM_TABLE(X)                                                                               \
    ARM_TABLE_OF(X, HEAP, heap)                                                                    \
    ARM_TABLE_OF(X, MMAP, mmap)

/* ARM_HEAP_BASE_TOUCH_KEEP ... ARM_MMAP_HUGE_PREFAULT_DROP */
enum arm_id {
#define X(B, b, P, p, F, f, R, r) ARM_##B##_##P##_##F##_##R,
    ARM_TABLE(X)
#undef X
        ARM_COUNT,
    ARM_NONE = 0xff, /* no arm: not decided, not parsed */
};

struct arm {
    const char *name; /* "mmap/huge/touch/keep" */
    uint8_t backing, pages, fill, retain;
};

extern const struct arm arms[ARM_COUNT];

/* The arm that differs in its pages alone, or does not. */
enum arm_id arm_on_pages(enum arm_id arm, enum arm_pages pages);

/* The arm of that name; ARM_NONE when there is none. */
enum arm_id arm_by_name(const char *name);

/* A set of arms: bit i stands for arm i. */
typedef uint32_t arm_set;
#define ARM_BIT(i) ((arm_set)1 << (i))

/* What a machine and a size can do, and so which arms are the same there. */
struct arm_abilities {
    int huge_pages;      /* huge pages can be had for this size */
    int heap;            /* the heap can hold this size */
    int heap_pages;      /* the heap honours pages and retain (else its 12 arms are one) */
    int heap_huge_pages; /* blocks of the heap can share huge pages, whatever their size */
    int mmap;            /* the kill switch is not set */
    int lazy;            /* the kernel knows MADV_FREE */
    int prefault;        /* the kernel knows MADV_POPULATE_WRITE */
};

/*
 * For every arm the one that is played for it: itself; another that would do the same thing here
 * (pooled); ARM_NONE where it is masked. Returns the set of arms that stand for themselves.
 */
arm_set arm_pool(const struct arm_abilities *can, uint8_t played_as[ARM_COUNT]);

#endif
