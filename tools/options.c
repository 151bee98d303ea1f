/*
 * hakmem options: the option table, for people. With --markdown it is docs/options.md.
 */
#include "commands.h"
#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct option_row *option_named(const char *field)
{
    const struct option_row *row = option_rows;

    while (strcmp(row->field, field) != 0)
        row++;
    return row;
}

/* What a row says of itself in words. */
struct described {
    char kind[16], otherwise[32], range[64];
};

static void describe_choice(const struct option_row *row, struct described *out)
{
    const char *word = row->words;

    for (uint64_t i = 0; i < row->otherwise && word != NULL; i++)
        word = strchr(word, '|') + 1;
    snprintf(out->kind, sizeof(out->kind), "choice");
    snprintf(out->otherwise, sizeof(out->otherwise), "%.*s", (int)strcspn(word, "|"), word);
    snprintf(out->range, sizeof(out->range), "%s", row->words);
    for (char *bar = out->range; (bar = strchr(bar, '|')) != NULL;)
        *bar = ' '; /* a bar would end the cell of a Markdown table */
}

static struct described describe(const struct option_row *row)
{
    struct described out = {.range = "any"};

    if (row->kind == OPTION_CHOICE) {
        describe_choice(row, &out);
    } else if (row->kind == OPTION_NUMBER) {
        const char *space = row->unit[0] != '\0' ? " " : "";
        snprintf(out.kind, sizeof(out.kind), "number");
        snprintf(out.otherwise, sizeof(out.otherwise), "%" PRIu64 "%s%s", row->otherwise, space,
                 row->unit);
        snprintf(out.range, sizeof(out.range), "%" PRIu64 " to %" PRIu64, row->lowest,
                 row->highest);
    } else {
        snprintf(out.kind, sizeof(out.kind), "text");
        snprintf(out.otherwise, sizeof(out.otherwise), "unset");
    }
    return out;
}

static void print_plain(void)
{
    printf("%-26s%-8s%-10s%-24s%s\n", "name", "type", "default", "range", "what it does");
    for (unsigned i = 0; i < option_row_count; i++) {
        struct described d = describe(&option_rows[i]);
        printf("%-26s%-8s%-10s%-24s%s\n", option_rows[i].environment, d.kind, d.otherwise, d.range,
               option_rows[i].help);
    }
}

static void print_markdown(void)
{
    puts("# Options\n\n"
         "hakmem reads these environment variables once, when a program starts. There is no other\n"
         "configuration but the policy file. Under a set-user-ID program (AT_SECURE) all of them "
         "are\n"
         "ignored. A value that is not in its range is named in one line on stderr, and the "
         "default is\n"
         "used.\n\n"
         "This page is the output of `hakmem options --markdown`; a test fails when it is stale. "
         "The\n"
         "table itself is `src/config/options.h`.\n\n"
         "| name | type | default | range | what it does |\n"
         "|---|---|---|---|---|");
    for (unsigned i = 0; i < option_row_count; i++) {
        struct described d = describe(&option_rows[i]);
        printf("| `%s` | %s | %s | %s | %s |\n", option_rows[i].environment, d.kind, d.otherwise,
               d.range, option_rows[i].help);
    }
    puts("\nThe `hakmem` command reads one more: `HAKMEM_LIBRARY`, the path of the `libhakmem.so` "
         "that it\n"
         "runs programs under, in place of the one it finds beside itself.");
}

int cmd_options(int argc, char **argv)
{
    bool markdown = false;
    const struct arg rows[] = {
        {0, "markdown", NULL, "as a page: this is docs/options.md", NULL, &markdown},
        {0, NULL, NULL, NULL, NULL, NULL},
    };
    struct operands operands;
    int status;

    if (!args_parse(argc, argv, rows, ARGS_ANYWHERE, &operands, &status))
        return status;
    if (operands.count != 0)
        return tool_usage("options", "expected no operands, got '%s'", operands.word[0]);
    if (markdown)
        print_markdown();
    else
        print_plain();
    return TOOL_OK;
}
