/*
 * For programs of tests that ask for more than there is.
 */
#ifndef HAK_TESTS_ENORMOUS_H
#define HAK_TESTS_ENORMOUS_H

#include "base/attr.h"

/* The sanitizers' malloc ends the program at sizes that cannot be had, unless it is told not to. */
HAK_EXPORT const char *__asan_default_options(void);
HAK_EXPORT const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

#endif
