/*
 * Blocks on their way to a thread that reads and frees them.
 */
#ifndef HAK_BENCH_CHANNEL_H
#define HAK_BENCH_CHANNEL_H

#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>

enum { CHANNEL_WAITING = 4 }; /* blocks at most */

struct channel {
    struct {
        void *block; /* NULL: the last entry */
        size_t bytes;
    } entries[CHANNEL_WAITING];
    sem_t room, waiting, drained; /* drained: one post for each block the other thread has freed */
    unsigned read_at, write_at;
    pthread_t receiver;
};

/* Starts the other thread; ends the benchmark where there is none to be had. */
void channel_open(struct channel *c);

/* Waits while there is no room. */
void channel_send(struct channel *c, void *block, size_t bytes);

/* Waits until so many more blocks have been freed. */
void channel_drain(struct channel *c, unsigned blocks);

void channel_close(struct channel *c);

#endif
