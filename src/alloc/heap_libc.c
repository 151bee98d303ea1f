/*
 * The heap is the C library's own, by the names under which glibc keeps it for those who interpose malloc. Where
 * nothing is interposed (sanitizers, other C libraries) the plain names are the right ones.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "alloc/heap_libc.h"
#include "base/attr.h"

#if HAK_ADDRESS_SANITIZER || HAK_THREAD_SANITIZER || !defined(__GLIBC__)
#define HEAP_PLAIN 1
#define LIBC(name) name
#else
#include <gnu/lib-names.h>
#define LIBC(name) __libc_##name
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);
#endif

/*
 * glibc starts its heap with the first block, and takes it that no other thread is there yet: it sees to that itself when it creates
 * one, but not where its blocks are ours. The first block also draws a random number, which is a cancellation point; malloc is none.
 */
static _Atomic bool is_ready;

static void make_ready(void)
{
    int cancelling;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
    LIBC(free)(LIBC(malloc)(1));
    pthread_setcancelstate(cancelling, NULL);
    atomic_store_explicit(&is_ready, true, memory_order_release);
}

HAK_COLD void libc_make_ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_ready);
}

static inline void be_ready(void)
{
    if (HAK_UNLIKELY(!atomic_load_explicit(&is_ready, memory_order_acquire)))
        libc_make_ready();
}

void *libc_malloc(size_t size)
{
    be_ready();
    return LIBC(malloc)(size);
}

void *libc_calloc(size_t count, size_t size)
{
    be_ready();
    return LIBC(calloc)(count, size);
}

void *libc_memalign(size_t align, size_t size)
{
    be_ready();
    return LIBC(memalign)(align, size);
}

void *libc_alloc(size_t size, size_t align, bool zeroed)
{
    if (zeroed)
        return libc_calloc(1, size);
    return align > alignof(max_align_t) ? libc_memalign(align, size) : libc_malloc(size);
}

void *libc_realloc(void *p, size_t size)
{
    be_ready();
    return LIBC(realloc)(p, size);
}

void libc_free(void *p)
{
    LIBC(free)(p);
}

/*
 * What has no second name is found in the C library by its file, for "the next one behind us" may be another
 * allocator that the program is linked with (redis-server has jemalloc). A race finds the same address twice.
 */
#ifndef HEAP_PLAIN
static void *in_libc(const char *name)
{
    void *libc = dlopen(LIBC_SO, RTLD_LAZY | RTLD_NOLOAD);
    return libc != NULL ? dlsym(libc, name) : NULL;
}

#define IN_LIBC(type, name)                                                                        \
    static type found;                                                                             \
    type function = __atomic_load_n(&found, __ATOMIC_RELAXED);                                     \
    if (HAK_UNLIKELY(function == NULL)) {                                                          \
        function = (type)in_libc(name);                                                            \
        __atomic_store_n(&found, function, __ATOMIC_RELAXED);                                      \
    }
#endif

typedef size_t (*usable_size_function)(void *);
typedef int (*trim_function)(size_t);

size_t libc_usable_size(const void *p)
{
#ifdef HEAP_PLAIN
    return malloc_usable_size((void *)(uintptr_t)p);
#else
    IN_LIBC(usable_size_function, "malloc_usable_size")
    return function != NULL ? function((void *)(uintptr_t)p) : 0;
#endif
}

int libc_trim(size_t pad)
{
#ifdef HEAP_PLAIN
    return 0;
#else
    IN_LIBC(trim_function, "malloc_trim")
    be_ready();
    return function != NULL ? function(pad) : 0;
#endif
}
