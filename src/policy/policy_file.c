/*
 * Policies in files.
 *
 * A policy is replaced, never written over: the new text goes to a temporary file beside it, is made durable
 * and takes the old one's name. So whoever reads, and whenever the machine stops, the file is the old one or
 * the new one. Processes that learn into one file take turns at a lock file beside it, which stays: a lock on
 * the policy itself would be lost with the file that is replaced, and one that is removed would let in two.
 *
 * A save is nobody's business but the policy's: whoever made it, the new file is whose the old one was, as far as that
 * can be had, and so is the lock file beside it. Else one save by root would shut out those whose policy it is.
 *
 * Once the rename is done the save counts as done, even when making it durable fails: a caller that was told
 * of a failure would add what it learned a second time.
 */
#include "policy/doc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "policy/pool.h"

enum {
    PATH_CAP = 4096,
    LINKS_MAX = 40,   /* the kernel's own limit */
    TRIES_MAX = 1000, /* names that are taken already */
    MODE_NEW = 0644,  /* less the umask */
    MODE_OWN = 0600,  /* until it is known whose the file is to be */
};

/* Paths of one save. Scratch memory: they are too large for the stack of a thread that calls malloc. */
struct place {
    char file[PATH_CAP];  /* what is replaced: links followed */
    bool is_link;         /* the path given was a link */
    char temp[PATH_CAP];  /* "" while there is none */
    char other[PATH_CAP]; /* lock file, kept file, directory: one after another */
    char link[PATH_CAP];
};

/* Names of what went wrong, for "PATH: WHAT: Permission denied". */
static const char cannot_open[] = "cannot be opened";
static const char cannot_read[] = "cannot be read";
static const char cannot_write[] = "cannot be written";

static const char *reason(int status)
{
    const char *text = strerrordesc_np(-status); /* no malloc, no locale */
    return text != NULL ? text : "unknown error";
}

/* "PATH: what" into the error; of a long path its end. `what` may be the error's own text. */
static void report(struct policy_error *error, const char *path, const char *what)
{
    enum { SHOWN = 160 };
    struct policy_error copy;
    size_t n = strlen(path);

    snprintf(copy.text, sizeof(copy.text), "%s", what);
    int prefix = snprintf(error->text, sizeof(error->text), "%s%s: ", n > SHOWN ? "..." : "",
                          n > SHOWN ? path + n - SHOWN : path);
    for (int i = 0; i < prefix; i++)
        if (error->text[i] < 0x20 || error->text[i] == 0x7F)
            error->text[i] = '?';
    snprintf(error->text + prefix, sizeof(error->text) - (size_t)prefix, "%.*s",
             (int)sizeof(error->text) - prefix - 1, copy.text);
}

static int report_status(struct policy_error *error, const char *path, const char *what, int status)
{
    char line[120];
    snprintf(line, sizeof(line), "%s: %s", what, reason(status));
    report(error, path, line);
    return status;
}

/* Not the controlling terminal, and no waiting for a writer of a FIFO. */
static int open_existing(const char *path, int access)
{
    return os->open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
}

static struct policy_doc *parse_fd(int fd, const char *path, struct policy_error *error)
{
    long bytes = os->file_bytes(fd);
    if (bytes < 0) {
        const char *what = bytes == -EINVAL ? "is not a regular file" : cannot_read;
        errno = -report_status(error, path, what, (int)bytes);
        return NULL;
    }
    if (bytes > POLICY_FILE_MAX_BYTES) {
        report(error, path, "larger than the 64 MiB a policy may have");
        errno = EFBIG;
        return NULL;
    }
    char *text = policy_scratch_map((size_t)bytes + 1);
    if (text == NULL) {
        errno = -report_status(error, path, cannot_read, -ENOMEM);
        return NULL;
    }
    long got = os->read(fd, text, (size_t)bytes);
    struct policy_doc *doc = got < 0 ? NULL : policy_doc_parse(text, (size_t)got, error);
    int failure = errno;
    if (got < 0)
        failure = -report_status(error, path, cannot_read, (int)got);
    else if (doc == NULL)
        report(error, path, error->text);
    policy_scratch_release(text, (size_t)bytes + 1);
    errno = failure;
    return doc;
}

static bool is_link(const char *path)
{
    char target[1]; /* too small for any: -ENAMETOOLONG for a link, -EINVAL for what is none */
    long n = os->readlink(path, target, sizeof(target));
    return n >= 0 || n == -ENAMETOOLONG;
}

struct policy_doc *policy_file_read(const char *path, bool missing_ok, struct policy_error *error)
{
    error->text[0] = '\0';
    int fd = open_existing(path, O_RDONLY);
    if (fd == -ENOENT && missing_ok && !is_link(path)) {
        struct policy_doc *empty = policy_doc_new();
        if (empty == NULL)
            errno = -report_status(error, path, cannot_read, -ENOMEM);
        return empty;
    }
    if (fd < 0) {
        errno = -report_status(error, path, cannot_open, fd);
        return NULL;
    }
    struct policy_doc *doc = parse_fd(fd, path, error);
    int failure = errno;
    os->close(fd);
    errno = failure;
    return doc;
}

/* snprintf of two parts of a path; 0 or -ENAMETOOLONG. */
static int join(char out[PATH_CAP], const char *head, size_t head_bytes, const char *tail)
{
    int n = snprintf(out, PATH_CAP, "%.*s%s", (int)head_bytes, head, tail);
    return n >= 0 && n < PATH_CAP ? 0 : -ENAMETOOLONG;
}

/* The length of the directory's part of a path, its slash included; 0: the current one. */
static size_t directory_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash + 1 - path);
}

/* Follows links of the last component, so that the target is replaced and not the link. 0 or -errno. */
static int find_place(struct place *p, const char *path)
{
    int status = join(p->file, "", 0, path);

    for (int hops = 0; status == 0 && hops < LINKS_MAX; hops++) {
        long n = os->readlink(p->file, p->link, sizeof(p->link));
        if (n < 0)
            return n == -EINVAL || n == -ENOENT ? 0 : (int)n;
        p->is_link = true;
        memcpy(p->other, p->file, sizeof(p->file));
        status =
            join(p->file, p->other, p->link[0] == '/' ? 0 : directory_bytes(p->other), p->link);
    }
    return status != 0 ? status : -ELOOP;
}

/* Of the file that is to be replaced. 0 or -errno; -ENOENT: there is none. What may not be written to may not
 * be replaced either, though the directory would allow it. */
static int access_of_old(const struct place *p, struct os_access *old)
{
    int fd = open_existing(p->file, O_RDWR);
    if (fd < 0)
        return fd;
    long status = os->file_bytes(fd);
    if (status >= 0)
        status = os->file_access(fd, old);
    os->close(fd);
    return (int)status;
}

/*
 * Gives our new file the old one's owner and group, as far as that can be had; the mode that it may have then. Where the
 * group is another one, its members are not those who were meant, and those who were are among all others now: both
 * get what both had.
 */
static unsigned give_to_owner(int fd, const struct os_access *own, const struct os_access *old)
{
    if (own->user != old->user && os->fchown(fd, old->user, old->group) == 0)
        return old->mode;
    if (own->group == old->group || os->fchown(fd, OS_SAME, old->group) == 0)
        return old->mode;
    unsigned both = old->mode >> 3 & old->mode & 07;
    return (old->mode & 0700) | both << 3 | both;
}

/* The owner first: changing that takes bits off the mode. */
static int keep_access(int fd, const struct os_access *old)
{
    struct os_access own = {.user = OS_SAME, .group = OS_SAME};
    os->file_access(fd, &own);
    unsigned mode = give_to_owner(fd, &own, old);
    int status = os->fchmod(fd, mode);
    /* Who may give files away need not have a say in them afterwards. */
    if (status == -EPERM && os->fchown(fd, own.user, OS_SAME) == 0)
        status = os->fchmod(fd, mode);
    return status;
}

/* A new file beside p->file, its name in p->temp; the descriptor or -errno. */
static int create_temp(struct place *p, unsigned mode)
{
    static unsigned counter; /* shared by threads, so that names differ */
    char suffix[48];

    for (int tries = 0; tries < TRIES_MAX; tries++) {
        unsigned n = __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
        snprintf(suffix, sizeof(suffix), ".tmp.%d.%u", os->pid(), n);
        int status = join(p->temp, p->file, strlen(p->file), suffix);
        if (status == 0)
            status = os->open(p->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (status >= 0)
            return status;
        p->temp[0] = '\0';
        if (status != -EEXIST)
            return status;
    }
    return -EEXIST;
}

/* All of the text, on the disk, with the old file's permissions, if there was one. */
static int fill_temp(int fd, const char *text, size_t bytes, const struct os_access *old)
{
    int status = old != NULL ? keep_access(fd, old) : 0;
    if (status != 0)
        return status;
    long written = os->write(fd, text, bytes);
    if (written < 0)
        return (int)written;
    return (size_t)written == bytes ? os->fsync(fd) : -EIO;
}

/* The text in a temporary file that is complete and durable; on failure there is none. 0 or -errno. */
static int make_temp(struct place *p, const char *text, size_t bytes, const struct os_access *old)
{
    int fd = create_temp(p, old != NULL ? MODE_OWN : MODE_NEW);
    if (fd < 0)
        return fd;
    int status = fill_temp(fd, text, bytes, old);
    int closed = os->close(fd);
    if (status == 0)
        status = closed;
    if (status != 0)
        os->unlink(p->temp);
    return status;
}

/* So that the rename outlives a power failure. What cannot be done here is no failure any more. */
static void sync_directory(struct place *p)
{
    size_t bytes = directory_bytes(p->file);
    if (join(p->other, bytes > 0 ? p->file : "./", bytes > 0 ? bytes : 2, "") != 0)
        return;
    int fd = os->open(p->other, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    os->fsync(fd);
    os->close(fd);
}

/* The temporary file takes the policy's name; the old one is kept under the name in `kept`, if not NULL. */
static int swap_in(struct place *p, const char *kept)
{
    int status = kept != NULL ? os->rename(p->file, kept) : 0;
    if (status == 0) {
        status = os->rename(p->temp, p->file);
        if (status != 0 && kept != NULL)
            os->rename(kept, p->file);
    }
    if (status != 0)
        os->unlink(p->temp);
    return status;
}

static int write_place(struct place *p, struct policy_doc *doc, const char *kept)
{
    size_t bytes;
    struct os_access old;
    int found = access_of_old(p, &old);

    if (found < 0 && (found != -ENOENT || p->is_link))
        return found;
    const char *text = policy_doc_print(doc, &bytes);
    if (text == NULL)
        return -ENOMEM;
    if (bytes > POLICY_FILE_MAX_BYTES)
        return -EFBIG;
    int status = make_temp(p, text, bytes, found == 0 ? &old : NULL);
    if (status == 0)
        status = swap_in(p, kept);
    if (status == 0)
        sync_directory(p);
    return status;
}

int policy_file_write(const char *path, struct policy_doc *doc)
{
    struct place *p = policy_scratch_map(sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    int status = find_place(p, path);
    if (status == 0)
        status = write_place(p, doc, NULL);
    policy_scratch_release(p, sizeof(*p));
    return status;
}

/* The lock file in p->other. One that is made is for all whom the policy is for: that of another user, who got here
 * first, is left as it is. */
static int open_lock(const struct place *p)
{
    struct os_access old;
    int fd = open_existing(p->other, O_RDONLY | O_NOFOLLOW);
    if (fd != -ENOENT)
        return fd;
    fd = os->open(p->other, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE_NEW);
    if (fd == -EEXIST)
        return open_existing(p->other, O_RDONLY | O_NOFOLLOW);
    if (fd >= 0 && access_of_old(p, &old) == 0)
        keep_access(fd, &old);
    return fd;
}

/* Waits for its turn at the file; the descriptor that holds it, or -errno. */
static int lock(struct place *p)
{
    int status = join(p->other, p->file, strlen(p->file), ".lock");
    if (status != 0)
        return status;
    int fd = open_lock(p);
    if (fd < 0)
        return fd;
    status = os->flock(fd, LOCK_EX);
    if (status == 0)
        return fd;
    os->close(fd);
    return status;
}

static void unlock(int fd)
{
    os->flock(fd, LOCK_UN); /* a child of fork may still have the descriptor */
    os->close(fd);
}

/* A name that is free, PATH.bad or PATH.bad.2 and so on, in p->link; 0 or -errno. */
static int choose_kept_name(struct place *p)
{
    char suffix[24] = ".bad";

    for (int i = 2; i < TRIES_MAX; i++) {
        int status = join(p->link, p->file, strlen(p->file), suffix);
        int fd = status == 0 ? open_existing(p->link, O_RDONLY) : status;
        if (fd == -ENOENT && !is_link(p->link))
            return 0;
        if (fd >= 0)
            os->close(fd);
        else if (fd != -EACCES && fd != -ENOENT)
            return fd;
        snprintf(suffix, sizeof(suffix), ".bad.%d", i);
    }
    return -EEXIST;
}

/* What is no policy is put aside, and what was learned begins a new one. `error` says why it is none. */
static int replace_bad(struct place *p, struct policy_doc *delta, struct policy_error *error)
{
    struct policy_error unused;
    struct policy_doc *doc = policy_doc_new();
    int status = doc == NULL ? -ENOMEM : policy_doc_learn(doc, delta, &unused);

    if (status == 0)
        status = choose_kept_name(p);
    if (status == 0)
        status = write_place(p, doc, p->link);
    policy_doc_free(doc);
    if (status != 0)
        return report_status(error, p->file, "is no policy, and cannot be put aside", status);
    size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof(error->text) - used, "; kept as %s",
             p->link + directory_bytes(p->link));
    return 0;
}

static int merge_locked(struct place *p, struct policy_doc *delta, struct policy_error *error)
{
    struct policy_doc *doc = policy_file_read(p->file, !p->is_link, error);
    if (doc == NULL)
        return errno == EBADMSG ? replace_bad(p, delta, error) : -errno;

    int status = policy_doc_learn(doc, delta, error);
    if (status != 0) {
        report(error, p->file, error->text);
    } else {
        status = write_place(p, doc, NULL);
        if (status != 0)
            report_status(error, p->file, cannot_write, status);
    }
    policy_doc_free(doc);
    return status;
}

int policy_file_merge(const char *path, struct policy_doc *delta, struct policy_error *error)
{
    error->text[0] = '\0';
    struct place *p = policy_scratch_map(sizeof(*p));
    if (p == NULL)
        return report_status(error, path, cannot_write, -ENOMEM);
    int status = find_place(p, path);
    if (status != 0) {
        report_status(error, path, cannot_open, status);
    } else {
        int fd = lock(p);
        if (fd < 0) {
            status = report_status(error, path, "its lock file cannot be had", fd);
        } else {
            status = merge_locked(p, delta, error);
            unlock(fd);
        }
    }
    policy_scratch_release(p, sizeof(*p));
    return status;
}

int policy_file_lock(const char *path)
{
    struct place *p = policy_scratch_map(sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    int status = find_place(p, path);
    if (status == 0)
        status = lock(p);
    policy_scratch_release(p, sizeof(*p));
    return status;
}

void policy_file_unlock(int turn)
{
    unlock(turn);
}
