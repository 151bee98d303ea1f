/*
 * Can the loader preload our library into this program? Answered from the program's file: its ELF header
 * and program headers, its owner and mode, and for a script the interpreter's file.
 *
 * Only what is certain counts. What this misses the handshake of launch.c finds out, afterwards.
 */
#include "launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPTS_MAX = 4, HEAD_BYTES = 512, HEADERS_MAX = 128 };

/* The file that execvp() would run; the same order, and only regular files that may be executed. */
static bool find_program(const char *program, char out[PATH_MAX])
{
    const char *path = getenv("PATH");
    struct stat st;

    if (strchr(program, '/') != NULL)
        return snprintf(out, PATH_MAX, "%s", program) < PATH_MAX;
    if (path == NULL)
        path = "/bin:/usr/bin";
    for (;;) {
        size_t n = strcspn(path, ":");
        int length = snprintf(out, PATH_MAX, "%.*s%s%s", (int)n, path, n != 0 ? "/" : "", program);
        if (length < PATH_MAX && stat(out, &st) == 0 && S_ISREG(st.st_mode) &&
            access(out, X_OK) == 0)
            return true;
        if (path[n] == '\0')
            return false;
        path += n + 1;
    }
}

/* The parts of an ELF header this is about; both widths look the same up to e_machine. */
struct elf_head {
    unsigned char class, order;
    Elf64_Half machine;
    bool static_linked;
};

static bool has_interpreter(int fd, const Elf64_Ehdr *e)
{
    Elf64_Phdr headers[HEADERS_MAX];

    /* Anything unusual counts as an interpreter: only what is certain may be said. */
    if (e->e_phnum == 0 || e->e_phnum > HEADERS_MAX || e->e_phentsize != sizeof(headers[0]))
        return true;
    size_t bytes = e->e_phnum * sizeof(headers[0]);
    if (pread(fd, headers, bytes, (off_t)e->e_phoff) != (ssize_t)bytes)
        return true;
    for (unsigned i = 0; i < e->e_phnum; i++)
        if (headers[i].p_type == PT_INTERP)
            return true;
    return false;
}

static bool read_elf(int fd, struct elf_head *out)
{
    Elf64_Ehdr e;

    memset(&e, 0, sizeof(e));
    if (pread(fd, &e, sizeof(e), 0) < (ssize_t)sizeof(Elf32_Ehdr) ||
        memcmp(e.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    out->class = e.e_ident[EI_CLASS];
    out->order = e.e_ident[EI_DATA];
    out->machine = e.e_machine;
    /* Of a position-independent file without an interpreter it is not certain: the loader is one too. */
    out->static_linked =
        out->class == ELFCLASS64 && e.e_type == ET_EXEC && !has_interpreter(fd, &e);
    return true;
}

static bool read_elf_of(const char *path, struct elf_head *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool ok = read_elf(fd, out);
    close(fd);
    return ok;
}

/* Whether running it changes who we are: then the loader ignores LD_PRELOAD. */
static bool gains_privileges(const char *path)
{
    struct statvfs fs;
    struct stat st;

    if (stat(path, &st) != 0 || statvfs(path, &fs) != 0)
        return false;
    if ((fs.f_flag & ST_NOSUID) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return false;
    if ((st.st_mode & S_ISUID) && st.st_uid != geteuid())
        return true;
    if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getegid())
        return true;
    /* Capabilities of a file make the loader cautious, unless root runs it, who has them all. */
    return geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

/* The interpreter that a "#!" line names. */
static bool script_interpreter(const char *path, char out[PATH_MAX])
{
    char head[HEAD_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    ssize_t n = read(fd, head, sizeof(head) - 1);
    close(fd);
    if (n < 3 || head[0] != '#' || head[1] != '!')
        return false;
    head[n] = '\0';
    const char *name = head + 2 + strspn(head + 2, " \t");
    size_t length = strcspn(name, " \t\n");
    if (length == 0)
        return false;
    return snprintf(out, PATH_MAX, "%.*s", (int)length, name) < PATH_MAX;
}

static bool cannot_preload_into(const char *path, const char *library, char *reason,
                                size_t capacity)
{
    struct elf_head program, ours;

    if (gains_privileges(path)) {
        snprintf(reason, capacity, "%s changes its user, group or capabilities when it starts",
                 path);
        return true;
    }
    if (!read_elf_of(path, &program) || !read_elf_of(library, &ours))
        return false;
    if (program.class != ours.class || program.machine != ours.machine ||
        program.order != ours.order) {
        snprintf(reason, capacity, "%s is of another architecture than %s", path, library);
        return true;
    }
    if (program.static_linked) {
        snprintf(reason, capacity, "%s is statically linked", path);
        return true;
    }
    return false;
}

bool launch_cannot_preload(const char *program, const char *library, char *reason, size_t capacity)
{
    char path[PATH_MAX], interpreter[PATH_MAX];

    if (!find_program(program, path))
        return false;
    for (int depth = 0; depth < SCRIPTS_MAX && script_interpreter(path, interpreter); depth++)
        memcpy(path, interpreter, sizeof(path));
    return cannot_preload_into(path, library, reason, capacity);
}
