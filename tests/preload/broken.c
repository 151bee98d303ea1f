/*
 * broken WHAT: a program with the mistake WHAT, which must end at once in one clear line.
 *
 *   double     a large block freed twice
 *   inside     free of an address inside a large block
 *   realloc    realloc of a large block that was freed
 *   page       free of an address one page into a large block
 */
#include "check.h"

enum { BYTES = 3000000 };

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    check_allocator();
    char *p = malloc(BYTES), *volatile q = p;
    CHECK(p != NULL);
    memset(p, 1, BYTES);
    if (strcmp(what, "double") == 0) {
        free(q);
        free(q);
    } else if (strcmp(what, "inside") == 0) {
        free(q + 48);
    } else if (strcmp(what, "page") == 0) {
        free(q + 4096);
    } else if (strcmp(what, "realloc") == 0) {
        free(q);
        q = realloc(q, 2 * BYTES);
    }
    puts("it went on");
    return 0;
}
