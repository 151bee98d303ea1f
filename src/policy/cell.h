/*
 * Cells: the learning side of the site table, one for each site and band that was met. Learn mode only.
 *
 * A cell holds what is known now, and what of it the policy file holds already: saving merges the
 * difference into the file, so that processes that share a file lose nothing and count nothing twice.
 * Locking: a cell's state under one of a few striped locks; a cell is never removed.
 */
#ifndef HAK_POLICY_CELL_H
#define HAK_POLICY_CELL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "policy/cost.h"
#include "policy/doc.h"
#include "policy/policy.h"
#include "policy/site.h"

/* What a cell has to know of the policy in force. */
struct cell_context {
    struct prices *prices;
    const arm_set *playable; /* by band - BAND_FIRST: arms that stand for themselves here */
    const uint8_t (*played_as)[ARM_COUNT];
    const _Atomic uint8_t *default_arm;
    const _Atomic bool *elsewhere; /* what is known was learned on another machine */
    uint64_t seed;
};

/* Memory for the cells. false: there is none, and nothing is learned. */
bool cells_start(const struct cell_context *context);

/* The cell of a site's band, made when missing, from `known` if that is not NULL; NULL: no room. */
struct policy_cell *cell_find_or_add(struct site *site, unsigned band,
                                     const struct policy_band *known);

/* Forgets what this process learned of the cell in favour of `known` (NULL: nothing). */
void cell_reset(struct policy_cell *cell, const struct policy_band *known);

/* Whether the next block is served without being measured, as `out` says. */
bool cell_passes_over(struct policy_cell *cell, struct decision *out);

/* Decides for the next block, which is asked for where the stack is `depth` deep; or for this arm, whatever is known. A block of
 * a decided cell is only measured as often as that costs half a percent of the time. */
void cell_choose(struct policy_cell *cell, size_t bytes, uint32_t depth, struct decision *out);
void cell_choose_forced(struct policy_cell *cell, enum arm_id arm, struct decision *out);

bool cells_have_unsaved(void);

/* Adds to `doc` what was learned since the last save. 0 or -ENOMEM. */
int cells_collect(struct policy_doc *doc);
/* The last collection is in the file, and the scales of its ratings were moved as is noted in it; NULL: it is not. */
void cells_collected(struct policy_doc *saved);

/* The parent, or the file, has all that was learned so far. */
void cells_mark_saved(void);

void cells_fork_prepare(void);
void cells_fork_done(void);

#endif
