/*
 * An operating system for tests: memory is real, so that zeroing and moving can be believed, and everything else
 * is as the test says. Every call that asks for memory or gives it back is recorded, and can be made to fail.
 *
 * `os` is set once, before hakmem starts; hakmem starts once a process. So a case that starts it runs in a child
 * of its own (isolated.h).
 */
#ifndef HAK_TESTS_FAKE_OS_H
#define HAK_TESTS_FAKE_OS_H

#include "os/os.h"

enum fake_kind {
    FAKE_RESERVE,
    FAKE_RESERVE_ZEROS,
    FAKE_COMMIT,
    FAKE_RELEASE,
    FAKE_MAP,
    FAKE_RENEW,
    FAKE_MOVE,
    FAKE_ADVISE,
    FAKE_ADVISE_MANY,
    FAKE_RESIDENCY,
    FAKE_KINDS,
};

enum {
    FAKE_RECORDS = 8192, /* later calls are counted only */
    FAKE_VARIABLES = 16,
    FAKE_MODULES = 4,
    FAKE_SYMBOLS = 16,
};

struct fake_record {
    enum fake_kind kind;
    uintptr_t address, to; /* `to`: of a move */
    size_t bytes;          /* of all pieces */
    size_t pieces;         /* of ADVISE_MANY; else 1 */
    enum os_advice advice;
    int status; /* 0 or -errno, as returned */
};

struct fake_module {
    uintptr_t low, high; /* addresses in it */
    struct os_module is;
};

struct fake_symbol {
    uintptr_t pc;
    uintptr_t goes_to; /* the call there */
    struct os_symbol is;
};

struct fake {
    struct os_machine machine;    /* set before hakmem starts */
    uint64_t now_ns;              /* the clock; at least 1 */
    uint64_t random;              /* what the process drew, set before hakmem starts */
    uint64_t tick_ns;             /* each reading of the clock moves it on by this */
    uint64_t cpu_tick_ns;         /* the same of CPU time; 0: that is the clock */
    unsigned clock_reads;         /* by the thread that called fake_start() */
    int refused[OS_ADVICE_COUNT]; /* errno of every such advice; 0: it works */
    bool vector_refused;          /* advise_many: -ENOSYS */
    bool all_resident;            /* residency says so; else what is true */
    bool never_resident;          /* residency fails */
    unsigned nr_modules;          /* 0: the real ones */
    struct fake_module module[FAKE_MODULES];
    unsigned nr_symbols; /* what is known where the modules are not the real ones */
    struct fake_symbol symbol[FAKE_SYMBOLS];
    unsigned symbol_looks; /* how often somebody asked */
    unsigned nr_records;
    struct fake_record record[FAKE_RECORDS];
    size_t map_bytes; /* mapped by map() and not released */
};
extern struct fake fake;

/* A machine of 4 KiB and 2 MiB pages with THP "madvise" and no limits, nothing in the environment but a small
 * arena and no helper thread; `os` is the fake from now on. */
void fake_start(void);

/* NULL: unset. The texts are not copied. */
void fake_set(const char *name, const char *value);

/* The n-th call (from 0, from now on) of this kind fails with `failure`, or of any kind that can fail. */
void fake_fail(enum fake_kind kind, unsigned n, int failure);
void fake_fail_any(unsigned n, int failure);
/* From now on every call of this kind fails. */
void fake_fail_always(enum fake_kind kind, int failure);
void fake_fail_never(void);
/* Whether the call that was to fail has been made. */
bool fake_has_failed(void);

/* What was recorded since the last fake_forget(). */
void fake_forget(void);
unsigned fake_calls(void); /* all but looks at residency */
unsigned fake_count(enum fake_kind kind);
unsigned fake_advised(enum os_advice advice);               /* calls, single and vectors */
bool fake_advised_at(const void *p, enum os_advice advice); /* a piece that covers this address */
const struct fake_record *fake_last(enum fake_kind kind);   /* NULL: none */

#endif
