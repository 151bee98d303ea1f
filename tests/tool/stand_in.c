/*
 * Stands in for libhakmem.so in the tests of `hakmem compare`, with behaviour that is known: under
 * HAK_TEST_GOOD=1 blocks of 1 MiB and more come from one buffer that is resident already, else from
 * the C library. HAK_TEST_WASTE=learned burns 300 ms of CPU time where HAKMEM_POLICY is set, =default where it is
 * not. At exit it writes fixed statistics to HAKMEM_STATS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

enum { BUFFER_BYTES = 8 * 1024 * 1024, LARGE_BYTES = 1024 * 1024 };

void *__libc_malloc(size_t size);
void __libc_free(void *p);

static char *buffer;

API const char *hak_version(void);
API const char *hak_version(void)
{
    return "hakmem 0.0.test";
}

static void waste_time(void)
{
    struct timespec used = {0};

    while (used.tv_sec == 0 && used.tv_nsec < 300000000)
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
}

__attribute__((constructor)) static void start(void)
{
    const char *who = getenv("HAK_TEST_WASTE");

    if (who != NULL && (getenv("HAKMEM_POLICY") != NULL) == (strcmp(who, "learned") == 0))
        waste_time();
    if (getenv("HAK_TEST_GOOD") != NULL)
        buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

API void *malloc(size_t size)
{
    if (buffer != NULL && size >= LARGE_BYTES && size <= BUFFER_BYTES)
        return buffer;
    return __libc_malloc(size);
}

API void free(void *p)
{
    if (p != buffer)
        __libc_free(p);
}

/* "%p" in the path is the process id, as in the library. */
__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("HAKMEM_STATS");
    char name[4096];

    if (path == NULL)
        return;
    const char *percent = strstr(path, "%p");
    int before = percent == NULL ? (int)strlen(path) : (int)(percent - path);
    snprintf(name, sizeof(name), "%.*s%d%s", before, path, (int)getpid(),
             percent == NULL ? "" : percent + 2);
    FILE *f = fopen(name, "w");
    if (f == NULL)
        return;
    fputs("{\"cache_hits\": 95, \"cache_misses\": 5, \"batch_flushes\": 2}\n", f);
    fclose(f);
}
