#include "stats/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"

enum { STATS_FORMAT_VERSION = 1 };

_Atomic uint64_t stat_values[STAT_COUNT];

static const char *const names[STAT_COUNT] = {
#define X(name, unit, kind, help) #name,
    HAK_STATS_TABLE(X)
#undef X
};

void stats_start(void)
{
    struct os_faults faults;
    os->faults(&faults);
    stat_set(STAT_minor_faults_start, faults.minor);
    stat_set(STAT_major_faults_start, faults.major);
}

void stats_read_usage(void)
{
    struct os_faults faults;
    os->faults(&faults);
    stat_set(STAT_minor_faults, faults.minor);
    stat_set(STAT_major_faults, faults.major);
    stat_set(STAT_resident_bytes, os->resident_bytes());
}

int stats_by_name(const char *name)
{
    for (int i = 0; i < STAT_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

/* snprintf at the end of a text that may be full already; the length the whole would have. */
#define APPEND(...)                                                                                \
    used +=                                                                                        \
        (size_t)snprintf(used < cap ? buf + used : NULL, used < cap ? cap - used : 0, __VA_ARGS__)

size_t stats_print(char *buf, size_t cap)
{
    size_t used = 0;
    APPEND("{\"hakmem_stats\": %d, \"version\": \"%s\", \"pid\": %d", STATS_FORMAT_VERSION,
           HAK_VERSION, os->pid());
    for (int i = 0; i < STAT_COUNT; i++)
        APPEND(",\n \"%s\": %" PRIu64, names[i], stat_get((enum stat_id)i));
    APPEND("}\n");
    return used;
}
