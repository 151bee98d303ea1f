/* What the tests of the public API share: cmocka's includes, sizes around every boundary, bytes to recognise. */
#ifndef TESTS_API_API_H
#define TESTS_API_API_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hakmem/hakmem.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* Keeps compilers from knowing sizes that no allocation can have. */
static inline size_t hide(size_t n)
{
    volatile size_t hidden = n;
    return hidden;
}

static inline uint64_t stat_now(const char *name)
{
    uint64_t value = 0;
    assert_int_equal(hak_stat(name, &value), 0);
    return value;
}

#endif
