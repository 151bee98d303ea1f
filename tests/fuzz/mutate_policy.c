/*
 * Feeds fuzz_policy.c without a fuzzer: mutations of policies that the writer made, the same for the same seed.
 *
 * usage: mutate_policy [SEED [COUNT]]   COUNT mutations, 10,000 unless told
 *        mutate_policy FILE...          these texts
 *
 * Half of the mutations are of bytes, as damage is; the others put one value in place of another, as a person
 * would, and so get past the syntax to what the values mean.
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "fuzz_policy.h"
#include "policy_sample.h"

enum { TEXT_CAP = 1 << 20, SAMPLES = 8 };

struct text {
    char bytes[TEXT_CAP];
    size_t used;
};

static struct text sample[SAMPLES], mutant;
static uint64_t random_state, seed = 1;
static unsigned long iteration;

/* Where a sanitizer ends the program, and where an assertion does. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void say_where(void)
{
    fprintf(stderr, "# seed %llu, mutation %lu\n", (unsigned long long)seed, iteration);
}

static void on_abort(int signal_number)
{
    say_where();
    signal(signal_number, SIG_DFL);
}

static size_t below(size_t n)
{
    return n == 0 ? 0 : (size_t)(sample_random(&random_state) % n);
}

/* Replaces bytes[at, at + old) by `with`. */
static void splice(struct text *t, size_t at, size_t old, const char *with, size_t with_bytes)
{
    if (t->used - old + with_bytes > TEXT_CAP)
        return;
    memmove(t->bytes + at + with_bytes, t->bytes + at + old, t->used - at - old);
    memcpy(t->bytes + at, with, with_bytes);
    t->used += with_bytes - old;
}

static void mutate_byte(struct text *t)
{
    static const char likely[] = "{}[]\",:\\0123456789-+.eEu \n\x80\xff";
    size_t at = below(t->used);

    switch (below(5)) {
    case 0:
        t->bytes[at] ^= (char)(1 << below(8));
        break;
    case 1:
        t->bytes[at] = likely[below(sizeof(likely))];
        break;
    case 2:
        splice(t, at, below(t->used - at < 40 ? t->used - at : 40), "", 0);
        break;
    case 3:
        splice(t, at, 0, &likely[below(sizeof(likely))], 1);
        break;
    default: {
        char piece[64];
        size_t from = below(t->used), n = below(t->used - from < 64 ? t->used - from : 64);
        memcpy(piece, t->bytes + from, n);
        splice(t, at, 0, piece, n);
    }
    }
}

/* A value of the text: a number, a string or a word; [*at, *at + the result). 0: there is none from here on. */
static size_t find_value(const struct text *t, size_t *at)
{
    for (size_t i = *at; i + 2 < t->used; i++) {
        if (t->bytes[i] != ':' || t->bytes[i + 1] != ' ')
            continue;
        size_t from = i + 2, to = from;
        while (to < t->used && strchr(",}]\n", t->bytes[to]) == NULL)
            to++;
        *at = from;
        return to - from;
    }
    return 0;
}

static size_t make_number(char text[32])
{
    static const char *const odd[] = {"0",          "-1",
                                      "1e999",      "-0",
                                      "00",         "2147483647",
                                      "4294967295", "268435456",
                                      "4294967296", "18446744073709551615",
                                      "134217728",  "67108864",
                                      "-67108864",  "18446744073709551616",
                                      "null",       "\"\""};

    if (below(2) == 0)
        return (size_t)snprintf(text, 32, "%s", odd[below(ARRAY_SIZE(odd))]);
    uint64_t n = sample_random(&random_state) >> below(64);
    return (size_t)snprintf(text, 32, "%s%llu", below(4) == 0 ? "-" : "", (unsigned long long)n);
}

/* One value becomes another: an odd number, or the value of another place. */
static void mutate_value(struct text *t)
{
    char value[256];
    size_t at = below(t->used), old = find_value(t, &at), n;

    if (old == 0)
        return;
    if (isdigit((unsigned char)t->bytes[at]) || below(4) == 0) {
        n = make_number(value);
    } else {
        size_t from = below(t->used);
        n = find_value(t, &from);
        if (n == 0 || n > sizeof(value))
            return;
        memcpy(value, t->bytes + from, n);
    }
    splice(t, at, old, value, n);
}

/* In memory of just its size, so that AddressSanitizer sees who reads beyond it. */
static void feed(const struct text *t)
{
    uint8_t *copy = malloc(t->used > 0 ? t->used : 1);
    memcpy(copy, t->bytes, t->used);
    LLVMFuzzerTestOneInput(copy, t->used);
    free(copy);
}

static int make_samples(void)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct policy_doc *doc = sample_policy(seed + i, 1 + i % 2);
        size_t bytes;
        const char *text = doc == NULL ? NULL : policy_doc_print(doc, &bytes);
        if (text == NULL || bytes > TEXT_CAP / 2)
            return 1;
        memcpy(sample[i].bytes, text, bytes);
        sample[i].used = bytes;
        feed(&sample[i]);
        policy_doc_free(doc);
    }
    return fuzz_accepted == SAMPLES ? 0 : 1;
}

static int feed_files(char **paths)
{
    for (; *paths != NULL; paths++) {
        FILE *f = fopen(*paths, "rb");
        if (f == NULL)
            return 1;
        mutant.used = fread(mutant.bytes, 1, TEXT_CAP, f);
        fclose(f);
        feed(&mutant);
    }
    return 0;
}

static void mutate(unsigned long number)
{
    /* Each from the seed and its number alone, so that one can be tried again. */
    random_state = (seed + number) * UINT64_C(0x9E3779B97F4A7C15) | 1;
    sample_random(&random_state);
    const struct text *from = &sample[below(SAMPLES)];
    memcpy(mutant.bytes, from->bytes, from->used);
    mutant.used = from->used;
    bool of_bytes = below(2) == 0;
    for (size_t n = 1 + below(4); n > 0 && mutant.used > 0; n--)
        of_bytes ? mutate_byte(&mutant) : mutate_value(&mutant);
    feed(&mutant);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !isdigit((unsigned char)argv[1][0]))
        return feed_files(argv + 1);
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;

    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(say_where);
    signal(SIGABRT, on_abort);
    printf("1..2\n# seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    printf("%s 1 - what the writer wrote is read\n", make_samples() == 0 ? "ok" : "not ok");
    unsigned long before = fuzz_accepted;
    for (iteration = 0; iteration < count; iteration++)
        mutate(iteration);
    unsigned long accepted = fuzz_accepted - before;
    printf("# of %lu mutations %lu are policies still\n", count, accepted);
    /* All refused, or all taken: then the mutations try nothing. */
    printf("%s 2 - mutations are refused with a line or are policies\n",
           accepted > count / 100 && accepted < count / 2 ? "ok" : "not ok");
    return 0;
}
