/*
 * Files, without stdio: this runs inside malloc. Calls repeat after EINTR and after short counts. And by syscall(): open(), read(),
 * write(), close() and fsync() are cancellation points, malloc is none, and a thread that ends in it leaves locks behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/os_linux.h"

/*
 * The descriptor moved out of the way of the standard streams: a program that has closed one of them would write
 * its own output into our file, and we our complaints.
 */
static int above_standard(int fd)
{
    if (fd > STDERR_FILENO)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int status = higher < 0 ? -errno : higher;
    linux_close(fd);
    return status;
}

int linux_open(const char *path, int flags, unsigned mode)
{
    int fd;
    do
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, (mode_t)mode);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : above_standard(fd);
}

int linux_close(int fd)
{
    return syscall(SYS_close, fd) == 0 || errno == EINTR ? 0 : -errno;
}

long linux_read(int fd, void *buf, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        long n = syscall(SYS_read, fd, (char *)buf + done, bytes - done);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            done += (size_t)n;
    }
    return (long)done;
}

long linux_write(int fd, const void *buf, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        long n = syscall(SYS_write, fd, (const char *)buf + done, bytes - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            done += (size_t)n;
    }
    return (long)done;
}

long linux_file_bytes(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    return (long)st.st_size;
}

int linux_fsync(int fd)
{
    return syscall(SYS_fsync, fd) == 0 ? 0 : -errno;
}

int linux_flock(int fd, int operation)
{
    int status;
    do
        status = flock(fd, operation);
    while (status != 0 && errno == EINTR);
    return status == 0 ? 0 : -errno;
}

int linux_rename(const char *from, const char *to)
{
    return rename(from, to) == 0 ? 0 : -errno;
}

int linux_unlink(const char *path)
{
    return unlink(path) == 0 ? 0 : -errno;
}

long linux_readlink(const char *path, char *buf, size_t cap)
{
    ssize_t n = readlink(path, buf, cap);
    if (n < 0)
        return -errno;
    if ((size_t)n >= cap)
        return -ENAMETOOLONG;
    buf[n] = '\0';
    return n;
}

int linux_file_access(int fd, struct os_access *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    *out = (struct os_access){st.st_mode & 0777, st.st_uid, st.st_gid};
    return 0;
}

int linux_fchmod(int fd, unsigned mode)
{
    return fchmod(fd, (mode_t)mode) == 0 ? 0 : -errno;
}

int linux_fchown(int fd, unsigned user, unsigned group)
{
    return fchown(fd, user, group) == 0 ? 0 : -errno;
}

int linux_absolute(const char *path, char *buf, size_t cap)
{
    char directory[4096];
    int n;
    if (path[0] == '/')
        n = snprintf(buf, cap, "%s", path);
    else if (getcwd(directory, sizeof(directory)) != NULL)
        n = snprintf(buf, cap, "%s/%s", directory, path);
    else
        return -errno;
    return n >= 0 && (size_t)n < cap ? 0 : -ENAMETOOLONG;
}

long linux_slurp(const char *path, char *buf, size_t cap)
{
    int fd = linux_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    long n;
    do
        n = syscall(SYS_read, fd, buf, cap - 1);
    while (n < 0 && errno == EINTR);
    int status = n < 0 ? -errno : 0;
    linux_close(fd);
    if (status != 0)
        return status;
    buf[n] = '\0';
    return n;
}
