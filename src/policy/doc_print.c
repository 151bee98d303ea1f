/*
 * Document to JSON text. The text is made twice: once to count its bytes, once into memory of just that size.
 * Everything has one place and one order (sites by id, bands by size, arms as in their table), so that
 * versions of a policy can be compared line by line.
 */
#include "policy/doc.h"

#include <errno.h>
#include <string.h>

#include "base/attr.h"
#include "policy/json.h"
#include "policy/pool.h"

struct out {
    char *buf; /* NULL: only counting */
    size_t bytes;
};

static void put_bytes(struct out *o, const char *s, size_t bytes)
{
    if (o->buf != NULL)
        memcpy(o->buf + o->bytes, s, bytes);
    o->bytes += bytes;
}

static void put(struct out *o, const char *s)
{
    put_bytes(o, s, strlen(s));
}

static void put_number(struct out *o, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    put_bytes(o, digits + at, sizeof(digits) - at);
}

static void put_signed(struct out *o, int64_t n)
{
    if (n < 0)
        put(o, "-");
    put_number(o, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

/* "0x" and at least `digits` digits, in quotes: JSON has no such numbers. */
static void put_hex(struct out *o, uint64_t n, unsigned digits)
{
    char text[16];
    size_t at = sizeof(text);

    do
        text[--at] = "0123456789abcdef"[n & 15];
    while ((n >>= 4) != 0 || sizeof(text) - at < digits);
    put(o, "\"0x");
    put_bytes(o, text + at, sizeof(text) - at);
    put(o, "\"");
}

/* Names come from file names and symbols: what the reader would refuse becomes a question mark. */
static void put_text(struct out *o, const char *s)
{
    size_t left = strlen(s);

    put(o, "\"");
    while (left > 0) {
        unsigned bytes = json_printable(s, left);
        if (*s == '"' || *s == '\\')
            put(o, "\\");
        put_bytes(o, bytes > 0 ? s : "?", bytes > 0 ? bytes : 1);
        s += bytes > 0 ? bytes : 1;
        left -= bytes > 0 ? bytes : 1;
    }
    put(o, "\"");
}

/* `"key": `; the first of an object with nothing before it, the others with `separator`. */
static void put_key(struct out *o, const char *separator, const char *key)
{
    put(o, separator);
    put(o, "\"");
    put(o, key);
    put(o, "\": ");
}

static void put_arm(struct out *o, uint8_t arm)
{
    if (arm == ARM_NONE) {
        put(o, "null");
        return;
    }
    put(o, "\"");
    put(o, arms[arm].name);
    put(o, "\"");
}

static void put_machine(struct out *o, const struct policy_machine *m)
{
    if (!policy_machine_known(m))
        return;
    put_key(o, ",\n  ", "machine");
    put_key(o, "{\n    ", "cpu");
    put_text(o, m->cpu);
    put_key(o, ",\n    ", "kernel");
    put_text(o, m->kernel);
    put_key(o, ",\n    ", "thp");
    put_text(o, m->thp[0] != '\0' ? m->thp : "unknown");
    put_key(o, ",\n    ", "page_bytes");
    put_number(o, m->page_bytes);
    put_key(o, ",\n    ", "huge_bytes");
    put_number(o, m->huge_bytes);
    put(o, "\n  }");
}

static void put_calibration(struct out *o, const struct calibration *c)
{
    const char *separator = "{\n    ";

    if (!policy_calibration_known(c))
        return;
    put_key(o, ",\n  ", "calibration");
#define X(name, least, help)                                                                       \
    if ((least) > 0 || c->name != 0) {                                                             \
        put_key(o, separator, #name "_ns");                                                        \
        put_number(o, c->name);                                                                    \
        separator = ",\n    ";                                                                     \
    }
    CALIBRATION_FIELDS(X)
#undef X
    put(o, "\n  }");
}

static unsigned gaps_used(const uint64_t gaps[], unsigned n)
{
    while (n > 0 && gaps[n - 1] == 0)
        n--;
    return n;
}

/* As many as there are up to the last that is not 0; without any, nothing. false: that is so. */
static bool put_gaps(struct out *o, const char *separator, const char *key, const uint64_t gaps[],
                     unsigned most)
{
    unsigned n = gaps_used(gaps, most);
    if (n == 0)
        return false;
    put_key(o, separator, key);
    for (unsigned i = 0; i < n; i++) {
        put(o, i == 0 ? "[" : ", ");
        put_number(o, gaps[i]);
    }
    put(o, "]");
    return true;
}

static void put_away(struct out *o, const struct policy_away away[2])
{
    static const char *const key[2][2] = {
        [PAGES_BASE] = {"base_faults", "base_times_q10"},
        [PAGES_HUGE] = {"huge_faults", "huge_times_q10"},
    };
    const char *separator = "{\n    ";

    if (gaps_used(away[PAGES_BASE].faults, AWAY_CLASSES) +
            gaps_used(away[PAGES_HUGE].faults, AWAY_CLASSES) ==
        0)
        return;
    put_key(o, ",\n  ", "away");
    for (int pages = PAGES_BASE; pages <= PAGES_HUGE; pages++) {
        if (put_gaps(o, separator, key[pages][0], away[pages].faults, AWAY_CLASSES))
            separator = ",\n    ";
        if (put_gaps(o, separator, key[pages][1], away[pages].times_q10, AWAY_CLASSES))
            separator = ",\n    ";
    }
    put(o, "\n  }");
}

static void put_size(struct out *o, const char *separator, unsigned band)
{
    char size[POLICY_SIZE_BYTES];

    policy_size_text(band, size);
    put_key(o, separator, "size");
    put_text(o, size);
}

static void put_defaults(struct out *o, const uint8_t default_arm[BAND_COUNT])
{
    const char *separator = "[\n    ";

    for (unsigned band = BAND_FIRST; band <= BAND_LAST; band++) {
        uint8_t arm = default_arm[band - BAND_FIRST];
        if (arm == ARM_NONE)
            continue;
        if (separator[0] == '[')
            put_key(o, ",\n  ", "defaults");
        put(o, separator);
        put_key(o, "{", "band");
        put_number(o, band);
        put_size(o, ", ", band);
        put_key(o, ", ", "arm");
        put_arm(o, arm);
        put(o, "}");
        separator = ",\n    ";
    }
    if (separator[0] == ',')
        put(o, "\n  ]");
}

static void put_seen(struct out *o, const struct policy_seen *s)
{
    const char *separator = "{";

    put_key(o, ",\n          ", "seen");
#define X(name, help)                                                                              \
    put_key(o, separator, #name);                                                                  \
    put_number(o, s->name);                                                                        \
    separator = ", ";
    POLICY_SEEN_FIELDS(X)
#undef X
    put(o, "}");
}

static bool is_state(const char *name)
{
    return strcmp(name, "state") == 0;
}

/* The table's fields but for the state, which is written as a word beside it. */
static void put_elo(struct out *o, const struct elo_table *t)
{
    const char *separator = "{";

    put_key(o, ",\n          ", "elo");
#define X(type, name, low, high)                                                                   \
    if (!is_state(#name)) {                                                                        \
        put_key(o, separator, #name);                                                              \
        put_signed(o, (int64_t)t->name);                                                           \
        separator = ", ";                                                                          \
    }
    ELO_TABLE_FIELDS(X)
#undef X
    put(o, "}");
}

/* What was expected of an arm that is played as another says nothing: it is not kept. */
static bool has_raw(const struct policy_band *b, int arm)
{
    const struct elo_arm *a = &b->elo.arm[arm];
    bool any = b->cost_sum_ns[arm] != 0;

    if (b->played_as[arm] != arm && a->plays == 0 && a->matches_q16 == 0 && !any)
        return false;
#define X(type, name, low, high) any |= a->name != 0;
    ELO_ARM_FIELDS(X)
#undef X
    return any;
}

/* What is 0 is left out: most arms were not played, and only expected to cost something. */
static void put_raw(struct out *o, const struct policy_band *b, int arm)
{
    const char *separator = "{";

    put_key(o, ", ", "raw");
#define X(type, name, low, high)                                                                   \
    if (b->elo.arm[arm].name != 0) {                                                               \
        put_key(o, separator, #name);                                                              \
        put_signed(o, (int64_t)b->elo.arm[arm].name);                                              \
        separator = ", ";                                                                          \
    }
    ELO_ARM_FIELDS(X)
#undef X
    if (b->cost_sum_ns[arm] != 0) {
        put_key(o, separator, "cost_sum_ns");
        put_number(o, b->cost_sum_ns[arm]);
    }
    put(o, "}");
}

/* "rating", "deviation" and "cost_ns" are for people; the reader makes them anew from "raw". */
static void put_arm_entry(struct out *o, const struct policy_band *b, int arm)
{
    uint32_t plays = b->elo.arm[arm].plays;

    put_key(o, "{", "arm");
    put_arm(o, (uint8_t)arm);
    if (has_raw(b, arm)) {
        put_key(o, ", ", "rating");
        put_signed(o, elo_points(&b->elo, arm));
        put_key(o, ", ", "deviation");
        put_signed(o, elo_deviation(&b->elo, arm));
    }
    if (has_raw(b, arm) || b->played_as[arm] == arm) {
        put_key(o, ", ", "plays");
        put_number(o, plays);
    }
    if (plays > 0) {
        put_key(o, ", ", "cost_ns");
        put_number(o, b->cost_sum_ns[arm] / plays);
    }
    if (b->played_as[arm] != arm) {
        put_key(o, ", ", "played_as");
        put_arm(o, b->played_as[arm]);
    }
    if (has_raw(b, arm))
        put_raw(o, b, arm);
    put(o, "}");
}

/* Whether there is more to say of a band than its champion. */
static bool is_rated(const struct policy_band *b)
{
    bool any = b->elo.state != ELO_NEW;
    for (int i = 0; i < ARM_COUNT; i++)
        any |= has_raw(b, i) || b->played_as[i] != i;
    return any;
}

static void put_band(struct out *o, const struct policy_band *b)
{
    put_key(o, "        {\n          ", "band");
    put_number(o, b->band);
    put_size(o, ",\n          ", b->band);
    put_key(o, ",\n          ", "champion");
    put_arm(o, b->champion);
    put_key(o, ",\n          ", "state");
    put_text(o, elo_state_names[b->elo.state]);
    if (b->keep_ms != 0) {
        put_key(o, ",\n          ", "keep_ms");
        put_number(o, b->keep_ms);
    }
    put_seen(o, &b->seen);
    put_gaps(o, ",\n          ", "gaps", b->gaps, GAP_CLASSES);
    if (b->unmeasured != 0) {
        put_key(o, ",\n          ", "unmeasured");
        put_number(o, b->unmeasured);
    }
    put_elo(o, &b->elo);
    if (is_rated(b)) {
        put_key(o, ",\n          ", "arms");
        for (int i = 0; i < ARM_COUNT; i++) {
            put(o, i == 0 ? "[\n            " : ",\n            ");
            put_arm_entry(o, b, i);
        }
        put(o, "\n          ]");
    }
    put(o, "\n        }");
}

static void put_site(struct out *o, const struct policy_site *s)
{
    put_key(o, "    {\n      ", "id");
    put_hex(o, s->id, 16);
    if (s->module[0] != '\0') {
        put_key(o, ",\n      ", "module");
        put_text(o, s->module);
    }
    if (s->build_id[0] != '\0') {
        put_key(o, ",\n      ", "build_id");
        put_text(o, s->build_id);
    }
    put_key(o, ",\n      ", "offset");
    put_hex(o, s->offset, 1);
    if (s->symbol[0] != '\0') {
        put_key(o, ",\n      ", "symbol");
        put_text(o, s->symbol);
    }
    if (s->call >= 0) {
        put_key(o, ",\n      ", "call");
        put_number(o, (uint64_t)s->call);
    }
    if (s->to_split != 0) {
        put_key(o, ",\n      ", "split");
        put_number(o, s->to_split);
    }
    if (s->of != 0) {
        put_key(o, ",\n      ", "context");
        put_key(o, "{", "of");
        put_hex(o, s->of, 16);
        put_key(o, ", ", "depth");
        put_number(o, s->depth);
        put(o, "}");
    }
    put_key(o, ",\n      ", "bands");
    put(o, "[");
    for (unsigned i = 0; i < s->nr_bands; i++) {
        put(o, i == 0 ? "\n" : ",\n");
        put_band(o, s->band[i]);
    }
    put(o, s->nr_bands > 0 ? "\n      ]\n    }" : "]\n    }");
}

static void put_doc(struct out *o, const struct policy_doc *doc)
{
    put_key(o, "{\n  ", "hakmem_policy");
    put_number(o, POLICY_VERSION);
    put_machine(o, &doc->machine);
    put_calibration(o, &doc->calibration);
    put_away(o, doc->away);
    put_key(o, ",\n  ", "goal");
    put_text(o, policy_goal_names[doc->goal]);
    put_defaults(o, doc->default_arm);
    put_key(o, ",\n  ", "sites");
    put(o, "[");
    for (unsigned i = 0; i < doc->nr_sites; i++) {
        put(o, i == 0 ? "\n" : ",\n");
        put_site(o, doc->site[i]);
    }
    put(o, doc->nr_sites > 0 ? "\n  ]\n}\n" : "]\n}\n");
}

const char *policy_doc_print(struct policy_doc *doc, size_t *bytes)
{
    struct out counted = {0}, made = {0};

    put_doc(&counted, doc);
    made.buf = policy_pool_alloc(doc->pool, counted.bytes + 1);
    if (made.buf == NULL)
        return NULL;
    put_doc(&made, doc);
    made.buf[made.bytes] = '\0';
    *bytes = made.bytes;
    return made.buf;
}
