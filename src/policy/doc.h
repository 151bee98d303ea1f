/*
 * A policy in memory: what a policy file says, and what a learning process writes (docs/policy-format.md
 * has every field).
 *
 * Memory comes from a pool of mapped pages, never from malloc: this code runs inside malloc. The caller
 * serialises access to a document.
 *
 * Who does what: doc.c holds the document, json.c and json_nodes.c read JSON, doc_parse.c makes a document of
 * it, doc_print.c makes text of a document, doc_merge.c adds two up, doc_contexts.c keeps the number of contexts down,
 * doc_move.c lets sites follow a rebuilt module, policy_file.c deals with files.
 */
#ifndef HAK_POLICY_DOC_H
#define HAK_POLICY_DOC_H

#include "base/bits.h"
#include "elo/elo.h"
#include "os/os.h"
#include "policy/arms.h"
#include "policy/gaps.h"

enum {
    POLICY_VERSION = 1,
    POLICY_FILE_MAX_BYTES = 64 << 20,
    POLICY_SITES_MAX = 1 << 16, /* so that no file, however made, costs memory without bound */
    POLICY_BANDS_MAX = 1 << 17, /* of all sites together */
    POLICY_PRICE_MAX_NS = 1000 * 1000 * 1000,
};

/* Prices of the kernel's primitives on this machine, ns: X(name, least, help). Up to POLICY_PRICE_MAX_NS; what may be 0 may be
 * absent: files that do not have it have it in the prices of populating and of giving back lazily. */
#define CALIBRATION_FIELDS(X)                                                                      \
    X(base_fault, 1, "fault of one base page, ns")                                                 \
    X(huge_fault, 1, "fault of one huge page, ns")                                                 \
    X(base_populate, 1, "MADV_POPULATE_WRITE, ns per base page")                                   \
    X(huge_populate, 1, "MADV_POPULATE_WRITE, ns per huge page")                                   \
    X(base_touch, 0, "first write to a populated base page, or to one given back lazily, ns")      \
    X(huge_touch, 0, "first writes to a populated huge page, or to one given back lazily, ns")     \
    X(base_drop, 1, "MADV_DONTNEED, ns per resident base page")                                    \
    X(huge_drop, 1, "MADV_DONTNEED, ns per resident huge page")                                    \
    X(base_lazy, 1, "MADV_FREE, ns per resident base page")                                        \
    X(huge_lazy, 1, "MADV_FREE, ns per resident huge page")                                        \
    X(advise_call, 1, "one madvise of nothing resident, ns")                                       \
    X(copy, 1, "copying 64 KiB of resident memory, ns")

struct calibration {
#define X(name, least, help) uint64_t name;
    CALIBRATION_FIELDS(X)
#undef X
};

enum policy_goal { GOAL_SPEED, GOAL_BALANCED, GOAL_MEMORY, GOAL_COUNT };
extern const char *const policy_goal_names[GOAL_COUNT]; /* "speed", "balanced", "memory" */

/* Whose prices these are. */
struct policy_machine {
    char cpu[64], kernel[64], thp[12];
    uint64_t page_bytes, huge_bytes;
};

/* What was seen of a band's blocks; sums over episodes, so that two bands merge by addition. */
#define POLICY_SEEN_FIELDS(X)                                                                      \
    X(episodes, "blocks whose life was settled")                                                   \
    X(size_bytes, "their sizes")                                                                   \
    X(resident_bytes, "what of them was resident when they were freed")                            \
    X(live_ns, "from malloc to free")                                                              \
    X(idle_ns, "from free to reuse, or to being given back")                                       \
    X(cold, "most blocks alive at once, by process: so many start on memory never used before")    \
    X(reused, "episodes that ended in reuse")                                                      \
    X(grown, "episodes whose block was enlarged by realloc")                                       \
    X(remote, "episodes whose block was freed by another thread")

struct policy_seen {
#define X(name, help) uint64_t name;
    POLICY_SEEN_FIELDS(X)
#undef X
};

/* What is known of one site's blocks of one band. */
struct policy_band {
    uint8_t band;                 /* BAND_FIRST..BAND_LAST */
    uint8_t champion;             /* enum arm_id played when frozen; ARM_NONE: the band's default */
    uint8_t played_as[ARM_COUNT]; /* arm_pool() where it was learned; ARM_NONE: masked there */
    uint32_t
        keep_ms; /* how long freed memory is kept under the champion; 0: not known, until it breaks even */
    uint64_t gaps[GAP_CLASSES];      /* between blocks that could have had the same memory */
    uint64_t cost_sum_ns[ARM_COUNT]; /* total cost of the arm's plays, ns */
    struct policy_seen seen;
    uint64_t unmeasured;  /* blocks that were served while the band was decided, and not measured */
    struct elo_table elo; /* ratings, plays and raw statistics; elo.arm[i] is arm i */
    /* In memory only, of what was learned: elo_merge_onto(); and that it is not in the file, as its site has contexts enough. */
    int32_t moved_q20;
    bool left_out;
};

enum { POLICY_DEPTH_BYTES = 16 };

struct policy_site {
    uint64_t id;
    uint64_t offset; /* of the return address in the module */
    char module[64]; /* file name without directories; "" unknown; for HAK_ALLOC the source file */
    char build_id[41]; /* lower-case hex; "" none */
    char symbol[96];   /* "name+0x1f"; "" unknown */
    int32_t call;      /* its number among the function's to the same target, from 0; -1: unknown */
    uint64_t of;       /* the site that this is a context of; 0: it is none */
    uint32_t depth;    /* of the stack there, in POLICY_DEPTH_BYTES; 0: no context */
    uint8_t to_split;  /* its contexts are to be learned */
    /* Set by policy_doc_mark_split(), and not in the file: a context differs from it; it has contexts, one of which is not decided. */
    bool split, has_contexts, contexts_undecided;
    unsigned nr_bands;
    struct policy_band *band[BAND_COUNT]; /* the first nr_bands are used; rising order of ->band */
    /* In memory only. */
    uint64_t moved_from; /* of what was learned: the id the site had in another build; 0: none */
    uint64_t moves_to;   /* during a merge: the id it will have; 0: it stays */
    uint64_t function;   /* rebuilt.c's: hash of module and function; 0: not indexed */
    struct policy_site *next; /* of those with the hash's slot */
    uintptr_t start;          /* where its function is in the module that runs; 0: nowhere */
    size_t bytes;             /* of that */
    bool several;             /* functions have its name there */
    _Atomic bool stands;      /* the recorded call is where it was in its function */
    uint8_t now;              /* enum known_how the call would be matched */
};

struct policy_index; /* rebuilt.h */

struct policy_doc {
    struct policy_machine machine;  /* all zero: not known */
    struct calibration calibration; /* all zero: not calibrated */
    struct policy_away away[2];     /* by enum arm_pages */
    enum policy_goal goal;
    uint8_t default_arm[BAND_COUNT]; /* enum arm_id by band - BAND_FIRST; ARM_NONE: not given */
    unsigned nr_bands;               /* of all sites */
    unsigned nr_sites, cap_sites;
    struct policy_site **site;  /* rising order of id */
    struct policy_index *index; /* of functions, for other builds; NULL: there is none */
    struct policy_pool *pool;
};

/* Why a file was refused: one line, "line 12: sites[3].bands[0].champion: expected an arm's name, got ..." */
struct policy_error {
    char text[400];
};

/* An empty document (GOAL_BALANCED, no sites); NULL + errno. */
struct policy_doc *policy_doc_new(void);
void policy_doc_free(struct policy_doc *doc); /* NULL is allowed */

/* Whether there is a calibration, and a machine. */
bool policy_calibration_known(const struct calibration *c);
bool policy_machine_known(const struct policy_machine *m);

/* What the learner may play of a band: the arms that stand for themselves. */
arm_set policy_band_playable(const struct policy_band *b);

/* The sizes of a band for people, "2-4 MiB"; of a number outside BAND_FIRST..BAND_LAST "". */
enum { POLICY_SIZE_BYTES = 32 };
void policy_size_text(unsigned band, char text[POLICY_SIZE_BYTES]);

/* The site of that id (not 0); `create` makes it when missing. NULL: not there, or when creating + errno:
 * ENOMEM, ENOSPC (one of the limits above). A new band has no champion, its arms stand for themselves,
 * and its table is elo_init()'s. */
struct policy_site *policy_doc_site(struct policy_doc *doc, uint64_t id, bool create);
struct policy_band *policy_site_band(struct policy_doc *doc, struct policy_site *site,
                                     unsigned band, bool create);

/* Gives the site at `place` another id, which no other has, and its place by that. */
void policy_doc_rename(struct policy_doc *doc, unsigned place, uint64_t id);

/*
 * In a merge: what `into` has under the id of another build gets the id and the description that `from` has for it, and
 * its contexts go with it. Where `into` has both, both stay as they are: somebody else was here before.
 */
void policy_doc_move(struct policy_doc *into, const struct policy_doc *from);

/*
 * In a merge: of the contexts of a site that the two have together, the CONTEXTS_MAX with most blocks are to stay. The others
 * are taken out of `into`, and those of `from` are told: true at their place. NULL + errno: nothing is changed.
 */
const bool *policy_doc_limit_contexts(struct policy_doc *into, const struct policy_doc *from);

/* The id of a site's context. */
uint64_t policy_context_id(uint64_t of, uint32_t depth);

/* Marks the sites of which a context has another champion than the site itself: where all agree there is nothing
 * to tell apart. */
void policy_doc_mark_split(struct policy_doc *doc);

/* For the reader, which orders the sites itself: adds `site` at the end. False + errno. */
bool policy_doc_append(struct policy_doc *doc, struct policy_site *site);

/*
 * JSON text to document. Everything is checked: syntax (strictly), shape, types, ranges, duplicate keys and
 * sites, numbers. NULL: refused, `error` says what, where and what was expected. Never half a document.
 * errno: EBADMSG for what is wrong with the text, else ENOMEM. Before a band's table is played, the caller
 * calls elo_set_playable().
 */
struct policy_doc *policy_doc_parse(const char *text, size_t bytes, struct policy_error *error);

/* Document to JSON text, for people too: two-space indentation, one arm a line. The text is in the
 * document's pool, ends with a newline and a NUL; *bytes is its length without the NUL. NULL + errno. */
const char *policy_doc_print(struct policy_doc *doc, size_t *bytes);

/* Reads and parses a file of at most POLICY_FILE_MAX_BYTES. `missing_ok`: no such file is an empty document.
 * NULL + errno (EBADMSG: not a valid policy): `error` starts with the path. */
struct policy_doc *policy_file_read(const char *path, bool missing_ok, struct policy_error *error);

/*
 * Replaces the file: temporary file beside it, write, fsync, rename, fsync of the directory. The file keeps
 * its permissions, owner and group where this process may give them; of a symbolic link the target is replaced. 0 or -errno: then the file is as it was.
 */
int policy_file_write(const char *path, struct policy_doc *doc);

/*
 * Under the lock file PATH.lock: reads what is there, adds `delta`, writes. A file that cannot be read as a
 * policy is kept as PATH.bad, never overwritten silently. 0: `error` is empty, or says what was kept where.
 * -errno: the file is as it was, `error` says which step.
 */
int policy_file_merge(const char *path, struct policy_doc *delta, struct policy_error *error);

/*
 * For who reads a policy and replaces it by himself: waits for the turn at PATH.lock, so that nobody's save comes in
 * between and is lost. The turn, to be given back with policy_file_unlock(), or -errno. Whoever has it
 * must not call policy_file_merge() for the same path, which would wait for ever.
 */
int policy_file_lock(const char *path);
void policy_file_unlock(int turn);

/*
 * Adds what `from` learned to `into` (elo_merge by site, band; sums add). Different goals: -EINVAL with
 * `error`, nothing changed, unless one has no sites. Machine and calibration of `into` stay unless unknown.
 * The champion is the learner's; where nothing was played, the one that was given. Of more than CONTEXTS_MAX contexts of
 * a site those with fewest blocks are dropped. -ENOMEM, -ENOSPC: what `into` knew else is still there.
 */
int policy_doc_merge(struct policy_doc *into, const struct policy_doc *from,
                     struct policy_error *error);

/* The same of what a process learned: the ratings of `into` keep their scale, and by how much the delta's bands were moved to fit is
 * noted in them. */
int policy_doc_learn(struct policy_doc *into, struct policy_doc *delta, struct policy_error *error);

#endif
