/*
 * Which blocks of a decided site and band are measured. Measuring costs more than serving a block that is kept: of what is decided a
 * sample is enough, so large that measuring takes half a percent of the time. The caller serialises all calls but
 * sampling_passes_over().
 */
#ifndef HAK_POLICY_SAMPLING_H
#define HAK_POLICY_SAMPLING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/arms.h"

struct sampling {
    uint64_t measuring_ns;         /* what it costs to measure a block, as it was lately */
    uint64_t measured_at_ns;       /* when the last one was chosen for */
    uint32_t passed_over;          /* blocks that were to be passed over after that one */
    uint32_t counted;              /* how many of them were, when that was last looked at */
    _Atomic uint32_t to_pass_over; /* what is left of them */
    _Atomic uint8_t steady_arm;    /* and is played for them */
};

/* Finds out what a reading of the clocks costs. Once, before the others. */
void sampling_start(void);

/* Between two readings of a thread's CPU time lies one of them, which is a system call. What is left of `ns` without it. */
uint64_t sampling_without_reading(uint64_t ns);

/* Whether the next block is not measured, and the arm it gets then. */
bool sampling_passes_over(struct sampling *s, enum arm_id *arm);

/*
 * A block is chosen for that is measured. Those after it are passed over, if the learner plays `steady` without further ado (-1: it
 * does not). This and the next two return how many were passed over since that was last asked.
 */
uint32_t sampling_plan(struct sampling *s, int steady);

/* From now on all are measured. */
uint32_t sampling_stop(struct sampling *s);

uint32_t sampling_count(struct sampling *s);

/* Looking at a block and rating it took so long. */
void sampling_note_price(struct sampling *s, uint64_t ns);

#endif
