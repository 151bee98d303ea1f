#include "policy/contexts.h"

#include <string.h>

#include "base/bits.h"

enum {
    NOTED_ALL = 64,    /* of a depth's episodes so many are all noted, */
    NOTED_ONE_IN = 16, /* and then one in so many */
    NOTED_MIN = 8,     /* of a depth that has a say */
    GAIN_SHARE_MIN = 8 /* a split must save this part of the cost */
};

uint32_t contexts_place(struct contexts *c, uint32_t depth)
{
    uint32_t i = 0;
    while (i < c->count && c->depth[i] != depth)
        i++;
    if (i == c->count && i < CONTEXTS_MAX)
        c->depth[c->count++] = depth;
    return i;
}

bool contexts_wants_scout(struct contexts *c, uint32_t depth)
{
    uint32_t place = contexts_place(c, depth);
    if (place == CONTEXTS_MAX || c->scouted[place])
        return false;
    c->scouted[place] = true;
    return true;
}

unsigned contexts_count(struct contexts *c, uint32_t place)
{
    uint32_t n = c->episodes[place]++;
    return n < NOTED_ALL ? 1 : n % NOTED_ONE_IN == 0 ? NOTED_ONE_IN : 0;
}

/* Those that were noted before it was known what such blocks touch. */
static void forget(struct contexts *c, uint32_t place)
{
    c->episodes[place] = c->noted[place] = 0;
    for (int half = 0; half < 2; half++)
        memset(c->cost_ns[half][place], 0, sizeof(c->cost_ns[half][place]));
}

void contexts_add_cold(struct contexts *c, uint32_t place, uint64_t touched, uint64_t pages)
{
    if (c->cold_pages[place] == 0)
        forget(c, place);
    c->touched_pages[place] = add_saturating(c->touched_pages[place], touched);
    c->cold_pages[place] = add_saturating(c->cold_pages[place], pages);
}

uint64_t contexts_touched(const struct contexts *c, uint32_t place, uint64_t resident,
                          uint64_t pages)
{
    uint64_t cold = c->cold_pages[place];
    if (cold == 0)
        return resident;
    uint64_t touched = (uint64_t)((unsigned __int128)pages * c->touched_pages[place] / cold);
    return touched < resident ? touched : resident;
}

void contexts_add(struct contexts *c, uint32_t place, unsigned episodes,
                  const uint64_t cost_ns[ARM_COUNT])
{
    uint64_t *half = c->cost_ns[c->noted[place]++ % 2][place], all;
    for (int arm = 0; arm < ARM_COUNT; arm++) {
        bool over = __builtin_mul_overflow(cost_ns[arm], episodes, &all);
        half[arm] = add_saturating(half[arm], over ? UINT64_MAX : all);
    }
}

static int cheapest(const uint64_t cost_ns[ARM_COUNT], arm_set playable)
{
    int best = -1;
    for (int arm = 0; arm < ARM_COUNT; arm++)
        if ((playable & ARM_BIT(arm)) != 0 && (best < 0 || cost_ns[arm] < cost_ns[best]))
            best = arm;
    return best;
}

/* Whether the arms that suit the depths in one half of the episodes save enough in the other. */
static bool half_disagrees(const struct contexts *c, unsigned half, arm_set playable)
{
    uint64_t chosen_by[ARM_COUNT] = {0}, together = 0, apart = 0;
    uint32_t heard = 0;

    for (uint32_t i = 0; i < c->count; i++) {
        if (c->noted[i] < NOTED_MIN)
            continue;
        heard++;
        for (int arm = 0; arm < ARM_COUNT; arm++)
            chosen_by[arm] = add_saturating(chosen_by[arm], c->cost_ns[half][i][arm]);
    }
    int common = cheapest(chosen_by, playable);
    if (heard < 2 || common < 0)
        return false;
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->noted[i] < NOTED_MIN)
            continue;
        together = add_saturating(together, c->cost_ns[1 - half][i][common]);
        apart =
            add_saturating(apart, c->cost_ns[1 - half][i][cheapest(c->cost_ns[half][i], playable)]);
    }
    return apart < together - together / GAIN_SHARE_MIN;
}

bool contexts_disagree(const struct contexts *c, arm_set playable)
{
    return half_disagrees(c, 0, playable) && half_disagrees(c, 1, playable);
}
