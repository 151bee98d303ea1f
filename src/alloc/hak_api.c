/*
 * The explicit API of include/hakmem/hakmem.h.
 */
#include "hakmem/hakmem.h"

#include <errno.h>

#include "alloc/alloc.h"
#include "alloc/store.h"
#include "policy/policy.h"
#include "stats/stats.h"

void *hak_malloc(size_t size)
{
    return hak_alloc_at_site(size, 1, HAK_CALLER);
}

void *hak_calloc(size_t count, size_t size)
{
    return hak_calloc_at_site(count, size, HAK_CALLER);
}

void *hak_realloc(void *p, size_t size)
{
    return hak_realloc_at_site(p, size, HAK_CALLER);
}

void *hak_aligned_alloc(size_t alignment, size_t size)
{
    if (!is_pow2(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return hak_alloc_at_site(size, alignment, HAK_CALLER);
}

void hak_free(void *p)
{
    hak_free_block(p);
}

size_t hak_usable_size(const void *p)
{
    return hak_block_bytes(p);
}

void *hak_alloc_at(size_t size, uint64_t site)
{
    return hak_alloc_at_site(size, 1, AT_SITE(site));
}

uint64_t hak_site(const char *file, unsigned line)
{
    is_started();
    return policy_name_site(file, line);
}

int hak_policy_load(const char *path)
{
    if (path == NULL)
        return -EINVAL;
    return is_started() ? policy_load(path) : -EAGAIN;
}

int hak_policy_save(const char *path)
{
    return is_started() ? policy_save(path) : -EAGAIN;
}

size_t hak_stats(char *buf, size_t capacity)
{
    if (is_started())
        store_set_gauges();
    stats_read_usage();
    return stats_print(buf, capacity);
}

int hak_stat(const char *name, uint64_t *value)
{
    int id = stats_by_name(name);
    if (id < 0)
        return -ENOENT;
    if (is_started())
        store_set_gauges();
    stats_read_usage();
    *value = stat_get((enum stat_id)id);
    return 0;
}

size_t hak_trim(void)
{
    if (!is_started())
        return 0;
    heap_trim();
    return store_trim();
}

const char *hak_version(void)
{
    return "hakmem " HAK_VERSION;
}
