/*
 * For tests of policies that survive rebuilds: a module of the build "new" that is loaded, and records of its build
 * "old" in a policy.
 */
#ifndef HAK_TESTS_REBUILT_MODULE_H
#define HAK_TESTS_REBUILT_MODULE_H

#include "fake_os.h"
#include "policy/doc.h"
#include "policy/policy.h"

enum { MIB = 1 << 20, BAND_OF_MIB = 20, BASE = 0x100000, FUNCTION_BYTES = 0x100 };
enum { FRAME = 0x400, OLD = 0x1001, OTHER = 0x1002 }; /* ids of records */
enum { CHAMPION = ARM_MMAP_BASE_TOUCH_DROP, ANOTHER = ARM_MMAP_BASE_PREFAULT_KEEP };

#define POLICY    "policy.json"
#define OLD_BUILD "6f6c64"
#define NEW_BUILD "6e6577"

/* libfoo.so, of the build "new", at BASE. */
void load_module(void);

/* A call in the module: its return address. The function is the n-th, of FUNCTION_BYTES. */
uintptr_t call_at(unsigned function, const char *name, unsigned offset, int32_t call);

/* The policy that start() writes and starts with; NULL: nothing was recorded yet. */
extern struct policy_doc *doc;

/* A record of the build "old", which played its champion ten times; and its context at FRAME. */
struct policy_site *record(uint64_t id, const char *symbol, int32_t call, int champion);
struct policy_site *context_of(uint64_t of, int champion);

void start(const char *mode);

/* The arm a block of MIB gets there. */
int arm_at(uintptr_t pc, uintptr_t frame);

/* Blocks of MIB that live for a millisecond, one after the other. */
void use(uintptr_t pc, uintptr_t frame, unsigned times);

/* What the policy's file says now. */
struct policy_doc *saved(void);

#endif
