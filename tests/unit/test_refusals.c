/*
 * Whatever the system refuses, and whenever it does: no block is lost, and work goes on.
 */
#include "blocks.h"
#include "refuse.h"

/* What a program does: allocate, grow, shrink, clear, free. Any of it may be refused, and then nothing is lost. */
static void work(void)
{
    char *p[6];
    for (int i = 0; i < 6; i++) {
        size_t bytes = (size_t)(i + 1) * 900 * KIB;
        p[i] = i % 2 ? hak_calloc_at_site(1, bytes, NO_CALLER)
                     : hak_alloc_at_site(bytes, 1, NO_CALLER);
        CHECK(p[i] != NULL || errno == ENOMEM);
        if (p[i] != NULL && i % 2)
            CHECK(p[i][0] == 0 && memcmp(p[i], p[i] + 1, bytes - 1) == 0);
        if (p[i] != NULL)
            fill(p[i], bytes);
    }
    for (int i = 0; i < 6; i++) {
        size_t was = (size_t)(i + 1) * 900 * KIB, to = i % 3 ? was * 3 : was / 3;
        char *q = p[i] != NULL ? hak_realloc_at_site(p[i], to, NO_CALLER) : NULL;
        CHECK(p[i] == NULL || holds(q != NULL ? q : p[i], q != NULL && to < was ? to : was));
        p[i] = q != NULL ? q : p[i];
    }
    for (int i = 0; i < 6; i++)
        hak_free_block(p[i]);
    store_tick(fake.now_ns += 1000000000, 0);
    store_tick(fake.now_ns += 20000000, 0);
}

static void work_with_one_refusal(void)
{
    fake_start();
    fake_set("HAKMEM_BATCH_COUNT", "2");
    fake_set("HAKMEM_ARM", faulty_arm);
    fake_fail_any(faulty_call, ENOMEM);
    work();
    bool reached = fake_has_failed();
    fake_fail_never();
    work();
    store_trim();
    store_set_gauges();
    CHECK(stat_get(STAT_live_bytes) == 0 && stat_get(STAT_queued_bytes) == 0);
    if (!reached)
        _exit(NOT_REACHED);
}

static void any_system_call_may_be_refused_once(void **state)
{
    refuse_each_call("mmap/base/touch/keep", work_with_one_refusal, 12);
    refuse_each_call("mmap/huge/prefault/lazy", work_with_one_refusal, 12);
    refuse_each_call("mmap/base/prefault/drop", work_with_one_refusal, 12);
}

ISOLATED(all_advice_may_be_refused_for_ever)
{
    fake_start();
    fake_set("HAKMEM_ARM", "mmap/huge/prefault/lazy");
    CHECK(start_now());
    fake_fail_always(FAKE_ADVISE, EINVAL);
    fake.vector_refused = true;
    work();
    work();
}

ISOLATED(nothing_may_be_had_any_more)
{
    fake_start();
    fake_set("HAKMEM_ARM", "mmap/base/touch/drop");
    CHECK(start_now());
    fake_fail_always(FAKE_COMMIT, ENOMEM);
    work();
    CHECK(stat_get(STAT_heap_allocs) > 0);
    fake_fail_never();
    work();
    CHECK(stat_get(STAT_mmap_allocs) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_system_call_may_be_refused_once),
        cmocka_unit_test(all_advice_may_be_refused_for_ever),
        cmocka_unit_test(nothing_may_be_had_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
