/*
 * A double of libhakmem.so, so that the command is tested by itself: it answers the handshake, and when the
 * program ends it goes on with the policy for DOUBLE_EPISODES made-up episodes. With DOUBLE_SILENT set it
 * does not answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sample.h"

__attribute__((constructor)) static void answer(void)
{
    const char *number = getenv("HAKMEM_HANDSHAKE");

    if (number == NULL || getenv("DOUBLE_SILENT") != NULL)
        return;
    dprintf(atoi(number), "hakmem %s %d\n", HAK_VERSION, (int)getpid());
    close(atoi(number));
    unsetenv("HAKMEM_HANDSHAKE");
}

__attribute__((destructor)) static void learn(void)
{
    const char *mode = getenv("HAKMEM_MODE"), *episodes = getenv("DOUBLE_EPISODES");
    const char *path = getenv("HAKMEM_POLICY"), *seed = getenv("HAKMEM_SEED");
    struct policy_error error;

    if (mode == NULL || strcmp(mode, "learn") != 0 || episodes == NULL || path == NULL)
        return;
    struct policy_doc *doc = policy_file_read(path, true, &error);
    if (doc == NULL ||
        !sample_learn_more(doc, (unsigned)atoi(episodes), seed ? (uint64_t)atoi(seed) : 0) ||
        policy_file_write(path, doc) != 0)
        abort();
}
