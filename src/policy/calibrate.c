/*
 * The prices of the kernel's primitives, measured where they will be paid: a few MiB are faulted in, advised and
 * given back, several rounds each, and the median round counts. The first round only warms the guest's memory.
 */
#include <errno.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/bits.h"
#include "policy/cost.h"
#include "stats/stats.h"

enum { ROUNDS = 5, SCRATCH_BYTES_MIN = 2 << 20, HUGE_BYTES_MAX = 4 << 20 };

struct bench {
    char *memory;
    size_t bytes, page_bytes, step_bytes; /* step: of the pages that are measured */
};

/* What one round measured, ns a page. */
struct round {
    uint64_t fault, populate, drop, lazy;
};

static void touch(const struct bench *b)
{
    for (size_t at = 0; at < b->bytes; at += b->page_bytes)
        *(volatile char *)(b->memory + at) = 1;
}

static uint64_t timed(uint64_t since_ns, const struct bench *b)
{
    uint64_t pages = b->bytes / b->step_bytes;
    uint64_t ns = (os->now_ns() - since_ns) / pages;
    return ns > 0 ? ns : 1;
}

static uint64_t timed_advice(const struct bench *b, enum os_advice advice, int *status)
{
    uint64_t since = os->now_ns();
    *status = os->advise(b->memory, b->bytes, advice);
    stat_add(STAT_os_madvise, 1);
    return timed(since, b);
}

static void measure_round(const struct bench *b, struct round *r)
{
    int status;
    uint64_t since = os->now_ns();
    touch(b);
    r->fault = timed(since, b);
    r->drop = timed_advice(b, OS_GIVE_BACK, &status);
    r->populate = timed_advice(b, OS_POPULATE, &status);
    if (status != 0)
        r->populate = r->fault; /* a kernel before 5.14: the arm is pooled, its price unused */
    touch(b);
    r->lazy = timed_advice(b, OS_GIVE_LAZILY, &status);
    if (status != 0)
        r->lazy = r->drop;
    timed_advice(b, OS_GIVE_BACK, &status);
}

static uint64_t median(uint64_t v[ROUNDS])
{
    for (int i = 1; i < ROUNDS; i++)
        for (int j = i; j > 0 && v[j] < v[j - 1]; j--) {
            uint64_t swapped = v[j];
            v[j] = v[j - 1];
            v[j - 1] = swapped;
        }
    return v[ROUNDS / 2];
}

static struct round measure(const struct bench *b)
{
    struct round rounds[ROUNDS], result;
    uint64_t v[ROUNDS];
    measure_round(b, &rounds[0]);
    for (int i = 0; i < ROUNDS; i++)
        measure_round(b, &rounds[i]);
#define MEDIAN_OF(field)                                                                           \
    for (int i = 0; i < ROUNDS; i++)                                                               \
        v[i] = rounds[i].field;                                                                    \
    result.field = median(v);
    MEDIAN_OF(fault)
    MEDIAN_OF(populate)
    MEDIAN_OF(drop)
    MEDIAN_OF(lazy)
#undef MEDIAN_OF
    return result;
}

static uint64_t measure_call(const struct bench *b)
{
    uint64_t v[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t since = os->now_ns();
        os->advise(b->memory, b->page_bytes, OS_GIVE_BACK);
        v[i] = os->now_ns() - since;
    }
    uint64_t ns = median(v);
    return ns > 0 ? ns : 1;
}

int calibrate(struct calibration *out, const struct os_machine *machine)
{
    size_t huge = machine->huge_bytes <= HUGE_BYTES_MAX ? machine->huge_bytes : 0;
    size_t bytes = huge > SCRATCH_BYTES_MIN ? huge : SCRATCH_BYTES_MIN;
    size_t mapped = 2 * bytes;
    char *memory = os->map(mapped);
    stat_add(STAT_os_mmap, 1);
    if (memory == NULL)
        return -ENOMEM;

    struct bench b = {(char *)align_up((uintptr_t)memory, bytes), bytes, machine->page_bytes,
                      machine->page_bytes};
    os->advise(b.memory, b.bytes, OS_USE_BASE);
    struct round base = measure(&b);
    out->advise_call = measure_call(&b);
    struct round large = base;
    if (huge != 0) {
        os->advise(b.memory, b.bytes, OS_USE_HUGE);
        b.step_bytes = huge;
        large = measure(&b);
    }
    os->release(memory, mapped);
    stat_add(STAT_os_munmap, 1);

    out->base_fault = base.fault;
    out->base_populate = base.populate;
    out->base_drop = base.drop;
    out->base_lazy = base.lazy;
    out->huge_fault = large.fault;
    out->huge_populate = large.populate;
    out->huge_drop = large.drop;
    out->huge_lazy = large.lazy;
    return 0;
}
