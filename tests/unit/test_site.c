/*
 * The site table: IDs that are the same in every run, named sites, and what happens when it is full.
 */
#include "isolated.h"

#include <errno.h>
#include <string.h>

#include "fake_os.h"
#include "policy/site.h"
#include "stats/stats.h"

static unsigned filled;

static void fill(struct site *site)
{
    filled++;
    for (unsigned i = 0; i < BAND_COUNT; i++)
        site->arm[i] = (uint8_t)(site->id % ARM_COUNT);
}

static unsigned recognised;

static void recognise(struct site *site)
{
    recognised++;
    CHECK(site_find(site->key) == NULL);
}

static const struct site_hooks hooks = {.recognise = recognise, .fill = fill};

static void load(unsigned n, uintptr_t base, const char *path, const char *build_id)
{
    struct fake_module *m = &fake.module[n];
    *m = (struct fake_module){base, base + (1 << 20), {.base = base, .path = path}};
    m->is.build_id_bytes = (unsigned)strlen(build_id);
    memcpy(m->is.build_id, build_id, strlen(build_id));
    if (fake.nr_modules <= n)
        fake.nr_modules = n + 1;
}

static void start(void)
{
    fake_start();
    filled = recognised = 0;
    CHECK(site_table_start());
}

static uint64_t id_at(uint64_t key)
{
    struct site *site = site_find_or_add(key, &hooks);
    CHECK(site != NULL);
    return site->id;
}

ISOLATED(a_site_has_the_same_id_wherever_its_module_is_loaded)
{
    start();
    load(0, 0x100000, "/lib/one.so", "build-one");
    load(1, 0x7f0000000000, "/elsewhere/renamed.so", "build-one");
    uint64_t id = id_at(0x100123);
    CHECK(id != 0);
    CHECK(id_at(0x7f0000000123) == id);
    CHECK(id_at(0x100124) != id);
    CHECK(filled == 3);
}

ISOLATED(another_build_of_a_module_has_other_ids)
{
    start();
    load(0, 0x100000, "/lib/one.so", "build-one");
    load(1, 0x300000, "/lib/one.so", "build-two");
    CHECK(id_at(0x100123) != id_at(0x300123));
}

ISOLATED(a_module_without_a_build_id_is_known_by_its_file_name)
{
    start();
    load(0, 0x100000, "/lib/one.so", "");
    load(1, 0x300000, "/opt/one.so", "");
    load(2, 0x500000, "/lib/two.so", "");
    CHECK(id_at(0x100123) == id_at(0x300123));
    CHECK(id_at(0x100123) != id_at(0x500123));
}

ISOLATED(a_site_is_described_for_people)
{
    start();
    load(0, 0x100000, "/usr/lib/libpeople.so.1", "\x01\xab");
    struct site *site = site_find_or_add(0x100abc, &hooks);
    CHECK(strcmp(site->module, "libpeople.so.1") == 0);
    CHECK(strcmp(site->build_id, "01ab") == 0);
    CHECK(site->offset == 0xabc);
}

ISOLATED(an_address_in_no_module_has_no_id_and_is_counted)
{
    start();
    load(0, 0x100000, "/lib/one.so", "build-one");
    CHECK(id_at(0x900000) == 0);
    CHECK(stat_get(STAT_site_unknown) == 1);
    CHECK(id_at(0x900000) == 0);
    CHECK(stat_get(STAT_site_unknown) == 1);
}

ISOLATED(a_site_is_described_once_and_then_found)
{
    start();
    load(0, 0x100000, "/lib/one.so", "build-one");
    CHECK(site_find(0x100123) == NULL);
    struct site *site = site_find_or_add(0x100123, &hooks);
    CHECK(site_find(0x100123) == site);
    CHECK(site_find_or_add(0x100123, &hooks) == site);
    CHECK(filled == 1 && site_count() == 1 && site_at(0) == site);
    CHECK(stat_get(STAT_sites) == 1);
}

ISOLATED(the_program_itself_goes_by_the_name_of_its_file)
{
    start();
    struct site *site =
        site_find_or_add((uintptr_t)&a_site_is_described_once_and_then_found_body, &hooks);
    char name[sizeof(site->module)];
    site_module_name(site, name, sizeof(name));
    CHECK(strstr(name, "test_site") != NULL);
    CHECK(site->id != 0);
}

ISOLATED(a_named_site_is_its_file_and_line)
{
    start();
    uint64_t key = site_add_named("src/a.c", 7, &hooks);
    CHECK((key & SITE_NAMED) != 0);
    CHECK(site_add_named("src/a.c", 7, &hooks) == key);
    CHECK(site_add_named("src/a.c", 8, &hooks) != key);
    CHECK(site_add_named("src/b.c", 7, &hooks) != key);
    struct site *site = site_find(key);
    CHECK(site != NULL && site->id == key && site->offset == 7);
    CHECK(strcmp(site->module, "a.c") == 0);
    CHECK(site_count() == 3);
}

ISOLATED(a_named_site_has_its_key_without_a_table_too)
{
    fake_start();
    uint64_t key = site_add_named("src/a.c", 7, &hooks);
    CHECK((key & SITE_NAMED) != 0 && filled == 0);
    CHECK(site_table_start());
    CHECK(site_add_named("src/a.c", 7, &hooks) == key);
    CHECK(filled == 1);
}

ISOLATED(very_long_names_are_cut_where_they_are_shown)
{
    char name[600];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    start();
    struct site *site = site_find(site_add_named(name, 4294967295u, &hooks));
    CHECK(site != NULL && strlen(site->module) == sizeof(site->module) - 1);
}

ISOLATED(a_full_table_turns_new_sites_away_counts_them_and_keeps_the_old)
{
    uint64_t added = 0, turned_away = 0;
    uint64_t first = SITE_NAMED | 1;
    start();
    for (uint64_t i = 1; i <= SITE_MAX + 1000; i++) {
        bool in = site_find_or_add(SITE_NAMED | i, &hooks) != NULL;
        added += in;
        turned_away += !in;
    }
    CHECK(added <= SITE_MAX && added > SITE_MAX / 2);
    CHECK(turned_away >= 1000);
    CHECK(stat_get(STAT_site_overflow) == turned_away);
    CHECK(stat_get(STAT_sites) == added && site_count() == added && filled == added);
    CHECK(site_find_or_add(first, &hooks) != NULL);
}

ISOLATED(without_memory_there_is_no_table)
{
    for (unsigned n = 0; n < 2; n++) {
        fake_start();
        fake_fail(FAKE_MAP, n, ENOMEM);
        CHECK(!site_table_start());
        CHECK(site_slots == NULL);
        CHECK(fake.map_bytes == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_has_the_same_id_wherever_its_module_is_loaded),
        cmocka_unit_test(another_build_of_a_module_has_other_ids),
        cmocka_unit_test(a_module_without_a_build_id_is_known_by_its_file_name),
        cmocka_unit_test(a_site_is_described_for_people),
        cmocka_unit_test(an_address_in_no_module_has_no_id_and_is_counted),
        cmocka_unit_test(a_site_is_described_once_and_then_found),
        cmocka_unit_test(the_program_itself_goes_by_the_name_of_its_file),
        cmocka_unit_test(a_named_site_is_its_file_and_line),
        cmocka_unit_test(a_named_site_has_its_key_without_a_table_too),
        cmocka_unit_test(very_long_names_are_cut_where_they_are_shown),
        cmocka_unit_test(a_full_table_turns_new_sites_away_counts_them_and_keeps_the_old),
        cmocka_unit_test(without_memory_there_is_no_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
