#!/usr/bin/env python3
"""scripts/tally counts cases, and cannot be fooled by runs of nothing, crashes after the last case or lost suites."""

import importlib.machinery
import importlib.util
import json
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402

loader = importlib.machinery.SourceFileLoader("tally", str(HERE.parents[1] / "scripts/tally"))
tally = importlib.util.module_from_spec(importlib.util.spec_from_loader("tally", loader))
loader.exec_module(tally)

CASE = '<testcase name="{}" classname="hakmem.hakmem:unit / {}">{}</testcase>'


def report(tests, wanted):
    """tests: {name: (suite, result of the whole, [result of each case])}; what tally makes of it"""
    inside = {"pass": "", "fail": "<failure/>", "error": "<error/>", "skip": "<skipped/>"}
    cases = "".join(CASE.format(i, name, inside[c])
                    for name, (_, _, results) in tests.items() for i, c in enumerate(results))
    log = [json.dumps({"name": f"hakmem:{suite} / {name}", "result": whole})
           for name, (suite, whole, _) in tests.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as junit:
        junit.write(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
        junit.flush()
        suites = {name: [suite] for name, (suite, _, _) in tests.items()}
        return tally.tally(junit.name, log, suites, wanted)


def main():
    tap = Tap()

    def expect(name, tests, wanted, numbers, complaints):
        *got, text = report(tests, wanted)
        wrong = [] if tuple(got) == numbers and len(text) == complaints else [f"{got} {text}"]
        tap.case(name, wrong)

    good = {"a": ("unit", "OK", ["pass", "pass", "skip"])}
    expect("cases are counted", good, ["unit"], (2, 0, 1), 0)
    expect("a failed case", {"a": ("unit", "FAIL", ["pass", "fail", "error"])}, ["unit"], (1, 2, 0), 2)
    expect("a crash after the last case", {"a": ("unit", "ERROR", ["pass"])}, ["unit"], (1, 1, 0), 1)
    expect("a timeout", {"a": ("unit", "TIMEOUT", [])}, ["unit"], (0, 1, 0), 2)
    expect("a suite that did not run", good, ["unit", "sim"], (2, 1, 1), 1)
    expect("nothing ran", {}, [], (0, 0, 0), 1)
    expect("a test without cases", {"a": ("unit", "OK", [])}, ["unit"], (0, 1, 0), 2)
    expect("a whole test skipped", dict(good, b=("unit", "SKIP", [])), ["unit"], (2, 0, 2), 0)
    tap.end()


if __name__ == "__main__":
    main()
