/*
 * The commands of `hakmem`, and what they share: one row a command, one row an argument.
 *
 * The rows make the parser, --help and the error lines, so that help is never apart from what it
 * helps with. A command gets argv[0] = its own name and returns the exit status.
 */
#ifndef HAK_TOOLS_COMMANDS_H
#define HAK_TOOLS_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

/* Exit statuses of our own; the last three are those of env(1), nohup(1) and timeout(1), so that they are
 * not taken for the status of the program that was to be run. */
enum {
    TOOL_OK = 0,
    TOOL_NO = 1,           /* the answer is no: not valid, not equal */
    TOOL_USAGE = 2,        /* the command was called wrongly */
    TOOL_FAILED = 125,     /* hakmem could not do its part */
    TOOL_CANNOT_RUN = 126, /* the program is there but cannot be run */
    TOOL_NOT_FOUND = 127,  /* there is no such program */
    TOOL_SIGNAL = 128,     /* + the signal that ended the program */
};

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *synopsis; /* what follows the name */
    const char *help;     /* one line */
    const char *details;  /* paragraphs for --help; NULL: none */
};

extern const struct command commands[]; /* ends with a row without a name */

const struct command *command_find(const char *name); /* NULL: no such command */

int cmd_run(int argc, char **argv);
int cmd_learn(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_options(int argc, char **argv);

/* One argument. Exactly one of `text` and `flag` is given; a row without a name ends the table. */
struct arg {
    char letter;       /* 'o' for -o; 0: none */
    const char *name;  /* "output" for --output */
    const char *value; /* what the value is called in help: "FILE"; NULL for a flag */
    const char *help;
    const char **text; /* gets the value */
    bool *flag;        /* is set */
};

/* What is left once the options are taken: the operands, in order, and a NULL after them. */
struct operands {
    int count;
    char **word;
};

enum args_order {
    ARGS_ANYWHERE,    /* options before, between and after the operands, up to "--" */
    ARGS_THEN_COMMAND /* the first operand is a program: all after it is its own */
};

/*
 * Parses argv by the rows. True: go on. False: return *status at once; --help was printed (0), or one
 * line on stderr said what was wrong (TOOL_USAGE).
 */
bool args_parse(int argc, char **argv, const struct arg *rows, enum args_order order,
                struct operands *operands, int *status);

/* A whole number in [lowest, highest], without units or sign; false + one line on stderr. */
bool args_number(const char *command, const char *name, const char *text, uint64_t lowest,
                 uint64_t highest, uint64_t *value);

/* The index of `text` in "word|word|..."; -1 + one line on stderr. */
int args_choice(const char *command, const char *name, const char *text, const char *words);

/* "hakmem COMMAND: text" and a newline on stderr; returns TOOL_USAGE, for `return tool_usage(...)`. */
int tool_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, returning TOOL_FAILED. */
int tool_failed(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, as a remark. */
void tool_say(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
