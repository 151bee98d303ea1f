/* A plugin brings the C++ library, and shows its names to nobody else: what cannot be had is said as that library says it. */
#include "check.h"

int main(int argc, char **argv)
{
    check_allocator();
    CHECK(argc == 2);
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL)
        puts(dlerror());
    CHECK(plugin != NULL);
    for (const char *const *name =
             (const char *const[]){"nothrow_is_null", "bad_alloc_is_caught", NULL};
         *name != NULL; name++) {
        int (*function)(void) = (int (*)(void))dlsym(plugin, *name);
        CHECK(function != NULL);
        printf("%s: %d\n", *name, function());
    }
    return 0;
}
