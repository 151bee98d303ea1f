#!/usr/bin/env python3
"""test_checked.py LIBRARY PROGRAM: what -Dchecks=full notices ends the program at once, in one clear line and SIGABRT."""

import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from tap import Tap  # noqa: E402
from under import one_line_of_ours, run  # noqa: E402

LINES = {"overrun": "beyond its end", "under": "beyond its end", "late": "free already", "after": "after free()"}


def main():
    library, program = sys.argv[1:]
    tap = Tap()
    for bytes_ in ["16", "100", "5000"]:
        for mistake, words in LINES.items():
            ended = run([program, mistake, bytes_], library)
            complaints = one_line_of_ours(ended.err)
            if ended.status != -signal.SIGABRT or words not in ended.err:
                complaints.append(f"status {ended.status}, expected SIGABRT and '{words}': {ended.err}")
            if ended.out:
                complaints.append(f"it went on: {ended.out}")
            tap.case(f"{mistake}, {bytes_} bytes", complaints)
        ended = run([program, "none", bytes_], library)
        tap.case(f"no mistake, {bytes_} bytes", [] if ended.status == 0 and not ended.err else [ended.err])
    tap.end()


if __name__ == "__main__":
    main()
