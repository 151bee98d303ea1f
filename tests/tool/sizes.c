/*
 * Preloaded into the benchmark: writes every call for 64 KiB and more to the file named by
 * HAK_TEST_SIZES as a line "function size offset", offset being the caller's in its module. So a test
 * sees what an allocator would see: the sizes, their order, and the call sites.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FLOOR = 64 * 1024 };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

static int fd = -1;

/* Before there are threads; each line is then one write to the end. */
__attribute__((constructor)) static void open_file(void)
{
    const char *path = getenv("HAK_TEST_SIZES");
    if (path != NULL)
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
}

static void note(const char *function, size_t size, void *pc)
{
    char line[100];
    Dl_info info;

    if (size < FLOOR || fd < 0 || dladdr(pc, &info) == 0)
        return;
    int n = snprintf(line, sizeof(line), "%s %zu %zx\n", function, size,
                     (size_t)pc - (size_t)info.dli_fbase);
    if (write(fd, line, (size_t)n) != n)
        _exit(99);
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    note("malloc", size, __builtin_return_address(0));
    return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
    note("calloc", count * size, __builtin_return_address(0));
    return __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t size)
{
    note("realloc", size, __builtin_return_address(0));
    return __libc_realloc(p, size);
}
