#include "policy/pool.h"

#include <errno.h>
#include <stdint.h>

#include "base/bits.h"
#include "os/os.h"

enum {
    PIECE_ALIGN = 16,
    CHUNK_FIRST_BYTES = GRANULE_BYTES, /* a multiple of every page size there is */
    SPARE_BYTES = 4 << 20,
    CHUNK_LARGEST_BYTES = 4 << 20, /* growth by doubling ends here, so that little is left over */
};

struct chunk {
    struct chunk *next;
    size_t bytes, used; /* of the whole mapping, this header included */
};

struct policy_pool {
    struct chunk *newest; /* the one pieces are carved from */
    size_t next_bytes;
};

static const size_t header_bytes =
    (sizeof(struct chunk) + PIECE_ALIGN - 1) / PIECE_ALIGN * PIECE_ALIGN;

static struct chunk *chunk_new(size_t bytes)
{
    struct chunk *c = os->map(bytes);
    if (c == NULL)
        return NULL;
    c->bytes = bytes;
    c->used = header_bytes;
    return c;
}

static void *carve(struct chunk *c, size_t bytes)
{
    if (c->bytes - c->used < bytes)
        return NULL;
    void *p = (char *)c + c->used;
    c->used += align_up(bytes, PIECE_ALIGN);
    if (c->used > c->bytes)
        c->used = c->bytes;
    return p;
}

struct policy_pool *policy_pool_new(void)
{
    struct chunk *c = chunk_new(CHUNK_FIRST_BYTES);
    if (c == NULL)
        return NULL;
    struct policy_pool *pool = carve(c, sizeof(*pool));
    pool->newest = c;
    pool->next_bytes = 2 * CHUNK_FIRST_BYTES;
    return pool;
}

void policy_pool_free(struct policy_pool *pool)
{
    if (pool == NULL)
        return;
    /* The pool itself lies in its oldest chunk, the last to go. */
    for (struct chunk *c = pool->newest, *next; c != NULL; c = next) {
        next = c->next;
        os->release(c, c->bytes);
    }
}

void *policy_pool_alloc(struct policy_pool *pool, size_t bytes)
{
    void *p = carve(pool->newest, bytes);
    if (p != NULL)
        return p;
    if (bytes > SIZE_MAX / 2) {
        errno = ENOMEM;
        return NULL;
    }

    size_t chunk_bytes = align_up(bytes + header_bytes, CHUNK_FIRST_BYTES);
    if (chunk_bytes < pool->next_bytes)
        chunk_bytes = pool->next_bytes;
    struct chunk *c = chunk_new(chunk_bytes);
    if (c == NULL)
        return NULL;
    if (pool->next_bytes < CHUNK_LARGEST_BYTES)
        pool->next_bytes *= 2;
    c->next = pool->newest;
    pool->newest = c;
    return carve(c, bytes);
}

void *policy_scratch_map(size_t bytes)
{
    return os->map(align_up(bytes, GRANULE_BYTES));
}

void policy_scratch_release(void *p, size_t bytes)
{
    if (p != NULL)
        os->release(p, align_up(bytes, GRANULE_BYTES));
}

/* ---- set aside ---- */

static void *spare; /* NULL: there is none */

void policy_spare_keep(void)
{
    if (spare == NULL)
        spare = os->map(SPARE_BYTES);
}

void policy_spare_use(void)
{
    policy_scratch_release(spare, SPARE_BYTES);
    spare = NULL;
}
