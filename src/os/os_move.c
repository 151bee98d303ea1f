/*
 * Mappings in place of others. Such a call may take away what was there and fail all the same: mremap does where the kernel thinks
 * better of it after it has unmapped the destination. What is missing then is mapped again. Another thread may have mapped something
 * of its own there in between, or a limit was lowered; then those addresses are lost.
 *
 * What is moved may be several mappings, as the kernel sees it. Some kernels refuse that, others move one after the other and may
 * stop half way without saying where. So each is moved by a call of its own where the kernel tells them apart (Linux 6.11), and when
 * one is refused the rest is copied.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/os_linux.h"

/* Values of the kernel's interface that the C library's headers may be too old for. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
enum { REMAP_DONTUNMAP = 4 };

struct mapping_query {
    uint64_t size, flags, address, start, end, others[4];
    uint32_t numbers[4];
    uint64_t name, build_id;
};
#define QUERY_MAPPING _IOWR('f', 17, struct mapping_query)

enum { LOOK_PAGES = 1024 };

static bool is_mapped(const char *p, size_t bytes)
{
    unsigned char vec[LOOK_PAGES];
    size_t step = LOOK_PAGES * (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < bytes; at += step)
        if (mincore((void *)(uintptr_t)(p + at), bytes - at < step ? bytes - at : step, vec) != 0)
            return false;
    return true;
}

/* Maps where nothing is. */
static int map_gap(void *p, size_t bytes, int protection, int flags)
{
    void *got = mmap(p, bytes, protection,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | flags, -1, 0);
    if (got == p)
        return 0;
    int status = got == MAP_FAILED ? -errno : -EEXIST; /* a kernel that does not know the flag */
    if (got != MAP_FAILED)
        munmap(got, bytes);
    return status;
}

/* After a refusal: whether all is mapped, or is again. Where not, the addresses are at least nobody else's, if that is to be had. */
static bool mend(void *p, size_t bytes)
{
    if (is_mapped(p, bytes) || map_gap(p, bytes, PROT_READ | PROT_WRITE, 0) == 0)
        return true;
    map_gap(p, bytes, PROT_NONE, MAP_NORESERVE);
    return false;
}

int linux_renew(void *p, size_t bytes)
{
    if (mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p)
        return 0;
    int status = -errno;
    return mend(p, bytes) ? status : -ENOTRECOVERABLE;
}

bool linux_locks_all(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char resident = 0;
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    bool locked = mincore(p, page, &resident) == 0 && (resident & 1) != 0;
    munmap(p, page);
    return locked;
}

/* So much from `from` on is one mapping; where the kernel cannot tell, all: it refuses where it is not. */
static size_t one_mapping(int maps, const char *from, size_t bytes)
{
    struct mapping_query query = {.size = sizeof(query), .address = (uintptr_t)from};
    if (ioctl(maps, QUERY_MAPPING, &query) != 0)
        return bytes;
    size_t here = query.end - (uintptr_t)from;
    return here < bytes ? here : bytes;
}

static int move_mapping(char *from, char *to, size_t bytes)
{
    if (mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | REMAP_DONTUNMAP, to) == to)
        return 0;
    int status = -errno;
    return mend(to, bytes) ? status : -ENOTRECOVERABLE;
}

static void copy_and_clear(char *to, char *from, size_t bytes)
{
    memcpy(to, from, bytes);
    if (madvise(from, bytes, MADV_DONTNEED) != 0)
        memset(from, 0, bytes);
}

int linux_move(void *from, void *to, size_t bytes)
{
    int status = 0, maps = linux_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    size_t done = 0;
    if (maps < 0)
        return maps;
    while (done < bytes && status == 0) {
        size_t here = one_mapping(maps, (char *)from + done, bytes - done);
        status = move_mapping((char *)from + done, (char *)to + done, here);
        done += status == 0 ? here : 0;
    }
    linux_close(maps);
    if (status == 0 || done == 0)
        return status;
    if (status == -ENOTRECOVERABLE) {
        memcpy(from, to, done);
        return status;
    }
    copy_and_clear((char *)to + done, (char *)from + done, bytes - done);
    return 0;
}
