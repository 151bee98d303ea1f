/*
 * Whatever the system refuses, and whenever it does: no block is lost, and work goes on.
 */
#include "blocks.h"
#include "refuse.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/attr.h"

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

/* ---- who is short of memory while another thread gives some back ---- */

/* AddressSanitizer's malloc ends the process where there is no memory. */
#if !HAK_ADDRESS_SANITIZER

static const struct os *without_delay;
static sem_t is_giving_back;
static _Atomic bool goes_on, has_answer;
static pid_t short_of_memory;

/* Whether the kernel has the thread wait for something. */
static bool waits(pid_t thread)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
    int fd = os->open(path, O_RDONLY, 0);
    CHECK(fd >= 0 && os->read(fd, text, sizeof(text) - 1) > 0);
    os->close(fd);
    return strstr(text, ") S ") != NULL;
}

/* It takes until the other thread waits for it, or was told that there is no memory. */
static int advise_slowly(void *p, size_t bytes, enum os_advice advice)
{
    if (advice == OS_GIVE_BACK && gettid() != short_of_memory) {
        sem_post(&is_giving_back);
        while (!has_answer && !(goes_on && waits(short_of_memory)))
            ;
    }
    return without_delay->advise(p, bytes, advice);
}

static void *free_it(void *block)
{
    hak_free_block(block);
    return NULL;
}

ISOLATED(who_is_short_of_memory_waits_for_what_is_being_given_back)
{
    enum { BYTES = 100 * MIB };
    struct rlimit none_more = {BYTES, BYTES};
    struct os slow;
    pthread_t thread;

    fake_start();
    fake_set("HAKMEM_BATCH_COUNT", "1");
    fake.vector_refused = true;
    start("mmap/base/touch/drop");
    without_delay = os;
    slow = *os;
    slow.advise = advise_slowly;
    slow.now_ns = os_linux.now_ns; /* somebody waits */
    os = &slow;
    short_of_memory = gettid();
    CHECK(sem_init(&is_giving_back, 0, 0) == 0);

    void *block = get(BYTES);
    CHECK(pthread_create(&thread, NULL, free_it, block) == 0);
    CHECK(sem_wait(&is_giving_back) == 0);
    fake_fail_always(FAKE_COMMIT, ENOMEM);
    CHECK(setrlimit(RLIMIT_AS, &none_more) == 0); /* nor has the C library any */
    goes_on = true;
    void *next = hak_alloc_at_site(BYTES, 1, NO_CALLER);
    has_answer = true;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(next == block);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_system_call_may_be_refused_once),
        cmocka_unit_test(all_advice_may_be_refused_for_ever),
        cmocka_unit_test(nothing_may_be_had_any_more),
#if !HAK_ADDRESS_SANITIZER
        cmocka_unit_test(who_is_short_of_memory_waits_for_what_is_being_given_back),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
