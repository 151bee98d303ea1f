/*
 * hakmem-warm [GIB]: touches so much memory and exits, so that what is measured next does not pay
 * for pages the host has taken away. See tools/warm.h.
 */
#include "../tools/warm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    double gib = warm_default_gib();
    char *end = NULL;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("usage: hakmem-warm [GIB]\n\nTouches so much memory (%.2f) and exits.\n", gib);
        return 0;
    }
    if (argc == 2)
        gib = strtod(argv[1], &end);
    if (argc > 2 || (end != NULL && (end == argv[1] || *end != '\0')) || !isfinite(gib) ||
        gib < 0 || gib > 1024) {
        fprintf(stderr, "hakmem-warm: %s: expected one number of GiB from 0 to 1024\n",
                argc > 2 ? "too many arguments" : argv[1]);
        return 2;
    }
    int status = warm_touch(gib);
    if (status != 0)
        fprintf(stderr, "hakmem-warm: no memory for %.2f GiB: %s\n", gib, strerror(-status));
    return status == 0 ? 0 : 1;
}
