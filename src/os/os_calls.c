/*
 * Which call of its function an address returns to, read from the machine code.
 *
 * Offsets move with every change of a function; that a call is the second one to malloc in it does not. Calls to the
 * same target are counted from the function's start up to the address. There is no disassembler: a place counts when
 * its bytes are a call that goes to just that target, and bytes that are no instruction hit one target of 32 bits by
 * a chance that can be neglected. What is no direct call (and no call through the module's table of addresses) has
 * no number.
 */
#include <string.h>

#include "os/os_linux.h"

enum {
    TARGETS_MAX = 256, /* of one function that are told apart */
    CALL_BYTES = 5,    /* E8 and 32 bits, before which there may be prefixes */
    TABLE_BYTES = 6,   /* FF 15 and 32 bits */
    WORD_BYTES = 4,
};

static const enum os_code code_here =
#if defined(__x86_64__)
    OS_CODE_X86_64;
#elif defined(__aarch64__)
    OS_CODE_AARCH64;
#else
    OS_CODE_OTHER;
#endif

/* Where an x86-64 call that ends at `end` goes, or the place of the table where that stands; 0: there is none. */
static uintptr_t target_x86_64(uintptr_t start, uintptr_t end)
{
    const unsigned char *at = (const unsigned char *)end;
    int32_t distance;
    bool direct = end - start >= CALL_BYTES && at[-CALL_BYTES] == 0xE8;
    bool by_table =
        end - start >= TABLE_BYTES && at[-TABLE_BYTES] == 0xFF && at[1 - TABLE_BYTES] == 0x15;
    if (!direct && !by_table)
        return 0;
    memcpy(&distance, at - sizeof(distance), sizeof(distance));
    return end + (uintptr_t)(intptr_t)distance;
}

/* BL, and 26 bits that count words from the instruction itself. */
static uintptr_t target_aarch64(uintptr_t start, uintptr_t end)
{
    uint32_t word;
    if (end - start < WORD_BYTES || end % WORD_BYTES != 0)
        return 0;
    memcpy(&word, (const void *)(end - WORD_BYTES), sizeof(word));
    if (word >> 26 != 0x25)
        return 0;
    int32_t distance = (int32_t)(word << 6) >> 4;
    return end - WORD_BYTES + (uintptr_t)(intptr_t)distance;
}

static uintptr_t target_of(enum os_code code, uintptr_t start, uintptr_t end)
{
    if (code == OS_CODE_X86_64)
        return target_x86_64(start, end);
    return code == OS_CODE_AARCH64 ? target_aarch64(start, end) : 0;
}

static uintptr_t step_of(enum os_code code)
{
    return code == OS_CODE_AARCH64 ? WORD_BYTES : 1;
}

/* A call goes to its own module, if need be to a stub there; what seems to go elsewhere is none. */
static bool is_in_module(uintptr_t target, const struct os_module *module)
{
    struct os_module other;
    return target != 0 && linux_module_of(target, &other) && other.base == module->base;
}

int32_t calls_number(enum os_code code, uintptr_t start, uintptr_t pc, uintptr_t *goes_to)
{
    struct os_module module;
    uintptr_t target = pc > start ? target_of(code, start, pc) : 0, step = step_of(code);
    int32_t number = 0;
    *goes_to = target;
    if (target == 0 || !linux_module_of(start, &module) || !is_in_module(target, &module))
        return -1;
    for (uintptr_t end = start + step; end < pc; end += step)
        number += target_of(code, start, end) == target;
    return number;
}

/* Targets and how often each was called so far, hashed; a function that calls more is not read to its end. */
struct targets {
    uintptr_t target[TARGETS_MAX];
    int32_t calls[TARGETS_MAX];
    unsigned count;
};

/* One more call; its number among those to its target, or -1: there is no room. */
static int32_t count_call(struct targets *t, uintptr_t target)
{
    unsigned at = (unsigned)((target * UINT64_C(0x9E3779B97F4A7C15)) >> 32) % TARGETS_MAX;
    while (t->target[at] != 0 && t->target[at] != target)
        at = (at + 1) % TARGETS_MAX;
    if (t->target[at] == 0 && t->count == TARGETS_MAX - 1)
        return -1;
    t->count += t->target[at] == 0;
    t->target[at] = target;
    return t->calls[at]++;
}

bool calls_have(enum os_code code, uintptr_t start, size_t bytes, int32_t number)
{
    struct targets targets = {.count = 0};
    struct os_module module;
    uintptr_t step = step_of(code);
    if (code == OS_CODE_OTHER || number < 0 || !linux_module_of(start, &module))
        return false;
    for (uintptr_t end = start + step; end - start <= bytes; end += step) {
        uintptr_t target = target_of(code, start, end);
        if (is_in_module(target, &module) && count_call(&targets, target) == number)
            return true;
    }
    return false;
}

int32_t linux_call_of(uintptr_t start, uintptr_t pc, uintptr_t *goes_to)
{
    return calls_number(code_here, start, pc, goes_to);
}

bool linux_has_call(uintptr_t start, size_t bytes, int32_t number)
{
    return calls_have(code_here, start, bytes, number);
}
