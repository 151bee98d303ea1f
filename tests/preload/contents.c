/*
 * A few thousand operations on a table of blocks, by a fixed seed: every block keeps its bytes until it is
 * freed, whatever happens to the others, and calloc is zero however dirty the memory was.
 */
#include "check.h"

#include <malloc.h>

enum { BLOCKS = 48, OPERATIONS = 2500, LIVE_MIB = 96 };

struct block {
    unsigned char *p;
    size_t bytes;
    uint64_t key;
};

static struct block blocks[BLOCKS];
static size_t live_bytes;

/* 1 byte to 8 MiB, evenly over the powers of two, mostly large. */
static size_t random_bytes(uint64_t *state)
{
    unsigned shift =
        next_random(state) % 4 == 0 ? next_random(state) % 16 : 14 + next_random(state) % 9;
    size_t bytes = ((size_t)1 << shift) + next_random(state) % ((size_t)1 << shift);
    return live_bytes + bytes > ((size_t)LIVE_MIB << 20) ? 1 + bytes % 4096 : bytes;
}

static void fill_anew(struct block *b, uint64_t *state)
{
    b->key = next_random(state);
    fill(b->p, b->bytes, b->key);
}

static void take(struct block *b, uint64_t *state)
{
    b->bytes = random_bytes(state);
    switch (next_random(state) % 4) {
    case 0:
        b->p = calloc(1, b->bytes);
        CHECK(b->p != NULL && zero(b->p, b->bytes));
        break;
    case 1:
        b->p = memalign((size_t)16 << next_random(state) % 12, b->bytes);
        break;
    default:
        b->p = malloc(b->bytes);
    }
    CHECK(b->p != NULL && malloc_usable_size(b->p) >= b->bytes);
    live_bytes += b->bytes;
    fill_anew(b, state);
}

static void resize(struct block *b, uint64_t *state)
{
    size_t bytes = random_bytes(state), least = bytes < b->bytes ? bytes : b->bytes;
    b->p = realloc(b->p, bytes);
    CHECK(b->p != NULL && holds(b->p, least, b->bytes, b->key));
    live_bytes = live_bytes - b->bytes + bytes;
    b->bytes = bytes;
    fill_anew(b, state);
}

static void give(struct block *b)
{
    CHECK(holds(b->p, b->bytes, b->bytes, b->key));
    live_bytes -= b->bytes;
    free(b->p);
    b->p = NULL;
}

int main(int argc, char **argv)
{
    uint64_t state = argc > 1 ? strtoull(argv[1], NULL, 0) : 0x5eed;
    check_allocator();
    for (int i = 0; i < OPERATIONS; i++) {
        struct block *b = &blocks[next_random(&state) % BLOCKS];
        if (b->p == NULL)
            take(b, &state);
        else if (next_random(&state) % 3 == 0)
            resize(b, &state);
        else
            give(b);
    }
    uint64_t sum = 0;
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].p != NULL) {
            sum += blocks[i].bytes * (uint64_t)(i + 1) + blocks[i].p[blocks[i].bytes - 1];
            give(&blocks[i]);
        }
    printf("%d operations, sum %llu, live %zu\n", OPERATIONS, (unsigned long long)sum, live_bytes);
    return 0;
}
