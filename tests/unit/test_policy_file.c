/*
 * Policy files on a real file system: what is no regular file, permissions, links, full disks, merging.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy_directory.h"

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode;
}

enum { NOBODY = 65534 };

/* Runs `body` as a user who is not root, for whom permissions count; its exit status. */
static int as_nobody(int (*body)(void))
{
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

/* --- whose the files are --- */

static void assert_whose(const char *path, unsigned user, unsigned group, mode_t mode)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    if (st.st_uid != user || st.st_gid != group || (st.st_mode & 07777) != mode)
        fail_msg("%s: %u:%u %o, not %u:%u %o", path, st.st_uid, st.st_gid, st.st_mode & 07777u,
                 user, group, mode);
}

static int merge_three(void)
{
    struct policy_error error;
    return merge_plays("policy", 3, &error) == 0 ? 0 : 1;
}

/* Root learns once into a policy that is another's, and its users go on learning. */
static void a_save_by_root_shuts_nobody_out(void **state)
{
    (void)state;
    enum { GROUP = 12345 };
    if (geteuid() != 0)
        skip();
    static const mode_t modes[] = {0600, 0664};
    for (unsigned i = 0; i < 2; i++) {
        files_with("", true);
        assert_int_equal(write_plays("policy", 2), 0);
        assert_int_equal(chown("policy", NOBODY, GROUP), 0);
        assert_int_equal(chmod("policy", modes[i]), 0);
        umask(077);
        assert_merged("policy", 1);
        umask(022);
        assert_whose("policy", NOBODY, GROUP, modes[i]);
        assert_whose("policy.lock", NOBODY, GROUP, modes[i]);
        assert_int_equal(as_nobody(merge_three), 0);
        assert_int_equal(plays_in("policy"), 6);
    }
}

/* That of another user, made before there was a policy or by hand, is not ours to change. */
static void a_lock_file_that_is_there_stays_as_it_is(void **state)
{
    (void)state;
    put_file("policy.lock", "");
    assert_int_equal(chmod("policy.lock", 0604), 0);
    assert_int_equal(write_plays("policy", 2), 0);
    assert_int_equal(chmod("policy", 0666), 0);
    assert_merged("policy", 1);
    assert_whose("policy.lock", geteuid(), getegid(), 0604);
}

static void a_new_lock_file_is_for_those_whom_the_policy_is_for(void **state)
{
    (void)state;
    assert_int_equal(write_plays("policy", 2), 0);
    assert_int_equal(chmod("policy", 0664), 0);
    umask(077);
    assert_merged("policy", 1);
    assert_int_equal(mode_of("policy.lock") & 07777, 0664);
    assert_merged("other", 1); /* no policy: as the policy will be */
    umask(022);
    assert_int_equal(mode_of("other.lock") & 07777, 0600);
    assert_int_equal(mode_of("other") & 07777, 0600);
}

/* The policy that is there is of a group that this process may not give files to. */
static int access_of_other_group(int fd, struct os_access *out)
{
    int status = os_linux.file_access(fd, out);
    out->group += (out->mode & 077) != 0;
    return status;
}

static int no_fchown(int fd, unsigned user, unsigned group)
{
    (void)fd;
    (void)user;
    (void)group;
    return -EPERM;
}

static void another_group_gets_no_more_than_all_had(void **state)
{
    (void)state;
    static const struct {
        mode_t old, new;
    } modes[] = {{0664, 0644}, {0640, 0600}, {0660, 0600}, {0646, 0644}, {0666, 0666}};
    struct os poor = os_linux;
    poor.file_access = access_of_other_group;
    poor.fchown = no_fchown;
    for (unsigned i = 0; i < 5; i++) {
        files_with("", true);
        assert_int_equal(write_plays("policy", 2), 0);
        assert_int_equal(chmod("policy", modes[i].old), 0);
        os = &poor;
        struct policy_error error;
        int status = merge_plays("policy", 1, &error);
        os = &os_linux;
        assert_int_equal(status, 0);
        assert_int_equal(mode_of("policy") & 07777, modes[i].new);
        assert_int_equal(plays_in("policy"), 3);
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

/* A program that has closed its standard streams: what it prints does not end up in a policy. */
static int write_without_streams(void)
{
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    int fd = os->open("policy", O_RDONLY, 0);
    if (fd <= STDERR_FILENO || fcntl(fd, F_GETFD) != FD_CLOEXEC)
        return 1;
    if (write(STDOUT_FILENO, "x", 1) >= 0 || write(STDERR_FILENO, "x", 1) >= 0)
        return 2;
    struct policy_error error;
    return merge_plays("policy", 2, &error) == 0 ? 0 : 3;
}

static void standard_streams_are_not_ours(void **state)
{
    (void)state;
    assert_int_equal(write_plays("policy", 1), 0);
    assert_int_equal(chmod("policy", 0666), 0);
    assert_int_equal(as_nobody(write_without_streams), 0);
    assert_int_equal(plays_in("policy"), 3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(what_is_no_file_is_not_read),
        IN_DIRECTORY(large_files_are_not_read),
        IN_DIRECTORY(forbidden_files_are_not_read),
        IN_DIRECTORY(new_files_respect_the_umask),
        IN_DIRECTORY(existing_files_keep_their_mode),
        IN_DIRECTORY(a_save_by_root_shuts_nobody_out),
        IN_DIRECTORY(a_lock_file_that_is_there_stays_as_it_is),
        IN_DIRECTORY(a_new_lock_file_is_for_those_whom_the_policy_is_for),
        IN_DIRECTORY(another_group_gets_no_more_than_all_had),
        IN_DIRECTORY(links_stay_and_their_target_is_replaced),
        IN_DIRECTORY(dangling_links_and_directories_are_not_written),
        IN_DIRECTORY(forbidden_files_are_not_written),
        IN_DIRECTORY(short_writes_leave_the_old_file),
        IN_DIRECTORY(standard_streams_are_not_ours),
        IN_DIRECTORY(merges_add_up),
        IN_DIRECTORY(what_is_no_policy_is_kept),
        IN_DIRECTORY(goals_are_not_mixed_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
