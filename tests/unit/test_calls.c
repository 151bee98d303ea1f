/*
 * Numbers of calls, read from machine code: of functions that the compiler made here, and of code of other machines as
 * bytes. Names that are too long for a policy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/attr.h"
#include "os/os_linux.h"

enum { NOTES = 8 };
static uintptr_t note_at[NOTES];
static unsigned notes;

HAK_NOINLINE void note_return(int kind);
HAK_NOINLINE void note_other(int kind);
HAK_NOINLINE int calls_several_times(int n);
HAK_NOINLINE int calls_through(void (*f)(int));
HAK_NOINLINE void
a_function_with_a_name_so_long_that_no_policy_can_hold_the_whole_of_it_and_so_it_is_cut_one(void);
HAK_NOINLINE void
a_function_with_a_name_so_long_that_no_policy_can_hold_the_whole_of_it_and_so_it_is_cut_two(void);

void note_return(int kind)
{
    (void)kind;
    note_at[notes++ % NOTES] = (uintptr_t)__builtin_return_address(0);
}

void note_other(int kind)
{
    (void)kind;
    note_at[notes++ % NOTES] = (uintptr_t)__builtin_return_address(0);
    __asm__ volatile("" ::: "memory");
}

int calls_several_times(int n)
{
    note_return(1);
    note_other(2);
    note_return(3);
    if (n > 0)
        note_return(4);
    note_other(5);
    return n;
}

int calls_through(void (*f)(int))
{
    f(1);
    return 1;
}

void a_function_with_a_name_so_long_that_no_policy_can_hold_the_whole_of_it_and_so_it_is_cut_one(
    void)
{
    note_return(1);
    __asm__ volatile("");
}

void a_function_with_a_name_so_long_that_no_policy_can_hold_the_whole_of_it_and_so_it_is_cut_two(
    void)
{
    note_return(2);
    __asm__ volatile("");
}

#if defined(__x86_64__) || defined(__aarch64__)
enum { DECODES_HERE = 1 };
#else
enum { DECODES_HERE = 0 };
#endif

static uintptr_t goes_to;

static int32_t number_of(enum os_code code, uintptr_t start, uintptr_t pc)
{
    return calls_number(code, start, pc, &goes_to);
}

static struct os_symbol symbol_at(uintptr_t pc)
{
    struct os_symbol symbol;
    assert_true(os_linux.symbol_of(pc, &symbol));
    assert_true(pc - symbol.start < symbol.bytes);
    return symbol;
}

static void calls_to_one_function_are_counted_apart_from_those_to_another(void **state)
{
    static const int32_t expected[] = {0, 0, 1, 2, 1};
    (void)state;
    notes = 0;
    calls_several_times(1);
    assert_int_equal(notes, ARRAY_SIZE(expected));
    for (unsigned i = 0; i < notes; i++) {
        struct os_symbol symbol = symbol_at(note_at[i]);
        assert_int_equal(strncmp(symbol.text, "calls_several_times+0x", 22), 0);
        assert_int_equal(symbol.call, DECODES_HERE ? expected[i] : -1);
        assert_false(symbol.shared);
    }
}

static void a_function_has_the_calls_it_has(void **state)
{
    (void)state;
    notes = 0;
    calls_several_times(1);
    struct os_symbol s = symbol_at(note_at[0]);
    assert_true(os_linux.has_call(s.start, s.bytes, 0) == DECODES_HERE);
    assert_true(os_linux.has_call(s.start, s.bytes, 2) == DECODES_HERE);
    assert_false(os_linux.has_call(s.start, s.bytes, 3));
    assert_false(os_linux.has_call(s.start, s.bytes, -1));
    assert_false(os_linux.has_call(s.start, 0, 0));
}

static void a_call_through_a_pointer_has_no_number(void **state)
{
    (void)state;
    notes = 0;
    calls_through(note_return);
    assert_int_equal(symbol_at(note_at[0]).call, -1);
}

/* 18 bytes of other instructions, then calls as the compiler, the linker and the loader's table have them. */
static void code_of_x86_64(void **state)
{
    (void)state;
    static unsigned char code[64];
    const uintptr_t at = (uintptr_t)code, target = at + 60;
    memset(code, 0x90, sizeof(code));
    const struct {
        unsigned offset, opcode_bytes;
        unsigned char opcode[2];
    } calls[] = {{4, 1, {0xE8}},
                 {9, 2, {0x67, 0xE8}},
                 {16, 2, {0xFF, 0x15}},
                 {22, 2, {0xFF, 0x15}},
                 {30, 1, {0xE8}}};
    uintptr_t end[ARRAY_SIZE(calls)];
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        unsigned char *p = code + calls[i].offset;
        memcpy(p, calls[i].opcode, calls[i].opcode_bytes);
        end[i] = (uintptr_t)p + calls[i].opcode_bytes + 4;
        bool direct = calls[i].opcode[0] != 0xFF;
        int32_t distance = (int32_t)((direct ? target : at + 48) - end[i]);
        memcpy(p + calls[i].opcode_bytes, &distance, sizeof(distance));
    }
    assert_int_equal(number_of(OS_CODE_X86_64, at, end[0]), 0);
    assert_int_equal(number_of(OS_CODE_X86_64, at, end[1]), 1);
    assert_true(goes_to == target);
    assert_int_equal(number_of(OS_CODE_X86_64, at, end[2]), 0);
    assert_int_equal(number_of(OS_CODE_X86_64, at, end[3]), 1);
    assert_true(goes_to == at + 48);
    assert_int_equal(number_of(OS_CODE_X86_64, at, end[4]), 2);
    assert_int_equal(number_of(OS_CODE_X86_64, at, end[4] + 1), -1);
    assert_int_equal(number_of(OS_CODE_X86_64, at, at), -1);
    assert_int_equal(number_of(OS_CODE_X86_64, at, at + 3), -1);
    assert_int_equal(number_of(OS_CODE_OTHER, at, end[0]), -1);
    assert_true(calls_have(OS_CODE_X86_64, at, sizeof(code), 2));
    assert_false(calls_have(OS_CODE_X86_64, at, sizeof(code), 3));
    assert_false(calls_have(OS_CODE_X86_64, at, 30, 2));
    assert_false(calls_have(OS_CODE_OTHER, at, sizeof(code), 0));
}

static void a_call_out_of_the_module_is_none(void **state)
{
    (void)state;
    static unsigned char code[16] = {0xE8, 0, 0, 0, 0x70};
    assert_int_equal(number_of(OS_CODE_X86_64, (uintptr_t)code, (uintptr_t)code + 5), -1);
    assert_false(calls_have(OS_CODE_X86_64, (uintptr_t)code, sizeof(code), 0));
}

static uint32_t branch_with_link(const uint32_t *from, const uint32_t *to)
{
    return 0x94000000u | ((uint32_t)(to - from) & 0x03FFFFFF);
}

static void code_of_aarch64(void **state)
{
    (void)state;
    static uint32_t code[16];
    for (unsigned i = 0; i < ARRAY_SIZE(code); i++)
        code[i] = 0xD503201F; /* NOP */
    code[3] = branch_with_link(&code[3], &code[15]);
    code[5] = branch_with_link(&code[5], &code[0]); /* backwards */
    code[6] = branch_with_link(&code[6], &code[15]);
    code[8] = 0xD63F0000;                                         /* BLR x0 */
    code[9] = branch_with_link(&code[9], &code[15]) & 0x7FFFFFFF; /* B */
    const uintptr_t at = (uintptr_t)code;
    assert_int_equal(number_of(OS_CODE_AARCH64, at, (uintptr_t)&code[4]), 0);
    assert_int_equal(number_of(OS_CODE_AARCH64, at, (uintptr_t)&code[6]), 0);
    assert_true(goes_to == at);
    assert_int_equal(number_of(OS_CODE_AARCH64, at, (uintptr_t)&code[7]), 1);
    assert_int_equal(number_of(OS_CODE_AARCH64, at, (uintptr_t)&code[9]), -1);
    assert_int_equal(number_of(OS_CODE_AARCH64, at, (uintptr_t)&code[10]), -1);
    assert_int_equal(number_of(OS_CODE_AARCH64, at, at), -1);
    assert_true(calls_have(OS_CODE_AARCH64, at, sizeof(code), 1));
    assert_false(calls_have(OS_CODE_AARCH64, at, sizeof(code), 2));
}

static void long_names_stay_distinct_and_keep_their_offsets(void **state)
{
    (void)state;
    notes = 0;
    a_function_with_a_name_so_long_that_no_policy_can_hold_the_whole_of_it_and_so_it_is_cut_one();
    a_function_with_a_name_so_long_that_no_policy_can_hold_the_whole_of_it_and_so_it_is_cut_two();
    struct os_symbol one = symbol_at(note_at[0]), two = symbol_at(note_at[1]);
    char *offset = strrchr(one.text, '+');
    assert_non_null(offset);
    assert_int_equal(offset - one.text, OS_NAME_BYTES - 1);
    assert_int_equal(strtoull(offset, NULL, 16), note_at[0] - one.start);
    assert_int_equal(one.text[OS_NAME_BYTES - 1 - 17], '~');
    assert_memory_equal(one.text, two.text, OS_NAME_BYTES - 1 - 17);
    assert_memory_not_equal(one.text, two.text, OS_NAME_BYTES - 1);
}

struct wanted {
    char name[OS_NAME_BYTES];
    uintptr_t start;
    unsigned found;
};

static void look_for(const struct os_function *f, void *context)
{
    struct wanted *wanted = context;
    assert_true(f->bytes > 0 && strlen(f->name) < OS_NAME_BYTES);
    if (strcmp(f->name, wanted->name) == 0 && f->start == wanted->start)
        wanted->found++;
}

static void the_functions_of_a_module_are_those_its_symbols_name(void **state)
{
    (void)state;
    notes = 0;
    calls_several_times(0);
    a_function_with_a_name_so_long_that_no_policy_can_hold_the_whole_of_it_and_so_it_is_cut_one();
    for (unsigned i = 0; i < notes; i += notes - 1) {
        struct os_symbol symbol = symbol_at(note_at[i]);
        struct wanted wanted = {.start = symbol.start};
        memcpy(wanted.name, symbol.text, (size_t)(strrchr(symbol.text, '+') - symbol.text));
        assert_true(os_linux.functions_of(note_at[i], look_for, &wanted));
        assert_int_equal(wanted.found, 1);
    }
}

static void an_address_in_no_module_is_in_no_function(void **state)
{
    (void)state;
    struct os_symbol symbol;
    struct wanted wanted = {.found = 0};
    assert_false(os_linux.symbol_of(4096, &symbol));
    assert_string_equal(symbol.text, "");
    assert_int_equal(symbol.call, -1);
    assert_false(os_linux.functions_of(4096, look_for, &wanted));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_to_one_function_are_counted_apart_from_those_to_another),
        cmocka_unit_test(a_function_has_the_calls_it_has),
        cmocka_unit_test(a_call_through_a_pointer_has_no_number),
        cmocka_unit_test(code_of_x86_64),
        cmocka_unit_test(a_call_out_of_the_module_is_none),
        cmocka_unit_test(code_of_aarch64),
        cmocka_unit_test(long_names_stay_distinct_and_keep_their_offsets),
        cmocka_unit_test(the_functions_of_a_module_are_those_its_symbols_name),
        cmocka_unit_test(an_address_in_no_module_is_in_no_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
