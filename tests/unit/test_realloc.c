/*
 * Growing and shrinking: in place, moved or copied, and always with the contents.
 */
#include "blocks.h"

#include "alloc/valid.h"

ISOLATED(a_block_grows_in_place_while_there_is_room)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(MIB);
    fill(p, MIB);
    CHECK(resize(p, 16 * MIB) == p || zone_of(p) == ZONE_BASE);
    CHECK(holds(p, MIB) && stat_get(STAT_grows_in_place) == 1);
    CHECK(fake_count(FAKE_MOVE) == 0);
}

ISOLATED(a_block_without_room_is_moved_with_its_contents)
{
    fake_start();
    start("mmap/base/touch/drop");
    char *p = get(4 * MIB), *wall = get(4 * MIB);
    fill(p, 4 * MIB);
    fill(wall, 4 * MIB);
    fake_forget();
    char *q = resize(p, 8 * MIB);
    const struct fake_record *move = fake_last(FAKE_MOVE);
    CHECK(q != p && move != NULL && move->status == 0);
    CHECK(move->address == (uintptr_t)p && move->to == (uintptr_t)q && move->bytes == 4 * MIB);
    CHECK(holds(q, 4 * MIB) && stat_get(STAT_grows_moved) == 1 && stat_get(STAT_grows_copied) == 0);
    CHECK(holds(wall, 4 * MIB));
}

/* A span that is not known to be zeros is not, though nothing was moved there. */
ISOLATED(a_refused_move_leaves_what_was_dirty_dirty)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get(4 * MIB), *old = get(8 * MIB);
    get(MIB);
    fill(p, 4 * MIB);
    memset(old, 7, 8 * MIB);
    fake.refused[OS_GIVE_BACK] = EINVAL;
    fake_fail(FAKE_RENEW, 0, ENOMEM);
    hak_free_block(old);
    fake_fail_always(FAKE_MOVE, EINVAL);
    char *q = resize(p, 8 * MIB);
    CHECK(holds(q, 4 * MIB));
    char *zeroed = hak_calloc_at_site(1, 8 * MIB, NO_CALLER);
    CHECK(zeroed != NULL && all_zero(zeroed, 8 * MIB));
    zeroed = hak_calloc_at_site(1, 8 * MIB, NO_CALLER);
    CHECK(zeroed != NULL && all_zero(zeroed, 8 * MIB));
}

/* Where the destination is gone, too, nobody gets its addresses any more. */
ISOLATED(a_move_that_loses_its_destination_copies_elsewhere)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get(4 * MIB);
    get(MIB);
    fill(p, 4 * MIB);
    fake_fail(FAKE_MOVE, 0, ENOTRECOVERABLE);
    char *q = resize(p, 8 * MIB);
    const char *lost = (const char *)fake_last(FAKE_MOVE)->to;
    CHECK(fake_has_failed() && holds(q, 4 * MIB) && q != lost);
    CHECK(span_of(lost) == NULL);
    for (unsigned i = 0; i < 40; i++) {
        char *other = get((i + 1) * MIB);
        CHECK(other + (i + 1) * MIB <= lost || other >= lost + 8 * MIB);
    }
}

ISOLATED(a_refused_move_copies)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get(4 * MIB);
    get(MIB);
    fill(p, 4 * MIB);
    fake_fail_always(FAKE_MOVE, EINVAL);
    char *q = resize(p, 8 * MIB);
    CHECK(fake_has_failed() && holds(q, 4 * MIB));
    CHECK(stat_get(STAT_grows_copied) == 1 && stat_get(STAT_grows_moved) == 0);
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == 9 * MIB);
}

/* One that is kept is copied the first time, so that both spans can be kept; moved when it goes on growing. */
ISOLATED(a_kept_block_that_keeps_growing_is_moved_the_second_time)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(4 * MIB);
    get(MIB);
    fill(p, 4 * MIB);
    p = resize(p, 8 * MIB);
    CHECK(holds(p, 4 * MIB) && stat_get(STAT_grows_copied) == 1 && fake_count(FAKE_MOVE) == 0);
    fill(p, 8 * MIB);
    get(MIB);
    p = resize(p, 16 * MIB);
    CHECK(holds(p, 8 * MIB));
    CHECK(stat_get(STAT_grows_moved) + stat_get(STAT_grows_in_place) == 1);
    for (size_t bytes = 17 * MIB; bytes < 24 * MIB; bytes += MIB)
        p = resize(p, bytes);
    CHECK(holds(p, 8 * MIB) && stat_get(STAT_grows_copied) == 1);
}

/* One that grew until its pages were moved is no different. */
ISOLATED(shrinking_what_was_moved_gives_the_tail_back)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get(4 * MIB);
    get(MIB);
    fill(p, 4 * MIB);
    p = resize(p, 8 * MIB);
    CHECK(stat_get(STAT_grows_moved) == 1);
    memset(p + 4 * MIB, 1, 4 * MIB);
    fake_forget();
    CHECK(resize(p, MIB) == p && holds(p, MIB));
    const struct fake_record *renewed = fake_last(FAKE_RENEW);
    CHECK(renewed->address == (uintptr_t)p + MIB && renewed->bytes == 7 * MIB);
    CHECK(hak_block_bytes(p) == MIB);
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == 2 * MIB);
    hak_free_block(p);
    CHECK(fake_last(FAKE_RENEW)->address == (uintptr_t)p && store_is_valid());
    CHECK(arena.nr_moved == 0);
}

ISOLATED(shrinking_gives_the_tail_back)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/keep");
    char *p = get(4 * MIB);
    fill(p, 4 * MIB);
    CHECK(resize(p, MIB) == p && holds(p, MIB));
    CHECK(fake_advised_at(p + MIB, OS_GIVE_BACK) && fake_advised_at(p + 4 * MIB - 1, OS_GIVE_BACK));
    CHECK(!fake_advised_at(p + MIB - 1, OS_GIVE_BACK));
    CHECK(hak_block_bytes(p) == MIB);
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == MIB);
}

ISOLATED(a_block_crosses_the_floor_both_ways)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(40 * KIB);
    CHECK(heap_has(p));
    fill(p, 40 * KIB);
    p = resize(p, 300 * KIB);
    CHECK(is_a_span(p) && holds(p, 40 * KIB));
    fill(p, 300 * KIB);
    p = resize(p, 20 * KIB);
    CHECK(heap_has(p) && holds(p, 20 * KIB));
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == 0);
    hak_free_block(p);
}

ISOLATED(realloc_to_nothing_frees)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(MIB);
    CHECK(hak_realloc_at_site(p, 0, NO_CALLER) == NULL);
    CHECK(hak_realloc_at_site(NULL, MIB, NO_CALLER) == p);
}

ISOLATED(a_block_that_grows_to_half_the_size_of_a_huge_page_is_decided_anew)
{
    fake_start();
    start("mmap/huge/touch/keep");
    char *p = get(MIB / 2);
    fill(p, MIB / 2);
    CHECK(zone_of(p) == ZONE_BASE);
    p = resize(p, 3 * MIB);
    CHECK(zone_of(p) == ZONE_HUGE && holds(p, MIB / 2));
}

/* The defaults have base pages up to the size of a huge one. */
ISOLATED(a_block_that_grows_to_the_size_of_a_huge_page_is_decided_anew)
{
    fake_start();
    CHECK(start_now());
    char *p = resize(get(MIB / 2), MIB + 64 * KIB);
    fill(p, MIB);
    CHECK(zone_of(p) == ZONE_BASE);
    p = resize(p, 3 * MIB);
    CHECK(zone_of(p) == ZONE_HUGE && holds(p, MIB));
}

/* A program may use all that malloc_usable_size() says. */
static void grow_blocks_that_are_used_to_the_last_byte(const char *arm)
{
    static const size_t grown[] = {2 * MIB, 3 * MIB, 9 * MIB};
    fake_start();
    start(arm);
    for (size_t bytes = FLOOR_BYTES + 1; bytes < 2 * MIB; bytes += 100 * KIB) {
        for (unsigned i = 0; i < 3; i++) {
            char *p = get(bytes), *wall = get(bytes);
            size_t usable = hak_block_bytes(p);
            p[usable - 1] = 0x77;
            p = resize(p, grown[i]);
            CHECK(p[usable - 1] == 0x77);
            hak_free_block(wall);
            hak_free_block(p);
        }
    }
}

ISOLATED(every_usable_byte_survives_growing_of_kept_blocks)
{
    grow_blocks_that_are_used_to_the_last_byte("mmap/huge/touch/keep");
}

ISOLATED(every_usable_byte_survives_growing_of_dropped_blocks)
{
    grow_blocks_that_are_used_to_the_last_byte("mmap/huge/touch/drop");
}

ISOLATED(contents_survive_any_sequence_of_sizes)
{
    static uint64_t random = 88172645463325252u;
    fake_start();
    start("mmap/huge/touch/keep");
    char *p[8] = {NULL};
    size_t bytes[8] = {0};
    for (int step = 0; step < 1500; step++) {
        unsigned i = (unsigned)random_below(&random, 8);
        size_t to = 1 + random_below(&random, (size_t)1 << (10 + random_below(&random, 13)));
        size_t kept = bytes[i] < to ? bytes[i] : to;
        if (random_below(&random, 5) == 0) {
            hak_free_block(p[i]);
            p[i] = NULL;
            kept = 0;
        }
        p[i] = resize(p[i], to);
        CHECK(holds(p[i], kept));
        fill(p[i], to);
        bytes[i] = to;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_grows_in_place_while_there_is_room),
        cmocka_unit_test(a_block_without_room_is_moved_with_its_contents),
        cmocka_unit_test(a_refused_move_copies),
        cmocka_unit_test(a_refused_move_leaves_what_was_dirty_dirty),
        cmocka_unit_test(a_move_that_loses_its_destination_copies_elsewhere),
        cmocka_unit_test(shrinking_what_was_moved_gives_the_tail_back),
        cmocka_unit_test(a_kept_block_that_keeps_growing_is_moved_the_second_time),
        cmocka_unit_test(shrinking_gives_the_tail_back),
        cmocka_unit_test(a_block_crosses_the_floor_both_ways),
        cmocka_unit_test(realloc_to_nothing_frees),
        cmocka_unit_test(a_block_that_grows_to_the_size_of_a_huge_page_is_decided_anew),
        cmocka_unit_test(a_block_that_grows_to_half_the_size_of_a_huge_page_is_decided_anew),
        cmocka_unit_test(every_usable_byte_survives_growing_of_kept_blocks),
        cmocka_unit_test(every_usable_byte_survives_growing_of_dropped_blocks),
        cmocka_unit_test(contents_survive_any_sequence_of_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
