#include "library.h"
#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* HAK_LIBDIR (below the prefix, or absolute) and HAK_PREFIX come from the build. */
#define LIBRARY_NAME "libhakmem.so"

static bool executable_directory(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

/* `out` gets the real path when a file can be read there. */
static bool usable(const char *path, char out[PATH_MAX])
{
    return realpath(path, out) != NULL && access(out, R_OK) == 0;
}

static bool beside_executable(const char *below, char out[PATH_MAX])
{
    char directory[PATH_MAX], path[2 * PATH_MAX];

    if (!executable_directory(directory))
        return false;
    snprintf(path, sizeof(path), "%s/../%s/%s", directory, below, LIBRARY_NAME);
    return usable(path, out);
}

const char *tool_library_path(void)
{
    static char found[PATH_MAX];
    const char *chosen = getenv("HAKMEM_LIBRARY");

    /* One that was named but is not there must not be replaced by another silently. */
    if (chosen != NULL && chosen[0] != '\0')
        return usable(chosen, found) ? found : NULL;
    if (beside_executable("src", found))
        return found;
    if (HAK_LIBDIR[0] != '/' && beside_executable(HAK_LIBDIR, found))
        return found;
    if (usable(HAK_LIBDIR[0] == '/' ? HAK_LIBDIR "/" LIBRARY_NAME
                                    : HAK_PREFIX "/" HAK_LIBDIR "/" LIBRARY_NAME,
               found))
        return found;
    errno = ENOENT;
    return NULL;
}

const char *tool_library_needed(const char *command)
{
    const char *chosen = getenv("HAKMEM_LIBRARY");
    const char *path = tool_library_path();

    if (path == NULL && chosen != NULL && chosen[0] != '\0')
        tool_failed(command, "HAKMEM_LIBRARY=%s: %s", chosen, strerror(errno));
    else if (path == NULL)
        tool_failed(command,
                    "no %s in the build tree of this executable nor in %s/%s: build it, "
                    "or set HAKMEM_LIBRARY to its path",
                    LIBRARY_NAME, HAK_PREFIX, HAK_LIBDIR);
    else if (strpbrk(path, " :") !=
             NULL) { /* the separators of LD_PRELOAD; they cannot be escaped */
        tool_failed(command, "%s: the loader cannot preload a path with a space or a colon in it",
                    path);
        path = NULL;
    }
    return path;
}
