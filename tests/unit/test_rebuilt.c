/*
 * Policies survive rebuilds: a site of another build is known by its function and the offset in it, or by the number of
 * its call; what is not certain is left alone; and how much is known is said.
 */
#include "isolated.h"

#include <fcntl.h>
#include <string.h>

#include "base/attr.h"
#include "hakmem/hakmem.h"
#include "policy_directory.h"
#include "rebuilt_module.h"
#include "stats/stats.h"

/* How the only site that was met is known. */
static void check_known(enum stat_id how)
{
    static const enum stat_id all[] = {STAT_sites_by_id, STAT_sites_by_symbol, STAT_sites_by_call,
                                       STAT_sites_not_known};
    for (unsigned i = 0; i < 4; i++)
        CHECK(stat_get(all[i]) == (all[i] == how));
}

/* ---- frozen ---- */

ISOLATED(a_call_at_the_same_offset_of_its_function_is_the_same_site)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_symbol);
    CHECK(arm_at(pc, 0) == CHAMPION && fake.symbol_looks == 1);
}

ISOLATED(a_call_of_the_same_number_is_the_same_site)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 1, CHAMPION);
    record(OTHER, "grow+0x0f", 0, ANOTHER);
    uintptr_t pc = call_at(3, "grow", 0x42, 1);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_call);
}

ISOLATED(another_call_at_the_offset_is_another_site)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(OTHER, "grow+0x42", 1, ANOTHER);
    uintptr_t pc = call_at(3, "grow", 0x42, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_call);
}

ISOLATED(a_policy_without_numbers_goes_by_the_offset_alone)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", -1, CHAMPION);
    uintptr_t same = call_at(3, "grow", 0x1f, 2), moved = call_at(3, "grow", 0x42, 0);
    start("frozen");
    CHECK(arm_at(same, 0) == CHAMPION && arm_at(moved, 0) != CHAMPION);
    CHECK(stat_get(STAT_sites_by_symbol) == 1 && stat_get(STAT_sites_not_known) == 1);
}

ISOLATED(the_same_offset_of_another_function_is_not_the_site)
{
    fake_start();
    load_module();
    struct policy_site *old = record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "shrink", 0x1f, 0);
    old->offset = pc - BASE;
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    check_known(STAT_sites_not_known);
}

ISOLATED(another_module_is_not_looked_into)
{
    fake_start();
    load_module();
    strcpy(record(OLD, "grow+0x1f", 0, CHAMPION)->module, "libbar.so");
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    check_known(STAT_sites_not_known);
    CHECK(fake.symbol_looks == 0);
}

ISOLATED(the_same_build_is_not_looked_into)
{
    fake_start();
    load_module();
    strcpy(record(OLD, "grow+0x1f", 0, CHAMPION)->build_id, NEW_BUILD);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    CHECK(fake.symbol_looks == 0);
}

ISOLATED(two_records_that_fit_are_none)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    strcpy(record(OTHER, "grow+0x1f", 0, CHAMPION)->build_id, "0123");
    uintptr_t pc = call_at(3, "grow", 0x1f, 0), moved = call_at(3, "grow", 0x42, 1);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION && arm_at(moved, 0) != CHAMPION);
    CHECK(stat_get(STAT_sites_not_known) == 2);
}

ISOLATED(two_calls_of_one_number_to_other_targets_are_none)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(OTHER, "grow+0x2f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x42, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
}

/* malloc stands where it stood; what is new is the first call to calloc. */
ISOLATED(a_record_whose_call_is_where_it_was_is_not_given_to_another_call)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t old = call_at(3, "grow", 0x1f, 0), new = call_at(3, "grow", 0x42, 0);
    start("frozen");
    CHECK(arm_at(new, 0) != CHAMPION && arm_at(old, 0) == CHAMPION);
}

/* Code was added before the call, and it is a call to a function of the module that is where the other was. */
ISOLATED(a_call_that_is_no_allocation_does_not_stand_for_one)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x42, 0);
    call_at(3, "grow", 0x1f, 0);
    call_at(4, "helper", 0x10, 0);
    fake.symbol[1].goes_to = fake.symbol[2].is.start;
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_call);
}

ISOLATED(an_allocator_inside_the_module_may_be_what_is_called)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t new = call_at(3, "grow", 0x42, 0);
    call_at(3, "grow", 0x1f, 0);
    call_at(4, "alloc", 0x10, -1);
    call_at(5, "alloc_zeros", 0x10, -1);
    fake.symbol[0].goes_to = fake.symbol[3].is.start;
    fake.symbol[1].goes_to = fake.symbol[2].is.start;
    start("frozen");
    CHECK(arm_at(new, 0) != CHAMPION);
}

ISOLATED(of_functions_that_are_in_no_policy_no_file_is_read)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    arm_at(pc, 0);
    for (unsigned i = 0; i < 100; i++)
        arm_at(BASE + 0x10000 + i, 0);
    CHECK(fake.symbol_looks == 1 && stat_get(STAT_sites_not_known) == 100);
}

ISOLATED(one_of_two_functions_of_a_name_is_none)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    fake.symbol[0].is.shared = true;
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    check_known(STAT_sites_not_known);
}

ISOLATED(contexts_follow_their_site)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    context_of(OLD, ANOTHER);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION && arm_at(pc, FRAME) == ANOTHER);
    CHECK(arm_at(pc, 2 * FRAME) == CHAMPION);
    check_known(STAT_sites_by_symbol);
}

ISOLATED(a_policy_that_is_loaded_later_knows_the_sites_that_are_there)
{
    fake_start();
    load_module();
    record(OLD, "other+0x1f", 0, CHAMPION);
    uintptr_t pc = call_at(3, "grow", 0x1f, 0), later = call_at(3, "grow", 0x2f, 1);
    start("frozen");
    CHECK(arm_at(pc, 0) != CHAMPION);
    check_known(STAT_sites_not_known);
    doc = NULL;
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(OTHER, "grow+0x8f", 1, ANOTHER);
    CHECK(policy_file_write("other.json", doc) == 0 && hak_policy_load("other.json") == 0);
    CHECK(arm_at(pc, 0) == CHAMPION && arm_at(later, 0) == ANOTHER);
    CHECK(stat_get(STAT_sites_by_symbol) == 1 && stat_get(STAT_sites_by_call) == 1);
}

/* With the real modules, of which the test itself is one. */
static HAK_NOINLINE uintptr_t here(void)
{
    return (uintptr_t)__builtin_return_address(0);
}

ISOLATED(the_main_program_is_found_by_its_name)
{
    struct os_symbol symbol;
    fake_start();
    uintptr_t pc = here();
    CHECK(os_linux.symbol_of(pc, &symbol));
    struct policy_site *old = record(OLD, symbol.text, symbol.call, CHAMPION);
    site_main_program(old->module, sizeof(old->module));
    CHECK(strstr(old->module, "test_rebuilt") != NULL);
    start("frozen");
    CHECK(arm_at(pc, 0) == CHAMPION);
    check_known(STAT_sites_by_symbol);
}

/* ---- what is said ---- */

/* What comes on stderr while `body` runs. */
static const char *said_by(void (*body)(void))
{
    int before = dup(STDERR_FILENO), to = open("said", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(before >= 0 && to >= 0 && dup2(to, STDERR_FILENO) >= 0);
    body();
    CHECK(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    close(to);
    return get_file("said");
}

static uintptr_t calls[FAKE_SYMBOLS];

static void meet_all(void)
{
    for (unsigned i = 0; i < fake.nr_symbols; i++)
        arm_at(calls[i], 0);
}

ISOLATED(how_much_can_be_matched_is_said_once)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    record(OTHER, "grow+0x2f", 1, CHAMPION);
    record(0x1003, "shrink+0x1f", 0, CHAMPION);
    record(0x1004, "gone+0x1f", 0, CHAMPION);
    record(0x1005, "", -1, CHAMPION);
    context_of(OLD, CHAMPION);
    calls[0] = call_at(3, "grow", 0x1f, 0);
    calls[1] = call_at(3, "grow", 0x3f, 1);
    calls[2] = call_at(4, "shrink", 0x1f, 0);
    calls[3] = call_at(5, "new", 0x1f, 0);
    start("frozen");
    const char *said = said_by(meet_all);
    CHECK(strstr(said,
                 "policy.json: libfoo.so was rebuilt since: matched 3 of its 5 sites, 66 % of "
                 "bytes; 2 by symbol, 1 by call\n") != NULL);
    CHECK(strchr(said, '\n')[1] == '\0');
    CHECK(stat_get(STAT_sites_by_symbol) == 2 && stat_get(STAT_sites_by_call) == 1 &&
          stat_get(STAT_sites_not_known) == 1);
}

ISOLATED(nothing_is_said_of_a_build_the_policy_knows)
{
    fake_start();
    load_module();
    record(OLD, "grow+0x1f", 0, CHAMPION);
    strcpy(record(OTHER, "shrink+0x1f", 0, CHAMPION)->build_id, NEW_BUILD);
    calls[0] = call_at(3, "grow", 0x1f, 0);
    start("frozen");
    CHECK(said_by(meet_all)[0] == '\0');
    check_known(STAT_sites_by_symbol);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_call_at_the_same_offset_of_its_function_is_the_same_site),
        IN_DIRECTORY(a_call_of_the_same_number_is_the_same_site),
        IN_DIRECTORY(another_call_at_the_offset_is_another_site),
        IN_DIRECTORY(a_policy_without_numbers_goes_by_the_offset_alone),
        IN_DIRECTORY(the_same_offset_of_another_function_is_not_the_site),
        IN_DIRECTORY(another_module_is_not_looked_into),
        IN_DIRECTORY(the_same_build_is_not_looked_into),
        IN_DIRECTORY(two_records_that_fit_are_none),
        IN_DIRECTORY(two_calls_of_one_number_to_other_targets_are_none),
        IN_DIRECTORY(a_record_whose_call_is_where_it_was_is_not_given_to_another_call),
        IN_DIRECTORY(a_call_that_is_no_allocation_does_not_stand_for_one),
        IN_DIRECTORY(an_allocator_inside_the_module_may_be_what_is_called),
        IN_DIRECTORY(of_functions_that_are_in_no_policy_no_file_is_read),
        IN_DIRECTORY(one_of_two_functions_of_a_name_is_none),
        IN_DIRECTORY(the_main_program_is_found_by_its_name),
        IN_DIRECTORY(contexts_follow_their_site),
        IN_DIRECTORY(a_policy_that_is_loaded_later_knows_the_sites_that_are_there),
        IN_DIRECTORY(how_much_can_be_matched_is_said_once),
        IN_DIRECTORY(nothing_is_said_of_a_build_the_policy_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
