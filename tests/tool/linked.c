/* Linked with libhakmem.a; it has names of its own that hakmem has inside, too. Says whether its malloc is hakmem's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hakmem/hakmem.h"

int config = 1, arena = 2, arms = 3, os = 4, calibrate = 5;

int main(void)
{
    char *p = malloc(3000000);
    if (p == NULL)
        return 1;
    memset(p, 1, 3000000);
    uint64_t blocks = 0;
    hak_stat("mmap_allocs", &blocks);
    printf("%d %s\n", config + arena + arms + os + calibrate, blocks > 0 ? "hakmem" : "another");
    free(p);
    return 0;
}
