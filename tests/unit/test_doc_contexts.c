/* How many contexts of one site a policy has after many runs, and which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/contexts.h"
#include "policy_sample.h"

enum { SITE = 0x70000000, BAND = 21, ALWAYS = 0x40 };

static struct policy_doc *new_doc(void)
{
    struct policy_doc *doc = policy_doc_new();
    assert_non_null(doc);
    return doc;
}

static struct policy_site *add_context(struct policy_doc *doc, uint64_t of, uint32_t depth,
                                       uint64_t episodes)
{
    struct policy_site *s = policy_doc_site(doc, policy_context_id(of, depth), true);
    assert_non_null(s);
    s->of = of;
    s->depth = depth;
    policy_site_band(doc, s, BAND, true)->seen.episodes = episodes;
    return s;
}

static struct policy_site *context(struct policy_doc *doc, uint32_t depth)
{
    return policy_doc_site(doc, policy_context_id(SITE, depth), false);
}

static unsigned contexts_of(const struct policy_doc *doc, uint64_t of)
{
    unsigned n = 0;
    for (unsigned i = 0; i < doc->nr_sites; i++)
        n += doc->site[i]->of == of;
    return n;
}

static unsigned bands_in(const struct policy_doc *doc)
{
    unsigned n = 0;
    for (unsigned i = 0; i < doc->nr_sites; i++)
        n += doc->site[i]->nr_bands;
    return n;
}

static void assert_merges(struct policy_doc *into, struct policy_doc *from)
{
    struct policy_error error;
    int status = policy_doc_merge(into, from, &error);
    if (status != 0)
        fail_msg("%d: %s", status, error.text);
    assert_int_equal(into->nr_bands, bands_in(into));
    for (unsigned i = 1; i < into->nr_sites; i++)
        assert_true(into->site[i - 1]->id < into->site[i]->id);
}

/* The run of a process whose stack is elsewhere each time: as many contexts as it may have, with 10 to 19 blocks each. */
static struct policy_doc *run(unsigned number)
{
    struct policy_doc *doc = new_doc();
    policy_doc_site(doc, SITE, true)->to_split = 1;
    for (uint32_t i = 0; i < CONTEXTS_MAX; i++)
        add_context(doc, SITE, 0x1000 + number * CONTEXTS_MAX + i, 10 + (number + i) % 10);
    return doc;
}

/* From the tenth run on one path is there that comes again. */
static void contexts_of_many_runs_are_sixteen(void **state)
{
    (void)state;
    struct policy_doc *file = new_doc();
    for (unsigned i = 0; i < 50; i++) {
        struct policy_doc *delta = run(i);
        if (i >= 10)
            add_context(delta, SITE, ALWAYS, 20);
        add_context(delta, SITE + 1, i % 10, 1);
        assert_merges(file, delta);
        policy_doc_free(delta);
        assert_int_equal(contexts_of(file, SITE), CONTEXTS_MAX);
    }
    assert_non_null(policy_doc_site(file, SITE, false));
    assert_non_null(context(file, ALWAYS));
    assert_int_equal(context(file, ALWAYS)->band[0]->seen.episodes, 40 * 20);
    assert_int_equal(contexts_of(file, SITE + 1), 10);
    policy_doc_free(file);
}

/* Also those that were served without being measured. */
static void what_has_fewest_blocks_gives_way(void **state)
{
    (void)state;
    struct policy_doc *file = new_doc(), *delta = new_doc();
    for (uint32_t i = 0; i < CONTEXTS_MAX; i++)
        add_context(file, SITE, i + 1, 100 + i);
    context(file, 1)->band[0]->unmeasured = 50;
    add_context(delta, SITE, 98, 101); /* as many as the least one: that stays */
    assert_merges(file, delta);
    assert_null(context(file, 98));
    add_context(delta, SITE, 99, 102);
    assert_merges(file, delta);
    assert_int_equal(contexts_of(file, SITE), CONTEXTS_MAX);
    assert_null(context(file, 2));
    assert_non_null(context(file, 1));
    assert_int_equal(context(file, 99)->band[0]->seen.episodes, 102);
    policy_doc_free(file);
    policy_doc_free(delta);
}

/* Whoever learned it is told, and says it again with what comes: so what is used for long gets in, however often it is saved. */
static void who_learned_what_is_left_out_is_told(void **state)
{
    (void)state;
    struct policy_error error;
    struct policy_doc *file = new_doc(), *delta = new_doc();
    for (uint32_t i = 0; i < CONTEXTS_MAX; i++)
        add_context(file, SITE, i + 1, 100 + i);
    add_context(delta, SITE, 1, 1);
    add_context(delta, SITE, 98, 90);
    assert_int_equal(policy_doc_learn(file, delta, &error), 0);
    assert_true(context(delta, 98)->band[0]->left_out);
    assert_false(context(delta, 1)->band[0]->left_out);
    context(delta, 98)->band[0]->seen.episodes += 90;
    assert_int_equal(policy_doc_learn(file, delta, &error), 0);
    assert_false(context(delta, 98)->band[0]->left_out);
    assert_int_equal(context(file, 98)->band[0]->seen.episodes, 180);
    policy_doc_free(file);
    policy_doc_free(delta);
}

/* A file that has grown is made smaller again by the next save. */
static void a_file_with_more_is_made_smaller(void **state)
{
    (void)state;
    struct policy_doc *file = new_doc(), *delta = new_doc();
    for (uint32_t i = 0; i < 1000; i++)
        add_context(file, SITE, i + 1, 100 + i);
    add_context(delta, SITE, 1, 10000);
    assert_merges(file, delta);
    assert_int_equal(file->nr_sites, CONTEXTS_MAX);
    assert_int_equal(context(file, 1)->band[0]->seen.episodes, 10100);
    for (uint32_t i = 1000; i > 1001 - CONTEXTS_MAX; i--)
        assert_non_null(context(file, i));
    policy_doc_free(file);
    policy_doc_free(delta);
}

/* As many sites as there may be: what stays out needs no room, and what gets in has that of the one that goes. */
static void a_full_file_takes_contexts(void **state)
{
    (void)state;
    struct policy_doc *file = new_doc(), *delta = new_doc();
    for (uint32_t i = 0; i < CONTEXTS_MAX; i++)
        add_context(file, SITE, i + 1, 100);
    for (uint64_t id = 1; file->nr_sites < POLICY_SITES_MAX; id++)
        assert_non_null(policy_doc_site(file, id, true));
    for (uint32_t i = 0; i < CONTEXTS_MAX; i++)
        add_context(delta, SITE, 0x100 + i, i == 0 ? 1000 : 10);
    assert_merges(file, delta);
    assert_int_equal(file->nr_sites, POLICY_SITES_MAX);
    assert_non_null(context(file, 0x100));
    assert_null(context(file, 0x101));
    policy_doc_free(file);
    policy_doc_free(delta);
}

/* However a file was made. How long it takes is in the runner's report: 0.07 s, not growing with the square of the sites. */
static void many_contexts_are_merged(void **state)
{
    (void)state;
    struct policy_doc *doc[2] = {new_doc(), new_doc()};
    for (unsigned d = 0; d < 2; d++)
        for (uint64_t i = 0; i < POLICY_SITES_MAX; i++) {
            struct policy_site *s = policy_doc_site(doc[d], 2 * i + d + 1, true);
            assert_non_null(s);
            s->of = SITE;
        }
    assert_merges(doc[0], doc[1]);
    assert_int_equal(doc[0]->nr_sites, CONTEXTS_MAX);
    policy_doc_free(doc[0]);
    policy_doc_free(doc[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_of_many_runs_are_sixteen),
        cmocka_unit_test(what_has_fewest_blocks_gives_way),
        cmocka_unit_test(who_learned_what_is_left_out_is_told),
        cmocka_unit_test(a_file_with_more_is_made_smaller),
        cmocka_unit_test(a_full_file_takes_contexts),
        cmocka_unit_test(many_contexts_are_merged),
    };
    return cmocka_run_group_tests_name("doc contexts", tests, NULL, NULL);
}
