/*
 * The prices of the kernel's primitives, measured where they will be paid: a few MiB are faulted in, advised and
 * given back, several times over, and the cheapest time of each counts. The cheapest, because in a virtual
 * machine memory that was not used lately must first be had from the host, which takes up to a hundred times
 * as long and as long for either kind of page: it is not what tells the arms apart. What this process's fills
 * really take is learned later, from themselves.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "policy/cost.h"
#include "stats/stats.h"

enum {
    ROUNDS = 5,
    BETTER_SHARE = 4, /* a round that finds nothing cheaper by so small a part is the last */
    /* The kernel invalidates up to 33 pages one by one, which can be dearer than all at once. */
    BASE_BYTES = 144 << 10,
    BASE_PAGES = 8, /* so many are touched; and where pages are large, so many are all */
    COPIED_BYTES = 128 << 10,
    HUGE_BYTES_MAX = 4 << 20,
    CALLS = 8,
};

struct bench {
    char *memory;
    size_t bytes, page_bytes; /* page: of the kind that is measured */
    /* Of the memory, from its start: a fault is dear, and one costs what the next does. */
    size_t touched_bytes;
    size_t step_bytes; /* between the bytes that are touched */
};

/* Cheapest so far, ns a page. */
struct times {
    uint64_t fault, populate, touch, drop, lazy;
};

/* What each of n pages took. */
static void keep_cheapest(uint64_t *best, uint64_t took_ns, size_t n)
{
    uint64_t each = took_ns / n;
    if (each == 0)
        each = 1;
    if (each < *best)
        *best = each;
}

static void touch(const struct bench *b)
{
    for (size_t at = 0; at < b->touched_bytes; at += b->step_bytes)
        *(volatile char *)(b->memory + at) = 1;
}

static size_t touched_pages(const struct bench *b)
{
    return b->touched_bytes / b->page_bytes;
}

static void time_touch(const struct bench *b, uint64_t *best)
{
    uint64_t since = os->now_ns();
    touch(b);
    keep_cheapest(best, os->now_ns() - since, touched_pages(b));
}

/* False: it is refused. */
static bool time_advice(const struct bench *b, enum os_advice advice, uint64_t *best)
{
    uint64_t since = os->now_ns();
    stat_add(STAT_os_madvise, 1);
    if (os->advise(b->memory, b->bytes, advice) != 0)
        return false;
    keep_cheapest(best, os->now_ns() - since, b->bytes / b->page_bytes);
    return true;
}

/* What comes after populating and after giving back lazily: nothing that anybody here sees, but where a
 * hypervisor shadows page tables that is the most of it. Writing to what is in use is the program's own time. */
static void time_first_touch(const struct bench *b, uint64_t *best)
{
    uint64_t since = os->now_ns();
    touch(b);
    uint64_t first = os->now_ns();
    touch(b);
    uint64_t again_ns = os->now_ns() - first, first_ns = first - since;
    keep_cheapest(best, first_ns > again_ns ? first_ns - again_ns : 0, touched_pages(b));
}

/* Of those that are known: advice may be refused. */
static uint64_t sum_of(const struct times *t)
{
    const uint64_t all[] = {t->fault, t->populate, t->touch, t->drop, t->lazy};
    uint64_t sum = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        sum += all[i] != UINT64_MAX ? all[i] : 0;
    return sum;
}

/* Whether it brought something new: the first one may have had to get its memory from the host. */
static bool measure_round(const struct bench *b, struct times *t)
{
    bool first = t->fault == UINT64_MAX;
    uint64_t before = sum_of(t);
    time_touch(b, &t->fault);
    os->advise(b->memory, b->bytes, OS_GIVE_BACK);
    if (time_advice(b, OS_POPULATE, &t->populate))
        time_first_touch(b, &t->touch);
    else
        touch(b);
    if (time_advice(b, OS_GIVE_LAZILY, &t->lazy))
        time_first_touch(b, &t->touch);
    time_advice(b, OS_GIVE_BACK, &t->drop);
    return first || before - sum_of(t) > before / BETTER_SHARE;
}

static struct times measure(const struct bench *b)
{
    struct times t = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    for (int round = 0; round < ROUNDS && measure_round(b, &t); round++)
        ;
    /* Advice that an old kernel refuses is not played: its price only must be one. */
    if (t.populate == UINT64_MAX)
        t.populate = t.fault;
    if (t.touch == UINT64_MAX)
        t.touch = 0;
    if (t.drop == UINT64_MAX)
        t.drop = 1;
    if (t.lazy == UINT64_MAX)
        t.lazy = t.drop;
    return t;
}

static uint64_t measure_call(char *page, size_t page_bytes)
{
    uint64_t best = UINT64_MAX;
    struct bench one = {page, page_bytes, page_bytes, page_bytes, page_bytes};
    for (int i = 0; i < CALLS; i++)
        time_advice(&one, OS_GIVE_BACK, &best);
    return best != UINT64_MAX ? best : 1;
}

/*
 * One huge page never costs more than the base pages it stands for; where it seems to, it had to come from the
 * host, and so would they have had to.
 */
static void limit(uint64_t *price, uint64_t most)
{
    if (*price > most)
        *price = most;
}

/* Copies the first part of the memory to the next; the price of a granule. */
static uint64_t measure_copy(char *memory)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < CALLS; i++) {
        memset(memory, i, COPIED_BYTES);
        uint64_t since = os->now_ns();
        memcpy(memory + COPIED_BYTES, memory, COPIED_BYTES);
        keep_cheapest(&best, os->now_ns() - since, COPIED_BYTES / GRANULE_BYTES);
    }
    return best;
}

/* Of pages that many times as large, too large to be tried out. */
static struct times times_of(const struct times *one, uint64_t n)
{
    return (struct times){one->fault * n, one->populate * n, one->touch * n, one->drop * n,
                          one->lazy * n};
}

int calibrate(struct calibration *out, const struct os_machine *machine)
{
    size_t page = machine->page_bytes;
    size_t huge = machine->huge_bytes <= HUGE_BYTES_MAX ? machine->huge_bytes : 0;
    size_t piece = BASE_PAGES * page > BASE_BYTES ? BASE_PAGES * page : BASE_BYTES;
    size_t align = huge > piece ? huge : piece, mapped = 3 * align;
    char *memory = os->map(mapped);
    stat_add(STAT_os_mmap, 1);
    if (memory == NULL)
        return -ENOMEM;

    struct bench b = {(char *)align_up((uintptr_t)memory, align), piece, page, BASE_PAGES * page,
                      page};
    os->advise(b.memory, align, OS_USE_BASE);
    struct times base = measure(&b), large = base;
    out->advise_call = measure_call(b.memory, page);
    if (huge != 0) {
        /* Where a base page was there is a table of base pages, and until it goes no huge page. */
        b = (struct bench){b.memory + align, huge, huge, huge, page};
        os->advise(b.memory, huge, OS_USE_HUGE);
        large = measure(&b);
        limit(&large.fault, base.fault * (huge / page));
        limit(&large.populate, base.populate * (huge / page));
    }
    out->copy = measure_copy(b.memory); /* on huge pages, which take one fault */
    os->release(memory, mapped);
    stat_add(STAT_os_munmap, 1);
    if (huge == 0 && machine->huge_bytes != 0)
        large = times_of(&base, machine->huge_bytes / page);

    out->base_fault = base.fault;
    out->base_populate = base.populate;
    out->base_touch = base.touch;
    out->base_drop = base.drop;
    out->base_lazy = base.lazy;
    out->huge_fault = large.fault;
    out->huge_populate = large.populate;
    out->huge_touch = large.touch;
    out->huge_drop = large.drop;
    out->huge_lazy = large.lazy;
    return 0;
}
