/*
 * broken WHAT [BYTES]: a program with the mistake WHAT, which must end at once in one clear line.
 *
 *   double     a block freed twice in a row
 *   inside     free of an address inside a block, 48 bytes into a large one, 16 into a small one
 *   realloc    realloc of a block that was freed, to twice its size
 *   page       free of an address one page into a block
 *   unused     free of an address that nobody was ever given
 *   ring       a block freed twice, another one between; then memory is given back
 *   remote     a block that another thread frees twice in a row
 *   between    a block that two threads free, one after the other; then more of its size are asked for
 *   stray      a write of WAY, the third argument, over the first 8 bytes of a freed block; then all blocks that are
 *              free in the slabs it may be in are used again
 */
#include "check.h"

#include <malloc.h>
#include <pthread.h>

enum { BYTES = 3000000, SMALL = 4096, FAR_SHIFT = 34, MANY = 3000 };

static void *volatile victim;

static void free_twice(void)
{
    void *q = victim;
    free(q);
    q = victim;
    free(q);
}

static void free_in_a_ring(size_t bytes)
{
    void *other = malloc(bytes), *q = victim;
    free(q);
    free(other);
    q = victim;
    free(q);
    malloc_trim(0);
}

static void *free_twice_in_a_thread(void *unused)
{
    free_twice();
    return unused;
}

static void *free_once_in_a_thread(void *unused)
{
    free(victim);
    return unused;
}

static void in_a_thread(void *(*body)(void *))
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0);
    pthread_join(thread, NULL);
}

static void free_in_two_threads(size_t bytes)
{
    in_a_thread(free_once_in_a_thread);
    in_a_thread(free_once_in_a_thread);
    for (int i = 0; i < MANY / 3; i++)
        CHECK(!is_null(malloc(bytes)));
}

/* What a program may write that knows nothing of the heap: zeros, ones, text, an address of its own. */
static uint64_t stray_value(int way)
{
    uint64_t text;
    memcpy(&text, "a stray ", sizeof(text));
    const uint64_t values[] = {0, UINT64_MAX, text, (uintptr_t)&victim, (uintptr_t)victim, 1};
    return values[way % 6];
}

/* Two in three blocks live on, so that no slab is given back as a whole. */
static void write_astray(size_t bytes, int way)
{
    static void *volatile all[MANY];
    int n = bytes < SMALL ? MANY : 60;
    for (int i = 0; i < n; i++)
        CHECK((all[i] = malloc(bytes)) != NULL);
    victim = all[n / 3 / 3 * 3];
    for (int i = 0; i < n; i += 3)
        free(all[i]);
    uint64_t value = stray_value(way);
    memcpy(victim, &value, sizeof(value));
    for (int i = 0; i < n; i++)
        all[i] = malloc(bytes);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : BYTES;
    check_allocator();
    char *p = malloc(bytes), *volatile q = p;
    CHECK(p != NULL);
    memset(p, 1, bytes);
    victim = p;
    if (strcmp(what, "double") == 0) {
        free_twice();
    } else if (strcmp(what, "inside") == 0) {
        free(q + (bytes < SMALL ? 16 : 48));
    } else if (strcmp(what, "page") == 0) {
        free(q + 4096);
    } else if (strcmp(what, "realloc") == 0) {
        free(q);
        q = realloc(q, 2 * bytes);
    } else if (strcmp(what, "unused") == 0) {
        free((void *)(((uintptr_t)q & ~(uintptr_t)0xffff) + ((uintptr_t)1 << FAR_SHIFT)));
    } else if (strcmp(what, "ring") == 0) {
        free_in_a_ring(bytes);
    } else if (strcmp(what, "remote") == 0) {
        in_a_thread(free_twice_in_a_thread);
    } else if (strcmp(what, "between") == 0) {
        free_in_two_threads(bytes);
    } else if (strcmp(what, "stray") == 0) {
        write_astray(bytes, atoi(argv[3]));
    }
    puts("it went on");
    return 0;
}
