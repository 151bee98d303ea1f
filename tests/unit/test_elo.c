/*
 * The learner at work: arithmetic, what is picked, freezing, alarms, priors, audits. What it learns on many
 * kinds of sites is measured in tests/sim.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "elo_play.h"
#include "elo/fixed.h"

/* ---- arithmetic -------------------------------------------------------------------------------- */

static void log2_of_powers_is_exact(void **state)
{
    (void)state;
    assert_int_equal(elo_log2_q10(0), 0);
    for (int k = 0; k < 64; k++)
        assert_int_equal(elo_log2_q10((uint64_t)1 << k), k * ELO_Q10);
}

static void log2_is_right_and_rises(void **state)
{
    (void)state;
    int32_t before = -1;

    for (double x = 1; x < 1.8e19; x *= 1.0037) {
        uint64_t n = (uint64_t)x;
        double exact = 1024 * log2((double)n);
        int32_t got = elo_log2_q10(n);
        assert_true(got <= exact + 0.01 && got >= exact - 1.1);
        assert_true(got >= before);
        before = got;
    }
    assert_int_equal(elo_log2_q10(UINT64_MAX), 64 * ELO_Q10 - 1);
}

static void exp2_and_root_are_right(void **state)
{
    (void)state;
    for (int32_t x = -(20 << 20); x < 40 << 20; x += 54321) {
        double exact = exp2(x / 1048576.0) * 1048576.0;
        assert_true(fabs((double)fixed_exp2_q20(x) - exact) <= exact * 2e-4 + 1);
    }
    for (double v = 1; v < 4e9; v *= 1.01) {
        double exact = sqrt(floor(v) / (1 << 24)) * (1 << 20);
        assert_true(fabs(fixed_deviation_q20((uint64_t)v) - exact) <= exact * 3e-4 + 1);
    }
    assert_int_equal(fixed_deviation_q20(0), 0);
}

static void gauss_is_normal(void **state)
{
    (void)state;
    uint64_t random = 1;
    double sum = 0, squares = 0;
    int beyond_two = 0;
    enum { N = 200000 };

    for (int i = 0; i < N; i++) {
        double g = fixed_gauss_q10(&random) / 1024.0;
        sum += g;
        squares += g * g;
        beyond_two += fabs(g) > 2;
    }
    assert_true(fabs(sum / N) < 0.01);
    assert_true(fabs(squares / N - 1) < 0.02);
    assert_true(beyond_two > N * 0.035 && beyond_two < N * 0.055); /* 0.0455 */
}

/* ---- picking ----------------------------------------------------------------------------------- */

static void only_playable_arms_are_picked(void **state)
{
    (void)state;
    for (uint32_t playable = 1; playable <= ALL_ARMS; playable = playable * 3 + 1) {
        struct elo_table t;
        struct play p = play_ladder(1000, 1.1, 0.3, playable);
        elo_init(&t, playable, 7);
        for (int i = 0; i < 300; i++) {
            int arm = elo_pick(&t);
            assert_true(playable >> arm & 1);
            elo_report(&t, arm, play_cost(&p, arm));
        }
        assert_true(elo_is_valid(&t));
    }
}

static void no_playable_arm_is_survived(void **state)
{
    (void)state;
    struct elo_table t;

    elo_init(&t, 0, 1);
    assert_int_equal(elo_pick(&t), 0);
    elo_report(&t, 0, 100);
    elo_report(&t, -1, 100);
    elo_report(&t, ELO_ARMS, 100);
    assert_int_equal(t.episodes, 1);
}

static void one_class_is_decided_at_once(void **state)
{
    (void)state;
    struct elo_table t;

    elo_init(&t, 1u << 5, 1);
    uint64_t random = t.random;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(elo_pick(&t), 5);
        elo_report(&t, 5, 1000);
    }
    assert_int_equal(t.state, ELO_DECIDED);
    assert_true(t.random == random);
}

static void runs_repeat_by_seed(void **state)
{
    (void)state;
    struct elo_table one, same, other;
    struct play p = play_ladder(1000, 1.1, 0.3, 1), q = p, r = p;
    int differ = 0;

    elo_init(&one, ALL_ARMS, 42);
    elo_init(&same, ALL_ARMS, 42);
    elo_init(&other, ALL_ARMS, 43);
    for (int i = 0; i < 500; i++) {
        int a = elo_pick(&one), b = elo_pick(&same), c = elo_pick(&other);
        assert_int_equal(a, b);
        differ += a != c;
        elo_report(&one, a, play_cost(&p, a));
        elo_report(&same, b, play_cost(&q, b));
        elo_report(&other, c, play_cost(&r, c));
    }
    assert_memory_equal(&one, &same, sizeof(one));
    assert_true(differ > 20);
}

static void champion_is_none_then_the_best(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1.2, 0.2, 3);

    elo_init(&t, ALL_ARMS, 1);
    assert_int_equal(elo_champion(&t), -1);
    play_episodes(&t, &p, 1500);
    assert_int_equal(elo_champion(&t), 0);
}

static void few_lucky_plays_make_no_champion(void **state)
{
    (void)state;
    struct elo_table t;

    elo_init(&t, 3, 1);
    for (int i = 0; i < 200; i++)
        elo_report(&t, 0, 50000);
    elo_report(&t, 1, 42000);
    assert_int_equal(elo_champion(&t), 0);
    for (int i = 0; i < 20; i++)
        elo_report(&t, 1, 42000);
    assert_int_equal(elo_champion(&t), 1);
}

/* Reports may come much later than picks, and in any order. */
static void late_reports_do_no_harm(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1.2, 0.2, 3);
    int pending[40];
    int32_t prior[ELO_ARMS];

    elo_init(&t, ALL_ARMS, 1);
    for (int i = 0; i < ELO_ARMS; i++)
        prior[i] = 16000 + 200 * i;
    elo_set_prior(&t, prior, 500);
    for (int i = 0; i < 40; i++)
        pending[i] = elo_pick(&t);
    for (int round = 0; round < 1500; round++) {
        int k = (int)(play_uniform(&p) * 40);
        elo_report(&t, pending[k], play_cost(&p, pending[k]));
        pending[k] = elo_pick(&t);
        if (round == 800)
            p.mean_ns[0] *= 4;
    }
    assert_int_equal(elo_champion(&t), 1);
    assert_true(elo_is_valid(&t));
}

/* ---- deciding ---------------------------------------------------------------------------------- */

static void a_clear_table_is_decided(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1.5, 0.1, 9);

    elo_init(&t, 7, 1);
    play_episodes(&t, &p, 47);
    assert_int_equal(t.state, ELO_LEARNING);
    play_episodes(&t, &p, 200);
    assert_int_equal(t.state, ELO_DECIDED);
    uint64_t random = t.random;
    struct elo_table before = t;
    for (int i = 0; i < 1000 && t.steady >= 0; i++)
        assert_int_equal(elo_pick(&t), 0);
    assert_true(t.random == random);
    assert_memory_equal(&before, &t, sizeof(t)); /* picking writes nothing */
}

static void equal_arms_are_decided_too(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1, 0.05, 9);

    elo_init(&t, 7, 1);
    play_episodes(&t, &p, 2000);
    assert_int_equal(t.state, ELO_DECIDED);
}

static void audits_stay_under_a_64th(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1.7, 0.1, 9);
    double paid = 0;
    int audits = 0;

    elo_init(&t, 7, 1);
    play_episodes(&t, &p, 400);
    assert_int_equal(t.state, ELO_DECIDED);
    for (int i = 0; i < 20000; i++) {
        int arm = elo_pick(&t);
        paid += p.mean_ns[arm] / p.mean_ns[0] - 1;
        audits += arm != 0;
        elo_report(&t, arm, play_cost(&p, arm));
    }
    assert_true(audits >= 50);
    assert_true(paid <= 20000 / 64.0);
}

static void a_silent_improvement_is_found(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1.5, 0.2, 9);

    elo_init(&t, 7, 1);
    play_episodes(&t, &p, 1000);
    assert_int_equal(elo_champion(&t), 0);
    p.mean_ns[2] /= 8;
    play_episodes(&t, &p, 1500);
    assert_int_equal(elo_champion(&t), 2);
}

/* ---- changes ----------------------------------------------------------------------------------- */

static void a_slower_champion_is_replaced(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1.3, 0.2, 4);

    elo_init(&t, ALL_ARMS, 1);
    play_episodes(&t, &p, 4000);
    assert_int_equal(elo_champion(&t), 0);
    assert_int_equal(t.state, ELO_DECIDED);
    p.mean_ns[0] *= 4;
    play_episodes(&t, &p, 150);
    assert_int_equal(t.reopened, 1);
    assert_int_equal(elo_champion(&t), 1);
}

static void a_slower_machine_changes_nothing(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1.3, 0.2, 4);
    bool alarmed = false;

    elo_init(&t, ALL_ARMS, 1);
    play_episodes(&t, &p, 4000);
    assert_int_equal(t.state, ELO_DECIDED);
    for (int i = 0; i < ELO_ARMS; i++)
        p.mean_ns[i] *= 4;
    for (int i = 0; i < 200; i++) {
        play_episodes(&t, &p, 1);
        alarmed |= t.state == ELO_REMATCH;
    }
    assert_true(alarmed);
    assert_int_equal(t.reopened, 0);
    assert_int_equal(t.state, ELO_DECIDED);
    assert_int_equal(elo_champion(&t), 0);
}

static void a_stalling_arm_is_not_the_champion(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1, 0.1, 4);

    p.mean_ns[1] = 40000;
    elo_init(&t, 3, 1);
    for (int i = 0; i < 2000; i++) {
        int arm = elo_pick(&t);
        bool stalls = arm == 1 && play_uniform(&p) < 0.05;
        elo_report(&t, arm, play_cost(&p, arm) * (stalls ? 20 : 1));
    }
    assert_true(t.arm[1].slow >= 3);
    assert_int_equal(elo_champion(&t), 0);
}

/* ---- priors ------------------------------------------------------------------------------------ */

/* Predicted: arm i costs `step` to the i; the champion by that is arm 0. */
static void predict(struct elo_table *t, double step)
{
    int32_t prior[ELO_ARMS];

    for (int i = 0; i < ELO_ARMS; i++)
        prior[i] = (int32_t)(1024 * log2(50000 * pow(step, i)));
    elo_set_prior(t, prior, 300);
}

static void a_prior_is_auditioned(void **state)
{
    (void)state;
    struct elo_table t;

    elo_init(&t, ALL_ARMS, 1);
    predict(&t, 1.2);
    assert_int_equal(t.state, ELO_AUDITION);
    static const int expected[] = {0, 1, 0, 11}; /* 11: about 8 times dearer, by that */
    for (int i = 0; i < 4; i++)
        assert_int_equal(elo_pick(&t), expected[i]);
}

static void a_right_prior_stands(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(80000, 1.2, 0.1, 5);
    uint32_t bad = 0;

    elo_init(&t, ALL_ARMS, 1);
    predict(&t, 1.2);
    play_episodes(&t, &p, 100);
    assert_int_equal(elo_champion(&t), 0);
    for (int i = 8; i < 23; i++)
        bad += t.arm[i].plays;
    assert_true(bad <= 5);
}

/* Its second is 16 times dearer than it says, and the rest as dear as it says. */
static void a_prior_that_errs_in_one_arm_keeps_the_others_away(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(80000, 1.5, 0.1, 5);
    uint32_t bad = 0;

    p.mean_ns[1] *= 16;
    elo_init(&t, ALL_ARMS, 1);
    predict(&t, 1.5);
    play_episodes(&t, &p, 100);
    assert_int_equal(elo_champion(&t), 0);
    for (int i = 12; i < ELO_ARMS; i++) /* 130 times dearer and more */
        bad += t.arm[i].plays;
    assert_true(bad <= 1);
}

static void a_wrong_prior_is_refuted(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(80000, 1 / 1.2, 0.1, 5);

    elo_init(&t, ALL_ARMS, 1);
    predict(&t, 1.2);
    play_episodes(&t, &p, 5);
    assert_int_equal(t.state, ELO_LEARNING);
    assert_true(t.prior_var_q24 > 10000000);
    play_episodes(&t, &p, 400);
    assert_true(elo_champion(&t) >= 20);
}

/* Of the arm that the audition asks for, expected to cost 8 times as much, and which costs 1000 times that. */
static void what_refutes_a_prior_is_no_outlier(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(80000, 1.2, 0.1, 5);

    p.mean_ns[11] *= 1000;
    elo_init(&t, ALL_ARMS, 1);
    predict(&t, 1.2);
    play_episodes(&t, &p, 5);
    assert_int_equal(t.state, ELO_LEARNING);
    assert_int_equal(t.arm[11].matches_q16, 1 << 16);
    for (int i = 0; i < ELO_ARMS; i++)
        assert_true(i == 11 || elo_points(&t, 11) < elo_points(&t, i));
}

/* The allocator predicts by what a first episode shows; that episode then counts as predicted. */
static void a_prior_after_the_first_episode_fits_it(void **state)
{
    (void)state;
    struct elo_table t;

    elo_init(&t, ALL_ARMS, 1);
    elo_report(&t, 20, (uint64_t)(50000 * pow(1.2, 20)));
    predict(&t, 1.2);
    assert_int_equal(t.state, ELO_AUDITION);
    assert_int_equal(elo_pick(&t), 0);
    for (int i = 1; i < ELO_ARMS; i++)
        assert_true(elo_points(&t, i - 1) > elo_points(&t, i));
    double middle = 1024 * log2(50000 * pow(1.2, 11.5));
    assert_true(fabs(t.par_q20 / 1024.0 - middle) < 8);
}

static void a_late_prior_is_not_taken(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(80000, 1.2, 0.1, 5);

    elo_init(&t, ALL_ARMS, 1);
    play_episodes(&t, &p, 2);
    struct elo_table before = t;
    predict(&t, 1.2);
    assert_memory_equal(&before, &t, sizeof(t));
}

/* ---- extremes ---------------------------------------------------------------------------------- */

static void extreme_costs_do_no_harm(void **state)
{
    (void)state;
    static const uint64_t costs[] = {0, 1, UINT64_MAX, 1u << 20, UINT64_MAX / 3, 2};
    struct elo_table t;

    elo_init(&t, ALL_ARMS, 1);
    for (int i = 0; i < 5000; i++)
        elo_report(&t, i % 3 ? elo_pick(&t) : i % ELO_ARMS, costs[i * 7 % 6]);
    assert_true(elo_is_valid(&t));
}

static void a_still_cost_is_survived(void **state)
{
    (void)state;
    struct elo_table t;

    elo_init(&t, ALL_ARMS, 1);
    for (int i = 0; i < 100000; i++)
        elo_report(&t, elo_pick(&t), 4096);
    assert_true(elo_is_valid(&t));
    assert_int_equal(t.state, ELO_DECIDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log2_of_powers_is_exact),
        cmocka_unit_test(log2_is_right_and_rises),
        cmocka_unit_test(exp2_and_root_are_right),
        cmocka_unit_test(gauss_is_normal),
        cmocka_unit_test(only_playable_arms_are_picked),
        cmocka_unit_test(no_playable_arm_is_survived),
        cmocka_unit_test(one_class_is_decided_at_once),
        cmocka_unit_test(runs_repeat_by_seed),
        cmocka_unit_test(champion_is_none_then_the_best),
        cmocka_unit_test(few_lucky_plays_make_no_champion),
        cmocka_unit_test(late_reports_do_no_harm),
        cmocka_unit_test(a_clear_table_is_decided),
        cmocka_unit_test(equal_arms_are_decided_too),
        cmocka_unit_test(audits_stay_under_a_64th),
        cmocka_unit_test(a_silent_improvement_is_found),
        cmocka_unit_test(a_slower_champion_is_replaced),
        cmocka_unit_test(a_slower_machine_changes_nothing),
        cmocka_unit_test(a_stalling_arm_is_not_the_champion),
        cmocka_unit_test(a_prior_is_auditioned),
        cmocka_unit_test(a_right_prior_stands),
        cmocka_unit_test(a_prior_that_errs_in_one_arm_keeps_the_others_away),
        cmocka_unit_test(a_wrong_prior_is_refuted),
        cmocka_unit_test(what_refutes_a_prior_is_no_outlier),
        cmocka_unit_test(a_prior_after_the_first_episode_fits_it),
        cmocka_unit_test(a_late_prior_is_not_taken),
        cmocka_unit_test(extreme_costs_do_no_harm),
        cmocka_unit_test(a_still_cost_is_survived),
    };
    return cmocka_run_group_tests_name("elo", tests, NULL, NULL);
}
