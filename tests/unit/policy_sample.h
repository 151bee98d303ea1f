/*
 * Policies for tests, learned by the learner itself from made-up costs; the same for the same seed.
 */
#ifndef HAK_TESTS_POLICY_SAMPLE_H
#define HAK_TESTS_POLICY_SAMPLE_H

#include "policy/doc.h"

/* xorshift64*; *state is not 0. */
uint64_t sample_random(uint64_t *state);

/* A policy with machine, prices, defaults, and `nr_sites` sites of 1 to 3 bands; the first has every key there is.
 * NULL + errno. */
struct policy_doc *sample_policy(uint64_t seed, unsigned nr_sites);

/* `plays` episodes under one arm at one site and band, each of cost_ns: what a learning process would save. */
struct policy_doc *sample_delta(uint64_t site, unsigned band, int arm, unsigned plays,
                                uint64_t cost_ns);

/* Whether the documents say the same: by their texts. */
bool sample_same(struct policy_doc *a, struct policy_doc *b);

/* Plays of all arms of all sites. */
uint64_t sample_plays(const struct policy_doc *doc);

#endif
