/*
 * What an episode cost: facts times prices, in nanoseconds of CPU (docs/design.md has the reasons).
 *
 *   time in malloc and free, and its share of giving back
 *   + price of memory x bytes resident x time, in use and retained
 *   + faulting its pages in again, charged to the episode that gave them back: so an arm pays for its own
 *     choice, whatever the arms before and after it do
 *   + the pages it touched beyond those it was given
 *   + of an episode whose memory was reused: its share of the first faults of all, which is the most blocks that
 *     lived at once over the blocks there were
 */
#ifndef HAK_POLICY_COST_H
#define HAK_POLICY_COST_H

#include <stdint.h>

#include "os/os.h"
#include "policy/arms.h"
#include "policy/doc.h"
#include "policy/policy.h"

struct prices {
    struct calibration of;      /* ns per page or call, all > 0 */
    struct policy_away away[2]; /* by enum arm_pages; learning threads add to it */
    size_t page_bytes;
    size_t huge_bytes; /* of a huge page; page_bytes where there are none */
    enum policy_goal goal;
};

/* A policy's; `otherwise` where it brings none. */
struct prices cost_prices_of(const struct policy_doc *doc, const struct calibration *otherwise);

/* How long the memory of such a band is worth keeping by its gaps, on such pages; as gaps_keep_ms(). */
uint32_t cost_keep_ms(const struct prices *p, const struct policy_band *band, enum arm_pages pages);

/* Notes what of an episode's memory costs to have again, by how long its site's memory is away. */
void cost_note_refill(const struct prices *p, const struct policy_band *band,
                      const uint16_t keep_ms[2], uint32_t refill_q10[2][2]);

/* A fault of an episode under `arm`, after a gap of that class, or AWAY_FRESH. */
void cost_note_fault(struct prices *p, enum arm_id arm, unsigned gap_class, uint64_t took_ns);

/* Holding `bytes` for `ns`. */
uint64_t cost_of_holding_ns(const struct prices *p, uint64_t bytes, uint64_t ns);

/* How many bytes times ns may be held for `cost_ns`. */
uint64_t cost_holding_byte_ns(const struct prices *p, uint64_t cost_ns);

/* Bringing the episode's pages in again under `arm`. */
uint64_t cost_of_filling_ns(const struct prices *p, enum arm_id arm, const struct episode *e);

/* The whole; `cold_q10`: the share (of 1024) of such blocks that start on memory never used before. */
uint64_t cost_of_episode_ns(const struct prices *p, enum arm_id arm, const struct episode *e,
                            uint32_t cold_q10);

/* The idle time at which holding a page has cost what it costs to give it back and fault it in again. */
uint64_t cost_break_even_ns(const struct prices *p, enum arm_pages pages);

/* Whether copying so much to where everything is resident costs less than faulting so much in. */
bool cost_copying_pays(const struct prices *p, enum arm_pages pages, size_t copied_bytes,
                       size_t filled_bytes);

/* What each arm would have cost in place of `played`, from that one episode. */
void cost_predict(const struct prices *p, enum arm_id played, const struct episode *e,
                  uint32_t cold_q10, uint64_t cost_ns[ARM_COUNT]);

/* Filling what such a block would have resident under each arm, where others have left nothing, as far as it is not in what the
 * arm's episodes cost. */
void cost_of_entry_ns(const struct prices *p, enum arm_id played, const struct episode *e,
                      uint64_t entry_ns[ARM_COUNT]);

/* An episode as they were on average, by the sums. false: there were none. */
bool cost_mean_episode(const struct prices *p, const struct policy_seen *seen,
                       struct episode *mean);

/* Measures the prices on this machine, in some ms. 0, or -errno and nothing is changed. */
int calibrate(struct calibration *out, const struct os_machine *machine);

#endif
