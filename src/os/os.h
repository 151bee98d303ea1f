/*
 * Everything outside the process: address space, clocks, environment, files, modules.
 *
 * One const struct of functions, so that reclaim, expiry, saving and reward are tested with a fake
 * OS and a fake clock. The fast paths do not go through it.
 *
 * Errors: a pointer is NULL with errno set; a status is 0 (or a count) or -errno.
 */
#ifndef HAK_OS_OS_H
#define HAK_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum os_advice {
    OS_GIVE_BACK,   /* MADV_DONTNEED: the pages are gone, and read as zeros */
    OS_GIVE_LAZILY, /* MADV_FREE: gone when the kernel needs them; a write keeps a page */
    OS_POPULATE,    /* MADV_POPULATE_WRITE: present and writable on return */
    OS_USE_HUGE,    /* MADV_HUGEPAGE */
    OS_USE_BASE,    /* MADV_NOHUGEPAGE */
    OS_ADVICE_COUNT,
};

/* What is known of the machine; constant while the process lives. */
struct os_machine {
    size_t page_bytes;
    size_t huge_bytes;  /* size of a PMD page; 0: none to be had (no THP, or THP "never") */
    bool huge_always;   /* THP "always": memory without advice gets huge pages too */
    bool strict_commit; /* overcommit_memory=2: what is usable is charged, touched or not */
    uint64_t ram_bytes;
    uint64_t cgroup_limit_bytes;  /* the tightest memory limit above us; UINT64_MAX: none */
    uint64_t address_limit_bytes; /* RLIMIT_AS or RLIMIT_DATA, the tighter; UINT64_MAX: none */
    char thp[12];                 /* "always", "madvise", "never", "none" */
    uintptr_t loader;             /* where the dynamic loader lies; 0: there is none */
    size_t loader_bytes;
};

/* What the machine is called: with it goes what was calibrated on it. */
struct os_names {
    char cpu[64];    /* the processor's name */
    char kernel[64]; /* uname release */
};

/* The loaded object that holds an address. */
struct os_module {
    uintptr_t base;   /* load bias: address - base is the same in every run */
    const char *path; /* "" for the main program; valid until it is unloaded */
    unsigned char build_id[20];
    unsigned build_id_bytes; /* 0: it has none */
};

/* The function that an address is in: from the symbol tables of its module's file. */
enum { OS_SYMBOL_BYTES = 96, OS_NAME_BYTES = 77 };
struct os_symbol {
    char text
        [OS_SYMBOL_BYTES]; /* "name+0x1f"; of a name longer than OS_NAME_BYTES see os_symbols.c */
    int32_t
        call; /* the call that returns there, counted from 0 among the function's calls to the same target; -1 */
    bool shared; /* the module has another function of that name */
    uintptr_t start;
    size_t bytes;
};

struct os_function {
    const char *name; /* as in os_symbol; valid during the visit */
    uintptr_t start;
    size_t bytes;
};

/* Who may do what with a file. */
struct os_access {
    unsigned mode; /* permission bits */
    unsigned user, group;
};
#define OS_SAME (~0u) /* no user's number and no group's */

/* Page faults of the process so far. */
struct os_faults {
    uint64_t minor, major;
};

struct os {
    /* Address space. Lengths and addresses are multiples of the page size. */
    void *(*reserve)(size_t bytes);         /* inaccessible, costs nothing */
    void *(*reserve_zeros)(size_t bytes);   /* the same, but it can be read: zeros */
    int (*commit)(void *p, size_t bytes);   /* makes reserved memory usable */
    void (*release)(void *p, size_t bytes); /* unmaps what reserve or map gave */
    void *(*map)(size_t bytes);             /* usable zeroed memory, for metadata */
    /* A fresh zeroed mapping in place of what is there; and moving pages: `from` stays mapped, and reads as zeros. -errno: all is as
     * it was, but that -ENOTRECOVERABLE says that the addresses (of `to`) are lost, and must not be used again. */
    int (*renew)(void *p, size_t bytes);
    int (*move)(void *from, void *to, size_t bytes);
    bool (*locks_all)(void); /* what is mapped from now on is resident, and stays so: mlockall() */
    int (*advise)(void *p, size_t bytes, enum os_advice advice);
    /* One call for all (process_madvise on oneself). -ENOSYS where the kernel can't. */
    int (*advise_many)(const struct iovec *v, size_t n, enum os_advice advice);
    int (*residency)(const void *p, size_t bytes,
                     unsigned char *vec); /* mincore: bit 0 of a byte a page */

    /* A full memory barrier in every running thread of the process; -ENOSYS, -EPERM: the kernel won't. */
    int (*barrier)(void);

    /* Clocks, ns. */
    uint64_t (*now_ns)(void);        /* CLOCK_MONOTONIC */
    uint64_t (*thread_cpu_ns)(void); /* CPU time of this thread */
    uint64_t (*wall_s)(void);        /* seconds since the epoch, for the file's date */

    /* Environment, machine, modules. */
    bool (*has_environment)(void);           /* false: before the C library has been initialised */
    const char *(*getenv)(const char *name); /* NULL under AT_SECURE */
    void (*machine)(struct os_machine *out);
    void (*names)(struct os_names *out);
    bool (*module_of)(uintptr_t pc, struct os_module *out);
    bool (*symbol_of)(uintptr_t pc, struct os_symbol *out); /* false: unknown, and `out` says so */
    /* All functions of the module that `pc` is in; false: its file cannot be had, or is not that of the module. */
    bool (*functions_of)(uintptr_t pc, void (*visit)(const struct os_function *, void *),
                         void *context);
    /* The number, as in os_symbol, of the call that returns to `pc` in the function at `start`; where it has one, also
     * what it goes to: a function, a stub, or a place in the module's table of addresses. */
    int32_t (*call_of)(uintptr_t start, uintptr_t pc, uintptr_t *goes_to);
    /* Whether a function has a call of that number, to whatever target. */
    bool (*has_call)(uintptr_t start, size_t bytes, int32_t number);
    /* From the base of the running thread's stack to this place in it, in 16 bytes: the same in every run. 0: not
     * known, on a stack of the program's own making. */
    uint32_t (*depth_of)(uintptr_t frame);
    int (*pid)(void);
    uint64_t (*random)(
        void); /* the same all over one process's life, of 64 bits that nobody can know */
    void (*faults)(struct os_faults *out);
    uint64_t (*resident_bytes)(void); /* of the process, now; 0: not known */
    long (*mappings_in)(uintptr_t low,
                        uintptr_t high); /* lines of /proc/self/maps that overlap the range */

    /* Files: as the system calls of these names, but -errno. `read` and `write` are whole: they repeat
     * after EINTR and short counts; `read` returns fewer than `bytes` only at the end of the file. */
    int (*open)(const char *path, int flags, unsigned mode);
    int (*close)(int fd);
    long (*read)(int fd, void *buf, size_t bytes);
    long (*write)(int fd, const void *buf, size_t bytes);
    long (*file_bytes)(int fd); /* -EISDIR, -EINVAL for what is not a regular file */
    int (*fsync)(int fd);
    int (*flock)(int fd, int operation);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    long (*readlink)(const char *path, char *buf, size_t cap); /* NUL-ended; -EINVAL: not a link */
    int (*file_access)(int fd, struct os_access *out);
    int (*fchmod)(int fd, unsigned mode);
    int (*fchown)(int fd, unsigned user, unsigned group); /* OS_SAME: as it is */
    int (*absolute)(const char *path, char *buf,
                    size_t cap); /* with the working directory in front */
};

/* The one in use: os_linux, or a test's fake. */
extern const struct os *os;
extern const struct os os_linux;

/*
 * One line on stderr, "hakmem: " before it and a newline after it; no malloc, no stdio; keeps errno.
 * Longer than 500 bytes: cut.
 */
void os_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The one fatal path, for proved corruption only: a fixed text, then abort(). */
_Noreturn void os_fatal(const char *text, const void *p);

#endif
