/*
 * BigCache: who is served, who must leave, and when.
 */
#include "isolated.h"

#include <string.h>

#include "base/attr.h"
#include "cache/bigcache.h"

enum { MIB = 1 << 20, MODEL_ENTRIES = 60, SITES = 4, PER_BUCKET = 16 };

static struct bigcache cache;
static struct list left;

static void start(size_t cap_bytes, size_t entry_cap_bytes)
{
    bigcache_init(&cache, &(struct bigcache_options){.cap_bytes = cap_bytes,
                                                     .unknown_cap_bytes = cap_bytes,
                                                     .unknown_entry_cap_bytes = entry_cap_bytes});
    list_init(&left);
}

static void put(struct cache_entry *e, uintptr_t address, size_t bytes, uint64_t site,
                unsigned zone)
{
    cache_entry_init(e);
    e->address = address;
    e->bytes = bytes;
    e->site = site;
    e->zone = (uint8_t)zone;
    bigcache_put(&cache, e, 0, &left);
}

static struct cache_entry *pop_left(void)
{
    struct list *l = list_pop_front(&left);
    return l != NULL ? CONTAINER_OF(l, struct cache_entry, lru) : NULL;
}

static void what_is_put_in_last_leaves_last(void **state)
{
    struct cache_entry e[4];
    start(3 * MIB, 3 * MIB);
    for (unsigned i = 0; i < 3; i++)
        put(&e[i], (i + 1) * MIB, MIB, 0, i % 2);
    assert_true(list_empty(&left));
    put(&e[3], 4 * MIB, 2 * MIB, 0, 0);
    assert_ptr_equal(pop_left(), &e[0]);
    assert_ptr_equal(pop_left(), &e[1]);
    assert_null(pop_left());
    assert_int_equal(cache.bytes, 3 * MIB);
    assert_int_equal(cache.zone_bytes[0], 3 * MIB);
    assert_int_equal(cache.zone_bytes[1], 0);
}

/* Two of the other kind go for each that is twice as dear to have again; but none stays for ever. */
static void what_is_dearer_to_have_again_outlasts_more_of_the_other_kind(void **state)
{
    struct cache_entry dear, cheap[6];
    start(2 * MIB, MIB);
    bigcache_expire(&cache, 1, (const uint64_t[BIGCACHE_ZONES]){250, 100}, &left);
    put(&dear, MIB, MIB, 0, 0);
    for (unsigned i = 0; i < 4; i++)
        put(&cheap[i], (2 + i) * MIB, MIB, 0, 1);
    for (unsigned i = 0; i < 2; i++) /* which leave with a credit of 100 and of 200 */
        assert_ptr_equal(pop_left(), &cheap[i]);
    assert_ptr_equal(pop_left(), &dear);
    assert_null(pop_left());
    assert_int_equal(cache.floor_ns, 250);
}

/* A break-even time that is never reached is not added to until it wraps. */
static void what_is_worth_keeping_for_ever_leaves_in_its_turn(void **state)
{
    struct cache_entry e[5];
    start(MIB, MIB);
    cache.options.worth_ns[0] = UINT64_MAX;
    for (unsigned i = 0; i < 5; i++) {
        put(&e[i], (1 + i) * MIB, MIB, 0, 0);
        assert_ptr_equal(pop_left(), i > 0 ? &e[i - 1] : NULL);
    }
    start(2 * MIB, MIB);
    cache.options.worth_ns[0] = UINT64_MAX;
    cache.options.worth_ns[1] = 100;
    put(&e[0], MIB, MIB, 0, 0);
    for (unsigned i = 1; i < 5; i++) {
        put(&e[i], (1 + i) * MIB, MIB, 0, 1);
        assert_ptr_equal(pop_left(), i > 1 ? &e[i - 1] : NULL);
    }
}

static void what_is_larger_than_an_entry_may_be_is_turned_away_alone(void **state)
{
    struct cache_entry small, large;
    start(8 * MIB, MIB);
    put(&small, MIB, MIB, 0, 0);
    put(&large, 2 * MIB, MIB + GRANULE_BYTES, 0, 0);
    assert_ptr_equal(pop_left(), &large);
    assert_null(pop_left());
    assert_int_equal(cache.bytes, MIB);
    assert_false(bigcache_remove(&cache, &large));
}

static void put_for(struct cache_entry *e, uintptr_t address, size_t bytes, uint64_t most_idle_ns)
{
    cache_entry_init(e);
    e->address = address;
    e->bytes = bytes;
    e->most_idle_ns = most_idle_ns;
    bigcache_put(&cache, e, 0, &left);
}

static void what_is_known_to_be_wanted_again_has_a_cap_of_its_own(void **state)
{
    struct cache_entry e[5];
    start(8 * MIB, MIB);
    cache.options.unknown_cap_bytes = 3 * MIB;
    put_for(&e[0], 1 * MIB, 5 * MIB, 1000);
    put_for(&e[1], 6 * MIB, 2 * MIB, 1000);
    assert_true(list_empty(&left));
    put_for(&e[2], 8 * MIB, MIB, 0); /* nothing is known of it: no more than 3 MiB with it */
    assert_ptr_equal(pop_left(), &e[0]);
    assert_null(pop_left());
    assert_int_equal(cache.bytes, 3 * MIB);
    put_for(&e[3], 9 * MIB, 6 * MIB, 1000);
    assert_ptr_equal(pop_left(), &e[1]);
    assert_null(pop_left());
    put_for(&e[4], 15 * MIB, 9 * MIB, 1000);
    assert_ptr_equal(pop_left(), &e[4]);
    assert_int_equal(cache.bytes, 7 * MIB);
}

static void a_cache_without_room_keeps_nothing(void **state)
{
    struct cache_entry e;
    start(0, MIB);
    put(&e, MIB, GRANULE_BYTES, 0, 0);
    assert_ptr_equal(pop_left(), &e);
    assert_null(bigcache_take(&cache, 0, GRANULE_BYTES, 1, 0));
}

static void the_same_site_is_preferred_to_the_newest(void **state)
{
    struct cache_entry mine, other;
    start(8 * MIB, MIB);
    put(&mine, MIB, MIB, 1, 0);
    put(&other, 2 * MIB, MIB, 2, 0);
    assert_ptr_equal(bigcache_take(&cache, 0, MIB, 1, 1), &mine);
    assert_ptr_equal(bigcache_take(&cache, 0, MIB, 1, 1), &other);
    assert_null(bigcache_take(&cache, 0, MIB, 1, 1));
}

static void the_newest_is_preferred_among_strangers(void **state)
{
    struct cache_entry e[2];
    start(8 * MIB, MIB);
    put(&e[0], MIB, MIB, 1, 0);
    put(&e[1], 2 * MIB, MIB, 2, 0);
    assert_ptr_equal(bigcache_take(&cache, 0, MIB, 1, 3), &e[1]);
}

static void the_same_class_is_preferred_to_the_same_site(void **state)
{
    struct cache_entry same_class, same_site;
    start(8 * MIB, 4 * MIB);
    put(&same_class, MIB, MIB, 2, 0);
    put(&same_site, 2 * MIB, MIB + MIB / 4, 1, 0);
    assert_ptr_equal(bigcache_take(&cache, 0, MIB, 1, 1), &same_class);
}

static void zones_are_never_mixed(void **state)
{
    struct cache_entry e;
    start(8 * MIB, 4 * MIB);
    put(&e, MIB, MIB, 1, 1);
    assert_null(bigcache_take(&cache, 0, MIB, 1, 1));
    assert_ptr_equal(bigcache_take(&cache, 1, MIB, 1, 1), &e);
}

static void another_sites_much_larger_one_serves_only_once_the_timer_has_seen_it_idle(void **state)
{
    static const uint64_t never[BIGCACHE_ZONES] = {UINT64_MAX, UINT64_MAX};
    struct cache_entry e[2];
    start(32 * MIB, 8 * MIB);
    put(&e[0], 8 * MIB, 8 * MIB, 1, 0);
    assert_null(bigcache_take(&cache, 0, MIB, 1, 2));
    bigcache_expire(&cache, 5, never, &left);
    put(&e[1], 16 * MIB, 8 * MIB, 1, 0);
    assert_ptr_equal(bigcache_take(&cache, 0, MIB, 1, 2), &e[0]);
    assert_null(bigcache_take(&cache, 0, MIB, 1, 2));
    assert_ptr_equal(bigcache_take(&cache, 0, MIB, 1, 1), &e[1]);
}

static void what_serves_is_at_the_alignment_and_large_enough(void **state)
{
    struct cache_entry e[2];
    start(32 * MIB, 8 * MIB);
    put(&e[0], 4 * MIB, 4 * MIB, 1, 0);
    put(&e[1], 7 * MIB, 4 * MIB, 1, 0);
    assert_ptr_equal(bigcache_take(&cache, 0, 4 * MIB, 4 * MIB, 1), &e[0]);
    assert_null(bigcache_take(&cache, 0, 4 * MIB, 2 * MIB, 1));
    assert_null(bigcache_take(&cache, 0, 4 * MIB + GRANULE_BYTES, 1, 1));
    assert_ptr_equal(bigcache_take(&cache, 0, 4 * MIB, MIB, 1), &e[1]);
}

static void an_entry_leaves_at_its_break_even_time_and_not_before(void **state)
{
    static const uint64_t break_even[BIGCACHE_ZONES] = {100, 30};
    struct cache_entry base, huge;
    start(8 * MIB, 4 * MIB);
    put(&base, MIB, MIB, 1, 0);
    put(&huge, 2 * MIB, MIB, 1, 1);
    bigcache_expire(&cache, 1000, break_even, &left);
    bigcache_expire(&cache, 1029, break_even, &left);
    assert_null(pop_left());
    bigcache_expire(&cache, 1030, break_even, &left);
    assert_ptr_equal(pop_left(), &huge);
    bigcache_expire(&cache, 1099, break_even, &left);
    assert_null(pop_left());
    bigcache_expire(&cache, 1100, break_even, &left);
    assert_ptr_equal(pop_left(), &base);
    assert_int_equal(cache.bytes, 0);
}

static void an_entry_may_have_a_time_of_its_own(void **state)
{
    static const uint64_t break_even[BIGCACHE_ZONES] = {100, 30};
    struct cache_entry brief, patient;
    start(8 * MIB, 4 * MIB);
    cache_entry_init(&brief);
    brief.most_idle_ns = 40;
    put(&patient, MIB, MIB, 1, 1);
    brief.address = 2 * MIB;
    brief.bytes = MIB;
    bigcache_put(&cache, &brief, 0, &left);
    assert_int_equal(cache.brief_bytes, MIB);
    assert_int_equal(cache.brief_ns, 40);
    patient.most_idle_ns = 0;
    bigcache_expire(&cache, 1000, break_even, &left);
    bigcache_expire(&cache, 1039, break_even, &left);
    assert_ptr_equal(pop_left(), &patient);
    assert_null(pop_left());
    bigcache_expire(&cache, 1040, break_even, &left);
    assert_ptr_equal(pop_left(), &brief);
    assert_int_equal(cache.brief_bytes, 0);
    struct cache_entry briefer;
    cache_entry_init(&briefer);
    briefer.address = 3 * MIB;
    briefer.bytes = MIB;
    briefer.most_idle_ns = 10;
    brief.most_idle_ns = 400; /* longer than it takes to break even */
    bigcache_put(&cache, &brief, 0, &left);
    assert_int_equal(cache.brief_ns, 400);
    bigcache_put(&cache, &briefer, 0, &left);
    assert_int_equal(cache.brief_ns, 10);
    bigcache_remove(&cache, &briefer);
    bigcache_expire(&cache, 2000, break_even, &left);
    assert_int_equal(cache.brief_ns, 400);
    bigcache_expire(&cache, 2399, break_even, &left);
    assert_null(pop_left());
    bigcache_expire(&cache, 2400, break_even, &left);
    assert_ptr_equal(pop_left(), &brief);
}

static void an_entry_that_was_used_begins_its_time_anew(void **state)
{
    static const uint64_t break_even[BIGCACHE_ZONES] = {100, 100};
    struct cache_entry e;
    start(8 * MIB, 4 * MIB);
    put(&e, MIB, MIB, 1, 0);
    bigcache_expire(&cache, 1000, break_even, &left);
    assert_ptr_equal(bigcache_take(&cache, 0, MIB, 1, 1), &e);
    put(&e, MIB, MIB, 1, 0);
    bigcache_expire(&cache, 1100, break_even, &left);
    assert_null(pop_left());
    bigcache_expire(&cache, 1200, break_even, &left);
    assert_ptr_equal(pop_left(), &e);
}

static void clearing_returns_every_entry(void **state)
{
    struct cache_entry e[6];
    start(8 * MIB, 4 * MIB);
    for (unsigned i = 0; i < 6; i++)
        put(&e[i], (i + 1) * MIB, (i + 1) * GRANULE_BYTES, i, i % 2);
    bigcache_clear(&cache, &left);
    unsigned n = 0;
    while (pop_left() != NULL)
        n++;
    assert_int_equal(n, 6);
    assert_int_equal(cache.bytes, 0);
    assert_null(bigcache_take(&cache, 0, GRANULE_BYTES, 1, 0));
    assert_int_equal(cache.used[0].word[0] | cache.used[0].word[1] | cache.used[1].word[0] |
                         cache.used[1].word[1],
                     0);
}

/* ---- against a naive model: an array that is searched from end to end ---- */

struct model_entry {
    bool in;
    uint64_t order, since_ns, credit_ns;
};

static const uint64_t break_even_ns[BIGCACHE_ZONES] = {700, 300};
static uint64_t model_floor_ns;

static struct cache_entry entry[MODEL_ENTRIES];
static struct model_entry model[MODEL_ENTRIES];

static unsigned class_of(size_t bytes)
{
    return granule_class(bytes >> GRANULE_SHIFT);
}

static unsigned model_in_bucket(unsigned zone, unsigned class)
{
    unsigned n = 0;
    for (int i = 0; i < MODEL_ENTRIES; i++)
        n += model[i].in && entry[i].zone == zone && class_of(entry[i].bytes) == class;
    return n;
}

static bool model_serves(int i, unsigned zone, unsigned class, size_t bytes, size_t align)
{
    return model[i].in && entry[i].zone == zone && class_of(entry[i].bytes) == class &&
           entry[i].bytes >= bytes && entry[i].address % align == 0;
}

/* Of one class: the newest of the site, else the newest; of a far class the oldest that is the site's or was seen idle. */
static int model_take_class(unsigned zone, unsigned class, bool near, size_t bytes, size_t align,
                            uint64_t site)
{
    int newest = -1, of_site = -1, idle = -1;
    for (int i = 0; i < MODEL_ENTRIES; i++) {
        if (!model_serves(i, zone, class, bytes, align))
            continue;
        if (newest < 0 || model[i].order > model[newest].order)
            newest = i;
        if (entry[i].site == site && (of_site < 0 || model[i].order > model[of_site].order))
            of_site = i;
        bool to_be_had = model[i].since_ns != 0 || entry[i].site == site;
        if (to_be_had && (idle < 0 || model[i].order < model[idle].order))
            idle = i;
    }
    return !near ? idle : of_site >= 0 ? of_site : newest;
}

static int model_take(unsigned zone, size_t bytes, size_t align, uint64_t site)
{
    unsigned own = class_of(bytes);
    for (unsigned class = own; class < GRANULE_CLASSES; class ++) {
        int i = model_take_class(zone, class, class < own + 3, bytes, align, site);
        if (i >= 0)
            return i;
    }
    return -1;
}

static size_t model_bytes(void)
{
    size_t bytes = 0;
    for (int i = 0; i < MODEL_ENTRIES; i++)
        bytes += model[i].in ? entry[i].bytes : 0;
    return bytes;
}

static int model_least(void)
{
    int least = -1;
    for (int i = 0; i < MODEL_ENTRIES; i++) {
        if (!model[i].in)
            continue;
        if (least < 0 || model[i].credit_ns < model[least].credit_ns ||
            (model[i].credit_ns == model[least].credit_ns && model[i].order < model[least].order))
            least = i;
    }
    return least;
}

static void random_put(uint64_t *random, uint64_t order)
{
    int i = (int)random_below(random, MODEL_ENTRIES);
    size_t bytes = (1 + random_below(random, random_below(random, 3) ? 12 : 120)) * GRANULE_BYTES;
    unsigned zone = (unsigned)random_below(random, 2);
    if (model[i].in || model_in_bucket(zone, class_of(bytes)) >= PER_BUCKET)
        return;
    size_t cap = cache.options.cap_bytes;
    put(&entry[i], (1 + random_below(random, 1000)) * GRANULE_BYTES, bytes,
        random_below(random, SITES), zone);
    if (bytes > cache.options.unknown_entry_cap_bytes) {
        assert_ptr_equal(pop_left(), &entry[i]);
    } else {
        while (model_bytes() + bytes > cap) {
            int gone = model_least();
            model[gone].in = false;
            model_floor_ns = model[gone].credit_ns;
            assert_ptr_equal(pop_left(), &entry[gone]);
        }
        model[i] = (struct model_entry){true, order, 0, model_floor_ns + break_even_ns[zone]};
    }
    assert_null(pop_left());
}

static void random_take(uint64_t *random)
{
    unsigned zone = (unsigned)random_below(random, 2);
    size_t bytes = (1 + random_below(random, 12)) * GRANULE_BYTES;
    size_t align = (size_t)GRANULE_BYTES << random_below(random, 3);
    uint64_t site = random_below(random, SITES);
    int expected = model_take(zone, bytes, align, site);
    struct cache_entry *got = bigcache_take(&cache, zone, bytes, align, site);
    assert_ptr_equal(got, expected >= 0 ? &entry[expected] : NULL);
    if (expected >= 0)
        model[expected].in = false;
}

static void random_expire(uint64_t now_ns)
{
    unsigned expected = 0, n = 0;
    for (int i = 0; i < MODEL_ENTRIES; i++) {
        if (!model[i].in)
            continue;
        if (model[i].since_ns == 0)
            model[i].since_ns = now_ns;
        else if (now_ns - model[i].since_ns >= break_even_ns[entry[i].zone]) {
            model[i].in = false;
            expected++;
        }
    }
    bigcache_expire(&cache, now_ns, break_even_ns, &left);
    for (struct cache_entry *e; (e = pop_left()) != NULL; n++)
        assert_false(model[e - entry].in);
    assert_int_equal(n, expected);
}

static void the_cache_does_what_an_array_searched_from_end_to_end_would(void **state)
{
    uint64_t random = random_seed();
    memset(model, 0, sizeof(model));
    model_floor_ns = 0;
    start(200 * GRANULE_BYTES, 100 * GRANULE_BYTES);
    memcpy(cache.options.worth_ns, break_even_ns, sizeof(break_even_ns));
    for (uint64_t step = 1; step < 30000; step++) {
        switch (random_below(&random, 8)) {
        case 0:
            random_expire(step);
            break;
        case 1: {
            int i = (int)random_below(&random, MODEL_ENTRIES);
            if (model[i].in)
                assert_true(bigcache_remove(&cache, &entry[i]));
            model[i].in = false;
            break;
        }
        case 2:
        case 3:
            random_take(&random);
            break;
        default:
            random_put(&random, step);
        }
        assert_int_equal(cache.bytes, model_bytes());
        assert_int_equal(cache.bytes, cache.zone_bytes[0] + cache.zone_bytes[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_in_last_leaves_last),
        cmocka_unit_test(what_is_dearer_to_have_again_outlasts_more_of_the_other_kind),
        cmocka_unit_test(what_is_worth_keeping_for_ever_leaves_in_its_turn),
        cmocka_unit_test(what_is_larger_than_an_entry_may_be_is_turned_away_alone),
        cmocka_unit_test(what_is_known_to_be_wanted_again_has_a_cap_of_its_own),
        cmocka_unit_test(a_cache_without_room_keeps_nothing),
        cmocka_unit_test(the_same_site_is_preferred_to_the_newest),
        cmocka_unit_test(the_newest_is_preferred_among_strangers),
        cmocka_unit_test(the_same_class_is_preferred_to_the_same_site),
        cmocka_unit_test(zones_are_never_mixed),
        cmocka_unit_test(another_sites_much_larger_one_serves_only_once_the_timer_has_seen_it_idle),
        cmocka_unit_test(what_serves_is_at_the_alignment_and_large_enough),
        cmocka_unit_test(an_entry_leaves_at_its_break_even_time_and_not_before),
        cmocka_unit_test(an_entry_may_have_a_time_of_its_own),
        cmocka_unit_test(an_entry_that_was_used_begins_its_time_anew),
        cmocka_unit_test(clearing_returns_every_entry),
        cmocka_unit_test(the_cache_does_what_an_array_searched_from_end_to_end_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
