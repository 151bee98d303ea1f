/*
 * Texts that are no policies: each is refused with one line that says where and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "policy/prior.h"
#include "policy_sample.h"

static char *sample_text; /* a policy that holds every key there is */

static char *memory(size_t bytes)
{
    char *p = malloc(bytes);
    if (p == NULL)
        abort();
    return p;
}

/* The text in memory of just its size, so that AddressSanitizer sees who reads beyond it. */
static struct policy_doc *parse_exactly(const char *text, size_t bytes, struct policy_error *error)
{
    char *copy = memory(bytes > 0 ? bytes : 1);
    memcpy(copy, text, bytes);
    errno = 0;
    struct policy_doc *doc = policy_doc_parse(copy, bytes, error);
    if (doc == NULL)
        assert_int_equal(errno, EBADMSG);
    free(copy);
    return doc;
}

static void assert_refused(const char *text, size_t bytes, const char *why)
{
    struct policy_error error;
    struct policy_doc *doc = parse_exactly(text, bytes, &error);

    if (doc != NULL)
        fail_msg("accepted: %.*s", (int)(bytes < 2000 ? bytes : 2000), text);
    if (strncmp(error.text, "line ", 5) != 0 || strstr(error.text, why) == NULL)
        fail_msg("expected \"%s\" in: %s\n%.200s", why, error.text, text);
    for (const char *s = error.text; *s != '\0'; s++)
        assert_true(*s >= 0x20 && *s < 0x7f);
}

static const struct {
    const char *text, *why;
} refusals[] = {
    {"", "line 1: expected an object"},
    {"\xef\xbb\xbf{}", "expected an object"},
    {"null", "expected an object"},
    {"[]", "expected an object"},
    {"{", "line 1: expected a key in double quotes"},
    {"{}", "expected a key \"hakmem_policy\""},
    {"{,}", "expected a key in double quotes"},
    {"{\"goal\":\"speed\",}", "expected a key in double quotes"},
    {"{\"goal\" \"speed\"}", "expected a colon"},
    {"{\"goal\":\"speed\" \"goal\"}", "expected a comma or }"},
    {"{goal:1}", "expected a key in double quotes"},
    {"{\"goal\":", "line 1: goal: the text ends"},
    {"{\"goal\":\"spe", "line 1: goal: the text ends inside a string"},
    {"{\"goal\":\"spe\\", "the text ends inside a string"},
    {"{\"goal\":\"spe\\x\"}", "after a backslash"},
    {"{\"goal\":\"\\u12g4\"}", "four hexadecimal digits"},
    {"{\"goal\":\"\\ud800\"}", "second half of a surrogate pair"},
    {"{\"goal\":\"\\ud800\\u0041\"}", "second half of a surrogate pair"},
    {"{\"goal\":\"\\udc00\"}", "first half of a surrogate pair"},
    {"{\"goal\":\"a\tb\"}", "a control character"},
    {"{\"goal\":\"a\x80\"}", "not UTF-8"},
    {"{\"goal\":\"\xc0\xaf\"}", "not UTF-8"},
    {"{\"goal\":\"\xe0\x80\xaf\"}", "not UTF-8"},
    {"{\"goal\":\"\xed\xa0\x80\"}", "not UTF-8"},
    {"{\"goal\":\"\xf4\x90\x80\x80\"}", "not UTF-8"},
    {"{\"goal\":\"\xf0\x8f\xbf\xbf\"}", "not UTF-8"},
    {"{\"goal\":nul}", "expected a value"},
    {"{\"goal\":NaN}", "expected a value"},
    {"{\"goal\":Infinity}", "expected a value"},
    {"{\"goal\":+1}", "expected a value"},
    {"{\"goal\":'speed'}", "expected a value"},
    {"{\"goal\":.5}", "expected a value"},
    {"{\"goal\":1.}", "expected a digit"},
    {"{\"goal\":1e}", "expected a digit"},
    {"{\"goal\":-}", "expected a digit"},
    {"{\"hakmem_policy\":1x10}", "expected a comma or }"},
    {"{\"hakmem_policy\":01}", "a number with a leading zero"},
    {"{\"hakmem_policy\":-01}", "a number with a leading zero"},
    {"{\"hakmem_policy\":1e999}", "expected the format's version, 1, got 1e999"},
    {"{\"hakmem_policy\":1.0}", "expected the format's version, 1, got 1.0"},
    {"{\"hakmem_policy\":-0}", "expected the format's version, 1, got -0"},
    {"{\"hakmem_policy\":99999999999999999999}", "got 99999999999999999999"},
    {"{\"hakmem_policy\":18446744073709551617}", "got 18446744073709551617"},
    {"{\"hakmem_policy\":\"1\"}", "expected the format's version, 1, got \"1\""},
    {"{\"hakmem_policy\":2}", "expected the format's version, 1, got 2"},
    {"{\"hakmem_policy\":1}{}", "expected the end of the text"},
    {"{\"hakmem_policy\":1}\n// a comment", "line 2: expected the end of the text"},
    {"{\"hakmem_policy\":1,\n\"gaol\":\"speed\"}", "line 2: gaol: unknown key"},
    {"{\"hakmem_policy\":1,\"hakmem_policy\":1}", "hakmem_policy: this key is given twice"},
    {"{\"hakmem_policy\":1,\"hakmem\\u005fpolicy\":1}", "unknown key"},
    {"{\"hakmem_policy\":1,\"goal\":\"fast\"}",
     "goal: expected speed, balanced or memory, got \"fast\""},
    {"{\"hakmem_policy\":1,\"sites\":{}}", "sites: expected an array"},
    {"{\"hakmem_policy\":1,\"sites\":[,]}", "sites[0]: expected a value"},
    {"{\"hakmem_policy\":1,\"sites\":[1,]}", "sites[0]: expected an object, got 1"},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\"},\n]}",
     "line 2: sites[1]: expected a value"},
    {"{\"hakmem_policy\":1,\"sites\":[{}]}", "sites[0]: expected a key \"id\""},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000000\"}]}",
     "sites[0].id: expected \"0x\""},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x000000000000000A\"}]}",
     "sites[0].id: expected \"0x\""},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x001\"}]}", "sites[0].id: expected \"0x\""},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\",\"build_id\":\"abc\"}]}",
     "sites[0].build_id: expected an even number"},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\",\"module\":\"\\u0000\"}]}",
     "sites[0].module: expected printable text"},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\",\"module\":\"\\n\"}]}",
     "sites[0].module: expected printable text"},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\",\"module\":\"\\u009b\"}]}",
     "sites[0].module: expected printable text"},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\"},\n{\"id\":"
     "\"0x0000000000000001\"}]}",
     "line 2: sites[1]: the site of this id is given twice"},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000002\"},\n{\"id\":"
     "\"0x0000000000000001\"},\n"
     "{\"id\":\"0x0000000000000002\"}]}",
     "line 3: sites[2]: the site of this id is given twice"},
    {"{\"hakmem_policy\":1,\"defaults\":[{\"band\":20,\"arm\":\"mmap/base/touch/keep\"},"
     "{\"band\":20,\"arm\":\"mmap/base/touch/keep\"}]}",
     "defaults[1]: this band is given twice"},
    {"{\"hakmem_policy\":1,\"machine\":{\"page_bytes\":4095,\"huge_bytes\":0}}",
     "page_bytes: expected a power"},
    {"{\"hakmem_policy\":1,\"machine\":{\"huge_bytes\":2097152,\"page_bytes\":4194304}}",
     "machine: expected huge_bytes to be 0 or no less than page_bytes"},
    {"{\"hakmem_policy\":1,\"away\":[]}", "away: expected an object"},
    {"{\"hakmem_policy\":1,\"away\":{\"huge_faults\":7}}", "huge_faults: expected an array"},
    {"{\"hakmem_policy\":1,\"away\":{\"huge_faults\":[-1]}}",
     "huge_faults[0]: expected a whole number from 0"},
    {"{\"hakmem_policy\":1,\"away\":{\"huge_faults\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]"
     "}}",
     "huge_faults[17]: there are more numbers than sizes of gaps"},
    {"{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\",\"bands\":[{\"band\":20,"
     "\"keep_ms\":16385}]}]}",
     "keep_ms: expected a whole number from 0 to 16384"},
    {"{\"hakmem_policy\":1,\"calibration\":{}}", "calibration: expected a key \"base_fault_ns\""},
};

static void each_is_refused_with_a_reason(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++)
        assert_refused(refusals[i].text, strlen(refusals[i].text), refusals[i].why);
}

/* The same for bands: `text` stands in the one band of a site. */
static void assert_band_refused(const char *band, const char *why)
{
    char text[2000];
    int n = snprintf(
        text, sizeof(text),
        "{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\",\"bands\":[%s]}]}", band);
    assert_refused(text, (size_t)n, why);
}

static void bands_are_refused_with_a_reason(void **state)
{
    (void)state;
    assert_band_refused("{}", "bands[0]: expected a key \"band\"");
    assert_band_refused("{\"band\":15}",
                        "bands[0].band: expected a whole number from 16 to 40, got 15");
    assert_band_refused("{\"band\":272}", "expected a whole number from 16 to 40");
    assert_band_refused("{\"band\":16},{\"band\":16}", "bands[1]: this band is given twice");
    assert_band_refused("{\"band\":16,\"champion\":\"mmap/huge/touch\"}", "expected an arm's name");
    assert_band_refused("{\"band\":16,\"state\":\"decided\"}", "expected a key \"elo\"");
    assert_band_refused("{\"band\":16,\"arms\":[{\"arm\":\"mmap/base/touch/keep\"},"
                        "{\"arm\":\"mmap/base/touch/keep\"}]}",
                        "arms[1]: this arm is given twice");
    assert_band_refused("{\"band\":16,\"arms\":[{\"arm\":\"mmap/base/touch/keep\",\"plays\":1}]}",
                        "arms[0]: \"plays\" is not what \"raw\" says");
    assert_band_refused(
        "{\"band\":16,\"arms\":[{\"arm\":\"mmap/base/touch/keep\",\"played_as\":"
        "\"mmap/huge/touch/keep\"},{\"arm\":\"mmap/huge/touch/keep\",\"played_as\":null}]}",
        "bands[0]: an arm is played as one that is not played itself");
}

/* Text of just the most bytes there may be, and of one more. */
static void texts_have_a_length(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        unsigned most;
    } texts[] = {{"module", 63}, {"symbol", 95}, {"build_id", 40}};
    char text[400];
    struct policy_error error;

    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
        for (unsigned more = 0; more <= 2; more++) {
            int n = snprintf(
                text, sizeof(text),
                "{\"hakmem_policy\":1,\"sites\":[{\"id\":\"0x0000000000000001\",\"%s\":\"%0*u\"}]}",
                texts[i].key, (int)(texts[i].most + more), 7);
            if (more > 0) {
                assert_refused(text, (size_t)n, texts[i].key);
                continue;
            }
            struct policy_doc *doc = parse_exactly(text, (size_t)n, &error);
            assert_non_null(doc);
            assert_int_equal(strlen(doc->site[0]->module) + strlen(doc->site[0]->symbol) +
                                 strlen(doc->site[0]->build_id),
                             texts[i].most);
            policy_doc_free(doc);
        }
    }
}

static void truncated_anywhere_is_refused(void **state)
{
    (void)state;
    size_t bytes = strlen(sample_text);
    while (isspace((unsigned char)sample_text[bytes - 1]))
        bytes--;
    for (size_t n = 0; n < bytes; n++)
        assert_refused(sample_text, n, "");
}

/* Where the value ends that begins at `s`. */
static const char *value_end(const char *s)
{
    int depth = 0;
    bool in_string = false;

    for (; *s != '\0'; s++) {
        if (in_string) {
            s += *s == '\\';
            in_string = *s != '"';
        } else if (*s == '"') {
            in_string = true;
        } else if (*s == '{' || *s == '[') {
            depth++;
        } else if ((*s == '}' || *s == ']' || *s == ',' || *s == '\n') && depth == 0) {
            return s;
        } else if (*s == '}' || *s == ']') {
            depth--;
        }
    }
    return s;
}

/* Where the value of the first `"key": ` begins, in what the learner keeps if it is one of its own; fails when
 * the sample has none. */
static bool in_learner; /* value_of() looks only at what the learner keeps */

static const char *value_of(const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
    const char *learner = strstr(sample_text, "\"elo\": {"), *found = strstr(sample_text, quoted);
    if (in_learner)
        found = strstr(learner, quoted);
    if (found == NULL)
        fail_msg("the sample has no key %s", key);
    return found + strlen(quoted);
}

/* The sample with the value of `key` replaced. */
static char *with_value(const char *key, const char *value)
{
    const char *from = value_of(key), *to = value_end(from);
    char *text = memory(strlen(sample_text) + strlen(value) + 1);
    sprintf(text, "%.*s%s%s", (int)(from - sample_text), sample_text, value, to);
    return text;
}

enum { O = 1, A = 2, S = 4, T = 8, N = 16, NEG = 32, F = 64, BIG = 128 };
static const struct {
    int bit;
    const char *value;
} wrong_values[] = {
    {O, "{}"},   {A, "[]"},  {S, "\"x\""}, {T, "true"}, {N, "null"},
    {NEG, "-1"}, {F, "1.5"}, {F, "1e999"}, {F, "-0"},   {BIG, "99999999999999999999999999"},
};

/* Every key of the format, and the wrong-looking values that are right for it. */
static const struct {
    const char *key;
    int right;
} keys[] = {{"hakmem_policy", 0},
            {"machine", 0},
            {"cpu", S},
            {"kernel", S},
            {"thp", 0},
            {"page_bytes", 0},
            {"huge_bytes", 0},
            {"calibration", 0},
            {"goal", 0},
            {"defaults", A},
            {"band", 0},
            {"size", S},
            {"arm", 0},
            {"sites", A},
            {"id", 0},
            {"module", S},
            {"build_id", 0},
            {"offset", 0},
            {"symbol", S},
            {"bands", A},
            {"champion", N},
            {"state", 0},
            {"seen", 0},
            {"elo", 0},
            {"arms", 0},
            {"rating", NEG},
            {"deviation", 0},
            {"plays", 0},
            {"cost_ns", 0},
            {"played_as", N},
            {"raw", 0},
            {"cost_sum_ns", 0},
#define X(name, least, help) {#name "_ns", 0},
            CALIBRATION_FIELDS(X)
#undef X
#define X(name, help) {#name, 0},
                POLICY_SEEN_FIELDS(X)
#undef X
};

static void try_values(const char *key, int right)
{
    for (unsigned i = 0; i < ARRAY_SIZE(wrong_values); i++) {
        struct policy_error error;
        char *text = with_value(key, wrong_values[i].value);
        struct policy_doc *doc = parse_exactly(text, strlen(text), &error);
        if ((doc != NULL) != ((right & wrong_values[i].bit) != 0))
            fail_msg("%s: %s: %s", key, wrong_values[i].value,
                     doc != NULL ? "accepted" : error.text);
        policy_doc_free(doc);
        free(text);
    }
}

static void every_key_refuses_wrong_types(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        try_values(keys[i].key, keys[i].right);
}

static void ratings_refuse_wrong_types_and_ranges(void **state)
{
    (void)state;
    static const char *const fields[] = {
#define X(type, name, low, high) #name,
        ELO_TABLE_FIELDS(X) ELO_ARM_FIELDS(X)
#undef X
    };
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        static const char *const wrong[] = {"{}",
                                            "[]",
                                            "\"1\"",
                                            "null",
                                            "true",
                                            "1.0",
                                            "1e2",
                                            "-9223372036854775808",
                                            "18446744073709551615",
                                            "99999999999999999999"};
        if (strcmp(fields[i], "state") == 0 || strcmp(fields[i], "plays") == 0)
            continue;
        for (unsigned k = 0; k < ARRAY_SIZE(wrong); k++) {
            in_learner = true;
            char *text = with_value(fields[i], wrong[k]);
            in_learner = false;
            assert_refused(text, strlen(text), fields[i]);
            free(text);
        }
    }
}

static void every_key_refuses_a_second(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *value = value_of(keys[i].key), *end = value_end(value);
        const char *start = value - strlen(keys[i].key) - 4;
        char *text = memory(2 * strlen(sample_text));
        sprintf(text, "%.*s,%.*s%s", (int)(end - sample_text), sample_text, (int)(end - start),
                start, end);
        assert_refused(text, strlen(text), "this key is given twice");
        free(text);
    }
}

/* A typing mistake in any key, at any level. */
static void every_key_refuses_a_typing_mistake(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        char *text = memory(strlen(sample_text) + 1);
        strcpy(text, sample_text);
        text[value_of(keys[i].key) - sample_text - 4] = '~';
        assert_refused(text, strlen(text), "~: unknown key");
        free(text);
    }
}

static int make_sample(void **state)
{
    (void)state;
    /* A band that was played, with arms that are pooled. */
    struct policy_doc *doc = sample_policy(4, 1);
    size_t bytes;
    const char *text = policy_doc_print(doc, &bytes);
    sample_text = strdup(text);
    policy_doc_free(doc);
    return sample_text == NULL;
}

static int free_sample(void **state)
{
    (void)state;
    free(sample_text);
    return 0;
}

/* Counts may be any: what is worked out from them stays a share. */
static void counts_at_the_top_make_no_overflow(void **state)
{
    (void)state;
    struct policy_seen seen = {.episodes = UINT64_MAX - 30, .cold = UINT64_MAX};
    assert_int_equal(prior_cold_share_q10(&seen), 1023);
    seen.episodes = 0;
    assert_int_equal(prior_cold_share_q10(&seen), 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_refused_with_a_reason),
        cmocka_unit_test(bands_are_refused_with_a_reason),
        cmocka_unit_test(texts_have_a_length),
        cmocka_unit_test(truncated_anywhere_is_refused),
        cmocka_unit_test(every_key_refuses_wrong_types),
        cmocka_unit_test(ratings_refuse_wrong_types_and_ranges),
        cmocka_unit_test(every_key_refuses_a_second),
        cmocka_unit_test(every_key_refuses_a_typing_mistake),
        cmocka_unit_test(counts_at_the_top_make_no_overflow),
    };
    return cmocka_run_group_tests(tests, make_sample, free_sample);
}
