/*
 * What finding out may cost: the champion puts a share of its cost aside, and what other arms cost beyond it is paid from that.
 * Prices are in costs of the champion, Q10.
 * Inside src/elo only.
 */
#ifndef HAK_ELO_PURSE_H
#define HAK_ELO_PURSE_H

#include "elo/elo.h"

/* What it costs to try an arm, beyond what the champion does. There is a champion. */
int32_t purse_price_q10(const struct elo_table *t, int arm);

/* Whether an arm costs more than can ever be put aside for it: while learning it is not tried. */
bool purse_never_holds(const struct elo_table *t, int arm);

/* The arms that are too dear for a match that is asked for. */
uint32_t purse_too_dear(const struct elo_table *t);

/* The arm, if there is enough for it, or it must be; else the champion. */
int purse_pay_for(struct elo_table *t, int arm, bool must);

/* The arm cost more than was expected, or less. Of a stall, not all: the champion might have stalled too. */
void purse_pay_the_rest(struct elo_table *t, int arm, int32_t x_q20);

#endif
