/*
 * What a comparison reads: files of /proc, and numbers out of JSON that hakmem's own programs wrote. Such
 * text is flat and ours, so a name is looked for and what follows it taken; it is no JSON reader.
 */
#include "compare.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"

char *compare_read_fd(int fd)
{
    size_t used = 0, room = 1 << 16;
    char *text = malloc(room);

    while (text != NULL) {
        ssize_t n = read(fd, text + used, room - used - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
        if (used + 1 < room)
            continue;
        char *more = realloc(text, room *= 2);
        if (more == NULL)
            free(text);
        text = more;
    }
    if (text != NULL)
        text[used] = '\0';
    return text;
}

char *compare_read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    char *text = compare_read_fd(fd);
    close(fd);
    return text;
}

double compare_tlb_shootdowns(void)
{
    char *text = compare_read_file("/proc/interrupts");
    char *at = text == NULL ? NULL : strstr(text, "TLB:");
    double sum = at == NULL ? NAN : 0;

    for (at = at == NULL ? NULL : at + strlen("TLB:"); at != NULL;) {
        char *end;
        long long n = strtoll(at, &end, 10);
        if (end == at)
            break;
        sum += (double)n;
        at = end;
    }
    free(text);
    return sum;
}

double compare_json_number(const char *text, const char *name)
{
    char key[64];
    char *end;

    snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = strstr(text, key);
    if (at == NULL)
        return NAN;
    double value = strtod(at + strlen(key), &end);
    return end == at + strlen(key) ? NAN : value;
}

void compare_json_word(const char *text, const char *name, char *out, size_t cap)
{
    char key[64];

    snprintf(key, sizeof(key), "\"%s\":\"", name);
    const char *at = strstr(text, key);
    out[0] = '\0';
    if (at != NULL)
        snprintf(out, cap, "%.*s", (int)strcspn(at + strlen(key), "\""), at + strlen(key));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double compare_json_median(const char *text, const char *name)
{
    double values[1000];
    size_t n = 0;

    for (const char *line = text; *line != '\0' && n < ARRAY_SIZE(values);) {
        size_t length = strcspn(line, "\n");
        char *one = strndup(line, length);
        if (one == NULL)
            break;
        double value = compare_json_number(one, name);
        if (!isnan(value))
            values[n++] = value;
        free(one);
        line += length + (line[length] == '\n');
    }
    qsort(values, n, sizeof(values[0]), by_value);
    return n == 0 ? NAN : (values[(n - 1) / 2] + values[n / 2]) / 2;
}
