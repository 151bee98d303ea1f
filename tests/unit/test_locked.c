/*
 * Memory that the program has locked, requests that nothing can meet, and huge pages that are too large for slabs.
 */
#include "blocks.h"
#include "enormous.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "alloc/retained.h"

/* By the system call: sanitizers make a function of nothing of it. */
static bool is_locked_now(const char *p)
{
    return syscall(SYS_mlock, p, (size_t)MIB) == 0;
}

/* madvise refuses it; as munmap would, freeing unlocks it. */
ISOLATED(locked_memory_is_given_back)
{
    fake_start();
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get(MIB), *q = get(MIB);
    fill(p, MIB);
    fill(q, MIB);
    if (!is_locked_now(p))
        return;
    hak_free_block(p);
    unsigned char resident[256];
    CHECK(fake_last(FAKE_RENEW)->address == (uintptr_t)p);
    CHECK(mincore(p, MIB, resident) == 0 && (resident[0] & 1) == 0); /* mapped, and not locked */
    CHECK(all_zero(p, MIB));
    fake_forget();
    hak_free_block(q);
    CHECK(fake_count(FAKE_RENEW) == 0 && fake_advised_at(q, OS_GIVE_BACK));
    char *again = hak_calloc_at_site(1, MIB, NO_CALLER);
    CHECK(all_zero(again, MIB));
}

/* Of several that are given back at once, one is refused; the others are not the worse for it, nor the next ones. */
ISOLATED(one_locked_block_of_a_batch_is_none_of_the_others_business)
{
    char *p[8];
    fake_start();
    start("mmap/base/touch/drop");
    for (int i = 0; i < 8; i++) {
        p[i] = get(MIB);
        fill(p[i], MIB);
        get(MIB);
    }
    if (!is_locked_now(p[3]))
        return;
    for (int i = 0; i < 8; i++)
        hak_free_block(p[i]);
    store_trim();
    CHECK(fake_last(FAKE_RENEW)->address == (uintptr_t)p[3]);
    for (int i = 0; i < 8; i++)
        CHECK(i == 3 || fake_advised_at(p[i], OS_GIVE_BACK));
    uint64_t vectors = stat_get(STAT_os_process_madvise);
    for (int i = 0; i < 8; i++)
        p[i] = get(MIB);
    for (int i = 0; i < 8; i += 2)
        hak_free_block(p[i]);
    store_trim();
    CHECK(stat_get(STAT_os_process_madvise) > vectors || vectors == 0);
}

static bool yes(void)
{
    return true;
}

/* Where all that is mapped is locked, a fresh mapping would be filled at once. */
ISOLATED(a_program_that_locks_all_keeps_its_memory)
{
    struct os locking;
    fake_start();
    locking = *os;
    locking.locks_all = yes;
    os = &locking;
    fake_set("HAKMEM_BATCH", "0");
    start("mmap/base/touch/drop");
    char *p = get(MIB);
    fill(p, MIB);
    if (!is_locked_now(p))
        return;
    hak_free_block(p);
    CHECK(fake_count(FAKE_RENEW) == 0);
    char *again = hak_calloc_at_site(1, MIB, NO_CALLER);
    CHECK(again == p && all_zero(again, MIB));
}

ISOLATED(what_cannot_be_had_empties_no_cache)
{
    fake_start();
    start("mmap/base/touch/keep");
    char *p = get(MIB);
    fill(p, MIB);
    hak_free_block(p);
    CHECK(retained.cache.bytes == MIB);
    errno = 0;
    CHECK(hak_alloc_at_site(SIZE_MAX, 1, NO_CALLER) == NULL && errno == ENOMEM);
    CHECK(hak_alloc_at_site((size_t)1 << 60, 1, NO_CALLER) == NULL && errno == ENOMEM);
    p = get(64 * KIB);
    CHECK(hak_realloc_at_site(p, SIZE_MAX / 2, NO_CALLER) == NULL && errno == ENOMEM);
    CHECK(retained.cache.bytes >= MIB - 64 * KIB && fake_advised(OS_GIVE_BACK) == 0);
}

static unsigned slabs_on_huge_pages(size_t huge_bytes)
{
    unsigned n = 0;
    fake_start();
    fake.machine.huge_bytes = huge_bytes;
    start("heap/base/touch/keep");
    for (int i = 0; i < 64; i++) {
        struct span *s = store_get_slab(256 * KIB, PAGES_BASE, true);
        CHECK(s != NULL);
        n += s->zone == ZONE_HUGE;
    }
    return n;
}

ISOLATED(a_large_heap_grows_on_huge_pages)
{
    CHECK(slabs_on_huge_pages(2 * MIB) > 0);
}

ISOLATED(a_heap_does_not_grow_on_huge_pages_that_are_larger)
{
    CHECK(slabs_on_huge_pages(32 * MIB) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locked_memory_is_given_back),
        cmocka_unit_test(one_locked_block_of_a_batch_is_none_of_the_others_business),
        cmocka_unit_test(a_program_that_locks_all_keeps_its_memory),
        cmocka_unit_test(what_cannot_be_had_empties_no_cache),
        cmocka_unit_test(a_large_heap_grows_on_huge_pages),
        cmocka_unit_test(a_heap_does_not_grow_on_huge_pages_that_are_larger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
