/*
 * Linux: address space, clocks, environment. Files, modules and the machine have files of their own.
 */
#include "os/os_linux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"

const struct os *os = &os_linux;

/* Values of the kernel's interface that the C library's headers may be too old for. */
enum {
    ADVICE_POPULATE_WRITE = 23,
    PIDFD_OF_SELF = -10000, /* Linux 6.14 */
    CALL_PIDFD_OPEN = 434,
    CALL_PROCESS_MADVISE = 440,
    BARRIER_PRIVATE_EXPEDITED = 1 << 3,
    BARRIER_REGISTER_PRIVATE_EXPEDITED = 1 << 4,
    VECTOR_MAX = 1024, /* UIO_MAXIOV */
};

static const int advice_number[OS_ADVICE_COUNT] = {
    [OS_GIVE_BACK] = MADV_DONTNEED,        [OS_GIVE_LAZILY] = MADV_FREE,
    [OS_POPULATE] = ADVICE_POPULATE_WRITE, [OS_USE_HUGE] = MADV_HUGEPAGE,
    [OS_USE_BASE] = MADV_NOHUGEPAGE,
};

static void *map_anywhere(size_t bytes, int protection)
{
    void *p = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *linux_reserve(size_t bytes)
{
    return map_anywhere(bytes, PROT_NONE);
}

static void *linux_reserve_zeros(size_t bytes)
{
    return map_anywhere(bytes, PROT_READ);
}

static void *linux_map(size_t bytes)
{
    return map_anywhere(bytes, PROT_READ | PROT_WRITE);
}

static int linux_commit(void *p, size_t bytes)
{
    return mprotect(p, bytes, PROT_READ | PROT_WRITE) == 0 ? 0 : -errno;
}

static void linux_release(void *p, size_t bytes)
{
    munmap(p, bytes);
}

static int linux_advise(void *p, size_t bytes, enum os_advice advice)
{
    while (madvise(p, bytes, advice_number[advice]) != 0)
        if (errno != EAGAIN || advice == OS_POPULATE)
            return -errno;
    return 0;
}

/* Advises v[0..n) on the process that `pidfd` stands for; the bytes done, or -errno. */
static long advise_vector(int pidfd, const struct iovec *v, size_t n, int advice)
{
    long done = syscall(CALL_PROCESS_MADVISE, pidfd, v, n, advice, 0u);
    return done < 0 ? -errno : done;
}

/*
 * A descriptor of oneself is opened for each call where the kernel has no constant for it: one that is kept
 * would, after fork, stand for the parent, and give back the parent's memory.
 */
static long advise_self(const struct iovec *v, size_t n, int advice)
{
    long done = advise_vector(PIDFD_OF_SELF, v, n, advice);
    if (done != -EBADF)
        return done;

    int pidfd = (int)syscall(CALL_PIDFD_OPEN, getpid(), 0u);
    if (pidfd < 0)
        return -errno;
    done = advise_vector(pidfd, v, n, advice);
    linux_close(pidfd);
    return done;
}

static int linux_advise_many(const struct iovec *v, size_t n, enum os_advice advice)
{
    while (n > 0) {
        size_t now = n < VECTOR_MAX ? n : VECTOR_MAX;
        long done = advise_self(v, now, advice_number[advice]);
        if (done <= 0)
            return -ENOSYS;
        /* A short count ends after a whole element or inside one; the rest of that one is advised alone. */
        while (n > 0 && (size_t)done >= v->iov_len) {
            done -= (long)v->iov_len;
            v++;
            n--;
        }
        if (done > 0) {
            int status =
                linux_advise((char *)v->iov_base + done, v->iov_len - (size_t)done, advice);
            if (status != 0)
                return status;
            v++;
            n--;
        }
    }
    return 0;
}

static int linux_residency(const void *p, size_t bytes, unsigned char *vec)
{
    return mincore((void *)(uintptr_t)p, bytes, vec) == 0 ? 0 : -errno;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t linux_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t linux_thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t linux_wall_s(void)
{
    return (uint64_t)time(NULL);
}

static bool linux_has_environment(void)
{
    return environ != NULL;
}

static const char *linux_getenv(const char *name)
{
    return secure_getenv(name);
}

/* A process registers before its first one. */
static int linux_barrier(void)
{
    if (syscall(SYS_membarrier, BARRIER_PRIVATE_EXPEDITED, 0, 0) == 0)
        return 0;
    if (errno == EPERM && syscall(SYS_membarrier, BARRIER_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
        syscall(SYS_membarrier, BARRIER_PRIVATE_EXPEDITED, 0, 0) == 0)
        return 0;
    return -errno;
}

static int linux_pid(void)
{
    return (int)getpid();
}

/* The kernel gives every program 16 random bytes. */
static uint64_t linux_random(void)
{
    uint64_t random = 0;
    const void *bytes = (const void *)getauxval(AT_RANDOM);
    if (bytes != NULL)
        memcpy(&random, bytes, sizeof(random));
    return random * UINT64_C(0x9E3779B97F4A7C15) ^ random >> 32;
}

const struct os os_linux = {
    .reserve = linux_reserve,
    .reserve_zeros = linux_reserve_zeros,
    .random = linux_random,
    .commit = linux_commit,
    .release = linux_release,
    .map = linux_map,
    .renew = linux_renew,
    .move = linux_move,
    .advise = linux_advise,
    .advise_many = linux_advise_many,
    .locks_all = linux_locks_all,
    .residency = linux_residency,
    .barrier = linux_barrier,
    .now_ns = linux_now_ns,
    .thread_cpu_ns = linux_thread_cpu_ns,
    .wall_s = linux_wall_s,
    .has_environment = linux_has_environment,
    .getenv = linux_getenv,
    .machine = linux_machine,
    .names = linux_names,
    .module_of = linux_module_of,
    .symbol_of = linux_symbol_of,
    .functions_of = linux_functions_of,
    .call_of = linux_call_of,
    .has_call = linux_has_call,
    .depth_of = linux_depth_of,
    .pid = linux_pid,
    .faults = linux_faults,
    .resident_bytes = linux_resident_bytes,
    .mappings_in = linux_mappings_in,
    .open = linux_open,
    .close = linux_close,
    .read = linux_read,
    .write = linux_write,
    .file_bytes = linux_file_bytes,
    .fsync = linux_fsync,
    .flock = linux_flock,
    .rename = linux_rename,
    .unlink = linux_unlink,
    .readlink = linux_readlink,
    .file_access = linux_file_access,
    .fchmod = linux_fchmod,
    .fchown = linux_fchown,
    .absolute = linux_absolute,
};
