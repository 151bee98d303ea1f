/*
 * The element the scanner has just passed, as jsmn's tokens; and the one line that says where and why
 * something was refused.
 */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS /* without them jsmn's time is quadratic */
#include <jsmn.h>

#include <stdio.h>
#include <string.h>

#include "policy/json.h"
#include "policy/pool.h"

static const size_t tokens_bytes = JSON_TOKENS_MAX * sizeof(jsmntok_t);

static const jsmntok_t *token(const struct json *j, int node)
{
    return (const jsmntok_t *)j->tokens + node;
}

static const char *token_text(const struct json *j, int node)
{
    return j->text + j->token_start + token(j, node)->start;
}

static size_t token_bytes(const struct json *j, int node)
{
    return (size_t)(token(j, node)->end - token(j, node)->start);
}

bool json_open(struct json *j, const char *text, size_t bytes, struct policy_error *error)
{
    *j = (struct json){.text = text, .bytes = bytes, .error = error};
    j->tokens = policy_scratch_map(tokens_bytes);
    return j->tokens != NULL || json_refuse_here(j, "no memory to read it with");
}

void json_close(struct json *j)
{
    policy_scratch_release(j->tokens, tokens_bytes);
    j->tokens = NULL;
}

bool json_take(struct json *j)
{
    jsmn_parser parser;

    if (!json_scan(j, &j->token_start))
        return false;
    jsmn_init(&parser);
    j->nr_tokens = jsmn_parse(&parser, j->text + j->token_start, j->at - j->token_start, j->tokens,
                              JSON_TOKENS_MAX);
    if (j->nr_tokens == JSMN_ERROR_NOMEM)
        return json_refuse_here(j, "more values in one element than a policy has");
    return j->nr_tokens > 0 || json_refuse_here(j, "expected a value");
}

enum json_kind json_kind(const struct json *j, int node)
{
    switch (token(j, node)->type) {
    case JSMN_OBJECT:
        return JSON_OBJECT;
    case JSMN_ARRAY:
        return JSON_ARRAY;
    case JSMN_STRING:
        return JSON_STRING;
    default:
        return JSON_OTHER;
    }
}

int json_first(const struct json *j, int node)
{
    return token(j, node)->size > 0 ? node + 1 : -1;
}

int json_sibling(const struct json *j, int node)
{
    int parent = token(j, node)->parent;
    int next = node + 1;
    /* What lies inside `node` lies between it and its sibling. A key's value lies outside the key's text. */
    while (next < j->nr_tokens && token(j, next)->parent >= node)
        next++;
    return next < j->nr_tokens && token(j, next)->parent == parent ? next : -1;
}

int json_value(int key)
{
    return key + 1;
}

static unsigned hex4(const char *s)
{
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)s[i];
        code = code * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return code;
}

/* Writes the code point as UTF-8; its length. */
static unsigned encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    unsigned n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (unsigned i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF0u << (4 - n) & 0xFF) | code);
    return n;
}

/* Undoes the escape at `s` (the scanner has passed it): its length there, the character's in *out_bytes. */
static unsigned unescape(const char *s, char out[4], unsigned *out_bytes)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

    if (s[1] != 'u') {
        out[0] = to[strchr(from, s[1]) - from];
        *out_bytes = 1;
        return 2;
    }
    uint32_t code = hex4(s + 2);
    if (code < 0xD800 || code > 0xDBFF) {
        *out_bytes = encode(code, out);
        return 6;
    }
    *out_bytes = encode(0x10000 + ((code - 0xD800) << 10) + (hex4(s + 8) - 0xDC00), out);
    return 12;
}

bool json_text(const struct json *j, int node, char *buf, size_t cap)
{
    const char *s = token_text(j, node), *end = s + token_bytes(j, node);
    size_t used = 0;

    while (s < end) {
        char plain[4];
        const char *character = s;
        unsigned bytes;
        if (json_is_plain((unsigned char)*s) && *s != '\\' && used + 1 < cap) {
            buf[used++] = *s++;
            continue;
        }
        if (*s == '\\') {
            s += unescape(s, plain, &bytes);
            character = plain;
        } else {
            bytes = json_printable(s, (size_t)(end - s));
            s += bytes;
        }
        if (json_printable(character, bytes) == 0 || cap - used <= bytes)
            return false;
        memcpy(buf + used, character, bytes);
        used += bytes;
    }
    buf[used] = '\0';
    return true;
}

bool json_integer(const struct json *j, int node, bool *negative, uint64_t *magnitude)
{
    const char *s = token_text(j, node), *end = s + token_bytes(j, node);
    uint64_t sum = 0;

    if (token(j, node)->type != JSMN_PRIMITIVE)
        return false;
    *negative = *s == '-';
    s += *negative;
    for (; s < end; s++) {
        if (*s < '0' || *s > '9')
            return false;
        if (__builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*s - '0'), &sum))
            return false;
    }
    *magnitude = sum;
    return !(*negative && sum == 0);
}

bool json_is_null(const struct json *j, int node)
{
    return token(j, node)->type == JSMN_PRIMITIVE && *token_text(j, node) == 'n';
}

/* The error's text as it grows. What does not fit is left out. */
struct line {
    char *buf;
    size_t cap, used;
};

static void add_bytes(struct line *l, const char *s, size_t bytes)
{
    for (size_t i = 0; i < bytes && l->used + 1 < l->cap; i++)
        l->buf[l->used++] = s[i] >= 0x20 && s[i] < 0x7F ? s[i] : '?';
    l->buf[l->used] = '\0';
}

static void add(struct line *l, const char *s)
{
    add_bytes(l, s, strlen(s));
}

static void add_number(struct line *l, unsigned long n)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%lu", n);
    add(l, digits);
}

/* A key or a value of the file's: its beginning. */
static void add_quote(struct line *l, const char *s, size_t bytes)
{
    enum { SHOWN = 32 };
    add_bytes(l, s, bytes < SHOWN ? bytes : SHOWN);
    if (bytes > SHOWN)
        add(l, "...");
}

static void add_member(struct line *l, size_t line_start, const char *key, size_t key_bytes)
{
    if (l->used > line_start)
        add(l, ".");
    add_quote(l, key, key_bytes);
}

static void add_index(struct line *l, unsigned index)
{
    add(l, "[");
    add_number(l, index);
    add(l, "]");
}

static struct line begin(const struct json *j, size_t at)
{
    struct line l = {j->error->text, sizeof(j->error->text), 0};
    unsigned long number = 1;

    for (size_t i = 0; i < at && i < j->bytes; i++)
        number += j->text[i] == '\n';
    add(&l, "line ");
    add_number(&l, number);
    add(&l, ": ");
    return l;
}

static void add_frames(struct line *l, const struct json *j, size_t path_start)
{
    for (unsigned i = 0; i < j->depth; i++) {
        const struct json_frame *f = &j->frame[i];
        if (!f->started)
            continue;
        if (f->bracket == '[')
            add_index(l, f->index);
        else if (f->key_bytes > 0)
            add_member(l, path_start, j->text + f->key, f->key_bytes);
    }
}

static unsigned index_in(const struct json *j, int array, int node)
{
    unsigned index = 0;
    for (int i = json_first(j, array); i != node; i = json_sibling(j, i))
        index++;
    return index;
}

static void add_nodes(struct line *l, const struct json *j, size_t path_start, int node)
{
    int step[2 * JSON_DEPTH_MAX], n = 0;

    for (; node > 0 && n < 2 * JSON_DEPTH_MAX; node = token(j, node)->parent)
        step[n++] = node;
    while (n-- > 0) {
        int parent = token(j, step[n])->parent;
        if (token(j, parent)->type == JSMN_ARRAY)
            add_index(l, index_in(j, parent, step[n]));
        else if (token(j, parent)->type == JSMN_OBJECT)
            add_member(l, path_start, token_text(j, step[n]), token_bytes(j, step[n]));
    }
}

/* "line 3: sites[0].id: ", and the rest is the caller's. */
static struct line begin_at(const struct json *j, size_t at, int node)
{
    struct line l = begin(j, at);
    size_t path_start = l.used;

    add_frames(&l, j, path_start);
    add_nodes(&l, j, path_start, node);
    if (l.used > path_start)
        add(&l, ": ");
    return l;
}

static size_t place(const struct json *j, int node)
{
    return j->token_start + (size_t)token(j, node)->start;
}

bool json_expected(const struct json *j, int node, const char *what)
{
    struct line l = begin_at(j, place(j, node), node);

    add(&l, "expected ");
    add(&l, what);
    add(&l, ", got ");
    if (json_kind(j, node) == JSON_OBJECT) {
        add(&l, "an object");
    } else if (json_kind(j, node) == JSON_ARRAY) {
        add(&l, "an array");
    } else {
        bool quoted = json_kind(j, node) == JSON_STRING;
        add(&l, quoted ? "\"" : "");
        add_quote(&l, token_text(j, node), token_bytes(j, node));
        add(&l, quoted ? "\"" : "");
    }
    return false;
}

bool json_refuse(const struct json *j, int node, const char *why)
{
    struct line l = begin_at(j, place(j, node), node);
    add(&l, why);
    return false;
}

bool json_refuse_here(const struct json *j, const char *why)
{
    struct line l = begin_at(j, j->at, 0);
    add(&l, why);
    return false;
}
