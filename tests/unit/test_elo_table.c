/*
 * Tables as wholes: points, sums and differences, and the guard against made-up files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "elo_play.h"

static struct elo_table learned(uint64_t seed, int episodes)
{
    struct elo_table t;
    struct play p = play_ladder(50000, 1.15, 0.2, seed);

    elo_init(&t, ALL_ARMS, seed);
    play_episodes(&t, &p, episodes);
    return t;
}

/* The same in all that files hold, but for so much in ratings and weights. */
static void assert_same(const struct elo_table *a, const struct elo_table *b, int32_t apart_q20)
{
    assert_int_equal(a->episodes, b->episodes);
    assert_int_equal(a->reopened, b->reopened);
    assert_true(abs(a->par_q20 - b->par_q20) <= apart_q20);
    for (int i = 0; i < ELO_ARMS; i++) {
        const struct elo_arm *x = &a->arm[i], *y = &b->arm[i];
        assert_int_equal(x->plays, y->plays);
        assert_int_equal(x->watched, y->watched);
        assert_int_equal(x->slow, y->slow);
        assert_int_equal(x->slow_excess_q10, y->slow_excess_q10);
        assert_int_equal(x->matches_q16, y->matches_q16);
        assert_true(abs(x->rating_q20 - y->rating_q20) <= apart_q20);
    }
}

/* ---- points ------------------------------------------------------------------------------------ */

/* P(a beats b) = 1 / (1 + 10^((Eb - Ea) / 400)): arm 1 is 1.15x dearer at noise 0.2. */
static void points_are_chess_points(void **state)
{
    (void)state;
    struct elo_table t;
    struct play p = play_ladder(50000, 1.15, 0.2, 3);

    elo_init(&t, 3, 1);
    for (int i = 0; i < 8000; i++)
        elo_report(&t, i & 1, play_cost(&p, i & 1));
    double expected = 173.7 * log(1.15) / (0.78 * 0.2);
    assert_true(fabs(elo_points(&t, 0) - elo_points(&t, 1) - expected) < 0.12 * expected);
    int wins = 0;
    enum { N = 20000 };
    for (int i = 0; i < N; i++)
        wins += play_cost(&p, 0) < play_cost(&p, 1);
    double told = 1 / (1 + pow(10, (elo_points(&t, 1) - elo_points(&t, 0)) / 400.0));
    assert_true(fabs((double)wins / N - told) < 0.03);
}

static void points_start_at_1500_and_deviation_falls(void **state)
{
    (void)state;
    struct elo_table t;

    elo_init(&t, ALL_ARMS, 1);
    for (int i = 0; i < ELO_ARMS; i++)
        assert_int_equal(elo_points(&t, i), 1500);
    int before = elo_deviation(&t, 0);
    struct elo_table after = learned(1, 2000);
    assert_true(elo_deviation(&after, 0) * 5 < before);
}

/* ---- sums and differences ---------------------------------------------------------------------- */

static void merging_with_nothing_changes_nothing(void **state)
{
    (void)state;
    struct elo_table t = learned(1, 700), into = t, empty, zero;

    elo_init(&empty, ALL_ARMS, 9);
    memset(&zero, 0, sizeof(zero));
    elo_merge(&into, &empty);
    assert_memory_equal(&into, &t, sizeof(t));
    elo_merge(&into, &zero);
    assert_memory_equal(&into, &t, sizeof(t));
    elo_merge(&empty, &t);
    assert_same(&empty, &t, 0);
    assert_int_equal(empty.state, t.state);
    elo_merge(&zero, &t);
    assert_same(&zero, &t, 0);
}

static void merging_adds_and_commutes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct elo_table a = learned(seed, 60 * (int)seed), b = learned(seed + 100, 900);
        struct elo_table ab = a, ba = b;

        elo_merge(&ab, &b);
        elo_merge(&ba, &a);
        assert_same(&ab, &ba, 64);
        assert_int_equal(ab.episodes, a.episodes + b.episodes);
        assert_int_equal(ab.state, ba.state);
        assert_int_equal(elo_champion(&ab), elo_champion(&ba));
        for (int i = 0; i < ELO_ARMS; i++)
            assert_int_equal(ab.arm[i].plays, a.arm[i].plays + b.arm[i].plays);
        assert_true(elo_is_valid(&ab));
    }
}

/* Two arms alike, 20 plays each, of as much noise as is not worth finding out: 0.29 octaves. */
static struct elo_table decided_by_draw(uint32_t draw_q20)
{
    struct elo_table t = {.state = ELO_DECIDED,
                          .par_q20 = 8 << 20,
                          .par_var_q24 = 1000,
                          .noise_q24 = 1410000,
                          .prior_var_q24 = 12247368,
                          .episodes = 40,
                          .draw_q20 = draw_q20};
    for (int i = 0; i < 2; i++)
        t.arm[i] = (struct elo_arm){.matches_q16 = 20 << 16, .plays = 20, .watched = 20};
    return t;
}

static void what_was_decided_by_the_draw_band_stays_decided_when_it_is_saved(void **state)
{
    struct elo_table file = decided_by_draw(0), with = decided_by_draw(304087);
    elo_merge(&file, &with);
    assert_int_equal(file.state, ELO_DECIDED);
    file = decided_by_draw(0);
    with = decided_by_draw(0);
    elo_merge(&file, &with);
    assert_int_equal(file.state, ELO_LEARNING);
}

/* Two machines of different speed differ in par, not in what they say of the arms. */
static void merging_aligns_the_scales(void **state)
{
    (void)state;
    struct elo_table slow, fast;
    struct play p = play_ladder(400000, 1.3, 0.1, 1), q = play_ladder(50000, 1.3, 0.1, 2);

    elo_init(&slow, ALL_ARMS, 1);
    elo_init(&fast, ALL_ARMS, 2);
    for (int i = 0; i < 400; i++) {
        elo_report(&slow, i % 8, play_cost(&p, i % 8));         /* arms 0 to 7 */
        elo_report(&fast, 4 + i % 8, play_cost(&q, 4 + i % 8)); /* arms 4 to 11 */
    }
    elo_merge(&slow, &fast);
    for (int i = 1; i < 12; i++) {
        double step = (slow.arm[i - 1].rating_q20 - slow.arm[i].rating_q20) / 1048576.0;
        assert_true(fabs(step - log2(1.3)) < 0.12);
    }
}

static void what_was_learned_since_adds_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct elo_table base = learned(seed, 11 * (int)seed), now = base, delta, file = base;
        struct play p = play_ladder(50000, 1.15, 0.2, seed + 7);

        play_episodes(&now, &p, 333);
        elo_delta(&delta, &now, &base);
        assert_int_equal(delta.episodes, 333);
        elo_merge(&file, &delta);
        assert_same(&file, &now, 64);
        assert_int_equal(file.noise_q24, now.noise_q24);
    }
}

static void nothing_since_is_nothing(void **state)
{
    (void)state;
    struct elo_table t = learned(5, 800), delta, into = learned(6, 300), before = into;

    elo_delta(&delta, &t, &t);
    assert_int_equal(delta.episodes, 0);
    elo_merge(&into, &delta);
    assert_memory_equal(&into, &before, sizeof(into));
}

static void since_nothing_is_all(void **state)
{
    (void)state;
    struct elo_table t = learned(5, 800), delta, empty;

    elo_init(&empty, ALL_ARMS, 3);
    elo_delta(&delta, &t, &empty);
    elo_merge(&empty, &delta);
    assert_same(&empty, &t, 0);
}

static void two_processes_lose_nothing(void **state)
{
    (void)state;
    struct elo_table base = learned(1, 200), one = base, two = base, d1, d2, file = base;
    struct play p = play_ladder(50000, 1.15, 0.2, 70), q = play_ladder(50000, 1.15, 0.2, 71);

    play_episodes(&one, &p, 400);
    play_episodes(&two, &q, 500);
    elo_delta(&d1, &one, &base);
    elo_delta(&d2, &two, &base);
    elo_merge(&file, &d1);
    elo_merge(&file, &d2);
    assert_int_equal(file.episodes, 1100);
    for (int i = 0; i < ELO_ARMS; i++) {
        assert_int_equal(file.arm[i].plays,
                         one.arm[i].plays + two.arm[i].plays - base.arm[i].plays);
        if (file.arm[i].matches_q16 < ELO_MATCHES_MAX / 2)
            assert_true(file.arm[i].matches_q16 ==
                        one.arm[i].matches_q16 + two.arm[i].matches_q16 - base.arm[i].matches_q16);
    }
    assert_int_equal(elo_champion(&file), 0);
}

/* The site changed, and the process found out: what it knows now replaces what the file says. */
static struct elo_table reopened_since(const struct elo_table *base, uint64_t seed)
{
    struct elo_table now = *base;
    struct play p = play_ladder(50000, 1.15, 0.2, seed);

    p.mean_ns[0] *= 8;
    elo_set_playable(&now, ALL_ARMS, seed);
    play_episodes(&now, &p, 600);
    return now;
}

static void a_reopened_table_supersedes(void **state)
{
    (void)state;
    struct elo_table base = learned(1, 3000), now = reopened_since(&base, 5), delta, file = base;

    assert_int_equal(elo_champion(&base), 0);
    assert_int_equal(now.reopened, base.reopened + 1);
    elo_delta(&delta, &now, &base);
    elo_merge(&file, &delta);
    assert_same(&file, &now, 0);
    assert_int_equal(elo_champion(&file), elo_champion(&now));
    assert_true(elo_champion(&file) != 0);
    assert_true(elo_is_valid(&file));
}

static void two_reopened_tables_add(void **state)
{
    (void)state;
    struct elo_table base = learned(1, 3000), one = reopened_since(&base, 5),
                     two = reopened_since(&base, 6), d1, d2, file = base;

    elo_delta(&d1, &one, &base);
    elo_delta(&d2, &two, &base);
    elo_merge(&file, &d1);
    elo_merge(&file, &d2);
    assert_int_equal(file.episodes, 3000 + 600 + 600);
    assert_int_equal(file.reopened, base.reopened + 1);
    assert_true(elo_champion(&file) != 0);
    assert_true(elo_is_valid(&file));
}

/* Into a file with others: from then on, on its scale. */
static void save(struct elo_table *now, struct elo_table *base, struct elo_table *file)
{
    struct elo_table delta;
    elo_delta(&delta, now, base);
    elo_move(now, elo_merge_onto(file, &delta));
    *base = *now;
}

/* Two learners, one's first episode 16 times too dear: how far the file is off, in octaves, of arms that are 8 % apart. */
static double off_after_saves(uint64_t seed, int saves)
{
    enum { ARMS = 6 };
    struct play p = play_ladder(1e6, 1.08, 0.3, seed);
    struct elo_table now[2], base[2] = {0}, file = {0};
    double sum = 0, mean = 0, off[ARMS];
    elo_init(&now[0], (1u << ARMS) - 1, seed);
    elo_init(&now[1], (1u << ARMS) - 1, seed + 1);
    elo_report(&now[0], 0, 16 * play_cost(&p, 0));
    for (int turn = 0; turn < saves; turn++)
        for (int k = 0; k < 2; k++) {
            play_episodes(&now[k], &p, 400 / saves);
            save(&now[k], &base[k], &file);
            assert_true(elo_is_valid(&file));
        }
    for (int i = 0; i < ARMS; i++)
        mean += (off[i] = file.arm[i].rating_q20 / 0x1p20 + i * log2(1.08)) / ARMS;
    for (int i = 0; i < ARMS; i++)
        sum += pow(off[i] - mean, 2);
    return sqrt(sum / ARMS);
}

static void however_often_several_save_their_scales_are_one(void **state)
{
    (void)state;
    double off = 0;
    for (uint64_t seed = 1; seed <= 20; seed++)
        off += off_after_saves(seed, seed % 2 == 0 ? 8 : 1) / 20;
    assert_true(off < 0.25);
}

static void counters_saturate(void **state)
{
    (void)state;
    struct elo_table a = learned(1, 500), b;

    a.arm[0].plays = a.arm[0].watched = a.episodes = UINT32_MAX - 3;
    b = a;
    assert_true(elo_is_valid(&(struct elo_table){0}));
    elo_merge(&a, &b);
    assert_int_equal(a.arm[0].plays, UINT32_MAX);
    assert_int_equal(a.episodes, UINT32_MAX);
    assert_true(elo_is_valid(&a));
    elo_report(&a, 0, 1000);
    assert_int_equal(a.arm[0].plays, UINT32_MAX);
}

/* ---- validity ---------------------------------------------------------------------------------- */

static void learned_tables_are_valid(void **state)
{
    (void)state;
    for (int episodes = 0; episodes < 400; episodes++) {
        struct elo_table t = learned(3, episodes);
        assert_true(elo_is_valid(&t));
    }
}

static void each_broken_relation_is_seen(void **state)
{
    (void)state;
    const struct elo_table good = learned(3, 400);
    struct elo_table t;

#define BREAK(change)                                                                              \
    t = good;                                                                                      \
    change;                                                                                        \
    if (elo_is_valid(&t))                                                                          \
        fail_msg("not seen: %s", #change);
    BREAK(t.state = ELO_STATE_COUNT)
    BREAK(t.state = ELO_NEW)
    BREAK(t.par_q20 = -1)
    BREAK(t.par_q20 = ELO_LOG_MAX + 1)
    BREAK(t.noise_q24 = ELO_VAR_MAX + 1)
    BREAK(t.last_z_q10 = 5000)
    BREAK(t.slower_q10 = 1u << 21)
    BREAK(t.episodes++)
    BREAK(t.episodes = 0)
    BREAK(t.arm[3].plays++)
    BREAK(t.arm[3].rating_q20 = ELO_LOG_MAX + 1)
    BREAK(t.arm[3].prior_q20 = -ELO_LOG_MAX - 1)
    BREAK(t.arm[3].matches_q16 = ELO_MATCHES_MAX + 1)
    BREAK(t.arm[3].matches_q16 = (t.arm[3].plays << 16) + 1)
    BREAK(t.arm[3].watched = t.arm[3].plays + 1)
    BREAK(t.arm[3].slow = t.arm[3].watched + 1)
    BREAK((t.arm[3].slow = 0, t.arm[3].slow_excess_q10 = 1))
    BREAK(t.arm[3].slow_excess_q10 = ELO_EXCESS_MAX + 1)
#undef BREAK
}

static uint64_t random_state = 1;

static uint64_t any(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) ^ random_state << 20;
}

/* A value of the range, its ends more often than not. */
static int64_t any_of(int64_t low, int64_t high)
{
    switch (any() >> 5 & 3) {
    case 0:
        return low;
    case 1:
        return high;
    case 2:
        return low + (int64_t)(any() % 3) > high ? high : low + (int64_t)(any() % 3) % (high - low);
    default:
        return low + (int64_t)(any() % ((uint64_t)(high - low) + 1));
    }
}

static void made_up(struct elo_table *t, uint32_t playable)
{
    elo_init(t, playable, any());
#define X(type, name, lo, hi) t->name = (type)any_of(lo, hi);
    ELO_TABLE_FIELDS(X)
#undef X
    for (int i = 0; i < ELO_ARMS; i++) {
#define X(type, name, lo, hi) t->arm[i].name = (type)any_of(lo, hi);
        ELO_ARM_FIELDS(X)
#undef X
    }
}

/* Bends a made-up table until the relations hold, so that the rest of the code meets all that can pass. */
static void make_valid(struct elo_table *t)
{
    uint64_t plays = 0;

    for (int i = 0; i < ELO_ARMS; i++) {
        struct elo_arm *a = &t->arm[i];
        if (any() >> 7 & 1)
            a->plays %= 50;
        if (a->watched > a->plays)
            a->watched = a->plays;
        if (a->slow > a->watched)
            a->slow = a->watched;
        if (a->slow == 0)
            a->slow_excess_q10 = 0;
        if (a->matches_q16 > (uint64_t)a->plays << 16)
            a->matches_q16 = a->plays << 16;
        plays += a->plays;
    }
    t->episodes = plays > UINT32_MAX ? UINT32_MAX : (uint32_t)plays;
    if (t->episodes == 0)
        t->state = any() >> 9 & 1 ? ELO_NEW : ELO_AUDITION;
    else if (t->state == ELO_NEW)
        t->state = ELO_LEARNING;
}

static uint64_t any_cost(void)
{
    return any() >> (any() >> 10 & 63);
}

/* Every table that passes can be played on, read, merged and subtracted; sanitizers watch. */
static void whatever_is_valid_is_safe(void **state)
{
    (void)state;
    static struct elo_table t, other, delta;
    int valid = 0;

    for (int round = 0; round < 4000; round++) {
        uint32_t playable = (uint32_t)(any() >> 3) & ALL_ARMS;
        playable |= 1u << (any() >> 6) % ELO_ARMS;
        made_up(&t, playable);
        made_up(&other, playable);
        if (elo_is_valid(&t))
            valid++;
        make_valid(&t);
        make_valid(&other);
        assert_true(elo_is_valid(&t) && elo_is_valid(&other));

        elo_champion(&t);
        for (int i = 0; i < ELO_ARMS; i++) {
            elo_points(&t, i);
            elo_deviation(&t, i);
        }
        struct elo_table base = t;
        assert_true(playable >> elo_pick(&base) & 1); /* even without elo_set_playable() */
        elo_set_playable(&t, playable, any());
        for (int i = 0; i < 100; i++) {
            int arm = elo_pick(&t);
            assert_true(playable >> arm & 1);
            elo_report(&t, any() >> 4 & 7 ? arm : (int)((any() >> 5) % ELO_ARMS), any_cost());
        }
        assert_true(elo_is_valid(&t));
        elo_delta(&delta, &t, &base);
        elo_merge(&base, &delta);
        assert_true(elo_is_valid(&base));
        elo_delta(&delta, &other, &base); /* not even related */
        elo_merge(&t, &delta);
        elo_merge(&t, &other);
        assert_true(elo_is_valid(&t));
        assert_true(playable >> elo_pick(&t) & 1);
    }
    assert_true(valid < 4000 / 2); /* the guard guards: most made-up tables contradict themselves */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(however_often_several_save_their_scales_are_one),
        cmocka_unit_test(points_are_chess_points),
        cmocka_unit_test(points_start_at_1500_and_deviation_falls),
        cmocka_unit_test(merging_with_nothing_changes_nothing),
        cmocka_unit_test(merging_adds_and_commutes),
        cmocka_unit_test(what_was_decided_by_the_draw_band_stays_decided_when_it_is_saved),
        cmocka_unit_test(merging_aligns_the_scales),
        cmocka_unit_test(what_was_learned_since_adds_up),
        cmocka_unit_test(nothing_since_is_nothing),
        cmocka_unit_test(since_nothing_is_all),
        cmocka_unit_test(two_processes_lose_nothing),
        cmocka_unit_test(a_reopened_table_supersedes),
        cmocka_unit_test(two_reopened_tables_add),
        cmocka_unit_test(counters_saturate),
        cmocka_unit_test(learned_tables_are_valid),
        cmocka_unit_test(each_broken_relation_is_seen),
        cmocka_unit_test(whatever_is_valid_is_safe),
    };
    return cmocka_run_group_tests_name("elo_table", tests, NULL, NULL);
}
