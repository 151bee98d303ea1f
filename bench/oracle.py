#!/usr/bin/env python3
"""oracle.py --policy FILE [--runs N] [--rounds N] SCENARIO: how far is a learned policy from the best assignment of arms?

Coordinate search with the learner off: for one site and size band after the other every arm is tried in its place, the
others as they are, and the cheapest stays; round after round until nothing gets cheaper. What is compared is what the
whole process cost, CPU time and priced memory (1 GiB for 1 s: 133 ms): one run of every arm, then the median over N
of those that came near the cheapest. Then the best assignment, the learned policy and the built-in defaults are run
in turns, and their ratios printed. Run it from the build directory's parent, with nothing else running.
"""

import argparse
import contextlib
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from whole import bench, whole_cost_ms

SLOW = 3          # an arm is given up when its first run takes so many times what the one in its place took
NEAR = 1.5        # and not run again when its first run cost so many times the cheapest's
FINAL_RUNS = 9


def places(policy):
    """(site, band) by index, with the arms that stand for themselves there."""
    for i, site in enumerate(policy["sites"]):
        for k, band in enumerate(site["bands"]):
            arms = [a["arm"] for a in band.get("arms", []) if a.get("played_as", a["arm"]) == a["arm"]]
            yield (i, k), arms


class Search:
    def __init__(self, options):
        self.options = options
        self.build = os.path.realpath(options.build)
        self.directory = tempfile.mkdtemp()

    def write(self, policy, name):
        path = os.path.join(self.directory, name + ".json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(policy, out)
        return path

    def cost(self, policy, name, timeout_s=None):
        path = policy and self.write(policy, name.replace("/", "-"))
        return whole_cost_ms(bench(self.build, self.options.scenario, timeout_s, policy=path))

    def turns(self, policies, runs, costs):
        """Adds to costs[name] what each of the policies cost in so many runs, in turns."""
        for _ in range(runs):
            for name, policy in policies.items():
                costs.setdefault(name, []).append(self.cost(policy, name))
        return costs

    def looked_at(self, policies, first):
        """One run of each, those that take SLOW times as long as the first one stopped: costs by name."""
        started = time.monotonic()
        costs = {first: [self.cost(policies[first], first)]}
        limit_s = SLOW * (time.monotonic() - started)
        for name, policy in policies.items():
            if name != first:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    costs[name] = [self.cost(policy, name, limit_s)]
        return costs

    def improve(self, policy, place, arms):
        """The policy with the cheapest arm at that place."""
        i, k = place
        tried = {}
        for arm in arms:
            tried[arm] = copy.deepcopy(policy)
            tried[arm]["sites"][i]["bands"][k]["champion"] = arm
        was = policy["sites"][i]["bands"][k]["champion"]
        costs = self.looked_at(tried, was if was in tried else arms[0])
        near = NEAR * min(costs.values())[0]
        costs = {arm: cost for arm, cost in costs.items() if arm == was or cost[0] <= near}
        self.turns({arm: tried[arm] for arm in costs}, self.options.runs - 1, costs)
        costs = {arm: statistics.median(cost) for arm, cost in costs.items()}
        best = min(costs, key=costs.get)
        site = policy["sites"][i]
        print(f"  {site.get('symbol') or site['id']} {policy['sites'][i]['bands'][k].get('size', '')}: {was} "
              f"{costs.get(was, float('nan')):.1f} ms, best {best} {costs[best]:.1f} ms", flush=True)
        return tried[best], best != was


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policy", required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--build", default="build")
    parser.add_argument("scenario")
    search = Search(parser.parse_args())
    with open(search.options.policy, encoding="utf-8") as text:
        learned = json.load(text)
    best = learned
    for turn in range(search.options.rounds):
        print(f"round {turn + 1}")
        changed = False
        for place, arms in places(learned):
            if len(arms) > 1:
                best, other = search.improve(best, place, arms)
                changed |= other
        if not changed:
            break
    costs = search.turns({"oracle": best, "learned": learned, "default": None}, FINAL_RUNS, {})
    oracle = statistics.median(costs["oracle"])
    for name, values in costs.items():
        print(f"{name:8s} {statistics.median(values):10.1f} ms  ({min(values):.1f} to {max(values):.1f})  "
              f"{statistics.median(values) / oracle:.3f} of the oracle's")


sys.exit(main())
