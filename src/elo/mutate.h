/*
 * The learner with one of its parts taken out, by -DELO_MUTATE=... : tests/sim builds each of these and
 * sees its bounds break, which shows that the bounds watch every part. No other build defines it.
 */
#ifndef HAK_ELO_MUTATE_H
#define HAK_ELO_MUTATE_H

enum elo_mutation {
    MUTATE_NONE,
    MUTATE_CONSTANT_K,  /* every match moves a rating by the same share of its margin */
    MUTATE_WIN_LOSS,    /* only the sign of the margin counts */
    MUTATE_NO_HUBER,    /* an outlier moves a rating like any other match */
    MUTATE_NO_TAIL,     /* stalls are not charged */
    MUTATE_NO_AUDITION, /* a prior is believed */
    MUTATE_NO_POOLING,  /* arms that do the same thing are rated apart */
};

#ifndef ELO_MUTATE
#define ELO_MUTATE MUTATE_NONE
#endif

#endif
