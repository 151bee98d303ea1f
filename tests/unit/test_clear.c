/*
 * calloc in memory that was used before: what is resident is written, what is not is given back, and nothing is faulted in.
 */
#include "isolated.h"

#include <errno.h>
#include <string.h>

#include "alloc/clear.h"
#include "blocks.h"
#include "fake_os.h"
#include "stats/stats.h"

enum { PAGE = 4096, BYTES = 8 * MIB, STEP = 16 * PAGE };

/* A block that was kept with every 16th page written to, and is asked for again by calloc. */
static char *keep_a_thin_block(void)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(BYTES);
    for (size_t at = 0; at < BYTES; at += STEP)
        p[at] = 1;
    hak_free_block(p);
    fake_forget();
    return p;
}

static size_t resident_pages(const char *p)
{
    static unsigned char vec[BYTES / PAGE];
    size_t n = 0;
    CHECK(os_linux.residency(p, BYTES, vec) == 0);
    for (size_t i = 0; i < BYTES / PAGE; i++)
        n += vec[i] & 1;
    return n;
}

ISOLATED(only_what_is_resident_is_written)
{
    char *p = keep_a_thin_block();
    CHECK(hak_calloc_at_site(1, BYTES, NO_CALLER) == p);
    CHECK(resident_pages(p) == BYTES / STEP);
    CHECK(all_zero(p, BYTES));
}

/* It may lie in swap. */
ISOLATED(what_is_not_resident_is_given_back)
{
    char *p = keep_a_thin_block();
    CHECK(hak_calloc_at_site(1, BYTES, NO_CALLER) == p);
    for (size_t at = 0; at < BYTES; at += PAGE)
        CHECK(fake_advised_at(p + at, OS_GIVE_BACK) == (at % STEP != 0));
    CHECK(fake_calls() == 2); /* 128 stretches, 64 a call */
}

ISOLATED(all_is_written_where_nothing_can_be_given_back)
{
    char *p = keep_a_thin_block();
    fake.refused[OS_GIVE_BACK] = EINVAL;
    memset(p, 0x5a, BYTES);
    fake.vector_refused = true;
    CHECK(hak_calloc_at_site(1, BYTES, NO_CALLER) == p && all_zero(p, BYTES));
}

ISOLATED(holes_are_written_where_they_cannot_be_given_back)
{
    char *p = keep_a_thin_block();
    fake.refused[OS_GIVE_BACK] = EINVAL;
    CHECK(hak_calloc_at_site(1, BYTES, NO_CALLER) == p && all_zero(p, BYTES));
    CHECK(resident_pages(p) == BYTES / PAGE);
}

ISOLATED(all_is_written_where_nobody_says_what_is_resident)
{
    char *p = keep_a_thin_block();
    fake.never_resident = true;
    memset(p, 0x5a, BYTES);
    CHECK(hak_calloc_at_site(1, BYTES, NO_CALLER) == p && all_zero(p, BYTES));
    CHECK(fake_calls() == 0);
}

ISOLATED(not_a_page_more_is_cleared_than_was_asked_for)
{
    fake_start();
    CHECK(start_now());
    char *p = os->map(2 * MIB);
    memset(p, 0x5a, 2 * MIB);
    clear_used(p, MIB + 100);
    CHECK(all_zero(p, MIB + 100) && p[MIB + PAGE] == 0x5a);
    memset(p, 0x5a, MIB);
    clear_used(p, 100);
    CHECK(all_zero(p, 100) && p[100] == 0x5a);
}

ISOLATED(a_small_block_is_written_without_a_look)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(128 * KIB);
    p[5] = 1;
    hak_free_block(p);
    fake_forget();
    CHECK(hak_calloc_at_site(1, 128 * KIB, NO_CALLER) == p && all_zero(p, 128 * KIB));
    CHECK(fake_count(FAKE_RESIDENCY) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_resident_is_written),
        cmocka_unit_test(what_is_not_resident_is_given_back),
        cmocka_unit_test(all_is_written_where_nothing_can_be_given_back),
        cmocka_unit_test(holes_are_written_where_they_cannot_be_given_back),
        cmocka_unit_test(all_is_written_where_nobody_says_what_is_resident),
        cmocka_unit_test(not_a_page_more_is_cleared_than_was_asked_for),
        cmocka_unit_test(a_small_block_is_written_without_a_look),
    };
    return cmocka_run_group_tests_name("clear", tests, NULL, NULL);
}
