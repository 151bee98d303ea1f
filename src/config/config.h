/*
 * The options in force: read from the environment once, at start, and constant from then on.
 */
#ifndef HAK_CONFIG_CONFIG_H
#define HAK_CONFIG_CONFIG_H

#include <stdint.h>

#include "config/options.h"

enum config_mode { MODE_FROZEN, MODE_LEARN, MODE_OFF };

struct config {
#define NUMBER(field, env, def, lo, hi, unit, help) uint64_t field;
#define CHOICE(field, env, def, words, help)        unsigned field;
#define TEXT(field, env, help)                      const char *field;
    OPTION_TABLE(NUMBER, CHOICE, TEXT)
#undef NUMBER
#undef CHOICE
#undef TEXT
};

extern struct config config;

/* Sets the defaults and then what the environment says. A bad value: one line on stderr, and its default. */
void config_read(void);

enum option_kind { OPTION_NUMBER, OPTION_CHOICE, OPTION_TEXT };

/* A row of the table, for parsing and for people. */
struct option_row {
    const char *field, *environment, *words, *unit, *help;
    enum option_kind kind;
    uint64_t otherwise, lowest,
        highest; /* `otherwise`: the default, or the index of the default word */
};

extern const struct option_row option_rows[];
extern const unsigned option_row_count;

#endif
