/*
 * hakmem: a memory allocator that learns where memory should come from.
 *
 * Nothing here is needed to use it: preload or link libhakmem and malloc is hakmem's. This is for
 * programs that want to name their sites, to load and save policies, or to read statistics.
 * Every function may be called from any thread; none may be called from a signal handler.
 */
#ifndef HAKMEM_HAKMEM_H
#define HAKMEM_HAKMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAKMEM_VERSION "0.1.0"
#define HAK_API        __attribute__((visibility("default")))

/* The malloc family, with the C library's contracts. The site is the caller's. */
HAK_API void *hak_malloc(size_t size);
HAK_API void *hak_calloc(size_t count, size_t size);
HAK_API void *hak_realloc(void *p, size_t size);
HAK_API void *hak_aligned_alloc(size_t alignment,
                                size_t size); /* alignment: a power of two, else EINVAL */
HAK_API void hak_free(void *p);
HAK_API size_t hak_usable_size(const void *p);

/*
 * As hak_malloc, for a site of the program's own naming. `site` comes from hak_site(); 0 is "unknown" and
 * gets the defaults. NULL + ENOMEM.
 */
HAK_API void *hak_alloc_at(size_t size, uint64_t site);

/*
 * The ID of a named site: file and line hashed with XXH3-64. Never 0. The same in every run, and in every build in which
 * both are the same: __FILE__ is the path as the compiler was given it, so builds from other directories agree
 * only with relative paths or -fmacro-prefix-map=DIR=.
 */
HAK_API uint64_t hak_site(const char *file, unsigned line);

/* Allocates at a site that is this file and line. */
#define HAK_ALLOC(size)                                                                            \
    __extension__({                                                                                \
        static uint64_t hak_site_here_;                                                            \
        uint64_t hak_site_ = __atomic_load_n(&hak_site_here_, __ATOMIC_RELAXED);                   \
        if (hak_site_ == 0) {                                                                      \
            hak_site_ = hak_site(__FILE__, __LINE__);                                              \
            __atomic_store_n(&hak_site_here_, hak_site_, __ATOMIC_RELAXED);                        \
        }                                                                                          \
        hak_alloc_at((size), hak_site_);                                                           \
    })

/* Loads a policy file in place of the one in use. 0, or -errno (-EBADMSG: not a valid policy; one line on
 * stderr says where; -EPERM: HAKMEM_ARM plays one arm everywhere) and the policy in use stays. */
HAK_API int hak_policy_load(const char *path);

/* Merges what this process learned into the file (created when missing). NULL: the file it was started with.
 * 0 or -errno. Outside learn mode: -EPERM. */
HAK_API int hak_policy_save(const char *path);

/*
 * The statistics as one JSON object, NUL-terminated, into buf[capacity]. Returns the bytes the whole text
 * needs without the NUL, as snprintf; 8 KiB are always enough.
 */
HAK_API size_t hak_stats(char *buf, size_t capacity);

/* One statistic by its name in stats_table.h. 0 or -ENOENT. */
HAK_API int hak_stat(const char *name, uint64_t *value);

/* Gives back what BigCache and the batch hold. Returns the bytes given back. */
HAK_API size_t hak_trim(void);

/* "hakmem 0.1.0": a program that finds this symbol has hakmem in its process. */
HAK_API const char *hak_version(void);

#ifdef __cplusplus
}
#endif

#endif
