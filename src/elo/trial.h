/*
 * Trials: short queues of matches that are asked for, not drawn. An audition tries to refute a prior; a
 * rematch finds out what an alarm was about. And the states they lead to.
 * Inside src/elo only.
 */
#ifndef HAK_ELO_TRIAL_H
#define HAK_ELO_TRIAL_H

#include "elo/match.h"

enum {
    CREDIT_Q10 = 2048, /* costs of the champion that may be spent on others before it saved any */
    FREEZE_FROM = 48,  /* episodes before anything is decided */
};

void state_enter(struct elo_table *t, enum elo_state state);

/* Decided, if that is still so give or take; else learning. */
void state_resume(struct elo_table *t);

/* No queue. */
void trial_clear(struct elo_table *t);

/* Notes the margin of a match that was asked for. True: the last has come in, or patience is over. */
bool trial_note(struct elo_table *t, int arm, int32_t margin_q20);

/* A prior has been set: tries it out. */
void trial_start_audition(struct elo_table *t);
void trial_report_audition(struct elo_table *t, int arm, bool first_of_arm, const struct match *m);

/* Whether the champion's surprises no longer look like chance. */
bool trial_alarm(struct elo_table *t, int32_t z_q10);
void trial_start_rematch(struct elo_table *t);
void trial_report_rematch(struct elo_table *t, int arm, int32_t x_q20);

#endif
