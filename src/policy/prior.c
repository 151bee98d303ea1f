#include "policy/prior.h"

enum {
    COLD_PRIOR = 31,
    MANY_TIMES = 8, /* so much dearer base pages are not begun with: a block may use few of them */
    DEVIATION_Q10 = 768, /* how far the cost model may be off, in octaves: 0.75 */
};

uint32_t prior_cold_share_q10(const struct policy_seen *seen)
{
    unsigned __int128 episodes = seen->episodes; /* a file may have any */
    unsigned __int128 share = (unsigned __int128)seen->cold * 1024 / (episodes + COLD_PRIOR);
    return share < 1024 ? (uint32_t)share : 1024;
}

uint8_t prior_default_arm(uint8_t arm, unsigned index, size_t huge_bytes)
{
    bool fills = (uint64_t)1 << (index + BAND_FIRST) >= huge_bytes;
    return fills ? arm : (uint8_t)arm_on_pages((enum arm_id)arm, PAGES_BASE);
}

enum arm_id prior_first_arm(const struct prices *prices, arm_set playable, enum arm_id by_default,
                            size_t least_bytes)
{
    enum arm_id twin = arm_on_pages(by_default, PAGES_HUGE);
    if (least_bytes >= prices->huge_bytes || arms[by_default].backing != BACKING_MMAP ||
        (playable & ARM_BIT(twin)) == 0)
        return by_default;
    uint64_t base_ns = least_bytes / prices->page_bytes * prices->of.base_fault;
    return prices->of.huge_fault * MANY_TIMES < base_ns ? twin : by_default;
}

void prior_set(const struct prices *prices, struct elo_table *elo, enum arm_id arm,
               const struct episode *e, uint32_t cold_q10)
{
    uint64_t predicted_ns[ARM_COUNT];
    int32_t log2_cost_q10[ARM_COUNT];
    cost_predict(prices, arm, e, cold_q10, predicted_ns);
    for (int i = 0; i < ARM_COUNT; i++)
        log2_cost_q10[i] = elo_log2_q10(predicted_ns[i]);
    elo_set_prior(elo, log2_cost_q10, DEVIATION_Q10);
}

void prior_set_entry(const struct prices *prices, struct elo_table *elo, enum arm_id arm,
                     const struct episode *e)
{
    uint32_t on_huge = 0;
    uint64_t entry_ns[ARM_COUNT];
    for (int i = 0; i < ARM_COUNT; i++)
        on_huge |= arms[i].pages == PAGES_HUGE ? ARM_BIT(i) : 0;
    cost_of_entry_ns(prices, arm, e, entry_ns);
    elo_set_entry(elo, on_huge, entry_ns);
}

void prior_derive_entry(const struct prices *prices, struct policy_band *band)
{
    struct episode mean;
    if (cost_mean_episode(prices, &band->seen, &mean))
        prior_set_entry(prices, &band->elo, ARM_MMAP_BASE_TOUCH_KEEP, &mean);
}

void prior_derive(const struct prices *prices, struct policy_band *band, arm_set playable,
                  uint64_t seed)
{
    struct episode mean;
    elo_init(&band->elo, playable, seed);
    prior_derive_entry(prices, band); /* what the audition may ask for depends on it */
    /* Its pages are counted as base pages: whatever was played, that is what was resident. */
    if (cost_mean_episode(prices, &band->seen, &mean))
        prior_set(prices, &band->elo, ARM_MMAP_BASE_TOUCH_KEEP, &mean,
                  prior_cold_share_q10(&band->seen));
}
