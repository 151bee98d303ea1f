#!/usr/bin/env python3
"""test_broken.py LIBRARY PROGRAM: programs with mistakes end at once, in one clear line and SIGABRT."""

import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402
from under import one_line_of_ours, run  # noqa: E402

ARMS = ["mmap/base/touch/drop", "mmap/base/touch/keep", "mmap/huge/touch/lazy"]
MISTAKES = ["double", "inside", "page", "realloc"]


def main():
    library, program = sys.argv[1:]
    tap = Tap()
    for arm in ARMS:
        for mistake in MISTAKES:
            ended = run([program, mistake], library, env={"HAKMEM_ARM": arm})
            complaints = one_line_of_ours(ended.err)
            if ended.status != -signal.SIGABRT:
                complaints.append(f"status {ended.status}, expected SIGABRT")
            if ended.out:
                complaints.append(f"it went on: {ended.out}")
            tap.case(f"{mistake} with {arm}", complaints)
    ended = run([program, "none"], library)
    tap.case("a program without a mistake", [] if ended.status == 0 and not ended.err else [ended.err])
    tap.end()


if __name__ == "__main__":
    main()
