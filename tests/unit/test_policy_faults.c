/*
 * Saving a policy while things go wrong: every system call fails in turn, the process dies at every one and at
 * random moments, and many processes save at once. What is there afterwards is the old file or the new one.
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
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy_directory.h"

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

static int faulty_file_access(int fd, struct os_access *out)
{
    return is_faulty() ? -faults.failure : os_linux.file_access(fd, out);
}

static int faulty_fchmod(int fd, unsigned mode)
{
    return is_faulty() ? -faults.failure : os_linux.fchmod(fd, mode);
}

static int faulty_fchown(int fd, unsigned user, unsigned group)
{
    return is_faulty() ? -faults.failure : os_linux.fchown(fd, user, group);
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
    faulty_os.file_access = faulty_file_access;
    faulty_os.fchmod = faulty_fchmod;
    faulty_os.fchown = faulty_fchown;
    os = &faulty_os;
}

/* One merge of which call number `at` fails: old file or new file, nothing left over. False: there was no such call. */
static bool merge_with_failure(const char *old, int at, int failure)
{
    struct policy_error error;

    if (old != NULL) {
        put_file("policy", old);
        if (geteuid() == 0) /* so that whose it is has to be kept */
            assert_int_equal(chown("policy", 65534, 65534), 0);
    }
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
        assert_string_equal(
            get_file(files_with(".bad.2", false) ? "policy.bad.2" : "policy.bad"),
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

/* Saves plays of `arm` without end; one byte into the pipe after each. */
_Noreturn static void save_for_ever(int arm, int pipe_end)
{
    for (;;) {
        struct policy_error error;
        struct policy_doc *delta = sample_delta(SITE, BAND, arm, 1, 1000);
        if (policy_file_merge("policy", delta, &error) != 0 || write(pipe_end, "x", 1) != 1)
            _exit(1);
        policy_doc_free(delta);
    }
}

struct saver {
    pid_t pid;
    int reports;
};

static struct saver start_saver(int arm)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        save_for_ever(arm, ends[1]);
    close(ends[1]);
    return (struct saver){child, ends[0]};
}

/* Kills it after its first save and up to 2 ms; how many saves it reported. */
static long kill_saver(const struct saver *saver, uint64_t *random)
{
    char byte;
    assert_int_equal(read(saver->reports, &byte, 1), 1);
    usleep((useconds_t)(sample_random(random) % 2000));
    kill(saver->pid, SIGKILL);
    int status;
    assert_int_equal(waitpid(saver->pid, &status, 0), saver->pid);
    assert_true(WIFSIGNALED(status));
    long reported = 1;
    while (read(saver->reports, &byte, 1) == 1)
        reported++;
    close(saver->reports);
    return reported;
}

static void death_at_random_moments_leaves_old_or_new(void **state)
{
    (void)state;
    enum { DEATHS = 200 };
    uint64_t seed = (uint64_t)getpid() * 2654435761u, random = seed;

    print_message("# seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < DEATHS; i++) {
        long before = plays_in("policy");
        struct saver saver = start_saver(ARM);
        long reported = kill_saver(&saver, &random);
        long saved = plays_in("policy") - (before < 0 ? 0 : before);
        /* All that it reported, and at most the one it was killed in. */
        if (saved != reported && saved != reported + 1)
            fail_msg("death %d: %ld saves were reported, %ld are in the file", i, reported, saved);
    }
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

static void eight_processes_that_are_killed_lose_what_they_were_at_and_no_more(void **state)
{
    (void)state;
    enum { SAVERS = 8, TURNS = 10 };
    long least[SAVERS] = {0};
    uint64_t seed = (uint64_t)getpid() * 2654435761u, random = seed;

    print_message("# seed %llu\n", (unsigned long long)seed);
    for (int turn = 0; turn < TURNS; turn++) {
        struct saver saver[SAVERS];
        for (int i = 0; i < SAVERS; i++)
            saver[i] = start_saver(i);
        for (int i = 0; i < SAVERS; i++)
            least[i] += kill_saver(&saver[i], &random);
    }
    struct policy_error error;
    struct policy_doc *doc = policy_file_read("policy", false, &error);
    assert_non_null(doc);
    for (int i = 0; i < SAVERS; i++) {
        long plays = doc->site[0]->band[0]->elo.arm[i].plays;
        if (plays < least[i] || plays > least[i] + TURNS)
            fail_msg("process %d reported %ld saves, %ld are in the file", i, least[i], plays);
    }
    policy_doc_free(doc);
    files_with(".tmp.", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(failure_of_any_call_leaves_old_or_new),
        IN_DIRECTORY(death_at_any_call_leaves_old_or_new),
        IN_DIRECTORY(death_at_random_moments_leaves_old_or_new),
        IN_DIRECTORY(processes_that_share_a_file_lose_nothing),
        IN_DIRECTORY(eight_processes_that_are_killed_lose_what_they_were_at_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
