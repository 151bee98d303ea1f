#!/usr/bin/env python3
"""test_statistics.py LIBRARY PROGRAM [nommap]: statistics at exit, and the kill switch as they show it."""

import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402
from under import one_line_of_ours, run, statistic_names, statistics_of  # noqa: E402


def champion_policy(library, program, directory):
    """A policy that this program learned, every champion an mmap arm where it could be."""
    path = directory / "learned.json"
    run([program], library, env={"HAKMEM_MODE": "learn", "HAKMEM_POLICY": path})
    return path


def main():
    library, program = sys.argv[1:3]
    built_without_mmap = sys.argv[3:] == ["nommap"]
    tap, plain = Tap(), run([program])
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)

        ended = run([program], library, env={"HAKMEM_STATS": "stderr"})
        try:
            shown = json.loads(ended.err)
            head = [shown.pop(key, None) for key in ("hakmem_stats", "version", "pid")]
            wrong = [f"it begins with {head}"] if None in head else []
            wrong += [] if list(shown) == statistic_names() else [f"names {list(shown)}"]
            wrong += [f"{k}: {v}" for k, v in shown.items() if not isinstance(v, int) or v < 0]
        except ValueError:
            wrong = [f"not JSON: {ended.err}"]
        tap.case("on stderr: one JSON object, the table's names", wrong)
        tap.case("the program prints what it prints", [] if ended.out == plain.out else [ended.out])

        run([program], library, env={"HAKMEM_STATS": directory / "of.%p.json"})
        found = list(directory.glob("of.*.json"))
        wrong = [] if len(found) == 1 and found[0].stem[3:].isdigit() else [f"{found}"]
        tap.case("in a file with the process's number", wrong)

        ended = run([program], library, env={"HAKMEM_STATS": "/nonexistent/statistics.json"})
        tap.case("a file that cannot be written: one line, and the status stays",
                 one_line_of_ours(ended.err) + ([] if ended.status == plain.status else [ended.status]))

        def played(env):
            path = directory / "played.json"
            path.unlink(missing_ok=True)
            run([program], library, env=dict(env, HAKMEM_STATS=path))
            return statistics_of(path)

        learned = champion_policy(library, program, directory)
        numbers = played({"HAKMEM_ARM": "mmap/base/touch/keep"})
        tap.case("with an mmap arm, spans are used" if not built_without_mmap
                 else "built without mmap arms, none is used",
                 [] if (numbers["mmap_allocs"] > 0) != built_without_mmap else [numbers])
        off = {"HAKO_HAKMEM_LARGE_MMAP": 0}
        cases = {
            "the built-in policy": off,
            "a forced arm": dict(off, HAKMEM_ARM="mmap/huge/touch/keep"),
            "a learned policy": dict(off, HAKMEM_POLICY=learned),
            "learning": dict(off, HAKMEM_MODE="learn", HAKMEM_POLICY=directory / "off.json"),
        }
        for case, env in cases.items():
            numbers = played(env)
            right = numbers["mmap_allocs"] == 0 and numbers["heap_allocs"] > 0
            tap.case(f"kill switch, {case}: the heap serves all", [] if right else [numbers])
        try:
            policy = json.loads((directory / "off.json").read_text(encoding="utf-8"))
            played_arms = [arm["arm"] for site in policy["sites"] for band in site["bands"]
                           for arm in band["arms"] if arm.get("plays", 0) > 0]
            wrong = [arm for arm in played_arms if arm.startswith("mmap/")]
            if not played_arms:
                wrong = ["nothing was learned"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            wrong = [f"the policy: {error!r}"]
        tap.case("kill switch, learning: the policy shows no mmap arm played", wrong)
        numbers = played({"HAKMEM_MODE": "off"})
        tap.case("mode off: the heap serves all", [] if numbers["mmap_allocs"] == 0 else [numbers])
    tap.end()


if __name__ == "__main__":
    main()
