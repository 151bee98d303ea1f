/* The module that modules.c loads: it allocates in its constructor, on demand, and frees in its destructor. thread_local.c asks for
 * what it has for each thread. */
#include <stdlib.h>

void *plugin_make(size_t bytes);
void plugin_drop(void *p);
unsigned char *plugin_of_this_thread(size_t *bytes);

static void *own;

__attribute__((constructor)) static void loaded(void)
{
    own = malloc(300000);
}

__attribute__((destructor)) static void unloaded(void)
{
    free(own);
}

__attribute__((visibility("default"))) void *plugin_make(size_t bytes)
{
    void *p = malloc(bytes);
    return p;
}

__attribute__((visibility("default"))) void plugin_drop(void *p)
{
    free(p);
}

__attribute__((visibility("default"))) unsigned char *plugin_of_this_thread(size_t *bytes)
{
    static _Thread_local unsigned char own_of_thread[200000];
    *bytes = sizeof(own_of_thread);
    return own_of_thread;
}
