/*
 * Fixed-point helpers of the learner. Qn: n fractional bits.
 */
#ifndef HAK_ELO_FIXED_H
#define HAK_ELO_FIXED_H

#include <stdint.h>

/* log2(x), Q20; never above the true value by more than rounding. 0 counts as 1. */
int32_t fixed_log2_q20(uint64_t x);

/* 2^x, Q20; at most 2^42, 0 below 2^-21. */
uint64_t fixed_exp2_q20(int64_t log2_q20);

/* The root of a variance: Q24 in, Q20 out. */
uint32_t fixed_deviation_q20(uint64_t variance_q24);

/* 64 random bits. */
uint64_t fixed_random(uint64_t *state);

/* A normal deviate, Q10: the sum of four uniform ones, which reaches to 3.5 standard deviations. */
int32_t fixed_gauss_q10(uint64_t *state);

#endif
