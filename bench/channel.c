#include "channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The wait that a signal handler may have cut short is taken up again. */
static void wait_whole(sem_t *sem)
{
    while (sem_wait(sem) != 0) {}
}

static void *receive(void *channel)
{
    struct channel *c = channel;
    for (;;) {
        wait_whole(&c->waiting);
        volatile char *block = c->entries[c->read_at % CHANNEL_WAITING].block;
        size_t bytes = c->entries[c->read_at % CHANNEL_WAITING].bytes;
        c->read_at++;
        sem_post(&c->room);
        if (block == NULL)
            return NULL;
        for (size_t at = 0; at < bytes; at += 4096)
            (void)block[at];
        free((void *)block);
        sem_post(&c->drained);
    }
}

void channel_open(struct channel *c)
{
    c->read_at = c->write_at = 0;
    sem_init(&c->room, 0, CHANNEL_WAITING);
    sem_init(&c->waiting, 0, 0);
    sem_init(&c->drained, 0, 0);
    int error = pthread_create(&c->receiver, NULL, receive, c);
    if (error != 0) {
        fprintf(stderr, "hakmem-bench: no thread to hand blocks to: %s\n", strerror(error));
        exit(1);
    }
}

void channel_send(struct channel *c, void *block, size_t bytes)
{
    wait_whole(&c->room);
    c->entries[c->write_at % CHANNEL_WAITING].block = block;
    c->entries[c->write_at % CHANNEL_WAITING].bytes = bytes;
    c->write_at++;
    sem_post(&c->waiting);
}

void channel_drain(struct channel *c, unsigned blocks)
{
    for (unsigned i = 0; i < blocks; i++)
        wait_whole(&c->drained);
}

void channel_close(struct channel *c)
{
    channel_send(c, NULL, 0);
    pthread_join(c->receiver, NULL);
}
