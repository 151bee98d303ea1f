/* What finding out may cost, what it costs to go over to other memory, and what is not worth finding out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "elo_play.h"

/* Equal but for one that is 50 times cheaper, of which nobody says so: after it is found, the others are paid from what it saves. */
static void finding_out_costs_a_quarter_of_what_the_champion_costs(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1, 0.1, 7);
    double paid = 0;

    p.mean_ns[0] = 1000;
    elo_init(&t, ALL_ARMS, 1);
    elo_report(&t, 0, play_cost(&p, 0));
    elo_report(&t, 1, play_cost(&p, 1));
    for (int i = 0; i < 400; i++) {
        int arm = elo_pick(&t);
        paid += p.mean_ns[arm] / 1000 - 1;
        elo_report(&t, arm, play_cost(&p, arm));
    }
    assert_true(paid <= 400 / 4.0 + 2 * 50);
}

/*
 * Arms of the other kind would cost the same, but going over to them costs as much as 1000 episodes: few are tried, where without
 * that all would be.
 */
static void arms_on_other_memory_are_tried_when_that_can_be_paid_for(void **state)
{
    enum { APART = 0xfff000 };
    uint64_t entry_ns[ELO_ARMS] = {0};
    unsigned tried[2] = {0, 0};
    for (unsigned is_dear = 0; is_dear < 2; is_dear++) {
        struct elo_table t;
        struct play p = play_ladder(100000, 1.0, 0.2, 3);
        elo_init(&t, ALL_ARMS, 3);
        for (int i = 0; i < ELO_ARMS; i++)
            entry_ns[i] = is_dear ? 100 * 1000000 : 0;
        elo_set_entry(&t, APART, entry_ns);
        for (int i = 0; i < 400; i++) {
            int before = t.champion, arm = elo_pick(&t);
            tried[is_dear] += before >= 0 && (APART >> arm & 1) != (APART >> before & 1);
            elo_report(&t, arm, play_cost(&p, arm));
        }
    }
    assert_true(tried[0] > 20);
    assert_true(tried[1] == 0);
}

/* The last block of four lives on and on. Meanwhile the best that was found is played, not what the site began with. */
static void what_an_audition_has_found_is_played_before_it_ends(void **state)
{
    (void)state;
    struct elo_table t;
    int32_t prior[ELO_ARMS];
    uint64_t entry_ns[ELO_ARMS];
    elo_init(&t, ALL_ARMS, 1);
    elo_report(&t, 20, 1000000);
    for (int i = 0; i < ELO_ARMS; i++) {
        prior[i] = 16000 + 150 * i;
        entry_ns[i] = 3000000;
    }
    elo_set_entry(&t, 0xfff000, entry_ns); /* more than there is money for */
    elo_set_prior(&t, prior, 500);
    for (int i = 0; i < 3; i++)
        elo_report(&t, elo_pick(&t), 50000);
    elo_pick(&t);
    for (int i = 0; i < 50; i++) {
        int arm = elo_pick(&t);
        assert_int_equal(t.state, ELO_AUDITION);
        assert_true(arm != 20);
        elo_report(&t, arm, 50000);
    }
}

/* 5000 episodes of equal arms, of which from the 500th on every other one is so many times as dear, then the rest, in turns of 500. */
static void play_and_move(struct elo_table *t, uint64_t draw_ns, double times)
{
    struct play p = play_ladder(350, 1.0, 0.02, 5);
    for (int i = 0; i < 5000; i++) {
        int arm = elo_pick(t);
        uint64_t cost = play_cost(&p, arm);
        bool dearer = i >= 500 && (i / 500) % 2 == arm % 2;
        elo_report(t, arm, dearer ? (uint64_t)((double)cost * times) : cost);
        if (i % 64 == 0)
            elo_set_draw(t, draw_ns);
    }
}

/* A twentieth of 350 ns is less than 80 ns, and four times is not. */
static void what_is_not_worth_finding_out_reopens_nothing(void **state)
{
    (void)state;
    struct elo_table t[3];
    for (int i = 0; i < 3; i++)
        elo_init(&t[i], ALL_ARMS, 5);
    play_and_move(&t[0], 80, 1.05);
    assert_int_equal(t[0].reopened, 0);
    assert_int_equal(t[0].state, ELO_DECIDED);
    play_and_move(&t[1], 0, 1.05);
    assert_true(t[1].reopened > 0 || t[1].state != ELO_DECIDED);
    play_and_move(&t[2], 80, 4);
    assert_true(t[2].reopened > 0);
}

/* What is given back in batches is reported late. Whatever a purse allows, one block of an arm goes ahead, and as many again as came back. */
static void what_is_not_reported_yet_is_not_tried_over_and_over(void **state)
{
    (void)state;
    struct elo_table t;
    unsigned out[ELO_ARMS] = {0}, most = 0;
    elo_init(&t, ALL_ARMS, 5);
    elo_report(&t, 3, 50000);
    t.purse_q10 = 1 << 20;
    for (int i = 0; i < 400; i++)
        out[elo_pick(&t)]++;
    for (int i = 0; i < ELO_ARMS; i++)
        most = i != 3 && out[i] > most ? out[i] : most;
    assert_int_equal(most, 1);
    for (int i = 0; i < ELO_ARMS; i++)
        if (i != 3 && out[i] > 0)
            elo_report(&t, i, 50000);
    unsigned again = 0;
    for (int i = 0; i < 400; i++)
        again += elo_pick(&t) != t.champion;
    assert_true(again > 1);
}

/*
 * What costs more than can be saved up is never tried while learning, so nothing would ever be known of it: that is no reason not
 * to decide. With all of them within reach it takes tens of thousands of episodes.
 */
static void what_can_never_be_paid_for_keeps_nothing_open(void **state)
{
    (void)state;
    enum { APART = 0xfff000 };
    for (uint64_t seed = 1; seed <= 4; seed++) {
        for (unsigned costs = 1670; costs < 10000000; costs *= 8) {
            struct elo_table t;
            struct play p = play_ladder(100000, 1.06, 0.2, seed);
            uint64_t entry_ns[ELO_ARMS] = {0};
            elo_init(&t, ALL_ARMS, seed);
            for (int i = 12; i < ELO_ARMS; i++)
                entry_ns[i] = (uint64_t)costs * 100000;
            elo_set_entry(&t, APART, entry_ns);
            for (int i = 0; i < 20000 && t.state != ELO_DECIDED; i++)
                play_episodes(&t, &p, 1);
            if (t.state != ELO_DECIDED)
                fail_msg("seed %u, entry of %u costs", (unsigned)seed, costs);
            struct elo_table base = {0}, delta, file = {0};
            for (int save = 0; save < 2; save++) { /* and is decided in the file */
                elo_delta(&delta, &t, &base);
                elo_merge_onto(&file, &delta);
                assert_int_equal(file.state, ELO_DECIDED);
                base = t;
                play_episodes(&t, &p, 20000);
            }
            assert_int_equal(t.state, ELO_DECIDED);
            assert_true(t.champion < 3);
        }
    }
}

/*
 * An arm that would be as good, but for going over to it, which costs as much as thousands of episodes: audits take a 128th of what
 * the champion costs all the same, and learning takes nothing.
 */
static void going_over_is_paid_for_in_full(void **state)
{
    enum { EPISODES = 1000000, OTHER = 23 };
    (void)state;
    for (unsigned costs = 4000; costs <= 64000; costs *= 4) {
        struct elo_table t;
        struct play p = play_ladder(100000, 1.0, 0.2, 3);
        uint64_t entry_ns[ELO_ARMS] = {[OTHER] = (uint64_t)costs * 100000};
        double paid = 0;
        elo_init(&t, 1u | 1u << OTHER, 3);
        elo_report(&t, 0, 100000);
        elo_set_entry(&t, 1u << OTHER, entry_ns);
        for (int i = 0; i < EPISODES; i++) {
            int before = t.champion, arm = elo_pick(&t);
            paid += before == 0 && arm == OTHER ? costs : 0;
            elo_report(&t, arm, play_cost(&p, arm));
        }
        if (paid > EPISODES / 128.0 + costs)
            fail_msg("entry of %u costs: %.0f paid", costs, paid);
        assert_true(costs != 4000 || paid > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finding_out_costs_a_quarter_of_what_the_champion_costs),
        cmocka_unit_test(arms_on_other_memory_are_tried_when_that_can_be_paid_for),
        cmocka_unit_test(what_an_audition_has_found_is_played_before_it_ends),
        cmocka_unit_test(what_is_not_worth_finding_out_reopens_nothing),
        cmocka_unit_test(what_is_not_reported_yet_is_not_tried_over_and_over),
        cmocka_unit_test(what_can_never_be_paid_for_keeps_nothing_open),
        cmocka_unit_test(going_over_is_paid_for_in_full),
    };
    return cmocka_run_group_tests_name("elo purse", tests, NULL, NULL);
}
