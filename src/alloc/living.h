/*
 * What lives long, and at the end of a process what lives at all, is settled without having died: so something is
 * learned of tables and pools that are never freed. Learn mode only.
 */
#ifndef HAK_ALLOC_LIVING_H
#define HAK_ALLOC_LIVING_H

#include <stdint.h>

/* Settles, once, the blocks that live since before then. Other threads may be at work in them. */
void living_settle(uint64_t born_before_ns);

/* Settles all that lives, and all that is retained. */
void living_settle_all(void);

#endif
