#!/usr/bin/env python3
"""model.py [--runs N] [SCENARIO...]: does the cost that arms are judged by rank them as the machine does?

For every arm that differs on this machine a scenario of hakmem-bench runs with that one arm at every site
(HAKMEM_ARM): N times frozen, for what it really costs, CPU time of the whole process and the priced memory it
held (1 GiB for 1 s: 133 ms), and N times learning, for the cost that the model adds up. Prints both and
Spearman's rank correlation. Run it from the build directory's parent, with nothing else running.
"""

import argparse
import os
import statistics
import sys
import tempfile

from whole import ARMS, bench, inspected, whole_cost_ms

SCENARIOS = ["vm", "sites", "burst", "sparse", "grow"]


def modelled(build, scenario, arm, directory):
    """Cost in ms, and which arms were really played in which bands."""
    policy = os.path.join(directory, "policy.json")
    if os.path.exists(policy):
        os.unlink(policy)
    bench(build, scenario, arm=arm, mode="learn", policy=policy)
    sites = inspected(build, policy)
    played = frozenset((s["band"], a["arm"]) for s in sites for a in s["arms"] if a.get("plays"))
    return sum(s["cost_ns"] for s in sites) / 1e6, played


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    rank = [0.0] * len(values)
    for place, i in enumerate(order):
        rank[i] = place
    return rank


def spearman(a, b):
    return statistics.correlation(ranks(a), ranks(b)) if len(a) > 2 else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--build", default="build")
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    options = parser.parse_args()
    build = os.path.realpath(options.build)
    for scenario in options.scenarios:
        rows, seen = [], set()
        with tempfile.TemporaryDirectory() as directory:
            for arm in ARMS:
                cost, played = modelled(build, scenario, arm, directory)
                if played in seen:
                    continue
                seen.add(played)
                rows.append((arm, [], [cost]))
            for turn in range(options.runs):
                for arm, real, model in rows[turn % len(rows):] + rows[:turn % len(rows)]:
                    real.append(whole_cost_ms(bench(build, scenario, arm=arm)))
                    if turn:
                        model.append(modelled(build, scenario, arm, directory)[0])
        rows = sorted(((arm, statistics.median(real), statistics.median(model)) for arm, real, model in rows),
                      key=lambda row: row[1])
        print(f"{scenario}\n{'arm':28s} {'measured ms':>12s} {'modelled ms':>12s}")
        for arm, real, model in rows:
            print(f"{arm:28s} {real:12.1f} {model:12.1f}")
        print(f"rank correlation {spearman([r[1] for r in rows], [r[2] for r in rows]):.3f}\n")
        sys.stdout.flush()


main()
