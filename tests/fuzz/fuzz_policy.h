/*
 * One text for the policy reader, whatever it is: libFuzzer's entry (it is also AFL's, through its driver), which
 * mutate_policy.c calls too.
 */
#ifndef HAK_TESTS_FUZZ_POLICY_H
#define HAK_TESTS_FUZZ_POLICY_H

#include <stddef.h>
#include <stdint.h>

/* Aborts when something does not hold. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* How many texts were policies. */
extern unsigned long fuzz_accepted;

#endif
