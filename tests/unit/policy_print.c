/*
 * usage: policy_print SEED SITES   prints a made-up policy
 *        policy_print              for each line of input, a policy: the line that refuses it, or "ok"
 */
#include <stdio.h>
#include <stdlib.h>

#include "policy_sample.h"

static int check_lines(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t bytes;

    while ((bytes = getline(&line, &cap, stdin)) > 0) {
        struct policy_error error;
        struct policy_doc *doc = policy_doc_parse(line, (size_t)bytes, &error);
        puts(doc != NULL ? "ok" : error.text);
        policy_doc_free(doc);
    }
    free(line);
    return 0;
}

int main(int argc, char **argv)
{
    size_t bytes;

    if (argc != 3)
        return check_lines();
    struct policy_doc *doc =
        sample_policy(strtoull(argv[1], NULL, 10), (unsigned)strtoul(argv[2], NULL, 10));
    const char *text = doc == NULL ? NULL : policy_doc_print(doc, &bytes);
    if (text == NULL)
        return 1;
    fwrite(text, 1, bytes, stdout);
    policy_doc_free(doc);
    return 0;
}
