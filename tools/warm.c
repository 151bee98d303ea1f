/*
 * Memory is taken in pieces of 64 MiB on huge pages, one write each 4 KiB, and kept until all of it
 * is touched: a piece given back early would only be warmed again.
 */
#include "warm.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

static const size_t piece_bytes = (size_t)64 << 20;
static const double most_gib = 4;
static const double gib_bytes = 1 << 30;

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* A quarter of the control group's limit and not all of it: others of the group have memory too, and where the
 * limit is reached the kernel ends one of them. */
static double share_of_group_gib(void)
{
    struct os_machine machine;

    os->machine(&machine);
    return (double)machine.cgroup_limit_bytes / gib_bytes / 4;
}

double warm_default_gib(void)
{
    char line[256];
    unsigned long long kib = 0;
    double most = smaller(most_gib, share_of_group_gib());
    FILE *f = fopen("/proc/meminfo", "re");

    if (f == NULL)
        return most;
    while (fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    fclose(f);
    return smaller((double)kib * 1024 / gib_bytes / 2, most);
}

int warm_touch(double gib)
{
    size_t pieces = (size_t)(gib * 16 + 0.5); /* of 64 MiB */
    size_t bytes = pieces * piece_bytes;

    if (pieces == 0)
        return 0;
    volatile char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return -errno;
    madvise((void *)p, bytes, MADV_HUGEPAGE); /* refused: base pages will do, only slower */
    for (size_t at = 0; at < bytes; at += 4096)
        p[at] = 1;
    munmap((void *)p, bytes);
    return 0;
}

int warm_in_child(double gib)
{
    int status;
    pid_t child = fork();

    if (child < 0)
        return -errno;
    if (child == 0)
        _exit(warm_touch(gib) == 0 ? 0 : 1);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOMEM;
}
