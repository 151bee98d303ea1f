/*
 * Every option is one row of this table: the row makes the field, the parser, `hakmem options` and
 * docs/options.md. At most 25 rows.
 *
 *   NUMBER(field, environment, default, lowest, highest, unit, help)
 *   CHOICE(field, environment, default, "word|word|...", help)      value: the word's index
 *   TEXT(field, environment, help)                                   value: const char *, NULL when unset
 */
#ifndef HAK_CONFIG_OPTIONS_H
#define HAK_CONFIG_OPTIONS_H

#define OPTION_TABLE(NUMBER, CHOICE, TEXT)                                                         \
    TEXT(policy, "HAKMEM_POLICY", "policy file: loaded at start; in learn mode also written")      \
    CHOICE(mode, "HAKMEM_MODE", 0, "frozen|learn|off",                                             \
           "frozen: play the policy's arms; learn: rate the arms and save; off: all to the heap")  \
    CHOICE(                                                                                        \
        goal, "HAKMEM_GOAL", 1, "speed|balanced|memory",                                           \
        "price of memory: balanced is 133 ms of CPU per GiB and second, speed a 16th, memory 16 "  \
        "times that; a policy that holds sites has its own goal, and that wins")                   \
    TEXT(arm, "HAKMEM_ARM",                                                                        \
         "play this one arm at every site, by name: for experiments; in learn mode it is rated")   \
    CHOICE(large_mmap, "HAKO_HAKMEM_LARGE_MMAP", 1, "0|1",                                         \
           "0 takes every mmap arm out: the kill switch")                                          \
    TEXT(stats, "HAKMEM_STATS",                                                                    \
         "statistics as JSON at exit: stderr, or a path (%p becomes the process id)")              \
    NUMBER(                                                                                        \
        cache_mib, "HAKMEM_CACHE_MB", 1048576, 0, 1048576, "MiB",                                  \
        "upper limit of BigCache. Below it BigCache limits itself: 128 MiB; more for blocks of "   \
        "which the policy knows how long to keep them, up to the most that spans ever took "       \
        "at once; never over a quarter of memory")                                                 \
    NUMBER(cache_entry_mib, "HAKMEM_CACHE_ENTRY_MB", 64, 0, 1048576, "MiB",                        \
           "largest block that BigCache keeps when it is not known how soon it is wanted again")   \
    CHOICE(batch, "HAKMEM_BATCH", 1, "0|1", "0 gives memory back at once, block by block")         \
    NUMBER(batch_count, "HAKMEM_BATCH_COUNT", 64, 1, 512, "spans",                                 \
           "the batch is flushed at this many")                                                    \
    NUMBER(batch_mib, "HAKMEM_BATCH_MB", 32, 1, 1048576, "MiB",                                    \
           "the batch is flushed at this size")                                                    \
    NUMBER(batch_deadline_ms, "HAKMEM_BATCH_DEADLINE_MS", 10, 1, 10000, "ms",                      \
           "longest wait in the batch; what waits under `lazy` arms, two to four times as long")   \
    NUMBER(batch_min_kib, "HAKMEM_BATCH_MIN_KB", 64, 0, 1048576, "KiB",                            \
           "smaller spans are given back at once")                                                 \
    NUMBER(                                                                                        \
        arena_gib, "HAKMEM_ARENA_GB", 1024, 0, 16384, "GiB",                                       \
        "address space to reserve; less is taken where limits say so; 0: none, all to the heap")   \
    NUMBER(save_s, "HAKMEM_SAVE_SECONDS", 30, 1, 86400, "s",                                       \
           "learn mode saves the policy this often")                                               \
    NUMBER(seed, "HAKMEM_SEED", 0, 0, 4294967295, "",                                              \
           "added to the learner's seeds; runs with one seed repeat")                              \
    CHOICE(timer, "HAKMEM_TIMER", 1, "0|1",                                                        \
           "0: no helper thread; memory is then given back only during calls")

#endif
