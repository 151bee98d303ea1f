#include "alloc/living.h"

#include "alloc/episode.h"
#include "alloc/heap.h"
#include "alloc/store.h"

void living_settle(uint64_t born_before_ns)
{
    struct label label;
    const void *p;
    for (uint32_t i = 1, last = store_last_span(); i <= last; i++)
        if ((p = store_claim_living(i, born_before_ns, &label)) != NULL)
            episode_living(&label, p);
    for (uint32_t i = 1, last = heap_last_label(); i <= last; i++)
        if ((p = heap_claim_living(i, born_before_ns, &label)) != NULL)
            episode_living(&label, p);
}

void living_settle_all(void)
{
    struct label label;
    living_settle(UINT64_MAX);
    for (uint32_t i = 1, last = store_last_span(); i <= last; i++)
        if (store_claim_retained(i, &label))
            episode_retained(&label);
    for (uint32_t i = 1, last = heap_last_label(); i <= last; i++)
        if (heap_claim_waiting(i, &label))
            episode_retained(&label);
}
