/*
 * The library is loaded when the program runs, by dlopen, used, and closed while it has a thread of its own: what runs stays.
 */
#include "check.h"

#include <pthread.h>

enum { BLOCKS = 40, BYTES = 1000000 };

static void *(*take)(size_t);
static void (*give)(void *);

static void *use(void *unused)
{
    void *p[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        p[i] = take(BYTES);
        CHECK(p[i] != NULL);
        fill(p[i], BYTES, (uint64_t)i);
    }
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(holds(p[i], BYTES, BYTES, (uint64_t)i));
        give(p[i]);
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    CHECK(argc == 2);
    check_allocator();
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        puts(dlerror());
    CHECK(library != NULL);
    take = (void *(*)(size_t))dlsym(library, "hak_malloc");
    give = (void (*)(void *))dlsym(library, "hak_free");
    CHECK(take != NULL && give != NULL);
    CHECK(pthread_create(&thread, NULL, use, NULL) == 0 && pthread_join(thread, NULL) == 0);
    use(NULL);
    CHECK(dlclose(library) == 0);
    CHECK(dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != NULL);
    puts("loaded and closed");
    return 0;
}
