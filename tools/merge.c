/*
 * hakmem merge: what several processes or machines learned, in one policy.
 *
 * All inputs are read before anything is written, and the output is replaced as a whole, so that it may
 * be one of the inputs. Then it may be a policy that a process learns into, so the turn at it is ours from
 * before it is read: what was saved between reading and replacing would be lost.
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "policy/doc.h"

/* Adds one file; 0, or the exit status after one line on stderr. */
static int add_file(struct policy_doc **sum, const char *path)
{
    struct policy_error error;
    struct policy_doc *doc = policy_file_read(path, false, &error);

    if (doc == NULL) {
        tool_say("merge", "%s", error.text);
        return TOOL_NO;
    }
    if (*sum == NULL) {
        *sum = doc;
        return 0;
    }
    int failed = policy_doc_merge(*sum, doc, &error);
    policy_doc_free(doc);
    if (failed != 0) {
        tool_say("merge", "%s: %s", path, error.text);
        return TOOL_NO;
    }
    return 0;
}

static int write_sum(const char *path, struct policy_doc *sum, int files)
{
    int failed = policy_file_write(path, sum);

    if (failed != 0)
        return tool_failed("merge", "%s: %s", path, strerror(-failed));
    printf("%s: %u site%s from %d files\n", path, sum->nr_sites, sum->nr_sites == 1 ? "" : "s",
           files);
    return TOOL_OK;
}

static int merge(const char *output, const struct operands *inputs)
{
    struct policy_doc *sum = NULL;
    int status = 0;

    int turn = policy_file_lock(output);
    if (turn < 0)
        return tool_failed("merge", "%s: its lock file cannot be had: %s", output, strerror(-turn));
    for (int i = 0; i < inputs->count && status == 0; i++)
        status = add_file(&sum, inputs->word[i]);
    if (status == 0)
        status = write_sum(output, sum, inputs->count);
    policy_file_unlock(turn);
    policy_doc_free(sum);
    return status;
}

int cmd_merge(int argc, char **argv)
{
    const char *output = NULL;
    const struct arg rows[] = {
        {'o', "output", "FILE", "where to; may be one of the inputs", &output, NULL},
        {0, NULL, NULL, NULL, NULL, NULL},
    };
    struct operands operands;
    int status;

    if (!args_parse(argc, argv, rows, ARGS_ANYWHERE, &operands, &status))
        return status;
    if (operands.count < 1)
        return tool_usage("merge", "expected the policy files to merge, got nothing");
    if (output == NULL)
        return tool_usage("merge", "expected -o FILE, where the merged policy goes");
    return merge(output, &operands);
}
