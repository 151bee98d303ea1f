"""Shared by results.py and programs.py: learn a command from nothing, compare it, print a row."""

import argparse
import json
import os
import subprocess

OURS = ("all heap", "default", "learned")


def parser_of(text):
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--learn", type=int, default=5)
    parser.add_argument("--with", dest="others", default="installed")
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--build", default="build")
    parser.add_argument("--warm-gib", type=float, default=2)
    parser.add_argument("--no-warm", action="store_true")
    return parser


def summaries(options, command, policy):
    """`hakmem compare`'s summaries by variant."""
    tool = [f"{os.path.realpath(options.build)}/tools/hakmem"]
    warm = ["--no-warm"] if options.no_warm else ["--warm-gib", str(options.warm_gib)]
    learn_warm = ["--no-warm"] if options.no_warm else []
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        subprocess.run([*tool, "learn", *learn_warm, "--runs", str(options.learn), "-o", policy, "--", *command],
                       check=True, stdout=nowhere, stderr=nowhere)
    others = [word for peer in options.peer for word in ("--peer", peer)]
    out = subprocess.run([*tool, "compare", "--json", *warm, "--runs", str(options.runs), "--arms", "none", "--policy", policy,
                          "--with", options.others, *others, "--", *command], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {line["variant"]: line for line in lines if line["kind"] == "summary"}


def to_best(found, what):
    """Learned over the best of the others; with = where the ranges overlap."""
    best = min((s[what] for name, s in found.items() if name not in OURS), key=lambda s: s["median"])
    learned = found["learned"][what]
    same = learned["min"] <= best["max"] and best["min"] <= learned["max"]
    return f"{learned['median'] / best['median']:.2f}{'=' if same else ''}"


class Table:
    """Rows with CPU ms / MiB of each variant, as they come."""

    def __init__(self, what, memory):
        self.what, self.memory, self.heads = what, memory, None

    def put(self, name, found):
        if self.heads is None:
            self.heads = [head for head in found if head != "all heap"]
            print(f"| {self.what} | " + " | ".join(self.heads) + " | learned: CPU to fastest | memory to leanest |")
            print("|---" * (len(self.heads) + 3) + "|")
        print(f"| {name} | " + " | ".join(
            f"{found[head]['cpu_ms']['median']:.0f} / {found[head][self.memory]['median']:.1f}" if head in found else "-"
            for head in self.heads) + f" | {to_best(found, 'cpu_ms')} | {to_best(found, self.memory)} |", flush=True)
