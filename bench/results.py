#!/usr/bin/env python3
"""results.py [--runs N] [--learn N] [--with LIST] [--peer NAME=FILE]... [SCENARIO...]: docs/results.md's table.

Learns each scenario of hakmem-bench from nothing, then compares it (`hakmem compare`): system malloc, other allocators, hakmem at
its defaults and with what it learned. A row gives CPU ms / average resident MiB of each, and what learned hakmem is to the fastest and to
the leanest of the others; = where the ranges of the two overlap. Run it from the build directory's parent, with
nothing else running; it takes about N * 4 s a scenario and allocator.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

SCENARIOS = ["seven", "buffers", "vector", "topic", "bodies", "tiles", "doubling", "poly", "pauses", "sparse", "relay",
             "thin", "sites", "wrapped", "apart"]
OURS = ("all heap", "default", "learned")


def tool(build, *words):
    return subprocess.run([f"{build}/tools/hakmem", *words], check=True, text=True, stdout=subprocess.PIPE).stdout


def summaries(options, scenario, policy):
    build = options.build
    program = [f"{build}/bench/hakmem-bench", scenario]
    warm = ["--no-warm"] if options.no_warm else ["--warm-gib", str(options.warm_gib)]
    learn_warm = ["--no-warm"] if options.no_warm else []
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        subprocess.run([f"{build}/tools/hakmem", "learn", *learn_warm, "--runs", str(options.learn), "-o", policy, "--",
                        *program], check=True, stdout=nowhere, stderr=nowhere)
    others = [word for peer in options.peer for word in ("--peer", peer)]
    out = tool(build, "compare", "--json", *warm, "--runs", str(options.runs), "--arms", "none", "--policy", policy,
               "--with", options.others, *others, "--", *program)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {line["variant"]: line for line in lines if line["kind"] == "summary"}


def to_best(found, what):
    """Learned over the best of the others; with = where the ranges overlap."""
    best = min((s[what] for name, s in found.items() if name not in OURS), key=lambda s: s["median"])
    learned = found["learned"][what]
    same = learned["min"] <= best["max"] and best["min"] <= learned["max"]
    return f"{learned['median'] / best['median']:.2f}{'=' if same else ''}"


def figure(summary):
    return f"{summary['cpu_ms']['median']:.0f} / {summary['average_mib']['median']:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--learn", type=int, default=5)
    parser.add_argument("--with", dest="others", default="installed")
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--build", default="build")
    parser.add_argument("--warm-gib", type=float, default=2)
    parser.add_argument("--no-warm", action="store_true")
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    options = parser.parse_args()
    options.build = os.path.realpath(options.build)
    heads = None
    with tempfile.TemporaryDirectory() as directory:
        for scenario in options.scenarios:
            found = summaries(options, scenario, os.path.join(directory, scenario + ".json"))
            names = [name for name in found if name != "all heap"]
            if heads is None:
                heads = names
                print("| scenario | " + " | ".join(heads) + " | learned: CPU to fastest | memory to leanest |")
                print("|---" * (len(heads) + 3) + "|")
            print(f"| `{scenario}` | " + " | ".join(figure(found[name]) if name in found else "-" for name in heads) +
                  f" | {to_best(found, 'cpu_ms')} | {to_best(found, 'average_mib')} |")
            sys.stdout.flush()


main()
