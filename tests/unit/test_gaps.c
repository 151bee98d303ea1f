/*
 * How long memory lies unused between two blocks, and how long it is worth keeping for that.
 */
#include "isolated.h"

#include <string.h>

#include "policy/gaps.h"
#include "policy/policy.h"

static const uint64_t MS = 1000000, S = 1000000000;

/* Nothing was measured: pages cost what calibration says, however long they were away. */
static const struct policy_away AS_CALIBRATED;

static uint32_t keep_ms(const uint64_t *count, const struct policy_away *away, uint64_t never,
                        uint64_t once_ns)
{
    uint32_t times_q10[AWAY_CLASSES];
    gaps_times_q10(away, NULL, times_q10);
    return gaps_keep_ms(count, times_q10, never, once_ns);
}

static uint32_t refill_q10(const uint64_t *count, const struct policy_away *away, uint64_t most_ns)
{
    uint32_t times_q10[AWAY_CLASSES];
    gaps_times_q10(away, NULL, times_q10);
    return gaps_refill_q10(count, times_q10, most_ns);
}

/* A block that lived for 1 ms, was freed `idle_ns` before `now_ns`, and whose memory then went to the next one. */
static struct episode reused_after(uint64_t idle_ns)
{
    return (struct episode){.live_ns = MS, .idle_ns = idle_ns, .reused = true};
}

static void a_reused_block_shows_its_own_gap(void **state)
{
    struct gaps g = {0};
    uint64_t count[GAP_CLASSES] = {0};
    struct episode soon = reused_after(MS - 1), late = reused_after(5 * MS),
                   never = reused_after(3600 * S);
    gaps_note(&g, count, &soon, 7200 * S);
    gaps_note(&g, count, &late, 7200 * S);
    gaps_note(&g, count, &never, 7200 * S);
    assert_int_equal(count[0], 1);
    assert_int_equal(count[3], 1); /* 4 to 8 ms */
    assert_int_equal(count[GAP_CLASSES - 1], 1);
}

static void note_given_back(struct gaps *g, uint64_t *count, uint64_t freed_ns, uint64_t idle_ns)
{
    struct episode e = {.live_ns = MS, .idle_ns = idle_ns, .given_back = true};
    gaps_note(g, count, &e, freed_ns + idle_ns);
}

static void note_cold(struct gaps *g, uint64_t *count, uint64_t born_ns)
{
    struct episode e = {.live_ns = 3 * MS, .cold = true};
    gaps_note(g, count, &e, born_ns + 3 * MS);
}

static uint64_t sum(const uint64_t *count)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < GAP_CLASSES; i++)
        n += count[i];
    return n;
}

static void a_gap_is_seen_though_the_memory_was_given_back_in_it(void **state)
{
    struct gaps g = {0};
    uint64_t count[GAP_CLASSES] = {0};
    note_given_back(&g, count, 10 * S, MS);
    note_given_back(&g, count, 11 * S, MS);
    note_cold(&g, count, 10 * S + 500 * MS); /* when the second was not free yet */
    assert_int_equal(count[9], 1);           /* 256 to 512 ms */
    note_cold(&g, count, 11 * S + 100 * MS);
    assert_int_equal(count[7], 1); /* 64 to 128 ms */
    note_cold(&g, count, 12 * S);
    assert_int_equal(sum(count), 2);
}

static void of_many_given_back_the_last_are_remembered(void **state)
{
    struct gaps g = {0};
    uint64_t count[GAP_CLASSES] = {0};
    for (unsigned i = 0; i < 100; i++)
        note_given_back(&g, count, (i + 1) * MS, 0);
    for (unsigned i = 0; i < 100; i++)
        note_cold(&g, count, 100 * MS);
    assert_int_equal(sum(count), GAPS_AWAY_MAX);
    assert_int_equal(count[0] + count[1] + count[2] + count[3] + count[4] + count[5],
                     GAPS_AWAY_MAX);
}

static void of_few_gaps_nothing_is_concluded(void **state)
{
    uint64_t count[GAP_CLASSES] = {6};
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 1, S), 0);
    count[0] = 7;
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 1, S), 16);
}

static void what_no_block_followed_is_not_kept(void **state)
{
    uint64_t count[GAP_CLASSES] = {[7] = 2};
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 5, S), 0);
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 40, S), 16);
    count[7] = 0;
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 8, S), 16);
}

static void memory_is_kept_just_longer_than_the_gaps(void **state)
{
    uint64_t count[GAP_CLASSES] = {1000};
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 1, S), 16);
    count[6] = 100; /* 32 to 64 ms */
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 1, S), 64);
}

static void a_rare_long_gap_is_not_waited_for_where_many_blocks_have_no_successor(void **state)
{
    uint64_t count[GAP_CLASSES] = {1000};
    count[9] = 10; /* 256 to 512 ms, which at 1 s to break even is worth waiting for */
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 1, S), 512);
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 100, S), 16);
}

static void gaps_that_are_longer_than_it_is_worth_are_not_waited_for_at_all(void **state)
{
    uint64_t count[GAP_CLASSES] = {[12] = 100}; /* 2 to 4 s */
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 1, S), 16);
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 1, 10 * S), 4096);
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 0, 2 * S), 16);
}

static void where_breaking_even_comes_first_that_is_it(void **state)
{
    uint64_t count[GAP_CLASSES] = {100};
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 1, 10 * MS), 10);
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 1, 17 * MS), 16);
    count[0] = 0;
    count[9] = 100;
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 0, UINT64_MAX), 512);
}

static void fault(struct policy_away *away, unsigned class, unsigned n, uint64_t times)
{
    for (unsigned i = 0; i < n; i++)
        gaps_note_fault(away, class, times * 1000, 1000);
}

static void what_is_dear_to_have_again_is_kept_for_longer(void **state)
{
    struct policy_away away = {0};
    uint64_t count[GAP_CLASSES] = {[9] = 100}; /* 256 to 512 ms, of which breaking even is a half */
    assert_int_equal(keep_ms(count, &away, 1, 200 * MS), 16);
    fault(&away, 9, 1, 2); /* beside eight that are supposed */
    assert_int_equal(keep_ms(count, &away, 1, 200 * MS), 16);
    fault(&away, 9, 7, 10);
    assert_int_equal(keep_ms(count, &away, 1, 200 * MS), 512);
}

/* As long as it is known: until having it again after that time costs as much. */
static void what_is_dear_to_have_again_breaks_even_later(void **state)
{
    struct policy_away away = {0};
    uint64_t none[GAP_CLASSES] = {[0] = 8};
    uint32_t times_q10[AWAY_CLASSES];
    gaps_times_q10(&away, NULL, times_q10);
    assert_in_range(gaps_break_even_ns(times_q10, 100 * MS), 99 * MS, 100 * MS);
    for (unsigned i = 8; i < GAP_CLASSES; i++) /* from 128 ms on five times as dear */
        times_q10[i] = 5 * 1024;
    assert_in_range(gaps_break_even_ns(times_q10, 100 * MS), 99 * MS, 100 * MS);
    assert_in_range(gaps_break_even_ns(times_q10, 200 * MS), 999 * MS, S);
    for (unsigned i = 0; i < GAP_CLASSES; i++) /* longer away is cheaper */
        times_q10[i] = i < 8 ? 10 * 1024 : 1024;
    assert_int_equal(gaps_break_even_ns(times_q10, 100 * MS), 128 * MS);
    assert_int_equal(gaps_break_even_ns(times_q10, 0), 0);
    assert_true(gaps_break_even_ns(times_q10, UINT64_MAX) > S);
    assert_int_equal(gaps_keep_ms(none, times_q10, 0, 100 * MS), 16);
}

static void a_fault_after_a_longer_time_costs_no_less(void **state)
{
    struct policy_away away = {0};
    uint64_t soon[GAP_CLASSES] = {100}, late[GAP_CLASSES] = {[9] = 100};
    fault(&away, 4, 8, 5);
    assert_int_equal(refill_q10(soon, &away, 0), 1024);
    assert_int_equal(refill_q10(late, &away, 0), 3 * 1024); /* eight more were supposed */
    fault(&away, 0, 8, 3);
    assert_int_equal(refill_q10(soon, &away, 0), 2 * 1024);
    fault(&away, 4, 100000, 5);
    assert_in_range(refill_q10(late, &away, 0), 5 * 1024 - 2, 5 * 1024);
}

static void fresh_memory_has_a_price_of_its_own(void **state)
{
    struct policy_away away = {0};
    uint64_t soon[GAP_CLASSES] = {100}, late[GAP_CLASSES] = {[9] = 100};
    assert_int_equal(gaps_fresh_q10(&away, 3 * 1024), 3 * 1024); /* nothing is known */
    fault(&away, AWAY_FRESH, 8, 4);
    assert_int_equal(gaps_fresh_q10(&away, 2 * 1024), 3 * 1024); /* as much as is supposed */
    assert_int_equal(refill_q10(soon, &away, 0), 1024);          /* as calibrated */
    assert_int_equal(refill_q10(late, &away, 0), 5 * 512);       /* for want of something better */
    fault(&away, 0, 8, 1);
    assert_int_equal(refill_q10(late, &away, 0), 1024);
}

/* Of the other kind of pages, for one. */
static void what_is_supposed_stands_until_faults_are_seen(void **state)
{
    struct policy_away away = {0};
    uint32_t supposed_q10[AWAY_CLASSES], times_q10[AWAY_CLASSES];
    for (unsigned i = 0; i < AWAY_CLASSES; i++)
        supposed_q10[i] = (i + 1) * 1024;
    gaps_times_q10(&away, supposed_q10, times_q10);
    assert_memory_equal(times_q10, supposed_q10, sizeof(times_q10));
    fault(&away, 3, 8, 2);
    gaps_times_q10(&away, supposed_q10, times_q10);
    assert_int_equal(times_q10[3], 3 * 1024);
    assert_int_equal(times_q10[4], 5 * 1024);
}

static void only_gaps_in_which_memory_is_away_count_for_its_price(void **state)
{
    struct policy_away away = {0};
    uint64_t count[GAP_CLASSES] = {[0] = 300, [9] = 100};
    fault(&away, 0, 8, 3);
    fault(&away, 9, 8, 6);
    assert_int_equal(refill_q10(count, &away, 0), (300 * 2 + 100 * 4) * 1024 / 400);
    assert_int_equal(refill_q10(count, &away, 16 * MS), 4 * 1024);
    assert_int_equal(refill_q10(count, &away, S), 1024);
}

/* A host that has to find 2 MiB takes a hundred times as long, one time in thirty: the mean is what is paid. */
static void a_dear_fault_counts_for_what_it_took(void **state)
{
    struct policy_away away = {0};
    uint64_t count[GAP_CLASSES] = {100};
    fault(&away, 0, 120, 1);
    fault(&away, 0, 4, 100);
    assert_int_equal(refill_q10(count, &away, 0), (8 + 120 + 400) * 1024 / 132);
    gaps_note_fault(&away, 1, 100 * S, 1000);
    gaps_note_fault(&away, 1, UINT64_MAX, 1);
    assert_int_equal(away.times_q10[1], 2 * 128 * 1024);
}

static void what_a_file_says_of_faults_overflows_nothing(void **state)
{
    struct policy_away away = {0};
    uint64_t count[GAP_CLASSES] = {[9] = 100};
    away.faults[AWAY_FRESH] = UINT64_MAX - 7;
    assert_int_equal(gaps_fresh_q10(&away, 1024), 0);
    away.faults[AWAY_FRESH] = 0;
    away.times_q10[AWAY_FRESH] = away.times_q10[9] = UINT64_MAX;
    assert_int_equal(gaps_fresh_q10(&away, 1024), 128 * 1024);
    assert_int_equal(refill_q10(count, &away, 0), 128 * 1024);
}

static void what_was_learned_since_is_what_is_saved(void **state)
{
    struct policy_away now = {0}, then, since, sum = {0};
    fault(&now, 3, 8, 5);
    then = now;
    fault(&now, 3, 2, 6);
    gaps_away_since(&now, &then, &since);
    assert_int_equal(since.faults[3], 2);
    assert_int_equal(since.times_q10[3], 12 * 1024);
    gaps_away_add(&sum, &then);
    gaps_away_add(&sum, &since);
    assert_memory_equal(&sum, &now, sizeof(now));
    sum.faults[3] = UINT64_MAX - 1;
    gaps_away_add(&sum, &now);
    assert_true(sum.faults[3] == UINT64_MAX);
}

static void no_number_overflows(void **state)
{
    uint64_t count[GAP_CLASSES];
    for (unsigned i = 0; i < GAP_CLASSES; i++)
        count[i] = UINT64_MAX / GAP_CLASSES;
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, UINT64_MAX, UINT64_MAX), GAPS_KEEP_MAX_MS);
    assert_int_equal(keep_ms(count, &AS_CALIBRATED, 0, UINT64_MAX), GAPS_KEEP_MAX_MS);
    struct policy_away away;
    memset(&away, 0xff, sizeof(away));
    assert_int_equal(keep_ms(count, &away, 0, UINT64_MAX), GAPS_KEEP_MAX_MS);
    for (unsigned i = 0; i < AWAY_CLASSES; i++)
        away.faults[i] = 8;
    assert_int_equal(refill_q10(count, &away, 0), 128 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reused_block_shows_its_own_gap),
        cmocka_unit_test(a_gap_is_seen_though_the_memory_was_given_back_in_it),
        cmocka_unit_test(of_many_given_back_the_last_are_remembered),
        cmocka_unit_test(of_few_gaps_nothing_is_concluded),
        cmocka_unit_test(what_no_block_followed_is_not_kept),
        cmocka_unit_test(memory_is_kept_just_longer_than_the_gaps),
        cmocka_unit_test(a_rare_long_gap_is_not_waited_for_where_many_blocks_have_no_successor),
        cmocka_unit_test(gaps_that_are_longer_than_it_is_worth_are_not_waited_for_at_all),
        cmocka_unit_test(where_breaking_even_comes_first_that_is_it),
        cmocka_unit_test(what_is_dear_to_have_again_is_kept_for_longer),
        cmocka_unit_test(what_is_dear_to_have_again_breaks_even_later),
        cmocka_unit_test(a_fault_after_a_longer_time_costs_no_less),
        cmocka_unit_test(fresh_memory_has_a_price_of_its_own),
        cmocka_unit_test(only_gaps_in_which_memory_is_away_count_for_its_price),
        cmocka_unit_test(what_is_supposed_stands_until_faults_are_seen),
        cmocka_unit_test(a_dear_fault_counts_for_what_it_took),
        cmocka_unit_test(what_a_file_says_of_faults_overflows_nothing),
        cmocka_unit_test(what_was_learned_since_is_what_is_saved),
        cmocka_unit_test(no_number_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
