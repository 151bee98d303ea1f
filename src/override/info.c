/*
 * What glibc tells of its heap, told of ours: mallinfo, mallinfo2, malloc_info and malloc_stats.
 *
 * The heap's slabs are what glibc calls the arena, spans are its mmapped blocks. A few blocks may be the C library's:
 * those from before hakmem was started, and what the arena had no room for. They are in mallinfo's sums.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "alloc/heap_info.h"
#include "alloc/heap_libc.h"
#include "base/attr.h"
#include "hakmem/hakmem.h"

static uint64_t statistic(const char *name)
{
    uint64_t value = 0;
    hak_stat(name, &value);
    return value;
}

typedef struct mallinfo2 (*mallinfo2_function)(void);

HAK_EXPORT struct mallinfo2 mallinfo2(void)
{
    struct heap_info heap;
    struct mallinfo2 info = {0};
    mallinfo2_function behind_us = (mallinfo2_function)dlsym(RTLD_NEXT, "mallinfo2");
    libc_make_ready();
    if (behind_us != NULL)
        info = behind_us();
    heap_info_read(&heap);
    info.arena += heap.slab_bytes;
    info.ordblks += heap.free;
    info.uordblks += heap.used_bytes;
    info.fordblks += heap.slab_bytes - heap.used_bytes;
    info.keepcost += statistic("retained_bytes");
    info.hblks += statistic("mmap_allocs") - statistic("mmap_frees");
    info.hblkhd += statistic("live_bytes");
    return info;
}

HAK_EXPORT struct mallinfo mallinfo(void)
{
    struct mallinfo2 wide = mallinfo2();
    return (struct mallinfo){
        .arena = (int)wide.arena,
        .ordblks = (int)wide.ordblks,
        .smblks = (int)wide.smblks,
        .hblks = (int)wide.hblks,
        .hblkhd = (int)wide.hblkhd,
        .usmblks = (int)wide.usmblks,
        .fsmblks = (int)wide.fsmblks,
        .uordblks = (int)wide.uordblks,
        .fordblks = (int)wide.fordblks,
        .keepcost = (int)wide.keepcost,
    };
}

/* The elements of glibc's document, for one heap: free blocks by size, their total, and what the system gave. */
HAK_EXPORT int malloc_info(int options, FILE *file)
{
    struct heap_info heap;
    if (options != 0)
        return EINVAL;
    heap_info_read(&heap);
    fprintf(file, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n");
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        if (heap.class[class].free != 0)
            fprintf(file, "  <size from=\"%zu\" to=\"%u\" total=\"%zu\" count=\"%zu\"/>\n",
                    class == 0 ? (size_t)1 : (size_t)block_classes[class - 1].bytes + 1,
                    block_classes[class].bytes, heap.class[class].free * block_classes[class].bytes,
                    heap.class[class].free);
    fprintf(file, "</sizes>\n</heap>\n");
    fprintf(file, "<total type=\"fast\" count=\"%zu\" size=\"%zu\"/>\n", heap.free,
            heap.free_bytes);
    fprintf(file, "<total type=\"rest\" count=\"0\" size=\"0\"/>\n");
    fprintf(file, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n",
            (size_t)(statistic("mmap_allocs") - statistic("mmap_frees")),
            (size_t)statistic("live_bytes"));
    fprintf(file, "<system type=\"current\" size=\"%zu\"/>\n", heap.slab_bytes);
    fprintf(file, "<system type=\"max\" size=\"%zu\"/>\n", (size_t)statistic("arena_bytes"));
    return fprintf(file, "</malloc>\n") < 0 ? -1 : 0;
}

HAK_EXPORT void malloc_stats(void)
{
    struct heap_info heap;
    heap_info_read(&heap);
    dprintf(STDERR_FILENO,
            "hakmem\nslab bytes       = %10zu\nin use bytes     = %10zu\nlarge regions    = %10zu\n"
            "large bytes      = %10zu\nretained bytes   = %10zu\n",
            heap.slab_bytes, heap.used_bytes,
            (size_t)(statistic("mmap_allocs") - statistic("mmap_frees")),
            (size_t)statistic("live_bytes"), (size_t)statistic("retained_bytes"));
}
