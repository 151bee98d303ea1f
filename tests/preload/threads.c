/* Four threads hand blocks to each other through a ring: allocated here, checked and freed there. */
#include "check.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 250, RING = 16 };

struct block {
    unsigned char *p;
    size_t bytes;
    uint64_t key;
};

static struct block ring[RING];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Puts a block into the ring and returns the one it replaces. */
static struct block exchange(struct block in, unsigned slot)
{
    pthread_mutex_lock(&mutex);
    struct block out = ring[slot];
    ring[slot] = in;
    pthread_mutex_unlock(&mutex);
    return out;
}

static void finish(struct block b)
{
    if (b.p == NULL)
        return;
    CHECK(holds(b.p, b.bytes, b.bytes, b.key));
    free(b.p);
}

static void *work(void *seed)
{
    uint64_t state = (uintptr_t)seed * 0x1234567 + 1;
    for (int i = 0; i < ROUNDS; i++) {
        struct block b = {NULL, 1000 + next_random(&state) % (i % 7 ? 400000 : 4000000),
                          next_random(&state)};
        b.p = i % 5 ? malloc(b.bytes) : calloc(1, b.bytes);
        CHECK(b.p != NULL && (i % 5 || zero(b.p, b.bytes)));
        fill(b.p, b.bytes, b.key);
        if (i % 11 == 0) {
            b.p = realloc(b.p, b.bytes + 200000);
            CHECK(b.p != NULL && holds(b.p, b.bytes, b.bytes, b.key));
        }
        finish(exchange(b, next_random(&state) % RING));
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    check_allocator();
    for (int generation = 0; generation < 2; generation++) {
        for (uintptr_t i = 0; i < THREADS; i++)
            CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < RING; i++)
        finish(exchange((struct block){0}, i));
    puts("all blocks whole");
    return 0;
}
