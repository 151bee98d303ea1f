/*
 * The simulated suite: what the learner must show, measured.
 *
 *   sim [--tap] [--replicates N] [--seed N]... [--broken ROW] GROUP...
 *
 * A group plays its sites once per seed and fills rows; a row has a bound and one figure per seed, and every
 * figure has to keep it. --broken turns the test round: it succeeds when that row is broken, which is how
 * learners with a part taken out show that the row watches the part.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "players.h"

enum { MOST_SEEDS = 8, MOST_ROWS = 64, MOST_REPLICATES = 1000 };

static int replicates = 60;
static uint64_t seeds[MOST_SEEDS];
static int nr_seeds;
static int seed_now;

/* ---- rows -------------------------------------------------------------------------------------- */

enum relation { AT_MOST, AT_LEAST, SHOWN };

struct row {
    const char *name;
    enum relation relation;
    double bound, figure[MOST_SEEDS];
};
static struct row rows[MOST_ROWS];
static int nr_rows;

/* The figure of this row under the seed being played. */
static void put(const char *name, enum relation relation, double bound, double figure)
{
    int i = 0;

    while (i < nr_rows && strcmp(rows[i].name, name) != 0)
        i++;
    if (i == MOST_ROWS)
        abort();
    if (i == nr_rows)
        rows[nr_rows++] = (struct row){.name = name, .relation = relation, .bound = bound};
    rows[i].figure[seed_now] = figure;
}

static bool row_holds(const struct row *r)
{
    for (int i = 0; i < nr_seeds; i++) {
        if (r->relation == AT_MOST && !(r->figure[i] <= r->bound))
            return false;
        if (r->relation == AT_LEAST && !(r->figure[i] >= r->bound))
            return false;
    }
    return true;
}

/* ---- playing one site -------------------------------------------------------------------------- */

struct course {
    double at_200, at_1000, at_end; /* regret: what was paid too much, over what had to be paid */
    double second_half;             /* regret of the second half alone */
    bool final_good;                /* the final arm is within 5 % of the best */
    double recovery;                /* episodes from the change to the first good stretch */
};

enum { STRETCH = 25, MOST_EPISODES = 5000 };

static double ratio_now(const struct site *s, int arm)
{
    return site_expected(s, arm) / site_expected(s, site_best(s));
}

/* The first stretch after half time whose episodes cost within 10 % of the best, in the mean. */
static double recovery_of(const double *ratio, int episodes)
{
    for (int t = episodes / 2; t + STRETCH <= episodes; t++) {
        double sum = 0;
        for (int i = 0; i < STRETCH; i++)
            sum += ratio[t + i];
        if (sum <= 1.10 * STRETCH)
            return t - episodes / 2;
    }
    return INFINITY;
}

static struct course play(struct site *s, const struct player_kind *kind, struct player *p,
                          int episodes)
{
    static double ratio[MOST_EPISODES];
    double over = 0, due = 0, over_half = 0, due_half = 0;
    struct course c = {0};

    for (int t = 0; t < episodes; t++) {
        if (t == episodes / 2) {
            site_change(s);
            over_half = over;
            due_half = due;
        }
        int arm = kind->pick(p);
        double least = site_expected(s, site_best(s));
        ratio[t] = ratio_now(s, arm);
        over += (ratio[t] - 1) * least;
        due += least;
        kind->report(p, arm, site_play(s, arm));
        if (t == 199)
            c.at_200 = over / due;
        if (t == 999)
            c.at_1000 = over / due;
    }
    c.at_end = over / due;
    c.second_half = (over - over_half) / (due - due_half);
    c.final_good = ratio_now(s, kind->final(p)) <= 1.05;
    c.recovery = recovery_of(ratio, episodes);
    return c;
}

static uint64_t site_seed(const struct family *f, int replicate)
{
    return seeds[seed_now] * 1000003 + (uint64_t)replicate * 1009 + (uint64_t)f->name[0] +
           strlen(f->name) * 31;
}

static struct course play_family(const struct family *f, int replicate,
                                 const struct player_kind *kind, bool pooled, int episodes)
{
    static struct player p;
    struct site s;
    uint64_t seed = site_seed(f, replicate);

    site_draw(&s, f, seed);
    kind->init(&p, pooled ? s.classes : (1u << SIM_ARMS) - 1, seed ^ 0x5eed);
    return play(&s, kind, &p, episodes);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof(*x), by_size);
    return x[n / 2];
}

/* ---- groups ------------------------------------------------------------------------------------ */

struct means {
    double at_200, at_1000, at_5000, good;
};

static struct means means_of(const struct family *f, const struct player_kind *kind, bool pooled)
{
    struct means m = {0};

    for (int r = 0; r < replicates; r++) {
        struct course c = play_family(f, r, kind, pooled, 5000);
        m.at_200 += 100 * c.at_200 / replicates;
        m.at_1000 += 100 * c.at_1000 / replicates;
        m.at_5000 += 100 * c.at_end / replicates;
        m.good += (double)c.final_good / replicates;
    }
    return m;
}

static struct means means_of_stationary(const struct player_kind *kind)
{
    struct means sum = {0};
    int n = 0;

    for (int f = 0; f < nr_families; f++) {
        if (!families[f].stationary)
            continue;
        struct means m = means_of(&families[f], kind, false);
        sum.at_200 += m.at_200;
        sum.at_1000 += m.at_1000;
        sum.at_5000 += m.at_5000;
        sum.good += m.good;
        n++;
    }
    return (struct means){sum.at_200 / n, sum.at_1000 / n, sum.at_5000 / n, sum.good / n};
}

static const struct family *family_called(const char *name)
{
    for (int f = 0; f < nr_families; f++)
        if (strcmp(families[f].name, name) == 0)
            return &families[f];
    fprintf(stderr, "sim: no family \"%s\"\n", name);
    exit(2);
}

/* The 13 stationary families, 24 arms not pooled, Par-Elo alone. */
static void group_regret(void)
{
    struct means par = means_of_stationary(&par_elo);

    put("regret @200, 24 arms, %", AT_MOST, 39, par.at_200);
    put("regret @1000, %", AT_MOST, 13, par.at_1000);
    put("regret @5000, %", AT_MOST, 4.5, par.at_5000);
    put("final arm within 5 % of the best @5000", AT_LEAST, 0.93, par.good);
    put("slow tail: regret @5000, %", AT_MOST, 8,
        means_of(family_called("slow tail"), &par_elo, false).at_5000);
    put("5 % outliers of 5-20x: regret @5000, %", AT_MOST, 5,
        means_of(family_called("5 % outliers of 5-20x"), &par_elo, false).at_5000);
    put("3 % outliers of 100-1000x: regret @5000, %", AT_MOST, 4,
        means_of(family_called("3 % outliers of 100-1000x"), &par_elo, false).at_5000);
}

static void group_rivals(void)
{
    struct means par = means_of_stationary(&par_elo);
    struct means greedy = means_of_stationary(&greedy_elo);
    struct means rival = means_of_stationary(&thompson);

    put("the original design's regret over Par-Elo's @1000", AT_LEAST, 3.2,
        greedy.at_1000 / par.at_1000);
    put("the same @5000", AT_LEAST, 6.5, greedy.at_5000 / par.at_5000);
    put("Par-Elo's regret over Thompson's @5000", AT_MOST, 0.6, par.at_5000 / rival.at_5000);
    put("(the original design @200, %)", SHOWN, 0, greedy.at_200);
    put("(the original design @1000, %)", SHOWN, 0, greedy.at_1000);
    put("(the original design @5000, %)", SHOWN, 0, greedy.at_5000);
    put("(Thompson @200, %)", SHOWN, 0, rival.at_200);
    put("(Thompson @1000, %)", SHOWN, 0, rival.at_1000);
    put("(Thompson @5000, %)", SHOWN, 0, rival.at_5000);
}

static double median_recovery(const struct family *f, bool pooled, int episodes)
{
    static double recovery[MOST_REPLICATES];

    for (int r = 0; r < replicates; r++)
        recovery[r] = play_family(f, r, &par_elo, pooled, episodes).recovery;
    return median(recovery, replicates);
}

static void group_changes(void)
{
    put("champion becomes 4x slower: median recovery", AT_MOST, 150,
        median_recovery(family_called("champion becomes 4x slower"), false, 5000));
    put("(everything redrawn: median recovery)", SHOWN, 0,
        median_recovery(family_called("everything redrawn"), false, 5000));
    put("(another of 24 becomes 3x better: median recovery)", SHOWN, 0,
        median_recovery(family_called("another becomes 3x better"), false, 5000));
}

static void group_audits(void)
{
    double tax = 0;
    struct family quiet = three_classes;

    put("audits, 3 classes: 3x better found, median", AT_MOST, 300,
        median_recovery(&three_classes, true, 4000));
    quiet.change = CHANGE_NONE;
    for (int r = 0; r < replicates; r++)
        tax += 100 * play_family(&quiet, r, &par_elo, true, 4000).second_half / replicates;
    put("audits: what they cost, %", AT_MOST, 100.0 / 64, tax);
}

static void group_pooled(void)
{
    struct means pooled = means_of(&mechanistic, &par_elo, true);
    struct means apart = means_of(&mechanistic, &par_elo, false);
    struct means greedy = means_of(&mechanistic, &greedy_elo, false);

    put("pooled, mechanistic: regret @200, %", AT_MOST, 8, pooled.at_200);
    put("pooled, mechanistic: regret @1000, %", AT_MOST, 2.8, pooled.at_1000);
    put("pooled over not pooled @200", AT_MOST, 0.8, pooled.at_200 / apart.at_200);
    put("(not pooled @200, %)", SHOWN, 0, apart.at_200);
    put("(not pooled @1000, %)", SHOWN, 0, apart.at_1000);
    put("(the original design, mechanistic @200, %)", SHOWN, 0, greedy.at_200);
    put("(the original design, mechanistic @1000, %)", SHOWN, 0, greedy.at_1000);
}

/* A prior that is right but for 0.3 octaves, or that holds the best arm to be the worst. */
static double regret_with_prior(const struct family *f, int r, bool right)
{
    static struct player p;
    int32_t predicted[SIM_ARMS];
    struct site s;
    uint64_t seed = site_seed(f, r);
    struct sim_random off;

    site_draw(&s, f, seed);
    sim_seed(&off, seed + 17);
    par_elo.init(&p, s.classes, seed ^ 0x5eed);
    for (int i = 0; i < SIM_ARMS; i++) {
        double octaves = log2(site_expected(&s, i) - s.work);
        double told = right ? octaves + 0.3 * sim_gauss(&off) : 4 - octaves;
        predicted[i] = (int32_t)(1024 * (16 + told));
    }
    if (r & 1) /* as the allocator does: some arm's first episode shows what the site is like */
        elo_report(&p.elo, r % SIM_ARMS, site_play(&s, r % SIM_ARMS));
    elo_set_prior(&p.elo, predicted, 307);
    return play(&s, &par_elo, &p, 200).at_end;
}

static void group_priors(void)
{
    double none = 0, right = 0, wrong = 0;

    for (int f = 0; f < nr_families; f++) {
        if (!families[f].stationary)
            continue;
        for (int r = 0; r < replicates; r++) {
            none += play_family(&families[f], r, &par_elo, false, 200).at_end;
            right += regret_with_prior(&families[f], r, true);
            wrong += regret_with_prior(&families[f], r, false);
        }
    }
    put("right prior against none @200", AT_MOST, 0.5, right / none);
    put("wrong prior against none @200", AT_MOST, 1.3, wrong / none);
}

static bool merged_is_good(const struct family *f, int r)
{
    static struct player one, other;
    struct site s, again;

    site_draw(&s, f, site_seed(f, r));
    again = s;
    sim_seed(&again.random, site_seed(f, r) + 991);
    again.level += 1.5; /* a slower machine */
    par_elo.init(&one, s.classes, 1 + site_seed(f, r));
    par_elo.init(&other, s.classes, 2 + site_seed(f, r));
    play(&s, &par_elo, &one, 500);
    play(&again, &par_elo, &other, 500);
    elo_merge(&one.elo, &other.elo);
    return ratio_now(&s, elo_champion(&one.elo)) <= 1.05;
}

static void group_merge(void)
{
    double merged = 0, alone = 0;
    int n = 0;

    for (int f = 0; f < nr_families; f++) {
        if (!families[f].stationary)
            continue;
        for (int r = 0; r < replicates; r++, n++) {
            merged += merged_is_good(&families[f], r);
            alone += play_family(&families[f], r, &par_elo, false, 1000).final_good;
        }
    }
    put("one of 1000 less merge of 2 x 500, share within 5 %", AT_MOST, 0.04, (alone - merged) / n);
    put("(one of 1000: share within 5 %)", SHOWN, 0, alone / n);
}

static void group_by_family(void)
{
    const struct player_kind *kinds[] = {&par_elo, &greedy_elo, &thompson};

    for (int k = 0; k < 3; k++) {
        printf("\n%-34s %8s %8s %8s %8s   (seed %llu)\n", kinds[k]->name, "@200 %", "@1000 %",
               "@5000 %", "good", (unsigned long long)seeds[seed_now]);
        for (int f = 0; f < nr_families; f++) {
            struct means m = means_of(&families[f], kinds[k], false);
            printf("%-34s %8.1f %8.1f %8.2f %8.2f\n", families[f].name, m.at_200, m.at_1000,
                   m.at_5000, m.good);
        }
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} groups[] = {
    {"regret", group_regret}, {"rivals", group_rivals},      {"changes", group_changes},
    {"audits", group_audits}, {"pooled", group_pooled},      {"priors", group_priors},
    {"merge", group_merge},   {"families", group_by_family},
};
enum { NR_GROUPS = sizeof(groups) / sizeof(groups[0]), NR_GROUPS_OF_TABLE = NR_GROUPS - 1 };

/* ---- output ------------------------------------------------------------------------------------ */

static void figures_of(const struct row *r, char *text, size_t room)
{
    size_t at = 0;

    for (int i = 0; i < nr_seeds; i++)
        at += (size_t)snprintf(text + at, room - at, " %9.3g", r->figure[i]);
}

static int print_rows(bool tap)
{
    static const char *const relations[] = {"at most", "at least", ""};
    int broken = 0;

    for (int i = 0; i < nr_rows; i++) {
        const struct row *r = &rows[i];
        bool holds = row_holds(r);
        char figures[MOST_SEEDS * 24];
        broken += !holds;
        figures_of(r, figures, sizeof(figures));
        printf("%s", !tap ? "" : holds ? "ok - " : "not ok - ");
        printf("%-52s", r->name);
        if (r->relation == SHOWN)
            printf(" %14s", "");
        else
            printf(" %8s %5.4g", relations[r->relation], r->bound);
        printf("%s%s\n", figures, !holds && !tap ? "   BROKEN" : "");
    }
    return broken ? 1 : 0;
}

static int expect_broken(const char *name)
{
    for (int i = 0; i < nr_rows; i++) {
        char figures[MOST_SEEDS * 24];
        if (strcmp(rows[i].name, name) != 0)
            continue;
        figures_of(&rows[i], figures, sizeof(figures));
        printf("TAP version 13\n1..1\n%s - the row notices: %s, bound %g:%s\n",
               row_holds(&rows[i]) ? "not ok" : "ok", name, rows[i].bound, figures);
        return row_holds(&rows[i]);
    }
    printf("Bail out! no row \"%s\"\n", name);
    return 1;
}

static void run(int group)
{
    for (seed_now = 0; seed_now < nr_seeds; seed_now++)
        groups[group].run();
}

static void run_named(const char *name)
{
    for (int g = 0; g < NR_GROUPS; g++) {
        if (strcmp(groups[g].name, name) == 0) {
            run(g);
            return;
        }
    }
    fprintf(stderr, "sim: no group \"%s\"; there are:", name);
    for (int g = 0; g < NR_GROUPS; g++)
        fprintf(stderr, " %s", groups[g].name);
    fprintf(stderr, "\n");
    exit(2);
}

int main(int argc, char **argv)
{
    const char *broken = NULL;
    bool tap = false;
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--tap") == 0) {
            tap = true;
        } else if (strcmp(argv[i], "--replicates") == 0 && more) {
            replicates = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--seed") == 0 && more && nr_seeds < MOST_SEEDS) {
            seeds[nr_seeds++] = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--broken") == 0 && more) {
            broken = argv[++i];
        } else {
            fprintf(stderr, "sim: what is %s?\n", argv[i]);
            return 2;
        }
    }
    if (replicates < 1 || replicates > MOST_REPLICATES) {
        fprintf(stderr, "sim: replicates: 1 to %d\n", MOST_REPLICATES);
        return 2;
    }
    if (nr_seeds == 0)
        for (; nr_seeds < 3; nr_seeds++)
            seeds[nr_seeds] = (uint64_t)nr_seeds + 1;
    if (i == argc)
        for (int g = 0; g < NR_GROUPS_OF_TABLE; g++)
            run(g);
    for (; i < argc; i++)
        run_named(argv[i]);
    if (broken)
        return expect_broken(broken);
    if (tap)
        printf("TAP version 13\n1..%d\n", nr_rows);
    printf("%sseeds:", tap ? "# " : "");
    for (int k = 0; k < nr_seeds; k++)
        printf(" %llu", (unsigned long long)seeds[k]);
    printf("; %d replicates of each family\n", replicates);
    return print_rows(tap);
}
