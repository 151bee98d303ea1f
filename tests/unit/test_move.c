/*
 * Moving pages on the real kernel, where it refuses and has unmapped the destination all the same, or stops half way: every page is
 * in one of the two places, and both are mapped.
 */
#include "isolated.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "os/os.h"

enum { MIB = 1 << 20, FROM_BYTES = 5 * MIB, FIRST_BYTES = MIB };

static char *from, *to;

static void map_both(void)
{
    from = os_linux.map(FROM_BYTES);
    to = os_linux.map(FROM_BYTES);
    CHECK(from != NULL && to != NULL);
    for (size_t i = 0; i < FROM_BYTES; i += 4096)
        memset(from + i, (int)(1 + i / 4096 % 100), 4096);
}

/* `from` becomes two mappings, as the kernel sees it. */
static void split_from(void)
{
    CHECK(madvise(from, FIRST_BYTES, MADV_DONTFORK) == 0);
}

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    CHECK(f != NULL && fscanf(f, "%zu", &pages) == 1);
    fclose(f);
    return pages * 4096;
}

static void limit_address_space(size_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void check_pages(const char *p)
{
    for (size_t i = 0; i < FROM_BYTES; i += 4096)
        CHECK(p[i] == (char)(1 + i / 4096 % 100) && p[i + 4095] == p[i]);
}

static int move_and_check(void)
{
    int status = os_linux.move(from, to, FROM_BYTES);
    check_pages(status == 0 ? to : from);
    if (status == -ENOTRECOVERABLE)
        return status; /* `to` is nobody's */
    CHECK(all_zero(status == 0 ? from : to, FROM_BYTES));
    memset(status == 0 ? from : to, 7, FROM_BYTES);
    return status;
}

ISOLATED(pages_are_moved)
{
    map_both();
    CHECK(move_and_check() == 0);
}

ISOLATED(a_source_of_several_mappings_is_moved_or_stays)
{
    map_both();
    split_from();
    move_and_check();
}

ISOLATED(a_refused_move_leaves_the_source_as_it_was)
{
    map_both();
    limit_address_space(address_space() - 6 * (size_t)MIB);
    CHECK(move_and_check() != 0);
}

/* Moving from `bytes` on is refused, before anything else is done (Linux 6.10); false: this kernel cannot. */
static bool seal_from(size_t bytes)
{
    enum { CALL_MSEAL = 462 };
    return syscall(CALL_MSEAL, from + bytes, (size_t)FROM_BYTES - bytes, 0) == 0;
}

/* As the kernel leaves it where it refuses late. */
ISOLATED(a_destination_that_is_gone_is_mapped_again)
{
    map_both();
    CHECK(munmap(to, FROM_BYTES) == 0);
    if (!seal_from(0))
        return;
    CHECK(os_linux.move(from, to, FROM_BYTES) == -EPERM);
    check_pages(from);
    CHECK(all_zero(to, FROM_BYTES));
}

ISOLATED(what_somebody_has_mapped_there_meanwhile_stays)
{
    map_both();
    CHECK(munmap(to, FROM_BYTES) == 0);
    char *foreign = mmap(to + MIB, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(foreign == to + MIB);
    foreign[0] = 9;
    if (!seal_from(0))
        return;
    CHECK(os_linux.move(from, to, FROM_BYTES) == -ENOTRECOVERABLE);
    check_pages(from);
    CHECK(foreign[0] == 9);
}

ISOLATED(a_move_that_is_refused_half_way_is_completed_by_copying)
{
    map_both();
    split_from();
    if (seal_from(FIRST_BYTES))
        CHECK(move_and_check() == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_moved),
        cmocka_unit_test(a_source_of_several_mappings_is_moved_or_stays),
        cmocka_unit_test(a_refused_move_leaves_the_source_as_it_was),
        cmocka_unit_test(a_destination_that_is_gone_is_mapped_again),
        cmocka_unit_test(what_somebody_has_mapped_there_meanwhile_stays),
        cmocka_unit_test(a_move_that_is_refused_half_way_is_completed_by_copying),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
