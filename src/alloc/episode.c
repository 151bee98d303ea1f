#include "alloc/episode.h"

#include <string.h>

#include "base/attr.h"
#include "base/bits.h"
#include "policy/touched.h"

enum {
    WINDOW_PAGES =
        2048, /* pages that one mincore looks at: no huge page has more, but with base pages of 64 KiB */
    SAMPLED_PAGES = 1024, /* of which it is seen whether they were written to, at most */
    WINDOWS_MAX = 64,     /* of larger blocks a part is looked at, evenly spread */
};

static size_t page_bytes = 4096;
static size_t huge_pages = 512; /* base pages in a huge one; SIZE_MAX: there are none */
static uint64_t forked_ns;      /* when this process came from its parent; 0: it did not */

void episode_start(const struct os_machine *machine)
{
    page_bytes = machine->page_bytes;
    huge_pages = machine->huge_bytes != 0 ? machine->huge_bytes / machine->page_bytes : SIZE_MAX;
}

void episode_fork_child(void)
{
    forked_ns = os->now_ns();
}

/* A thread is known by the address of something of its own. */
static int32_t this_thread(void)
{
    return (int32_t)((uintptr_t)__builtin_thread_pointer() >> 6);
}

static uint32_t limit_ns(uint64_t ns)
{
    return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

HAK_HOT void episode_born(struct label *label, const struct decision *decision, size_t bytes,
                          bool zeroed, uint64_t since_ns, uint64_t filled_ns)
{
    *label = (struct label){.cell = decision->cell};
    if (decision->cell == NULL)
        return;
    label->arm = (uint8_t)decision->arm;
    label->depth = decision->depth;
    label->bytes = bytes;
    label->zeroed = zeroed;
    label->thread = this_thread();
    label->born_ns = os->now_ns();
    uint64_t took_ns = episode_clock(true) - since_ns;
    /* The first block of a site comes with what hakmem sets up for it, and in a new process for itself: not what the arm costs. */
    label->malloc_ns = decision->cold ? 0 : limit_ns(took_ns - filled_ns);
}

HAK_HOT void episode_cold(struct label *label, bool cold, uint64_t fault_ns)
{
    label->cold = cold;
    label->fault_ns = limit_ns(fault_ns);
}

HAK_HOT void episode_given(struct label *label, const struct formers *former)
{
    uint64_t pages = 0;
    for (unsigned i = 0; i < former->given; i++)
        pages += former->label[i].base_pages;
    label->given_pages = limit_ns(pages);
}

/* What one window of pages shows. */
struct residency {
    uint64_t pages, full, touched;
};

/* Of some pages of a block, spread over it: how many were written to. */
struct sample {
    size_t step; /* one page of so many */
    uint32_t pages, written;
};

static void count_window(const unsigned char *vec, size_t pages, size_t stretch,
                         struct residency *r)
{
    for (size_t at = 0; at < pages; at += stretch) {
        size_t end = at + stretch < pages ? at + stretch : pages;
        size_t resident = 0;
        for (size_t i = at; i < end; i++)
            resident += vec[i] & 1;
        r->pages += resident;
        r->touched += resident > 0;
        r->full += resident == end - at; /* the last one is the block's to its end */
    }
}

/* Of a page that was all zeros. */
static bool is_written(const uint64_t *page)
{
    size_t i = 0, n = page_bytes / sizeof(*page);
    while (i < n && page[i] == 0)
        i++;
    return i < n;
}

/* Not always the same page of a step, or blocks that write to every so-many-th would deceive. Reads what is resident only. */
static void sample_window(uintptr_t start, const unsigned char *vec, size_t pages, struct sample *s)
{
    for (size_t at = 0; at < pages; at += s->step) {
        size_t i = at + (uint32_t)(at / s->step * 0x9E3779B1u) / 65536 % s->step;
        if (i >= pages)
            continue;
        s->pages++;
        s->written += (vec[i] & 1) && is_written((const uint64_t *)(start + i * page_bytes));
    }
}

static size_t stretch_pages(void)
{
    return huge_pages < WINDOW_PAGES ? huge_pages : WINDOW_PAGES;
}

static struct residency residency_of_whole(size_t pages)
{
    uint64_t stretches = (pages + stretch_pages() - 1) / stretch_pages();
    return (struct residency){pages, stretches, stretches};
}

/* Looks at all of a block, or at WINDOWS_MAX windows of it and scales. `sample`: which pages were written to; NULL: never mind. */
static struct residency measure_residency(uintptr_t start, size_t pages, struct sample *sample)
{
    unsigned char vec[WINDOW_PAGES];
    struct residency r = {0};
    size_t windows = (pages + WINDOW_PAGES - 1) / WINDOW_PAGES;
    size_t step = (windows + WINDOWS_MAX - 1) / WINDOWS_MAX;
    if (sample != NULL)
        *sample = (struct sample){.step = (windows < WINDOWS_MAX ? windows : WINDOWS_MAX) *
                                          (WINDOW_PAGES / SAMPLED_PAGES)};

    for (size_t w = 0; w < windows; w += step) {
        size_t first = w * WINDOW_PAGES;
        size_t n = pages - first < WINDOW_PAGES ? pages - first : WINDOW_PAGES;
        if (os->residency((const void *)(start + first * page_bytes), n * page_bytes, vec) != 0)
            continue;
        count_window(vec, n, stretch_pages(), &r);
        if (sample != NULL)
            sample_window(start + first * page_bytes, vec, n, sample);
    }
    r.pages *= step;
    r.full *= step;
    r.touched *= step;
    struct residency most = residency_of_whole(pages);
    r.pages = r.pages < most.pages ? r.pages : most.pages;
    r.full = r.full < most.full ? r.full : most.full;
    r.touched = r.touched < most.touched ? r.touched : most.touched;
    return r;
}

struct pages {
    uintptr_t start;
    size_t count;
};

static struct pages pages_of(const void *p, size_t bytes)
{
    uintptr_t start = align_down((uintptr_t)p, page_bytes);
    uintptr_t end = align_up((uintptr_t)p + bytes, page_bytes);
    return (struct pages){start, (end - start) / page_bytes};
}

static void note_residency(struct label *label, struct residency r)
{
    label->base_pages = limit_ns(r.pages);
    label->huge_full = limit_ns(r.full);
    label->huge_touched = limit_ns(r.touched);
}

void episode_look(struct label *label, const void *p)
{
    struct pages all = pages_of(p, label->bytes);
    note_residency(label, measure_residency(all.start, all.count, NULL));
}

/* A block that is freed: only then its pages are nobody's, and can be read. One of its own that began on zeros shows by others what
 * it wrote to. */
static void look_at_freed(struct label *label, const void *p, size_t bytes)
{
    struct touched *touched = policy_touched(label->cell);
    struct pages all = pages_of(p, bytes);
    struct sample sample;
    bool shows = label->cold && !label->grown && arms[label->arm].backing == BACKING_MMAP &&
                 touched_wants(touched);
    if (!shows && !touched_wants_look(touched, (enum arm_id)label->arm)) {
        note_residency(label, residency_of_whole(all.count));
        return;
    }
    struct residency r = measure_residency(all.start, all.count, shows ? &sample : NULL);
    note_residency(label, r);
    touched_note_look(touched, (enum arm_id)label->arm, r.pages == all.count);
    if (shows && sample.pages > 0)
        touched_note(touched, sample.written, sample.pages);
}

HAK_HOT void episode_freed(struct label *label, const void *p, size_t bytes)
{
    if (label->cell == NULL)
        return;
    uint64_t since_ns = episode_clock(true);
    look_at_freed(label, p, bytes);
    label->remote = label->thread != this_thread();
    label->looking_ns = limit_ns(episode_clock(true) - since_ns);
    label->freed_ns = os->now_ns();
    policy_freed(label->cell);
}

HAK_HOT void episode_free_done(struct label *label)
{
    if (label->cell == NULL)
        return;
    /* By the clock, which takes no system call: a lock may be held. */
    if (label->freed_ns != 0)
        label->free_ns = limit_ns(os->now_ns() - label->freed_ns);
    else
        label->cell = NULL;
}

static void settle(const struct label *label, bool reused, bool given_back, bool living)
{
    if (label->born_ns < forked_ns)
        return; /* the parent has it, and settles it */
    struct episode e = {
        .bytes = label->bytes,
        .malloc_ns = label->malloc_ns,
        .free_ns = label->free_ns,
        .live_ns = label->freed_ns - label->born_ns,
        .give_back_ns = label->give_back_ns,
        .looking_ns = label->looking_ns,
        .fault_ns = label->fault_ns,
        .base_pages = label->base_pages,
        .grew_pages = label->given_pages != 0 && label->base_pages > label->given_pages
                          ? label->base_pages - label->given_pages
                          : 0,
        .huge_full = label->huge_full,
        .huge_touched = label->huge_touched,
        .given_back = given_back,
        .reused = reused,
        .lives = living,
        .grown = label->grown,
        .remote = label->remote,
        .zeroed = label->zeroed,
        .cold = label->cold,
        .depth = label->depth,
    };
    if (!living)
        e.idle_ns = os->now_ns() - label->freed_ns;
    policy_reward(label->cell, (enum arm_id)label->arm, &e);
}

void episode_reused(const struct label *label)
{
    if (label->cell != NULL)
        settle(label, true, false, false);
}

HAK_HOT void episodes_reused(const struct formers *former)
{
    for (unsigned i = 0; i < former->count; i++)
        episode_reused(&former->label[i]);
}

void episode_given_back(const struct label *label)
{
    if (label->cell != NULL)
        settle(label, false, true, false);
}

void episode_living(struct label *label, const void *p)
{
    if (label->cell == NULL)
        return;
    episode_look(label, p);
    label->freed_ns = os->now_ns();
    settle(label, false, false, true);
}

void episode_retained(const struct label *label)
{
    if (label->cell != NULL)
        settle(label, false, false, false);
}
