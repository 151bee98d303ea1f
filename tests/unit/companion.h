/*
 * Another thread that does one thing after the other, as it is told.
 */
#ifndef HAK_TESTS_COMPANION_H
#define HAK_TESTS_COMPANION_H

#include "isolated.h"

#include <pthread.h>
#include <semaphore.h>

struct companion {
    pthread_t thread;
    sem_t go, done;
    void (*what)(void *argument);
    void *argument;
};

__attribute__((unused)) static void *keep_company(void *argument)
{
    struct companion *c = argument;
    for (;;) {
        sem_wait(&c->go);
        if (c->what == NULL)
            return NULL;
        c->what(c->argument);
        sem_post(&c->done);
    }
}

__attribute__((unused)) static void companion_start(struct companion *c)
{
    sem_init(&c->go, 0, 0);
    sem_init(&c->done, 0, 0);
    CHECK(pthread_create(&c->thread, NULL, keep_company, c) == 0);
}

__attribute__((unused)) static void companion_does(struct companion *c, void (*what)(void *),
                                                   void *argument)
{
    c->what = what;
    c->argument = argument;
    sem_post(&c->go);
    sem_wait(&c->done);
}

__attribute__((unused)) static void companion_ends(struct companion *c)
{
    c->what = NULL;
    sem_post(&c->go);
    CHECK(pthread_join(c->thread, NULL) == 0);
}

#endif
