/*
 * Policies for the tests of the tool.
 */
#ifndef HAK_TESTS_TOOL_SAMPLE_H
#define HAK_TESTS_TOOL_SAMPLE_H

#include "policy/doc.h"

/*
 * Fills an empty document; false: no such kind, or no memory. Kinds:
 *   learned    three sites: vm_round, hot, decided for keeping huge pages; sparse_table, hot, decided for giving
 *              back base pages; one without a symbol, under 1 % of the cost, open
 *   other      vm_round again and one more site, as another machine would have learned them
 *   open       vm_round after ten episodes
 *   single     one site where only one arm can be played
 *   frugal     vm_round, learned with goal memory
 *   empty      no site at all
 */
bool sample_fill(struct policy_doc *doc, const char *kind);

/* Goes on with vm_round for so many episodes; another seed, another course. */
bool sample_learn_more(struct policy_doc *doc, unsigned episodes, uint64_t seed);

#endif
