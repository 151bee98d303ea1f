/*
 * A program that is built twice by test_rebuilt.py: with BUILD 2 there is code before and inside its functions that
 * BUILD 1 has not. Each function allocates large blocks, so that each call is a site.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef BUILD
#define BUILD 1
#endif

#define APART __attribute__((noinline))

enum { MIB = 1 << 20, ROUNDS = 40 };
static unsigned sum;

/* Keeps the compiler from leaving out, or moving, what uses the block. */
static void use(char *p, size_t bytes)
{
    memset(p, 1, bytes);
    __asm__ volatile("" : : "r"(p) : "memory");
    sum += (unsigned char)p[bytes / 2];
}

#if BUILD == 2
APART void added(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sum ^= i * 2654435761u >> 30 & sum >> 31;
}
#endif

APART void unchanged(void)
{
    char *p = malloc(MIB);
    if (p == NULL)
        abort();
    use(p, MIB);
    free(p);
}

APART void changed(void)
{
#if BUILD == 2
    added(7);
    for (volatile unsigned i = 0; i < 3; i++)
        added(i);
#endif
    char *first = malloc(2 * MIB);
    if (first == NULL)
        abort();
    use(first, 2 * MIB);
#if BUILD == 2
    added(9);
#endif
    char *second = malloc(3 * MIB);
    if (second == NULL)
        abort();
    use(second, 3 * MIB);
    free(first);
    free(second);
}

#if BUILD == 2
#define renamed arrived
#else
#define renamed gone
#endif

APART void renamed(void)
{
    char *p = malloc(MIB / 2);
    if (p == NULL)
        abort();
    use(p, MIB / 2);
    free(p);
}

int main(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        unchanged();
        changed();
        renamed();
    }
    printf("%u\n", sum);
    return 0;
}
