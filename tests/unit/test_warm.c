/*
 * How much memory is warmed when nobody said.
 */
#include "isolated.h"

#include "../../tools/warm.h"
#include "fake_os.h"

ISOLATED(at_most_a_quarter_of_what_the_group_may_have_is_warmed)
{
    fake_start();
    double without = warm_default_gib();
    CHECK(without > 0.0625 && without <= 4);
    fake.machine.cgroup_limit_bytes = (uint64_t)256 << 20;
    CHECK(warm_default_gib() == 0.0625);
    fake.machine.cgroup_limit_bytes = 0;
    CHECK(warm_default_gib() == 0);
}

ISOLATED(a_limit_of_more_than_the_machine_has_is_none)
{
    fake_start();
    fake.machine.cgroup_limit_bytes = INT64_MAX; /* what version 1 calls no limit */
    double gib = warm_default_gib();
    CHECK(gib > 0.0625 && gib <= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_a_quarter_of_what_the_group_may_have_is_warmed),
        cmocka_unit_test(a_limit_of_more_than_the_machine_has_is_none),
    };
    return cmocka_run_group_tests_name("warm", tests, NULL, NULL);
}
