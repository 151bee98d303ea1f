#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdio.h>
#include <string.h>

#include "base/lock.h"
#include "os/os.h"
#include "policy/doc.h"
#include "policy/site.h"
#include "stats/stats.h"

struct site_slot *site_slots;

static struct site *sites; /* SITE_MAX of them, used from the start on */
static _Atomic unsigned nr_sites;
static struct lock lock = LOCK_INIT(LOCK_RANK_SITES);

bool site_table_start(void)
{
    struct site_slot *slots = os->map(SITE_SLOTS * sizeof(*slots));
    struct site *all = slots != NULL ? os->map(SITE_MAX * sizeof(*all)) : NULL;
    stat_add(STAT_os_mmap, 2);
    if (all == NULL) {
        if (slots != NULL)
            os->release(slots, SITE_SLOTS * sizeof(*slots));
        return false;
    }
    sites = all;
    site_slots = slots;
    return true;
}

static void copy_text(char *to, size_t cap, const char *from)
{
    size_t length = strlen(from);
    if (length >= cap)
        length = cap - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void print_hex(char *to, const unsigned char *bytes, unsigned n)
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < n; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    to[2 * n] = '\0';
}

void site_main_program(char *buf, size_t cap)
{
    char path[512];
    if (os->readlink("/proc/self/exe", path, sizeof(path)) > 0)
        copy_text(buf, cap, file_name(path));
    else
        copy_text(buf, cap, "main");
}

/* ID and description of the site that a return address is. */
static void describe_address(struct site *site)
{
    struct os_module module;
    unsigned char hashed[sizeof(module.build_id) + sizeof(site->module) + sizeof(uint64_t)] = {0};
    size_t n;

    if (!os->module_of((uintptr_t)site->key, &module)) {
        stat_add(STAT_site_unknown, 1);
        return;
    }
    site->offset = site->key - module.base;
    if (module.path[0] != '\0')
        copy_text(site->module, sizeof(site->module), file_name(module.path));
    else if (module.build_id_bytes == 0)
        site_main_program(site->module, sizeof(site->module));
    print_hex(site->build_id, module.build_id, module.build_id_bytes);

    /* A module without a build-id is known by its name. */
    n = module.build_id_bytes != 0 ? module.build_id_bytes : strlen(site->module);
    memcpy(hashed, module.build_id_bytes != 0 ? (const void *)module.build_id : site->module, n);
    memcpy(hashed + n, &site->offset, sizeof(site->offset));
    site->id = XXH3_64bits(hashed, n + sizeof(site->offset));
}

void site_module_name(const struct site *site, char *buf, size_t cap)
{
    if (site->module[0] == '\0' && site->id != 0)
        site_main_program(buf, cap);
    else
        copy_text(buf, cap, site->module);
}

void site_look_up_symbol(struct site *site)
{
    if (site->symbol_known || site->of != NULL)
        return;
    site->symbol_known = true;
    site->symbol = (struct os_symbol){.call = -1};
    if (site->id != 0 && (site->key & SITE_NAMED) == 0)
        os->symbol_of((uintptr_t)site->key, &site->symbol);
}

static void publish(struct site *site)
{
    uint64_t at = site_hash(site->key);
    for (int probe = 0; probe < SITE_PROBES; probe++) {
        struct site_slot *slot = &site_slots[(at + (uint64_t)probe) & (SITE_SLOTS - 1)];
        if (atomic_load_explicit(&slot->key, memory_order_relaxed) != 0)
            continue;
        atomic_store_explicit(&slot->site, site, memory_order_relaxed);
        atomic_store_explicit(&slot->key, site->key, memory_order_release);
        return;
    }
}

static bool has_room(uint64_t key)
{
    uint64_t at = site_hash(key);
    if (atomic_load_explicit(&nr_sites, memory_order_relaxed) >= SITE_MAX)
        return false;
    for (int probe = 0; probe < SITE_PROBES; probe++)
        if (atomic_load_explicit(&site_slots[(at + (uint64_t)probe) & (SITE_SLOTS - 1)].key,
                                 memory_order_relaxed) == 0)
            return true;
    return false;
}

static bool may_have_one_more(const struct site *of)
{
    return of == NULL || atomic_load_explicit(&of->contexts, memory_order_relaxed) < CONTEXTS_MAX;
}

/* Adds a described site, unless another thread was faster; NULL: the table is full. */
static struct site *add(struct site *described, const struct site_hooks *hooks)
{
    if (site_find(described->key) == NULL && has_room(described->key))
        hooks->recognise(described);
    lock_acquire(&lock);
    struct site *site = site_find(described->key);
    if (site == NULL && has_room(described->key) && may_have_one_more(described->of)) {
        unsigned n = atomic_load_explicit(&nr_sites, memory_order_relaxed);
        site = &sites[n];
        memcpy(site, described, sizeof(*site));
        hooks->fill(site);
        if (site->of != NULL)
            atomic_fetch_add_explicit(&site->of->contexts, 1, memory_order_relaxed);
        publish(site);
        atomic_store_explicit(&nr_sites, n + 1, memory_order_release);
        stat_add(STAT_sites, 1);
    }
    lock_release(&lock);
    if (site == NULL)
        stat_add(STAT_site_overflow, 1);
    return site;
}

struct site *site_find_or_add(uint64_t key, const struct site_hooks *hooks)
{
    struct site *found = site_find(key);
    if (HAK_LIKELY(found != NULL))
        return found;

    struct site described = {.key = key};
    if (atomic_load_explicit(&nr_sites, memory_order_relaxed) >= SITE_MAX) {
        stat_add(STAT_site_overflow, 1);
        return NULL;
    }
    if ((key & SITE_NAMED) != 0)
        described.id = key; /* a name's ID that was not made by hak_site() in this process */
    else
        describe_address(&described);
    return add(&described, hooks);
}

static uint64_t context_key(const struct site *of, uint32_t depth)
{
    uint64_t hash = (of->key ^ (uint64_t)depth << 32) * UINT64_C(0x9E3779B97F4A7C15);
    return ((hash ^ hash >> 32) & ~(SITE_NAMED | SITE_CONTEXT)) | SITE_CONTEXT;
}

struct site *site_find_or_add_context(struct site *of, uint32_t depth,
                                      const struct site_hooks *hooks)
{
    uint64_t key = context_key(of, depth);
    struct site *found = site_find(key);
    if (HAK_LIKELY(found != NULL))
        return found;
    if (!may_have_one_more(of))
        return of;

    struct site described = {.key = key, .of = of, .depth = depth, .offset = of->offset};
    memcpy(described.module, of->module, sizeof(described.module));
    memcpy(described.build_id, of->build_id, sizeof(described.build_id));
    if (of->id != 0)
        described.id = policy_context_id(of->id, depth);
    found = add(&described, hooks);
    return found != NULL ? found : of;
}

uint64_t site_add_named(const char *file, unsigned line, const struct site_hooks *hooks)
{
    struct site described = {.offset = line};
    char text[320];
    copy_text(described.module, sizeof(described.module), file_name(file));
    int n = snprintf(text, sizeof(text), "%.255s:%u", file, line);
    described.id = XXH3_64bits(text, (size_t)n) | SITE_NAMED;
    described.key = described.id;
    if (site_slots != NULL)
        add(&described, hooks);
    return described.key;
}

unsigned site_count(void)
{
    return atomic_load_explicit(&nr_sites, memory_order_acquire);
}

struct site *site_at(unsigned i)
{
    return &sites[i];
}

void site_fork_prepare(void)
{
    lock_acquire(&lock);
}

void site_fork_done(void)
{
    lock_release(&lock);
}
