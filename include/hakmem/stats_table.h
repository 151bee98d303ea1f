/*
 * hakmem's statistics, one row each: X(name, unit, kind, help)
 *   kind COUNT: only ever rises; GAUGE: the value now.
 * Blocks under 64 KiB are not measured: no row counts them. What the heap takes for them, it takes as slabs, and these are in the
 * rows about BigCache, the batch, system calls, memory and faults.
 */
#ifndef HAKMEM_STATS_TABLE_H
#define HAKMEM_STATS_TABLE_H

#define HAK_STATS_TABLE(X)                                                                         \
    X(heap_allocs, "calls", COUNT, "blocks of 64 KiB and more served by the heap")                 \
    X(heap_bytes, "bytes", COUNT, "bytes asked for in them")                                       \
    X(mmap_allocs, "calls", COUNT, "blocks served by a span of their own")                         \
    X(mmap_bytes, "bytes", COUNT, "bytes asked for in them")                                       \
    X(mmap_frees, "calls", COUNT, "frees of such blocks")                                          \
    X(grows_in_place, "calls", COUNT, "reallocs that enlarged a block where it was")               \
    X(grows_moved, "calls", COUNT, "reallocs that moved a block's pages (mremap)")                 \
    X(grows_copied, "calls", COUNT, "reallocs that had to copy")                                   \
    X(cache_hits, "calls", COUNT, "blocks served from BigCache")                                   \
    X(cache_misses, "calls", COUNT, "blocks with mmap backing that BigCache could not serve")      \
    X(cache_hits_site, "calls", COUNT, "hits on a span last used by the same site")                \
    X(cache_splits, "calls", COUNT, "hits that split a larger span")                               \
    X(cache_joins, "calls", COUNT, "hits that joined neighbouring spans")                          \
    X(cache_evictions, "spans", COUNT, "spans that left BigCache because it was full")             \
    X(cache_expiries, "spans", COUNT, "spans that left BigCache at their break-even time")         \
    X(batch_flushes, "calls", COUNT, "batches of spans given back")                                \
    X(batch_spans, "spans", COUNT, "spans in them")                                                \
    X(batch_bytes, "bytes", COUNT, "bytes in them")                                                \
    X(immediate_spans, "spans", COUNT, "spans given back at once, without the batch")              \
    X(os_mmap, "calls", COUNT, "mmap system calls")                                                \
    X(os_munmap, "calls", COUNT, "munmap system calls")                                            \
    X(os_mprotect, "calls", COUNT, "mprotect system calls")                                        \
    X(os_mremap, "calls", COUNT, "mremap system calls")                                            \
    X(os_madvise, "calls", COUNT, "madvise system calls")                                          \
    X(os_process_madvise, "calls", COUNT, "process_madvise system calls")                          \
    X(tlb_calls, "calls", COUNT, "system calls that make other cores drop translations")           \
    X(sites, "sites", COUNT, "call sites known")                                                   \
    X(sites_split, "sites", COUNT, "of them split by the depth of the stack, in this run")         \
    X(sites_by_id, "sites", COUNT, "sites that a loaded policy knew by their id")                  \
    X(sites_by_symbol, "sites", COUNT,                                                             \
      "sites it knew from another build, by function and offset in it")                            \
    X(sites_by_call, "sites", COUNT,                                                               \
      "sites it knew from another build, by function and number of the call")                      \
    X(sites_not_known, "sites", COUNT, "sites it did not know")                                    \
    X(site_overflow, "calls", COUNT,                                                               \
      "calls served by the band's default because the site table was full")                        \
    X(site_unknown, "calls", COUNT, "calls from code that is in no loaded module")                 \
    X(episodes, "blocks", COUNT, "blocks whose cost was reported to the learner")                  \
    X(policy_saves, "files", COUNT, "policies written")                                            \
    X(policy_failures, "files", COUNT, "policies that could not be read or written")               \
    X(live_bytes, "bytes", GAUGE, "spans handed out now")                                          \
    X(slab_bytes, "bytes", GAUGE, "spans that the heap has cut into blocks")                       \
    X(retained_bytes, "bytes", GAUGE, "spans in BigCache now")                                     \
    X(queued_bytes, "bytes", GAUGE, "spans in the batch now")                                      \
    X(arena_bytes, "bytes", GAUGE, "address space of the arena ever used")                         \
    X(resident_bytes, "bytes", GAUGE, "resident memory of the process now")                        \
    X(mappings, "lines", GAUGE, "lines of /proc/self/maps that are hakmem's")                      \
    X(minor_faults_start, "faults", GAUGE, "minor faults of the process when hakmem started")      \
    X(major_faults_start, "faults", GAUGE, "major faults then")                                    \
    X(minor_faults, "faults", GAUGE, "minor faults now")                                           \
    X(major_faults, "faults", GAUGE, "major faults now")

#endif
