/*
 * A library that does no more than answer the handshake of `hakmem run`, as libhakmem.so does, so that
 * the command is tested by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void answer(void)
{
    const char *number = getenv("HAKMEM_HANDSHAKE");

    if (number == NULL)
        return;
    dprintf(atoi(number), "hakmem 0.1.0 %d\n", (int)getpid());
    close(atoi(number));
    unsetenv("HAKMEM_HANDSHAKE");
}
