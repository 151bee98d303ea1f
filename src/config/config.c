#include "config/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "os/os.h"

enum { OPTION_ROWS_MAX = 25, TEXT_BYTES = 4096 };

const struct option_row option_rows[] = {
#define NUMBER(field, env, def, lo, hi, unit, help)                                                \
    {#field, env, NULL, unit, help, OPTION_NUMBER, def, lo, hi},
#define CHOICE(field, env, def, words, help)                                                       \
    {#field, env, words, NULL, help, OPTION_CHOICE, def, 0, 0},
#define TEXT(field, env, help) {#field, env, NULL, NULL, help, OPTION_TEXT, 0, 0, 0},
    OPTION_TABLE(NUMBER, CHOICE, TEXT)
#undef NUMBER
#undef CHOICE
#undef TEXT
};
const unsigned option_row_count = ARRAY_SIZE(option_rows);
_Static_assert(ARRAY_SIZE(option_rows) <= OPTION_ROWS_MAX,
               "an option more than a person can keep in mind");

struct config config;

static bool parse_number(const char *text, const struct option_row *row, uint64_t *value)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0 && *value >= row->lowest && *value <= row->highest;
}

static bool parse_choice(const char *text, const struct option_row *row, unsigned *value)
{
    size_t length = strlen(text);
    const char *word = row->words;
    for (unsigned i = 0; word != NULL; i++) {
        const char *bar = strchr(word, '|');
        size_t word_length = bar ? (size_t)(bar - word) : strlen(word);
        if (word_length == length && memcmp(word, text, length) == 0) {
            *value = i;
            return true;
        }
        word = bar ? bar + 1 : NULL;
    }
    return false;
}

static void read_number(const struct option_row *row, uint64_t *value)
{
    const char *text = os->getenv(row->environment);
    *value = row->otherwise;
    if (text == NULL || parse_number(text, row, value))
        return;
    *value = row->otherwise;
    os_say("%s=\"%.60s\": expected a whole number from %" PRIu64 " to %" PRIu64
           "%s%s; using %" PRIu64,
           row->environment, text, row->lowest, row->highest, row->unit[0] ? " " : "", row->unit,
           row->otherwise);
}

static void read_choice(const struct option_row *row, unsigned *value)
{
    const char *text = os->getenv(row->environment);
    *value = (unsigned)row->otherwise;
    if (text == NULL || parse_choice(text, row, value))
        return;
    os_say("%s=\"%.60s\": expected %s; using the default", row->environment, text, row->words);
}

/* A copy, because the program may change its environment. */
static void read_text(const struct option_row *row, char copy[TEXT_BYTES], const char **value)
{
    const char *text = os->getenv(row->environment);
    *value = NULL;
    if (text == NULL || text[0] == '\0')
        return;
    if (strlen(text) >= TEXT_BYTES) {
        os_say("%s: expected at most %d bytes; ignored", row->environment, TEXT_BYTES - 1);
        return;
    }
    *value = strcpy(copy, text);
}

void config_read(void)
{
    const struct option_row *row = option_rows;
    int saved_errno = errno;
#define NUMBER(field, env, def, lo, hi, unit, help) read_number(row++, &config.field);
#define CHOICE(field, env, def, words, help)        read_choice(row++, &config.field);
#define TEXT(field, env, help)                                                                     \
    {                                                                                              \
        static char copy[TEXT_BYTES];                                                              \
        read_text(row++, copy, &config.field);                                                     \
    }
    OPTION_TABLE(NUMBER, CHOICE, TEXT)
#undef NUMBER
#undef CHOICE
#undef TEXT
    errno = saved_errno;
}
