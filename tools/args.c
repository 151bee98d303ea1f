/*
 * Arguments: rows in, values out, one line on stderr for what is wrong.
 */
#include "commands.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(const char *command, const char *format, va_list args)
{
    char text[2048]; /* one write, so that lines of several processes do not mix */

    vsnprintf(text, sizeof(text), format, args);
    fprintf(stderr, "hakmem %s: %s\n", command, text);
}

int tool_usage(const char *command, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(command, format, args);
    va_end(args);
    return TOOL_USAGE;
}

int tool_failed(const char *command, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(command, format, args);
    va_end(args);
    return TOOL_FAILED;
}

void tool_say(const char *command, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(command, format, args);
    va_end(args);
}

static void print_help(const struct command *command, const struct arg *rows)
{
    char left[80];

    printf("usage: hakmem %s %s\n\n%c%s.\n", command->name, command->synopsis,
           command->help[0] - 'a' + 'A', command->help + 1);
    if (command->details != NULL)
        printf("%s", command->details);
    putchar('\n');
    for (const struct arg *r = rows; r->name != NULL; r++) {
        char letter[] = {'-', r->letter, ',', ' ', '\0'};
        snprintf(left, sizeof(left), "%s--%s%s%s", r->letter != 0 ? letter : "    ", r->name,
                 r->value != NULL ? " " : "", r->value != NULL ? r->value : "");
        printf("  %-24s %s\n", left, r->help);
    }
    printf("  %-24s %s\n", "    --help", "print this");
}

/* The row of "--name", "--name=value" or "-x"; *value: what follows '=', or NULL. */
static const struct arg *row_of(const struct arg *rows, const char *word, const char **value)
{
    size_t length = strcspn(word, "=");

    *value = NULL;
    for (const struct arg *r = rows; r->name != NULL; r++) {
        if (r->letter != 0 && word[1] == r->letter && word[2] == '\0')
            return r;
        if (word[1] == '-' && strlen(r->name) == length - 2 &&
            strncmp(r->name, word + 2, length - 2) == 0) {
            if (word[length] == '=')
                *value = word + length + 1;
            return r;
        }
    }
    return NULL;
}

/* Takes the option at argv[*at] and its value; 0 or TOOL_USAGE. */
static int take_option(int argc, char **argv, const struct arg *rows, int *at)
{
    const char *value, *word = argv[*at];
    const struct arg *row = row_of(rows, word, &value);

    if (row == NULL)
        return tool_usage(argv[0], "%s: no such option; see hakmem %s --help", word, argv[0]);
    if (row->flag != NULL) {
        if (value != NULL)
            return tool_usage(argv[0], "--%s takes no value, got '%s'", row->name, value);
        *row->flag = true;
        return 0;
    }
    if (value == NULL && *at + 1 < argc)
        value = argv[++*at];
    if (value == NULL || value[0] == '\0')
        return tool_usage(argv[0], "%s: expected %s after it, got nothing", word, row->value);
    *row->text = value;
    return 0;
}

bool args_parse(int argc, char **argv, const struct arg *rows, enum args_order order,
                struct operands *operands, int *status)
{
    int count = 0;

    /* Operands are moved to the front of argv; there is always room, since they come from there. */
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        bool rest = strcmp(word, "--") == 0;

        if (rest || ((word[0] != '-' || word[1] == '\0') && order == ARGS_THEN_COMMAND)) {
            for (at += rest; at < argc; at++)
                argv[1 + count++] = argv[at];
            break;
        }
        if (word[0] != '-' || word[1] == '\0') {
            argv[1 + count++] = argv[at];
            continue;
        }
        if (strcmp(word, "--help") == 0) {
            print_help(command_find(argv[0]), rows);
            *status = TOOL_OK;
            return false;
        }
        *status = take_option(argc, argv, rows, &at);
        if (*status != 0)
            return false;
    }
    argv[1 + count] = NULL;
    operands->count = count;
    operands->word = argv + 1;
    return true;
}

bool args_number(const char *command, const char *name, const char *text, uint64_t lowest,
                 uint64_t highest, uint64_t *value)
{
    char *end;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    bool digits = strspn(text, "0123456789") == strlen(text) && text[0] != '\0';
    if (digits && errno == 0 && number >= lowest && number <= highest) {
        *value = number;
        return true;
    }
    tool_usage(command, "%s: expected a whole number from %llu to %llu, got '%s'", name,
               (unsigned long long)lowest, (unsigned long long)highest, text);
    return false;
}

int args_choice(const char *command, const char *name, const char *text, const char *words)
{
    size_t length = strlen(text);
    int index = 0;

    for (const char *word = words; word != NULL; index++) {
        size_t n = strcspn(word, "|");
        if (n == length && strncmp(word, text, n) == 0)
            return index;
        word = word[n] == '|' ? word + n + 1 : NULL;
    }
    tool_usage(command, "%s: expected one of %s, got '%s'", name, words, text);
    return -1;
}
