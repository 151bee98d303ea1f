/*
 * The C library's names. Nothing is decided here: the return address is taken, which is the site, and the
 * corner cases of each function's contract are settled.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/heap_libc.h"
#include "alloc/start.h"
#include "alloc/store.h"
#include "hakmem/hakmem.h"

void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t align, size_t size);
void cfree(void *p);

HAK_EXPORT void *malloc(size_t size)
{
    void *p;
    if (HAK_UNLIKELY(size >= FLOOR_BYTES))
        return hak_alloc_at_site(size, 1, HAK_CALLER);
    return HAK_LIKELY(heap_pop(size, &p)) ? p : hak_malloc_small(size);
}

HAK_EXPORT void *calloc(size_t count, size_t size)
{
    return hak_calloc_at_site(count, size, HAK_CALLER);
}

HAK_EXPORT void *realloc(void *p, size_t size)
{
    return hak_realloc_at_site(p, size, HAK_CALLER);
}

HAK_EXPORT void *reallocarray(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return hak_realloc_at_site(p, bytes, HAK_CALLER);
}

HAK_EXPORT void free(void *p)
{
    hak_free_here(p);
}

HAK_EXPORT void cfree(void *p)
{
    hak_free_block(p);
}

HAK_EXPORT void free_sized(void *p, size_t size)
{
    hak_free_block(p);
}

HAK_EXPORT void free_aligned_sized(void *p, size_t align, size_t size)
{
    hak_free_block(p);
}

/* As glibc does, what is no power of two is rounded up to one. */
static void *align_at(size_t align, size_t size, struct caller caller)
{
    if (align > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    if (!is_pow2(align))
        align = align == 0 ? 1 : (size_t)2 << log2_floor(align);
    return hak_alloc_at_site(size, align, caller);
}

HAK_EXPORT void *memalign(size_t align, size_t size)
{
    return align_at(align, size, HAK_CALLER);
}

HAK_EXPORT void *aligned_alloc(size_t align, size_t size)
{
    return align_at(align, size, HAK_CALLER);
}

HAK_EXPORT int posix_memalign(void **out, size_t align, size_t size)
{
    int saved_errno = errno;
    if (!is_pow2(align) || align % sizeof(void *) != 0)
        return EINVAL;
    void *p = hak_alloc_at_site(size, align, HAK_CALLER);
    errno = saved_errno;
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

static size_t page_bytes(void)
{
    return is_started() && arena.page_bytes != 0 ? arena.page_bytes : GRANULE_BYTES;
}

HAK_EXPORT void *valloc(size_t size)
{
    return hak_alloc_at_site(size, page_bytes(), HAK_CALLER);
}

HAK_EXPORT void *pvalloc(size_t size)
{
    size_t page = page_bytes();
    if (size > SIZE_MAX - page) {
        errno = ENOMEM;
        return NULL;
    }
    return hak_alloc_at_site(align_up(size, page), page, HAK_CALLER);
}

HAK_EXPORT size_t malloc_usable_size(void *p)
{
    return hak_block_bytes(p);
}

HAK_EXPORT int malloc_trim(size_t pad)
{
    size_t bytes = hak_trim();
    return libc_trim(pad) != 0 || bytes != 0;
}

__attribute__((constructor)) static void loaded(void)
{
    start_in_constructor();
}

__attribute__((destructor)) static void unloaded(void)
{
    start_finish();
}
