/*
 * Stress: generations of threads that allocate, clear, grow, shrink and free blocks of every size, and pass them to
 * each other through a table, while the process forks now and then. Every block carries a pattern that depends
 * on the block, so one that was handed out twice, moved wrongly or given back too soon is seen.
 *
 *   stress SECONDS [SEED]
 *
 * Built plain, for use under a preloaded library, it prints the same with every allocator. Built with STRESS_CORE it
 * uses the public API of the library it is linked with, in every mode, and speaks TAP. A stress test is no
 * benchmark: nothing is timed.
 */
#include "../../src/base/attr.h"
#include "../preload/check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#ifdef STRESS_CORE
#include "alloc/valid.h"
#include "hakmem/hakmem.h"
#define malloc  hak_malloc
#define calloc  hak_calloc
#define realloc hak_realloc
#define free    hak_free
#endif

#define SANITIZED (HAK_THREAD_SANITIZER || HAK_ADDRESS_SANITIZER)

enum {
    THREADS = 4,
    SLOTS = 48,
    SMALL = 64, /* small blocks in a slot, so that slabs fill and empty */
    SMALL_MAX = 700,
    OPERATIONS = 400, /* of one thread's life */
    OPERATIONS_PER_LOOK = 50,
    CHILD_OPERATIONS = 60,
    LARGEST_LOG2 = SANITIZED ? 22 : 24,
    CLEARED_MAX = 1 << 20, /* of calloc, so much is looked at byte by byte */
};

struct block {
    unsigned char *p;
    size_t bytes;
    uint64_t key;
};

static struct slot {
    pthread_mutex_t mutex;
    struct block block, small[SMALL];
} slots[SLOTS];

/* Log-uniform from 1 byte up; one in three is at least 64 KiB, one in three is less. */
static size_t any_size(uint64_t *random)
{
    unsigned kind = (unsigned)(next_random(random) % 3);
    unsigned lowest = kind == 0 ? 16 : 0, highest = kind == 1 ? 16 : LARGEST_LOG2;
    unsigned log2 = lowest + (unsigned)(next_random(random) % (highest - lowest));
    return ((size_t)1 << log2) + next_random(random) % ((size_t)1 << log2);
}

static struct block new_block(uint64_t *random)
{
    struct block b = {NULL, any_size(random), next_random(random)};
    if (next_random(random) % 4 == 0) {
        b.p = (unsigned char *)calloc(1, b.bytes);
        CHECK(b.p != NULL && zero(b.p, b.bytes < CLEARED_MAX ? b.bytes : CLEARED_MAX));
        CHECK(zero(b.p + b.bytes - (b.bytes < 4096 ? b.bytes : 4096),
                   b.bytes < 4096 ? b.bytes : 4096));
    } else {
        b.p = (unsigned char *)malloc(b.bytes);
        CHECK(b.p != NULL);
    }
    CHECK((uintptr_t)b.p % 16 == 0);
    fill(b.p, b.bytes, b.key);
    return b;
}

static void resize(struct block *b, uint64_t *random)
{
    size_t to =
        next_random(random) % 2 ? any_size(random) : b->bytes + 1 + next_random(random) % 200000;
    size_t kept = to < b->bytes ? to : b->bytes;
    unsigned char *p = (unsigned char *)realloc(b->p, to);
    CHECK(p != NULL && holds(p, kept, b->bytes, b->key));
    *b = (struct block){p, to, next_random(random)};
    fill(p, to, b->key);
}

static void finish(struct block *b)
{
    if (b->p == NULL)
        return;
    CHECK(holds(b->p, b->bytes, b->bytes, b->key));
    free(b->p);
    b->p = NULL;
}

static struct block exchange(struct slot *s, struct block in)
{
    pthread_mutex_lock(&s->mutex);
    struct block out = s->block;
    s->block = in;
    pthread_mutex_unlock(&s->mutex);
    return out;
}

/* A small block takes the place of another, which any thread may have made. */
static void replace_small(struct slot *s, uint64_t *random)
{
    struct block b = {NULL, 1 + next_random(random) % SMALL_MAX, next_random(random)};
    b.p = (unsigned char *)malloc(b.bytes);
    CHECK(b.p != NULL && (uintptr_t)b.p % 16 == 0);
    fill(b.p, b.bytes, b.key);
    pthread_mutex_lock(&s->mutex);
    struct block *place = &s->small[next_random(random) % SMALL], before = *place;
    *place = b;
    pthread_mutex_unlock(&s->mutex);
    finish(&before);
}

/* One block is made, perhaps resized, and left in the table; who was there before is taken on. */
static void operate(uint64_t *random)
{
    struct slot *s = &slots[next_random(random) % SLOTS];
    for (int i = 0; i < SMALL / 2; i++)
        replace_small(&slots[next_random(random) % SLOTS], random);
    struct block b = next_random(random) % 3 ? new_block(random) : (struct block){0};
    if (b.p != NULL && next_random(random) % 5 == 0)
        resize(&b, random);
    b = exchange(s, b);
    if (b.p != NULL && next_random(random) % 4 == 0)
        resize(&b, random);
    finish(&b);
}

/* Of the core everything can be looked at: the spans, and this thread's heap. */
static void validate(void)
{
#ifdef STRESS_CORE
    if (heap_self == HEAP_NONE)
        return;
    heap_begin(heap_self); /* or the helper may hold it, when this thread has not run for a while */
    CHECK(heap_is_valid(heap_self));
    heap_end(heap_self);
    CHECK(store_is_valid());
#endif
}

static void *live(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    for (int i = 0; i < OPERATIONS; i++) {
        operate(&random);
        if (i % OPERATIONS_PER_LOOK == 0)
            validate();
    }
    return NULL;
}

/* The other threads are not in the child, and may have held any slot: it works with blocks of its own. */
static void fork_once(uint64_t *random)
{
    int status = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < CHILD_OPERATIONS; i++) {
            struct block b = new_block(random);
            resize(&b, random);
            finish(&b);
        }
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static uint64_t seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

static void stress(unsigned seconds, uint64_t random)
{
    uint64_t until = seconds_now() + seconds;
    for (int i = 0; i < SLOTS; i++)
        pthread_mutex_init(&slots[i].mutex, NULL);
    do {
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_create(&threads[i], NULL, live,
                                 (void *)(uintptr_t)(next_random(&random) | 1)) == 0);
        /* ThreadSanitizer allows no thread in such a child, and the library has one; AddressSanitizer's own
         * heap may be locked in it. */
        if (!SANITIZED)
            fork_once(&random);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    } while (seconds_now() < until);
    for (int i = 0; i < SLOTS; i++) {
        struct block b = exchange(&slots[i], (struct block){0});
        finish(&b);
        for (int j = 0; j < SMALL; j++)
            finish(&slots[i].small[j]);
    }
}

#ifdef STRESS_CORE
/* Each mode in a process of its own; what it wants of the environment. */
static const struct {
    const char *name, *variable[2], *value[2];
} modes[] = {
    {"the built-in policy", {NULL}, {NULL}},
    {"learning", {"HAKMEM_MODE", "HAKMEM_POLICY"}, {"learn", "stress-policy.json"}},
    {"lazily", {"HAKMEM_ARM", "HAKMEM_BATCH_COUNT"}, {"mmap/base/touch/lazy", "5"}},
    {"dropping", {"HAKMEM_ARM", "HAKMEM_BATCH_COUNT"}, {"mmap/huge/prefault/drop", "3"}},
    {"a small cache and no thread", {"HAKMEM_CACHE_MB", "HAKMEM_TIMER"}, {"8", "0"}},
};

static void stress_mode(unsigned mode, unsigned seconds, uint64_t seed)
{
    uint64_t live_bytes = 1;
    for (int i = 0; i < 2; i++)
        if (modes[mode].variable[i] != NULL)
            setenv(modes[mode].variable[i], modes[mode].value[i], 1);
    stress(seconds, seed + mode);
    hak_trim();
    CHECK(hak_stat("live_bytes", &live_bytes) == 0 && live_bytes == 0);
    validate();
    CHECK(strcmp(modes[mode].name, "learning") != 0 || hak_policy_save(NULL) == 0);
}

static int run_all(unsigned seconds, uint64_t seed)
{
    unsigned failed = 0, n = sizeof(modes) / sizeof(modes[0]);
    char directory[] = "/tmp/hakmem-stress-XXXXXX";
    CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0);
    printf("1..%u\n", n);
    for (unsigned i = 0; i < n; i++) {
        int status = -1;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            stress_mode(i, seconds, seed);
            exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        failed += status != 0;
        printf("%s %u - stress, %s\n", status == 0 ? "ok" : "not ok", i + 1, modes[i].name);
    }
    unlink("stress-policy.json");
    unlink("stress-policy.json.lock");
    CHECK(rmdir(directory) == 0);
    return failed != 0;
}
#else
static int run_all(unsigned seconds, uint64_t seed)
{
    check_allocator();
    stress(seconds, seed);
    puts("all blocks whole");
    return 0;
}
#endif

int main(int argc, char **argv)
{
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) | 1 : 20240607;
#ifdef STRESS_CORE
    printf("# seed %llu\n", (unsigned long long)seed);
#endif
    return run_all(argc > 1 ? (unsigned)atoi(argv[1]) : 5, seed);
}
