#!/usr/bin/env python3
"""Runs the checks of this directory over the tree, and each over planted violations that it must find.

test_style.py TOP CHECK...   CHECK: the x of check_x.py
"""

import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
sys.dont_write_bytecode = True

import tree as project  # noqa: E402
from tap import Tap  # noqa: E402


def main():
    tap, files = Tap(), project.read(sys.argv[1])
    for name in sys.argv[2:]:
        check = importlib.import_module(f"check_{name}")
        why_not = check.skip() if hasattr(check, "skip") else None
        complaints = check.check(files)
        tap.case(f"{name}: {check.__doc__.splitlines()[0]}", complaints, skip=why_not)
        for what, planted in check.planted(files).items():
            found = why_not or set(check.check(planted)) - set(complaints)
            tap.case(f"{name} finds {what}", [] if found else ["it was not found"], skip=why_not)
    tap.end()


if __name__ == "__main__":
    main()
