/*
 * C++'s operators new and delete, so that the site is the `new` in the program and not the C++ library's call
 * of malloc.
 *
 * A program may replace some of them; the C++ library's others then call the replaced ones. So where
 * operator new or delete is not ours the C++ library's versions are called, as if these were not here. They are
 * called too when there is no memory: they know the new-handler, and how to throw.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "alloc/alloc.h"

/* Itanium C++ ABI; `m` is size_t on every 64-bit target. */
#define NEW_TABLE(X)                                                                               \
    X(_Znwm, (size_t size), (size), 1)                                                             \
    X(_Znam, (size_t size), (size), 1)                                                             \
    X(_ZnwmRKSt9nothrow_t, (size_t size, const void *tag), (size, tag), 1)                         \
    X(_ZnamRKSt9nothrow_t, (size_t size, const void *tag), (size, tag), 1)                         \
    X(_ZnwmSt11align_val_t, (size_t size, size_t align), (size, align), align)                     \
    X(_ZnamSt11align_val_t, (size_t size, size_t align), (size, align), align)                     \
    X(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag),            \
      (size, align, tag), align)                                                                   \
    X(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag),            \
      (size, align, tag), align)

#define DELETE_TABLE(X)                                                                            \
    X(_ZdlPv, (void *p), (p))                                                                      \
    X(_ZdaPv, (void *p), (p))                                                                      \
    X(_ZdlPvm, (void *p, size_t size), (p, size))                                                  \
    X(_ZdaPvm, (void *p, size_t size), (p, size))                                                  \
    X(_ZdlPvRKSt9nothrow_t, (void *p, const void *tag), (p, tag))                                  \
    X(_ZdaPvRKSt9nothrow_t, (void *p, const void *tag), (p, tag))                                  \
    X(_ZdlPvSt11align_val_t, (void *p, size_t align), (p, align))                                  \
    X(_ZdaPvSt11align_val_t, (void *p, size_t align), (p, align))                                  \
    X(_ZdlPvmSt11align_val_t, (void *p, size_t size, size_t align), (p, size, align))              \
    X(_ZdaPvmSt11align_val_t, (void *p, size_t size, size_t align), (p, size, align))              \
    X(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t align, const void *tag),               \
      (p, align, tag))                                                                             \
    X(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t align, const void *tag),               \
      (p, align, tag))

#define X(name, parameters, arguments, align) void *name parameters;
NEW_TABLE(X)
#undef X
#define X(name, parameters, arguments) void name parameters;
DELETE_TABLE(X)
#undef X

enum { UNKNOWN, OURS, REPLACED };

static _Atomic int operators;

static HAK_COLD bool look_whether_replaced(void)
{
    bool replaced = dlsym(RTLD_DEFAULT, "_Znwm") != (void *)(uintptr_t)_Znwm ||
                    dlsym(RTLD_DEFAULT, "_ZdlPv") != (void *)(uintptr_t)_ZdlPv;
    atomic_store_explicit(&operators, replaced ? REPLACED : OURS, memory_order_relaxed);
    return replaced;
}

static inline bool are_ours(void)
{
    return atomic_load_explicit(&operators, memory_order_relaxed) == OURS;
}

static bool are_replaced(void)
{
    int known = atomic_load_explicit(&operators, memory_order_relaxed);
    return known == REPLACED || (known == UNKNOWN && look_whether_replaced());
}

/*
 * The C++ library's own; there is one, or nobody could have called ours. Where it came with a plugin that shows its names to nobody
 * else, it is found by its file.
 */
static HAK_COLD void *look_behind_us(const char *name)
{
    static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1"};
    void *found = dlsym(RTLD_NEXT, name);
    for (unsigned i = 0; found == NULL && i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library != NULL)
            found = dlsym(library, name);
    }
    if (found == NULL)
        abort();
    return found;
}

/* Looked for once: the loader's lock may be held by one who waits for this thread. A race finds the same twice. */
static inline void *behind_us(void *_Atomic *known, const char *name)
{
    void *found = atomic_load_explicit(known, memory_order_relaxed);
    if (found == NULL) {
        found = look_behind_us(name);
        atomic_store_explicit(known, found, memory_order_relaxed);
    }
    return found;
}

#define UNWRAP(...) __VA_ARGS__

static inline void *serve(size_t size, size_t align, struct caller caller)
{
    return align == 1 && size < FLOOR_BYTES ? hak_malloc_small(size)
                                            : hak_alloc_at_site(size, align, caller);
}

/*
 * What nearly every call does is in the operators themselves, all else in a function of its own, so that they need no
 * stack frame.
 */
#define X(name, parameters, arguments, align_bytes)                                                \
    static HAK_NOINLINE void *name##_slowly(UNWRAP parameters, struct caller caller)               \
    {                                                                                              \
        static void *_Atomic behind;                                                               \
        void *p = are_replaced() ? NULL : serve(size, align_bytes, caller);                        \
        if (HAK_LIKELY(p != NULL))                                                                 \
            return p;                                                                              \
        return ((void *(*)parameters)behind_us(&behind, #name))arguments;                          \
    }                                                                                              \
    HAK_EXPORT void *name parameters                                                               \
    {                                                                                              \
        void *p;                                                                                   \
        if (HAK_LIKELY(align_bytes == 1 && size < FLOOR_BYTES && are_ours() &&                     \
                       heap_pop(size, &p)))                                                        \
            return p;                                                                              \
        return name##_slowly(UNWRAP arguments, HAK_CALLER);                                        \
    }
NEW_TABLE(X)
#undef X

#define X(name, parameters, arguments)                                                             \
    static HAK_NOINLINE void name##_slowly parameters                                              \
    {                                                                                              \
        static void *_Atomic behind;                                                               \
        if (HAK_LIKELY(!are_replaced()))                                                           \
            hak_free_slowly(p);                                                                    \
        else                                                                                       \
            ((void(*) parameters)behind_us(&behind, #name)) arguments;                             \
    }                                                                                              \
    HAK_EXPORT void name parameters                                                                \
    {                                                                                              \
        if (HAK_UNLIKELY(!are_ours() || !heap_free_own(p)))                                        \
            name##_slowly arguments;                                                               \
    }
DELETE_TABLE(X)
#undef X
