#include "policy_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

char directory[64];

int directory_enter(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/hakmem-test-XXXXXX");
    umask(022);
    return mkdtemp(directory) == NULL || chmod(directory, 0777) != 0 || chdir(directory) != 0;
}

unsigned files_with(const char *part, bool clean)
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

int directory_leave(void **state)
{
    (void)state;
    os = &os_linux;
    if (chdir(directory) != 0 || files_with("", true) > 999 || chdir("/") != 0)
        return 1;
    return rmdir(directory);
}

void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

char *get_file(const char *path)
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

long plays_in(const char *path)
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

int merge_plays(const char *path, unsigned plays, struct policy_error *error)
{
    struct policy_doc *delta = sample_delta(SITE, BAND, ARM, plays, 1000);
    int status = policy_file_merge(path, delta, error);
    policy_doc_free(delta);
    return status;
}

void assert_merged(const char *path, unsigned plays)
{
    struct policy_error error;
    int status = merge_plays(path, plays, &error);
    if (status != 0)
        fail_msg("%d: %s", status, error.text);
    assert_string_equal(error.text, "");
}

int write_plays(const char *path, unsigned plays)
{
    struct policy_doc *doc = sample_delta(SITE, BAND, ARM, plays, 1000);
    int status = policy_file_write(path, doc);
    policy_doc_free(doc);
    return status;
}
