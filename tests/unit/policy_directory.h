/*
 * For tests of policy files: a directory of its own for every test, and policies whose plays can be counted.
 */
#ifndef HAK_TESTS_POLICY_DIRECTORY_H
#define HAK_TESTS_POLICY_DIRECTORY_H

#include <stdbool.h>

#include "policy_sample.h"

enum { SITE = 7, BAND = 21, ARM = 20 };

extern char directory[64]; /* the current one, of the test that runs */

/* Setup and teardown of a cmocka case. */
int directory_enter(void **state);
int directory_leave(void **state);
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, directory_enter, directory_leave)

/* Files in the directory whose name contains `part`; they are removed if `clean`. */
unsigned files_with(const char *part, bool clean);

void put_file(const char *path, const char *text);
char *get_file(const char *path); /* NULL: there is none; valid until the next call */

/* Plays in the policy file; -1: there is none; the case fails when it is not a policy. */
long plays_in(const char *path);

/* One delta of that many plays, merged or written. */
int merge_plays(const char *path, unsigned plays, struct policy_error *error);
int write_plays(const char *path, unsigned plays);
void assert_merged(const char *path, unsigned plays);

#endif
