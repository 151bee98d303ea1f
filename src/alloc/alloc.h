/*
 * The two stories of the program: how a block is served, and how it is taken back.
 *
 * All functions have the C library's contracts, errno included, and may be called at any time by any thread: before
 * hakmem is started, in a child after fork, and after exit.
 */
#ifndef HAK_ALLOC_ALLOC_H
#define HAK_ALLOC_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/heap.h"
#include "alloc/span.h"
#include "base/attr.h"
#include "base/bits.h"
#include "policy/policy.h"

/*
 * In a function that a program calls: its caller. Where the caller's frame ends clang only knows with a frame pointer, which every
 * call of malloc would pay for; where the stack ends now is as good, since it is as far from there in every call.
 */
#if defined(__clang__) && defined(__x86_64__)
#define HAK_STACK_END                                                                              \
    __extension__({                                                                                \
        uintptr_t end_;                                                                            \
        __asm__("mov %%rsp, %0" : "=r"(end_));                                                     \
        end_;                                                                                      \
    })
#else
#define HAK_STACK_END ((uintptr_t)__builtin_dwarf_cfa())
#endif
#define HAK_CALLER ((struct caller){(uintptr_t)__builtin_return_address(0), HAK_STACK_END})

/* At the start. */
void hak_alloc_start(const struct os_machine *machine);

void *hak_alloc_at_site(size_t size, size_t align,
                        struct caller caller); /* align: a power of two, or 1 */
void *hak_calloc_at_site(size_t count, size_t size, struct caller caller);
void *hak_realloc_at_site(void *p, size_t size, struct caller caller);
void hak_free_block(void *p);
size_t hak_block_bytes(const void *p); /* usable; 0 for NULL */

void *hak_malloc_small(size_t size); /* under the floor, where the heap's fast path has none */
void hak_free_slowly(void *p);

/* free as its callers have it: what nearly every call does is in line. */
static inline void hak_free_here(void *p)
{
    if (HAK_UNLIKELY(!heap_free_own(p)))
        hak_free_slowly(p);
}

/* alloc/start.c */
enum start_state { START_NOT, START_UNDER_WAY, START_DONE };
extern _Atomic int start_state;
extern _Atomic bool start_measures; /* blocks of the heap are measured too: a learning process */

bool start_now(void);

static inline bool is_measuring(void)
{
    return atomic_load_explicit(&start_measures, memory_order_acquire);
}

/* Whether hakmem is ready. The first large block starts it; who comes in between is served by the heap. */
static inline bool is_started(void)
{
    return HAK_LIKELY(atomic_load_explicit(&start_state, memory_order_acquire) == START_DONE) ||
           start_now();
}

#endif
