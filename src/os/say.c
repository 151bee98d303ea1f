/*
 * Words on stderr. No malloc and no stdio streams, because the caller may be inside either.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/os.h"

static void put(const char *text, size_t bytes)
{
    while (bytes > 0) {
        long n = syscall(SYS_write, STDERR_FILENO, text, bytes); /* no cancellation point */
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        bytes -= (size_t)n;
    }
}

void os_say(const char *format, ...)
{
    static const char prefix[] = "hakmem: ";
    char line[512];
    int saved_errno = errno;
    size_t used = sizeof(prefix) - 1;
    va_list args;

    memcpy(line, prefix, used);
    va_start(args, format);
    int n = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
    va_end(args);
    if (n > 0)
        used += strlen(line + used);
    line[used++] = '\n';
    put(line, used);
    errno = saved_errno;
}

_Noreturn void os_fatal(const char *text, const void *p)
{
    static const char digits[] = "0123456789abcdef";
    char line[160] = "hakmem: ";
    size_t used = strlen(line);
    size_t length = strlen(text);

    if (length > sizeof(line) - used - 24)
        length = sizeof(line) - used - 24;
    memcpy(line + used, text, length);
    used += length;
    memcpy(line + used, " 0x", 3);
    used += 3;
    for (int shift = 60; shift >= 0; shift -= 4)
        line[used++] = digits[((uintptr_t)p >> shift) & 15];
    line[used++] = '\n';
    put(line, used);
    abort();
}
