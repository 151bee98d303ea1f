/*
 * The site table: from a call site's key to what is decided for it.
 *
 * A key is a return address, or, with SITE_NAMED set, the ID of a site that the program named itself. The ID
 * is XXH3-64 of the module's build-id and the address's offset in it, so it is the same under ASLR and in
 * every run of the same build. Fixed size, open addressing, look-up without a lock; a site is never removed.
 * When the table is full the band's defaults serve and statistics count it.
 *
 * A site whose blocks are of several kinds is split by the depth of the stack (contexts.h): each depth is a site of
 * its own then, found under a key made of the two. Depths beyond CONTEXTS_MAX are served as the site they are of.
 */
#ifndef HAK_POLICY_SITE_H
#define HAK_POLICY_SITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bits.h"
#include "os/os.h"
#include "policy/arms.h"
#include "policy/contexts.h"

#define SITE_NAMED   ((uint64_t)1 << 63)
#define SITE_CONTEXT ((uint64_t)1 << 62) /* set in the key of a context, and in no address */

enum {
    SITE_SLOTS_LOG2 = 14,
    SITE_SLOTS = 1 << SITE_SLOTS_LOG2,
    SITE_MAX = SITE_SLOTS / 4 * 3,
    SITE_PROBES = 16,
};

struct policy_cell;

struct site {
    uint64_t key;
    uint64_t id;                          /* 0: in no module */
    _Atomic uint8_t arm[BAND_COUNT];      /* enum arm_id that is played when frozen */
    _Atomic uint16_t keep_ms[BAND_COUNT]; /* and how long memory is kept; 0: until it breaks even */
    _Atomic(struct policy_cell *)
        cell[BAND_COUNT];      /* learning only; NULL until a block of the band comes */
    struct site *of;           /* the site that this is a context of; NULL: it is none */
    uint32_t depth;            /* of that context */
    _Atomic uint32_t contexts; /* that it has itself */
    _Atomic bool split;        /* look for the context */
    uint64_t offset;
    char module[64]; /* "": the main program, or no module */
    char build_id[41];
    /* The ID under which the policy in force knows it: its own, that of the same place in another build, or 0. */
    _Atomic uint64_t known_as;
    _Atomic uint8_t known_how; /* enum known_how of rebuilt.h */
    /* Before the site is shared, and then under the lock of saving: */
    bool symbol_known; /* it was looked up */
    struct os_symbol symbol;
};

/* What the policy has to say of a site that is new. */
struct site_hooks {
    /* Before others can see it and without a lock, so that files may be read. */
    void (*recognise)(struct site *);
    /* The last thing before others see it, under the table's lock. */
    void (*fill)(struct site *);
};

struct site_slot {
    _Atomic uint64_t key; /* 0: empty */
    _Atomic(struct site *) site;
};

extern struct site_slot *site_slots; /* SITE_SLOTS of them; NULL: there is no table */

static inline uint64_t site_hash(uint64_t key)
{
    return (key * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - SITE_SLOTS_LOG2);
}

/* The site of a key; NULL: not in the table yet. */
static inline struct site *site_find(uint64_t key)
{
    uint64_t at = site_hash(key);
    for (int probe = 0; probe < SITE_PROBES; probe++) {
        struct site_slot *slot = &site_slots[(at + (uint64_t)probe) & (SITE_SLOTS - 1)];
        uint64_t here = atomic_load_explicit(&slot->key, memory_order_acquire);
        if (HAK_LIKELY(here == key))
            return atomic_load_explicit(&slot->site, memory_order_relaxed);
        if (here == 0)
            return NULL;
    }
    return NULL;
}

/* Makes the table. false: no memory for it. */
bool site_table_start(void);

/* The site of a key, made when missing. NULL: full. */
struct site *site_find_or_add(uint64_t key, const struct site_hooks *hooks);

/* The context of a split site at this depth, made when missing; the site itself where there is no room. */
struct site *site_find_or_add_context(struct site *of, uint32_t depth,
                                      const struct site_hooks *hooks);

/* Registers a site of the program's own naming; its key, which is its ID with SITE_NAMED. */
uint64_t site_add_named(const char *file, unsigned line, const struct site_hooks *hooks);

/* For people: the file name of the site's module; "" where it is in none. */
void site_module_name(const struct site *site, char *buf, size_t cap);

/* The main program's file name, which is not in the loader's list: asking for it is a system call. */
void site_main_program(char *buf, size_t cap);

/* Fills in site->symbol, once; of a context nothing. Reads a file. */
void site_look_up_symbol(struct site *site);

/* All sites, in the order they came: 0 <= i < site_count(). */
unsigned site_count(void);
struct site *site_at(unsigned i);

void site_fork_prepare(void);
void site_fork_done(void);

#endif
