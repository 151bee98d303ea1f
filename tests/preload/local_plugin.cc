// Of local.c: asks for more than there can be.
#include <new>

static void *volatile got;
static volatile unsigned long enormous = 1UL << 62;

extern "C" int nothrow_is_null(void)
{
    got = new (std::nothrow) char[enormous];
    return got == nullptr;
}

extern "C" int bad_alloc_is_caught(void)
{
    try {
        got = new char[enormous];
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}
