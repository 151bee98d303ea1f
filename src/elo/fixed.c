/*
 * Logarithm, power, root and normal deviate in fixed point, for the learner: good to about 1e-4, which
 * is far under the noise of any measured cost, and a few nanoseconds each.
 */
#include "elo/fixed.h"

/* log2(1 + i/64), Q20. */
static const int32_t log2_table[65] = {
    0,      23454,  46551,  69300,  91711,  113796,  135563,  157021,  178179,  199045,  219628,
    239934, 259971, 279746, 299266, 318537, 337566,  356359,  374920,  393257,  411375,  429278,
    446971, 464460, 481749, 498843, 515745, 532461,  548995,  565349,  581529,  597537,  613378,
    629054, 644570, 659928, 675132, 690185, 705089,  719848,  734464,  748941,  763280,  777484,
    791557, 805500, 819315, 833005, 846573, 860020,  873348,  886561,  899658,  912644,  925518,
    938284, 950944, 963498, 975949, 988298, 1000547, 1012698, 1024752, 1036711, 1048576,
};

int32_t fixed_log2_q20(uint64_t x)
{
    if (x == 0)
        x = 1;
    unsigned whole = 63u - (unsigned)__builtin_clzll(x);
    uint64_t mantissa = x << (63 - whole); /* 1.0 is the top bit */
    unsigned i = (mantissa >> 57) & 63;
    int64_t part = (int64_t)((mantissa >> 37) & 0xfffff); /* Q20 of one table step */
    int64_t step = log2_table[i + 1] - log2_table[i];
    return (int32_t)((whole << 20) + (uint32_t)log2_table[i] + (uint32_t)((step * part) >> 20));
}

uint64_t fixed_exp2_q20(int64_t log2_q20)
{
    if (log2_q20 >= 42 << 20)
        return (uint64_t)1 << 62;
    if (log2_q20 < -(21 << 20))
        return 0;
    int64_t whole = log2_q20 >> 20;
    int64_t f = log2_q20 & 0xfffff;
    /* Minimax cubic of 2^f on [0, 1]. */
    int64_t p = 81894;
    p = 237049 + ((p * f) >> 20);
    p = 729633 + ((p * f) >> 20);
    uint64_t m = (uint64_t)(1048576 + ((p * f) >> 20));
    return whole >= 0 ? m << whole : m >> -whole;
}

uint32_t fixed_deviation_q20(uint64_t variance_q24)
{
    if (variance_q24 == 0)
        return 0;
    uint64_t d = fixed_exp2_q20((fixed_log2_q20(variance_q24) - (24 << 20)) / 2);
    return d > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)d;
}

uint64_t fixed_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int32_t fixed_gauss_q10(uint64_t *state)
{
    uint64_t r = fixed_random(state);
    int32_t sum = (int32_t)((r & 0xffff) + (r >> 16 & 0xffff) + (r >> 32 & 0xffff) + (r >> 48));

    return (int32_t)(((int64_t)(sum - 131070) * 1773) >> 16);
}
