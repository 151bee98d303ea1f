#include "text.h"

#include <inttypes.h>

/* Three digits that say something, and no decimal places that pretend to. */
static struct text figure(double value, const char *unit)
{
    struct text out;
    int places = value >= 99.95 || value == 0 ? 0 : value >= 9.995 ? 1 : 2;

    snprintf(out.s, sizeof(out.s), "%.*f%s", places, value, unit);
    return out;
}

/* The largest unit of which there is at least one; below the first, the first. */
static struct text scaled(double value, double step, const char *const units[], int count)
{
    int i = 0;

    while (i + 1 < count && value >= step * 0.9995) {
        value /= step;
        i++;
    }
    return figure(value, units[i]);
}

struct text text_bytes(double bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
    return scaled(bytes, 1024, units, 6);
}

struct text text_ns(double ns)
{
    static const char *const units[] = {" ns", " us", " ms", " s"};
    return scaled(ns, 1000, units, 4);
}

struct text text_count(uint64_t n)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    struct text out;

    if (n >= 1000000)
        return scaled((double)n, 1000, units, 5);
    snprintf(out.s, sizeof(out.s), "%" PRIu64, n);
    return out;
}

struct text text_percent(double share)
{
    struct text out;
    double percent = 100 * share;

    /* Nearly all is not all, and nearly nothing not nothing. */
    if (percent > 0 && percent < 0.05) {
        snprintf(out.s, sizeof(out.s), "<0.1 %%");
        return out;
    }
    int places = percent < 10 && percent > 0 ? 1 : percent > 99 && percent < 99.95 ? 1 : 0;
    snprintf(out.s, sizeof(out.s), "%.*f %%", places, percent);
    return out;
}

struct text text_times(double ratio)
{
    return figure(ratio, "x");
}

void print_json_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(to, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(to, "\\u%04x", *c);
        else
            fputc(*c, to);
    }
    fputc('"', to);
}
