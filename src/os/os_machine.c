/*
 * What the machine is, read from /proc, /sys and the limits, with buffers on the stack.
 */
#include <errno.h>
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/bits.h"
#include "os/os_linux.h"

#define THP_DIRECTORY "/sys/kernel/mm/transparent_hugepage/"

/* The number at the start of a file; `otherwise` when there is none ("max", missing). */
static uint64_t number_in(const char *path, uint64_t otherwise)
{
    char text[64], *end;
    if (linux_slurp(path, text, sizeof(text)) <= 0)
        return otherwise;
    uint64_t value = strtoull(text, &end, 10);
    return end == text ? otherwise : value;
}

/* The kernel's answer is "always [madvise] never": the word in brackets. */
static void read_thp(struct os_machine *m)
{
    char text[64];
    strcpy(m->thp, "none");
    if (linux_slurp(THP_DIRECTORY "enabled", text, sizeof(text)) <= 0)
        return;
    char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;
    if (close == NULL || (size_t)(close - open) > sizeof(m->thp))
        return;
    *close = '\0';
    strcpy(m->thp, open + 1);
    if (strcmp(m->thp, "never") == 0 || prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1)
        return;
    m->huge_bytes = (size_t)number_in(THP_DIRECTORY "hpage_pmd_size", 0);
    if (!is_pow2(m->huge_bytes) || m->huge_bytes <= m->page_bytes)
        m->huge_bytes = 0;
    m->huge_always = strcmp(m->thp, "always") == 0;
}

/* The smallest limit from `directory` up to the root of the hierarchy; `directory` is used up. */
static uint64_t tightest_limit(char *directory, size_t root_length, const char *file)
{
    uint64_t limit = UINT64_MAX;
    for (;;) {
        char path[640];
        snprintf(path, sizeof(path), "%s/%s", directory, file);
        uint64_t here = number_in(path, UINT64_MAX);
        if (here < limit)
            limit = here;
        char *slash = strrchr(directory, '/');
        if (slash == NULL || (size_t)(slash - directory) < root_length)
            return limit;
        *slash = '\0';
    }
}

static uint64_t limit_under(const char *root, const char *group, const char *file)
{
    char directory[512];
    int n = snprintf(directory, sizeof(directory), "%s%s", root, group);
    if (n < 0 || (size_t)n >= sizeof(directory))
        return UINT64_MAX;
    return tightest_limit(directory, strlen(root), file);
}

/* /proc/self/cgroup has lines "number:controllers:path"; version 2 is the one without controllers. One of the two
 * hierarchies has the memory controller. */
static uint64_t cgroup_limit(void)
{
    char text[4096], *of_version_2 = NULL;
    if (linux_slurp("/proc/self/cgroup", text, sizeof(text)) <= 0)
        return UINT64_MAX;

    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL)
            continue;
        *group++ = '\0';
        if (strcmp(controllers + 1, "memory") == 0)
            return limit_under("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
        if (controllers[1] == '\0')
            of_version_2 = group;
    }
    return of_version_2 != NULL ? limit_under("/sys/fs/cgroup", of_version_2, "memory.max")
                                : UINT64_MAX;
}

static uint64_t limit_of(__rlimit_resource_t resource)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur
                                                                               : UINT64_MAX;
}

/* From its own headers, without a lock of its own. */
static size_t loader_bytes(uintptr_t loader)
{
    const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)loader;
    const ElfW(Phdr) *part = (const ElfW(Phdr) *)(loader + head->e_phoff);
    size_t bytes = 0;
    for (unsigned i = 0; i < head->e_phnum; i++)
        if (part[i].p_type == PT_LOAD && part[i].p_vaddr + part[i].p_memsz > bytes)
            bytes = part[i].p_vaddr + part[i].p_memsz;
    return bytes;
}

void linux_machine(struct os_machine *m)
{
    struct sysinfo info;

    memset(m, 0, sizeof(*m));
    m->page_bytes = (size_t)getauxval(AT_PAGESZ);
    m->loader = getauxval(AT_BASE);
    if (m->loader == 0) /* it was started by name, and started the program itself */
        m->loader = _r_debug.r_ldbase;
    m->loader_bytes = m->loader != 0 ? loader_bytes(m->loader) : 0;
    read_thp(m);
    m->strict_commit = number_in("/proc/sys/vm/overcommit_memory", 0) == 2;
    m->ram_bytes = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
    m->cgroup_limit_bytes = cgroup_limit();
    m->address_limit_bytes = limit_of(RLIMIT_AS);
    if (limit_of(RLIMIT_DATA) < m->address_limit_bytes)
        m->address_limit_bytes = limit_of(RLIMIT_DATA);
}

void linux_names(struct os_names *names)
{
    char text[2048];
    struct utsname u;

    memset(names, 0, sizeof(*names));
    if (uname(&u) == 0)
        snprintf(names->kernel, sizeof(names->kernel), "%.63s", u.release);
    strcpy(names->cpu, "unknown");
    if (linux_slurp("/proc/cpuinfo", text, sizeof(text)) <= 0)
        return;
    char *name = strstr(text, "model name");
    name = name ? strchr(name, ':') : NULL;
    if (name == NULL)
        return;
    name += strspn(name, ": \t");
    snprintf(names->cpu, sizeof(names->cpu), "%.*s", (int)strcspn(name, "\n"), name);
}

void linux_faults(struct os_faults *out)
{
    struct rusage r;

    memset(out, 0, sizeof(*out));
    if (getrusage(RUSAGE_SELF, &r) == 0) {
        out->minor = (uint64_t)r.ru_minflt;
        out->major = (uint64_t)r.ru_majflt;
    }
}

uint64_t linux_resident_bytes(void)
{
    char text[128];
    unsigned long size = 0, resident = 0;

    if (linux_slurp("/proc/self/statm", text, sizeof(text)) <= 0 ||
        sscanf(text, "%lu %lu", &size, &resident) != 2)
        return 0;
    return (uint64_t)resident * (uint64_t)getauxval(AT_PAGESZ);
}

/* Reads /proc/self/maps piece by piece: a line may be cut by the end of the buffer. */
long linux_mappings_in(uintptr_t low, uintptr_t high)
{
    char buf[4096];
    size_t kept = 0;
    long count = 0, n;
    int fd = linux_open("/proc/self/maps", O_RDONLY, 0);
    if (fd < 0)
        return fd;

    while ((n = linux_read(fd, buf + kept, sizeof(buf) - 1 - kept)) > 0) {
        buf[kept + (size_t)n] = '\0';
        char *line = buf, *end;
        while ((end = strchr(line, '\n')) != NULL) {
            uintptr_t from = 0, to = 0;
            if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2 && from < high && to > low)
                count++;
            line = end + 1;
        }
        kept = strlen(line);
        memmove(buf, line, kept);
    }
    linux_close(fd);
    return count;
}
