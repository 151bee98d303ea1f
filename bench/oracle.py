#!/usr/bin/env python3
"""oracle.py --policy FILE [--runs N] [--rounds N] SCENARIO: how far is a learned policy from the best assignment of arms?

Coordinate search with the learner off: for one site and size band after the other every arm is tried in its place, the
others as they are, and the cheapest stays; round after round until nothing gets cheaper. What is compared is the
median over N runs of what the whole process cost, CPU time and priced memory (1 GiB for 1 s: 133 ms). Then the best
assignment, the learned policy and the built-in defaults are run in turns, and their ratios printed. Run it from the build directory's
parent, with nothing else running.
"""

import argparse
import copy
import json
import os
import statistics
import sys
import tempfile

from whole import bench, whole_cost_ms


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

    def cost(self, path):
        return whole_cost_ms(bench(self.build, self.options.scenario, policy=path))

    def medians(self, policies):
        """By name, in turns."""
        paths = {name: policy and self.write(policy, name.replace("/", "-")) for name, policy in policies.items()}
        costs = {name: [] for name in policies}
        for _ in range(self.options.runs):
            for name, path in paths.items():
                costs[name].append(self.cost(path))
        return {name: statistics.median(values) for name, values in costs.items()}

    def improve(self, policy, place, arms):
        """The policy with the cheapest arm at that place."""
        i, k = place
        tried = {}
        for arm in arms:
            tried[arm] = copy.deepcopy(policy)
            tried[arm]["sites"][i]["bands"][k]["champion"] = arm
        costs = self.medians(tried)
        best = min(costs, key=costs.get)
        was = policy["sites"][i]["bands"][k]["champion"]
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
    search.options.runs = max(search.options.runs, 9)
    costs = search.medians({"oracle": best, "learned": learned, "default": None})
    for name, cost in costs.items():
        print(f"{name:8s} {cost:10.1f} ms  {cost / costs['oracle']:.3f} of the oracle's")


sys.exit(main())
