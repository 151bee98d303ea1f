/*
 * What a learning process notes of one block: who asked for it, under which arm, and what was measured.
 */
#ifndef HAK_ALLOC_LABEL_H
#define HAK_ALLOC_LABEL_H

#include <stdbool.h>
#include <stdint.h>

struct policy_cell;

struct label {
    struct policy_cell *cell; /* NULL: nothing is learned from this block */
    uint64_t born_ns;         /* when malloc returned it */
    uint64_t freed_ns;        /* when free was called */
    uint64_t bytes;           /* what was asked for, the largest over its life */
    uint32_t malloc_ns;       /* CPU time in malloc, without filling */
    uint32_t free_ns;         /* time in free */
    uint32_t give_back_ns;    /* its share of flushes */
    uint32_t looking_ns;      /* spent on seeing what is resident */
    uint32_t fault_ns;        /* a fault of it, when it began cold; 0: not timed */
    uint32_t
        given_pages; /* of those when it was born, as the blocks before it left them; 0: not known, or cold */
    uint32_t base_pages;   /* resident when freed, in base pages */
    uint32_t huge_full;    /* stretches of huge-page size that were resident as a whole */
    uint32_t huge_touched; /* stretches with anything resident in them */
    int32_t thread;        /* that allocated it */
    uint32_t depth;        /* of the stack then */
    uint8_t arm;
    bool grown;  /* by realloc */
    bool remote; /* freed by another thread */
    bool zeroed; /* by calloc */
    bool
        cold; /* began on memory of which nothing was resident: what is, the block itself has touched */
};

enum { FORMERS_MAX = 8 };

/* The labels of the blocks whose memory a new block was given, and of those that it passed by: under their arm, it would have
 * had theirs. */
struct formers {
    unsigned count, given; /* all; the first of them, whose memory it has */
    struct label label[FORMERS_MAX];
};

#endif
