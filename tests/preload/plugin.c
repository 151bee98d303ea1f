/* The module that modules.c loads: it allocates in its constructor, on demand, and frees in its destructor. */
#include <stdlib.h>

void *plugin_make(size_t bytes);
void plugin_drop(void *p);

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
