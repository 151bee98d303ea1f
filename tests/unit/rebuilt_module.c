#include "rebuilt_module.h"

#include <string.h>

#include "isolated.h"

#include "alloc/alloc.h"
#include "alloc/start.h"
#include "alloc/store.h"

static const uint64_t MS = 1000000;

void load_module(void)
{
    struct os_module is = {.base = BASE, .path = "/lib/libfoo.so", .build_id_bytes = 3};
    memcpy(is.build_id, "new", 3);
    fake.module[0] = (struct fake_module){BASE, BASE + MIB, is};
    fake.nr_modules = 1;
    fake.tick_ns = 100;
}

uintptr_t call_at(unsigned function, const char *name, unsigned offset, int32_t call)
{
    struct fake_symbol *s = &fake.symbol[fake.nr_symbols++];
    s->is = (struct os_symbol){
        .call = call, .start = BASE + 0x1000 + function * FUNCTION_BYTES, .bytes = FUNCTION_BYTES};
    snprintf(s->is.text, sizeof(s->is.text), "%s+0x%x", name, offset);
    s->pc = s->is.start + offset;
    return s->pc;
}

struct policy_doc *doc;

struct policy_site *record(uint64_t id, const char *symbol, int32_t call, int champion)
{
    if (doc == NULL)
        doc = policy_doc_new();
    struct policy_site *s = policy_doc_site(doc, id, true);
    struct policy_band *b = policy_site_band(doc, s, BAND_OF_MIB, true);
    strcpy(s->module, "libfoo.so");
    strcpy(s->build_id, OLD_BUILD);
    strcpy(s->symbol, symbol);
    s->offset = 0x1234;
    s->call = call;
    for (unsigned i = 0; i < 10; i++)
        elo_report(&b->elo, champion, 1000);
    b->champion = (uint8_t)champion;
    b->seen.episodes = 10;
    b->seen.size_bytes = 10 * MIB;
    return s;
}

struct policy_site *context_of(uint64_t of, int champion)
{
    struct policy_site *s = record(policy_context_id(of, FRAME >> 4), "grow+0x1f", 0, champion);
    s->of = of;
    s->depth = FRAME >> 4;
    return s;
}

void start(const char *mode)
{
    CHECK(policy_file_write(POLICY, doc) == 0);
    fake_set("HAKMEM_MODE", mode);
    fake_set("HAKMEM_POLICY", POLICY);
    CHECK(start_now());
}

int arm_at(uintptr_t pc, uintptr_t frame)
{
    char *p = hak_alloc_at_site(MIB, 1, (struct caller){pc, frame});
    CHECK(p != NULL);
    int arm = span_of(p)->arm;
    hak_free_block(p);
    return arm;
}

void use(uintptr_t pc, uintptr_t frame, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        char *p = hak_alloc_at_site(MIB, 1, (struct caller){pc, frame});
        CHECK(p != NULL);
        memset(p, 1, MIB);
        fake.now_ns += MS;
        hak_free_block(p);
    }
}

struct policy_doc *saved(void)
{
    struct policy_error error;
    struct policy_doc *file = policy_file_read(POLICY, false, &error);
    CHECK(file != NULL);
    return file;
}
