/*
 * Compiler attributes and the few macros every layer uses.
 */
#ifndef HAK_BASE_ATTR_H
#define HAK_BASE_ATTR_H

#include <stddef.h>

#define HAK_LIKELY(x)   __builtin_expect(!!(x), 1)
#define HAK_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define HAK_EXPORT      __attribute__((visibility("default")))
#define HAK_NOINLINE    __attribute__((noinline))
#define HAK_COLD        __attribute__((cold, noinline))
/* A large block goes through these, so they lie together: what asks rarely finds nothing in the caches. */
#define HAK_HOT          __attribute__((hot))
#define HAK_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Which sanitizer this is compiled for: gcc defines a macro, clang has a feature. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define HAK_THREAD_SANITIZER 1
#else
#define HAK_THREAD_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define HAK_ADDRESS_SANITIZER 1
#else
#define HAK_ADDRESS_SANITIZER 0
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of which `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
