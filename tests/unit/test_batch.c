/*
 * The batch: its three reasons to flush, taking entries out, and joining neighbours.
 */
#include "isolated.h"

#include <string.h>

#include "cache/batch.h"

enum { MODEL_ENTRIES = 40, SLOTS = 64 };

static void start(struct batch *b, size_t count, size_t bytes, uint64_t deadline_ns)
{
    batch_init(b, &(struct batch_options){count, bytes, deadline_ns});
}

static void start_entry(struct batch_entry *e, size_t bytes)
{
    batch_entry_init(e);
    e->bytes = bytes;
}

static void the_batch_is_full_at_its_count(void **state)
{
    struct batch b;
    struct batch_entry e[3];
    start(&b, 3, 100, 1);
    for (int i = 0; i < 3; i++)
        start_entry(&e[i], 1);
    assert_false(batch_put(&b, &e[0]));
    assert_false(batch_put(&b, &e[1]));
    assert_true(batch_put(&b, &e[2]));
}

static void the_batch_is_full_at_its_bytes(void **state)
{
    struct batch b;
    struct batch_entry e[2];
    start(&b, 10, 100, 1);
    start_entry(&e[0], 99);
    start_entry(&e[1], 1);
    assert_false(batch_put(&b, &e[0]));
    assert_true(batch_put(&b, &e[1]));
}

static void the_deadline_counts_from_when_the_batch_was_first_seen(void **state)
{
    struct batch b;
    struct batch_entry e;
    start(&b, 10, 100, 50);
    start_entry(&e, 1);
    assert_false(batch_is_due(&b, 1000));
    batch_put(&b, &e);
    assert_false(batch_is_due(&b, 2000));
    assert_false(batch_is_due(&b, 2049));
    assert_true(batch_is_due(&b, 2050));
}

static void only_what_was_seen_is_taken(void **state)
{
    struct batch b;
    struct batch_entry e[3];
    struct list taken;
    list_init(&taken);
    start(&b, 10, 100, 50);
    for (int i = 0; i < 3; i++)
        start_entry(&e[i], 1);
    batch_put(&b, &e[0]);
    batch_put(&b, &e[1]);
    assert_int_equal(batch_take_seen(&b, &taken), 0);
    batch_remove(&b, &e[0]);
    batch_put(&b, &e[0]); /* it was used meanwhile */
    batch_put(&b, &e[2]);
    assert_int_equal(batch_take_seen(&b, &taken), 1);
    assert_ptr_equal(list_pop_front(&taken), &e[1].link);
    assert_true(b.count == 2 && b.bytes == 2 && b.since_ns == 0);
    assert_int_equal(batch_take_seen(&b, &taken), 2);
    assert_true(b.count == 0 && list_pop_front(&taken) == &e[0].link);
}

static void an_emptied_batch_forgets_its_deadline(void **state)
{
    struct batch b;
    struct batch_entry e;
    start(&b, 10, 100, 50);
    start_entry(&e, 1);
    batch_put(&b, &e);
    batch_is_due(&b, 1000);
    assert_true(batch_remove(&b, &e));
    assert_false(batch_remove(&b, &e));
    batch_put(&b, &e);
    assert_false(batch_is_due(&b, 1050));
    assert_true(batch_is_due(&b, 1100));
}

static void taking_all_empties_the_batch_oldest_first(void **state)
{
    struct batch b;
    struct batch_entry e[3];
    struct list out;
    start(&b, 10, 100, 50);
    list_init(&out);
    for (int i = 0; i < 3; i++) {
        start_entry(&e[i], 7);
        batch_put(&b, &e[i]);
    }
    batch_remove(&b, &e[1]);
    assert_int_equal(batch_take_all(&b, &out), 2);
    assert_int_equal(b.count, 0);
    assert_int_equal(b.bytes, 0);
    assert_ptr_equal(list_pop_front(&out), &e[0].link);
    assert_ptr_equal(list_pop_front(&out), &e[2].link);
    assert_true(list_empty(&out));
    assert_int_equal(batch_take_all(&b, &out), 0);
}

/* Puts, removes and takes at random; what the batch says of itself is what a plain array says. */
static void the_batch_is_what_a_plain_array_of_entries_is(void **state)
{
    uint64_t random = random_seed();
    struct batch b;
    struct batch_entry e[MODEL_ENTRIES];
    bool in[MODEL_ENTRIES] = {false};
    start(&b, 20, 2000, 1);
    for (int i = 0; i < MODEL_ENTRIES; i++)
        batch_entry_init(&e[i]);

    for (int step = 0; step < 20000; step++) {
        unsigned i = (unsigned)random_below(&random, MODEL_ENTRIES);
        struct list out;
        size_t count = 0, bytes = 0;
        list_init(&out);
        bool flush = false;
        if (in[i]) {
            assert_true(batch_remove(&b, &e[i]));
            in[i] = false;
        } else {
            e[i].bytes = 1 + random_below(&random, 200);
            flush = batch_put(&b, &e[i]);
            in[i] = true;
        }
        for (int k = 0; k < MODEL_ENTRIES; k++) {
            count += in[k];
            bytes += in[k] ? e[k].bytes : 0;
        }
        assert_int_equal(b.count, count);
        assert_int_equal(b.bytes, bytes);
        assert_int_equal(flush, in[i] && (count >= 20 || bytes >= 2000));
        if (!flush)
            continue;
        assert_int_equal(batch_take_all(&b, &out), count);
        while (list_pop_front(&out) != NULL)
            count--;
        assert_int_equal(count, 0);
        memset(in, 0, sizeof(in));
    }
}

/* Pieces on a board of slots, in random order: what is joined covers the same slots, in as few runs as there are. */
static void joined_pieces_cover_the_same_in_as_few_runs_as_there_are(void **state)
{
    uint64_t random = random_seed();
    for (int round = 0; round < 3000; round++) {
        struct iovec v[SLOTS];
        bool board[SLOTS + 1] = {false}, joined[SLOTS + 1] = {false};
        size_t n = 0, runs = 0;
        for (unsigned at = 0; at < SLOTS;) {
            unsigned length = 1 + (unsigned)random_below(&random, 4);
            if (random_below(&random, 2) == 0 && at + length <= SLOTS) {
                v[n++] = (struct iovec){(void *)(uintptr_t)(4096 * (at + 1)), 4096 * length};
                memset(board + at, 1, length);
            }
            at += length;
        }
        for (size_t i = n; i > 1; i--) {
            size_t k = random_below(&random, i);
            struct iovec swapped = v[i - 1];
            v[i - 1] = v[k];
            v[k] = swapped;
        }
        for (unsigned at = 0; at < SLOTS; at++)
            runs += board[at] && (at == 0 || !board[at - 1]);
        n = batch_coalesce(v, n);
        assert_int_equal(n, runs);
        for (size_t i = 0; i < n; i++) {
            if (i > 0)
                assert_true(v[i].iov_base > v[i - 1].iov_base);
            memset(joined + (uintptr_t)v[i].iov_base / 4096 - 1, 1, v[i].iov_len / 4096);
        }
        assert_memory_equal(joined, board, sizeof(board));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_batch_is_full_at_its_count),
        cmocka_unit_test(the_batch_is_full_at_its_bytes),
        cmocka_unit_test(the_deadline_counts_from_when_the_batch_was_first_seen),
        cmocka_unit_test(only_what_was_seen_is_taken),
        cmocka_unit_test(an_emptied_batch_forgets_its_deadline),
        cmocka_unit_test(taking_all_empties_the_batch_oldest_first),
        cmocka_unit_test(the_batch_is_what_a_plain_array_of_entries_is),
        cmocka_unit_test(joined_pieces_cover_the_same_in_as_few_runs_as_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
