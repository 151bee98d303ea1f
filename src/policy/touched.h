/*
 * Which share of its pages a site's blocks write to. On huge pages all of them are resident, so that a site that began there would
 * never try others: one of its blocks is looked at, and those on base pages put right what it showed.
 */
#ifndef HAK_POLICY_TOUCHED_H
#define HAK_POLICY_TOUCHED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/cost.h"

struct touched {
    _Atomic bool wanted;        /* nobody has looked yet */
    _Atomic uint32_t share_q10; /* 0: not known */
};

void touched_start(struct touched *t, bool wanted);

/* Whether a block that is freed now is to be looked at. True once. */
bool touched_wants(struct touched *t);

/* So many (> 0) were looked at, and so many of them were written to. */
void touched_note(struct touched *t, uint32_t written, uint32_t looked_at);

/* One that began cold, on base pages of its own touching: it may have written to more. */
void touched_note_episode(struct touched *t, const struct prices *prices, enum arm_id arm,
                          const struct episode *e);

/* Of a block of `bytes`; 0: not known. */
uint32_t touched_pages(const struct touched *t, const struct prices *prices, size_t bytes);

#endif
