#!/usr/bin/env python3
"""model.py [--runs N] [SCENARIO...]: does the cost that arms are judged by rank them as the machine does?

For every arm that differs on this machine a scenario of hakmem-bench runs with that one arm at every site
(HAKMEM_ARM): N times frozen, for what it really costs, CPU time of the whole process and the priced memory it
held (1 GiB for 1 s: 133 ms), and N times learning, for the cost that the model adds up. Prints both, Spearman's
rank correlation, and the same with what lies closer together than two runs of one arm taken as equal. Run it from the build directory's parent, with nothing else running.
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


def spreads(measured):
    """By pair of arms: how far apart the runs of either are, without the dearest and cheapest quarter."""
    def of(runs):
        quarter = len(runs) // 4
        ordered = sorted(runs)
        return ordered[len(runs) - 1 - quarter] - ordered[quarter]
    each = [of(runs) for runs in measured]
    return [[max(a, b) for b in each] for a in each]


def ranks(values, equal):
    """How many are smaller; what is closer than `equal` says counts for a half."""
    return [sum(0.5 if abs(value - other) <= equal[i][j] else float(other < value) for j, other in enumerate(values))
            for i, value in enumerate(values)]


def spearman(a, b, equal):
    return statistics.correlation(ranks(a, equal), ranks(b, equal)) if len(a) > 2 else float("nan")


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
        rows.sort(key=lambda row: statistics.median(row[1]))
        measured = [statistics.median(real) for _, real, _ in rows]
        modelled_ms = [statistics.median(model) for _, _, model in rows]
        print(f"{scenario}\n{'arm':28s} {'measured ms':>12s} {'modelled ms':>12s}")
        for (arm, _, _), real, model in zip(rows, measured, modelled_ms):
            print(f"{arm:28s} {real:12.1f} {model:12.1f}")
        never = [[0.0] * len(rows) for _ in rows]
        print(f"rank correlation {spearman(measured, modelled_ms, never):.3f}, "
              f"{spearman(measured, modelled_ms, spreads([real for _, real, _ in rows])):.3f} but for the noise\n")
        sys.stdout.flush()


main()
