/*
 * Size classes: every size there is.
 */
#include "isolated.h"

#include "alloc/classes.h"

static void the_class_of_a_size_is_the_smallest_that_holds_it(void **state)
{
    unsigned smallest = 0;
    for (size_t bytes = 0; bytes <= CLASS_MAX_BYTES; bytes++) {
        while (block_classes[smallest].bytes < bytes)
            smallest++;
        if (class_of(bytes) != smallest)
            fail_msg("%zu bytes: class %u, but %u holds them", bytes, class_of(bytes), smallest);
    }
    assert_int_equal(smallest, CLASS_COUNT - 1);
}

static void classes_rise_from_one_step_to_the_largest_block(void **state)
{
    assert_int_equal(block_classes[0].bytes, CLASS_STEP_BYTES);
    assert_int_equal(block_classes[CLASS_COUNT - 1].bytes, CLASS_MAX_BYTES);
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        assert_int_equal(block_classes[class].bytes % CLASS_STEP_BYTES, 0);
        assert_true(class == 0 || block_classes[class].bytes > block_classes[class - 1].bytes);
    }
}

static void from_128_bytes_up_an_eighth_of_a_block_is_lost_at_most(void **state)
{
    for (size_t bytes = 128; bytes <= CLASS_MAX_BYTES; bytes++) {
        size_t block = block_classes[class_of(bytes)].bytes;
        if ((block - bytes) * 8 > block)
            fail_msg("%zu bytes lie in a block of %zu", bytes, block);
    }
    for (size_t bytes = 1; bytes < 128; bytes++)
        assert_true(block_classes[class_of(bytes)].bytes - bytes < CLASS_STEP_BYTES);
}

/* A KiB and a word, a page and a few: what programs ask for that put a header before a round size. */
static void a_power_of_two_with_a_header_loses_next_to_nothing(void **state)
{
    for (size_t round = 256; round < FLOOR_BYTES; round *= 2) {
        size_t header = round < 1024 ? 16 : round / 64;
        assert_int_equal(block_classes[class_of(round + 1)].bytes, round + header);
        assert_int_equal(block_classes[class_of(round + header)].bytes, round + header);
    }
}

static void the_table_of_steps_says_the_same(void **state)
{
    for (size_t bytes = 0; bytes <= FLOOR_BYTES; bytes++) {
        size_t steps = (bytes + CLASS_STEP_BYTES - 1) >> CLASS_STEP_SHIFT;
        assert_true(steps <= CLASS_INDEXES);
        if (class_by_steps[steps] != class_of(bytes))
            fail_msg("%zu bytes: %u, but %u", bytes, class_by_steps[steps], class_of(bytes));
    }
}

static bool starts_by_multiplying(unsigned class, size_t inside)
{
    return inside * class_inverse[class] < class_inverse[class];
}

/* All offsets of a slab of 64 KiB; of larger ones those around every multiple, and all multiples of another prime. */
static void multiplying_by_the_inverse_finds_the_starts_of_blocks_exactly(void **state)
{
    enum { AROUND = 17, STRIDE = 61 };
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        size_t bytes = block_classes[class].bytes;
        size_t end = (size_t)1 << block_classes[class].slab_shift;
        size_t stride = end <= GRANULE_BYTES ? 1 : STRIDE;
        for (size_t at = 0; at < end; at += stride)
            if (starts_by_multiplying(class, at) != (at % bytes == 0))
                fail_msg("blocks of %zu: offset %zu", bytes, at);
        for (size_t start = 0; start < end; start += bytes)
            for (size_t at = start > AROUND ? start - AROUND : 0; at < start + AROUND; at++)
                if (starts_by_multiplying(class, at) != (at % bytes == 0))
                    fail_msg("blocks of %zu: offset %zu", bytes, at);
    }
}

static unsigned least_blocks(size_t bytes)
{
    if (bytes <= SMALL_BYTES)
        return SMALL_BLOCKS_MIN;
    return bytes <= FLOOR_BYTES ? 2 * SLAB_BLOCKS_MIN : SLAB_BLOCKS_MIN;
}

static void a_slab_holds_so_many_blocks_and_is_no_larger_than_that_takes(void **state)
{
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        const struct block_class *c = &block_classes[class];
        size_t slab = (size_t)1 << c->slab_shift;
        unsigned least = least_blocks(c->bytes);
        assert_int_equal(c->blocks, slab / c->bytes);
        assert_true(c->blocks >= least && least >= 8);
        assert_true(c->slab_shift >= SLAB_SHIFT_MIN && c->slab_shift <= SLAB_SHIFT_MAX);
        assert_true(c->slab_shift == SLAB_SHIFT_MIN || slab / 2 / c->bytes < least);
    }
}

static void blocks_are_carved_one_by_one_or_no_more_than_a_page_of_them(void **state)
{
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        const struct block_class *c = &block_classes[class];
        assert_true(c->carved >= 1 && c->carved <= c->blocks);
        assert_true(c->carved == 1 || c->carved * c->bytes <= 4096);
    }
}

static void every_other_kind_repeats_the_large_sizes(void **state)
{
    unsigned next = CLASS_COUNT;
    assert_int_equal(block_classes[LARGE_CLASS_FIRST].bytes, FLOOR_BYTES);
    for (unsigned kind = 1; kind < KIND_COUNT; kind++)
        for (unsigned class = LARGE_CLASS_FIRST; class < CLASS_COUNT; class ++, next++) {
            const struct block_class *c = &block_classes[next];
            assert_int_equal(class_of_kind(class, (enum slab_kind)kind), next);
            assert_int_equal(kind_of_class(next), kind);
            assert_int_equal(size_class(next), class);
            assert_int_equal(c->bytes, block_classes[class].bytes);
            assert_int_equal(class_inverse[next], class_inverse[class]);
            assert_int_equal(c->blocks, ((size_t)1 << c->slab_shift) / c->bytes);
            assert_int_equal(kind_of((enum arm_pages)c->pages, (enum arm_retain)c->retain), kind);
        }
    assert_int_equal(next, SLAB_CLASS_COUNT);
}

static void kind_0_is_what_blocks_get_that_no_arm_asks_for(void **state)
{
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        assert_int_equal(kind_of_class(class), KIND_BASE_KEEP);
        assert_int_equal(class_of_kind(class, KIND_BASE_KEEP), class);
        assert_int_equal(size_class(class), class);
    }
}

static void slabs_on_huge_pages_are_whole_ones(void **state)
{
    for (unsigned class = 0; class < SLAB_CLASS_COUNT; class ++) {
        size_t slab = (size_t)1 << block_classes[class].slab_shift;
        assert_true(block_classes[class].pages == PAGES_BASE || slab % (2 << 20) == 0);
        assert_true(slab <= (size_t)1 << SLAB_SHIFT_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_class_of_a_size_is_the_smallest_that_holds_it),
        cmocka_unit_test(classes_rise_from_one_step_to_the_largest_block),
        cmocka_unit_test(from_128_bytes_up_an_eighth_of_a_block_is_lost_at_most),
        cmocka_unit_test(a_power_of_two_with_a_header_loses_next_to_nothing),
        cmocka_unit_test(the_table_of_steps_says_the_same),
        cmocka_unit_test(multiplying_by_the_inverse_finds_the_starts_of_blocks_exactly),
        cmocka_unit_test(a_slab_holds_so_many_blocks_and_is_no_larger_than_that_takes),
        cmocka_unit_test(blocks_are_carved_one_by_one_or_no_more_than_a_page_of_them),
        cmocka_unit_test(every_other_kind_repeats_the_large_sizes),
        cmocka_unit_test(kind_0_is_what_blocks_get_that_no_arm_asks_for),
        cmocka_unit_test(slabs_on_huge_pages_are_whole_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
