/*
 * The seam between what is executed (alloc) and what is decided: which arm a block of a site gets, and what
 * became of it.
 *
 * Frozen, a decision is one look-up in a table: no clock, no lock, no random number. Learning, it asks the
 * band's learner, and every settled block is reported back as facts; this layer prices them.
 */
#ifndef HAK_POLICY_POLICY_H
#define HAK_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bits.h"
#include "os/os.h"
#include "policy/arms.h"
#include "policy/site.h"

/* Who asks for memory. */
struct caller {
    uint64_t site;   /* key of site.h: the return address, or a named site's */
    uintptr_t frame; /* where the caller's stack frame ends; 0: not known */
};

#define NO_CALLER    ((struct caller){0, 0})
#define AT_SITE(key) ((struct caller){(key), 0})

struct touched;
struct policy_cell; /* what is learned of one site's blocks of one band */

struct decision {
    struct policy_cell *cell; /* NULL: nothing is learned from this block */
    uint64_t site;            /* its ID; 0: unknown, or not looked up */
    enum arm_id arm;
    uint16_t keep_ms; /* of BigCache: not longer; 0: until that breaks even */
    uint32_t
        depth; /* of the stack, by which contexts are told apart; 0: not known, or not looked at */
    bool
        cold; /* on memory of which nothing is resident, so that it is seen what the block touches */
};

/* The facts of one block's life, measured by alloc. */
struct episode {
    size_t bytes;
    uint64_t malloc_ns;    /* CPU time in malloc, without that for populating */
    uint64_t free_ns;      /* in free */
    uint64_t live_ns;      /* from malloc to free */
    uint64_t idle_ns;      /* retained, from free to reuse or give-back */
    uint64_t give_back_ns; /* its share of the flush that gave it back */
    uint64_t looking_ns;   /* spent on seeing what is resident */
    uint32_t base_pages;   /* resident when freed, counted in base pages */
    uint32_t huge_full;    /* huge-page stretches resident as a whole */
    uint32_t huge_touched; /* huge-page stretches with anything resident */
    bool given_back;       /* the pages went back to the system */
    bool reused;           /* the next block got them */
    bool lives;            /* it was not freed when the process ended */
    uint32_t grew_pages; /* base pages resident beyond what it was given, where it was given any */
    bool grown, remote;
    bool
        zeroed; /* asked for by calloc: what it was given of others' pages was cleared, in malloc_ns */
    bool cold;         /* began on memory of which nothing was resident */
    uint32_t depth;    /* of the stack, where it was asked for; 0: not known */
    uint32_t fault_ns; /* of a page of a cold block, where one was timed; 0: none was */
    uint32_t
        touched_pages; /* that such blocks write to, where that was seen; 0: was not. Set by this layer */
    /* 0: such blocks write to the pages that the one before wrote to; 1024: to any. Set by this layer */
    uint32_t scatter_q10;
    uint32_t peak; /* most blocks of its site and band at once; set by this layer */
    /* How many times the calibrated price pages of such blocks cost to have again, in 1/1024, by enum arm_pages and enum
     * refill; 0: once. Set by this layer. */
    uint32_t refill_q10[2][2];
};

enum refill { REFILL_DROPPED, REFILL_KEPT }; /* when they were freed */

/* Reads the policy, if one is named; learns the machine. Called once, before anything below. */
void policy_start(const struct os_machine *machine, bool have_arena);

/* The arm for a block of `bytes` (>= FLOOR_BYTES). */
struct decision policy_choose(struct caller caller, size_t bytes);

/* A block that was chosen for is freed. */
void policy_freed(struct policy_cell *cell);

/* What is known of which pages the site's blocks write to, and which are resident. */
struct touched *policy_touched(struct policy_cell *cell);

/* A block's life is settled: prices the facts and reports them under the arm that was played. */
void policy_reward(struct policy_cell *cell, enum arm_id arm, const struct episode *episode);

/* Whether blocks are to be measured. */
bool policy_learns(void);

/* How long an idle span of these pages is worth its memory. */
uint64_t policy_break_even_ns(enum arm_pages pages);

/* How many bytes times ns may be held for so much. */
uint64_t policy_holding_byte_ns(uint64_t cost_ns);

/* Whether a block of `copied` bytes is better copied to a warm span than moved, and `filled` faulted in. */
bool policy_copying_pays(enum arm_pages pages, size_t copied_bytes, size_t filled_bytes);

/* Whether there is something learned that no file holds yet. */
bool policy_has_unsaved(void);

/* As hak_policy_load() and hak_policy_save() of hakmem.h. */
int policy_load(const char *path);
int policy_save(const char *path);

/* The key of a site that the program names itself. */
uint64_t policy_name_site(const char *file, unsigned line);

/* Around fork: no save is under way, then no change of sites and cells. */
void policy_fork_prepare_save(void);
void policy_fork_done_save(void);
void policy_fork_prepare(void);
void policy_fork_parent(void);
void policy_fork_child(void);

#endif
