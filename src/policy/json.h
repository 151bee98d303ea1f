/*
 * Strict JSON, one element at a time.
 *
 * A policy file is data from outside that is read inside malloc, so reading it must cost bounded memory
 * whatever it holds. Two steps do that. A scanner walks the text once and holds it to RFC 8259: syntax,
 * UTF-8, escapes, numbers, depth. It stops at the members of the top level object and at the elements of
 * its arrays, and jsmn cuts each of these into tokens, in one buffer that is used over again: memory is for
 * the largest site, not for the file. jsmn alone would let `{,}` pass; it never sees what was not scanned.
 *
 * Every failure is one line in the policy_error: line number, path of the element, what was expected.
 */
#ifndef HAK_POLICY_JSON_H
#define HAK_POLICY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/doc.h"

enum {
    JSON_DEPTH_MAX = 10,     /* a policy is 8 deep */
    JSON_TOKENS_MAX = 32768, /* of one element; a site with 25 bands of 24 arms has about 21,000 */
    JSON_KEY_BYTES = 32,     /* with the NUL; longer keys are unknown ones */
};

/* Where the scanner is in one object or array. */
struct json_frame {
    char bracket;          /* '{' or '[' */
    bool started;          /* a member was seen */
    unsigned index;        /* of the current member */
    size_t key, key_bytes; /* its key between the quotes, as offsets in the text; objects only */
};

struct json {
    const char *text;
    size_t bytes, at;
    struct policy_error *error;
    unsigned depth;
    struct json_frame frame[JSON_DEPTH_MAX];
    /* The element json_take() cut last. */
    void *tokens; /* JSON_TOKENS_MAX of jsmn's */
    int nr_tokens;
    size_t token_start; /* tokens count from here */
};

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_OTHER };

/* Begins with `text`. False: no memory for the tokens. */
bool json_open(struct json *j, const char *text, size_t bytes, struct policy_error *error);
void json_close(struct json *j);

/*
 * The scanner. These fail (false, -1) with the error filled in.
 *   json_enter  expects '{' or '['
 *   json_next   on to the next member of what was entered, 1; or leaves it at its end, 0
 *   json_take   scans the value here and cuts it into tokens; node 0 is the value
 *   json_end    expects the end of the text
 */
bool json_enter(struct json *j, char bracket);
int json_next(struct json *j);
bool json_take(struct json *j);
bool json_end(struct json *j);

/* Passes over one value, which is at [*start, j->at) then; for json_take(). */
bool json_scan(struct json *j, size_t *start);

/* Whether the current member's key is `name`. */
bool json_key_is(const struct json *j, const char *name);

/* Nodes of the element taken. In an object the children are keys, and json_value() is a key's value. -1: none. */
enum json_kind json_kind(const struct json *j, int node);
int json_first(const struct json *j, int node);
int json_sibling(const struct json *j, int node);
int json_value(int key);

/* The string's text with its escapes undone, NUL-ended; false: longer than cap - 1 bytes, or it has control
 * characters (no error is filled in). */
bool json_text(const struct json *j, int node, char *buf, size_t cap);

/* A whole number without fraction or exponent; false: it is not one, or does not fit (no error). */
bool json_integer(const struct json *j, int node, bool *negative, uint64_t *magnitude);
bool json_is_null(const struct json *j, int node);

/*
 * These fill the error in and are always false.
 *   json_expected     "line 3: sites[0].id: expected WHAT, got ..."
 *   json_refuse       "line 3: sites[0].id: WHY"
 *   json_refuse_here  the same about the scanner's place
 */
bool json_expected(const struct json *j, int node, const char *what);
bool json_refuse(const struct json *j, int node, const char *why);
bool json_refuse_here(const struct json *j, const char *why);

/* Printable ASCII, which nearly everything in a policy is. */
static inline bool json_is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F;
}

/* The length in bytes of the printable UTF-8 character at `s`; 0: none (control characters, not UTF-8). */
unsigned json_printable(const char *s, size_t left);

#endif
