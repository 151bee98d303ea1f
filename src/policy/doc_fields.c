#include "policy/doc_fields.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"

bool read_no_memory(struct reader *r, int node)
{
    if (errno == ENOSPC)
        return json_refuse(&r->json, node, "more sites or bands than a policy may have");
    r->out_of_memory = true;
    return json_refuse(&r->json, node, "no memory for it");
}

/* What an object must have and has not: `seen` has a bit for each row that was there. */
static bool check_required(struct reader *r, int node, const struct row *rows, unsigned n,
                           uint32_t seen)
{
    char what[JSON_KEY_BYTES + 40];

    for (unsigned i = 0; i < n; i++) {
        if (!rows[i].required || (seen >> i & 1) != 0)
            continue;
        snprintf(what, sizeof(what), "expected a key \"%s\" in it", rows[i].key);
        return json_refuse(&r->json, node, what);
    }
    return true;
}

static int find_row(const struct row *rows, unsigned n, const char *key)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(rows[i].key, key) == 0)
            return (int)i;
    return -1;
}

/* An object by its rows; `target` is what their offsets count from. */
bool read_object(struct reader *r, int node, const struct row *rows, unsigned n, void *target)
{
    struct json *j = &r->json;
    uint32_t seen = 0;

    if (json_kind(j, node) != JSON_OBJECT)
        return json_expected(j, node, "an object");
    for (int key = json_first(j, node); key >= 0; key = json_sibling(j, key)) {
        char name[JSON_KEY_BYTES];
        int i = json_text(j, key, name, sizeof(name)) ? find_row(rows, n, name) : -1;
        if (i < 0)
            return json_refuse(j, key, "unknown key");
        if ((seen >> i & 1) != 0)
            return json_refuse(j, key, "this key is given twice");
        seen |= 1u << i;
        if (!rows[i].read(r, json_value(key), &rows[i], (char *)target + rows[i].offset))
            return false;
    }
    return check_required(r, node, rows, n, seen);
}

static void store(void *target, size_t bytes, uint64_t value)
{
    uint8_t value8 = (uint8_t)value;
    uint32_t value32 = (uint32_t)value;

    if (bytes == sizeof(value8))
        memcpy(target, &value8, sizeof(value8));
    else if (bytes == sizeof(value32))
        memcpy(target, &value32, sizeof(value32));
    else if (bytes == sizeof(value))
        memcpy(target, &value, sizeof(value));
}

bool read_integer(struct reader *r, int node, const struct row *row, void *target)
{
    char what[80];
    bool negative = false;
    uint64_t magnitude = 0;

    bool fits = json_integer(&r->json, node, &negative, &magnitude);
    if (fits && negative)
        fits = magnitude <= (uint64_t)INT64_MAX && -(int64_t)magnitude >= row->low;
    else if (fits)
        fits = magnitude <= row->high && (row->low <= 0 || magnitude >= (uint64_t)row->low);
    if (!fits) {
        snprintf(what, sizeof(what), "a whole number from %lld to %llu", (long long)row->low,
                 (unsigned long long)row->high);
        return json_expected(&r->json, node, what);
    }
    store(target, row->bytes, negative ? 0 - magnitude : magnitude);
    return true;
}

bool read_call(struct reader *r, int node, const struct row *row, void *target)
{
    static const struct row number = {.bytes = sizeof(int32_t), .high = INT32_MAX};
    (void)row;
    return read_integer(r, node, &number, target);
}

/* A row without bytes is there for people: of the right type, and nothing more is made of it. */
bool read_text(struct reader *r, int node, const struct row *row, void *target)
{
    char unused[POLICY_SIZE_BYTES], what[64];
    size_t cap = row->bytes > 0 ? row->bytes : sizeof(unused);

    if (json_kind(&r->json, node) == JSON_STRING &&
        json_text(&r->json, node, row->bytes > 0 ? target : unused, cap))
        return true;
    snprintf(what, sizeof(what), "printable text of at most %zu bytes", cap - 1);
    return json_expected(&r->json, node, what);
}

/* The text of a node that is one of a few words; "" when it is not a string or longer. */
static void word_of(struct reader *r, int node, char *word, size_t cap)
{
    if (json_kind(&r->json, node) != JSON_STRING || !json_text(&r->json, node, word, cap))
        word[0] = '\0';
}

static int index_of(const char *word, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], word) == 0)
            return i;
    return -1;
}

bool read_arm(struct reader *r, int node, const struct row *row, void *target)
{
    char word[JSON_KEY_BYTES];

    word_of(r, node, word, sizeof(word));
    uint8_t arm = (uint8_t)arm_by_name(word);
    if (arm == ARM_NONE)
        return json_expected(&r->json, node, "an arm's name");
    store(target, row->bytes, arm);
    return true;
}

bool read_arm_or_null(struct reader *r, int node, const struct row *row, void *target)
{
    if (json_is_null(&r->json, node)) {
        store(target, row->bytes, ARM_NONE);
        return true;
    }
    return read_arm(r, node, row, target);
}

bool read_goal(struct reader *r, int node, const struct row *row, void *target)
{
    char word[JSON_KEY_BYTES];
    (void)row;

    word_of(r, node, word, sizeof(word));
    int goal = index_of(word, policy_goal_names, GOAL_COUNT);
    if (goal < 0)
        return json_expected(&r->json, node, "speed, balanced or memory");
    *(enum policy_goal *)target = (enum policy_goal)goal;
    return true;
}

bool read_state(struct reader *r, int node, const struct row *row, void *target)
{
    char word[JSON_KEY_BYTES];

    word_of(r, node, word, sizeof(word));
    int state = index_of(word, elo_state_names, ELO_STATE_COUNT);
    if (state < 0)
        return json_expected(&r->json, node, "a learner's state (docs/policy-format.md)");
    store(target, row->bytes, (uint64_t)state);
    return true;
}

/* "0x", then `digits` lower-case hexadecimal digits, or where that is 0, 1 to 16. */
static bool hex_number(const char *text, size_t digits, uint64_t *value)
{
    size_t n = strlen(text);

    if (n < 3 || n > 18 || memcmp(text, "0x", 2) != 0 || (digits != 0 && n != digits + 2))
        return false;
    *value = 0;
    for (const char *s = text + 2; *s != '\0'; s++) {
        bool is_decimal = *s >= '0' && *s <= '9';
        if (!is_decimal && !(*s >= 'a' && *s <= 'f'))
            return false;
        *value = *value << 4 | (uint64_t)(is_decimal ? *s - '0' : *s - 'a' + 10);
    }
    return true;
}

bool read_site_id(struct reader *r, int node, const struct row *row, void *target)
{
    char text[JSON_KEY_BYTES];
    uint64_t id;

    word_of(r, node, text, sizeof(text));
    if (!hex_number(text, 16, &id) || id == 0)
        return json_expected(&r->json, node,
                             "\"0x\" and 16 lower-case hexadecimal digits, not all 0");
    store(target, row->bytes, id);
    return true;
}

bool read_offset(struct reader *r, int node, const struct row *row, void *target)
{
    char text[JSON_KEY_BYTES];
    uint64_t offset;

    word_of(r, node, text, sizeof(text));
    if (!hex_number(text, 0, &offset))
        return json_expected(&r->json, node, "\"0x\" and lower-case hexadecimal digits");
    store(target, row->bytes, offset);
    return true;
}

bool read_build_id(struct reader *r, int node, const struct row *row, void *target)
{
    char text[sizeof(((struct policy_site *)0)->build_id)];

    word_of(r, node, text, sizeof(text));
    size_t n = strlen(text);
    if (n == 0 || n % 2 != 0 || strspn(text, "0123456789abcdef") != n)
        return json_expected(&r->json, node,
                             "an even number of lower-case hexadecimal digits, at most 40");
    memcpy(target, text, n + 1);
    return true;
}

bool read_thp(struct reader *r, int node, const struct row *row, void *target)
{
    static const char *const words[] = {"always", "madvise", "never", "none", "unknown"};
    char word[sizeof(((struct policy_machine *)0)->thp)];

    word_of(r, node, word, sizeof(word));
    if (index_of(word, words, ARRAY_SIZE(words)) < 0)
        return json_expected(&r->json, node, "always, madvise, never, none or unknown");
    memcpy(target, word, strlen(word) + 1);
    return true;
}

bool read_page_size(struct reader *r, int node, const struct row *row, void *target)
{
    uint64_t bytes;

    if (!read_integer(r, node, row, target))
        return false;
    memcpy(&bytes, target, sizeof(bytes));
    return bytes == 0 || is_pow2(bytes) || json_expected(&r->json, node, "a power of two");
}

/* Numbers by size of gap; those that are not there are 0. */
bool read_gaps(struct reader *r, int node, const struct row *row, void *target)
{
    static const struct row count = {.bytes = sizeof(uint64_t), .high = UINT64_MAX};
    struct json *j = &r->json;
    uint64_t *gaps = target;
    unsigned n = 0;

    if (json_kind(j, node) != JSON_ARRAY)
        return json_expected(j, node, "an array of numbers");
    for (int item = json_first(j, node); item >= 0; item = json_sibling(j, item), n++) {
        if (n == row->high)
            return json_refuse(j, item, "there are more numbers than sizes of gaps");
        if (!read_integer(r, item, &count, &gaps[n]))
            return false;
    }
    return true;
}

bool read_away(struct reader *r, int node, const struct row *row, void *target)
{
#define ROW(key_, pages, name)                                                                     \
    {                                                                                              \
        .key = (key_), .read = read_gaps,                                                          \
        .offset = sizeof(struct policy_away) * (pages) + offsetof(struct policy_away, name),       \
        .high = AWAY_CLASSES                                                                       \
    }
    static const struct row rows[] = {
        ROW("base_faults", PAGES_BASE, faults), ROW("base_times_q10", PAGES_BASE, times_q10),
        ROW("huge_faults", PAGES_HUGE, faults), ROW("huge_times_q10", PAGES_HUGE, times_q10)};
#undef ROW
    (void)row;
    return read_object(r, node, rows, ARRAY_SIZE(rows), target);
}
