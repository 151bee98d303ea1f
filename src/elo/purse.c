#include "elo/purse.h"

#include <string.h>

#include "elo/fixed.h"

enum {
    DEAREST_Q20 = 10 << 20, /* an arm is not held to be worse than 1024 times */
    SHARE_Q10 = 256, /* a quarter of what the champion costs goes to finding out who is best */
    PURSE_MOST_Q10 = 1024 << 10,
    PRICE_MOST_Q10 = 1 << 30, /* a million costs, which an audit has together after 10^8 episodes */
    STALL_Q20 = 2 << 20,
    MATCH_MOST_Q10 = 16 << 10, /* costs of the champion that a match which is asked for may take */
};

/* What it costs to be so many octaves behind the champion, beyond the champion's cost and in it. */
static int32_t price_of_q10(int64_t behind_q20)
{
    int64_t q20 = behind_q20 < 0 ? 0 : behind_q20 > DEAREST_Q20 ? DEAREST_Q20 : behind_q20;
    return (int32_t)(fixed_exp2_q20(q20) >> 10) - 1024;
}

void elo_set_entry(struct elo_table *t, uint32_t apart, const uint64_t entry_ns[ELO_ARMS])
{
    t->apart = apart;
    memcpy(t->entry_ns, entry_ns, sizeof(t->entry_ns));
}

/* Of going over from the champion's memory to an arm's. */
static int32_t entry_price_q10(const struct elo_table *t, int i)
{
    bool other_memory = (t->apart >> i & 1) != (t->apart >> t->champion & 1);
    uint64_t has_ns = other_memory ? 0 : t->entry_ns[t->champion];
    if (t->entry_ns[i] <= has_ns)
        return 0;
    int64_t champions_q20 = (int64_t)t->par_q20 - t->score_q20[t->champion];
    int64_t more_q20 = fixed_log2_q20(t->entry_ns[i] - has_ns);
    uint64_t price = fixed_exp2_q20(more_q20 - champions_q20) >> 10;
    return price < PRICE_MOST_Q10 ? (int32_t)price : PRICE_MOST_Q10;
}

int32_t purse_price_q10(const struct elo_table *t, int i)
{
    int32_t entry = entry_price_q10(t, i);
    int32_t behind = price_of_q10((int64_t)t->score_q20[t->champion] - t->score_q20[i]);
    return entry < PRICE_MOST_Q10 - behind ? entry + behind : PRICE_MOST_Q10;
}

bool purse_never_holds(const struct elo_table *t, int i)
{
    return t->champion >= 0 && purse_price_q10(t, i) > PURSE_MOST_Q10;
}

static void pay(struct elo_table *t, int64_t price_q10)
{
    int64_t left = t->purse_q10 - price_q10;
    t->purse_q10 = (int32_t)(left > PURSE_MOST_Q10    ? PURSE_MOST_Q10
                             : left < -PURSE_MOST_Q10 ? -PURSE_MOST_Q10
                                                      : left);
}

int purse_pay_for(struct elo_table *t, int arm, bool must)
{
    if (t->champion < 0)
        return arm;
    int32_t price = purse_price_q10(t, arm);
    if (!must && price > 0 && price > t->purse_q10)
        arm = t->champion;
    else
        pay(t, price);
    if (arm == t->champion)
        pay(t, -SHARE_Q10);
    return arm;
}

void purse_pay_the_rest(struct elo_table *t, int arm, int32_t x_q20)
{
    int64_t expected = (int64_t)t->score_q20[t->champion] - t->score_q20[arm];
    int64_t behind = (int64_t)x_q20 - t->par_q20 + t->score_q20[t->champion];
    int64_t most = (expected > 0 ? expected : 0) + STALL_Q20;
    pay(t, (int64_t)price_of_q10(behind < most ? behind : most) - price_of_q10(expected));
}

uint32_t purse_too_dear(const struct elo_table *t)
{
    uint32_t arms = 0;
    for (int i = 0; t->champion >= 0 && i < ELO_ARMS; i++)
        if (purse_price_q10(t, i) > MATCH_MOST_Q10)
            arms |= 1u << i;
    return arms;
}
