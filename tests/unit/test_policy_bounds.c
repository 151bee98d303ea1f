/*
 * What reading a policy may cost, whatever the text is: time in proportion to its length, and bounded memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy_sample.h"

/* Sanitizers slow the scanner down tenfold and more: then less text does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LARGE_BYTES = 4 << 20 };
#else
enum { LARGE_BYTES = POLICY_FILE_MAX_BYTES };
#endif

/* --- large texts: counted memory --- */

static size_t mapped_bytes, most_bytes;

static void *counting_map(size_t bytes)
{
    mapped_bytes += bytes;
    if (mapped_bytes > most_bytes)
        most_bytes = mapped_bytes;
    return os_linux.map(bytes);
}

static void counting_release(void *p, size_t bytes)
{
    mapped_bytes -= bytes;
    os_linux.release(p, bytes);
}

/* LARGE_BYTES of `unit` again and again, after `head`: refused with `most` bytes at once. */
static void assert_large_refused(const char *head, const char *unit, size_t most, const char *why)
{
    size_t bytes = LARGE_BYTES, used = strlen(head), n = strlen(unit);
    char *text = malloc(bytes);
    struct policy_error error;
    struct os counting = os_linux;

    assert_non_null(text);
    memcpy(text, head, used);
    for (; used < bytes; used += n)
        memcpy(text + used, unit, n < bytes - used ? n : bytes - used);
    counting.map = counting_map;
    counting.release = counting_release;
    mapped_bytes = most_bytes = 0;
    os = &counting;
    struct policy_doc *doc = policy_doc_parse(text, bytes, &error);
    os = &os_linux;
    free(text);
    assert_null(doc);
    assert_int_equal(mapped_bytes, 0);
    if (strstr(error.text, why) == NULL || most_bytes > most)
        fail_msg("%.20s: %zu bytes, %s", unit, most_bytes, error.text);
}

static void large_texts_cost_little(void **state)
{
    (void)state;
    enum { LITTLE = 4 << 20 };
    static const char sites[] = "{\"hakmem_policy\":1,\"sites\":[";

    assert_large_refused("", "[", LITTLE, "expected an object");
    assert_large_refused("", "{", LITTLE, "expected a key");
    assert_large_refused("", " ", LITTLE, "expected an object");
    assert_large_refused("", "{\"sites\":", LITTLE, "sites: expected an array");
    assert_large_refused(sites, "[", LITTLE, "nested deeper");
    assert_large_refused(sites, "{\"bands\":[", LITTLE, "nested deeper");
    assert_large_refused(sites, "{},", LITTLE, "expected a key \"id\"");
    assert_large_refused("{\"hakmem_policy\":", "1", LITTLE, "the format's version, 1, got 1111");
    assert_large_refused("{\"goal\":\"", "\\u0041", LITTLE, "the text ends inside a string");
    assert_large_refused("{\"hakmem_policy\":1,\"sites\":[[", "0,", LITTLE, "expected a");
    assert_large_refused("{\"hakmem_policy\":1,\"machine\":{", "\"a\":1,", LITTLE, "machine");
}

static void assert_refused(const char *text, const char *why)
{
    struct policy_error error;
    assert_null(policy_doc_parse(text, strlen(text), &error));
    if (strstr(error.text, why) == NULL)
        fail_msg("expected \"%s\" in: %s", why, error.text);
}

/* Many small sites, many small bands: each takes more memory than text, so that their number is bounded. */
static void numbers_of_sites_and_bands_are_bounded(void **state)
{
    (void)state;
    enum { TEXT_BYTES = 32 << 20 };
    char *text = malloc(TEXT_BYTES);
    assert_non_null(text);
    size_t used = (size_t)sprintf(text, "{\"hakmem_policy\":1,\"sites\":[");

    for (unsigned i = 0; i <= POLICY_SITES_MAX; i++)
        used += (size_t)sprintf(text + used, "%s{\"id\":\"0x%016x\"}", i ? "," : "", i + 1);
    sprintf(text + used, "]}");
    assert_refused(text, "sites[65536]: more sites or bands than a policy may have");

    used = (size_t)sprintf(text, "{\"hakmem_policy\":1,\"sites\":[");
    for (unsigned i = 0; i <= POLICY_BANDS_MAX / BAND_COUNT; i++) {
        used +=
            (size_t)sprintf(text + used, "%s{\"id\":\"0x%016x\",\"bands\":[", i ? "," : "", i + 1);
        for (unsigned band = BAND_FIRST; band <= BAND_LAST; band++)
            used +=
                (size_t)sprintf(text + used, "%s{\"band\":%u}", band > BAND_FIRST ? "," : "", band);
        used += (size_t)sprintf(text + used, "]}");
    }
    sprintf(text + used, "]}");
    assert_refused(text, "more sites or bands than a policy may have");
    free(text);
}

/* --- no memory --- */

static unsigned maps_left;

static void *failing_map(size_t bytes)
{
    if (maps_left == 0) {
        errno = ENOMEM;
        return NULL;
    }
    maps_left--;
    return counting_map(bytes);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    struct os failing = os_linux;
    struct policy_error error;
    struct policy_doc *large = sample_policy(5, 300), *doc = NULL;
    size_t bytes;
    const char *text = policy_doc_print(large, &bytes);

    failing.map = failing_map;
    failing.release = counting_release;
    for (unsigned n = 0; doc == NULL; n++) {
        os = &failing;
        maps_left = n;
        mapped_bytes = 0;
        errno = 0;
        doc = policy_doc_parse(text, bytes, &error);
        int failure = errno;
        if (doc == NULL && mapped_bytes == 0 && failure == ENOMEM &&
            strstr(error.text, "no memory") != NULL)
            continue;
        policy_doc_free(doc);
        os = &os_linux;
        if (doc == NULL)
            fail_msg("after %u mappings: errno %d, %zu bytes left, %s", n, failure, mapped_bytes,
                     error.text);
        assert_true(n > 3);
    }
    policy_doc_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_texts_cost_little),
        cmocka_unit_test(numbers_of_sites_and_bands_are_bounded),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
