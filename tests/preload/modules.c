/*
 * modules PLUGIN: a module is loaded, allocates, is unloaded, and loaded again elsewhere; its blocks outlive it.
 */
#include "check.h"

int main(int argc, char **argv)
{
    enum { TURNS = 12, BYTES = 250000 };
    void *kept[TURNS];

    check_allocator();
    for (int i = 0; i < TURNS; i++) {
        void *module = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW);
        CHECK(module != NULL);
        void *(*make)(size_t) = (void *(*)(size_t))dlsym(module, "plugin_make");
        void (*drop)(void *) = (void (*)(void *))dlsym(module, "plugin_drop");
        CHECK(make != NULL && drop != NULL);
        kept[i] = make(BYTES);
        CHECK(kept[i] != NULL);
        fill(kept[i], BYTES, (uint64_t)i);
        drop(make(BYTES * 2));
        CHECK(dlclose(module) == 0);
        /* Something else may now lie where the module was. */
        free(malloc(BYTES));
    }
    for (int i = 0; i < TURNS; i++) {
        CHECK(holds(kept[i], BYTES, BYTES, (uint64_t)i));
        free(kept[i]);
    }
    CHECK(dlopen("/nonexistent/module.so", RTLD_NOW) == NULL && dlerror() != NULL);
    puts("blocks outlive their module");
    return 0;
}
