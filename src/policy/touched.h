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

/* The last three of them belong to who settles blocks, one at a time. */
struct touched {
    _Atomic bool wanted;        /* nobody has looked yet, or who did saw nothing */
    _Atomic uint8_t blank;      /* so many looks saw nothing */
    _Atomic uint32_t share_q10; /* 0: not known */
    /* By kind of page and of filling: so many blocks one after another had all their pages. */
    _Atomic uint8_t whole[2][2];
    /* In 1/1024 of what a block writes to: what was beyond the pages it was given, and what would have been had it written to any. */
    uint32_t beyond_q10, if_any_q10;
};

void touched_start(struct touched *t, bool wanted);

/*
 * Whether it is to be seen, of a block that is freed now, which pages it wrote to: what is resident says nothing of that on huge
 * pages, and without it nobody would try others. True once, of a site and band that nothing is known of, and again where that showed nothing.
 */
bool touched_wants(struct touched *t);

/* Whether it is to be seen what is resident of a block that is freed now. Where the last ones all had all their pages, as on huge
 * pages and populated ones, one in eight is enough. */
bool touched_wants_look(struct touched *t, enum arm_id arm);

/* It was looked at, and all of its pages were there, or not. */
void touched_note_look(struct touched *t, enum arm_id arm, bool whole);

/* So many (> 0) were looked at, and so many of them hold more than zeros. None says nothing: programs fill buffers with zeros. */
void touched_note(struct touched *t, uint32_t written, uint32_t looked_at);

/*
 * Of one that began cold, on base pages of its own touching: it may have written to more. Of one that was given base pages: whether
 * it wrote to those.
 */
void touched_note_episode(struct touched *t, const struct prices *prices, enum arm_id arm,
                          const struct episode *e);

/* As `scatter_q10` of an episode. Until it was seen, one is as likely as the other. */
uint32_t touched_scatter_q10(const struct touched *t);

/* Of a block of `bytes`; 0: not known. */
uint32_t touched_pages(const struct touched *t, const struct prices *prices, size_t bytes);

#endif
