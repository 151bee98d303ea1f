/*
 * Learning from end to end, with a fake clock: blocks of a site, and what the saved policy says of it.
 */
#ifndef HAK_TESTS_LEARNED_H
#define HAK_TESTS_LEARNED_H

#include "isolated.h"

#include <string.h>

#include "alloc/alloc.h"
#include "alloc/start.h"
#include "alloc/store.h"
#include "fake_os.h"
#include "hakmem/hakmem.h"
#include "policy/doc.h"
#include "policy/policy.h"
#include "policy_directory.h"
#include "stats/stats.h"

enum { MIB = 1 << 20 };
static const uint64_t MS = 1000000;
static const char POLICY[] = "policy.json";

__attribute__((unused)) static void start(const char *mode)
{
    fake_set("HAKMEM_MODE", mode);
    fake_set("HAKMEM_POLICY", POLICY);
    CHECK(start_now());
    fake_forget();
    fake.clock_reads = 0;
}

__attribute__((unused)) static char *get_at(uint64_t site, size_t bytes)
{
    char *p = hak_alloc_at(bytes, site);
    CHECK(p != NULL);
    return p;
}

/* Blocks that live for a millisecond, one after the other. */
__attribute__((unused)) static void use(uint64_t site, size_t bytes, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        char *p = get_at(site, bytes);
        memset(p, 1, bytes);
        fake.now_ns += MS;
        hak_free_block(p);
    }
}

__attribute__((unused)) static struct policy_doc *saved(void)
{
    struct policy_error error;
    struct policy_doc *doc = policy_file_read(POLICY, false, &error);
    CHECK(doc != NULL);
    return doc;
}

__attribute__((unused)) static const struct policy_band *saved_band(uint64_t site, unsigned band)
{
    struct policy_doc *doc = saved();
    struct policy_site *s = policy_doc_site(doc, site, false);
    CHECK(s != NULL);
    return policy_site_band(doc, s, band, false);
}

__attribute__((unused)) static uint64_t plays_of(const struct policy_band *band)
{
    uint64_t plays = 0;
    for (int i = 0; i < ARM_COUNT; i++)
        plays += band->elo.arm[i].plays;
    return plays;
}

#endif
