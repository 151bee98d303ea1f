/*
 * limits [as|data MIB]: under a limit (set here, or before the start) memory runs out with NULL and ENOMEM,
 * a good part of the limit can be had in large blocks or small ones, what was had is whole, and after all is
 * freed it can be had again.
 *
 * A limit of addresses that is set here comes after the library may have reserved its own: of that, memory
 * may be had beyond the limit, but it must not run out below it.
 */
#include "check.h"

#include <sys/resource.h>

enum { BLOCKS = 500, BLOCK_BYTES = 1 << 20, LEAST_MIB = 96 };

static unsigned char *blocks[BLOCKS];
static int unlimited; /* nothing says that memory must run out */

static int take_all(void)
{
    int n = 0;
    while (n < BLOCKS) {
        errno = 0;
        blocks[n] = malloc(BLOCK_BYTES);
        if (blocks[n] == NULL)
            break;
        fill(blocks[n], BLOCK_BYTES, (uint64_t)n);
        n++;
    }
    CHECK(n < BLOCKS ? errno == ENOMEM : unlimited);
    CHECK(n >= LEAST_MIB);
    return n;
}

static void give_all(int n)
{
    for (int i = 0; i < n; i++) {
        CHECK(holds(blocks[i], BLOCK_BYTES, BLOCK_BYTES, (uint64_t)i));
        free(blocks[i]);
    }
}

/* What is too small for an allocator to treat in a special way must be had as well. */
static void small_blocks(void)
{
    enum { SMALL_BYTES = 1000, SMALL = 20000 };
    void **list = NULL;
    for (int i = 0; i < SMALL; i++) {
        void **p = malloc(SMALL_BYTES);
        CHECK(p != NULL);
        *p = list;
        list = p;
    }
    while (list != NULL) {
        void **next = *list;
        free(list);
        list = next;
    }
}

int main(int argc, char **argv)
{
    check_allocator();
    if (argc == 3) {
        struct rlimit limit = {strtoul(argv[2], NULL, 10) << 20, strtoul(argv[2], NULL, 10) << 20};
        CHECK(setrlimit(strcmp(argv[1], "as") == 0 ? RLIMIT_AS : RLIMIT_DATA, &limit) == 0);
        unlimited = getenv("TEST_EXPECT_HAKMEM") != NULL && strcmp(argv[1], "as") == 0;
    }
    small_blocks();
    for (int round = 0; round < 2; round++)
        give_all(take_all());
    /* One of half the limit, where the small ones were. */
    unsigned char *p = malloc((size_t)LEAST_MIB << 20);
    CHECK(p != NULL);
    fill(p, (size_t)LEAST_MIB << 20, 1);
    p = realloc(p, (size_t)(LEAST_MIB + 8) << 20);
    CHECK(p != NULL && holds(p, (size_t)LEAST_MIB << 20, (size_t)LEAST_MIB << 20, 1));
    free(p);
    puts("limits are met with ENOMEM");
    return 0;
}
