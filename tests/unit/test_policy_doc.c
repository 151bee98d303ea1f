/*
 * The policy document: what is printed is read back the same, sums add up, and defaults are as compiled in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "default_policy.h"
#include "policy_sample.h"

static struct policy_doc *parse(const char *text)
{
    struct policy_error error;
    struct policy_doc *doc = policy_doc_parse(text, strlen(text), &error);
    if (doc == NULL)
        fail_msg("refused: %s", error.text);
    return doc;
}

static const char *print(struct policy_doc *doc)
{
    size_t bytes;
    const char *text = policy_doc_print(doc, &bytes);
    assert_non_null(text);
    assert_int_equal(strlen(text), bytes);
    return text;
}

static void empty_policy_is_a_policy(void **state)
{
    (void)state;
    struct policy_doc *doc = policy_doc_new(), *again = parse(print(doc));

    assert_int_equal(again->nr_sites, 0);
    assert_int_equal(again->goal, GOAL_BALANCED);
    assert_false(policy_machine_known(&again->machine));
    assert_false(policy_calibration_known(&again->calibration));
    for (unsigned i = 0; i < BAND_COUNT; i++)
        assert_int_equal(again->default_arm[i], ARM_NONE);
    assert_true(sample_same(doc, again));
    policy_doc_free(doc);
    policy_doc_free(again);
}

/* But for what was expected of arms that are played as others: that is not kept. */
static void assert_arms_equal(const struct policy_band *a, const struct policy_band *b)
{
    for (int i = 0; i < ARM_COUNT; i++)
        if (a->played_as[i] == i || a->elo.arm[i].plays > 0)
            assert_memory_equal(&a->elo.arm[i], &b->elo.arm[i], sizeof(a->elo.arm[i]));
}

static void printed_is_read_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct policy_doc *doc = sample_policy(seed, (unsigned)seed % 7),
                          *again = parse(print(doc));
        assert_true(sample_same(doc, again));
        assert_memory_equal(&doc->machine, &again->machine, sizeof(doc->machine));
        assert_memory_equal(&doc->calibration, &again->calibration, sizeof(doc->calibration));
        for (unsigned i = 0; i < doc->nr_sites; i++) {
            assert_memory_equal(doc->site[i], again->site[i],
                                offsetof(struct policy_site, nr_bands));
            for (unsigned k = 0; k < doc->site[i]->nr_bands; k++) {
                const struct policy_band *a = doc->site[i]->band[k], *b = again->site[i]->band[k];
                assert_memory_equal(a, b, offsetof(struct policy_band, elo));
                assert_arms_equal(a, b);
                assert_true(elo_is_valid(&b->elo));
                assert_int_equal(elo_champion(&a->elo), elo_champion(&b->elo));
            }
        }
        policy_doc_free(doc);
        policy_doc_free(again);
    }
}

/* Every number at both ends of its range: nothing goes through a double. */
static void numbers_are_exact(void **state)
{
    (void)state;
    struct policy_doc *doc = sample_delta(UINT64_MAX, BAND_LAST, 3, 1, 5);
    doc->site[0]->offset = UINT64_MAX;
    doc->site[0]->band[0]->seen.live_ns = UINT64_MAX;
    doc->site[0]->band[0]->seen.idle_ns = UINT64_MAX - 1;
    doc->site[0]->band[0]->cost_sum_ns[3] = (UINT64_C(1) << 53) + 1;
    doc->site[0]->band[0]->elo.arm[3].rating_q20 = -ELO_LOG_MAX;
    struct policy_doc *again = parse(print(doc));

    assert_true(again->site[0]->id == UINT64_MAX);
    assert_true(again->site[0]->offset == UINT64_MAX);
    assert_true(again->site[0]->band[0]->seen.live_ns == UINT64_MAX);
    assert_true(again->site[0]->band[0]->seen.idle_ns == UINT64_MAX - 1);
    assert_true(again->site[0]->band[0]->cost_sum_ns[3] == (UINT64_C(1) << 53) + 1);
    assert_int_equal(again->site[0]->band[0]->elo.arm[3].rating_q20, -ELO_LOG_MAX);
    policy_doc_free(doc);
    policy_doc_free(again);
}

static void a_person_may_write_little(void **state)
{
    (void)state;
    struct policy_doc *doc =
        parse("{\"sites\": [{\"bands\": [{\"champion\": \"mmap/huge/touch/keep\", \"band\": 21}],"
              " \"id\": \"0x00000000000000ff\"}], \"hakmem_policy\": 1}\n");

    assert_true(doc->site[0]->id == 0xff);
    assert_int_equal(doc->site[0]->band[0]->champion, ARM_MMAP_HUGE_TOUCH_KEEP);
    assert_int_equal(doc->site[0]->band[0]->elo.playable, (1u << ARM_COUNT) - 1);
    assert_int_equal(doc->site[0]->band[0]->elo.state, ELO_NEW);
    policy_doc_free(doc);
}

static void escapes_are_undone(void **state)
{
    (void)state;
    struct policy_doc *doc =
        parse("{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\","
              "\"module\":\"\\u0061\\/\\\\\\\"\\u00e9\\u20ac\\ud83d\\ude00\"}]}");
    assert_string_equal(doc->site[0]->module, "a/\\\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    policy_doc_free(doc);
}

/* File names and symbols may hold anything; a policy that was written can be read. */
static void odd_names_are_written_readably(void **state)
{
    (void)state;
    struct policy_doc *doc = sample_policy(1, 1);
    strcpy(doc->site[0]->module, "a\nb\x1b[31m\x80\xff\xc2\x85\xed\xa0\x80\xc3");
    strcpy(doc->site[0]->symbol, "\"\\\x7f");
    struct policy_doc *again = parse(print(doc));
    assert_string_equal(again->site[0]->module, "a?b?[31m???"
                                                "????"
                                                "?");
    assert_string_equal(again->site[0]->symbol, "\"\\?");
    policy_doc_free(doc);
    policy_doc_free(again);
}

static void order_in_the_file_does_not_matter(void **state)
{
    (void)state;
    static const unsigned ids[] = {5, 3, 9, 1, 7, 2, 8, 6, 4};
    char text[1024] = "{\"hakmem_policy\":1,\"sites\":[";
    for (unsigned i = 0; i < 9; i++)
        sprintf(text + strlen(text), "%s{\"id\":\"0x%016x\",\"offset\":\"0x%x\"}", i ? "," : "",
                ids[i], ids[i]);
    strcat(text, "]}");
    struct policy_doc *doc = parse(text);
    assert_int_equal(doc->nr_sites, 9);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(doc->site[i]->id, i + 1);
        assert_int_equal(doc->site[i]->offset, i + 1);
    }
    assert_ptr_equal(policy_doc_site(doc, 7, false), doc->site[6]);
    assert_non_null(policy_doc_site(doc, 100, true));
    assert_int_equal(doc->nr_sites, 10);
    policy_doc_free(doc);
}

static void sites_and_bands_stay_in_order(void **state)
{
    (void)state;
    struct policy_doc *doc = policy_doc_new();
    for (unsigned i = 0; i < 1000; i++) {
        struct policy_site *s = policy_doc_site(doc, (i * 7919) % 1009 + 1, true);
        assert_non_null(policy_site_band(doc, s, BAND_FIRST + i % BAND_COUNT, true));
        assert_non_null(policy_site_band(doc, s, BAND_LAST - i % BAND_COUNT, true));
    }
    for (unsigned i = 0; i < doc->nr_sites; i++) {
        assert_true(i == 0 || doc->site[i - 1]->id < doc->site[i]->id);
        for (unsigned k = 1; k < doc->site[i]->nr_bands; k++)
            assert_true(doc->site[i]->band[k - 1]->band < doc->site[i]->band[k]->band);
    }
    assert_null(policy_doc_site(doc, 5000, false));
    assert_null(policy_site_band(doc, doc->site[0], 99, false));
    policy_doc_free(doc);
}

static void bands_have_sizes_for_people(void **state)
{
    (void)state;
    char text[POLICY_SIZE_BYTES];
    policy_size_text(16, text);
    assert_string_equal(text, "64-128 KiB");
    policy_size_text(19, text);
    assert_string_equal(text, "512 KiB-1 MiB");
    policy_size_text(39, text);
    assert_string_equal(text, "512 GiB-1 TiB");
    policy_size_text(40, text);
    assert_string_equal(text, "1 TiB and more");
    policy_size_text(41, text);
    assert_string_equal(text, "");
}

/* Most arms of most bands were never played: all there is to say of one is what was expected of it. */
static void what_is_zero_is_left_out_of_an_arm(void **state)
{
    (void)state;
    struct policy_doc *doc = sample_delta(7, 21, ARM_MMAP_BASE_TOUCH_KEEP, 9, 100);
    doc->site[0]->band[0]->elo.arm[ARM_MMAP_HUGE_TOUCH_DROP].prior_q20 = -5;
    assert_non_null(strstr(print(doc), "\"plays\": 0, \"raw\": {\"prior_q20\": -5}}"));
    policy_doc_free(doc);
}

static void merge_adds_up(void **state)
{
    (void)state;
    struct policy_error error;
    struct policy_doc *a = sample_policy(1, 5), *b = sample_policy(2, 3);
    struct policy_doc *c = sample_delta(a->site[2]->id, a->site[2]->band[0]->band, 20, 10, 1000);
    uint64_t plays = sample_plays(a) + sample_plays(b) + 10;
    uint64_t cost = a->site[2]->band[0]->cost_sum_ns[20];
    uint64_t episodes = a->site[2]->band[0]->seen.episodes;
    uint64_t changed = a->site[2]->id;

    assert_int_equal(policy_doc_merge(a, b, &error), 0);
    assert_int_equal(policy_doc_merge(a, c, &error), 0);
    assert_string_equal(error.text, "");
    assert_int_equal(a->nr_sites, 8);
    assert_true(sample_plays(a) == plays);
    struct policy_band *band =
        policy_site_band(a, policy_doc_site(a, changed, false), c->site[0]->band[0]->band, false);
    assert_true(band->cost_sum_ns[20] == cost + 10000);
    assert_true(band->seen.episodes == (episodes > UINT64_MAX - 10 ? UINT64_MAX : episodes + 10));
    assert_int_equal(band->champion, elo_champion(&band->elo));
    struct policy_doc *again = parse(print(a));
    assert_true(sample_same(a, again));
    policy_doc_free(a);
    policy_doc_free(b);
    policy_doc_free(c);
    policy_doc_free(again);
}

/* All that was learned is still there; only what watches one process's course may begin again.
 * (Whether it is decided is the learner's to say anew.) */
static void assert_learned_the_same(const struct policy_doc *a, const struct policy_doc *b)
{
    assert_int_equal(a->nr_sites, b->nr_sites);
    for (unsigned i = 0; i < a->nr_sites; i++) {
        const struct policy_site *s = a->site[i], *t = b->site[i];
        assert_memory_equal(s, t, offsetof(struct policy_site, band));
        for (unsigned k = 0; k < s->nr_bands; k++) {
            assert_memory_equal(s->band[k], t->band[k], offsetof(struct policy_band, elo));
            assert_memory_equal(s->band[k]->elo.arm, t->band[k]->elo.arm,
                                sizeof(t->band[k]->elo.arm));
        }
    }
}

static void merge_with_nothing_changes_nothing(void **state)
{
    (void)state;
    struct policy_error error;
    struct policy_doc *doc = sample_policy(3, 6), *same = sample_policy(3, 6),
                      *empty = policy_doc_new();

    assert_int_equal(policy_doc_merge(doc, empty, &error), 0);
    assert_true(sample_same(doc, same));
    assert_int_equal(policy_doc_merge(empty, doc, &error), 0);
    assert_learned_the_same(doc, empty);
    policy_doc_free(doc);
    policy_doc_free(same);
    policy_doc_free(empty);
}

/* One random table after another at the same site and band: what comes out can be read, and no play is lost. */
static void merged_policies_are_valid(void **state)
{
    (void)state;
    struct policy_error error;
    struct policy_doc *all = policy_doc_new();
    uint64_t plays = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct policy_doc *one = sample_policy(seed, 1);
        one->site[0]->id = 1;
        one->site[0]->nr_bands = 1;
        one->site[0]->band[0]->band = 21;
        plays += sample_plays(one);
        assert_int_equal(policy_doc_merge(all, one, &error), 0);
        assert_true(sample_plays(all) == plays);
        policy_doc_free(parse(print(all)));
        policy_doc_free(one);
    }
    assert_int_equal(all->nr_bands, 1);
    policy_doc_free(all);
}

/* A process learns on from a file, its table is reopened, and somebody deletes the file: what it saves then is a
 * delta to nothing, and still a policy. */
static void what_was_learned_since_a_deleted_file_is_a_policy(void **state)
{
    (void)state;
    struct policy_error error;
    uint64_t random = 7;

    for (unsigned round = 0; round < 50; round++) {
        struct policy_doc *doc = policy_doc_new(), *file = policy_doc_new();
        struct policy_band *b =
            policy_site_band(doc, policy_doc_site(doc, 1 + round, true), 21, true);
        for (int i = 0; i < 200; i++) {
            int arm = elo_pick(&b->elo);
            elo_report(&b->elo, arm, 1000 * (uint64_t)(arm + 1) + sample_random(&random) % 500);
        }
        struct elo_table base = b->elo, now = b->elo;
        for (int i = 0; i < 300; i++) {
            int arm = elo_pick(&now);
            uint64_t slower = i > 50 ? 8000 : 1;
            elo_report(&now, arm,
                       slower * 1000 * (uint64_t)(arm % 3 + 1) + sample_random(&random) % 500);
        }
        elo_delta(&b->elo, &now, &base);
        assert_int_equal(policy_doc_merge(file, doc, &error), 0);
        policy_doc_free(parse(print(file)));
        policy_doc_free(file);
        policy_doc_free(doc);
    }
}

static void different_goals_do_not_merge(void **state)
{
    (void)state;
    struct policy_error error;
    struct policy_doc *a = sample_policy(1, 2), *b = sample_policy(2, 2),
                      *same = sample_policy(1, 2);
    struct policy_doc *empty = policy_doc_new();

    b->goal = GOAL_MEMORY;
    assert_int_equal(policy_doc_merge(a, b, &error), -EINVAL);
    assert_non_null(strstr(error.text, "different goals: balanced and memory"));
    assert_true(sample_same(a, same));
    assert_int_equal(policy_doc_merge(empty, b, &error), 0);
    assert_int_equal(empty->goal, GOAL_MEMORY);
    policy_doc_free(a);
    policy_doc_free(b);
    policy_doc_free(same);
    policy_doc_free(empty);
}

/* A champion that a person gave stays until something was played. */
static void given_champion_stays_until_played(void **state)
{
    (void)state;
    struct policy_error error;
    struct policy_doc *given = sample_delta(7, 21, 20, 0, 0), *none = sample_delta(7, 21, 20, 0, 0);
    struct policy_doc *played = sample_delta(7, 21, 12, 5, 100);

    given->site[0]->band[0]->champion = ARM_HEAP_BASE_TOUCH_KEEP;
    assert_int_equal(policy_doc_merge(none, given, &error), 0);
    assert_int_equal(none->site[0]->band[0]->champion, ARM_HEAP_BASE_TOUCH_KEEP);
    assert_int_equal(policy_doc_merge(given, played, &error), 0);
    assert_int_equal(given->site[0]->band[0]->champion, 12);
    policy_doc_free(given);
    policy_doc_free(none);
    policy_doc_free(played);
}

static void pools_of_two_machines_merge(void **state)
{
    (void)state;
    struct policy_error error;
    struct policy_doc *a = sample_delta(7, 21, ARM_MMAP_BASE_TOUCH_KEEP, 9, 100);
    struct policy_doc *b = sample_delta(7, 21, ARM_MMAP_HUGE_TOUCH_KEEP, 9, 50);
    const struct arm_abilities no_huge = {.heap = 1, .mmap = 1, .lazy = 1, .prefault = 1};
    const struct arm_abilities no_heap_pages = {
        .huge_pages = 1, .heap = 1, .mmap = 1, .lazy = 1, .prefault = 1};

    arm_pool(&no_huge, a->site[0]->band[0]->played_as);
    arm_pool(&no_heap_pages, b->site[0]->band[0]->played_as);
    assert_int_equal(policy_doc_merge(a, b, &error), 0);
    const struct policy_band *band = a->site[0]->band[0];
    assert_int_equal(band->played_as[ARM_MMAP_HUGE_TOUCH_KEEP], ARM_MMAP_HUGE_TOUCH_KEEP);
    assert_int_equal(band->played_as[ARM_HEAP_HUGE_TOUCH_KEEP], ARM_HEAP_BASE_TOUCH_KEEP);
    policy_doc_free(parse(print(a)));
    policy_doc_free(a);
    policy_doc_free(b);
}

static void default_policy_is_what_is_compiled_in(void **state)
{
    (void)state;
    struct policy_error error;
    struct policy_doc *doc = policy_file_read(DEFAULT_POLICY, false, &error);

    if (doc == NULL)
        fail_msg("%s", error.text);
    assert_memory_equal(doc->default_arm, default_arms, sizeof(default_arms));
    assert_memory_equal(&doc->calibration, &default_calibration, sizeof(default_calibration));
    for (unsigned i = 0; i < BAND_COUNT; i++)
        assert_true(default_arms[i] < ARM_COUNT);
    policy_doc_free(doc);
}

/* So that the file in git is the one hakmem would write. */
static void default_policy_is_in_the_usual_form(void **state)
{
    (void)state;
    struct policy_error error;
    char text[16384];
    FILE *file = fopen(DEFAULT_POLICY, "r");
    assert_non_null(file);
    size_t bytes = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[bytes] = '\0';
    struct policy_doc *doc = policy_doc_parse(text, bytes, &error);
    assert_non_null(doc);
    assert_string_equal(print(doc), text);
    policy_doc_free(doc);
}

/* In falling order. A reader that is quadratic in sites or their order takes minutes here. */
static void ten_thousand_sites_are_read(void **state)
{
    (void)state;
    enum { SITES = 10000, SITE_BYTES = 200 };
    struct policy_error error;
    char *text = malloc(SITES * SITE_BYTES);
    assert_non_null(text);
    size_t used = (size_t)sprintf(text, "{\"hakmem_policy\":1,\"sites\":[");
    for (unsigned i = 0; i < SITES; i++)
        used += (size_t)sprintf(text + used,
                                "%s{\"id\":\"0x%016x\",\"bands\":[{\"band\":21,\"champion\":"
                                "\"mmap/huge/touch/keep\"},{\"band\":22,\"champion\":null}]}",
                                i ? "," : "", SITES - i);
    used += (size_t)sprintf(text + used, "]}");

    struct policy_doc *doc = policy_doc_parse(text, used, &error);
    assert_non_null(doc);
    assert_int_equal(doc->nr_sites, SITES);
    policy_doc_free(doc);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_policy_is_a_policy),
        cmocka_unit_test(printed_is_read_the_same),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(a_person_may_write_little),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(odd_names_are_written_readably),
        cmocka_unit_test(order_in_the_file_does_not_matter),
        cmocka_unit_test(sites_and_bands_stay_in_order),
        cmocka_unit_test(bands_have_sizes_for_people),
        cmocka_unit_test(what_is_zero_is_left_out_of_an_arm),
        cmocka_unit_test(merge_adds_up),
        cmocka_unit_test(merge_with_nothing_changes_nothing),
        cmocka_unit_test(merged_policies_are_valid),
        cmocka_unit_test(what_was_learned_since_a_deleted_file_is_a_policy),
        cmocka_unit_test(different_goals_do_not_merge),
        cmocka_unit_test(given_champion_stays_until_played),
        cmocka_unit_test(pools_of_two_machines_merge),
        cmocka_unit_test(default_policy_is_what_is_compiled_in),
        cmocka_unit_test(default_policy_is_in_the_usual_form),
        cmocka_unit_test(ten_thousand_sites_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
