#!/usr/bin/env python3
"""test_calls.py LIBRARY PROGRAM BENCH: the memory system calls, seen by strace.

An arm decides which calls there are; a frozen policy makes the same ones in the same order, run after run;
and nothing in them is the same where the arm is not (a check of the check).
"""

import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402
from under import environment  # noqa: E402

ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
RESERVED = re.compile(r"mmap\(NULL, (\d+), PROT_NONE, .*\) = (0x[0-9a-f]+)$")
UNMAPPED = re.compile(r"munmap\((0x[0-9a-f]+), (\d+)\) += 0$")


def without_luck(lines):
    """How much of a reservation lies before the alignment, and how much behind, is the kernel's lot: what is unmapped
    of its two ends right after it was made is told as one sum, and it begins where what is left of it does."""
    told, trimmed = [], 0
    low = high = 0  # what is left of the reservation that was made last; empty after any other call
    for line in lines:
        made, cut = RESERVED.match(line), UNMAPPED.match(line)
        start = int(cut[1], 16) if cut else 0
        end = start + int(cut[2]) if cut else 0
        if cut and low < high and (start == low or end == high):
            low, high = (end, high) if start == low else (low, start)
            trimmed += end - start
            told[-2:] = [f"{told[-2].rpartition('= ')[0]}= {low:#x}", f"munmap({trimmed} bytes of its ends)"]
            continue
        told.append(line)
        low = high = trimmed = 0
        if made:
            low, high = int(made[2], 16), int(made[2], 16) + int(made[1])
            told.append("munmap(nothing of its ends)")
    return told


def trace(command, library, env):
    """The main thread's memory calls, addresses renamed in the order of their appearance."""
    with tempfile.NamedTemporaryFile() as log:
        preload = [f"--env={k}={v}" for k, v in environment(library, **env).items()
                   if k == "LD_PRELOAD" or k.startswith("HAK")]
        subprocess.run(["strace", "-o", log.name, "-e", "trace=%memory,process_madvise",
                        *preload, *[str(c) for c in command]], env=environment(),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=True)
        lines = pathlib.Path(log.name).read_text(encoding="utf-8").splitlines()
    names = {}
    return [ADDRESS.sub(lambda m: names.setdefault(m[0], f"<{len(names)}>"), line)
            for line in without_luck(line for line in lines if "(" in line)]


def kinds(lines):
    return collections.Counter(re.findall(r"MADV_\w+", "\n".join(lines)))


def first_difference(a, b):
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return [f"call {i}: {x}\n  then: {y}"]
    return [] if len(a) == len(b) else [f"{len(a)} calls, then {len(b)}"]


def main():
    library, program, bench = sys.argv[1:4]
    tap = Tap()
    if not shutil.which("strace"):
        tap.case("system calls", skip="no strace")
        tap.end()
    with tempfile.TemporaryDirectory() as directory:
        def arm(name):
            return trace([program], library, {"HAKMEM_ARM": name, "HAKMEM_TIMER": 0})

        keep, drop = arm("mmap/base/touch/keep"), arm("mmap/base/touch/drop")
        lazy, prefault = arm("mmap/base/touch/lazy"), arm("mmap/base/prefault/keep")
        tap.case("keep gives nothing back while it can hold it, drop does",
                 [] if kinds(drop)["MADV_DONTNEED"] > kinds(keep)["MADV_DONTNEED"]
                 else [f"keep {kinds(keep)}, drop {kinds(drop)}"])
        tap.case("lazy gives back by MADV_FREE", [] if kinds(lazy)["MADV_FREE"] > 2 + kinds(keep)["MADV_FREE"] else [kinds(lazy)])
        tap.case("prefault populates", [] if kinds(prefault)["MADV_POPULATE_WRITE"] > 10 + kinds(keep)["MADV_POPULATE_WRITE"]
                 else [f"{kinds(prefault)}, without {kinds(keep)}"])
        tap.case("two arms are told apart", [] if first_difference(keep, drop) else ["the same calls"])

        policy = pathlib.Path(directory, "vm.json")
        subprocess.run([bench, "vm"], env=environment(library, HAKMEM_MODE="learn", HAKMEM_POLICY=policy),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=True)
        # What it learned may be any arm. This one makes calls, and keeps what it has longer than the program lives.
        learned = json.loads(policy.read_text(encoding="utf-8"))
        for band in (band for site in learned["sites"] for band in site["bands"]):
            band.update(champion="mmap/base/prefault/keep", keep_ms=16384)
        policy.write_text(json.dumps(learned), encoding="utf-8")
        runs = [trace([bench, "vm"], library, {"HAKMEM_POLICY": policy}) for _ in range(3)]
        tap.case("frozen: run after run the same memory calls",
                 first_difference(runs[0], runs[1]) + first_difference(runs[0], runs[2]))
        tap.case("frozen: there were calls to compare", [] if len(runs[0]) > 20 else [len(runs[0])])
    tap.end()


if __name__ == "__main__":
    main()
