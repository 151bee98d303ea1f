/*
 * The contracts of hakmem.h's allocation functions, at every size around a power of two up to 4 MiB: alignment,
 * NULL, overflow, ENOMEM, errno kept, contents kept, zeros after dirty reuse. Run in several modes (meson.build).
 */
#include "api.h"

enum { SIZES_MAX = 128 };
static size_t sizes[SIZES_MAX];
static unsigned nr_sizes;

/* 1, 2, 3, 4, 5, 7, 8, 9 ... 4 MiB + 1, and steps of 64 KiB and pages beyond the floor. */
static int make_sizes(void **state)
{
    for (unsigned shift = 1; shift <= 22; shift++)
        for (int d = -1; d <= 1; d++)
            sizes[nr_sizes++] = ((size_t)1 << shift) + (size_t)d;
    for (size_t n = 3; n < 64; n += n / 2)
        for (int d = -1; d <= 1; d++)
            sizes[nr_sizes++] = n * 64 * KIB + (size_t)d;
    sizes[nr_sizes++] = 64 * KIB + 4096;
    sizes[nr_sizes++] = 3 * MIB + 12345;
    assert_true(nr_sizes <= SIZES_MAX);
    return 0;
}

static unsigned char byte_at(size_t i, unsigned key)
{
    return (unsigned char)(i * 7 + (i >> 12) * 13 + key);
}

/* Every byte of the first and last page, and one of each page between them. */
static size_t next_place(size_t i, size_t bytes)
{
    return i < 4096 || i + 4096 >= bytes ? i + 1
           : i + 4095 > bytes - 4096     ? bytes - 4096
                                         : i + 4095;
}

static void mark(void *block, size_t bytes, unsigned key)
{
    for (size_t i = 0; i < bytes; i = next_place(i, bytes))
        ((unsigned char *)block)[i] = byte_at(i, key);
}

/* The places that mark() wrote in a block of `marked` bytes, as far as `bytes` reach. */
static int marked_still(const void *block, size_t bytes, size_t marked, unsigned key)
{
    for (size_t i = 0; i < bytes; i = next_place(i, marked))
        if (((const unsigned char *)block)[i] != byte_at(i, key))
            return 0;
    return 1;
}

static void block_is_aligned_and_large_enough(void **state)
{
    for (unsigned i = 0; i < nr_sizes; i++) {
        void *p = hak_malloc(sizes[i]);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_true(hak_usable_size(p) >= sizes[i]);
        memset(p, 0x5a, hak_usable_size(p));
        hak_free(p);
    }
}

static void nothing_is_a_block_too(void **state)
{
    void *a = hak_malloc(hide(0)), *b = hak_malloc(hide(0));
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    hak_free(a);
    hak_free(b);
    hak_free(NULL);
    assert_int_equal(hak_usable_size(NULL), 0);
}

static void impossible_sizes_are_enomem(void **state)
{
    const size_t impossible[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX - 65536, SIZE_MAX - 16,
                                 SIZE_MAX};
    unsigned char *kept = hak_malloc(MIB);
    mark(kept, MIB, 1);
    for (unsigned i = 0; i < 4; i++) {
        size_t n = hide(impossible[i]);
        errno = 0;
        assert_null(hak_malloc(n));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(hak_calloc(1, n));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(hak_realloc(kept, n));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(hak_aligned_alloc(64, n));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(hak_alloc_at(n, hak_site(__FILE__, __LINE__)));
        assert_int_equal(errno, ENOMEM);
    }
    assert_true(marked_still(kept, MIB, MIB, 1));
    hak_free(kept);
}

static void products_that_overflow_are_enomem(void **state)
{
    const size_t pairs[][2] = {
        {SIZE_MAX, 2}, {2, SIZE_MAX}, {(size_t)1 << 32, (size_t)1 << 32}, {SIZE_MAX / 2 + 2, 2}};
    for (unsigned i = 0; i < 4; i++) {
        errno = 0;
        assert_null(hak_calloc(hide(pairs[i][0]), hide(pairs[i][1])));
        assert_int_equal(errno, ENOMEM);
    }
}

static void alignments_are_honoured(void **state)
{
    for (size_t alignment = 1; alignment <= 4 * MIB; alignment *= 2)
        for (unsigned i = 0; i < nr_sizes; i += 7) {
            void *p = hak_aligned_alloc(alignment, sizes[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p & (alignment - 1), 0);
            assert_true(hak_usable_size(p) >= sizes[i]);
            mark(p, sizes[i], 3);
            assert_true(marked_still(p, sizes[i], sizes[i], 3));
            hak_free(p);
        }
}

static void alignments_that_are_none_are_einval(void **state)
{
    const size_t none[] = {0, 3, 24, 4097, SIZE_MAX};
    for (unsigned i = 0; i < 5; i++) {
        errno = 0;
        assert_null(hak_aligned_alloc(hide(none[i]), 100000));
        assert_int_equal(errno, EINVAL);
    }
}

static void free_keeps_errno(void **state)
{
    for (unsigned i = 0; i < nr_sizes; i++) {
        void *p = hak_malloc(sizes[i]);
        mark(p, sizes[i], 1);
        errno = 4321;
        hak_free(p);
        assert_int_equal(errno, 4321);
    }
}

/* Blocks are written full and freed, so that what calloc hands out was dirty. */
static void calloc_is_zero_after_dirty_reuse(void **state)
{
    for (unsigned i = 0; i < nr_sizes; i++) {
        for (int turn = 0; turn < 3; turn++) {
            unsigned char *p = hak_malloc(sizes[i]);
            memset(p, 0xff, hak_usable_size(p));
            hak_free(p);
        }
        unsigned char *p = hak_calloc(1, sizes[i]);
        assert_non_null(p);
        assert_true(p[0] == 0 && (sizes[i] == 1 || memcmp(p, p + 1, sizes[i] - 1) == 0));
        hak_free(p);
    }
}

/* A dirty block, shrunk and grown or split for others, must not show its bytes to calloc either. */
static void calloc_is_zero_in_the_remains_of_others(void **state)
{
    for (unsigned turn = 0; turn < 40; turn++) {
        size_t large = (1 + turn % 5) * MIB, small = large / (2 + turn % 3) + 4097 * turn;
        unsigned char *p = hak_malloc(large);
        memset(p, 0xff, large);
        p = hak_realloc(p, small);
        unsigned char *q = hak_calloc(1, large - small);
        assert_true(q[0] == 0 && memcmp(q, q + 1, large - small - 1) == 0);
        memset(q, 0xff, large - small);
        hak_free(p);
        p = hak_calloc(large, 1);
        assert_true(p[0] == 0 && memcmp(p, p + 1, large - 1) == 0);
        memset(p, 0xff, large);
        hak_free(q);
        hak_free(p);
    }
}

static void realloc_keeps_contents_between_all_sizes(void **state)
{
    for (unsigned i = 0; i < nr_sizes; i++)
        for (unsigned j = i % 3; j < nr_sizes; j += 3) { /* a third of all pairs, in every mode */
            size_t least = sizes[i] < sizes[j] ? sizes[i] : sizes[j];
            unsigned char *p = hak_malloc(sizes[i]);
            mark(p, sizes[i], i);
            p = hak_realloc(p, sizes[j]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            assert_true(hak_usable_size(p) >= sizes[j]);
            assert_true(marked_still(p, least, sizes[i], i));
            p[0] = p[sizes[j] - 1] = 1;
            hak_free(p);
        }
}

static void realloc_by_steps_keeps_contents(void **state)
{
    size_t bytes = 1000;
    unsigned char *p = hak_realloc(NULL, bytes);
    mark(p, bytes, 9);
    while (bytes < 4 * MIB) {
        size_t more = bytes + 4097 + bytes / 64;
        p = hak_realloc(p, more);
        assert_non_null(p);
        assert_true(marked_still(p, bytes, bytes, 9));
        bytes = more;
        mark(p, bytes, 9);
    }
    while (bytes > 2000) {
        size_t less = bytes - bytes / 16 - 7;
        p = hak_realloc(p, less);
        assert_non_null(p);
        assert_true(marked_still(p, less, bytes, 9));
        bytes = less;
        mark(p, bytes, 9);
    }
    hak_free(p);
}

/* Many live at once: no block overlaps another. */
static void blocks_do_not_overlap(void **state)
{
    unsigned char *p[SIZES_MAX];
    for (unsigned i = 0; i < nr_sizes; i++) {
        p[i] = i % 2 ? hak_malloc(sizes[i]) : hak_calloc(1, sizes[i]);
        assert_non_null(p[i]);
        mark(p[i], sizes[i], i);
    }
    for (unsigned i = 0; i < nr_sizes; i += 2) {
        assert_true(marked_still(p[i], sizes[i], sizes[i], i));
        hak_free(p[i]);
        p[i] = hak_malloc(sizes[nr_sizes - 1 - i]);
        mark(p[i], sizes[nr_sizes - 1 - i], i + 100);
    }
    for (unsigned i = 1; i < nr_sizes; i += 2)
        assert_true(marked_still(p[i], sizes[i], sizes[i], i));
    for (unsigned i = 0; i < nr_sizes; i++)
        hak_free(p[i]);
}

static void both_families_share_their_blocks(void **state)
{
    for (unsigned i = 0; i < nr_sizes; i++) {
        free(hak_malloc(sizes[i]));
        void *p = malloc(sizes[i]);
        mark(p, sizes[i], i);
        p = hak_realloc(p, sizes[i] + 100);
        assert_true(marked_still(p, sizes[i], sizes[i], i));
        hak_free(p);
    }
}

static void sites_have_names(void **state)
{
    uint64_t a = hak_site("a.c", 1);
    assert_true(a != 0);
    assert_true(a == hak_site("a.c", 1));
    assert_true(a != hak_site("a.c", 2));
    assert_true(a != hak_site("b.c", 1));
    assert_true(hak_site("", 0) != 0);
}

static void blocks_at_sites_are_blocks(void **state)
{
    for (unsigned i = 0; i < nr_sizes; i++) {
        unsigned char *p = HAK_ALLOC(sizes[i]);
        unsigned char *q = hak_alloc_at(sizes[i], 0);
        assert_non_null(p);
        assert_non_null(q);
        assert_int_equal((uintptr_t)p % 16, 0);
        mark(p, sizes[i], 1);
        mark(q, sizes[i], 2);
        assert_true(marked_still(p, sizes[i], sizes[i], 1));
        hak_free(p);
        assert_true(marked_still(q, sizes[i], sizes[i], 2));
        hak_free(q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_is_aligned_and_large_enough),
        cmocka_unit_test(nothing_is_a_block_too),
        cmocka_unit_test(impossible_sizes_are_enomem),
        cmocka_unit_test(products_that_overflow_are_enomem),
        cmocka_unit_test(alignments_are_honoured),
        cmocka_unit_test(alignments_that_are_none_are_einval),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(calloc_is_zero_after_dirty_reuse),
        cmocka_unit_test(calloc_is_zero_in_the_remains_of_others),
        cmocka_unit_test(realloc_keeps_contents_between_all_sizes),
        cmocka_unit_test(realloc_by_steps_keeps_contents),
        cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(both_families_share_their_blocks),
        cmocka_unit_test(sites_have_names),
        cmocka_unit_test(blocks_at_sites_are_blocks),
    };
    return cmocka_run_group_tests(tests, make_sizes, NULL);
}
