/*
 * Makes a sample policy. usage: make_policy KIND FILE (sample.h has the kinds)
 */
#include <stdio.h>

#include "sample.h"

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct policy_doc *doc = policy_doc_new();
    if (doc == NULL)
        return 1;
    if (!sample_fill(doc, argv[1]) || policy_file_write(argv[2], doc) != 0) {
        fprintf(stderr, "make_policy: cannot make '%s' in %s\n", argv[1], argv[2]);
        return 1;
    }
    policy_doc_free(doc);
    return 0;
}
