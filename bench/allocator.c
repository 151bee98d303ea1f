/*
 * Which allocator is it? Two witnesses, neither of them the command line: the file that
 * /proc/self/maps shows at malloc's address, and a symbol that only one allocator has, which must
 * lie in that same file (a library may be loaded and yet not be the one that answers).
 */
#include "bench.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>

typedef int mallctl_function(const char *name, void *old, size_t *old_len, void *new,
                             size_t new_len);

static void name_hakmem(void *symbol, char *out, size_t cap)
{
    const char *(*version)(void) = (const char *(*)(void))symbol;
    snprintf(out, cap, "%s", version());
}

/* mimalloc: 209 is 2.0.9 in version 2; 30400 is 3.4.0 in later ones. */
static void name_mimalloc(void *symbol, char *out, size_t cap)
{
    int v = ((int (*)(void))symbol)();
    if (v < 1000)
        snprintf(out, cap, "mimalloc %d.%d.%d", v / 100, v / 10 % 10, v % 10);
    else
        snprintf(out, cap, "mimalloc %d.%d.%d", v / 10000, v / 100 % 100, v % 100);
}

static void name_jemalloc(void *symbol, char *out, size_t cap)
{
    const char *version = "";
    size_t bytes = sizeof(version);
    if (((mallctl_function *)symbol)("version", &version, &bytes, NULL, 0) != 0)
        version = "";
    snprintf(out, cap, "jemalloc %.*s", (int)strcspn(version, "-"), version);
}

static void name_tcmalloc(void *symbol, char *out, size_t cap)
{
    const char *(*version)(int *, int *, const char **) =
        (const char *(*)(int *, int *, const char **))symbol;
    int major, minor;
    const char *patch;
    version(&major, &minor, &patch);
    snprintf(out, cap, "tcmalloc %d.%d", major, minor);
}

static void name_glibc(void *symbol, char *out, size_t cap)
{
    (void)symbol;
    snprintf(out, cap, "glibc %s", gnu_get_libc_version());
}

/* A known symbol, and how its owner says what it is; without a function the text is the name. */
static const struct witness {
    const char *symbol;
    const char *text;
    void (*name)(void *symbol, char *out, size_t cap);
} witnesses[] = {
    {"hak_version", "hakmem", name_hakmem},
    {"mi_version", "mimalloc", name_mimalloc},
    {"mallctl", "jemalloc", name_jemalloc},
    {"je_mallctl", "jemalloc", name_jemalloc},
    {"tc_version", "tcmalloc", name_tcmalloc},
    {"MallocExtension_Internal_GetStats", "tcmalloc", NULL},
    {"rpmalloc_initialize", "rpmalloc", NULL},
    {"sn_malloc_usable_size", "snmalloc", NULL},
    {"sn_malloc", "snmalloc", NULL},
    {"scalable_malloc", "tbbmalloc", NULL},
    {"gnu_get_libc_version", "glibc", name_glibc},
};

/* Libraries without a symbol of their own, by what their file is called. */
static const char *const files[] = {"snmalloc", "rpmalloc", "hardened_malloc", "scudo",
                                    "mesh",     "hoard",    "tcmalloc",        "mallocng"};

/* The file mapped at an address; "" when there is none. */
static void file_at(const void *address, char *out, size_t cap)
{
    char line[1024];
    FILE *f = fopen("/proc/self/maps", "re");
    out[0] = '\0';
    if (f == NULL)
        return;
    static char buffer[8192];
    setvbuf(f, buffer, _IOFBF, sizeof(buffer));
    while (fgets(line, sizeof(line), f) != NULL) {
        uintptr_t low, high;
        int path = 0;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &low, &high, &path) < 2 || path == 0)
            continue;
        if ((uintptr_t)address >= low && (uintptr_t)address < high) {
            snprintf(out, cap, "%s", line + path);
            break;
        }
    }
    fclose(f);
}

void allocator_identify(struct bench_allocator *out)
{
    char where[sizeof(out->module)];
    void *entry = dlsym(RTLD_DEFAULT, "malloc");

    snprintf(out->name, sizeof(out->name), "unknown");
    file_at(entry, out->module, sizeof(out->module));
    for (size_t i = 0; i < sizeof(witnesses) / sizeof(witnesses[0]); i++) {
        void *symbol = dlsym(RTLD_DEFAULT, witnesses[i].symbol);
        if (symbol == NULL)
            continue;
        file_at(symbol, where, sizeof(where));
        if (strcmp(where, out->module) != 0)
            continue;
        snprintf(out->name, sizeof(out->name), "%s", witnesses[i].text);
        if (witnesses[i].name != NULL)
            witnesses[i].name(symbol, out->name, sizeof(out->name));
        return;
    }
    const char *base = strrchr(out->module, '/');
    for (size_t i = 0; base != NULL && i < sizeof(files) / sizeof(files[0]); i++)
        if (strstr(base, files[i]) != NULL)
            snprintf(out->name, sizeof(out->name), "%s", files[i]);
}
