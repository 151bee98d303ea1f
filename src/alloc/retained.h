/*
 * What is retained: freed spans in BigCache and in the two batches, how they come back to use, and when they leave.
 *
 * The store calls all of this with its lock held. No system call is made here: what must be advised now is moved to a list
 * `due`, linked by `batch.link`, and is in nothing else then.
 */
#ifndef HAK_ALLOC_RETAINED_H
#define HAK_ALLOC_RETAINED_H

#include "alloc/span.h"
#include "policy/arms.h"

struct retained {
    struct bigcache cache;
    struct batch batch;     /* what is to be dropped */
    struct batch lazy;      /* of what is in BigCache, that of which MADV_FREE is to be asked */
    size_t batch_min_bytes; /* smaller spans are advised at once */
    uint64_t nr_due;        /* spans that ever went to a list `due` */
};
extern struct retained retained;

void retained_start(const struct os_machine *machine);

/* What lived at once may be kept for the next: with less than that a program faults in again what it just freed. */
void retained_raise_cap(size_t most_live_bytes);

/* A span that nobody uses goes where `retain` says, `most_idle_ns` as in BigCache; and what it pushes out, to `due`. */
void retained_put(struct span *s, enum arm_retain retain, uint64_t most_idle_ns, struct list *due);

/* A LIVE span for the request, of one in BigCache or of several that lie side by side, cut to its size; NULL: there are none.
 * `former`: the labels of the blocks whose memory it was. */
struct span *retained_get(const struct span_request *request, uint64_t site, struct formers *former,
                          struct list *due);

/*
 * Learning: a block that gets memory of zone `own` would have had what the site keeps in the other zone, or, if it begins `cold` by
 * choice, in its own. Those who kept it are not to pay for waiting until one of their own arm comes, which may be long while
 * arms are compared: their labels join `former`.
 */
void retained_note_passed_by(enum zone_id own, bool cold, size_t bytes, uint64_t site,
                             struct formers *former);

/* Moves to `due` what has idled long enough, and the batches that are. */
void retained_expire(uint64_t now_ns, const uint64_t break_even_ns[ZONE_COUNT], struct list *due);

/* Moves everything to `due`; how many bytes. */
size_t retained_clear(struct list *due);

/*
 * How soon to look, ns: at what may idle until it breaks even; and at what waits for less, but not so soon that looking takes more
 * than holding it until then, of which `waking_byte_ns` may be held. 0: there is nothing of that.
 */
uint64_t retained_look_ns(const uint64_t break_even_ns[ZONE_COUNT]);
uint64_t retained_hurried_look_ns(uint64_t waking_byte_ns);

#endif
