/*
 * The checks of -Dchecks=full: canaries, delayed reuse, junk. In other builds CHECKS_FULL is 0, and no call is left.
 *
 * A block ends in a canary that says whether it is handed out. A freed one is filled with junk and waits in a ring of its
 * thread before it is free for reuse; whatever was written to it meanwhile is noticed then. Mistakes end the program in one line.
 */
#ifndef HAK_ALLOC_CHECKS_H
#define HAK_ALLOC_CHECKS_H

#include <stddef.h>

#ifndef HAK_CHECKS_FULL
#define HAK_CHECKS_FULL 0
#endif

enum {
    CHECKS_FULL = HAK_CHECKS_FULL,
    CHECKS_BYTES = CHECKS_FULL ? 16 : 0, /* of canary, at the end of each block */
};

/* A block of `bytes`, the canary's included, is handed out. */
void checks_born(void *p, size_t bytes);

/* It is freed. The block that has waited longest and is free for reuse now; NULL: none has. */
void *checks_freed(void *p, size_t bytes);

/* The thread ends: one block that waits; NULL: none does any more. */
void *checks_take_waiting(void);

#endif
