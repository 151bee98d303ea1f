#!/usr/bin/env python3
"""Makes default_policy.h, the defaults that are compiled in, from default.json.

usage: gen_defaults.py default.json default_policy.h

The header holds `default_arms`, the arm of every band, and `default_calibration`. Arm and price names
are turned into the C names, so that a name the program does not know does not compile; that all
bands and prices are there is checked here and, against the program's own reader, by a unit test.
"""
import json
import sys

BANDS = range(16, 41)

HEADER = """/* Made from policies/default.json by policies/gen_defaults.py: change those. */
#ifndef HAK_DEFAULT_POLICY_H
#define HAK_DEFAULT_POLICY_H

#include "base/bits.h"
#include "policy/arms.h"
#include "policy/doc.h"

/* enum arm_id by band - BAND_FIRST: what a site plays of which nothing was learned. */
static const uint8_t default_arms[BAND_COUNT] = {
%(arms)s};

/* Prices for a machine that was never calibrated. */
static const struct calibration default_calibration = {
%(prices)s};

#endif
"""


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"a key is given twice: {keys}")
    return dict(pairs)


def arm_rows(defaults):
    arm_of = no_duplicates([(row["band"], row["arm"]) for row in defaults])
    if sorted(arm_of) != list(BANDS):
        raise ValueError(f"defaults: expected the bands {BANDS[0]} to {BANDS[-1]}, got {sorted(arm_of)}")
    return [
        f"    [{band} - BAND_FIRST] = ARM_{arm.upper().replace('/', '_')},\n"
        for band, arm in sorted(arm_of.items())
    ]


def price_rows(calibration):
    if any(not key.endswith("_ns") or price < 1 for key, price in calibration.items()):
        raise ValueError("calibration: expected prices of at least 1, with names that end in _ns")
    return [f"    .{key[:-3]} = {price},\n" for key, price in calibration.items()]


def main(source, target):
    with open(source, encoding="utf-8") as file:
        policy = json.load(file, object_pairs_hook=no_duplicates)
    text = HEADER % {
        "arms": "".join(arm_rows(policy["defaults"])),
        "prices": "".join(price_rows(policy["calibration"])),
    }
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2])
    except (ValueError, KeyError, TypeError) as problem:
        sys.exit(f"{sys.argv[1]}: {problem}")
