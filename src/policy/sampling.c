#include "policy/sampling.h"

#include "os/os.h"

enum {
    CLOCK_READINGS = 7,    /* of one block's life, and those that measure that */
    CPU_READINGS = 4,      /* the same of CPU time */
    MEASURING_SHARE = 200, /* measuring takes so small a part of the time */
    PASS_OVER_MAX = 1023,
};

static uint64_t clock_ns, cpu_clock_ns; /* what one reading costs */

/* The cheapest of a few. */
static uint64_t cost_of_reading(uint64_t (*clock)(void))
{
    uint64_t last = clock(), cheapest = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        uint64_t now = clock();
        cheapest = now - last < cheapest ? now - last : cheapest;
        last = now;
    }
    return cheapest;
}

void sampling_start(void)
{
    clock_ns = cost_of_reading(os->now_ns);
    cpu_clock_ns = cost_of_reading(os->thread_cpu_ns);
}

uint64_t sampling_without_reading(uint64_t ns)
{
    return ns > cpu_clock_ns ? ns - cpu_clock_ns : 0;
}

/* The count is not exact when threads meet here, and need not be. */
bool sampling_passes_over(struct sampling *s, enum arm_id *arm)
{
    uint32_t left = atomic_load_explicit(&s->to_pass_over, memory_order_relaxed);
    if (left == 0)
        return false;
    atomic_store_explicit(&s->to_pass_over, left - 1, memory_order_relaxed);
    *arm = (enum arm_id)atomic_load_explicit(&s->steady_arm, memory_order_relaxed);
    return true;
}

/* Where threads met, what is left may be of long ago. */
uint32_t sampling_count(struct sampling *s)
{
    uint32_t left = atomic_load_explicit(&s->to_pass_over, memory_order_relaxed);
    uint32_t passed = left < s->passed_over ? s->passed_over - left : 0;
    uint32_t more = passed > s->counted ? passed - s->counted : 0;
    s->counted = passed;
    return more;
}

static void pass_over(struct sampling *s, uint32_t n)
{
    s->passed_over = n;
    s->counted = 0;
    atomic_store_explicit(&s->to_pass_over, n, memory_order_relaxed);
}

/* How many blocks are passed over until the next that is measured. Far between, all are measured. */
static uint32_t blocks_to_pass_over(struct sampling *s)
{
    uint64_t now_ns = os->now_ns();
    uint64_t between_ns = (now_ns - s->measured_at_ns) / (s->passed_over + 1) + 1;
    uint64_t wanted = s->measuring_ns * MEASURING_SHARE / between_ns;
    s->measured_at_ns = now_ns;
    return wanted < PASS_OVER_MAX ? (uint32_t)wanted : PASS_OVER_MAX;
}

uint32_t sampling_plan(struct sampling *s, int steady)
{
    uint32_t passed = sampling_count(s);
    uint32_t n = steady >= 0 ? blocks_to_pass_over(s) : 0;
    if (n > 0)
        atomic_store_explicit(&s->steady_arm, (uint8_t)steady, memory_order_relaxed);
    pass_over(s, n);
    return passed;
}

uint32_t sampling_stop(struct sampling *s)
{
    uint32_t passed = sampling_count(s);
    pass_over(s, 0);
    return passed;
}

/* Follows slowly, so that one page of the cell's that is in no cache does not count for all. */
void sampling_note_price(struct sampling *s, uint64_t ns)
{
    uint64_t price_ns = ns + CLOCK_READINGS * clock_ns + CPU_READINGS * cpu_clock_ns;
    if (s->measuring_ns == 0)
        s->measuring_ns = price_ns;
    else
        s->measuring_ns += (uint64_t)((int64_t)(price_ns - s->measuring_ns) / 16);
}
