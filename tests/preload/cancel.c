/*
 * cancel: malloc and its kin are no cancellation points. A thread that is to be cancelled goes through them, those that start the
 * library or find a limit reached included, and what others need is not left locked.
 */
#include "check.h"

#include <pthread.h>
#include <sys/resource.h>

enum { THREADS = 8, MOST_MIB = 400 };

static size_t sizes[] = {100, 5000, 70000, 900000, 3 << 20, 9 << 20};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void use_all(void)
{
    for (unsigned i = 0; i < SIZES; i++) {
        unsigned char *p = malloc(hide(sizes[i]));
        CHECK(p != NULL);
        fill(p, sizes[i], i);
        p = realloc(p, hide(2 * sizes[i]));
        CHECK(p != NULL && holds(p, sizes[i], sizes[i], i));
        free(p);
        p = calloc(1, hide(sizes[i]));
        CHECK(p != NULL && p[0] == 0 && p[sizes[i] - 1] == 0);
        free(p);
    }
}

/* Blocks until there is no memory, all freed. */
static void use_it_up(void)
{
    void **list = NULL, **block;
    while ((block = malloc(hide(8 << 20))) != NULL) {
        *block = list;
        list = block;
    }
    while (list != NULL) {
        void **next = *list;
        free(list);
        list = next;
    }
}

static void *work(void *came_through)
{
    /* From now on the first cancellation point is the end. */
    CHECK(pthread_cancel(pthread_self()) == 0);
    use_all();
    use_it_up();
    *(int *)came_through = 1;
    pthread_testcancel();
    return NULL;
}

int main(void)
{
    struct rlimit limit = {(rlim_t)MOST_MIB << 20, (rlim_t)MOST_MIB << 20};
    check_allocator();
    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        void *result;
        int came_through = 0;
        CHECK(pthread_create(&thread, NULL, work, &came_through) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(came_through && result == PTHREAD_CANCELED);
    }
    use_all();
    puts("cancelled where it may be");
    return 0;
}
