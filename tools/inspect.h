/*
 * The two ways `hakmem inspect` shows a policy: for people (inspect_text.c) and as JSON (inspect_json.c).
 */
#ifndef HAK_TOOLS_INSPECT_H
#define HAK_TOOLS_INSPECT_H

#include "insight.h"

/* What of a policy is to be shown. */
struct inspection {
    const char *file;
    const struct policy_doc *doc;
    const struct insights *in;
    const struct insight **row; /* those that were asked for, dearest first */
    unsigned count;
    bool arms; /* each with all its arms */
};

void inspect_text(const struct inspection *what);
void inspect_json(const struct inspection *what);

#endif
