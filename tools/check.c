/*
 * hakmem check: would the library load this policy?
 */
#include "commands.h"

#include <stdio.h>

#include "policy/doc.h"

static unsigned count_bands(const struct policy_doc *doc, unsigned *decided)
{
    unsigned bands = 0;

    *decided = 0;
    for (unsigned i = 0; i < doc->nr_sites; i++) {
        bands += doc->site[i]->nr_bands;
        for (unsigned k = 0; k < doc->site[i]->nr_bands; k++)
            *decided += doc->site[i]->band[k]->elo.state == ELO_DECIDED;
    }
    return bands;
}

static const char *plural(unsigned n)
{
    return n == 1 ? "" : "s";
}

int cmd_check(int argc, char **argv)
{
    const struct arg rows[] = {{0, NULL, NULL, NULL, NULL, NULL}};
    struct policy_error error;
    struct operands operands;
    int status;
    unsigned decided;

    if (!args_parse(argc, argv, rows, ARGS_ANYWHERE, &operands, &status))
        return status;
    if (operands.count != 1)
        return tool_usage("check", "expected one policy file, got %d", operands.count);
    struct policy_doc *doc = policy_file_read(operands.word[0], false, &error);
    if (doc == NULL) {
        printf("%s\n", error.text);
        return TOOL_NO;
    }
    unsigned bands = count_bands(doc, &decided);
    printf("%s: valid, %u site%s, %u band%s, %u decided\n", operands.word[0], doc->nr_sites,
           plural(doc->nr_sites), bands, plural(bands), decided);
    policy_doc_free(doc);
    return TOOL_OK;
}
