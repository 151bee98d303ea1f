/*
 * Policy files on a real file system: what is no regular file, permissions, links, failures of every system call
 * in turn, death at every system call and at random moments, and many processes at one file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy_sample.h"

enum { SITE = 7, BAND = 21, ARM = 20 };

static char directory[64];

/* --- helpers: every test runs in an empty directory of its own --- */

static int enter_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/hakmem-test-XXXXXX");
    umask(022);
    return mkdtemp(directory) == NULL || chmod(directory, 0777) != 0 || chdir(directory) != 0;
}

/* Files in the directory whose name contains `part`; they are removed if `clean`. */
static unsigned files_with(const char *part, bool clean)
{
    unsigned n = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.' || strstr(e->d_name, part) == NULL)
            continue;
        n++;
        if (clean && remove(e->d_name) != 0)
            n += 1000;
    }
    closedir(d);
    return n;
}

static int leave_directory(void **state)
{
    (void)state;
    os = &os_linux;
    if (chdir(directory) != 0 || files_with("", true) > 999 || chdir("/") != 0)
        return 1;
    return rmdir(directory);
}

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static char *get_file(const char *path)
{
    static char text[1 << 16];
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return NULL;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    return text;
}

/* Plays in the file; -1: there is none; fails when it is not a policy. */
static long plays_in(const char *path)
{
    struct policy_error error;
    if (access(path, F_OK) != 0)
        return -1;
    struct policy_doc *doc = policy_file_read(path, false, &error);
    if (doc == NULL)
        fail_msg("%s", error.text);
    long plays = (long)sample_plays(doc);
    policy_doc_free(doc);
    return plays;
}

/* Merges `plays` plays into the file. */
static int merge_plays(const char *path, unsigned plays, struct policy_error *error)
{
    struct policy_doc *delta = sample_delta(SITE, BAND, ARM, plays, 1000);
    int status = policy_file_merge(path, delta, error);
    policy_doc_free(delta);
    return status;
}

static void assert_merged(const char *path, unsigned plays)
{
    struct policy_error error;
    int status = merge_plays(path, plays, &error);
    if (status != 0)
        fail_msg("%d: %s", status, error.text);
    assert_string_equal(error.text, "");
}

static int write_plays(const char *path, unsigned plays)
{
    struct policy_doc *doc = sample_delta(SITE, BAND, ARM, plays, 1000);
    int status = policy_file_write(path, doc);
    policy_doc_free(doc);
    return status;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode;
}

/* Runs `body` as a user who is not root, for whom permissions count; its exit status. */
static int as_nobody(int (*body)(void))
{
    enum { NOBODY = 65534 };
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(99);
        _exit(body());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- reading --- */

static void assert_unreadable(const char *path, bool missing_ok, int failure, const char *line)
{
    struct policy_error error;
    struct policy_doc *doc = policy_file_read(path, missing_ok, &error);
    int got = errno;
    assert_null(doc);
    assert_int_equal(got, failure);
    assert_string_equal(error.text, line);
}

static void what_is_no_file_is_not_read(void **state)
{
    (void)state;
    assert_unreadable("none", false, ENOENT, "none: cannot be opened: No such file or directory");
    assert_unreadable(".", false, EISDIR, ".: cannot be read: Is a directory");
    assert_unreadable("/dev/null", false, EINVAL,
                      "/dev/null: is not a regular file: Invalid argument");
    assert_int_equal(mkfifo("fifo", 0644), 0);
    assert_unreadable("fifo", false, EINVAL, "fifo: is not a regular file: Invalid argument");
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    assert_unreadable("dangling", false, ENOENT,
                      "dangling: cannot be opened: No such file or directory");
    assert_unreadable("dangling", true, ENOENT,
                      "dangling: cannot be opened: No such file or directory");
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_unreadable("loop", true, ELOOP,
                      "loop: cannot be opened: Too many levels of symbolic links");
    put_file("empty", "");
    assert_unreadable("empty", true, EBADMSG, "empty: line 1: expected an object");
    put_file("bad\n\x1b[1m", "{\n\"goal\":1}");
    assert_unreadable("bad\n\x1b[1m", true, EBADMSG,
                      "bad??[1m: line 2: goal: expected speed, balanced or memory, got 1");
    struct policy_error error;
    struct policy_doc *doc = policy_file_read("none", true, &error);
    assert_non_null(doc);
    assert_int_equal(doc->nr_sites, 0);
    policy_doc_free(doc);
}

static void large_files_are_not_read(void **state)
{
    (void)state;
    put_file("large", "{");
    assert_int_equal(truncate("large", 100 << 20), 0);
    assert_unreadable("large", false, EFBIG, "large: larger than the 64 MiB a policy may have");
    struct policy_error error;
    assert_int_equal(merge_plays("large", 1, &error), -EFBIG);
    assert_int_equal(files_with("", false), 2); /* and its lock file: it was not put aside */
    assert_int_equal(truncate("large", 60 << 20), 0);
    assert_unreadable("large", false, EBADMSG, "large: line 1: expected a key in double quotes");
}

static int read_forbidden(void)
{
    struct policy_error error;
    struct policy_doc *doc = policy_file_read("secret", true, &error);
    if (doc != NULL || errno != EACCES)
        return 1;
    return strcmp(error.text, "secret: cannot be opened: Permission denied") != 0;
}

static void forbidden_files_are_not_read(void **state)
{
    (void)state;
    put_file("secret", "{}");
    assert_int_equal(chmod("secret", 0), 0);
    assert_int_equal(as_nobody(read_forbidden), 0);
}

/* --- writing --- */

static void new_files_respect_the_umask(void **state)
{
    (void)state;
    assert_int_equal(write_plays("a", 3), 0);
    assert_int_equal(mode_of("a") & 07777, 0644);
    umask(077);
    assert_int_equal(write_plays("b", 3), 0);
    umask(022);
    assert_int_equal(mode_of("b") & 07777, 0600);
    assert_int_equal(plays_in("a"), 3);
    assert_int_equal(files_with("", false), 2);
}

static void existing_files_keep_their_mode(void **state)
{
    (void)state;
    static const mode_t modes[] = {0600, 0640, 0666, 0755};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(write_plays("a", 1), 0);
        assert_int_equal(chmod("a", modes[i]), 0);
        assert_int_equal(write_plays("a", 2), 0);
        assert_int_equal(mode_of("a") & 07777, modes[i]);
        assert_merged("a", 3);
        assert_int_equal(mode_of("a") & 07777, modes[i]);
        assert_int_equal(plays_in("a"), 5);
    }
}

static void links_stay_and_their_target_is_replaced(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sub", 0777), 0);
    put_file("sub/target", "{\"hakmem_policy\":1}");
    assert_int_equal(symlink("target", "sub/second"), 0);
    assert_int_equal(symlink("sub/second", "first"), 0);
    assert_merged("first", 4);
    assert_merged("sub/target", 5);
    assert_int_equal(write_plays("first", 0), 0);
    assert_merged("sub/second", 6);
    assert_true(S_ISLNK(mode_of("first")) && S_ISLNK(mode_of("sub/second")));
    assert_true(S_ISREG(mode_of("sub/target")));
    assert_int_equal(plays_in("first"), 6);
    assert_int_equal(access("sub/target.lock", F_OK), 0); /* one lock, whatever name it goes by */
    assert_int_equal(access("first.lock", F_OK), -1);

    char absolute[128];
    snprintf(absolute, sizeof(absolute), "%s/sub/target", directory);
    assert_int_equal(symlink(absolute, "far"), 0);
    assert_merged("far", 1);
    assert_int_equal(plays_in("sub/target"), 7);
    assert_int_equal(system("rm -r sub"), 0);
}

static void dangling_links_and_directories_are_not_written(void **state)
{
    (void)state;
    struct policy_error error;

    assert_int_equal(symlink("nowhere", "dangling"), 0);
    assert_int_equal(write_plays("dangling", 1), -ENOENT);
    assert_int_equal(merge_plays("dangling", 1, &error), -ENOENT);
    assert_string_equal(error.text, "nowhere: cannot be opened: No such file or directory");
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_int_equal(write_plays("loop", 1), -ELOOP);
    assert_int_equal(merge_plays("loop", 1, &error), -ELOOP);
    assert_int_equal(mkdir("dir", 0777), 0);
    assert_int_equal(write_plays("dir", 1), -EISDIR);
    assert_int_equal(merge_plays("dir", 1, &error), -EISDIR);
    assert_string_equal(error.text, "dir: cannot be read: Is a directory");
    assert_int_equal(write_plays("none/file", 1), -ENOENT);
    assert_int_equal(merge_plays("none/file", 1, &error), -ENOENT);
    assert_string_equal(error.text,
                        "none/file: its lock file cannot be had: No such file or directory");
    assert_int_equal(write_plays("/dev/null", 1), -EINVAL);
    assert_int_equal(files_with("", false), 5); /* two links, the directory, two lock files */
}

static int write_forbidden(void)
{
    struct policy_error error;
    if (write_plays("shut/policy", 5) != -EACCES ||
        merge_plays("shut/policy", 5, &error) != -EACCES)
        return 1;
    if (strstr(error.text, "Permission denied") == NULL)
        return 2;
    if (write_plays("locked", 5) != -EACCES || merge_plays("locked", 5, &error) != -EACCES)
        return 3;
    return strcmp(error.text, "locked: cannot be written: Permission denied") == 0 ? 0 : 4;
}

static void forbidden_files_are_not_written(void **state)
{
    (void)state;
    assert_int_equal(mkdir("shut", 0755), 0);
    assert_int_equal(write_plays("shut/policy", 2), 0);
    assert_int_equal(write_plays("locked", 2), 0);
    assert_int_equal(chmod("locked", 0444), 0);
    if (geteuid() != 0)
        assert_int_equal(chmod("shut", 0555), 0);
    assert_int_equal(as_nobody(write_forbidden), 0);
    assert_int_equal(chmod("shut", 0755), 0);
    assert_int_equal(plays_in("shut/policy"), 2);
    assert_int_equal(plays_in("locked"), 2);
    assert_int_equal(files_with(".tmp.", false), 0);
    assert_int_equal(system("rm -r shut"), 0);
}

/* A disk that is full: the limit on a file's size stands for it, with the signal that goes with it ignored. */
static int write_beyond_limit(void)
{
    struct policy_error error;
    struct rlimit limit = {1000, 1000};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    if (write_plays("policy", 5) != -EFBIG || merge_plays("policy", 5, &error) != -EFBIG)
        return 2;
    return strcmp(error.text, "policy: cannot be written: File too large") == 0 ? 0 : 3;
}

static void short_writes_leave_the_old_file(void **state)
{
    (void)state;
    assert_int_equal(write_plays("policy", 2), 0);
    assert_int_equal(chmod("policy", 0666), 0);
    assert_int_equal(as_nobody(write_beyond_limit), 0);
    assert_int_equal(plays_in("policy"), 2);
    assert_int_equal(files_with(".tmp.", false), 0);
}

/* --- merging --- */

static void merges_add_up(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 5; i++)
        assert_merged("policy", i);
    assert_int_equal(plays_in("policy"), 15);
    assert_int_equal(files_with("", false), 2);
    assert_int_equal(access("policy.lock", F_OK), 0);
}

static void what_is_no_policy_is_kept(void **state)
{
    (void)state;
    struct policy_error error;

    put_file("policy", "my notes\n");
    assert_int_equal(merge_plays("policy", 3, &error), 0);
    assert_string_equal(error.text, "policy: line 1: expected an object; kept as policy.bad");
    assert_string_equal(get_file("policy.bad"), "my notes\n");
    assert_int_equal(plays_in("policy"), 3);
    put_file("policy", "more notes\n");
    assert_int_equal(symlink("nowhere", "policy.bad.2"), 0);
    assert_int_equal(merge_plays("policy", 4, &error), 0);
    assert_string_equal(error.text, "policy: line 1: expected an object; kept as policy.bad.3");
    assert_string_equal(get_file("policy.bad"), "my notes\n");
    assert_string_equal(get_file("policy.bad.3"), "more notes\n");
    assert_int_equal(plays_in("policy"), 4);
}

static void goals_are_not_mixed_in_a_file(void **state)
{
    (void)state;
    struct policy_error error;
    struct policy_doc *delta = sample_delta(SITE, BAND, ARM, 1, 1);

    assert_merged("policy", 3);
    delta->goal = GOAL_SPEED;
    assert_int_equal(policy_file_merge("policy", delta, &error), -EINVAL);
    assert_non_null(strstr(error.text, "policy: learned for different goals: balanced and speed"));
    assert_int_equal(plays_in("policy"), 3);
    policy_doc_free(delta);
}

/* --- every system call in turn --- */

enum fault { NO_FAULT, FAIL, DIE };

static struct {
    enum fault fault;
    int at, calls, failure; /* call number `at` fails with `failure` */
    int open_files, mapped;
    bool unlink_failed;
} faults;

static bool is_faulty(void)
{
    if (faults.fault == NO_FAULT || faults.calls++ != faults.at)
        return false;
    if (faults.fault == DIE)
        kill(getpid(), SIGKILL);
    return true;
}

static void *faulty_map(size_t bytes)
{
    if (is_faulty()) {
        errno = ENOMEM;
        return NULL;
    }
    faults.mapped++;
    return os_linux.map(bytes);
}

static void faulty_release(void *p, size_t bytes)
{
    faults.mapped--;
    os_linux.release(p, bytes);
}

static int faulty_open(const char *path, int flags, unsigned mode)
{
    if (is_faulty())
        return -faults.failure;
    int fd = os_linux.open(path, flags, mode);
    faults.open_files += fd >= 0;
    return fd;
}

static int faulty_close(int fd)
{
    faults.open_files--;
    int status = os_linux.close(fd);
    return is_faulty() ? -faults.failure : status;
}

static long faulty_read(int fd, void *buf, size_t bytes)
{
    return is_faulty() ? -faults.failure : os_linux.read(fd, buf, bytes);
}

static long faulty_write(int fd, const void *buf, size_t bytes)
{
    if (faults.fault != NO_FAULT && faults.calls == faults.at)
        os_linux.write(fd, buf, bytes / 2);
    return is_faulty() ? -faults.failure : os_linux.write(fd, buf, bytes);
}

static long faulty_file_bytes(int fd)
{
    return is_faulty() ? -faults.failure : os_linux.file_bytes(fd);
}

static int faulty_fsync(int fd)
{
    return is_faulty() ? -faults.failure : os_linux.fsync(fd);
}

static int faulty_flock(int fd, int operation)
{
    return is_faulty() ? -faults.failure : os_linux.flock(fd, operation);
}

static int faulty_rename(const char *from, const char *to)
{
    return is_faulty() ? -faults.failure : os_linux.rename(from, to);
}

static int faulty_unlink(const char *path)
{
    if (!is_faulty())
        return os_linux.unlink(path);
    faults.unlink_failed = true;
    return -faults.failure;
}

static long faulty_readlink(const char *path, char *buf, size_t cap)
{
    return is_faulty() ? -faults.failure : os_linux.readlink(path, buf, cap);
}

static int faulty_file_mode(int fd)
{
    return is_faulty() ? -faults.failure : os_linux.file_mode(fd);
}

static int faulty_fchmod(int fd, unsigned mode)
{
    return is_faulty() ? -faults.failure : os_linux.fchmod(fd, mode);
}

static struct os faulty_os;

static void make_faulty_os(enum fault fault, int at, int failure)
{
    faults = (typeof(faults)){.fault = fault, .at = at, .failure = failure};
    faulty_os = os_linux;
    faulty_os.map = faulty_map;
    faulty_os.release = faulty_release;
    faulty_os.open = faulty_open;
    faulty_os.close = faulty_close;
    faulty_os.read = faulty_read;
    faulty_os.write = faulty_write;
    faulty_os.file_bytes = faulty_file_bytes;
    faulty_os.fsync = faulty_fsync;
    faulty_os.flock = faulty_flock;
    faulty_os.rename = faulty_rename;
    faulty_os.unlink = faulty_unlink;
    faulty_os.readlink = faulty_readlink;
    faulty_os.file_mode = faulty_file_mode;
    faulty_os.fchmod = faulty_fchmod;
    os = &faulty_os;
}

/* One merge of which call number `at` fails: old file or new file, nothing left over. False: there was no such call. */
static bool merge_with_failure(const char *old, int at, int failure)
{
    struct policy_error error;

    if (old != NULL)
        put_file("policy", old);
    long before = old != NULL && old[0] == '{' ? plays_in("policy") : -1;
    struct policy_doc *delta = sample_delta(SITE, BAND, ARM, 3, 1000);
    make_faulty_os(FAIL, at, failure);
    int status = policy_file_merge("policy", delta, &error);
    os = &os_linux;
    bool was_hit = faults.calls > at;
    policy_doc_free(delta);

    if (faults.open_files != 0 || faults.mapped != 0)
        fail_msg("call %d: %d files open, %d mappings left", at, faults.open_files, faults.mapped);
    if (status != 0 && error.text[0] == '\0')
        fail_msg("call %d: status %d and not a word", at, status);
    if (status == 0)
        assert_int_equal(plays_in("policy"), (before < 0 ? 0 : before) + 3);
    else if (old == NULL)
        assert_int_equal(access("policy", F_OK), -1);
    else
        assert_string_equal(get_file("policy"), old);
    if (status == 0 && old != NULL && before < 0)
        assert_string_equal(get_file(files_with(".bad.2", false) ? "policy.bad.2" : "policy.bad"),
                            old); /* the second name when whether the first is free cannot be seen */
    if (!faults.unlink_failed)
        assert_int_equal(files_with(".tmp.", false), 0);
    files_with("", true);
    return was_hit;
}

static void failure_of_any_call_leaves_old_or_new(void **state)
{
    (void)state;
    static const int failures[] = {ENOSPC, EACCES, EIO, EDQUOT, EMFILE, EINVAL};
    char old[1 << 16];

    assert_int_equal(write_plays("policy", 8), 0);
    strcpy(old, get_file("policy"));
    const char *const olds[] = {old, NULL, "no policy"};
    for (unsigned o = 0; o < 3; o++) {
        for (unsigned f = 0; f < 6; f++) {
            int at = 0;
            while (merge_with_failure(olds[o], at, failures[f]))
                at++;
            assert_true(at >= 18);
        }
    }
}

/* As above, but the process dies at the call. */
static void death_at_any_call_leaves_old_or_new(void **state)
{
    (void)state;
    int status = 0, deaths = 0;

    assert_merged("policy", 5);
    for (int at = 0; status == 0 || WIFSIGNALED(status); at++) {
        long before = plays_in("policy");
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct policy_error error;
            struct policy_doc *delta = sample_delta(SITE, BAND, ARM, 3, 1000);
            make_faulty_os(DIE, at, 0);
            int result = policy_file_merge("policy", delta, &error);
            _exit(result == 0 ? 42 : 43);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        long after = plays_in("policy");
        assert_true(after == before || after == before + 3);
        deaths += WIFSIGNALED(status);
        assert_merged("policy", 1); /* the next one is not held up by what the dead one left */
        assert_int_equal(plays_in("policy"), after + 1);
    }
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_true(deaths >= 18);
    files_with(".tmp.", true);
}

/* Saves without end; one byte into the pipe after each. */
_Noreturn static void save_for_ever(int pipe_end)
{
    for (;;) {
        struct policy_error error;
        if (merge_plays("policy", 1, &error) != 0 || write(pipe_end, "x", 1) != 1)
            _exit(1);
    }
}

static void death_at_random_moments_leaves_old_or_new(void **state)
{
    (void)state;
    enum { DEATHS = 200 };
    uint64_t seed = (uint64_t)getpid() * 2654435761u, random = seed;
    int ends[2];

    print_message("# seed %llu\n", (unsigned long long)seed);
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < DEATHS; i++) {
        long before = plays_in("policy");
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            save_for_ever(ends[1]);
        /* Somewhere in the second save, or the third: the moment itself is what is random here. */
        char byte;
        assert_int_equal(read(ends[0], &byte, 1), 1);
        usleep((useconds_t)(sample_random(&random) % 2000));
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));

        long reported = 1;
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        while (read(ends[0], &byte, 1) == 1)
            reported++;
        fcntl(ends[0], F_SETFL, 0);
        long saved = plays_in("policy") - (before < 0 ? 0 : before);
        /* All that it had been told were saved, and at most the one it was killed in. */
        if (saved != reported && saved != reported + 1)
            fail_msg("death %d: %ld saves were reported, %ld are in the file", i, reported, saved);
    }
    close(ends[0]);
    close(ends[1]);
    files_with(".tmp.", true);
}

/* --- many at once --- */

static void processes_that_share_a_file_lose_nothing(void **state)
{
    (void)state;
    enum { PROCESSES = 6, MERGES = 30, PLAYS = 7 };

    for (int p = 0; p < PROCESSES; p++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child != 0)
            continue;
        for (int m = 0; m < MERGES; m++) {
            struct policy_error error;
            struct policy_doc *delta = sample_delta(SITE + (unsigned)m % 3, BAND, p, PLAYS, 1000);
            if (policy_file_merge("policy", delta, &error) != 0 || error.text[0] != '\0')
                _exit(1);
            policy_doc_free(delta);
        }
        _exit(0);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    struct policy_error error;
    struct policy_doc *doc = policy_file_read("policy", false, &error);
    assert_non_null(doc);
    assert_int_equal(doc->nr_sites, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct policy_band *b = doc->site[i]->band[0];
        assert_int_equal(b->seen.episodes, PROCESSES * MERGES / 3 * PLAYS);
        for (int p = 0; p < PROCESSES; p++) {
            assert_int_equal(b->elo.arm[p].plays, MERGES / 3 * PLAYS);
            assert_int_equal(b->cost_sum_ns[p], MERGES / 3 * PLAYS * 1000);
        }
    }
    policy_doc_free(doc);
    assert_int_equal(files_with(".tmp.", false), 0);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter_directory, leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(what_is_no_file_is_not_read),
        IN_DIRECTORY(large_files_are_not_read),
        IN_DIRECTORY(forbidden_files_are_not_read),
        IN_DIRECTORY(new_files_respect_the_umask),
        IN_DIRECTORY(existing_files_keep_their_mode),
        IN_DIRECTORY(links_stay_and_their_target_is_replaced),
        IN_DIRECTORY(dangling_links_and_directories_are_not_written),
        IN_DIRECTORY(forbidden_files_are_not_written),
        IN_DIRECTORY(short_writes_leave_the_old_file),
        IN_DIRECTORY(merges_add_up),
        IN_DIRECTORY(what_is_no_policy_is_kept),
        IN_DIRECTORY(goals_are_not_mixed_in_a_file),
        IN_DIRECTORY(failure_of_any_call_leaves_old_or_new),
        IN_DIRECTORY(death_at_any_call_leaves_old_or_new),
        IN_DIRECTORY(death_at_random_moments_leaves_old_or_new),
        IN_DIRECTORY(processes_that_share_a_file_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
