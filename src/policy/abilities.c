#include "policy/abilities.h"

#include "stats/stats.h"

static bool advice_works(void *page, size_t bytes, enum os_advice advice)
{
    stat_add(STAT_os_madvise, 1);
    return os->advise(page, bytes, advice) == 0;
}

void abilities_find(const struct os_machine *machine, bool have_arena, struct arm_abilities *can)
{
    size_t bytes = machine->page_bytes;
    void *page = os->map(bytes);
    *can = (struct arm_abilities){.heap_pages = have_arena, .mmap = have_arena};
    stat_add(STAT_os_mmap, 1);
    if (page == NULL)
        return;
    can->prefault = advice_works(page, bytes, OS_POPULATE);
    can->lazy = advice_works(page, bytes, OS_GIVE_LAZILY);
    os->release(page, bytes);
    stat_add(STAT_os_munmap, 1);
}
