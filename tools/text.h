/*
 * Figures and strings as people and JSON want them.
 */
#ifndef HAK_TOOLS_TEXT_H
#define HAK_TOOLS_TEXT_H

#include <stdint.h>
#include <stdio.h>

/* Room for one figure with its unit. A function that returns one is used inside a printf call. */
struct text {
    char s[32];
};

struct text text_bytes(double bytes);   /* "2.0 MiB"; three significant digits */
struct text text_ns(double ns);         /* "43 us" */
struct text text_count(uint64_t n);     /* "12345", "1.2 M" from a million on */
struct text text_percent(double share); /* "99 %"; under 10 % with a digit more */
struct text text_times(double ratio);   /* "12.3x" */

/* The text with quotes around it and what JSON escapes escaped. */
void print_json_string(FILE *to, const char *text);

#endif
