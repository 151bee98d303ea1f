/*
 * A policy read as a person reads it: bands by what they cost, arms by what they promise, and the sums that
 * say why. `inspect` prints it, `learn` decides by it when it is done.
 */
#ifndef HAK_TOOLS_INSIGHT_H
#define HAK_TOOLS_INSIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/doc.h"

enum insight_standing {
    STANDS, /* may be played */
    POOLED, /* another arm would do the same thing here, and is played for it */
    MASKED  /* cannot be played here */
};

struct insight_arm {
    enum arm_id arm;
    enum insight_standing standing;
    enum arm_id played_as; /* POOLED: by which */
    int points, deviation; /* Elo points */
    uint64_t plays;
    double mean_ns;     /* measured; 0: never played */
    double score;       /* log2, higher is cheaper: rating, prior and slow tail together */
    double expected_ns; /* the leader's mean cost, times the ratio that the scores say */
};

/* One site's blocks of one band. */
struct insight {
    const struct policy_site *site;
    const struct policy_band *band;
    uint64_t plays;     /* blocks: episodes that were rated, and those that were not measured */
    double cost_ns;     /* what they cost in all; what was not measured as the leader, on average */
    double share;       /* of the whole document's cost */
    bool hot;           /* at least 1 % of it */
    bool decided;       /* by the learner, or because there is only one thing to do */
    unsigned classes;   /* arms that stand */
    enum arm_id leader; /* the champion of the file; where there is none yet, who leads; ARM_NONE */
    enum arm_id next;   /* the best arm that stands and is not the leader; ARM_NONE */
    enum arm_id otherwise;             /* what the band's default comes to here */
    struct insight_arm arm[ARM_COUNT]; /* by arm_id */
};

struct insights {
    double cost_ns;
    uint64_t plays;
    unsigned count, hot, hot_decided, decided;
    struct insight *row; /* dearest first */
};

/* Looks at every band of the document, which must stay while this is used. false: no memory. */
bool insights_make(const struct policy_doc *doc, struct insights *out);
void insights_free(struct insights *in);

/* The arm_ids of a row in the order people want them: leader, standing by score, pooled, masked. */
void insight_order(const struct insight *row, enum arm_id order[ARM_COUNT]);

/* Expected cost of `arm` over the leader's: 2.0 is twice as dear. 0: nothing is known. */
double insight_times_dearer(const struct insight *row, enum arm_id arm);

/* Where a site is: "module+0x1f", "file.c:12", "unknown module"; of a context also how deep the stack is there. */
void insight_place_text(const struct policy_site *site, char *out, size_t capacity);

/* One sentence on why the leader leads, from what was seen and what the primitives cost (reason.c). */
void insight_reason(const struct policy_doc *doc, const struct insight *row, char *out,
                    size_t capacity);

#endif
