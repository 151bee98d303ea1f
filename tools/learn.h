/*
 * What `hakmem learn` ends with (learn_table.c).
 */
#ifndef HAK_TOOLS_LEARN_H
#define HAK_TOOLS_LEARN_H

#include <stdio.h>

#include "insight.h"

/*
 * What was decided, and what it is expected to save in a run of as many episodes as the last `runs` had on
 * average; `plays_before` episodes were in the file before them.
 */
void learn_print_table(FILE *to, const struct insights *in, uint64_t plays_before, unsigned runs);

#endif
