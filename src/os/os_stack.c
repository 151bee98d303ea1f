/*
 * How deep a stack is, counted so that it is the same in every run: from where the first function of the thread began.
 */
#include <stdint.h>

#include "os/os_linux.h"

enum { DEPTH_SHIFT = 4 }; /* stacks are aligned to 16 bytes at calls */

static const uintptr_t DEPTH_MAX_BYTES = (uintptr_t)64 << 20;

/* The loader's note of where the main thread's stack began. Not every C library has one. */
extern void *__libc_stack_end __attribute__((weak));

static bool is_within(uintptr_t base, uintptr_t frame, uint32_t *depth)
{
    *depth = (uint32_t)((base - frame) >> DEPTH_SHIFT);
    return base - frame - 1 < DEPTH_MAX_BYTES;
}

/* A thread's own data lies at the top of its stack; of the main thread's, far away from it, below. */
uint32_t linux_depth_of(uintptr_t frame)
{
    uint32_t depth;
    if (is_within((uintptr_t)__builtin_thread_pointer(), frame, &depth))
        return depth;
    if (&__libc_stack_end != NULL && is_within((uintptr_t)__libc_stack_end, frame, &depth))
        return depth;
    return 0;
}
