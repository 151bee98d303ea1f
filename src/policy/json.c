/*
 * The scanner: one walk over the text, holding it to RFC 8259. Values nest by recursion, which
 * JSON_DEPTH_MAX bounds.
 */
#include "policy/json.h"

#include <string.h>

static bool scan_value(struct json *j);

static unsigned char here(const struct json *j)
{
    return j->at < j->bytes ? (unsigned char)j->text[j->at] : '\0';
}

static bool at_end(const struct json *j)
{
    return j->at >= j->bytes;
}

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_space(struct json *j)
{
    while (!at_end(j) && is_space(here(j)))
        j->at++;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* 0 to 15; -1: not a hexadecimal digit. */
static int hex_value(unsigned char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits of \uXXXX at the current place, passed over; -1: there are no four. */
static long scan_hex4(struct json *j)
{
    long code = 0;
    for (int i = 0; i < 4; i++, j->at++) {
        int digit = at_end(j) ? -1 : hex_value(here(j));
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

static bool is_high_surrogate(long code)
{
    return code >= 0xD800 && code <= 0xDBFF;
}

static bool is_low_surrogate(long code)
{
    return code >= 0xDC00 && code <= 0xDFFF;
}

static bool scan_unicode_escape(struct json *j)
{
    long code = scan_hex4(j);
    if (code < 0)
        return json_refuse_here(j, "expected four hexadecimal digits after \\u");
    if (is_low_surrogate(code))
        return json_refuse_here(j, "expected the first half of a surrogate pair before the second");
    if (!is_high_surrogate(code))
        return true;
    if (j->bytes - j->at < 2 || j->text[j->at] != '\\' || j->text[j->at + 1] != 'u')
        return json_refuse_here(j, "expected the second half of a surrogate pair");
    j->at += 2;
    if (!is_low_surrogate(scan_hex4(j)))
        return json_refuse_here(j, "expected the second half of a surrogate pair");
    return true;
}

static bool scan_escape(struct json *j)
{
    j->at++;
    if (at_end(j))
        return json_refuse_here(j, "the text ends inside a string");
    unsigned char c = here(j);
    j->at++;
    if (c == 'u')
        return scan_unicode_escape(j);
    if (memchr("\"\\/bfnrt", c, 8) == NULL)
        return json_refuse_here(j, "expected one of \"\\/bfnrtu after a backslash");
    return true;
}

/* The bytes of the UTF-8 character at `s`, with no overlong forms and no surrogates; 0: it is none. */
static unsigned utf8_bytes(const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned n = s[0] < 0x80   ? 1
                 : s[0] < 0xC2 ? 0
                 : s[0] < 0xE0 ? 2
                 : s[0] < 0xF0 ? 3
                 : s[0] < 0xF5 ? 4
                               : 0;

    if (n == 0 || n > left)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))
        return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

unsigned json_printable(const char *s, size_t left)
{
    if (left == 0)
        return 0;
    unsigned char first = (unsigned char)s[0];
    if (json_is_plain(first))
        return 1;
    unsigned n = utf8_bytes(s, left);
    if (n == 1 && (first < 0x20 || first == 0x7F))
        return 0;
    if (n == 2 && first == 0xC2 &&
        (unsigned char)s[1] < 0xA0) /* the control characters after ASCII's */
        return 0;
    return n;
}

static bool scan_string(struct json *j)
{
    j->at++; /* the opening quote */
    while (!at_end(j)) {
        unsigned char c = here(j);
        if (c == '"') {
            j->at++;
            return true;
        }
        if (c == '\\') {
            if (!scan_escape(j))
                return false;
            continue;
        }
        if (json_is_plain(c)) {
            j->at++;
            continue;
        }
        if (c < 0x20)
            return json_refuse_here(j, "a control character in a string");
        unsigned n = utf8_bytes(j->text + j->at, j->bytes - j->at);
        if (n == 0)
            return json_refuse_here(j, "bytes that are not UTF-8 in a string");
        j->at += n;
    }
    return json_refuse_here(j, "the text ends inside a string");
}

static bool scan_digits(struct json *j)
{
    if (!is_digit(here(j)))
        return json_refuse_here(j, "expected a digit");
    while (is_digit(here(j)))
        j->at++;
    return true;
}

static bool scan_number(struct json *j)
{
    if (here(j) == '-')
        j->at++;
    if (here(j) == '0')
        j->at++;
    else if (!scan_digits(j))
        return false;
    if (is_digit(here(j)))
        return json_refuse_here(j, "a number with a leading zero");
    if (here(j) == '.') {
        j->at++;
        if (!scan_digits(j))
            return false;
    }
    if (here(j) == 'e' || here(j) == 'E') {
        j->at++;
        if (here(j) == '+' || here(j) == '-')
            j->at++;
        if (!scan_digits(j))
            return false;
    }
    return true;
}

static bool scan_word(struct json *j)
{
    static const char *const words[] = {"true", "false", "null"};

    for (unsigned i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (j->bytes - j->at >= n && memcmp(j->text + j->at, words[i], n) == 0) {
            j->at += n;
            return true;
        }
    }
    return json_refuse_here(j, "expected a value");
}

static bool scan_container(struct json *j, char bracket)
{
    int more;
    if (!json_enter(j, bracket))
        return false;
    while ((more = json_next(j)) > 0)
        if (!scan_value(j))
            return false;
    return more == 0;
}

static bool scan_value(struct json *j)
{
    skip_space(j);
    unsigned char c = here(j);
    if (at_end(j))
        return json_refuse_here(j, "the text ends where a value is expected");
    if (c == '{' || c == '[')
        return scan_container(j, (char)c);
    if (c == '"')
        return scan_string(j);
    if (c == '-' || is_digit(c))
        return scan_number(j);
    return scan_word(j);
}

bool json_enter(struct json *j, char bracket)
{
    skip_space(j);
    if (at_end(j) || j->text[j->at] != bracket)
        return json_refuse_here(j, bracket == '{' ? "expected an object" : "expected an array");
    if (j->depth == JSON_DEPTH_MAX)
        return json_refuse_here(j, "nested deeper than a policy is");
    j->at++;
    j->frame[j->depth++] = (struct json_frame){.bracket = bracket};
    return true;
}

static bool scan_key(struct json *j, struct json_frame *f)
{
    size_t start = j->at + 1;
    f->key_bytes = 0;
    if (here(j) != '"')
        return json_refuse_here(j, "expected a key in double quotes");
    if (!scan_string(j))
        return false;
    f->key = start;
    f->key_bytes = j->at - 1 - start;
    skip_space(j);
    if (here(j) != ':')
        return json_refuse_here(j, "expected a colon after the key");
    j->at++;
    return true;
}

int json_next(struct json *j)
{
    struct json_frame *f = &j->frame[j->depth - 1];
    char closing = f->bracket == '{' ? '}' : ']';

    skip_space(j);
    if (here(j) == (unsigned char)closing) {
        j->at++;
        j->depth--;
        return 0;
    }
    if (f->started) {
        if (here(j) != ',') {
            json_refuse_here(j, closing == '}' ? "expected a comma or }" : "expected a comma or ]");
            return -1;
        }
        j->at++;
        f->index++;
        skip_space(j);
    }
    f->started = true;
    if (f->bracket == '{' && !scan_key(j, f))
        return -1;
    /* What is not a value, as in `[1,]`, is found when the value is scanned. */
    skip_space(j);
    return 1;
}

bool json_end(struct json *j)
{
    skip_space(j);
    return at_end(j) || json_refuse_here(j, "expected the end of the text");
}

bool json_key_is(const struct json *j, const char *name)
{
    const struct json_frame *f = &j->frame[j->depth - 1];
    return f->key_bytes == strlen(name) && memcmp(j->text + f->key, name, f->key_bytes) == 0;
}

bool json_scan(struct json *j, size_t *start)
{
    skip_space(j);
    *start = j->at;
    return scan_value(j);
}
