#include "policy/arms.h"

#include <string.h>

const struct arm arms[ARM_COUNT] = {
#define X(B, b, P, p, F, f, R, r)                                                                  \
    {#b "/" #p "/" #f "/" #r, BACKING_##B, PAGES_##P, FILL_##F, RETAIN_##R},
    ARM_TABLE(X)
#undef X
};

enum arm_id arm_by_name(const char *name)
{
    for (int i = 0; i < ARM_COUNT; i++)
        if (strcmp(arms[i].name, name) == 0)
            return (enum arm_id)i;
    return ARM_NONE;
}

enum arm_id arm_on_pages(enum arm_id arm, enum arm_pages pages)
{
    for (int i = 0; i < ARM_COUNT; i++)
        if (arms[i].backing == arms[arm].backing && arms[i].fill == arms[arm].fill &&
            arms[i].retain == arms[arm].retain && arms[i].pages == pages)
            return (enum arm_id)i;
    return arm;
}

static enum arm_id arm_of(struct arm want)
{
    for (int i = 0; i < ARM_COUNT; i++) {
        const struct arm *a = &arms[i];
        if (a->backing == want.backing && a->pages == want.pages && a->fill == want.fill &&
            a->retain == want.retain)
            return (enum arm_id)i;
    }
    return ARM_NONE;
}

/* The arm that arm `i` amounts to on this machine, or ARM_NONE where its backing is not to be had. */
static enum arm_id amounts_to(enum arm_id i, const struct arm_abilities *can)
{
    struct arm want = arms[i];

    if (want.backing == BACKING_MMAP && !can->mmap)
        return ARM_NONE;
    if (want.backing == BACKING_HEAP && !can->heap)
        return ARM_NONE;
    if (want.backing == BACKING_HEAP && !can->heap_pages)
        return ARM_HEAP_BASE_TOUCH_KEEP;
    if (want.backing == BACKING_HEAP ? !can->heap_huge_pages : !can->huge_pages)
        want.pages = PAGES_BASE;
    if (want.backing == BACKING_HEAP || !can->prefault)
        want.fill = FILL_TOUCH;
    if (!can->lazy && want.retain == RETAIN_LAZY)
        want.retain = RETAIN_DROP;
    return arm_of(want);
}

arm_set arm_pool(const struct arm_abilities *can, uint8_t played_as[ARM_COUNT])
{
    arm_set own = 0;

    for (int i = 0; i < ARM_COUNT; i++) {
        played_as[i] = (uint8_t)amounts_to((enum arm_id)i, can);
        if (played_as[i] == i)
            own |= ARM_BIT(i);
    }
    return own;
}
