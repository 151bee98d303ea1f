/*
 * Spans: cut, joined and enlarged against a board that has a square for every granule.
 */
#include "isolated.h"

#include <errno.h>
#include <string.h>

#include "alloc/span.h"
#include "fake_os.h"

enum { BOARD = 6000, SPANS = 300, MIB = 1 << 20 };

static uint16_t board[ZONE_COUNT]
                     [BOARD]; /* whose granule it is: 1 + index in `live`; 0: nobody's */
static struct span *live[SPANS];

static void start(uint64_t arena_bytes)
{
    fake_start();
    span_arena_start(&fake.machine, arena_bytes);
    CHECK(arena.base != 0);
}

static struct span *take_request(const struct span_request *request)
{
    struct span_need need;
    struct span *s;
    while ((s = span_take(request, &need)) == NULL)
        if (span_grow_arena(request->zone, &need) != 0)
            return NULL;
    return s;
}

static struct span *take(enum zone_id zone, size_t bytes, size_t align)
{
    struct span_request request = span_request_for(zone, bytes, align);
    return take_request(&request);
}

static struct span *take_granules(uint32_t granules)
{
    return take(ZONE_BASE, (size_t)granules << GRANULE_SHIFT, 1);
}

/* A free hole of so many granules, with live spans on either side. */
static uint32_t make_hole(uint32_t granules)
{
    struct span *hole = take_granules(granules);
    uint32_t first = hole->first;
    CHECK(take_granules(1) != NULL);
    span_release(hole);
    return first;
}

/* ---- single behaviours ---- */

ISOLATED(the_smallest_hole_that_is_large_enough_is_cut)
{
    start(64 * MIB);
    make_hole(6);
    uint32_t four = make_hole(4);
    make_hole(5);
    CHECK(take_granules(4)->first == four);
}

ISOLATED(a_piece_is_cut_from_the_far_end)
{
    start(64 * MIB);
    uint32_t hole = make_hole(10);
    struct span *s = take_granules(3);
    CHECK(s->first == hole + 7 && s->granules == 3);
}

ISOLATED(a_span_grows_into_the_hole_behind_it_and_no_further)
{
    start(64 * MIB);
    struct span *s = take_granules(2);
    make_hole(3);
    CHECK(!span_extend(s, 6));
    CHECK(span_extend(s, 4) && s->granules == 4);
    CHECK(span_extend(s, 5) && s->granules == 5);
    CHECK(!span_extend(s, 6));
}

ISOLATED(the_last_span_grows_over_the_frontier)
{
    start(256 * MIB);
    struct span *s = take_granules(2);
    CHECK(span_is_last(s));
    uint32_t far = (64 * MIB) >> GRANULE_SHIFT;
    CHECK(!span_extend(s, far));
    CHECK(span_commit_behind(s, far) == 0);
    CHECK(span_extend(s, far) && span_is_last(s));
    memset(span_address(s), 1, span_bytes(s));
    CHECK(span_commit_behind(s, UINT32_MAX) != 0);
}

ISOLATED(neighbours_are_joined_when_they_are_free)
{
    start(64 * MIB);
    struct span *s[4];
    for (int i = 0; i < 4; i++)
        s[i] = take_granules(3);
    uint32_t first = s[0]->first;
    span_release(s[0]);
    span_release(s[2]);
    span_release(s[1]);
    struct span *joined = take_granules(9);
    CHECK(joined->first == first);
}

ISOLATED(memory_that_could_not_be_given_back_stays_dirty_when_it_is_joined)
{
    start(64 * MIB);
    struct span *a = take_granules(2), *b = take_granules(2);
    make_hole(1);
    CHECK(!a->dirty && !b->dirty);
    b->dirty = true;
    span_release(a);
    span_release(b);
    CHECK(take_granules(4)->dirty);
}

ISOLATED(wanted_room_is_left_behind_at_the_frontier)
{
    start(256 * MIB);
    struct span_request request = span_request_for(ZONE_BASE, 4 * GRANULE_BYTES, 1);
    request.room_granules = 60;
    struct span *s = take_request(&request);
    CHECK(s != NULL && s->granules == 4);
    struct span *behind = take_granules(1);
    CHECK(behind->first >= s->first + 63);
    CHECK(span_extend(s, 60));
}

ISOLATED(large_spans_of_the_huge_zone_are_whole_huge_pages)
{
    start(256 * MIB);
    struct span *small = take(ZONE_HUGE, MIB - GRANULE_BYTES, 1);
    struct span *half = take(ZONE_HUGE, MIB, 1);
    struct span *large = take(ZONE_HUGE, 2 * MIB + 1, 1);
    CHECK(span_bytes(small) == MIB - GRANULE_BYTES);
    CHECK(span_bytes(half) == 2 * MIB);
    CHECK(span_bytes(large) == 4 * MIB);
    CHECK((uintptr_t)span_address(large) % (2 * MIB) == 0);
    CHECK((uintptr_t)span_address(large) >= arena.zone[ZONE_HUGE].memory.base);
    CHECK((uintptr_t)span_address(take_granules(1)) < arena.zone[ZONE_HUGE].memory.base);
}

/* Beyond a huge page, where the arena happens to lie decides whether an alignment is to be had. */
ISOLATED(spans_are_aligned_up_to_a_gib_or_refused)
{
    start((uint64_t)16 << 30);
    for (unsigned zone = 0; zone < ZONE_COUNT; zone++)
        for (size_t align = GRANULE_BYTES; align <= (size_t)1 << 30; align *= 2) {
            struct span *s = take((enum zone_id)zone, 3 * MIB, align);
            CHECK(s != NULL || align > arena.huge_bytes);
            CHECK(s == NULL || (uintptr_t)span_address(s) % align == 0);
        }
}

ISOLATED(what_is_too_large_cannot_be_had)
{
    start(256 * MIB);
    CHECK(span_request_for(ZONE_BASE, SIZE_MAX, 1).granules == 0);
    CHECK(span_request_for(ZONE_BASE, 65 * MIB, 1).granules == 0);
    CHECK(span_request_for(ZONE_BASE, GRANULE_BYTES, (size_t)1 << 40).granules == 0);
    CHECK(span_request_for(ZONE_HUGE, SIZE_MAX, 1).granules == 0);
    CHECK(take(ZONE_BASE, SIZE_MAX, 1) == NULL);
    CHECK(take_granules(1) != NULL);
}

ISOLATED(a_full_zone_has_no_memory_until_something_is_freed)
{
    start(64 * MIB);
    struct span *last = NULL, *s;
    unsigned n = 0;
    for (; (s = take_granules(8)) != NULL; n++)
        last = s;
    CHECK(n == 32 * MIB / (8 * GRANULE_BYTES));
    span_release(last);
    CHECK(take_granules(8) != NULL);
    CHECK(take_granules(1) == NULL);
    CHECK(take(ZONE_HUGE, MIB, 1) != NULL);
}

ISOLATED(only_the_start_of_a_live_span_is_one)
{
    start(64 * MIB);
    struct span *s = take_granules(4);
    char *p = span_address(s);
    CHECK(span_of(p) == s);
    CHECK(span_of(p + 1) == NULL);
    CHECK(span_of(p + 16) == NULL);
    CHECK(span_of(p + 4096) == NULL);
    for (int i = 1; i < 4; i++)
        CHECK(span_of(p + i * GRANULE_BYTES) == NULL);
    span_release(s);
    CHECK(span_of(p) == NULL);
    CHECK(span_of((void *)arena.base) == NULL);
    CHECK(span_of((char *)arena.base + arena.bytes - GRANULE_BYTES) == NULL);
    CHECK(span_of((void *)arena.zone[ZONE_HUGE].memory.base) == NULL);
}

ISOLATED(pointers_from_elsewhere_are_not_in_the_arena)
{
    int local;
    start(64 * MIB);
    CHECK(!arena_has(NULL) && !arena_has(&local) && !arena_has((void *)UINTPTR_MAX));
    CHECK(!arena_has((void *)(arena.base - 1)) && !arena_has((void *)(arena.base + arena.bytes)));
    CHECK(arena_has((void *)arena.base) && arena_has((void *)(arena.base + arena.bytes - 1)));
}

ISOLATED(an_arena_takes_at_most_a_quarter_of_a_limit)
{
    fake_start();
    fake.machine.address_limit_bytes = (uint64_t)1 << 30;
    span_arena_start(&fake.machine, (uint64_t)1 << 40);
    CHECK(arena.base != 0 && arena.bytes <= 256 * MIB);
    CHECK(!arena.roomy);
}

ISOLATED(a_smaller_arena_does_where_a_large_one_is_refused)
{
    fake_start();
    fake_fail(FAKE_RESERVE, 0, ENOMEM);
    span_arena_start(&fake.machine, (uint64_t)4 << 30);
    CHECK(arena.base != 0 && arena.bytes == (uint64_t)1 << 30);
}

ISOLATED(where_nothing_can_be_reserved_there_is_no_arena_and_nothing_left_behind)
{
    fake_start();
    fake_fail_always(FAKE_RESERVE, ENOMEM);
    span_arena_start(&fake.machine, (uint64_t)4 << 30);
    CHECK(arena.base == 0);
    CHECK(!arena_has((void *)1) && !arena_has(&fake));
    CHECK(take_granules(1) == NULL);
}

/* What was reserved for an arena whose tables could not be had is released again. */
ISOLATED(an_arena_without_tables_is_released)
{
    for (unsigned n = 1; n < 4; n++) {
        fake_start();
        memset(&arena, 0, sizeof(arena));
        fake_fail(FAKE_RESERVE, n, ENOMEM);
        span_arena_start(&fake.machine, 64 * MIB);
        size_t reserved = 0, released = 0;
        for (unsigned i = 0; i < fake.nr_records; i++) {
            const struct fake_record *r = &fake.record[i];
            reserved += r->kind == FAKE_RESERVE && r->status == 0 ? r->bytes : 0;
            released += r->kind == FAKE_RELEASE ? r->bytes : 0;
        }
        CHECK(fake_has_failed() && arena.base == 0 && reserved == released);
    }
}

/* ---- at random ---- */

static int unused_slot(void)
{
    for (int i = 0; i < SPANS; i++)
        if (live[i] == NULL)
            return i;
    return -1;
}

static void paint(const struct span *s, uint16_t was, uint16_t is)
{
    for (uint32_t g = s->first; g < s->first + s->granules; g++) {
        CHECK(g < BOARD && board[s->zone][g] == was);
        board[s->zone][g] = is;
    }
}

static void random_take(uint64_t *random)
{
    int i = unused_slot();
    enum zone_id zone = (enum zone_id)random_below(random, ZONE_COUNT);
    size_t bytes = 1 + random_below(random, (random_below(random, 4) ? 12 : 70) * GRANULE_BYTES);
    size_t align = (size_t)1 << random_below(random, 23);
    struct span_request request = span_request_for(zone, bytes, align);
    if (random_below(random, 16) == 0)
        request.room_granules = request.granules * 2;
    struct span *s = i >= 0 ? take_request(&request) : NULL;
    CHECK(request.granules != 0 || align > arena.huge_bytes);
    if (s == NULL)
        return;
    CHECK(s->zone == zone && s->state == SPAN_LIVE && s->granules == request.granules);
    CHECK((uintptr_t)span_address(s) % align == 0 && span_bytes(s) >= bytes);
    paint(s, 0, (uint16_t)(i + 1));
    live[i] = s;
}

static void random_split(uint64_t *random, int i)
{
    if (live[i]->granules < 2)
        return;
    uint32_t all = live[i]->granules, keep = 1 + (uint32_t)random_below(random, all - 1);
    struct span *rest = span_split(live[i], keep);
    if (rest == NULL)
        return;
    CHECK(rest->state == SPAN_RETIRED && rest->granules == all - keep);
    CHECK(rest->first == live[i]->first + keep && live[i]->granules == keep);
    paint(rest, (uint16_t)(i + 1), 0);
    span_release(rest);
}

static void random_extend(uint64_t *random, int i)
{
    struct span *s = live[i];
    uint32_t was = s->granules, to = was + 1 + (uint32_t)random_below(random, 20);
    bool room = true;
    if (s->first + to <= BOARD)
        for (uint32_t g = s->first + was; g < s->first + to; g++)
            room = room && board[s->zone][g] == 0;
    if (s->first + to > BOARD)
        return;
    bool done = span_extend(s, to);
    if (!done && span_is_last(s) && span_commit_behind(s, to) == 0)
        done = span_extend(s, to);
    CHECK(!done || room);
    CHECK(s->granules == (done ? to : was));
    for (uint32_t g = s->first + was; g < s->first + s->granules; g++)
        board[s->zone][g] = (uint16_t)(i + 1);
}

/* From the start of the zone to its frontier span follows span, and no two free ones. */
static void check_tiling(unsigned zone)
{
    const uint32_t *map = (const uint32_t *)arena.zone[zone].map.base;
    const struct span *all = (const struct span *)arena.spans.base;
    bool was_free = false;
    uint32_t g = 0;
    while (g < arena.zone[zone].frontier) {
        const struct span *s = &all[map[g]];
        CHECK(s->zone == zone && s->first == g && s->granules > 0);
        CHECK(map[g + s->granules - 1] == map[g]);
        bool is_free = s->state == SPAN_FREE;
        CHECK(is_free || s->state == SPAN_LIVE);
        CHECK(!(is_free && was_free));
        for (uint32_t k = g; k < g + s->granules && k < BOARD; k++)
            CHECK((board[zone][k] == 0) == is_free);
        was_free = is_free;
        g += s->granules;
    }
    CHECK(g == arena.zone[zone].frontier);
}

static uint64_t seed;

ISOLATED(granules_are_handed_out_once_whatever_is_taken_split_enlarged_and_freed)
{
    uint64_t random = seed;
    start((uint64_t)BOARD * 2 * GRANULE_BYTES);
    for (int step = 0; step < 60000; step++) {
        int i = (int)random_below(&random, SPANS);
        if (live[i] == NULL || random_below(&random, 8) < 2) {
            random_take(&random);
        } else if (random_below(&random, 4) == 0) {
            random_split(&random, i);
        } else if (random_below(&random, 4) == 0) {
            random_extend(&random, i);
        } else {
            CHECK(span_of(span_address(live[i])) == live[i]);
            paint(live[i], (uint16_t)(i + 1), 0);
            span_release(live[i]);
            live[i] = NULL;
        }
        if (step % 64 == 0)
            for (unsigned zone = 0; zone < ZONE_COUNT; zone++)
                check_tiling(zone);
    }
    for (int i = 0; i < SPANS; i++)
        if (live[i] != NULL)
            span_release(live[i]);
    for (unsigned zone = 0; zone < ZONE_COUNT; zone++) {
        struct zone *z = &arena.zone[zone];
        const uint32_t *map = (const uint32_t *)z->map.base;
        CHECK(((const struct span *)arena.spans.base)[map[0]].granules == z->frontier);
    }
}

int main(void)
{
    seed = random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_hole_that_is_large_enough_is_cut),
        cmocka_unit_test(a_piece_is_cut_from_the_far_end),
        cmocka_unit_test(a_span_grows_into_the_hole_behind_it_and_no_further),
        cmocka_unit_test(the_last_span_grows_over_the_frontier),
        cmocka_unit_test(neighbours_are_joined_when_they_are_free),
        cmocka_unit_test(memory_that_could_not_be_given_back_stays_dirty_when_it_is_joined),
        cmocka_unit_test(wanted_room_is_left_behind_at_the_frontier),
        cmocka_unit_test(large_spans_of_the_huge_zone_are_whole_huge_pages),
        cmocka_unit_test(spans_are_aligned_up_to_a_gib_or_refused),
        cmocka_unit_test(what_is_too_large_cannot_be_had),
        cmocka_unit_test(a_full_zone_has_no_memory_until_something_is_freed),
        cmocka_unit_test(only_the_start_of_a_live_span_is_one),
        cmocka_unit_test(pointers_from_elsewhere_are_not_in_the_arena),
        cmocka_unit_test(an_arena_takes_at_most_a_quarter_of_a_limit),
        cmocka_unit_test(a_smaller_arena_does_where_a_large_one_is_refused),
        cmocka_unit_test(where_nothing_can_be_reserved_there_is_no_arena_and_nothing_left_behind),
        cmocka_unit_test(an_arena_without_tables_is_released),
        cmocka_unit_test(granules_are_handed_out_once_whatever_is_taken_split_enlarged_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
