/*
 * hakmem inspect: what a policy says, dearest first; for one site everything.
 */
#include "commands.h"
#include "inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How an id begins, as it is printed or, with 0x before it, as the file has it; 0x alone begins none. */
static bool begins_id(uint64_t id, const char *name)
{
    char digits[17];

    if (strncasecmp(name, "0x", 2) == 0)
        name += 2;
    snprintf(digits, sizeof(digits), "%016" PRIx64, id);
    return name[0] != '\0' && strncasecmp(digits, name, strlen(name)) == 0;
}

/* A site is named by its id, by how its id begins, or by a part of its symbol or place. */
static bool is_asked_for(const struct policy_site *site, const char *name)
{
    char place[128];

    if (name == NULL || begins_id(site->id, name))
        return true;
    if (strcasecmp(name, "0x") == 0) /* a part of every offset */
        return false;
    insight_place_text(site, place, sizeof(place));
    return strstr(site->symbol, name) != NULL || strstr(place, name) != NULL;
}

static int show(const struct policy_doc *doc, const char *file, const char *site, bool json)
{
    struct inspection what = {.file = file, .doc = doc, .arms = site != NULL};
    struct insights in;
    int status = TOOL_OK;

    if (!insights_make(doc, &in) || !(what.row = calloc(in.count + 1, sizeof(what.row[0]))))
        return tool_failed("inspect", "out of memory");
    what.in = &in;
    for (unsigned i = 0; i < in.count; i++)
        if (is_asked_for(in.row[i].site, site))
            what.row[what.count++] = &in.row[i];
    if (what.count == 0 && site != NULL) {
        tool_say("inspect", "%s: no site whose id begins with or whose symbol contains '%s'", file,
                 site);
        status = TOOL_NO;
    } else if (json) {
        inspect_json(&what);
    } else {
        inspect_text(&what);
    }
    free(what.row);
    insights_free(&in);
    return status;
}

int cmd_inspect(int argc, char **argv)
{
    const char *site = NULL;
    bool json = false;
    const struct arg rows[] = {
        {'s', "site", "SITE", "one site: its id, how its id begins, or a part of its symbol", &site,
         NULL},
        {'j', "json", NULL, "as JSON, with all arms", NULL, &json},
        {0, NULL, NULL, NULL, NULL, NULL},
    };
    struct policy_error error;
    struct operands operands;
    int status;

    if (!args_parse(argc, argv, rows, ARGS_ANYWHERE, &operands, &status))
        return status;
    if (operands.count != 1)
        return tool_usage("inspect", "expected one policy file, got %d", operands.count);
    struct policy_doc *doc = policy_file_read(operands.word[0], false, &error);
    if (doc == NULL) {
        tool_say("inspect", "%s", error.text);
        return TOOL_NO;
    }
    status = show(doc, operands.word[0], site, json);
    policy_doc_free(doc);
    return status;
}
