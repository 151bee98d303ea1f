/*
 * Work that is done again and again, each time with another system call refused, each in a process of its own.
 */
#ifndef HAK_TESTS_REFUSE_H
#define HAK_TESTS_REFUSE_H

#include "isolated.h"

enum {
    NOT_REACHED = 78, /* exit status: the work was over before the call that was to be refused */
    REFUSED_CALLS_MAX = 2000,
};

static const char *faulty_arm;
static unsigned faulty_call;

/* `work` refuses call number faulty_call under faulty_arm, and exits with NOT_REACHED where there is none. It makes
 * more than `least` calls. */
static void refuse_each_call(const char *arm, void (*work)(void), unsigned least)
{
    int status = 0;
    faulty_arm = arm;
    for (faulty_call = 0; status == 0 && faulty_call < REFUSED_CALLS_MAX; faulty_call++)
        status = isolated_status(work);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != NOT_REACHED)
        fail_msg("%s: call %u refused: status %x", arm, faulty_call - 1, status);
    assert_true(faulty_call > least);
}

#endif
